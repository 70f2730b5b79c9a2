"""A month as people look at it: its days, the hours of each service, and what an outage leaves of them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.clock import TOKYO
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.errors import CalendarOutOfRange, MonthMalformed
from chukan.platform.service_hours.month import Month, calendar_day, month_days, months_of, parse_month, require_month
from chukan.platform.service_hours.outages.rules import Outage, Span
from chukan.platform.service_hours.rules import DayClass, Generation, Window
from chukan.platform.service_hours.services import STOPPABLE, Service
from chukan.platform.service_hours.words import hours_text
from service_hours.hours import outage, span, tokyo

SCHEDULE = shipped_schedule()
NOVEMBER = Month(2026, 11)
DAY = timedelta(days=1)


def hours(schedule_day: date, service: Service, *stops: Outage, generation: Generation = Generation.CURRENT) -> str:
    day = calendar_day(SCHEDULE.with_outages(stops), schedule_day, generation)
    return hours_text(day.services[service].windows)


# -- months ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("month", "before", "after", "last"),
    [
        (Month(2026, 11), Month(2026, 10), Month(2026, 12), 30),
        (Month(2026, 12), Month(2026, 11), Month(2027, 1), 31),
        (Month(2027, 1), Month(2026, 12), Month(2027, 2), 31),
        (Month(2024, 2), Month(2024, 1), Month(2024, 3), 29),
        (Month(2027, 2), Month(2027, 1), Month(2027, 3), 28),
    ],
)
def test_a_month_knows_its_days_and_its_neighbours(month: Month, before: Month, after: Month, last: int) -> None:
    assert (month.before(), month.after(), month.last.day) == (before, after, last)
    assert [day.day for day in month.days()] == list(range(1, last + 1))
    assert parse_month(str(month)) == month


def test_a_month_ends_at_midnight_in_tokyo() -> None:
    assert NOVEMBER.span() == span("2026-11-01 00:00", "2026-12-01 00:00")


@pytest.mark.parametrize(
    "notation", ["", "2026", "2026-13", "2026-00", "2026-1", "26-11", "0000-01", "2026-11-01", "x"]
)
def test_what_is_no_month_is_refused(notation: str) -> None:
    with pytest.raises(MonthMalformed):
        parse_month(notation)


def test_the_months_of_the_calendar_are_known_and_no_others() -> None:
    months = list(months_of(SCHEDULE.calendar))
    assert (months[0], months[-1], len(months)) == (Month(2019, 1), Month(2027, 12), 9 * 12)
    for month in (months[0], months[-1]):
        require_month(SCHEDULE.calendar, month)
    for month in (months[0].before(), months[-1].after()):
        with pytest.raises(CalendarOutOfRange):
            month_days(SCHEDULE, month, Generation.CURRENT)


# -- days -----------------------------------------------------------------------------------------


def test_a_day_has_its_class_and_the_name_of_its_holiday() -> None:
    days = {each.day.day: each for each in month_days(SCHEDULE, NOVEMBER, Generation.CURRENT)}
    assert len(days) == 30
    assert {n: day.holiday for n, day in days.items() if day.holiday} == {3: "文化の日", 23: "勤労感謝の日"}
    assert [days[n].day_class for n in (20, 21, 22, 23, 24)] == [
        DayClass.WEEKDAY,
        DayClass.WEEKEND,
        DayClass.WEEKEND,
        DayClass.HOLIDAY,
        DayClass.WEEKDAY,
    ]
    new_year = calendar_day(SCHEDULE, date(2027, 1, 1), Generation.CURRENT)
    assert (new_year.day_class, new_year.holiday) == (DayClass.YEAR_END, "元日")


@pytest.mark.parametrize(
    ("day", "service", "generation", "expected"),
    [
        (date(2026, 11, 24), Service.SYSTEM, Generation.CURRENT, "08:00–21:00"),
        (date(2026, 11, 24), Service.SYSTEM, Generation.NEXT, "08:00–23:00"),
        (date(2026, 11, 23), Service.SYSTEM, Generation.NEXT, "08:00–17:00"),
        (date(2026, 11, 24), Service.DATA_STOP, Generation.NEXT, "23:00–24:00"),
        (date(2026, 11, 23), Service.DATA_STOP, Generation.NEXT, ""),
        (date(2026, 11, 24), Service.SUPPORT_SITE, Generation.CURRENT, "01:30–24:30"),
        (date(2019, 6, 4), Service.HELPDESK_PHONE, Generation.CURRENT, "09:00–21:00"),
    ],
)
def test_a_day_has_the_hours_of_each_service(
    day: date, service: Service, generation: Generation, expected: str
) -> None:
    assert hours(day, service, generation=generation) == expected


def test_a_day_with_a_rule_of_its_own_is_told_from_the_others_of_its_class() -> None:
    tuesday = calendar_day(SCHEDULE, date(2019, 6, 4), Generation.CURRENT).services
    assert [service for service in Service if tuesday[service].changed] == [Service.HELPDESK_PHONE]
    assert hours_text(tuesday[Service.HELPDESK_PHONE].ordinary) == "09:00–18:00"


@pytest.mark.parametrize(
    ("start", "end", "exceptions", "expected"),
    [
        ("2026-11-24 02:00", "2026-11-24 05:00", [], "08:00–21:00"),
        ("2026-11-24 02:00", "2026-11-24 08:00", [], "08:00–21:00"),
        ("2026-11-24 02:00", "2026-11-24 08:01", [], "08:01–21:00"),
        ("2026-11-24 12:00", "2026-11-24 13:00", [], "08:00–12:00, 13:00–21:00"),
        ("2026-11-24 20:59", "2026-11-25 05:00", [], "08:00–20:59"),
        ("2026-11-24 21:00", "2026-11-25 05:00", [], "08:00–21:00"),
        ("2026-11-23 12:00", "2026-11-25 12:00", [], ""),
        ("2026-11-24 08:00", "2026-11-24 21:00", [("2026-11-24 12:00", "2026-11-24 13:00")], "12:00–13:00"),
        ("2026-11-24 00:00", "2026-11-24 21:00", [("2026-11-24 00:00", "2026-11-24 09:00")], "08:00–09:00"),
        ("2026-11-24 09:00", "2026-11-25", [("2026-11-24 20:00", "2026-11-25")], "08:00–09:00, 20:00–21:00"),
        ("2026-11-24 12:00:30", "2026-11-24 13:00", [], "08:00–12:00:30, 13:00–21:00"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("english")
def test_an_outage_is_taken_out_of_the_hours(
    start: str, end: str, exceptions: list[tuple[str, str]], expected: str
) -> None:
    assert hours(date(2026, 11, 24), Service.SYSTEM, outage(start, end, *exceptions)) == expected


@pytest.mark.usefixtures("english")
def test_hours_that_reach_past_midnight_are_cut_on_both_days() -> None:
    night = outage("2026-11-24 23:00", "2026-11-25 02:00", services=[Service.SUPPORT_SITE])
    assert hours(date(2026, 11, 24), Service.SUPPORT_SITE, night) == "01:30–23:00"
    assert hours(date(2026, 11, 25), Service.SUPPORT_SITE, night) == "02:00–24:30"
    short = outage("2026-11-25 00:10", "2026-11-25 00:20", services=[Service.SUPPORT_SITE])
    assert hours(date(2026, 11, 24), Service.SUPPORT_SITE, short) == "01:30–24:10, 24:20–24:30"
    assert hours(date(2026, 11, 25), Service.SUPPORT_SITE, short) == "01:30–24:30"


def test_a_bar_shows_the_day_from_midnight_to_midnight() -> None:
    day = calendar_day(SCHEDULE, date(2026, 11, 24), Generation.CURRENT).services
    assert hours_text(day[Service.SUPPORT_SITE].bars).replace("、", ", ") == "00:00–00:30, 01:30–24:00"
    assert hours_text(day[Service.HELPDESK_MAIL].bars) == "00:00–24:00"
    night = SCHEDULE.with_outages([outage("2026-11-24 00:10", "2026-11-24 03:00", services=[Service.SUPPORT_SITE])])
    bars = calendar_day(night, date(2026, 11, 24), Generation.CURRENT).services[Service.SUPPORT_SITE].bars
    assert bars == (
        Window(timedelta(0), timedelta(minutes=10)),
        Window(timedelta(hours=3), timedelta(hours=24)),
    )


# -- the same by another way ----------------------------------------------------------------------

MINUTES = st.integers(0, 3 * 24 * 60)
BEGINS = tokyo("2026-11-22 00:00")


@st.composite
def outages(draw: st.DrawFn) -> Outage:
    points = sorted(draw(st.lists(MINUTES, min_size=2, max_size=6, unique=True)))
    at = [BEGINS + timedelta(minutes=minute) for minute in points]
    inner = at[1:-1]
    windows = tuple(Span(start, end) for start, end in zip(inner[::2], inner[1::2], strict=False))
    services = draw(st.frozensets(st.sampled_from(STOPPABLE), min_size=1))
    return Outage(Span(at[0], at[-1]), services, windows)


@given(st.lists(outages(), max_size=3), MINUTES, st.sampled_from(Generation))
def test_hours_and_bars_say_what_is_open_at_every_instant(
    stops: list[Outage], minute: int, generation: Generation
) -> None:
    schedule = SCHEDULE.with_outages(stops)
    instant = BEGINS + timedelta(minutes=minute)
    day, since = instant.astimezone(TOKYO).date(), timedelta(minutes=minute % (24 * 60))
    is_open = schedule.state_at(instant, generation).services
    services = calendar_day(schedule, day, generation).services
    for service in Service:
        told = any(window.opens <= since < window.closes for window in services[service].bars)
        assert told is is_open[service]
        before = schedule.open_windows(service, day - timedelta(days=1), generation)
        of_both = [*services[service].windows, *(Window(w.opens - DAY, w.closes - DAY) for w in before)]
        assert any(window.opens <= since < window.closes for window in of_both) is told


@given(outages(), MINUTES)
def test_an_outage_stops_exactly_in_its_closures(stop: Outage, minute: int) -> None:
    instant = BEGINS + timedelta(minutes=minute)
    service = next(iter(stop.services))
    closures = list(stop.closures())
    assert any(closed.holds(instant) for closed in closures) is stop.stops(service, instant)
    assert closures == sorted(closures)
