"""The gate: the one place that every request passes, and that knows organisation, service and instant.

Source: A0-137, A0-120, A0-122; rules B.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import Engine, bindparam, select

from chukan.platform.clock import as_tokyo, as_utc
from chukan.platform.database.tables import Tenant, TenantState
from chukan.platform.errors import ChukanError, Failure
from chukan.platform.identifiers import TenantId
from chukan.platform.messages import mark, text
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.outages.service import outages_on
from chukan.platform.service_hours.rules import Generation, Schedule
from chukan.platform.service_hours.services import Service
from chukan.tenants.registry.rules import generation
from chukan.tenants.registry.tables import Organisation
from chukan.tenants.registry.values import State

#: While data are stopped these are closed, whatever their hours say.
_MOVES_DATA = frozenset({Service.SYSTEM})
#: More closings than this in a row are no calendar that anybody wrote; the search ends there.
_MOST_CHANGES = 400
# Asked at every request: composed once, for that takes longer than to run it.
_SERVED = (
    select(Organisation.state, Organisation.migrates_on, Organisation.dissolved_on, Tenant.state)
    .join(Tenant, Tenant.id == Organisation.tenant)
    .where(Tenant.id == bindparam("tenant"))
)


class Reason(StrEnum):
    """Why a service is closed to an organisation."""

    HOURS = "hours"
    OUTAGE = "outage"
    DATA_STOP = "data_stop"
    SUSPENDED = "suspended"
    CLOSING = "closing"
    NOT_SERVED = "not_served"


REASON_WORDS = {
    Reason.HOURS: mark("outside the service hours"),
    Reason.OUTAGE: mark("a planned outage"),
    Reason.DATA_STOP: mark("the sending and receiving of data are stopped"),
    Reason.SUSPENDED: mark("the organisation's use is suspended"),
    Reason.CLOSING: mark("the organisation is leaving the platform"),
    Reason.NOT_SERVED: mark("the organisation is not in service"),
}


@dataclass(frozen=True, slots=True)
class Closed:
    """Why it is closed, and when it opens next (UTC); None: no instant is known."""

    reason: Reason
    next_opening: datetime | None


class ServiceClosed(ChukanError):
    """The service is closed to the organisation at this instant."""

    code = "gate.service_closed"
    failure = Failure.UNAVAILABLE
    retryable = True
    message = mark("The service is closed: {told}.")
    hint = mark("Next opening: {opening}. Send it again then; nothing was changed.")

    def __init__(self, closed: Closed) -> None:
        """Refuse because of *closed*."""
        opening = closed.next_opening
        told = text("not known; ask the helpdesk") if opening is None else f"{as_tokyo(opening):%Y-%m-%d %H:%M}"
        super().__init__(told=text(REASON_WORDS[closed.reason]), opening=told)
        self.reason = closed.reason
        self.next_opening = closed.next_opening


@dataclass(frozen=True, slots=True)
class Served:
    """What the gate knows of an organisation; ``dissolved_on`` and ``migrates_on`` are days in Tokyo."""

    state: State
    tenant_state: TenantState
    migrates_on: date | None
    dissolved_on: date | None = None

    def refusal(self, day: date) -> Reason | None:
        """Return why nothing is open to the organisation on *day*, or None."""
        states = {self.state.value, self.tenant_state.value}
        if "suspended" in states:
            return Reason.SUSPENDED
        if "closing" in states or (self.dissolved_on is not None and day >= self.dissolved_on):
            return Reason.CLOSING
        return None if states == {"active"} else Reason.NOT_SERVED


def judge(schedule: Schedule, served: Served | None, service: Service, now: datetime) -> Closed | None:
    """Return why *service* is closed at *now*, or None if it is open; None as *served* is nobody's tenant.

    Raises:
        CalendarOutOfRange: the calendar does not know the day.
    """
    day = as_tokyo(now).date()
    if served is None:
        return Closed(Reason.NOT_SERVED, None)
    if (refusal := served.refusal(day)) is not None:
        return Closed(refusal, None)
    at = generation(served.migrates_on, day)
    reason = _reason(schedule, service, now, at)
    return None if reason is None else Closed(reason, _opening(schedule, served, service, now))


def _reason(schedule: Schedule, service: Service, now: datetime, at: Generation) -> Reason | None:
    open_now = schedule.state_at(now, at).services
    if any(outage.stops(service, as_tokyo(now)) for outage in schedule.outages):
        return Reason.OUTAGE
    # A stop of data lies outside the hours as well; it is what the organisation knows by name.
    if service in _MOVES_DATA and open_now[Service.DATA_STOP]:
        return Reason.DATA_STOP
    return None if open_now[service] else Reason.HOURS


def _opening(schedule: Schedule, served: Served, service: Service, now: datetime) -> datetime | None:
    """Return the first instant after *now* at which *service* is open; the generation is that of each day."""
    watched = (service, Service.DATA_STOP) if service in _MOVES_DATA else (service,)
    instant = as_utc(now)
    for _ in range(_MOST_CHANGES):
        at = generation(served.migrates_on, as_tokyo(instant).date())
        changed = schedule.next_change(instant, at, watched)
        if changed is None:
            return None
        # Behind a change the organisation may be of the next generation, whose hours are others.
        instant = changed
        if _reason(schedule, service, instant, generation(served.migrates_on, as_tokyo(instant).date())) is None:
            return instant
    return None


def closing(schedule: Schedule, served: Served, service: Service, now: datetime) -> datetime | None:
    """Return the first instant after *now* at which *service*, open now, is closed; the generation is each day's."""
    watched = (service, Service.DATA_STOP) if service in _MOVES_DATA else (service,)
    instant = as_utc(now)
    for _ in range(_MOST_CHANGES):
        changed = schedule.next_change(instant, generation(served.migrates_on, as_tokyo(instant).date()), watched)
        if changed is None:
            return None
        instant = changed
        if _reason(schedule, service, instant, generation(served.migrates_on, as_tokyo(instant).date())) is not None:
            return instant
    return None


class Gate:
    """The gate over the platform's tables; each request asks them anew: an outage may be announced at any time."""

    def __init__(self, engine: Engine, schedule: Callable[[], Schedule] = shipped_schedule) -> None:
        """Ask under the log-in of *engine*."""
        self._engine = engine
        self._schedule = schedule

    def admit(self, tenant: TenantId, service: Service, now: datetime) -> None:
        """Let a request of *tenant* for *service* pass at *now*.

        Raises:
            ServiceClosed: it is closed, with reason and next opening.
            CalendarOutOfRange: the calendar does not know the day.
        """
        if (closed := self.closed(tenant, service, now)) is not None:
            raise ServiceClosed(closed)

    def closed(self, tenant: TenantId, service: Service, now: datetime) -> Closed | None:
        """Return why *service* is closed to *tenant* at *now*, or None."""
        schedule, served = self._asked(tenant, now)
        return judge(schedule, served, service, now)

    def closes_at(self, tenant: TenantId, service: Service, now: datetime) -> datetime | None:
        """Return when *service*, which is open to *tenant* at *now*, closes to it next (UTC).

        None says that no closing is known. A bulk has to end before. Source: A0-060.

        Raises:
            CalendarOutOfRange: the calendar does not know the day.
        """
        schedule, served = self._asked(tenant, now)
        return None if served is None else closing(schedule, served, service, now)

    def _asked(self, tenant: TenantId, now: datetime) -> tuple[Schedule, Served | None]:
        """Return the schedule with the outages from *now* on, and what is known of *tenant*, on one connection."""
        with self._engine.connect() as connection:
            outages = outages_on(connection, now)
            row = connection.execute(_SERVED, {"tenant": tenant}).one_or_none()
        schedule = self._schedule().with_outages(outages)
        if row is None:
            return schedule, None
        state, migrates_on, dissolved_on, tenant_state = row
        return schedule, Served(State(state), TenantState(tenant_state), migrates_on, dissolved_on)
