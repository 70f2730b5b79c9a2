"""How inquiries leave: the rules C.2 as the platform keeps them, at every boundary and in any order of events."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chukan.platform.clock import TOKYO
from chukan.tenants.middleserver.inquiries.data import data_of, shipped_data
from chukan.tenants.middleserver.inquiries.errors import InquiryDataMalformed
from chukan.tenants.middleserver.inquiries.pacing import (
    Spent,
    Together,
    Turn,
    Waiting,
    forecast,
    look_again,
    may_begin,
    turn,
    window_room,
)

PACING = shipped_data().pacing_on(date(2026, 7, 1))
NOW = datetime(2026, 7, 1, 3, 0, 30, tzinfo=UTC)
MANY = Waiting(window=100, bulk=100_000)


def test_the_numbers_are_those_of_the_sources() -> None:
    assert (PACING.most_per_hour, PACING.line, PACING.bulk_per_quarter) == (10_000, 3_999, 1_000)
    assert (PACING.best_minutes, PACING.worst_minutes, PACING.settle) == (15, 20, timedelta(minutes=20))
    assert (PACING.most_window, PACING.reserve) == (9_090, 910)


@pytest.mark.parametrize(
    ("spent", "room"),
    [
        pytest.param(Spent(), 9_090, id="nothing yet"),
        pytest.param(Spent(window=9_089), 1, id="the last one"),
        pytest.param(Spent(window=9_090), 0, id="what is left belongs to lists"),
        pytest.param(Spent(window=6_000, bulk=3_999), 1, id="C36 the ten thousandth"),
        pytest.param(Spent(window=6_001, bulk=3_999), 0, id="C36 none more"),
    ],
)
def test_a_counter_goes_first_up_to_its_part_of_the_ceiling(spent: Spent, room: int) -> None:
    assert window_room(PACING, spent) == room


@pytest.mark.parametrize(
    ("spent", "waiting", "expected"),
    [
        pytest.param(Spent(), Waiting(bulk=5), Turn(0, 5), id="few"),
        pytest.param(Spent(), Waiting(bulk=500), Turn(0, 20), id="a portion"),
        pytest.param(Spent(), Waiting(bulk=500, in_hand=15), Turn(0, 5), id="the rest of a portion"),
        pytest.param(Spent(), Waiting(bulk=500, in_hand=20), Turn(0, 0), id="one portion is in hand"),
        pytest.param(Spent(bulk=999, bulk_quarter=999), Waiting(bulk=500), Turn(0, 1), id="the quarter's thousandth"),
        pytest.param(Spent(bulk=1_000, bulk_quarter=1_000), Waiting(bulk=500), Turn(0, 0), id="the quarter is full"),
        pytest.param(Spent(bulk=3_998), Waiting(bulk=500), Turn(0, 1), id="C35 below the line of overload"),
        pytest.param(Spent(bulk=3_999), Waiting(bulk=500), Turn(0, 0), id="C35 at it"),
        pytest.param(Spent(window=3_999), Waiting(bulk=500), Turn(0, 20), id="counters filled it: what is kept"),
        pytest.param(Spent(window=9_000, bulk=909), Waiting(bulk=500), Turn(0, 1), id="the last that is kept"),
        pytest.param(Spent(window=9_000, bulk=910), Waiting(bulk=500), Turn(0, 0), id="no more is kept"),
        pytest.param(Spent(window=9_085), Waiting(window=9, bulk=9), Turn(5, 9), id="counters first, and lists too"),
        pytest.param(Spent(window=9_090, bulk=909), Waiting(window=9, bulk=9), Turn(0, 1), id="the ceiling"),
    ],
)
def test_whose_turn_it_is(spent: Spent, waiting: Waiting, expected: Turn) -> None:
    assert turn(PACING, spent, waiting) == expected


def test_c43_five_lists_wait_and_a_counter_waits_for_no_more_than_what_is_in_hand() -> None:
    assert turn(PACING, Spent(bulk=500, bulk_quarter=500), Waiting(window=1, bulk=15_000, in_hand=20)).window == 1


@pytest.mark.parametrize(
    ("unanswered", "minutes", "begins"), [(0, 1, True), (1, 19, False), (1, 20, True), (0, None, True)]
)
def test_c34_the_next_list_waits_for_the_one_before_and_not_for_ever(
    unanswered: int, minutes: int | None, *, begins: bool
) -> None:
    last = None if minutes is None else NOW - timedelta(minutes=minutes)
    assert may_begin(PACING, last, unanswered, NOW) is begins


def test_it_is_looked_again_when_room_comes() -> None:
    assert look_again(PACING, Spent(), Waiting(), NOW) is None
    assert look_again(PACING, Spent(), Waiting(bulk=1), NOW) == NOW
    assert look_again(PACING, Spent(bulk_quarter=1_000, bulk=1_000), Waiting(bulk=1), NOW) == NOW.replace(
        minute=1, second=0
    )


# -- when it ends ---------------------------------------------------------------------------------


def clock(hour: int, minute: int) -> datetime:
    return datetime(2026, 7, 1, hour, minute, tzinfo=TOKYO)


CLOSE = clock(21, 0)


@pytest.mark.parametrize(
    ("begins", "rows", "worst", "in_time"),
    [
        pytest.param(clock(17, 15), 3_000, clock(18, 15), True, id="one request"),
        pytest.param(clock(17, 15), 11_000, clock(20, 55), True, id="C38"),
        pytest.param(clock(17, 15), 11_250, clock(21, 0), False, id="C38 as it closes"),
        pytest.param(clock(18, 30), 10_000, clock(21, 50), False, id="C39"),
        pytest.param(clock(17, 30), 10_000, clock(20, 50), True, id="C40"),
    ],
)
def test_the_end_that_is_foretold(begins: datetime, rows: int, worst: datetime, *, in_time: bool) -> None:
    end = forecast(PACING, ahead=0, rows=rows, recent=(), begins=begins, closes=CLOSE)
    assert end.worst == worst
    assert end.best is not None
    assert end.best <= worst
    assert end.ends_before(CLOSE) is in_time


def test_c38_the_largest_number_that_ends_in_time() -> None:
    assert forecast(PACING, ahead=0, rows=12_000, recent=(), begins=clock(17, 15), closes=CLOSE).most == 11_000
    assert forecast(PACING, ahead=5_000, rows=12_000, recent=(), begins=clock(17, 15), closes=CLOSE).most == 6_000
    assert forecast(PACING, ahead=20_000, rows=1, recent=(), begins=clock(17, 15), closes=CLOSE).most == 0
    assert forecast(PACING, ahead=0, rows=100, recent=(), begins=clock(20, 59), closes=CLOSE).most == 49


def test_what_left_lately_holds_a_list_up() -> None:
    free = forecast(PACING, ahead=0, rows=1_000, recent=(), begins=clock(12, 0), closes=CLOSE)
    full = forecast(PACING, ahead=0, rows=1_000, recent=[0] * 59 + [3_999], begins=clock(12, 0), closes=CLOSE)
    assert free.best == clock(12, 15)
    assert full.best is not None
    assert full.best >= clock(13, 0)


def test_what_takes_more_than_a_day_has_no_end() -> None:
    end = forecast(PACING, ahead=0, rows=200_000, recent=(), begins=clock(12, 0), closes=None)
    assert end.worst is None
    assert not end.ends_before(None)


# -- always ---------------------------------------------------------------------------------------

MINUTES = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 300)), min_size=65, max_size=150)


@settings(max_examples=60, deadline=None)
@given(MINUTES, st.booleans())
def test_no_sixty_minutes_pass_the_ceiling_and_no_list_is_starved(arrivals: list[tuple[int, int]], lists: bool) -> None:
    """Counters and lists arrive minute by minute; within one, all that may leave does, counters first."""
    pacing = replace(PACING, portion=1_000)
    windows, bulk = 0, 100_000 if lists else 0
    left: deque[tuple[int, int]] = deque(maxlen=61)
    totals = []
    for window, burst in arrivals:
        windows += window + burst
        # The minute that begins is counted whole, and so is the one sixty minutes ago.
        before = list(left)[-60:]
        spent = Spent(sum(w for w, _ in before), sum(b for _, b in before), sum(b for _, b in before[-15:]))
        mine = turn(pacing, spent, Waiting(windows, bulk))
        left.append((mine.window, mine.bulk))
        windows, bulk = windows - mine.window, bulk - mine.bulk
        totals.append(mine)
    for start in range(len(totals) - 60):
        hour = totals[start : start + 61]
        assert sum(each.window + each.bulk for each in hour) <= PACING.most_per_hour
        assert sum(each.window for each in hour) <= PACING.most_window
        if lists:
            assert sum(each.bulk for each in hour) >= min(PACING.reserve, PACING.bulk_per_quarter)
    for start in range(len(totals) - 15):
        assert sum(each.bulk for each in totals[start : start + 16]) <= PACING.bulk_per_quarter


@given(st.integers(0, 12_000), st.integers(0, 12_000), st.integers(0, 1_100), st.integers(0, 50), st.integers(0, 5_000))
def test_nobody_leaves_who_does_not_wait_and_a_list_with_room_always_does(
    window: int, bulk: int, quarter: int, waiting: int, rows: int
) -> None:
    spent = Spent(window, bulk, min(quarter, bulk))
    mine = turn(PACING, spent, Waiting(waiting, rows))
    assert 0 <= mine.window <= waiting
    assert 0 <= mine.bulk <= min(rows, PACING.portion)
    within = spent.window <= PACING.most_window and spent.total <= PACING.most_per_hour
    if within:
        assert spent.total + mine.window + mine.bulk <= PACING.most_per_hour
    if within and rows and bulk < PACING.reserve and spent.bulk_quarter < PACING.bulk_per_quarter:
        assert mine.bulk > 0


@given(st.integers(1, 15_000), st.integers(0, 15_000), st.integers(8 * 60, 21 * 60 - 1))
@settings(max_examples=60, deadline=None)
def test_the_largest_number_that_is_told_ends_in_time(rows: int, ahead: int, minute: int) -> None:
    begins = clock(minute // 60, minute % 60)
    end = forecast(PACING, ahead=ahead, rows=rows, recent=(), begins=begins, closes=CLOSE)
    if not end.ends_before(CLOSE):
        assert end.most < rows
        if end.most:
            again = forecast(PACING, ahead=ahead, rows=end.most, recent=(), begins=begins, closes=CLOSE)
            assert again.ends_before(CLOSE)


# -- all lists together ---------------------------------------------------------------------------

TOGETHER = Together(line=timedelta(seconds=1), least=8, most=1_000, silent=timedelta(seconds=10))


@pytest.mark.parametrize(
    ("under_way", "answered", "room"),
    [
        pytest.param(0, 0, 8, id="the least"),
        pytest.param(6, 0, 2, id="a quarter is free"),
        pytest.param(7, 0, 0, id="less than a quarter is free"),
        pytest.param(8, 0, 0, id="the ceiling"),
        pytest.param(9, 0, 0, id="above it, as when answers became slower"),
        pytest.param(0, 89, 8, id="what is answered in the line's time is the least"),
        pytest.param(0, 120, 12, id="twelve a second"),
        pytest.param(9, 120, 3, id="a quarter of it is free"),
        pytest.param(10, 120, 0, id="two are not worth it"),
        pytest.param(0, 9_999, 999, id="below the most"),
        pytest.param(0, 10_010, 1_000, id="the most"),
    ],
)
def test_what_all_lists_may_have_under_way_follows_the_answers(under_way: int, answered: int, room: int) -> None:
    assert TOGETHER.room(under_way, answered) == room


@given(st.integers(0, 3_000), st.integers(0, 30_000), st.integers(0, 100))
def test_the_ceiling_is_never_passed_and_never_ends_everything(under_way: int, answered: int, more: int) -> None:
    ceiling, room = TOGETHER.ceiling(answered), TOGETHER.room(under_way, answered)
    assert TOGETHER.least <= ceiling <= min(TOGETHER.most, TOGETHER.ceiling(answered + more))
    assert 0 <= room <= max(0, ceiling - under_way)
    if under_way < ceiling - ceiling // 4:
        assert room > 0


@pytest.mark.parametrize("rate", [5, 20, 60, 300])
@pytest.mark.parametrize("alone", [0.2, 0.5])
def test_any_machine_is_kept_busy_and_its_line_stays_short(rate: int, alone: float) -> None:
    """Lists without end; an inquiry takes so many seconds *alone*, and *rate* a second are answered at most."""
    step, waiting, answered = 0.1, deque[float](), list[float]()
    longest, done = 0.0, 0
    for tick in range(1_200):
        now = tick * step
        able = int((tick + 1) * step * rate) - int(tick * step * rate)
        while able and waiting and now - waiting[0] >= alone:
            answered.append(now)
            if now > 60:
                longest, done = max(longest, now - waiting[0]), done + 1
            waiting.popleft()
            able -= 1
        answered = [at for at in answered if now - at < TOGETHER.silent.total_seconds()]
        waiting.extend([now] * TOGETHER.room(len(waiting), len(answered)))
    line = TOGETHER.line.total_seconds()
    assert done >= 0.75 * 60 * min(rate, TOGETHER.most / line)
    assert longest <= max(line, TOGETHER.least / rate) + 4 * step


def test_without_limits_a_counter_still_waits_for_one_portion_alone() -> None:
    free = PACING.without_limits()
    assert turn(free, Spent(50_000, 50_000, 50_000), MANY) == Turn(100, PACING.portion)


def test_numbers_that_make_no_sense_are_named() -> None:
    with pytest.raises(InquiryDataMalformed, match="pacing"):
        data_of({"pacing": {"portion": 0}, "expiry": {"notice_business_days": 3, "grace_hours": 24}})
