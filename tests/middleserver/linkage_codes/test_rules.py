"""What an answer means, in every situation; and that every way through the states ends."""

from __future__ import annotations

import itertools

import pytest

from chukan.tenants.middleserver.linkage_codes.rules import (
    TRANSITIONS,
    UNDER_WAY,
    CaseKind,
    LinkEvent,
    RequestEvent,
    RequestState,
    Result,
    Verdict,
    is_whole,
    judge,
)

_ANSWERS = (RequestEvent.ACQUIRE, RequestEvent.UNKNOWN, RequestEvent.REFUSE, RequestEvent.CONFLICT)


@pytest.mark.parametrize("result", [Result.ISSUED, Result.ALREADY_ISSUED])
@pytest.mark.parametrize(
    ("another", "has_code", "this_code", "verdict"),
    [
        (False, False, False, Verdict(RequestEvent.ACQUIRE, LinkEvent.LINKED)),
        (False, True, True, Verdict(RequestEvent.ACQUIRE, LinkEvent.CONFIRMED)),
        (False, True, False, Verdict(RequestEvent.ACQUIRE, LinkEvent.CHANGED, CaseKind.CODE_CHANGED)),
        (True, False, False, Verdict(RequestEvent.CONFLICT, LinkEvent.CONFLICTING, CaseKind.ONE_CODE_OF_TWO)),
        (True, True, False, Verdict(RequestEvent.CONFLICT, LinkEvent.CONFLICTING, CaseKind.ONE_CODE_OF_TWO)),
    ],
)
def test_a_code_that_came_means(
    result: Result, *, another: bool, has_code: bool, this_code: bool, verdict: Verdict
) -> None:
    assert judge(result, held_by_another=another, has_code=has_code, has_this_code=this_code) == verdict


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        (Result.UNKNOWN_PERSON, Verdict(RequestEvent.UNKNOWN, LinkEvent.UNKNOWN_PERSON)),
        (Result.REFUSED, Verdict(RequestEvent.REFUSE, LinkEvent.REFUSED)),
    ],
)
def test_without_a_code_no_link_is_touched(result: Result, verdict: Verdict) -> None:
    for another, has_code in itertools.product((False, True), repeat=2):
        assert judge(result, held_by_another=another, has_code=has_code, has_this_code=False) == verdict


@pytest.mark.parametrize(
    ("result", "code", "reason", "whole"),
    [
        (Result.ISSUED, "C", "", True),
        (Result.ISSUED, "", "", False),
        (Result.ISSUED, "C", "word", False),
        (Result.ALREADY_ISSUED, "C", "", True),
        (Result.ALREADY_ISSUED, "", "", False),
        (Result.UNKNOWN_PERSON, "", "", True),
        (Result.UNKNOWN_PERSON, "C", "", False),
        (Result.REFUSED, "", "word", True),
        (Result.REFUSED, "", "", False),
        (Result.REFUSED, "C", "word", False),
    ],
)
def test_an_entry_is_whole_or_not(result: Result, code: str, reason: str, *, whole: bool) -> None:
    assert is_whole(result, code, reason) is whole


def test_every_answer_is_taken_as_long_as_it_is_awaited_and_never_after() -> None:
    for state, event in itertools.product(RequestState, _ANSWERS):
        assert ((state, event) in TRANSITIONS) is (state in UNDER_WAY)


def test_a_request_that_is_over_moves_only_when_two_people_move_the_code() -> None:
    over = set(RequestState) - set(UNDER_WAY)
    assert {(state, event) for state, event in TRANSITIONS if state in over} == {
        (RequestState.CONFLICTING, RequestEvent.RELINK)
    }
    assert (RequestState.OVERDUE, RequestEvent.ANNOUNCE) not in TRANSITIONS, "a late receipt hides no lateness"
