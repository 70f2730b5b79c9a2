"""Cases of the reconciliation, and until when it has come, in the shared schema (revision 0018 there)."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from chukan.platform.database.tables import SharedBase, Tenant


class CaseRow(SharedBase):
    """That two parties' records of one inquiry differ, and in which fields; never what they say."""

    __tablename__ = "reconciliation_case"
    __table_args__ = (
        CheckConstraint("side in ('inquirer', 'provider')", name="side_known"),
        CheckConstraint("kind in ('missing_here', 'missing_there', 'differs')", name="kind_known"),
        CheckConstraint("length(reason) <= 500", name="reason_short"),
        CheckConstraint("(closed_at is null) = (closed_by is null)", name="closed_whole"),
        Index(
            "reconciliation_case_open",
            "tenant",
            "inquirer",
            "serial",
            "side",
            unique=True,
            postgresql_where=text("closed_at is null"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    tenant: Mapped[UUID] = mapped_column(ForeignKey(Tenant.id, ondelete="CASCADE"))
    side: Mapped[str]
    inquirer: Mapped[str]
    serial: Mapped[str]
    kind: Mapped[str]
    fields: Mapped[list[str]] = mapped_column(ARRAY(Text))
    requested_on: Mapped[date]
    opened_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    reason: Mapped[str | None]


class StandingRow(SharedBase):
    """Which days of an organisation's records were compared last, and what came of it."""

    __tablename__ = "reconciliation_standing"

    tenant: Mapped[UUID] = mapped_column(ForeignKey(Tenant.id, ondelete="CASCADE"), primary_key=True)
    from_day: Mapped[date]
    until_day: Mapped[date]
    compared: Mapped[int]
    differing: Mapped[int]
    reconciled_at: Mapped[datetime]
