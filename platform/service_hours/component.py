"""What service hours plug in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from chukan.platform.component import Check, CheckResult, Command, Component
from chukan.platform.service_hours.checks import check_calendar
from chukan.platform.service_hours.cli import service_hours
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.deadlines import deadlines
from chukan.platform.service_hours.web import Affected, Named, as_recorded, pages
from chukan.platform.settings import Settings


def component(
    _settings: Callable[[], Settings], *, affected: Affected | None = None, named: Named = as_recorded
) -> Component:
    """Return the commands, the check and the pages of service hours; the hours are data, no setting changes them.

    *affected* counts whom an outage affects, which only those above know; without it there are no pages. *named*
    tells how people know an actor of the trail.
    """

    def calendar(now: datetime) -> CheckResult:
        return check_calendar(shipped_schedule().calendar, now)

    return Component(
        name="service-hours",
        commands=(Command(service_hours), Command(deadlines)),
        checks=(Check("service-hours-calendar", "service-hours-calendar", timedelta(seconds=5), calendar),),
        pages=() if affected is None else (pages(affected=affected, named=named),),
    )
