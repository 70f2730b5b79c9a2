"""What the console sees of the traffic: how much of it, by hour, organisation and side. Counts alone.

Inquiries and provisions count what happened at an organisation; its own schema is where that is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, mapped_column

from chukan.platform.database.tables import SharedBase, Tenant, TenantState
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.transmission import exchange_totals
from chukan.tenants.middleserver.transmission.tables import ExchangeStandingRow

_HOUR = timedelta(hours=1)


class Side(StrEnum):
    """On which side of an inquiry an organisation stood."""

    INQUIRER = "inquirer"
    PROVIDER = "provider"


class ExchangeHourRow(SharedBase):
    """How often *event* happened at a tenant within the hour that begins at *hour*."""

    __tablename__ = "exchange_hour"
    __table_args__ = (Index("exchange_hour_of_all", "hour"),)

    tenant: Mapped[UUID] = mapped_column(ForeignKey(Tenant.id, ondelete="CASCADE"), primary_key=True)
    side: Mapped[str] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    event: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]


class ExchangeLookRow(SharedBase):
    """Up to when what happened at a tenant, on one side, has been counted."""

    __tablename__ = "exchange_look"

    tenant: Mapped[UUID] = mapped_column(ForeignKey(Tenant.id, ondelete="CASCADE"), primary_key=True)
    side: Mapped[str] = mapped_column(primary_key=True)
    looked_at: Mapped[datetime]


def forget(connection: Connection, before: datetime) -> int:
    """Forget the hours of each organisation that began before *before*, which were added up long ago.

    What was added up stays. Return how many counts were forgotten.
    """
    return connection.execute(delete(ExchangeHourRow).where(ExchangeHourRow.hour < before)).rowcount


def to_count(connection: Connection, side: Side) -> Sequence[tuple[TenantId, datetime | None]]:
    """Return the active tenants with traffic since they were last looked at, and the hour from which to count again."""
    look, standing = ExchangeLookRow, ExchangeStandingRow
    query = (
        select(standing.tenant, look.looked_at)
        .join(Tenant, Tenant.id == standing.tenant)
        .outerjoin(look, (look.tenant == standing.tenant) & (look.side == side.value))
        .where(
            Tenant.state == TenantState.ACTIVE.value,
            look.looked_at.is_(None) | (look.looked_at <= standing.measured_at),
        )
        .order_by(standing.tenant)
    )
    return [
        (TenantId(row.tenant), None if row.looked_at is None else _hour(row.looked_at))
        for row in connection.execute(query)
    ]


def database_now(connection: Connection) -> datetime:
    """Return the database's instant (UTC): by its clock the traffic is dated."""
    at: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return at


def counted(
    connection: Connection,
    tenant: TenantId,
    side: Side,
    counts: Mapping[tuple[datetime, str], int],
    looked_at: datetime,
    *,
    standing: Mapping[str, int],
) -> None:
    """Write down the *counts* by hour and event, which replace what was counted of these hours before.

    *looked_at* is the database's instant from before they were counted; *standing* is how many stand in which state
    and have not ended.
    """
    rows = [
        {"tenant": tenant, "side": side.value, "hour": hour, "event": event, "count": count}
        for (hour, event), count in counts.items()
    ]
    if rows:
        made = upsert(ExchangeHourRow)
        key = [ExchangeHourRow.tenant, ExchangeHourRow.side, ExchangeHourRow.hour, ExchangeHourRow.event]
        connection.execute(
            made.on_conflict_do_update(index_elements=key, set_={"count": made.excluded.count}), rows
        )  # fmt: skip
    exchange_totals.add_up_days(connection, tenant, side.value, {hour for hour, _ in counts})
    exchange_totals.keep_open(connection, tenant, side.value, standing)
    told = upsert(ExchangeLookRow).values(tenant=tenant, side=side.value, looked_at=looked_at)
    connection.execute(
        told.on_conflict_do_update(
            index_elements=[ExchangeLookRow.tenant, ExchangeLookRow.side], set_={"looked_at": looked_at}
        )
    )


@dataclass(frozen=True, slots=True)
class Traffic:
    """How often *event* happened on one side within the hour that begins at *hour* (UTC)."""

    hour: datetime
    side: Side
    event: str
    count: int


def traffic(connection: Connection, since: datetime, tenant: TenantId | None = None) -> Sequence[Traffic]:
    """Return what happened since *since* by hour, side and event, oldest first, of one tenant or of all."""
    row = ExchangeHourRow
    query = select(row.hour, row.side, row.event, func.sum(row.count).label("count_")).where(row.hour >= since)
    if tenant is not None:
        query = query.where(row.tenant == tenant)
    found = connection.execute(query.group_by(row.hour, row.side, row.event).order_by(row.hour))
    return [Traffic(each.hour, Side(each.side), each.event, each.count_) for each in found]


def _hour(instant: datetime) -> datetime:
    return instant - (instant - instant.replace(minute=0, second=0, microsecond=0)) % _HOUR
