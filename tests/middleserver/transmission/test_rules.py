"""Waits, turns, transitions and the checks' verdicts, at every boundary."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.component import Health
from chukan.tenants.middleserver.transmission.checks import judge_dead, judge_unsent
from chukan.tenants.middleserver.transmission.rules import (
    MOST_HELD,
    OPEN,
    STATUS,
    TRANSITIONS,
    OutEvent,
    OutState,
    Reason,
    RetryPolicy,
    Turn,
    is_closed,
    move,
    released,
    signature_holds,
    turn,
    without_receipt,
)
from chukan.tenants.middleserver.transmission.shared_store import Overview

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
POLICY = RetryPolicy(max_attempts=5, first=timedelta(seconds=2), longest=timedelta(minutes=1))
STALE = timedelta(minutes=15)


@given(attempts=st.integers(1, 10_000), draw=st.floats(0, 1))
def test_a_wait_lies_in_the_upper_half_of_what_doubles_up_to_the_longest(attempts: int, draw: float) -> None:
    full = min(POLICY.first.total_seconds() * 2 ** min(attempts - 1, 40), POLICY.longest.total_seconds())
    wait = POLICY.wait(attempts, draw).total_seconds()
    assert full / 2 <= wait + 1e-6
    assert wait <= full + 1e-6


@pytest.mark.parametrize(
    ("attempts", "event"),
    [(1, OutEvent.DEFERRED), (4, OutEvent.DEFERRED), (5, OutEvent.BURIED), (6, OutEvent.BURIED)],
)
def test_without_a_receipt_a_message_is_put_off_until_its_last_attempt(attempts: int, event: OutEvent) -> None:
    assert without_receipt(attempts, POLICY, 0.5).event is event


def test_what_was_not_tried_spends_no_attempt() -> None:
    assert (released(3).attempts, released(3).state, released(3).wait) == (3, OutState.QUEUED, timedelta(0))


def test_nothing_is_ever_dropped_and_done_is_done_unless_the_network_lacks_it() -> None:
    reached = {after for (_, _), after in TRANSITIONS.items()}
    assert reached == set(OutState)
    assert TRANSITIONS[OutState.DEAD, OutEvent.RETRIED] is OutState.QUEUED
    assert not [event for (state, event) in TRANSITIONS if state is OutState.REFUSED]
    assert {event for (state, event) in TRANSITIONS if state is OutState.DONE} == {OutEvent.RESENT}
    assert OutState.DONE not in OPEN
    assert OutState.REFUSED not in OPEN
    with pytest.raises(KeyError):
        move(OutState.DONE, OutEvent.REFUSED, 1)


@pytest.mark.parametrize(
    ("seq", "taken", "closed", "expected"),
    [
        (3, False, False, Turn.NOW),
        (2, False, False, Turn.TAKEN),
        (3, True, False, Turn.TAKEN),
        (4, True, False, Turn.TAKEN),
        (4, False, False, Turn.EARLY),
        (3 + MOST_HELD, False, False, Turn.EARLY),
        (4 + MOST_HELD, False, False, Turn.FAR_TOO_EARLY),
        (3, False, True, Turn.CLOSED),
        (2, True, True, Turn.CLOSED),
    ],
)
def test_whose_turn_it_is(seq: int, *, taken: bool, closed: bool, expected: Turn) -> None:
    assert turn(seq, expected=3, taken=taken, closed=closed) is expected


def test_a_conversation_is_closed_by_hand_or_from_its_deadline_on() -> None:
    assert is_closed("closed", None, NOW)
    assert not is_closed("open", None, NOW)
    assert is_closed("open", NOW, NOW)
    assert not is_closed("open", NOW + timedelta(microseconds=1), NOW)


def test_a_signature_holds_for_fourteen_days() -> None:
    assert signature_holds(NOW, NOW + timedelta(days=14) - timedelta(microseconds=1))
    assert not signature_holds(NOW, NOW + timedelta(days=14))


def test_every_reason_has_a_status_of_its_protocol() -> None:
    assert set(STATUS) == set(Reason)
    assert {400, 403, 409, 413, 422} == set(STATUS.values())


def overview(**changes: object) -> Overview:
    usual: dict[str, object] = {"measured_at": NOW, "oldest_due": None, "oldest_unsent": None, "oldest_held": None,
                                "dead": 0, "organisations_with_dead": 0, "stops": 0}  # fmt: skip
    return Overview(**(usual | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["oldest_due", "oldest_unsent", "oldest_held"])
def test_what_waits_too_long_is_red(name: str) -> None:
    assert judge_unsent(overview(**{name: NOW - STALE}), STALE).health is Health.GREEN
    assert judge_unsent(overview(**{name: NOW - STALE - timedelta(microseconds=1)}), STALE).health is Health.RED


def test_a_stop_is_amber_and_hides_nothing_that_is_red() -> None:
    assert judge_unsent(overview(stops=1), STALE).health is Health.AMBER
    assert judge_unsent(overview(stops=1, oldest_unsent=NOW - 2 * STALE), STALE).health is Health.RED


def test_dead_letters_are_amber() -> None:
    for dead, organisations in itertools.product((0, 1, 5), (1,)):
        health = judge_dead(overview(dead=dead, organisations_with_dead=organisations)).health
        assert health is (Health.AMBER if dead else Health.GREEN)
