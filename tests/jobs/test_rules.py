"""When a job is due, and what becomes of a run: every boundary, and properties that hold for all schedules."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.clock import TOKYO, NaiveInstant, as_tokyo
from chukan.platform.component import At, CatchUp, Job
from chukan.platform.database.errors import DatabaseUnreachable, TenantUnknown
from chukan.platform.jobs.rules import (
    AT_ONCE,
    CATCH_UP_WINDOW,
    ENDED,
    PUNCTUAL_WITHIN,
    TRANSITIONS,
    Next,
    RunState,
    after_attempt,
    after_loss,
    due_times,
    next_due,
    pause_after,
    to_fire,
)

SECOND = timedelta(seconds=1)
NOON = datetime(2026, 7, 1, 12, 0, tzinfo=TOKYO)


def nothing(_scheduled_for: datetime) -> None:
    """Do nothing."""


def every(catch_up: CatchUp = CatchUp.LATEST, **interval: float) -> Job:
    return Job("tick", nothing, every=timedelta(**interval), catch_up=catch_up)


def at(*times: time, catch_up: CatchUp = CatchUp.LATEST, **days: frozenset[int]) -> Job:
    return Job("daily", nothing, at=At(times, **days), catch_up=catch_up)


def tokyo(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=TOKYO)


@pytest.mark.parametrize(
    ("since", "until", "due"),
    [
        (NOON - SECOND, NOON - SECOND, []),
        (NOON - SECOND, NOON, [NOON]),
        (NOON, NOON, []),
        (NOON, NOON + timedelta(seconds=59), []),
        (NOON, NOON + timedelta(seconds=60), [NOON + timedelta(seconds=60)]),
        (NOON, NOON + timedelta(seconds=180), [NOON + timedelta(seconds=n) for n in (60, 120, 180)]),
    ],
)
def test_an_interval_is_due_after_since_and_up_to_until(since: datetime, until: datetime, due: list[datetime]) -> None:
    assert list(due_times(every(seconds=60), since, until)) == due


def test_an_interval_of_a_day_is_due_at_midnight_in_tokyo() -> None:
    found = next_due(every(days=1), NOON)
    assert found is not None
    assert found.tzinfo is UTC
    assert as_tokyo(found).isoformat() == "2026-07-02T00:00:00+09:00"


DAILY = at(time(2, 0))
MONDAYS = at(time(2, 0), weekdays=frozenset({0}))
MONTHLY = at(time(23, 59), days=frozenset({1, -1}))
LEAP = at(time(0, 0), days=frozenset({29}))


@pytest.mark.parametrize(
    ("job", "after", "due"),
    [
        (DAILY, "2026-07-01T01:59:59", "2026-07-01T02:00"),
        (DAILY, "2026-07-01T02:00:00", "2026-07-02T02:00"),
        (DAILY, "2026-12-31T02:00:00", "2027-01-01T02:00"),
        (MONDAYS, "2026-07-06T01:59:59", "2026-07-06T02:00"),  # a Monday
        (MONDAYS, "2026-07-06T02:00:00", "2026-07-13T02:00"),
        (MONTHLY, "2026-07-01T23:58:59", "2026-07-01T23:59"),
        (MONTHLY, "2026-07-01T23:59:00", "2026-07-31T23:59"),
        (MONTHLY, "2028-02-01T23:59:00", "2028-02-29T23:59"),
        (MONTHLY, "2027-02-01T23:59:00", "2027-02-28T23:59"),
        (LEAP, "2027-01-29T00:00:00", "2027-03-29T00:00"),
        (LEAP, "2028-01-29T00:00:00", "2028-02-29T00:00"),
        (at(time(9, 0), time(17, 30)), "2026-07-01T09:00:00", "2026-07-01T17:30"),
        (at(time(17, 30), time(9, 0)), "2026-07-01T08:00:00", "2026-07-01T09:00"),
    ],
)
def test_a_wall_clock_schedule_is_due_next_at(job: Job, after: str, due: str) -> None:
    found = next_due(job, tokyo(after))
    assert found == tokyo(due)


def test_the_wall_clock_is_tokyo_s_whatever_zone_the_question_comes_in() -> None:
    evening_in_utc = datetime(2026, 6, 30, 17, 0, tzinfo=UTC)  # 02:00 on the next day in Tokyo
    assert list(due_times(DAILY, evening_in_utc - SECOND, evening_in_utc)) == [evening_in_utc]


def test_a_day_that_never_comes_is_never_due() -> None:
    assert next_due(at(time(0, 0), days=frozenset({32})), NOON) is None
    assert next_due(Job("asked", nothing), NOON) is None


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(NaiveInstant):
        list(due_times(DAILY, datetime(2026, 7, 1), NOON))  # noqa: DTZ001 - that is what is refused


@pytest.mark.parametrize(("interval", "schedule"), [(0, None), (-1, None), (1, At((time(0, 0),)))])
def test_a_job_with_two_schedules_or_a_still_one_is_refused(interval: int, schedule: At | None) -> None:
    with pytest.raises(ValueError, match="schedule"):
        Job("wrong", nothing, every=timedelta(seconds=interval), at=schedule)


# -- what is fired --------------------------------------------------------------------------------

MINUTES = [NOON + timedelta(minutes=n) for n in range(1, 4)]


@pytest.mark.parametrize(
    ("catch_up", "now", "fired"),
    [
        (CatchUp.ALL, MINUTES[2], MINUTES),
        (CatchUp.ALL, NOON, []),
        (CatchUp.LATEST, MINUTES[2], MINUTES[2:]),
        (CatchUp.LATEST, MINUTES[2] + 59 * SECOND, MINUTES[2:]),
        (CatchUp.LATEST, MINUTES[0] - SECOND, []),
    ],
)
def test_missed_times_are_made_up_for_as_the_job_says(catch_up: CatchUp, now: datetime, fired: list[datetime]) -> None:
    assert to_fire(every(catch_up, minutes=1), NOON, now) == tuple(fired)


@pytest.mark.parametrize(
    ("late", "is_fired"), [(timedelta(0), True), (PUNCTUAL_WITHIN - SECOND, True), (PUNCTUAL_WITHIN, False)]
)
def test_a_job_that_is_not_made_up_for_is_fired_punctually_or_not_at_all(late: timedelta, is_fired: bool) -> None:
    due = tokyo("2026-07-01T02:00")
    job = at(time(2, 0), catch_up=CatchUp.NONE)
    assert to_fire(job, due - timedelta(days=3), due + late) == ((due,) if is_fired else ())


@pytest.mark.parametrize("catch_up", list(CatchUp))
def test_what_is_too_long_ago_is_not_made_up_for(catch_up: CatchUp) -> None:
    monthly = at(time(2, 0), days=frozenset({1}), catch_up=catch_up)
    due = tokyo("2026-07-01T02:00")
    assert to_fire(monthly, due - timedelta(days=300), due + CATCH_UP_WINDOW) == ()
    made_up = to_fire(monthly, due - timedelta(days=300), due + CATCH_UP_WINDOW - SECOND)
    assert made_up == (() if catch_up is CatchUp.NONE else (due,))


def test_a_flood_of_missed_times_is_fired_in_parts_that_join() -> None:
    job = every(CatchUp.ALL, minutes=1)
    now = NOON + timedelta(minutes=AT_ONCE + 20)
    first = to_fire(job, NOON, now)
    second = to_fire(job, first[-1], now)
    assert len(first) == AT_ONCE
    assert [*first, *second] == list(due_times(job, NOON, now))


# -- what follows an attempt ----------------------------------------------------------------------

RETRYABLE, PERMANENT, UNKNOWN = DatabaseUnreachable(), TenantUnknown(tenant="x"), RuntimeError("?")
FAILED, DONE = Next(RunState.FAILED), Next(RunState.SUCCEEDED)


@pytest.mark.parametrize(
    ("error", "attempt", "following"),
    [
        (None, 1, DONE),
        (None, 3, DONE),
        (RETRYABLE, 1, Next(RunState.QUEUED, timedelta(seconds=10))),
        (RETRYABLE, 2, Next(RunState.QUEUED, timedelta(seconds=20))),
        (RETRYABLE, 3, FAILED),
        (UNKNOWN, 2, Next(RunState.QUEUED, timedelta(seconds=20))),
        (UNKNOWN, 3, FAILED),
        (PERMANENT, 1, FAILED),
        (PERMANENT, 3, FAILED),
    ],
)
def test_an_attempt_is_followed_by(error: Exception | None, attempt: int, following: Next) -> None:
    assert after_attempt(error, attempt, 3) == following


@pytest.mark.parametrize(
    ("attempt", "state"), [(1, RunState.QUEUED), (2, RunState.QUEUED), (3, RunState.LOST), (4, RunState.LOST)]
)
def test_a_run_without_its_worker_is_made_again_while_attempts_are_left(attempt: int, state: RunState) -> None:
    assert after_loss(attempt, 3) == Next(state)


def test_the_ends_are_ends_and_every_other_state_has_a_way_to_one() -> None:
    assert {RunState.SUCCEEDED, RunState.FAILED, RunState.LOST} == ENDED
    assert all(TRANSITIONS[state] & ENDED for state in set(RunState) - ENDED)


@given(st.integers(1, 100))
def test_the_pause_grows_and_stays_in_bounds(attempt: int) -> None:
    assert timedelta(seconds=10) <= pause_after(attempt) <= pause_after(attempt + 1) <= timedelta(minutes=10)


# -- properties -----------------------------------------------------------------------------------

INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
INTERVALS = st.integers(1, 40 * 86_400).map(lambda seconds: Job("i", nothing, every=timedelta(seconds=seconds)))
DAYS = st.none() | st.frozensets(st.integers(1, 31) | st.just(-1), min_size=1)
WALLS = st.builds(
    lambda times, weekdays, days: Job("w", nothing, at=At(tuple(times), weekdays, days)),
    st.lists(st.times().map(lambda wall: wall.replace(second=0, microsecond=0)), min_size=1, max_size=3, unique=True),
    st.frozensets(st.integers(0, 6), min_size=1),
    DAYS,
)
#: Short enough that a job of every second has few thousand due times in it.
SPANS = st.integers(0, 3_000).map(lambda seconds: timedelta(seconds=seconds))


@given(INTERVALS | WALLS, INSTANTS, SPANS, SPANS)
def test_neighbouring_spans_share_nothing_and_lose_nothing(
    job: Job, start: datetime, one: timedelta, two: timedelta
) -> None:
    middle, end = start + one, start + one + two
    parts = [*due_times(job, start, middle), *due_times(job, middle, end)]
    assert parts == list(due_times(job, start, end))
    assert parts == sorted(set(parts))
    assert all(start < due <= end for due in parts)


@given(WALLS, INSTANTS)
def test_the_next_due_time_is_the_first_of_all_that_follow(job: Job, after: datetime) -> None:
    found = next_due(job, after)
    if found is not None:
        assert found > after
        assert list(due_times(job, after, found)) == [found]


@given(INTERVALS | WALLS, INSTANTS, st.integers(0, 20 * 86_400), st.integers(0, 50))
def test_the_latest_missed_time_is_the_last_of_all_missed(job: Job, since: datetime, seconds: int, step: int) -> None:
    now = since + timedelta(seconds=seconds if job.every is None or job.every > timedelta(hours=1) else step)
    expected = [due for due in due_times(job, since, now) if due > now - CATCH_UP_WINDOW][-1:]
    assert to_fire(job, since, now) == tuple(expected)
