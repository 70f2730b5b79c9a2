"""The states of an inquiry, what may be asked, what a result must hold, and until when it holds."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.service_hours.data import shipped_schedule
from chukan.tenants.middleserver.inquiries.rules import (
    ENDED,
    MEANING,
    STATE_WORDS,
    TRANSITIONS,
    UNDER_WAY,
    Condition,
    ConditionKind,
    InquiryEvent,
    InquiryState,
    Result,
    ResultShape,
    expires_at,
    is_whole,
    japan_second,
    last_valid_day,
    notice_at,
)
from support.inquiries import period

S, E = InquiryState, InquiryEvent


@pytest.mark.parametrize(
    ("state", "allowed"),
    [
        (S.QUEUED, {E.RELEASE, E.CANCEL, E.REFUSE}),
        (S.SENT, {E.DEFER, E.ANSWER, E.REFUSE, E.EXPIRE, E.CANCEL, E.ASK_CANCEL}),
        (S.DEFERRED, {E.DEFER, E.ANSWER, E.REFUSE, E.EXPIRE, E.CANCEL, E.ASK_CANCEL}),
        (S.CANCELLING, {E.DEFER, E.ANSWER, E.REFUSE, E.EXPIRE, E.CANCEL, E.KEEP}),
        (S.ANSWERED, set()),
        (S.REFUSED, set()),
        (S.EXPIRED, {E.ANSWER, E.REFUSE, E.EXPIRE, E.CANCEL}),
        (S.CANCELLED, set()),
    ],
)
def test_what_may_happen_in_each_state(state: InquiryState, allowed: set[InquiryEvent]) -> None:
    assert {event for at, event in TRANSITIONS if at is state} == allowed


def test_every_state_has_its_words_and_is_either_queued_or_under_way_or_ended() -> None:
    assert set(STATE_WORDS) == set(S) == {S.QUEUED, *UNDER_WAY, *ENDED}
    assert set(MEANING) == set(Result)


@given(st.lists(st.sampled_from(E), max_size=12))
def test_who_has_ended_stays_where_it_ended_unless_only_we_had_said_so(events: list[InquiryEvent]) -> None:
    state, ended = S.QUEUED, None
    for event in events:
        state = TRANSITIONS.get((state, event), state)
        if ended is S.EXPIRED:
            # The network's word comes after ours, once; it never goes back to where it was under way.
            ended = state
        if state in ENDED:
            ended = ended or state
        assert ended in {None, state}


DAY, NEXT = date(2019, 4, 1), date(2019, 4, 2)


@pytest.mark.parametrize(
    ("condition", "whole"),
    [
        (Condition(), True),
        (Condition(ConditionKind.CURRENT, begins=DAY), False),
        (Condition(ConditionKind.CURRENT, year=2019), False),
        (period(), False),
        (period(DAY), True),
        (period(ends=DAY), True),
        (period(year=2019), True),
        (period(DAY, DAY), True),
        (period(DAY, NEXT, 2019), True),
        (period(NEXT, DAY), False),
        (period(year=999), False),
        (period(year=10_000), False),
    ],
)
def test_a_period_is_named_if_and_only_if_it_is_asked_for(condition: Condition, *, whole: bool) -> None:
    assert condition.is_whole is whole


def test_a_result_has_its_parts_and_no_others() -> None:
    whole = {
        (result, *parts)
        for result in Result
        for parts in product((False, True), repeat=5)
        if is_whole(result, ResultShape(*parts))
    }
    assert whole == {
        # Reason, day, instant, answer, certificate.
        (Result.PROVIDED, False, False, True, True, True),
        (Result.REFUSED, True, False, True, False, False),
        (Result.EXPIRED, False, False, True, False, False),
        (Result.CANCELLED, False, False, True, False, False),
        *((Result.DEFERRED, why, day, False, False, False) for why in (False, True) for day in (False, True)),
    }


@pytest.mark.parametrize(
    ("left", "last"),
    [
        pytest.param(datetime(2019, 6, 14, 3, 0, tzinfo=UTC), date(2019, 7, 14), id="C51"),
        pytest.param(datetime(2019, 6, 14, 14, 59, 59, tzinfo=UTC), date(2019, 7, 14), id="before midnight in Tokyo"),
        pytest.param(datetime(2019, 6, 14, 15, 0, tzinfo=UTC), date(2019, 7, 15), id="after it"),
    ],
)
def test_it_holds_for_thirty_days_after_its_own(left: datetime, last: date) -> None:
    assert last_valid_day(left) == last
    assert expires_at(left) == datetime(last.year, last.month, last.day, 15, 0, tzinfo=UTC)


def test_notice_is_given_three_business_days_before_the_last_one() -> None:
    calendar = shipped_schedule().calendar
    # Of Sunday the 14th, as of Friday the 12th, those are the 10th to the 12th: it is given as the 9th begins.
    assert notice_at(date(2019, 7, 14), 3, calendar) == datetime(2019, 7, 8, 15, 0, tzinfo=UTC)
    assert notice_at(date(2019, 7, 12), 3, calendar) == datetime(2019, 7, 8, 15, 0, tzinfo=UTC)


def test_instants_are_told_to_the_second_with_japan_s_offset() -> None:
    assert japan_second(datetime(2019, 6, 14, 3, 0, 1, 999_999, tzinfo=UTC)) == "2019-06-14T12:00:01+09:00"
