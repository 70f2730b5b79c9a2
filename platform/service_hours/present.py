"""What is open now, and what changes next: for the overview and the calendar. Pure, as ``rules.py``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from chukan.platform.clock import as_tokyo
from chukan.platform.service_hours.outages.rules import Outage
from chukan.platform.service_hours.rules import Generation, Schedule, ServiceState
from chukan.platform.service_hours.services import Service

#: How far ahead a service's own next change is looked for: over the closure around New Year with the weekends
#: at both its ends. What does not change until then is told as such.
AHEAD = timedelta(days=14)


@dataclass(frozen=True)
class Present:
    """What is open at one instant, and what comes next; instants are UTC.

    ``until`` is when each service changes next, None where it does not within ``AHEAD``; ``next_change`` is the
    earliest change of all (None: none before the calendar ends), ``then`` the services that change at it, with
    what they will be; ``outages`` are the planned outages under way.
    """

    state: ServiceState
    until: Mapping[Service, datetime | None]
    next_change: datetime | None
    then: Mapping[Service, bool]
    outages: tuple[Outage, ...]


def present(schedule: Schedule, now: datetime, generation: Generation) -> Present:
    """Return what is open at *now* for organisations of *generation*.

    Raises:
        CalendarOutOfRange: the day of *now* in Tokyo is not in the calendar.
    """
    state = schedule.state_at(now, generation)
    last = as_tokyo(now + AHEAD).date()
    change = schedule.next_change(now, generation)
    after = schedule.state_at(change, generation).services if change is not None else state.services
    return Present(
        state=state,
        until={service: schedule.next_change(now, generation, [service], last=last) for service in Service},
        next_change=change,
        then={service: after[service] for service in Service if after[service] != state.services[service]},
        outages=schedule.outages_at(now),
    )
