"""What a planned outage changes: the hours of which service on which day, before and after. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from chukan.platform.clock import as_tokyo
from chukan.platform.service_hours.outages.rules import Outage
from chukan.platform.service_hours.rules import Generation, Schedule, Window
from chukan.platform.service_hours.services import STOPPABLE, Service

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class HoursChange:
    """The windows of *service* that open on *day*, without the outage and with it, for these generations."""

    day: date
    service: Service
    generations: tuple[Generation, ...]
    without: tuple[Window, ...]
    with_outage: tuple[Window, ...]


def hours_changes(schedule: Schedule, outage: Outage) -> tuple[HoursChange, ...]:
    """Return what *outage* changes of *schedule*, which does not hold it, by day and service.

    Nothing changes where the service is shut anyway. The day before its start counts too, because its windows
    may reach past midnight; generations with the same hours stand together.

    Raises:
        CalendarOutOfRange: it starts or ends on a day that the calendar does not know.
    """
    first, last = as_tokyo(outage.span.start).date(), as_tokyo(outage.span.end - timedelta.resolution).date()
    schedule.calendar.require(first)
    schedule.calendar.require(last)
    stopped = schedule.with_outages([outage])
    days = [first + n * _DAY for n in range(-1, (last - first).days + 1)]
    services = [service for service in STOPPABLE if service in outage.services]
    return tuple(change for day in days for service in services for change in _changes(schedule, stopped, day, service))


def _changes(schedule: Schedule, stopped: Schedule, day: date, service: Service) -> Iterator[HoursChange]:
    found: dict[tuple[tuple[Window, ...], tuple[Window, ...]], list[Generation]] = {}
    for generation in Generation:
        hours = (schedule.open_windows(service, day, generation), stopped.open_windows(service, day, generation))
        if hours[0] != hours[1]:
            found.setdefault(hours, []).append(generation)
    for (without, with_outage), generations in found.items():
        yield HoursChange(day, service, tuple(generations), without, with_outage)
