"""The month of the service calendar: each day with its class, the hours of every service, and the outages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flask import request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict
from wtforms import SelectField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # the stubs are of the version before it

from chukan.platform.clock import as_tokyo
from chukan.platform.messages import mark, text
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.errors import CalendarOutOfRange, MonthMalformed
from chukan.platform.service_hours.month import (
    CalendarDay,
    Month,
    ServiceDay,
    month_days,
    months_of,
    parse_month,
    require_month,
)
from chukan.platform.service_hours.outages.rules import Outage
from chukan.platform.service_hours.outages.service import planned_between
from chukan.platform.service_hours.permissions import ANNOUNCE, READ
from chukan.platform.service_hours.rules import DayClass, Generation, Window
from chukan.platform.service_hours.services import Service
from chukan.platform.service_hours.web_present import present_panel
from chukan.platform.service_hours.web_words import brief_span_text, month_title, told_to_people
from chukan.platform.service_hours.words import (
    GENERATION_NAMES,
    day_class_name,
    day_parts,
    day_text,
    generation_name,
    service_name,
)
from chukan.platform.web import Here, PageSet, here, page
from chukan.platform.web.cells import Link
from chukan.platform.web.dates import WEEKDAYS
from chukan.platform.web.listing import FilterForm

_MINUTE = timedelta(minutes=1)


def _months() -> list[Any]:
    """Return the months that can be looked at, by year."""
    months = months_of(shipped_schedule().calendar)
    return [SelectChoice(str(month), month_title(month), optgroup=str(month.year)) for month in months]


class CalendarForm(FilterForm):
    """Which month is looked at, of which system."""

    month = SelectField(mark("Month to look at"), choices=_months, validate_choice=False)
    generation = SelectField(
        mark("Hours of"),
        choices=[SelectChoice(generation.value, GENERATION_NAMES[generation]) for generation in Generation],
        default=Generation.CURRENT.value,
    )

    def __init__(self, query: MultiDict[str, str], today: date) -> None:
        super().__init__(query)
        self._this_month = str(Month.of(today))
        if "month" not in query:
            self.month.data = self._this_month

    def asked(self) -> tuple[Month, Generation] | None:
        """Return what is looked at, or None once the form says why it cannot be."""
        if not self.validate():
            return None
        try:
            month = parse_month(self.month.data)
            require_month(shipped_schedule().calendar, month)
        except (MonthMalformed, CalendarOutOfRange) as error:
            self._refuse(None, told_to_people(error))
            self.month.data = self._this_month
            return None
        return month, Generation(self.generation.data)


@dataclass(frozen=True)
class Cell:
    """One service on one day: in words, by what it differs from other such days, and as bars.

    ``bars`` are minutes since midnight and lengths in minutes; ``ordinarily`` is empty where the day is as others.
    """

    service: str
    #: Whether it is the stop of sending and receiving, whose bars say the opposite of the others'.
    is_stop: bool
    words: Sequence[str]
    ordinarily: str
    bars: Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Row:
    """One day as the page shows it."""

    day: date
    weekday: str
    kind: str
    is_working: bool
    is_today: bool
    cells: Sequence[Cell]
    outages: Sequence[Link | str]


@dataclass(frozen=True)
class MonthView:
    """The month as the page shows it; a neighbour that the calendar does not know has no link."""

    title: str
    generation: str
    rows: Sequence[Row]
    previous: Link | None
    following: Link | None


def declare_calendar(pages: PageSet) -> None:
    """Declare the page of the calendar."""
    pages.get("/hours", needs=READ, menu=(mark("Service hours"), 40))(calendar)


def calendar() -> ResponseReturnValue:
    """Show a month, and what is open now."""
    visit = here()
    form = CalendarForm(request.args, as_tokyo(visit.now).date())
    asked = form.asked()
    _, generation = asked or (None, Generation.CURRENT)
    return page(
        "service_hours/calendar.html",
        200 if asked else 422,
        form=form,
        now=visit.now,
        panel=present_panel(visit, generation),
        month=month_view(visit, *asked) if asked else None,
        services=[service_name(service) for service in Service],
        may_announce=visit.may(ANNOUNCE),
    )


def month_view(visit: Here, month: Month, generation: Generation) -> MonthView:
    """Return *month* with the outages that the database knows; one query.

    Raises:
        CalendarOutOfRange: the calendar knows no day of it.
    """
    shipped = shipped_schedule()
    stops: list[tuple[Outage, Link | str]] = [(each, _told(each)) for each in shipped.outages]
    for planned in planned_between(visit.engine, month.span()):
        if (effective := planned.effective()) is not None:
            href = url_for("service_hours.outage", outage=planned.id)
            stops.append((effective, Link(_told(effective), href)))
    schedule = shipped.with_outages([outage for outage, _ in stops[len(shipped.outages) :]])
    today = as_tokyo(visit.now).date()
    return MonthView(
        title=month_title(month),
        generation=generation_name(generation),
        rows=[_row(day, stops, today) for day in month_days(schedule, month, generation)],
        previous=_neighbour(month.before(), generation),
        following=_neighbour(month.after(), generation),
    )


def _row(day: CalendarDay, stops: Sequence[tuple[Outage, Link | str]], today: date) -> Row:
    kind = day_class_name(day.day_class)
    return Row(
        day=day.day,
        weekday=WEEKDAYS[day.day.weekday()],
        kind=text("{kind}: {name}", kind=kind, name=day.holiday) if day.holiday else kind,
        is_working=day.day_class is DayClass.WEEKDAY,
        is_today=day.day == today,
        cells=[_cell(service, hours) for service, hours in day.services.items()],
        outages=[told for outage, told in stops if outage.span.overlaps(day.span)],
    )


def _cell(service: Service, hours: ServiceDay) -> Cell:
    return Cell(
        service=service_name(service),
        is_stop=service is Service.DATA_STOP,
        words=day_parts(service, hours.windows),
        ordinarily=day_text(service, hours.ordinary) if hours.changed else "",
        bars=[_bar(window) for window in hours.bars],
    )


def _bar(window: Window) -> tuple[int, int]:
    """Return where the bar begins and how long it is; what is open for less than a minute is still seen."""
    return window.opens // _MINUTE, max(1, (window.closes - window.opens) // _MINUTE)


def _told(outage: Outage) -> str:
    return text("Planned outage {span}", span=brief_span_text(outage.span))


def _neighbour(month: Month, generation: Generation) -> Link | None:
    try:
        require_month(shipped_schedule().calendar, month)
    except CalendarOutOfRange:
        return None
    return Link(month_title(month), url_for("service_hours.calendar", month=month, generation=generation.value))
