"""Requests, inquiries, their history and answers (revisions 0009, 0012), and what the console sees (0017)."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from chukan.platform.database.tables import SharedBase, Tenant
from chukan.tenants.releases.schema import TenantBase

_QUEUED = text("state = 'queued'")
_UNDER_WAY = text("state in ('sent', 'deferred', 'cancelling')")


class InquiryReceptionRow(TenantBase):
    """One request: an inquiry of a counter, or a list with the end that was foretold; numbers are in order of time.

    ``key`` is what the request is known by when it comes again, ``source_user`` who asked at the organisation.
    """

    __tablename__ = "inquiry_reception"
    __table_args__ = (
        CheckConstraint("kind in ('window', 'bulk')", name="kind_known"),
        Index("inquiry_reception_key_key", "key", unique=True, postgresql_where=text("key is not null")),
        {"info": {"privileges": ("select", "insert", "delete")}},
    )

    number: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    count: Mapped[int]
    department: Mapped[str]
    actor: Mapped[str]
    registered_at: Mapped[datetime]
    best: Mapped[datetime | None]
    worst: Mapped[datetime | None]
    key: Mapped[str | None]
    source_user: Mapped[str | None]


class InquiryRow(TenantBase):
    """One inquiry; its id is that of its conversation. ``person`` is the blind index, ``address`` sealed."""

    __tablename__ = "inquiry"
    __table_args__ = (
        UniqueConstraint("serial", name="inquiry_serial_key"),
        CheckConstraint("kind in ('window', 'bulk')", name="kind_known"),
        CheckConstraint(
            "state in ('queued', 'sent', 'deferred', 'cancelling', 'answered', 'refused', 'expired', 'cancelled')",
            name="state_known",
        ),
        CheckConstraint(
            "(ended_at is null) = (state in ('queued', 'sent', 'deferred', 'cancelling'))", name="ended_whole"
        ),
        CheckConstraint("length(explanation) <= 500", name="explanation_short"),
        Index("inquiry_of_reception", "reception", "place"),
        Index("inquiry_queued", "kind", "reception", "place", postgresql_where=_QUEUED),
        Index("inquiry_under_way", "requested_at", postgresql_where=_UNDER_WAY),
        {"info": {"privileges": ("select", "insert", "update", "delete")}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    reception: Mapped[str]
    place: Mapped[int] = mapped_column(SmallInteger)
    kind: Mapped[str]
    serial: Mapped[str]
    state: Mapped[str]
    person: Mapped[bytes] = mapped_column(LargeBinary)
    address: Mapped[bytes] = mapped_column(LargeBinary)
    information: Mapped[str]
    affair: Mapped[str]
    procedure: Mapped[str]
    provider: Mapped[str]
    period: Mapped[bool]
    begins: Mapped[date | None]
    ends: Mapped[date | None]
    year: Mapped[int | None] = mapped_column(SmallInteger)
    undisclosed: Mapped[bool]
    delegated: Mapped[str | None]
    requested_at: Mapped[datetime | None]
    received_at: Mapped[datetime | None]
    expected_on: Mapped[date | None]
    reason: Mapped[str | None]
    explanation: Mapped[str | None]
    ended_at: Mapped[datetime | None]
    permit: Mapped[UUID | None]


class InquiryEventRow(TenantBase):
    """One thing that happened to an inquiry, and by whom (append only, until the inquiry's time is over).

    ``at`` is by the database's clock.
    """

    __tablename__ = "inquiry_event"
    __table_args__ = (
        Index("inquiry_event_inquiry_ix", "inquiry"),
        {"info": {"privileges": ("select", "insert", "delete")}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    inquiry: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    event: Mapped[str]
    state: Mapped[str]
    actor: Mapped[str]
    reason: Mapped[str | None]


class InquiryAnswerRow(TenantBase):
    """What the provider signed, as it came, sealed."""

    __tablename__ = "inquiry_answer"
    __table_args__ = (
        Index("inquiry_answer_received_at_ix", "received_at"),
        {"info": {"privileges": ("select", "insert", "update", "delete")}},
    )

    inquiry: Mapped[UUID] = mapped_column(primary_key=True)
    signed: Mapped[bytes] = mapped_column(LargeBinary)
    kid: Mapped[str]
    received_at: Mapped[datetime]


class InquiryPaceRow(TenantBase):
    """How many inquiries left in a minute: what the rolling hour is counted from."""

    __tablename__ = "inquiry_pace"

    minute: Mapped[datetime] = mapped_column(primary_key=True)
    window: Mapped[int]
    bulk: Mapped[int]


class ExpiryNoticeRow(SharedBase):
    """That inquiries of an organisation are about to expire, and that it was told so; counts alone."""

    __tablename__ = "inquiry_expiry_notice"

    tenant: Mapped[UUID] = mapped_column(ForeignKey(Tenant.id, ondelete="CASCADE"), primary_key=True)
    last_day: Mapped[date] = mapped_column(primary_key=True)
    inquiries: Mapped[int]
    noticed_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    mailed_at: Mapped[datetime | None]
