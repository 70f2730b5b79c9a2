"""The calendar: every holiday that is known, the closure around New Year, and the end of what is known."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from chukan.platform.clock import SystemClock, as_utc
from chukan.platform.component import Health
from chukan.platform.errors import Failure
from chukan.platform.service_hours.checks import check_calendar
from chukan.platform.service_hours.component import component
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.errors import CalendarOutOfRange
from chukan.platform.service_hours.outages.rules import Span
from chukan.platform.service_hours.rules import Calendar, DayClass, Generation, MonthDay
from chukan.platform.settings import Settings
from service_hours.holidays import HOLIDAYS
from service_hours.hours import tokyo

CALENDAR = shipped_schedule().calendar
EVERY_DAY = [CALENDAR.first + timedelta(days=n) for n in range((CALENDAR.last - CALENDAR.first).days + 1)]


def test_the_library_computes_exactly_the_known_holidays() -> None:
    assert len(HOLIDAYS) == 165
    assert len(EVERY_DAY) == 3287
    assert {day for day in EVERY_DAY if CALENDAR.holiday_name(day)} == HOLIDAYS


def test_every_day_has_the_class_that_comes_first() -> None:
    closure = {(12, 29), (12, 30), (12, 31), (1, 1), (1, 2), (1, 3)}
    for day in EVERY_DAY:
        if (day.month, day.day) in closure:
            expected = DayClass.YEAR_END
        elif day in HOLIDAYS:
            expected = DayClass.HOLIDAY
        else:
            expected = DayClass.WEEKEND if day.isoweekday() in {6, 7} else DayClass.WEEKDAY
        assert CALENDAR.day_class(day) is expected, day


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2019, 5, 1), DayClass.HOLIDAY),  # a Wednesday, for once
        (date(2019, 5, 6), DayClass.HOLIDAY),  # substitute
        (date(2019, 5, 4), DayClass.HOLIDAY),  # a holiday on a Saturday
        (date(2019, 12, 28), DayClass.WEEKEND),
        (date(2019, 12, 29), DayClass.YEAR_END),  # a Sunday
        (date(2020, 1, 3), DayClass.YEAR_END),
        (date(2020, 1, 4), DayClass.WEEKEND),
        (date(2023, 1, 2), DayClass.YEAR_END),  # a substitute holiday too
        (date(2020, 7, 20), DayClass.WEEKDAY),  # where Marine Day would have been
        (date(2026, 9, 22), DayClass.HOLIDAY),  # between two holidays
        (date(2018, 12, 31), DayClass.YEAR_END),  # its windows reach into the first day
    ],
)
def test_a_day_is_classified(day: date, expected: DayClass) -> None:
    assert CALENDAR.day_class(day) is expected


@pytest.mark.parametrize("day", [date(2018, 12, 30), date(2028, 1, 1), date(2035, 6, 1)])
def test_a_day_outside_the_calendar_is_unknown_and_no_weekday(day: date) -> None:
    with pytest.raises(CalendarOutOfRange) as refused:
        CALENDAR.day_class(day)
    assert refused.value.failure is Failure.BAD_INPUT
    assert str(day) in refused.value.told()


@pytest.mark.parametrize(
    ("instant", "known"),
    [
        ("2018-12-31 23:59:59", False),
        ("2019-01-01 00:00", True),
        ("2027-12-31 23:59:59.999999", True),
        ("2028-01-01 00:00", False),
    ],
)
@pytest.mark.parametrize("generation", list(Generation))
def test_the_calendar_is_asked_about_days_in_tokyo(instant: str, known: bool, generation: Generation) -> None:
    if known:
        shipped_schedule().state_at(tokyo(instant), generation)
        shipped_schedule().next_change(tokyo(instant), generation)
        return
    with pytest.raises(CalendarOutOfRange):
        shipped_schedule().state_at(tokyo(instant), generation)
    with pytest.raises(CalendarOutOfRange):
        shipped_schedule().next_change(tokyo(instant), generation)


def test_a_closure_within_one_year_is_possible_too() -> None:
    calendar = Calendar(date(2026, 1, 1), date(2026, 12, 31), lambda _day: None, (MonthDay(8, 13), MonthDay(8, 15)))
    closed = [day for day in range(10, 20) if calendar.day_class(date(2026, 8, day)) is DayClass.YEAR_END]
    assert closed == [13, 14, 15]


# -- how long it lasts ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "health"),
    [
        (date(2026, 11, 21), Health.GREEN),
        (date(2027, 4, 5), Health.GREEN),
        (date(2027, 4, 6), Health.AMBER),
        (date(2027, 11, 1), Health.AMBER),
        (date(2027, 11, 2), Health.RED),
        (date(2028, 1, 1), Health.RED),
    ],
)
def test_a_calendar_that_ends_soon_is_reported(day: date, health: Health) -> None:
    found = check_calendar(CALENDAR, tokyo(f"{day} 00:00"))
    assert found.health is health
    assert "2027-12-31" in found.summary


def test_the_check_is_offered_to_monitoring() -> None:
    (check,) = component(Settings).checks
    assert check.run(tokyo("2027-12-01 00:00")).health is Health.RED


def test_the_calendar_that_is_shipped_has_not_expired() -> None:
    # Fails for everybody when the time has come: config/calendars/japan.toml says how it is extended.
    assert check_calendar(CALENDAR, SystemClock().now()).health is not Health.RED


def test_every_shipped_date_lies_in_the_calendar() -> None:
    whole = Span(tokyo(f"{CALENDAR.first} 00:00"), tokyo(f"{CALENDAR.last} 00:00"))
    assert all(outage.span.within(whole) for outage in shipped_schedule().outages)
    assert all(whole.holds(as_utc(tokyo(f"{day} 00:00"))) for _, _, day in shipped_schedule().special_days)
