"""Conversations, outbox and inbox of an organisation (revision 0004); what others may know of them (0013)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, LargeBinary, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from chukan.platform.database.tables import SharedBase, Tenant
from chukan.tenants.releases.schema import TenantBase


class ConversationRow(TenantBase):
    """A conversation: which number comes next in each direction; *version* counts its changes."""

    __tablename__ = "conversation"
    __table_args__ = (
        CheckConstraint("state in ('open', 'closed')", name="state_known"),
        CheckConstraint("next_in >= 1 and next_out >= 1", name="counted"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    next_in: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    next_out: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    state: Mapped[str] = mapped_column(server_default="open")
    deadline: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    opened_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class OutboxRow(TenantBase):
    """A message that leaves; ``payload`` (XML) and ``message`` (the JWS, once it is signed) are sealed.

    ``seq`` is given when it is signed, and taken from it when it is refused.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint("state in ('queued', 'sending', 'done', 'refused', 'dead')", name="state_known"),
        CheckConstraint("num_nonnulls(message, sha256, kid, signed_at) in (0, 4)", name="signed_whole"),
        CheckConstraint("(state = 'sending') = (lease_until is not null)", name="leased"),
        CheckConstraint("state not in ('sending', 'done') or (seq is not null and kid is not null)", name="placed"),
        Index("outbox_place", "conv", "seq", unique=True, postgresql_where=text("seq is not null")),
        Index("outbox_open", "conv", "id", postgresql_where=text("state <> 'done'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    conv: Mapped[UUID]
    seq: Mapped[int | None]
    to_org: Mapped[str]
    type: Mapped[str]
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    message: Mapped[bytes | None] = mapped_column(LargeBinary)
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    kid: Mapped[str | None]
    signed_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(server_default="queued")
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    next_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    lease_until: Mapped[datetime | None]
    lease_epoch: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    receipt: Mapped[bytes | None] = mapped_column(LargeBinary)
    reason: Mapped[str | None]
    queued_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    changed_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class OutboxEventRow(TenantBase):
    """One thing that happened to a message that leaves, and the state after it (append only, until it is forgotten)."""

    __tablename__ = "outbox_event"
    __table_args__ = {"info": {"privileges": ("select", "insert", "delete")}}  # noqa: RUF012 - SQLAlchemy's own form

    message: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    event: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str | None]


class InboxRow(TenantBase):
    """A message that was taken; ``message`` (the JWS) is sealed, ``kid`` names the key that it was encrypted to."""

    __tablename__ = "inbox"
    __table_args__ = (
        UniqueConstraint("from_org", "conv", "seq", name="inbox_place_key"),
        CheckConstraint("state in ('held', 'applied', 'refused')", name="state_known"),
        Index("inbox_held", "received_at", postgresql_where=text("state = 'held'")),
    )

    from_org: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    conv: Mapped[UUID]
    seq: Mapped[int]
    type: Mapped[str]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    message: Mapped[bytes] = mapped_column(LargeBinary)
    kid: Mapped[str | None]
    state: Mapped[str]
    receipt: Mapped[bytes] = mapped_column(LargeBinary)
    reason: Mapped[str | None]
    received_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class DueRow(SharedBase):
    """That something of *kind* is due at a tenant from *at* on; rows are added and taken away, never changed."""

    __tablename__ = "due"
    __table_args__ = (Index("due_next", "kind", "at"), Index("due_of_tenant", "tenant"))

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    tenant: Mapped[UUID] = mapped_column(ForeignKey(Tenant.id, ondelete="CASCADE"))
    kind: Mapped[str]
    at: Mapped[datetime]


class ExchangeStopRow(SharedBase):
    """That the exchange is stopped, of one tenant or (without one) of all, until it was resumed."""

    __tablename__ = "exchange_stop"
    __table_args__ = (
        Index(
            "exchange_stop_in_force",
            "tenant",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("resumed_at is null"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    tenant: Mapped[UUID | None] = mapped_column(ForeignKey(Tenant.id, ondelete="CASCADE"))
    reason: Mapped[str]
    stopped_by: Mapped[str]
    stopped_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    resumed_by: Mapped[str | None]
    resumed_at: Mapped[datetime | None]


class ExchangeStandingRow(SharedBase):
    """How the exchange with one tenant stood when its relay last looked; no content."""

    __tablename__ = "exchange_standing"

    tenant: Mapped[UUID] = mapped_column(ForeignKey(Tenant.id, ondelete="CASCADE"), primary_key=True)
    unsent: Mapped[int]
    oldest_unsent_at: Mapped[datetime | None]
    dead: Mapped[int]
    refused: Mapped[int]
    held: Mapped[int]
    oldest_held_at: Mapped[datetime | None]
    measured_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
