"""Reading the shipped hours: ``config/service_hours.toml``, ``config/calendars/japan.toml``, and the holidays.

Holidays come from jpholiday, asked only about the years that the calendar vouches for.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal, TypeVar

import jpholiday
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, ValidationError

from chukan.platform.service_hours.errors import DataMalformed
from chukan.platform.service_hours.outages.rules import Outage, Span, require_free
from chukan.platform.service_hours.rules import Calendar, DayClass, Generation, Hours, MonthDay, Schedule, Window
from chukan.platform.service_hours.services import Service

HOURS_FILE = "service_hours.toml"
CALENDAR_FILE = "calendars/japan.toml"

_TIME = r"([01]\d|2[0-3]|24):([0-5]\d)"
_WINDOW = re.compile(rf"{_TIME}-{_TIME}")
_MONTH_DAY = re.compile(r"(\d\d)-(\d\d)")


def parse_window(notation: str) -> Window:
    """Return the window of ``08:00-21:00``; a closing up to 24:59 runs on into the next day.

    Raises:
        ValueError: another form, 25:00 or later, an opening after 23:59, or a closing not after the opening.
    """
    if (match := _WINDOW.fullmatch(notation)) is None:
        raise ValueError(f"{notation!r} is not of the form HH:MM-HH:MM with times up to 24:59")
    hours = [int(group) for group in match.groups()]
    opens, closes = (timedelta(hours=hours[at], minutes=hours[at + 1]) for at in (0, 2))
    if opens >= timedelta(days=1) or closes <= opens:
        raise ValueError(f"{notation!r} does not open on its day and close after that")
    return Window(opens, closes)


def parse_month_day(notation: str) -> MonthDay:
    """Return the day of the year of ``12-29``.

    Raises:
        ValueError: another form, or a day that not every year has.
    """
    if (match := _MONTH_DAY.fullmatch(notation)) is None:
        raise ValueError(f"{notation!r} is not of the form MM-DD")
    found = date(2001, *map(int, match.groups()))  # no leap year
    return MonthDay(found.month, found.day)


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


_Window = Annotated[Window, BeforeValidator(parse_window)]
_MonthDay = Annotated[MonthDay, BeforeValidator(parse_month_day)]


class _Hours(_Data):
    service: Service
    generations: tuple[Generation, ...]
    day_classes: tuple[DayClass, ...]
    windows: tuple[_Window, ...]
    valid_from: date
    source: str


class _SpecialDays(_Data):
    service: Service
    generations: tuple[Generation, ...]
    dates: tuple[date, ...]
    windows: tuple[_Window, ...]
    source: str


class _Span(_Data):
    start: AwareDatetime
    end: AwareDatetime


class _Outage(_Span):
    services: frozenset[Service]
    exceptions: tuple[_Span, ...]
    description: str
    source: str


class _HoursFile(_Data):
    hours: tuple[_Hours, ...]
    special_days: tuple[_SpecialDays, ...] = ()
    planned_outages: tuple[_Outage, ...] = ()


class _Holidays(_Data):
    library: Literal["jpholiday"]
    first_day: date
    last_day: date
    source: str
    checked_on: date


class _YearEnd(_Data):
    first: _MonthDay
    last: _MonthDay
    source: str


class _CalendarFile(_Data):
    holidays: _Holidays
    year_end: _YearEnd


@cache
def shipped_schedule() -> Schedule:
    """Return the schedule that the program ships, with the planned outages of 2019 and no others.

    Raises:
        DataMalformed: one of the files is wrong.
    """
    folder = files("chukan") / "config"
    hours, calendar = (tomllib.loads((folder / name).read_text("utf-8")) for name in (HOURS_FILE, CALENDAR_FILE))
    return schedule_of(hours, calendar)


def schedule_of(hours: Mapping[str, Any], calendar: Mapping[str, Any]) -> Schedule:
    """Return the schedule that the contents of the two files describe.

    Raises:
        DataMalformed: they are wrong, leave a service without hours, or set two hours from one day on.
    """
    stated, days = _read(_HoursFile, hours, HOURS_FILE), _read(_CalendarFile, calendar, CALENDAR_FILE)
    return Schedule(
        calendar=_calendar(days),
        hours=_hours(stated.hours),
        special_days=_special_days(stated.special_days),
        outages=_outages(stated.planned_outages),
    )


_File = TypeVar("_File", bound=_Data)


def _read(form: type[_File], content: Mapping[str, Any], file: str) -> _File:
    try:
        return form.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise DataMalformed(reason=f"{file}, {where}: {first['msg']}", detail=str(error)) from error


def _calendar(days: _CalendarFile) -> Calendar:
    holidays = jpholiday.JPHoliday()  # one of our own: nobody else can register a day with it
    return Calendar(
        first=days.holidays.first_day,
        last=days.holidays.last_day,
        holiday_name=lambda day: "・".join(holiday.name for holiday in holidays.holidays(day)) or None,
        year_end=(days.year_end.first, days.year_end.last),
    )


def _hours(stated: Iterable[_Hours]) -> dict[tuple[Generation, Service, DayClass], tuple[Hours, ...]]:
    found: dict[tuple[Generation, Service, DayClass], dict[date, Hours]] = defaultdict(dict)
    for each in stated:
        for key in ((g, each.service, d) for g in each.generations for d in each.day_classes):
            if each.valid_from in found[key]:
                raise DataMalformed(reason=f"{'/'.join(key)} has hours twice from {each.valid_from} on")
            found[key][each.valid_from] = Hours(each.valid_from, each.windows)
    return {key: tuple(known[day] for day in sorted(known, reverse=True)) for key, known in found.items()}


def _special_days(stated: Iterable[_SpecialDays]) -> dict[tuple[Generation, Service, date], tuple[Window, ...]]:
    found: dict[tuple[Generation, Service, date], tuple[Window, ...]] = {}
    for each in stated:
        for key in ((g, each.service, day) for g in each.generations for day in each.dates):
            if key in found:
                raise DataMalformed(reason=f"{key[0]}/{key[1]} is special twice on {key[2]}")
            found[key] = each.windows
    return found


def _outages(stated: Iterable[_Outage]) -> tuple[Outage, ...]:
    found: list[Outage] = []
    for each in stated:
        windows = tuple(Span(window.start, window.end) for window in each.exceptions)
        outage = Outage(Span(each.start, each.end), each.services, windows, each.description)
        require_free(outage, found)
        found.append(outage)
    return tuple(found)
