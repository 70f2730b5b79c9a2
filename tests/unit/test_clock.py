"""The clock: UTC inside, Tokyo for people, and nothing in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.clock import FixedClock, NaiveInstant, SystemClock, as_tokyo, as_utc, monotonic

offsets = st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours)))
aware = st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2999, 1, 1), timezones=offsets)  # noqa: DTZ001 - bounds of a strategy


def test_the_system_clock_tells_utc() -> None:
    before = SystemClock().now()
    assert before.tzinfo is UTC
    assert before <= SystemClock().now()


def test_a_fixed_clock_moves_only_when_it_is_moved() -> None:
    clock = FixedClock(datetime(2026, 4, 1, 9, tzinfo=timezone(timedelta(hours=9))))
    assert clock.now() == clock.now() == datetime(2026, 4, 1, tzinfo=UTC)
    clock.advance(timedelta(hours=-1))
    assert clock.now() == datetime(2026, 3, 31, 23, tzinfo=UTC)


@pytest.mark.parametrize("convert", [as_utc, as_tokyo])
def test_an_instant_without_offset_is_refused(convert: object) -> None:
    assert callable(convert)
    with pytest.raises(NaiveInstant, match="2026-04-01T09:00:00"):
        convert(datetime(2026, 4, 1, 9))  # noqa: DTZ001 - the mistake under test


def test_tokyo_is_nine_hours_ahead_and_its_midnight_begins_a_new_day() -> None:
    last = datetime(2026, 3, 31, 14, 59, 59, 999_999, tzinfo=UTC)
    assert as_tokyo(last).date().isoformat() == "2026-03-31"
    assert as_tokyo(last + timedelta(microseconds=1)).isoformat() == "2026-04-01T00:00:00+09:00"


@given(aware)
def test_converting_changes_the_wall_clock_and_not_the_instant(instant: datetime) -> None:
    assert as_utc(instant) == instant == as_tokyo(instant)
    assert as_utc(instant).utcoffset() == timedelta(0)
    assert as_tokyo(as_utc(instant)).isoformat() == as_tokyo(instant).isoformat()


def test_the_monotonic_clock_never_goes_back() -> None:
    readings = [monotonic() for _ in range(100)]
    assert readings == sorted(readings)
