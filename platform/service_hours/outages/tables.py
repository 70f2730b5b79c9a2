"""Planned outages and what became of each (migration 0007)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Text, func
from sqlalchemy.dialects.postgresql import ARRAY, TSTZMULTIRANGE
from sqlalchemy.orm import Mapped, mapped_column

from chukan.platform.database.tables import SharedBase


class PlannedOutageRow(SharedBase):
    """One outage; ``effective_end`` is its end, or where a cancellation cut it short."""

    __tablename__ = "planned_outage"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    services: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    exceptions: Mapped[Any] = mapped_column(TSTZMULTIRANGE(), server_default="{}")
    description: Mapped[str] = mapped_column(server_default="")
    announced_at: Mapped[datetime]
    late_reason: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="planned")
    effective_end: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PlannedOutageEventRow(SharedBase):
    """One change of an outage: who made it, when and why."""

    __tablename__ = "planned_outage_event"

    outage: Mapped[UUID] = mapped_column(ForeignKey(PlannedOutageRow.id), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    event: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    actor: Mapped[str]
    reason: Mapped[str | None]
