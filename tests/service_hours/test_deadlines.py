"""Deadlines: the vectors of the rules, their boundaries, and the command."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.service_hours.component import component
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.deadlines import after_business_days, shipped_deadlines
from chukan.platform.service_hours.errors import CalendarOutOfRange, DeadlineUnknown
from chukan.platform.service_hours.rules import DayClass
from chukan.platform.settings import Settings

CALENDAR = shipped_schedule().calendar
TOKYO = timezone(timedelta(hours=9))


@pytest.mark.parametrize(
    ("requested", "due"),
    [
        pytest.param(date(2019, 6, 3), date(2019, 6, 12), id="C81 an ordinary week"),
        pytest.param(date(2019, 4, 22), date(2019, 5, 9), id="C81 over ten days of holidays"),
        pytest.param(date(2020, 12, 25), date(2021, 1, 12), id="C81 over the year's end and a holiday"),
        pytest.param(date(2019, 6, 8), date(2019, 6, 18), id="from a Saturday, which is not counted"),
    ],
)
def test_a_linkage_code_is_there_within_seven_business_days(requested: date, due: date) -> None:
    assert shipped_deadlines().code_acquisition(requested, CALENDAR) == due


@pytest.mark.parametrize(
    ("received", "due"),
    [
        pytest.param(date(2019, 6, 3), date(2019, 6, 10), id="a day"),
        pytest.param(datetime(2019, 6, 3, 17, 59, 59, tzinfo=TOKYO), date(2019, 6, 10), id="a second before the close"),
        pytest.param(datetime(2019, 6, 3, 18, tzinfo=TOKYO), date(2019, 6, 11), id="at the close"),
        pytest.param(datetime(2019, 6, 3, 9, tzinfo=UTC), date(2019, 6, 11), id="the close, told in UTC"),
        pytest.param(datetime(2019, 6, 7, 19, tzinfo=TOKYO), date(2019, 6, 17), id="Friday evening counts for Monday"),
        pytest.param(date(2019, 6, 8), date(2019, 6, 14), id="a Saturday is not counted"),
        pytest.param(datetime(2019, 6, 8, 19, tzinfo=TOKYO), date(2019, 6, 14), id="a Saturday has no close"),
        pytest.param(date(2019, 12, 27), date(2020, 1, 10), id="over the year's end"),
    ],
)
def test_an_inquiry_is_answered_within_five_business_days(received: date | datetime, due: date) -> None:
    assert shipped_deadlines().answer(received, CALENDAR) == due


@pytest.mark.parametrize(
    ("issued", "due"),
    [
        (date(2016, 2, 29), date(2021, 2, 28)),
        (date(2016, 2, 28), date(2021, 2, 28)),
        (date(2015, 10, 5), date(2020, 10, 5)),
        (date(2019, 12, 31), date(2024, 12, 31)),
    ],
)
def test_a_certificate_lasts_five_years_also_from_a_leap_day(issued: date, due: date) -> None:
    assert shipped_deadlines().certificate(issued) == due


def test_beyond_the_calendar_nothing_is_guessed() -> None:
    with pytest.raises(CalendarOutOfRange):
        shipped_deadlines().answer(date(2027, 12, 28), CALENDAR)
    with pytest.raises(DeadlineUnknown):
        shipped_deadlines().code_acquisition(date(2018, 12, 30), CALENDAR)


DAYS = st.dates(date(2019, 1, 1), date(2027, 10, 1))


@given(DAYS, st.integers(1, 20))
def test_a_deadline_is_a_business_day_with_just_that_many_before_it(first: date, days: int) -> None:
    due = after_business_days(first, days, CALENDAR)
    between = [first + timedelta(days=n) for n in range(1, (due - first).days + 1)]
    assert sum(CALENDAR.day_class(day) is DayClass.WEEKDAY for day in between) == days
    assert CALENDAR.day_class(due) is DayClass.WEEKDAY


@given(DAYS, DAYS, st.times(), st.times())
def test_what_is_received_later_is_never_due_earlier(one: date, other: date, hour: time, later: time) -> None:
    instants = sorted(datetime.combine(day, at, TOKYO) for day, at in ((one, hour), (other, later)))
    first, second = (shipped_deadlines().answer(instant, CALENDAR) for instant in instants)
    assert first <= second


# -- the command ----------------------------------------------------------------------------------


def run(*args: str) -> object:
    group = next(c.command for c in component(Settings).commands if c.command.name == "deadlines")
    result = CliRunner().invoke(group, args, catch_exceptions=False, standalone_mode=False)
    return json.loads(result.stdout)


def test_the_command_answers_in_json() -> None:
    assert run("answer", "--from", "2019-06-03T18:00:00+09:00", "--json") == {"due": "2019-06-11"}
    assert run("answer", "--from", "2019-06-03", "--json") == {"due": "2019-06-10"}
    assert run("code-acquisition", "--from", "2019-04-22", "--json") == {"due": "2019-05-09"}
    assert run("certificate", "--issued", "2016-02-29", "--json") == {"due": "2021-02-28"}
