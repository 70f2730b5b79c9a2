"""Japanese dates: how they are written, and what people type.

Instants are shown as the wall clock of Tokyo shows them. The table of eras holds those that people still type; a day
before its first one is written in Western years.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from chukan.platform.clock import TOKYO, as_tokyo, as_utc
from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


@dataclass(frozen=True)
class Era:
    """An era: its name, the letter that forms use for it, and its first day."""

    name: str
    letter: str
    first_day: date


#: Newest first. Source: 元号を改める政令, in force on the first day of each.
ERAS = (
    Era("令和", "R", date(2019, 5, 1)),
    Era("平成", "H", date(1989, 1, 8)),
    Era("昭和", "S", date(1926, 12, 25)),
)
WEEKDAYS = "月火水木金土日"
#: A day of the clock before or after these is still one that a computer can tell.
_FIRST_YEAR, _LAST_YEAR = 1000, 9998
_HYPHENS = dict.fromkeys(map(ord, "‐‑‒–—―−ー"), "-")
_DAY = re.compile(
    r"(?P<era>[^\W\d_]{1,2}(?=[元\d\s]))?\s*(?P<year>元|\d{1,4})\s*(?:年|[./-])\s*(?P<month>\d{1,2})\s*(?:月|[./-])\s*"
    r"(?P<day>\d{1,2})\s*日?\s*(?:\((?P<weekday>[月火水木金土日])曜?日?\))?"
)
_DIGITS = re.compile(r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})")
_TIME = re.compile(r"(?P<hour>\d{1,2})\s*(?:[:.]\s*(?P<minute>\d{2})|時\s*(?:(?P<minute_word>\d{1,2})\s*分)?)")
_FOUR_DIGITS = re.compile(r"(?P<hour>\d{2})(?P<minute>\d{2})")


class DayNotUnderstood(ChukanError):
    """What was typed is not a day."""

    code = "web.day_not_understood"
    failure = Failure.BAD_INPUT
    message = mark("This is not a day: {typed}.")
    hint = mark("Write it like 2026-4-1, R8.4.1 or 令和8年4月1日.")


class DayOutsideEra(ChukanError):
    """The day exists, but not in the era that was typed."""

    code = "web.day_outside_era"
    failure = Failure.BAD_INPUT
    message = mark("There is no such day in that era: {typed}.")
    hint = mark("Check the era, or write the Western year.")


class DayTooFar(ChukanError):
    """The day exists, but lies where nobody can reckon with it: its zone or its next day would leave the calendar."""

    code = "web.day_too_far"
    failure = Failure.BAD_INPUT
    message = mark("This year cannot be handled: {typed}.")
    hint = mark("Give a year from 1000 to 9998.")


class WeekdayWrong(ChukanError):
    """The day and the weekday that was typed with it do not go together."""

    code = "web.weekday_wrong"
    failure = Failure.BAD_INPUT
    message = mark("{day} is not on that day of the week.")
    hint = mark("Check the day, or leave out the day of the week.")


class TimeNotUnderstood(ChukanError):
    """What was typed is not a time of the day."""

    code = "web.time_not_understood"
    failure = Failure.BAD_INPUT
    message = mark("This is not a time of the day: {typed}.")
    hint = mark("Write it like 9:00, 18:30 or 24:00.")


def era_of(day: date) -> Era | None:
    """Return the era that *day* lies in, or None before the first of the table."""
    return next((era for era in ERAS if era.first_day <= day), None)


def japanese_year(day: date) -> str:
    """Return the year of *day* as in 令和8年 or 令和元年; 1925年 before the first era of the table."""
    era = era_of(day)
    if era is None:
        return f"{day.year}年"
    year = day.year - era.first_day.year + 1
    return f"{era.name}{'元' if year == 1 else year}年"


def japanese_day(day: date) -> str:
    """Return *day* as in 令和8年4月1日（水）."""
    return f"{japanese_year(day)}{day.month}月{day.day}日（{WEEKDAYS[day.weekday()]}）"


def japanese_instant(instant: datetime) -> str:
    """Return *instant* in Tokyo as in 令和8年4月1日（水） 10:00.

    Raises:
        NaiveInstant: it has no UTC offset.
    """
    local = as_tokyo(instant)
    return f"{japanese_day(local.date())} {local:%H:%M}"


def short_day(day: date) -> str:
    """Return *day* as dense tables write it: 2026/04/01."""
    return f"{day.year:04}/{day.month:02}/{day.day:02}"


def short_instant(instant: datetime) -> str:
    """Return *instant* in Tokyo as dense tables write it: 2026/04/01 10:00.

    Raises:
        NaiveInstant: it has no UTC offset.
    """
    local = as_tokyo(instant)
    return f"{short_day(local.date())} {local:%H:%M}"


def near_instant(instant: datetime, now: datetime) -> str:
    """Return *instant* in Tokyo without what it shares with *now*: 10:00, 4/2 10:00, or 2027/04/01 10:00.

    Raises:
        NaiveInstant: one of them has no UTC offset.
    """
    local, present = as_tokyo(instant), as_tokyo(now)
    if local.date() == present.date():
        return f"{local:%H:%M}"
    if local.year == present.year:
        return f"{local.month}/{local.day} {local:%H:%M}"
    return short_instant(instant)


def fiscal_year(day: date) -> str:
    """Return the fiscal year (April to March) of *day* as in 令和8年度: the year in which it began names it.

    Where an era began within that year, between April and December, its days before are told by the era before:
    April 2019 is 平成31年度, the rest of that fiscal year 令和元年度.
    """
    began = date(day.year if day.month >= 4 else day.year - 1, 4, 1)
    first_days = [era.first_day for era in ERAS if era.first_day.year == began.year and began < era.first_day <= day]
    return f"{japanese_year(first_days[0] if first_days else began)}度"


def parse_day(typed: str) -> date:
    """Return the day that somebody meant by *typed*, in any width and with any hyphen.

    Understood are 令和8年4月1日, R8.4.1, 2026-4-1, 2026/04/01, 20260401, each with its day of the week or without.

    Raises:
        DayNotUnderstood: it is no day, or a year of one or two digits without an era.
        DayOutsideEra: there is no such day in that era.
        DayTooFar: its year is before 1000 or after 9998.
        WeekdayWrong: that day is on another day of the week.
    """
    cleaned = _cleaned(typed)
    found = _DAY.fullmatch(cleaned) or _DIGITS.fullmatch(cleaned)
    if found is None:
        raise DayNotUnderstood(typed=typed.strip())
    parts = found.groupdict()
    era = _era_named(parts.get("era"), typed)
    day = _date(_year(parts["year"], era, typed), parts["month"], parts["day"], typed)
    if era is not None and era_of(day) != era:
        raise DayOutsideEra(typed=typed.strip())
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise DayTooFar(typed=typed.strip())
    if (weekday := parts.get("weekday")) and WEEKDAYS.index(weekday) != day.weekday():
        raise WeekdayWrong(day=japanese_day(day)[: -len("（日）")])
    return day


def parse_time(typed: str) -> timedelta:
    """Return how long after midnight *typed* is: 9:00, 0900, 9時, 18時30分; 24:00 is the end of the day.

    Raises:
        TimeNotUnderstood: it is no time of the day.
    """
    cleaned = _cleaned(typed)
    found = _TIME.fullmatch(cleaned) or _FOUR_DIGITS.fullmatch(cleaned)
    if found is None:
        raise TimeNotUnderstood(typed=typed.strip())
    parts = found.groupdict()
    hour, minute = int(parts["hour"]), int(parts.get("minute") or parts.get("minute_word") or 0)
    after = timedelta(hours=hour, minutes=minute)
    if minute > 59 or after > timedelta(hours=24):
        raise TimeNotUnderstood(typed=typed.strip())
    return after


def instant_on(day: date, after_midnight: timedelta) -> datetime:
    """Return the instant (aware, UTC) at which Tokyo's clock is *after_midnight* into *day*."""
    return as_utc(datetime.combine(day, time(), TOKYO) + after_midnight)


def _cleaned(typed: str) -> str:
    return unicodedata.normalize("NFKC", typed).translate(_HYPHENS).strip()


def _era_named(name: str | None, typed: str) -> Era | None:
    if name is None:
        return None
    for era in ERAS:
        if name == era.name or name.upper() == era.letter:
            return era
    raise DayNotUnderstood(typed=typed.strip())


def _year(written: str, era: Era | None, typed: str) -> int:
    if era is None:
        if len(written) != 4:
            raise DayNotUnderstood(typed=typed.strip())
        return int(written)
    return era.first_day.year - 1 + (1 if written == "元" else int(written))


def _date(year: int, month: str, day: str, typed: str) -> date:
    try:
        return date(year, int(month), int(day))
    except ValueError:
        raise DayNotUnderstood(typed=typed.strip()) from None
