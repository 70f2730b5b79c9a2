"""Requests for codes, the codes, their history and what somebody has to look at (revision 0005)."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from chukan.tenants.releases.schema import TenantBase

_OPEN = text("state in ('requested', 'announced', 'overdue')")
_LIVING = text("ended_at is null")


class CodeRequestRow(TenantBase):
    """One request; ``person`` is the blind index of the address number, ``address`` the number itself, sealed."""

    __tablename__ = "code_request"
    __table_args__ = (
        UniqueConstraint("serial", name="code_request_serial_key"),
        CheckConstraint(
            "state in ('requested', 'announced', 'overdue', 'acquired', 'unknown_person', 'refused', 'conflicting')",
            name="state_known",
        ),
        Index("code_request_under_way", "person", unique=True, postgresql_where=_OPEN),
        Index("code_request_awaited", "conv", postgresql_where=_OPEN),
        Index("code_request_person_ix", "person"),
        {"info": {"privileges": ("select", "insert", "update")}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    serial: Mapped[str]
    person: Mapped[bytes] = mapped_column(LargeBinary)
    address: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str]
    conv: Mapped[UUID]
    message: Mapped[UUID]
    requested_at: Mapped[datetime]
    due_on: Mapped[date]
    answered_at: Mapped[datetime | None]
    reason: Mapped[str | None]


class LinkageCodeRow(TenantBase):
    """That a person has a code, from one instant to another; code and address number are sealed."""

    __tablename__ = "linkage_code"
    __table_args__ = (
        Index("linkage_code_of_person", "person", unique=True, postgresql_where=_LIVING),
        Index("linkage_code_of_code", "code_index", unique=True, postgresql_where=_LIVING),
        {"info": {"privileges": ("select", "insert", "update")}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    person: Mapped[bytes] = mapped_column(LargeBinary)
    code_index: Mapped[bytes] = mapped_column(LargeBinary)
    code: Mapped[bytes] = mapped_column(LargeBinary)
    address: Mapped[bytes] = mapped_column(LargeBinary)
    request: Mapped[UUID]
    linked_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class LinkEventRow(TenantBase):
    """One thing that happened to the code of a person, and by whom (append only)."""

    __tablename__ = "link_event"
    __table_args__ = (
        CheckConstraint("length(reason) <= 500", name="reason_short"),
        Index("link_event_person_ix", "person"),
        {"info": {"privileges": ("select", "insert")}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    at: Mapped[datetime]
    event: Mapped[str]
    person: Mapped[bytes] = mapped_column(LargeBinary)
    request: Mapped[UUID | None]
    link: Mapped[UUID | None]
    approval: Mapped[UUID | None]
    actor: Mapped[str]
    reason: Mapped[str | None]


class CodeCaseRow(TenantBase):
    """What somebody has to look at: *request* brought a code that *link* had, or another one than it had."""

    __tablename__ = "code_case"
    __table_args__ = (
        CheckConstraint("kind in ('one_code_of_two', 'code_changed')", name="kind_known"),
        CheckConstraint("num_nonnulls(closed_at, actor, reason) in (0, 3)", name="closed_whole"),
        CheckConstraint("length(reason) <= 500", name="reason_short"),
        {"info": {"privileges": ("select", "insert", "update")}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    kind: Mapped[str]
    request: Mapped[UUID]
    link: Mapped[UUID]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    actor: Mapped[str | None]
    reason: Mapped[str | None]
