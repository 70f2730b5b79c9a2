"""The outbox, the history of each mail, and the recipients that cannot be reached (migration 0006)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from chukan.platform.database.tables import SharedBase


class MailRow(SharedBase):
    """One mail to one recipient; ``due_at`` is when to send it, or while it is being sent, when its lease ends."""

    __tablename__ = "mail_outbox"
    __table_args__ = (
        UniqueConstraint("message_id", name="mail_outbox_message_id_key"),
        Index("mail_outbox_due", "due_at", "id", postgresql_where=text("state in ('queued', 'sending')")),
        Index("mail_outbox_open", "state", "queued_at", postgresql_where=text("state <> 'sent'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    message_id: Mapped[str]
    template: Mapped[str]
    recipient: Mapped[str]
    content: Mapped[bytes]
    state: Mapped[str] = mapped_column(server_default="queued")
    attempts: Mapped[int] = mapped_column(server_default="0")
    claims: Mapped[int] = mapped_column(server_default="0")
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    queued_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class MailEventRow(SharedBase):
    """One thing that happened to a mail, the state after it, and what a server said."""

    __tablename__ = "mail_event"

    mail: Mapped[UUID] = mapped_column(ForeignKey(MailRow.id), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    event: Mapped[str]
    state: Mapped[str]
    code: Mapped[int | None]
    status: Mapped[str | None]
    words: Mapped[str | None]


class UndeliverableRow(SharedBase):
    """A recipient whose mail came back for good, until somebody lifts the mark."""

    __tablename__ = "mail_undeliverable"

    recipient: Mapped[str] = mapped_column(primary_key=True)
    mail: Mapped[UUID] = mapped_column(ForeignKey(MailRow.id))
    status: Mapped[str]
    since: Mapped[datetime] = mapped_column(server_default=func.now())
    lifted_at: Mapped[datetime | None]
