"""Provisions, their history, and what is barred from automatic replies (revision 0010)."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, SmallInteger, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from chukan.platform.vault.rules import EncryptedColumn
from chukan.tenants.releases.schema import TenantBase

PROVISION, BAR = "provision", "provision_bar"
ADDRESS, REQUEST = "address", "request"
#: What a rotation of the tenant's data key re-encrypts.
ENCRYPTED_COLUMNS = (
    EncryptedColumn(PROVISION, ADDRESS),
    EncryptedColumn(PROVISION, REQUEST),
    EncryptedColumn(BAR, ADDRESS),
)


class ProvisionRow(TenantBase):
    """One request of another organisation, and what became of it.

    ``person`` is the blind index of the address number, ``address`` the number itself, sealed; without a person the
    linkage code is nobody's here. ``request`` (sealed) is what an answer needs, and is gone when there is nothing to
    answer any more. ``provided`` holds dataset, version and count of what was given: ``0101/4/2``.
    """

    __tablename__ = PROVISION
    __table_args__ = (
        UniqueConstraint("serial", "inquirer", name="provision_serial_key"),
        CheckConstraint("state in ('provided', 'deferred', 'refused', 'cancelled', 'expired')", name="state_known"),
        Index("provision_waiting", "valid_until", postgresql_where=text("state = 'deferred'")),
        Index("provision_unsettled", "message", postgresql_where=text("request is not null")),
        Index("provision_given", "information", "answered_at", postgresql_where=text("state = 'provided'")),
        {"info": {"privileges": ("select", "insert", "update", "delete")}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    inquirer: Mapped[str]
    serial: Mapped[str]
    conv: Mapped[UUID]
    permit: Mapped[UUID]
    information: Mapped[int] = mapped_column(SmallInteger)
    person: Mapped[bytes | None] = mapped_column(LargeBinary)
    link: Mapped[UUID | None]
    address: Mapped[bytes | None] = mapped_column(LargeBinary)
    request: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str]
    cause: Mapped[str | None]
    reason: Mapped[str | None]
    expected_on: Mapped[date | None]
    requested_at: Mapped[datetime]
    valid_until: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    provided: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    message: Mapped[UUID | None]


class ProvisionEventRow(TenantBase):
    """One thing that happened to a provision, and by whom (append only, until its provision is forgotten)."""

    __tablename__ = "provision_event"
    __table_args__ = (
        CheckConstraint("length(reason) <= 500", name="reason_short"),
        Index("provision_event_provision_ix", "provision"),
        {"info": {"privileges": ("select", "insert", "delete")}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    provision: Mapped[UUID]
    at: Mapped[datetime]
    event: Mapped[str]
    state: Mapped[str]
    cause: Mapped[str | None]
    actor: Mapped[str]
    reason: Mapped[str | None]


class ProvisionBarRow(TenantBase):
    """That nothing is answered by itself within a scope, from one instant to another; None is not bounded."""

    __tablename__ = BAR
    __table_args__ = (
        CheckConstraint("kind in ('bar', 'restriction')", name="kind_known"),
        CheckConstraint("dataset is null or information is not null", name="dataset_of_information"),
        CheckConstraint("(person is null) = (address is null)", name="person_whole"),
        CheckConstraint("length(reason) between 1 and 500", name="reason_short"),
        CheckConstraint("(lifted_by is null) = (lifted_at is null)", name="lifted_whole"),
        Index("provision_bar_in_force", "person", postgresql_where=text("lifted_at is null")),
        {"info": {"privileges": ("select", "insert", "update")}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    act: Mapped[UUID]
    kind: Mapped[str]
    information: Mapped[int | None] = mapped_column(SmallInteger)
    dataset: Mapped[int | None] = mapped_column(SmallInteger)
    person: Mapped[bytes | None] = mapped_column(LargeBinary)
    address: Mapped[bytes | None] = mapped_column(LargeBinary)
    department: Mapped[str | None]
    reason: Mapped[str]
    set_by: Mapped[str]
    set_at: Mapped[datetime]
    lifted_by: Mapped[str | None]
    lifted_at: Mapped[datetime | None]
