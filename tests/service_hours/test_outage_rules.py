"""Outages by themselves: what is refused, what overlaps, what is late, and what a cancellation leaves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.clock import NaiveInstant
from chukan.platform.service_hours.errors import (
    AnnouncedLate,
    ExceptionOutside,
    OutageCancelledAlready,
    OutageOver,
    OutageOverlaps,
    ServicesNotStoppable,
    SpanEmpty,
)
from chukan.platform.service_hours.outages.rules import (
    TRANSITIONS,
    Outage,
    OutageState,
    Phase,
    PlannedOutage,
    Span,
    announced_late,
    end_if_cancelled,
    require_announced,
    require_free,
)
from chukan.platform.service_hours.services import STOPPABLE, Service
from service_hours.hours import outage, span, tokyo

NIGHT = ("2026-11-22 02:00", "2026-11-22 05:00")
START, END = map(tokyo, NIGHT)
SECOND = timedelta(seconds=1)
BASE = datetime(2026, 1, 1, tzinfo=UTC)


def planned(state: OutageState = OutageState.PLANNED, effective_end: datetime = END) -> PlannedOutage:
    stop = outage(*NIGHT, ("2026-11-22 03:00", "2026-11-22 04:00"))
    cancelled_at = START if state is OutageState.CANCELLED else None
    return PlannedOutage(UUID(int=1), stop, START - SECOND, None, state, effective_end, cancelled_at)


@pytest.mark.parametrize("end", [NIGHT[0], "2026-11-22 01:59:59", "2026-11-21 05:00"])
def test_an_end_that_is_not_after_the_start_is_refused(end: str) -> None:
    with pytest.raises(SpanEmpty):
        outage(NIGHT[0], end)


def test_a_naive_start_or_end_is_refused() -> None:
    naive = datetime(2026, 11, 22, 2)  # noqa: DTZ001 - the point of the test
    for start, end in ((naive, END), (START, naive)):
        with pytest.raises(NaiveInstant):
            Span(start, end)


@pytest.mark.parametrize(
    ("start", "end", "inside"),
    [
        ("2026-11-22 02:00", "2026-11-22 05:00", True),
        ("2026-11-22 03:00", "2026-11-22 04:00", True),
        ("2026-11-22 01:59:59", "2026-11-22 03:00", False),
        ("2026-11-22 04:00", "2026-11-22 05:00:01", False),
        ("2026-11-22 06:00", "2026-11-22 07:00", False),
    ],
)
def test_an_exception_window_lies_inside_its_outage(start: str, end: str, inside: bool) -> None:
    if inside:
        assert outage(*NIGHT, (start, end)).exceptions == (span(start, end),)
    else:
        with pytest.raises(ExceptionOutside):
            outage(*NIGHT, (start, end))


def test_an_empty_exception_window_is_refused() -> None:
    with pytest.raises(SpanEmpty):
        outage(*NIGHT, ("2026-11-22 03:00", "2026-11-22 03:00"))


def test_exception_windows_that_overlap_or_touch_are_joined() -> None:
    given_windows = [("03:30", "04:00"), ("02:00", "02:30"), ("03:00", "03:40"), ("02:30", "02:45")]
    stop = outage(*NIGHT, *((f"2026-11-22 {start}", f"2026-11-22 {end}") for start, end in given_windows))
    assert stop.exceptions == (
        span("2026-11-22 02:00", "2026-11-22 02:45"),
        span("2026-11-22 03:00", "2026-11-22 04:00"),
    )


@pytest.mark.parametrize("services", [[], [Service.DATA_STOP], [Service.SYSTEM, Service.DATA_STOP]])
def test_an_outage_stops_at_least_one_service_that_can_be_stopped(services: list[Service]) -> None:
    with pytest.raises(ServicesNotStoppable):
        outage(*NIGHT, services=services)


@pytest.mark.parametrize(
    ("start", "end", "overlaps"),
    [
        ("2026-11-22 00:00", "2026-11-22 02:00", False),  # touches
        ("2026-11-22 00:00", "2026-11-22 02:00:01", True),
        ("2026-11-22 03:00", "2026-11-22 04:00", True),
        ("2026-11-22 00:00", "2026-11-23 00:00", True),
        ("2026-11-22 04:59:59", "2026-11-22 06:00", True),
        ("2026-11-22 05:00", "2026-11-22 06:00", False),  # touches
    ],
)
def test_overlapping_outages_of_one_service_are_refused(start: str, end: str, overlaps: bool) -> None:
    known = outage(*NIGHT, services=[Service.SYSTEM])
    require_free(outage(start, end, services=[Service.SUPPORT_SITE]), [known])
    wanted = outage(start, end, services=[Service.SYSTEM, Service.SUPPORT_SITE])
    if overlaps:
        with pytest.raises(OutageOverlaps) as refused:
            require_free(wanted, [known])
        assert "2026-11-22T02:00:00+09:00" in refused.value.told()
    else:
        require_free(wanted, [known])


@pytest.mark.parametrize(
    ("announced_at", "late"),
    [(START - timedelta(days=30), False), (START - SECOND, False), (START, True), (START + SECOND, True)],
)
def test_an_outage_is_announced_before_its_start_or_counts_as_late(announced_at: datetime, late: bool) -> None:
    assert announced_late(START, announced_at) is late
    require_announced(START, announced_at, "the disk failed")
    for silence in (None, "", "  "):
        if late:
            with pytest.raises(AnnouncedLate):
                require_announced(START, announced_at, silence)
        else:
            require_announced(START, announced_at, silence)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        (START - timedelta(days=1), START),
        (START, START),
        (START + SECOND, START + SECOND),
        (END - SECOND, END - SECOND),
    ],
)
def test_a_cancelled_outage_ends_now_but_not_before_its_start(now: datetime, end: datetime) -> None:
    assert end_if_cancelled(planned(), now) == end


@pytest.mark.parametrize("now", [END, END + timedelta(days=400)])
def test_an_outage_that_is_over_is_not_cancelled(now: datetime) -> None:
    with pytest.raises(OutageOver):
        end_if_cancelled(planned(), now)


@pytest.mark.parametrize("now", [START - SECOND, END + SECOND])
def test_an_outage_is_cancelled_once(now: datetime) -> None:
    with pytest.raises(OutageCancelledAlready):
        end_if_cancelled(planned(OutageState.CANCELLED, START), now)


def test_every_state_says_what_may_follow() -> None:
    assert set(TRANSITIONS) == set(OutageState)
    assert {after for following in TRANSITIONS.values() for after in following} == {OutageState.CANCELLED}
    assert TRANSITIONS[OutageState.CANCELLED] == frozenset()


def test_what_was_called_off_before_it_began_stops_nothing() -> None:
    assert planned(OutageState.CANCELLED, START).effective() is None


def test_what_was_cut_short_holds_up_to_there() -> None:
    cut = planned(OutageState.CANCELLED, tokyo("2026-11-22 03:30")).effective()
    assert cut == outage(NIGHT[0], "2026-11-22 03:30", ("2026-11-22 03:00", "2026-11-22 03:30"))
    early = planned(OutageState.CANCELLED, tokyo("2026-11-22 02:30")).effective()
    assert early == outage(NIGHT[0], "2026-11-22 02:30")
    assert planned().effective() == planned().outage


@pytest.mark.parametrize(
    ("now", "ends", "phase"),
    [
        (START - SECOND, END, Phase.COMING),
        (START, END, Phase.RUNNING),
        (END - SECOND, END, Phase.RUNNING),
        (END, END, Phase.OVER),
        # Cancelled while it ran, a second after its start.
        (START, START + SECOND, Phase.RUNNING),
        (START + SECOND, START + SECOND, Phase.OVER),
        # Cancelled before its start.
        (START - SECOND, START, Phase.CALLED_OFF),
        (START, START, Phase.CALLED_OFF),
        (END, START, Phase.CALLED_OFF),
    ],
)
def test_an_outage_stands_somewhere_in_time(now: datetime, ends: datetime, phase: Phase) -> None:
    state = OutageState.PLANNED if ends == END else OutageState.CANCELLED
    assert planned(state, ends).phase(now) is phase


# -- properties -----------------------------------------------------------------------------------

spans = st.builds(
    lambda start, length: Span(BASE + timedelta(minutes=start), BASE + timedelta(minutes=start + length)),
    st.integers(0, 200),
    st.integers(1, 100),
)
minutes = st.integers(-5, 310).map(lambda minute: BASE + timedelta(minutes=minute))


@given(spans, spans)
def test_spans_overlap_exactly_if_they_share_a_minute(first: Span, second: Span) -> None:
    every_minute = [BASE + timedelta(minutes=minute) for minute in range(301)]
    shared = any(first.holds(minute) and second.holds(minute) for minute in every_minute)
    assert first.overlaps(second) is shared
    assert second.overlaps(first) is shared


@given(st.lists(spans, max_size=5), minutes)
def test_joining_exception_windows_changes_nothing_but_their_number(windows: list[Span], minute: datetime) -> None:
    whole = Span(BASE, BASE + timedelta(minutes=300))
    stop = Outage(whole, frozenset(STOPPABLE), tuple(windows))
    expected = whole.holds(minute) and not any(window.holds(minute) for window in windows)
    assert stop.stops(Service.SYSTEM, minute) is expected
    assert all(first.end < second.start for first, second in zip(stop.exceptions, stop.exceptions[1:], strict=False))


@given(st.lists(spans, max_size=3), minutes, minutes)
def test_an_outage_that_ends_early_is_the_same_up_to_there(
    windows: list[Span], end: datetime, minute: datetime
) -> None:
    stop = Outage(Span(BASE, BASE + timedelta(minutes=300)), frozenset({Service.SYSTEM}), tuple(windows))
    cut = stop.until(end)
    stopped = cut is not None and cut.stops(Service.SYSTEM, minute)
    assert stopped is (minute < end and stop.stops(Service.SYSTEM, minute))
    left = stop.since(end)
    is_left = left is not None and left.stops(Service.SYSTEM, minute)
    assert is_left is (minute >= end and stop.stops(Service.SYSTEM, minute))
