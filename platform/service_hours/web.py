"""The console's pages of service hours: the calendar, what is open now, and the outages that are planned.

Whom an outage affects, and under which log-in names operators are known, is not known here: the wiring gives both.
"""

from __future__ import annotations

from chukan.platform.component import Pages
from chukan.platform.service_hours.web_calendar import declare_calendar
from chukan.platform.service_hours.web_outages import Named, OutagePages
from chukan.platform.service_hours.web_planning import Affected, PlanningPages
from chukan.platform.web import Here, PageSet

__all__ = ["Affected", "Named", "as_recorded", "pages"]


def as_recorded(_here: Here, actor: str) -> str:
    """Return *actor* as the trail has it."""
    return actor


def pages(*, affected: Affected, named: Named = as_recorded) -> Pages:
    """Return the pages; *affected* is asked for the preview of an outage, *named* for its history."""
    declared = PageSet("service_hours", __name__)
    declare_calendar(declared)
    OutagePages(named).declare(declared)
    PlanningPages(affected).declare(declared)
    return declared.done()
