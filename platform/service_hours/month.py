"""A month as people look at it: each day with its class, the hours of every service, and what changes them.

Pure, as ``rules.py``. A day here is the day in Tokyo from midnight to midnight.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from typing_extensions import override

from chukan.platform.clock import TOKYO
from chukan.platform.service_hours.errors import CalendarOutOfRange, MonthMalformed
from chukan.platform.service_hours.outages.rules import Span
from chukan.platform.service_hours.rules import Calendar, DayClass, Generation, Schedule, Window
from chukan.platform.service_hours.services import Service

_DAY = timedelta(days=1)
#: What opens on one day, by service; planned outages are taken out.
_Opened = Mapping[Service, tuple[Window, ...]]
_MONTH = re.compile(r"([12]\d{3})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month of a year."""

    year: int
    month: int

    @classmethod
    def of(cls, day: date) -> Month:
        """Return the month that *day* lies in."""
        return cls(day.year, day.month)

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.month, 1)

    @property
    def last(self) -> date:
        """Its last day."""
        return date(self.year, self.month, calendar.monthrange(self.year, self.month)[1])

    def days(self) -> Iterator[date]:
        """Yield its days in order."""
        return (self.first + n * _DAY for n in range(self.last.day))

    def before(self) -> Month:
        """Return the month before it."""
        return Month.of(self.first - _DAY)

    def after(self) -> Month:
        """Return the month after it."""
        return Month.of(self.last + _DAY)

    def span(self) -> Span:
        """Return its days as a span of instants."""
        return day_span(self.first, self.last)

    @override
    def __str__(self) -> str:
        """Return it as addresses name it: ``2026-11``."""
        return f"{self.year:04}-{self.month:02}"


def parse_month(notation: str) -> Month:
    """Return the month of ``2026-11``.

    Raises:
        MonthMalformed: another form.
    """
    if (match := _MONTH.fullmatch(notation)) is None:
        raise MonthMalformed(month=notation[:20])
    return Month(*map(int, match.groups()))


def months_of(known: Calendar) -> Iterator[Month]:
    """Yield every month that has a day in the calendar."""
    month = Month.of(known.first)
    while month.first <= known.last:
        yield month
        month = month.after()


def require_month(known: Calendar, month: Month) -> None:
    """Let *month* pass if some of its days lie in the calendar.

    Raises:
        CalendarOutOfRange: none does; the error names its first day.
    """
    if month.last < known.first or known.last < month.first:
        raise CalendarOutOfRange(day=month.first, first=known.first, last=known.last)


@dataclass(frozen=True, slots=True)
class ServiceDay:
    """One service on one day; of ``DATA_STOP``, when data are stopped.

    ``windows`` open on the day (and may reach into the next), planned outages taken out; ``ordinary`` are those
    of its class of day; ``bars`` are the stretches of this day from midnight (0 h) to midnight (24 h).
    """

    windows: tuple[Window, ...]
    ordinary: tuple[Window, ...]
    bars: tuple[Window, ...]

    @property
    def changed(self) -> bool:
        """Whether an outage, or a rule for this single day, makes it another than the class of day says."""
        return self.windows != self.ordinary


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """One day of the calendar; ``holiday`` is its name in Japanese, where the law gives it one."""

    day: date
    day_class: DayClass
    holiday: str | None
    services: Mapping[Service, ServiceDay]

    @property
    def span(self) -> Span:
        """The day as a span of instants."""
        return day_span(self.day, self.day)


def month_days(schedule: Schedule, month: Month, generation: Generation) -> tuple[CalendarDay, ...]:
    """Return the days of *month* that the calendar knows.

    Raises:
        CalendarOutOfRange: it knows none of them.
    """
    known = schedule.calendar
    require_month(known, month)
    days = [day for day in month.days() if known.first <= day <= known.last]
    opened = {day: _opened(schedule, day, generation) for day in (days[0] - _DAY, *days)}
    return tuple(_calendar_day(schedule, day, generation, opened[day - _DAY], opened[day]) for day in days)


def calendar_day(schedule: Schedule, day: date, generation: Generation) -> CalendarDay:
    """Return *day* with the hours of every service.

    Raises:
        CalendarOutOfRange: the day is not in the calendar.
    """
    schedule.calendar.require(day)
    before, windows = (_opened(schedule, each, generation) for each in (day - _DAY, day))
    return _calendar_day(schedule, day, generation, before, windows)


def day_span(first: date, last: date) -> Span:
    """Return the span from the beginning of *first* to the end of *last* in Tokyo."""
    return Span(datetime.combine(first, time(), TOKYO), datetime.combine(last + _DAY, time(), TOKYO))


def _opened(schedule: Schedule, day: date, generation: Generation) -> _Opened:
    return {service: schedule.open_windows(service, day, generation) for service in Service}


def _calendar_day(
    schedule: Schedule, day: date, generation: Generation, before: _Opened, windows: _Opened
) -> CalendarDay:
    return CalendarDay(
        day=day,
        day_class=schedule.calendar.day_class(day),
        holiday=schedule.calendar.holiday_name(day),
        services={
            service: ServiceDay(
                windows=windows[service],
                ordinary=schedule.ordinary_windows(service, day, generation),
                bars=tuple(_clipped((*_spilt(before[service]), *windows[service]))),
            )
            for service in Service
        },
    )


def _spilt(windows: tuple[Window, ...]) -> Iterator[Window]:
    """Yield *windows* of a day as the next day sees them."""
    return (Window(window.opens - _DAY, window.closes - _DAY) for window in windows if window.closes > _DAY)


def _clipped(windows: tuple[Window, ...]) -> Iterator[Window]:
    """Yield what of *windows* lies between 0 h and 24 h; what touches is joined."""
    shown: Window | None = None
    for window in windows:
        cut = Window(max(window.opens, timedelta()), min(window.closes, _DAY))
        if cut.opens >= cut.closes:
            continue
        if shown is not None and cut.opens <= shown.closes:
            shown = Window(shown.opens, max(shown.closes, cut.closes))
            continue
        if shown is not None:
            yield shown
        shown = cut
    if shown is not None:
        yield shown
