"""What is open when: day classes, hours with effective dates, and the stops that are planned.

Hours are wall-clock times in Tokyo, which knows no summer time; intervals are half-open, so that a window
that closes at 21:00 is shut at 21:00:00. Nothing here knows a calendar or an hour by itself: both are
values, read from ``config/`` by ``data.py``.

Source: A0-137; A0-120, A0-122 (the next system).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from chukan.platform.clock import TOKYO, as_tokyo, as_utc
from chukan.platform.service_hours.errors import CalendarOutOfRange, DataMalformed
from chukan.platform.service_hours.outages.rules import Outage
from chukan.platform.service_hours.services import Service

_DAY = timedelta(days=1)


class Generation(StrEnum):
    """Which system an organisation is connected to; it moves once (A0-110)."""

    CURRENT = "current"
    NEXT = "next"


class DayClass(StrEnum):
    """What kind of day it is in Tokyo; exactly one holds, the earlier ones of ``Calendar.day_class`` first."""

    WEEKDAY = "weekday"
    WEEKEND = "weekend"
    HOLIDAY = "holiday"
    YEAR_END = "year_end"


def generation_on(day: date, next_from: date | None) -> Generation:
    """Return the generation of an organisation that moves on *next_from* (None: no date is set).

    Source: A0-110.
    """
    return Generation.NEXT if next_from is not None and day >= next_from else Generation.CURRENT


@dataclass(frozen=True, slots=True)
class Window:
    """Opening and closing as time since midnight in Tokyo; closing after 24 h belongs to the day it opened."""

    opens: timedelta
    closes: timedelta


@dataclass(frozen=True, slots=True)
class MonthDay:
    """A day of every year."""

    month: int
    day: int

    def key(self) -> tuple[int, int]:
        """Return what it sorts by within a year."""
        return self.month, self.day


@dataclass(frozen=True)
class Calendar:
    """Which days are ordinary, from *first* to *last* (both included).

    The day before *first* can be classified too, because its windows may reach into *first*.
    """

    first: date
    last: date
    #: The name of the holiday that a day is, in Japanese as the law gives it; None on other days.
    holiday_name: Callable[[date], str | None]
    #: First and last day of the closure around New Year, which no holiday law names.
    year_end: tuple[MonthDay, MonthDay]

    def day_class(self, day: date) -> DayClass:
        """Return the class of *day*: the year's end before a holiday, that before the weekend.

        Raises:
            CalendarOutOfRange: the holidays of that day's year are not known.
        """
        self.require(day, first=self.first - _DAY)
        if self._at_year_end(day):
            return DayClass.YEAR_END
        if self.holiday_name(day) is not None:
            return DayClass.HOLIDAY
        return DayClass.WEEKEND if day.weekday() >= 5 else DayClass.WEEKDAY

    def require(self, day: date, *, first: date | None = None) -> None:
        """Let *day* pass if it lies in the calendar.

        Raises:
            CalendarOutOfRange: it does not; an answer would be a guess.
        """
        if not (first or self.first) <= day <= self.last:
            raise CalendarOutOfRange(day=day, first=self.first, last=self.last)

    def _at_year_end(self, day: date) -> bool:
        first, last = (bound.key() for bound in self.year_end)
        this = (day.month, day.day)
        return first <= this <= last if first <= last else this >= first or this <= last


@dataclass(frozen=True, slots=True)
class Hours:
    """The windows of one service on one class of day, in force from *valid_from* on; none: closed all day."""

    valid_from: date
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What is open at *instant* (UTC): for ``DATA_STOP``, true says that sending and receiving are stopped."""

    instant: datetime
    generation: Generation
    day_class: DayClass
    services: Mapping[Service, bool]


@dataclass(frozen=True)
class Schedule:
    """All that decides what is open.

    ``hours`` holds, newest first, the hours of each generation, service and class of day; ``special_days``
    replaces them on single dates; an outage closes what it names, whatever the hours say.

    Raises:
        DataMalformed: some service has no hours at the beginning of the calendar.
    """

    calendar: Calendar
    hours: Mapping[tuple[Generation, Service, DayClass], tuple[Hours, ...]]
    special_days: Mapping[tuple[Generation, Service, date], tuple[Window, ...]]
    outages: tuple[Outage, ...] = ()

    def __post_init__(self) -> None:
        begins = self.calendar.first - _DAY
        for key in ((g, s, d) for g in Generation for s in Service for d in DayClass):
            if not any(hours.valid_from <= begins for hours in self.hours.get(key, ())):
                raise DataMalformed(reason=f"{'/'.join(key)} has no hours on {begins}")

    def with_outages(self, outages: Collection[Outage]) -> Schedule:
        """Return the schedule with *outages* beside its own."""
        return replace(self, outages=(*self.outages, *outages))

    def state_at(self, instant: datetime, generation: Generation) -> ServiceState:
        """Return what is open at *instant* for an organisation of *generation*.

        Raises:
            NaiveInstant: the instant has no offset.
            CalendarOutOfRange: its day in Tokyo is not in the calendar.
        Source: A0-120, A0-122, A0-137.
        """
        local = as_tokyo(instant)
        self.calendar.require(local.date())
        return ServiceState(
            instant=as_utc(instant),
            generation=generation,
            day_class=self.calendar.day_class(local.date()),
            services={service: self._is_open(service, local, generation) for service in Service},
        )

    def next_change(
        self,
        instant: datetime,
        generation: Generation,
        services: Collection[Service] = tuple(Service),
        *,
        last: date | None = None,
    ) -> datetime | None:
        """Return the first instant (UTC) after *instant* at which one of *services* opens or closes.

        None says that nothing changes before the calendar ends; what is behind its end is not known. With
        *last*, only what changes up to the end of that day in Tokyo is looked for.

        Raises:
            NaiveInstant: the instant has no offset.
            CalendarOutOfRange: its day in Tokyo is not in the calendar.
        """
        local = as_tokyo(instant)
        self.calendar.require(local.date())
        before = [self._is_open(service, local, generation) for service in services]
        end = min(last or self.calendar.last, self.calendar.last)
        for boundary in self._boundaries(local, end, generation, services):
            if [self._is_open(service, boundary, generation) for service in services] != before:
                return as_utc(boundary)
        return None

    def windows(self, service: Service, day: date, generation: Generation) -> tuple[Window, ...]:
        """Return the windows of *service* that open on *day*, planned outages left aside.

        Raises:
            CalendarOutOfRange: the day is not in the calendar.
        """
        if (special := self.special_days.get((generation, service, day))) is not None:
            return special
        return self.ordinary_windows(service, day, generation)

    def ordinary_windows(self, service: Service, day: date, generation: Generation) -> tuple[Window, ...]:
        """Return the windows of *service* on days such as *day*, single days and planned outages left aside.

        Raises:
            CalendarOutOfRange: the day is not in the calendar.
        """
        known = self.hours[generation, service, self.calendar.day_class(day)]
        return next(hours.windows for hours in known if hours.valid_from <= day)

    def open_windows(self, service: Service, day: date, generation: Generation) -> tuple[Window, ...]:
        """Return what planned outages leave of the windows of *service* that open on *day*.

        An instant lies in one of them, or in one of the day before, exactly when the service is open (for
        ``DATA_STOP``: when data are stopped).

        Raises:
            CalendarOutOfRange: the day is not in the calendar.
        """
        left = list(self.windows(service, day, generation))
        begins = as_utc(_midnight(day))
        ends = begins + max((window.closes for window in left), default=timedelta())
        for outage in self.outages:
            if service in outage.services and outage.span.start < ends and begins < outage.span.end:
                for closed in outage.closures():
                    left = list(_without(left, closed.start - begins, closed.end - begins))
        return tuple(left)

    def outages_at(self, instant: datetime) -> tuple[Outage, ...]:
        """Return the planned outages that *instant* lies in, exception windows included."""
        return tuple(outage for outage in self.outages if outage.span.holds(instant))

    def _is_open(self, service: Service, local: datetime, generation: Generation) -> bool:
        if any(outage.stops(service, local) for outage in self.outages):
            return False
        # A window of the day before may reach into this one: 24:15 of the 31st is 00:15 of the 1st.
        for day in (local.date(), local.date() - _DAY):
            since = local - _midnight(day)
            if any(window.opens <= since < window.closes for window in self.windows(service, day, generation)):
                return True
        return False

    def _boundaries(
        self, after: datetime, last: date, generation: Generation, services: Collection[Service]
    ) -> Iterator[datetime]:
        """Yield, in order, every instant behind *after* at which something may change, to the end of *last*."""
        edges = {as_tokyo(edge) for outage in self.outages for edge in outage.edges()}
        day = after.date()
        while day <= last:
            begins, ends = _midnight(day), _midnight(day + _DAY)
            found = {edge for edge in edges if begins <= edge < ends}
            for opened in (day - _DAY, day):
                for service in services:
                    for window in self.windows(service, opened, generation):
                        found |= {_midnight(opened) + window.opens, _midnight(opened) + window.closes}
            yield from sorted(edge for edge in found if edge > after and begins <= edge < ends)
            day += _DAY


def _without(windows: Iterable[Window], opens: timedelta, closes: timedelta) -> Iterator[Window]:
    """Yield what is left of *windows* when the stretch from *opens* to *closes* is taken out."""
    for window in windows:
        for left in (Window(window.opens, min(window.closes, opens)), Window(max(window.opens, closes), window.closes)):
            if left.opens < left.closes:
                yield left


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), TOKYO)
