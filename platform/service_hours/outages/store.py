"""Queries on planned outages. They take a connection and never commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, true, update
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.dialects.postgresql import insert as insert_unless

from chukan.platform.service_hours.outages.rules import Outage, OutageState, Phase, PlannedOutage, Span
from chukan.platform.service_hours.outages.tables import PlannedOutageEventRow, PlannedOutageRow
from chukan.platform.service_hours.services import Service


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which outages a list shows: those in *phase*, that stop *service*, whose description holds *words*."""

    phase: Phase | None = None
    service: Service | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class OutageEvent:
    """One change of an outage: who made it, when (UTC) and why."""

    event: OutageState
    at: datetime
    actor: str
    reason: str | None


def insert_outage(
    connection: Connection, outage: Outage, *, announced_at: datetime, late_reason: str | None
) -> PlannedOutage | None:
    """Store *outage* as planned and return it, or None if a stored one stops one of its services in its time."""
    statement = (
        insert_unless(PlannedOutageRow)
        .values(
            starts_at=outage.span.start,
            ends_at=outage.span.end,
            effective_end=outage.span.end,
            services=sorted(outage.services),
            exceptions=[Range(window.start, window.end) for window in outage.exceptions],
            description=outage.description,
            announced_at=announced_at,
            late_reason=late_reason,
        )
        # Without a target it minds the exclusion constraints, and two at once cannot wait for one another.
        .on_conflict_do_nothing()
        .returning(PlannedOutageRow.__table__)
    )
    row = connection.execute(statement).one_or_none()
    return _outage(row) if row is not None else None


def cancel_outage(connection: Connection, outage: UUID, *, effective_end: datetime, now: datetime) -> bool:
    """Move the outage from planned to cancelled; False if somebody else was first."""
    statement = (
        update(PlannedOutageRow)
        .where(PlannedOutageRow.id == outage, PlannedOutageRow.state == OutageState.PLANNED.value)
        .values(state=OutageState.CANCELLED.value, effective_end=effective_end, cancelled_at=now)
    )
    return connection.execute(statement).rowcount == 1


def insert_event(
    connection: Connection, outage: UUID, event: OutageState, *, actor: str, reason: str | None = None
) -> None:
    """Add to the outage's history that it reached the state *event*."""
    connection.execute(
        insert(PlannedOutageEventRow).values(outage=outage, event=event.value, actor=actor, reason=reason)
    )


def read_outage(connection: Connection, outage: UUID) -> PlannedOutage | None:
    """Return one outage, or None."""
    found = _read(connection, PlannedOutageRow.id == outage)
    return found[0] if found else None


def read_outages(connection: Connection, *, ending_after: datetime | None = None) -> list[PlannedOutage]:
    """Return all outages, or those that still hold at some instant after *ending_after*, by their start."""
    return _read(connection, true() if ending_after is None else _holds() & (_end() > ending_after))


def read_between(connection: Connection, span: Span) -> list[PlannedOutage]:
    """Return the outages that hold somewhere in *span*, by their start."""
    return _read(connection, _holds() & (PlannedOutageRow.starts_at < span.end) & (_end() > span.start))


def count_outages(connection: Connection, wanted: Wanted, now: datetime) -> int:
    """Return how many outages *wanted* describes, their phases taken at *now*."""
    count: int = connection.execute(select(func.count(PlannedOutageRow.id)).where(_wanted(wanted, now))).scalar_one()
    return count


def list_outages(
    connection: Connection,
    wanted: Wanted,
    now: datetime,
    *,
    order: Literal["start", "end", "announced"],
    descending: bool,
    limit: int | None,
    offset: int,
) -> list[PlannedOutage]:
    """Return one page of the outages that *wanted* describes; without *limit*, all from *offset* on."""
    column = {
        "start": PlannedOutageRow.starts_at,
        "end": PlannedOutageRow.effective_end,
        "announced": PlannedOutageRow.announced_at,
    }[order].expression
    keys = (column, PlannedOutageRow.id.expression)
    query = select(PlannedOutageRow.__table__).where(_wanted(wanted, now)).limit(limit).offset(offset)
    rows = connection.execute(query.order_by(*(key.desc() if descending else key for key in keys)))
    return [_outage(row) for row in rows]


def read_events(connection: Connection, outage: UUID) -> list[OutageEvent]:
    """Return the history of one outage, oldest first."""
    query = select(PlannedOutageEventRow.__table__).where(PlannedOutageEventRow.outage == outage)
    rows = connection.execute(query.order_by(PlannedOutageEventRow.id))
    return [OutageEvent(OutageState(row.event), row.at.astimezone(UTC), row.actor, row.reason) for row in rows]


def _wanted(wanted: Wanted, now: datetime) -> ColumnElement[bool]:
    found: ColumnElement[bool] = true()
    if wanted.phase is not None:
        found &= _in_phase(wanted.phase, now)
    if wanted.service is not None:
        found &= PlannedOutageRow.services.expression.contains([wanted.service.value])
    if wanted.words:
        found &= PlannedOutageRow.description.expression.icontains(wanted.words, autoescape=True)
    return found


def _in_phase(phase: Phase, now: datetime) -> ColumnElement[bool]:
    """Return the condition that ``PlannedOutage.phase`` is *phase* at *now*."""
    match phase:
        case Phase.CALLED_OFF:
            return ~_holds()
        case Phase.COMING:
            return _holds() & (PlannedOutageRow.starts_at > now)
        case Phase.RUNNING:
            return _holds() & (PlannedOutageRow.starts_at <= now) & (_end() > now)
        case Phase.OVER:
            return _holds() & (_end() <= now)


def _end() -> ColumnElement[datetime]:
    return PlannedOutageRow.effective_end.expression


def _holds() -> ColumnElement[bool]:
    """Return the condition that an outage was not called off before it began."""
    return _end() > PlannedOutageRow.starts_at


def _read(connection: Connection, wanted: ColumnElement[bool]) -> list[PlannedOutage]:
    query = select(PlannedOutageRow.__table__).where(wanted)
    rows: Sequence[Row[Any]] = connection.execute(query.order_by(PlannedOutageRow.starts_at, PlannedOutageRow.id)).all()
    return [_outage(row) for row in rows]


def _outage(row: Row[Any]) -> PlannedOutage:
    return PlannedOutage(
        id=row.id,
        outage=Outage(
            Span(row.starts_at, row.ends_at),
            frozenset(map(Service, row.services)),
            tuple(Span(window.lower, window.upper) for window in row.exceptions),
            row.description,
        ),
        announced_at=row.announced_at.astimezone(UTC),
        late_reason=row.late_reason,
        state=OutageState(row.state),
        effective_end=row.effective_end.astimezone(UTC),
        cancelled_at=row.cancelled_at and row.cancelled_at.astimezone(UTC),
    )
