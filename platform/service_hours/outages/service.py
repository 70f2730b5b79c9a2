"""Planning and cancelling outages, each in one transaction with its event and its audit entry."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Engine

from chukan.platform.audit.rules import Action, AuditEntry, Detail
from chukan.platform.audit.service import Chain, UnitOfWork, audited
from chukan.platform.clock import as_utc
from chukan.platform.service_hours.errors import OutageCancelledAlready, OutageOverlaps, OutageUnknown
from chukan.platform.service_hours.outages import store
from chukan.platform.service_hours.outages.rules import (
    Outage,
    OutageState,
    PlannedOutage,
    Span,
    end_if_cancelled,
    require_announced,
    require_free,
    told,
)
from chukan.platform.service_hours.outages.store import OutageEvent


class OutageAction(Action):
    """What is recorded of planned outages, in the platform's chain."""

    PLAN = "service_hours:outage:plan"
    CANCEL = "service_hours:outage:cancel"


class PlannedOutages:
    """The operators' outages, for *actor* in one *request*, through the engine of the console.

    *shipped* are those that come with the program: history that no new outage may contradict.
    """

    def __init__(self, engine: Engine, shipped: Sequence[Outage], *, actor: str, request: str) -> None:
        self._engine = engine
        self._shipped = tuple(shipped)
        self._actor = actor
        self._request = request

    def plan(
        self, outage: Outage, *, now: datetime, announced_at: datetime | None = None, late_reason: str | None = None
    ) -> PlannedOutage:
        """Plan *outage*, announced to the organisations at *announced_at* (which may lie ahead; default: *now*).

        Raises:
            AnnouncedLate: it is not announced before its start, and there is no *late_reason*.
            OutageOverlaps: another outage stops one of the services in its time.
        Source: A0-138.
        """
        announced = as_utc(announced_at or now)
        with self._act(OutageAction.PLAN, "outage:new", _told(outage, announced)) as unit:
            require_announced(outage.span.start, announced, late_reason)
            require_free(outage, self._shipped)
            planned = store.insert_outage(
                unit.connection, outage, announced_at=announced, late_reason=(late_reason or "").strip() or None
            )
            if planned is None:
                require_free(outage, _effective(store.read_between(unit.connection, outage.span)))
                # What stood in the way was cancelled in this very moment; the next attempt succeeds.
                raise OutageOverlaps(start=told(outage.span.start), end=told(outage.span.end))
            store.insert_event(
                unit.connection, planned.id, OutageState.PLANNED, actor=self._actor, reason=planned.late_reason
            )
            unit.act = replace(unit.act, subject=_subject(planned.id))
            unit.note(late=planned.late)
        return planned

    def check(
        self, outage: Outage, *, now: datetime, announced_at: datetime | None = None, late_reason: str | None = None
    ) -> None:
        """Let *outage* pass if it could be planned now, as ``plan`` would; nothing is changed or recorded.

        Raises:
            AnnouncedLate, OutageOverlaps: as ``plan``.
        """
        require_announced(outage.span.start, as_utc(announced_at or now), late_reason)
        require_free(outage, (*self._shipped, *outages_between(self._engine, outage.span)))

    def cancel(self, outage: UUID, *, now: datetime, reason: str | None = None) -> PlannedOutage:
        """Cancel an outage: before its start it stops nothing, while it runs it ends *now*.

        Raises:
            OutageUnknown: there is none with this id.
            OutageCancelledAlready: somebody cancelled it before.
            OutageOver: it has ended.
        """
        now = as_utc(now)
        with self._act(OutageAction.CANCEL, _subject(outage), {}) as unit:
            if (planned := store.read_outage(unit.connection, outage)) is None:
                raise OutageUnknown(outage=outage)
            end = end_if_cancelled(planned, now)
            if not store.cancel_outage(unit.connection, outage, effective_end=end, now=now):
                raise OutageCancelledAlready(outage=outage)
            store.insert_event(unit.connection, outage, OutageState.CANCELLED, actor=self._actor, reason=reason)
            unit.note(effective_end=told(end))
        return replace(planned, state=OutageState.CANCELLED, effective_end=end, cancelled_at=now)

    def listed(self, *, ending_after: datetime | None = None) -> list[PlannedOutage]:
        """Return all outages, or those that still hold after *ending_after*, by their start."""
        with self._engine.connect() as connection:
            return store.read_outages(connection, ending_after=ending_after)

    def _act(self, action: OutageAction, subject: str, detail: dict[str, Detail]) -> AbstractContextManager[UnitOfWork]:
        entry = AuditEntry(self._actor, action, subject, self._request, detail=detail)
        return audited(self._engine.begin, entry, chain=Chain.PLATFORM)


def outages_from(engine: Engine, instant: datetime) -> tuple[Outage, ...]:
    """Return what the operators' outages stop at *instant* or later, for ``Schedule.with_outages``.

    Any process that asks about service hours may read this.
    """
    with engine.connect() as connection:
        return outages_on(connection, instant)


def outages_on(connection: Connection, instant: datetime) -> tuple[Outage, ...]:
    """Return the same as ``outages_from``, on a connection that asks for more."""
    return _effective(store.read_outages(connection, ending_after=as_utc(instant)))


def planned_between(engine: Engine, span: Span) -> Sequence[PlannedOutage]:
    """Return the operators' outages that hold somewhere in *span*, by their start."""
    with engine.connect() as connection:
        return store.read_between(connection, span)


def outage_with_history(engine: Engine, outage: UUID) -> tuple[PlannedOutage, Sequence[OutageEvent]]:
    """Return one outage and what became of it, oldest first; for the console's log-in alone.

    Raises:
        OutageUnknown: there is none with this id.
    """
    with engine.connect() as connection:
        if (planned := store.read_outage(connection, outage)) is None:
            raise OutageUnknown(outage=outage)
        return planned, store.read_events(connection, outage)


def outages_between(engine: Engine, span: Span) -> tuple[Outage, ...]:
    """Return what the operators' outages stop in *span*: for a month's view, or a stretch of the past."""
    with engine.connect() as connection:
        return _effective(store.read_between(connection, span))


def _effective(found: Sequence[PlannedOutage]) -> tuple[Outage, ...]:
    return tuple(effective for planned in found if (effective := planned.effective()) is not None)


def _subject(outage: UUID) -> str:
    return f"outage:{outage}"


def _told(outage: Outage, announced_at: datetime) -> dict[str, Detail]:
    """Return what the trail is told of *outage*; free text stays in its own table."""
    return {
        "start": told(outage.span.start),
        "end": told(outage.span.end),
        "services": sorted(outage.services),
        "exceptions": [{"start": told(window.start), "end": told(window.end)} for window in outage.exceptions],
        "announced_at": told(announced_at),
    }
