"""Japanese dates at every boundary: written, typed, and the two against one another."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.clock import NaiveInstant
from chukan.platform.web.dates import (
    DayNotUnderstood,
    DayOutsideEra,
    DayTooFar,
    TimeNotUnderstood,
    WeekdayWrong,
    fiscal_year,
    instant_on,
    japanese_day,
    japanese_instant,
    parse_day,
    parse_time,
    short_day,
    short_instant,
)

ERA_DAYS = st.dates(min_value=date(1926, 12, 25), max_value=date(2117, 12, 31))


@pytest.mark.parametrize(
    ("day", "written"),
    [
        (date(2026, 4, 1), "令和8年4月1日（水）"),
        (date(2019, 5, 1), "令和元年5月1日（水）"),
        (date(2019, 4, 30), "平成31年4月30日（火）"),
        (date(2019, 12, 31), "令和元年12月31日（火）"),
        (date(2020, 1, 1), "令和2年1月1日（水）"),
        (date(1989, 1, 8), "平成元年1月8日（日）"),
        (date(1989, 1, 7), "昭和64年1月7日（土）"),
        (date(1926, 12, 25), "昭和元年12月25日（土）"),
        (date(1926, 12, 24), "1926年12月24日（金）"),
    ],
)
def test_a_day_is_written_with_its_era(day: date, written: str) -> None:
    assert japanese_day(day) == written


@pytest.mark.parametrize(
    ("instant", "long", "short"),
    [
        (datetime(2026, 4, 1, 1, 0, tzinfo=UTC), "令和8年4月1日（水） 10:00", "2026/04/01 10:00"),
        (datetime(2026, 3, 31, 14, 59, 59, tzinfo=UTC), "令和8年3月31日（火） 23:59", "2026/03/31 23:59"),
        (datetime(2026, 3, 31, 15, 0, tzinfo=UTC), "令和8年4月1日（水） 00:00", "2026/04/01 00:00"),
        (
            datetime(2026, 4, 1, 0, 0, tzinfo=timezone(timedelta(hours=-5))),
            "令和8年4月1日（水） 14:00",
            "2026/04/01 14:00",
        ),
    ],
)
def test_an_instant_is_written_as_the_clock_of_tokyo_shows_it(instant: datetime, long: str, short: str) -> None:
    assert japanese_instant(instant) == long
    assert short_instant(instant) == short


def test_an_instant_without_offset_is_refused() -> None:
    with pytest.raises(NaiveInstant):
        japanese_instant(datetime(2026, 4, 1, 10, 0))  # noqa: DTZ001 - the point


def test_a_day_in_a_table_is_short() -> None:
    assert short_day(date(2026, 4, 1)) == "2026/04/01"


@pytest.mark.parametrize(
    ("day", "written"),
    [
        (date(2026, 4, 1), "令和8年度"),
        (date(2026, 3, 31), "令和7年度"),
        (date(2020, 3, 31), "令和元年度"),
        (date(2019, 5, 1), "令和元年度"),
        (date(2019, 4, 30), "平成31年度"),
        (date(2019, 3, 31), "平成30年度"),
        (date(1989, 4, 1), "平成元年度"),
        (date(1989, 3, 31), "昭和63年度"),
    ],
)
def test_a_fiscal_year_is_named_by_the_year_in_which_it_began(day: date, written: str) -> None:
    assert fiscal_year(day) == written


@pytest.mark.parametrize(
    "typed",
    [
        "令和8年4月1日",
        "令和８年４月１日",
        "㋿8年4月1日",
        "令和 8年 4月 1日",
        "令和8年04月01日（水）",
        "令和8年4月1日(水曜日)",
        "R8.4.1",
        "r8-4-1",
        "Ｒ８．４．１",
        "R08/04/01",
        "2026-4-1",
        "2026‐04‐01",
        "２０２６ー４ー１",
        "2026年4月1日",
        "2026/04/01",
        "2026.4.1",
        "20260401",
        " 2026-04-01 ",
    ],
)
def test_what_people_type_is_understood(typed: str) -> None:
    assert parse_day(typed) == date(2026, 4, 1)


@pytest.mark.parametrize(
    ("typed", "day"),
    [
        ("令和元年5月1日", date(2019, 5, 1)),
        ("R1.5.1", date(2019, 5, 1)),
        ("令和1年5月1日", date(2019, 5, 1)),
        ("平成31年4月30日", date(2019, 4, 30)),
        ("平成元年1月8日", date(1989, 1, 8)),
        ("昭和64年1月7日", date(1989, 1, 7)),
        ("S元.12.25", date(1926, 12, 25)),
        ("令和2年2月29日", date(2020, 2, 29)),
        ("1925-1-1", date(1925, 1, 1)),
    ],
)
def test_eras_begin_and_end_on_their_days(typed: str, day: date) -> None:
    assert parse_day(typed) == day


@pytest.mark.parametrize("typed", ["令和元年4月30日", "平成31年5月1日", "平成元年1月7日", "昭和64年1月8日", "S1.12.24"])
def test_a_day_outside_its_era_is_refused(typed: str) -> None:
    with pytest.raises(DayOutsideEra):
        parse_day(typed)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "明日",
        "2026-2-30",
        "2026-13-1",
        "2026-0-1",
        "8-4-1",
        "26-4-1",
        "元-4-1",
        "令和0年4月1日",
        "令和8年4月",
        "明治8年4月1日",
        "X8.4.1",
        "2026-4-1 10:00",
        "2026040",
        "202604011",
        "令和8年2月29日",
        "0000-01-01",
        "令和9999年4月1日",
    ],
)
def test_what_is_no_day_is_refused(typed: str) -> None:
    with pytest.raises((DayNotUnderstood, DayOutsideEra)):
        parse_day(typed)


@pytest.mark.parametrize("typed", ["9999-12-31", "9999-01-01", "0999-12-31", "0001-01-01", "令和7981年1月1日"])
def test_a_day_with_which_nothing_can_be_reckoned_is_refused(typed: str) -> None:
    with pytest.raises(DayTooFar):
        parse_day(typed)


@pytest.mark.parametrize("typed", ["9998-12-31", "1000-01-01"])
def test_the_first_and_the_last_day_can_be_reckoned_with(typed: str) -> None:
    end = instant_on(parse_day(typed), timedelta(hours=24))
    assert japanese_instant(end + timedelta(days=1))
    assert japanese_instant(instant_on(parse_day(typed), timedelta()) - timedelta(days=1))


def test_a_day_on_another_day_of_the_week_is_refused() -> None:
    with pytest.raises(WeekdayWrong):
        parse_day("令和8年4月1日（木）")


@given(ERA_DAYS)
def test_a_day_that_was_written_is_read_as_itself(day: date) -> None:
    assert parse_day(japanese_day(day)) == day
    assert parse_day(short_day(day)) == day
    assert parse_day(day.isoformat()) == day


@given(st.text(max_size=30))
def test_nothing_that_is_typed_ends_in_another_error(typed: str) -> None:
    for parse in (parse_day, parse_time):
        with suppress(DayNotUnderstood, DayOutsideEra, DayTooFar, WeekdayWrong, TimeNotUnderstood):
            parse(typed)


@pytest.mark.parametrize(
    ("typed", "minutes"),
    [
        ("0:00", 0),
        ("00:00", 0),
        ("9:00", 540),
        ("９：００", 540),
        ("0900", 540),
        ("9時", 540),
        ("18時30分", 1110),
        ("18.30", 1110),
        ("23:59", 1439),
        ("24:00", 1440),
    ],
)
def test_a_time_of_the_day_is_understood(typed: str, minutes: int) -> None:
    assert parse_time(typed) == timedelta(minutes=minutes)


@pytest.mark.parametrize("typed", ["", "9", "24:01", "25:00", "9:60", "9:5", "900", "-1:00", "10:00:00", "朝"])
def test_what_is_no_time_of_the_day_is_refused(typed: str) -> None:
    with pytest.raises(TimeNotUnderstood):
        parse_time(typed)


def test_the_end_of_a_day_is_the_beginning_of_the_next() -> None:
    assert instant_on(date(2026, 4, 1), timedelta(hours=24)) == instant_on(date(2026, 4, 2), timedelta())
    assert instant_on(date(2026, 4, 1), timedelta()) == datetime(2026, 3, 31, 15, 0, tzinfo=UTC)
