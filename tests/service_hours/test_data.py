"""Reading the hours and the calendar: the notations, and what is refused before anything is decided by it."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable
from datetime import date, timedelta
from importlib.resources import files
from typing import Any

import pytest

from chukan.platform.service_hours.data import (
    CALENDAR_FILE,
    HOURS_FILE,
    parse_month_day,
    parse_window,
    schedule_of,
    shipped_schedule,
)
from chukan.platform.service_hours.errors import DataMalformed, ExceptionOutside, OutageOverlaps, SpanEmpty
from chukan.platform.service_hours.rules import DayClass, Generation, MonthDay, Window
from chukan.platform.service_hours.services import Service
from service_hours.hours import span, tokyo

Content = dict[str, Any]
FOLDER = files("chukan") / "config"
HOURS: Content = tomllib.loads((FOLDER / HOURS_FILE).read_text("utf-8"))
CALENDAR: Content = tomllib.loads((FOLDER / CALENDAR_FILE).read_text("utf-8"))


@pytest.mark.parametrize(
    ("notation", "opens", "closes"),
    [("08:00-21:00", 480, 1260), ("01:30-24:30", 90, 1470), ("00:00-24:00", 0, 1440), ("23:59-24:59", 1439, 1499)],
)
def test_a_window_is_read(notation: str, opens: int, closes: int) -> None:
    assert parse_window(notation) == Window(timedelta(minutes=opens), timedelta(minutes=closes))


@pytest.mark.parametrize(
    "notation",
    ["08:00-25:00", "25:00-26:00", "24:00-24:30", "08:00-08:00", "21:00-08:00", "21:00-00:00", "8:00-21:00",
     "08:60-21:00", "08:00", "08:00-21:00 ", "", "０８:00-21:00"],
)  # fmt: skip
def test_another_notation_is_refused(notation: str) -> None:
    with pytest.raises(ValueError, match=r"HH:MM|does not open"):
        parse_window(notation)


def test_a_day_of_the_year_is_read() -> None:
    assert parse_month_day("12-29") == MonthDay(12, 29)


@pytest.mark.parametrize("notation", ["02-29", "13-01", "1-3", "12-32", "29.12."])
def test_a_day_that_not_every_year_has_is_refused(notation: str) -> None:
    with pytest.raises(ValueError, match=r"MM-DD|month|day"):
        parse_month_day(notation)


def test_the_history_of_2019_is_shipped() -> None:
    schedule = shipped_schedule()
    (stop,) = schedule.outages
    assert stop.span == span("2019-06-15 17:00", "2019-06-17 08:00")
    assert stop.exceptions == (span("2019-06-16 13:00", "2019-06-16 17:00"),)
    assert stop.services == {Service.SYSTEM, Service.SELF_INFORMATION}
    tuesdays = {day for generation, _, day in schedule.special_days if generation is Generation.CURRENT}
    assert tuesdays == {date(2019, 5, 28), *(date(2019, 6, day) for day in (4, 11, 18, 25))}


def test_hours_take_effect_with_their_date() -> None:
    changed = copy.deepcopy(HOURS)
    changed["hours"].append(
        {
            "service": "helpdesk_phone",
            "generations": ["next"],
            "day_classes": ["weekday"],
            "windows": ["09:00-12:00", "13:00-18:00"],
            "valid_from": date(2027, 4, 1),
            "source": "a decision of the future",
        }
    )
    schedule = schedule_of(changed, CALENDAR)
    known = schedule.hours[Generation.NEXT, Service.HELPDESK_PHONE, DayClass.WEEKDAY]
    assert [hours.valid_from for hours in known] == [date(2027, 4, 1), date(2018, 12, 31)]
    answers = [
        schedule.state_at(tokyo(f"{day} 12:30"), generation).services[Service.HELPDESK_PHONE]
        for day in ("2027-03-31", "2027-04-01")
        for generation in Generation
    ]
    assert answers == [True, True, True, False]


def _entry(number: int, **changes: object) -> Callable[[Content], None]:
    return lambda content: content["hours"][number].update(changes)


def _again(name: str) -> Callable[[Content], None]:
    return lambda content: content[name].append(copy.deepcopy(content[name][-1]))


def _without_the_first(content: Content) -> None:
    del content["hours"][0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_without_the_first, "current/system/weekday has no hours on 2018-12-31"),
        (_entry(0, valid_from=date(2019, 1, 1)), "current/system/weekday has no hours on 2018-12-31"),
        (_again("hours"), "next/self_information/weekday has hours twice from 2018-12-31 on"),
        (_again("special_days"), "current/helpdesk_phone is special twice on 2019-05-28"),
        (_entry(0, windows=["08:00-25:00"]), "service_hours.toml, hours.0.windows.0"),
        (_entry(0, service="fax"), "hours.0.service"),
        (_entry(0, closing="21:00"), "hours.0.closing"),
        (lambda content: content.pop("hours"), "hours: Field required"),
    ],
)
def test_wrong_hours_are_refused_with_their_place(change: Callable[[Content], None], reason: str) -> None:
    content = copy.deepcopy(HOURS)
    change(content)
    with pytest.raises(DataMalformed) as refused:
        schedule_of(content, CALENDAR)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("section", "changes", "reason"),
    [
        ("holidays", {"library": "another"}, "holidays.library"),
        ("holidays", {"last_day": "soon"}, "holidays.last_day"),
        ("year_end", {"first": "12-32"}, "year_end.first"),
    ],
)
def test_a_wrong_calendar_is_refused_with_its_place(section: str, changes: Content, reason: str) -> None:
    content = copy.deepcopy(CALENDAR)
    content[section].update(changes)
    with pytest.raises(DataMalformed) as refused:
        schedule_of(HOURS, content)
    assert reason in str(refused.value)


def test_the_outages_in_the_file_obey_the_rules_of_outages() -> None:
    for change, error in (
        ({"end": tokyo("2019-06-15 17:00")}, SpanEmpty),
        ({"end": tokyo("2019-06-16 16:00")}, ExceptionOutside),
    ):
        content = copy.deepcopy(HOURS)
        content["planned_outages"][0].update(change)
        with pytest.raises(error):
            schedule_of(content, CALENDAR)
    content = copy.deepcopy(HOURS)
    _again("planned_outages")(content)
    with pytest.raises(OutageOverlaps):
        schedule_of(content, CALENDAR)
    content = copy.deepcopy(HOURS)
    content["planned_outages"][0]["start"] = tokyo("2019-06-15 17:00").replace(tzinfo=None)
    with pytest.raises(DataMalformed, match=r"planned_outages\.0\.start"):
        schedule_of(content, CALENDAR)
