"""Provision records (revision 0011)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from chukan.tenants.releases.schema import TenantBase


class ProvisionRecordRow(TenantBase):
    """What is recorded of one inquiry: the same at the inquirer, the provider and the network.

    Beside it only here: ``reception`` is the number under which the inquirer's system asked, ``person`` the blind
    index of the address number.
    """

    __tablename__ = "provision_record"
    __table_args__ = (
        UniqueConstraint("serial", "inquirer", "side", name="provision_record_serial_key"),
        CheckConstraint("side in ('inquirer', 'provider')", name="side_known"),
        CheckConstraint(
            "result in ('requested', 'deferred', 'provided', 'refused', 'cancelled', 'expired')", name="result_known"
        ),
        CheckConstraint("(answered_at is null) = (result in ('requested', 'deferred'))", name="answered_whole"),
        Index("provision_record_requested_at_ix", "requested_at"),
        Index("provision_record_received", "reception", postgresql_where=text("reception is not null")),
        {"info": {"privileges": ("select", "insert", "update", "delete")}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    side: Mapped[str]
    inquirer: Mapped[str]
    serial: Mapped[str]
    provider: Mapped[str]
    affair: Mapped[str]
    procedure: Mapped[str]
    information: Mapped[str]
    requested_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    result: Mapped[str]
    non_disclosure: Mapped[bool]
    reception: Mapped[str | None]
    person: Mapped[bytes | None] = mapped_column(LargeBinary)
