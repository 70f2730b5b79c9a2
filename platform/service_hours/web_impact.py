"""Which hours an outage changes, as the pages show it: before it is planned, and as long as it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from chukan.platform.clock import as_tokyo
from chukan.platform.messages import text
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.impact import HoursChange, hours_changes
from chukan.platform.service_hours.month import day_span
from chukan.platform.service_hours.outages.rules import Outage, PlannedOutage
from chukan.platform.service_hours.outages.service import planned_between
from chukan.platform.service_hours.rules import Generation
from chukan.platform.service_hours.words import day_text, generation_name, service_name
from chukan.platform.web import Here

#: A stop of some weeks fills a page; what is longer is told by its number.
MOST_ROWS = 60
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class ImpactTable:
    """The rows (day, service, system, hours without the outage, hours with it), and how many more there are."""

    rows: Sequence[Sequence[object]]
    more: int


def impact_table(
    visit: Here, outage: Outage, *, leaving_out: UUID | None = None, beside: Sequence[Outage] = ()
) -> ImpactTable:
    """Return which hours *outage* changes beside the other outages and those of *beside*.

    *leaving_out* is the outage itself, once it is planned.

    Raises:
        CalendarOutOfRange: it starts or ends on a day that the calendar does not know.
    """
    first, last = as_tokyo(outage.span.start).date(), as_tokyo(outage.span.end - timedelta.resolution).date()
    shipped = shipped_schedule()
    for day in (first, last):
        shipped.calendar.require(day)
    found = planned_between(visit.engine, day_span(first - _DAY, last))
    others = [effective for each in found if each.id != leaving_out and (effective := each.effective()) is not None]
    changes = hours_changes(shipped.with_outages([*others, *beside]), outage)
    return ImpactTable([_row(change) for change in changes[:MOST_ROWS]], max(0, len(changes) - MOST_ROWS))


def impact_of_cancelling(visit: Here, planned: PlannedOutage) -> ImpactTable:
    """Return which hours change when *planned* is cancelled now: what has been stopped so far stays as it was.

    Raises:
        CalendarOutOfRange: as ``impact_table``.
    """
    so_far, left = planned.outage.until(visit.now), planned.outage.since(visit.now)
    return impact_table(
        visit, left or planned.outage, leaving_out=planned.id, beside=() if so_far is None else (so_far,)
    )


def _row(change: HoursChange) -> Sequence[object]:
    is_same = len(change.generations) == len(Generation)
    return (
        change.day,
        service_name(change.service),
        text("both systems") if is_same else text(", ").join(generation_name(each) for each in change.generations),
        day_text(change.service, change.without),
        day_text(change.service, change.with_outage),
    )
