"""The rules of accounts, at every boundary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chukan.platform.accounts.rules import (
    ACCOUNT_TRANSITIONS,
    REQUEST_TRANSITIONS,
    AccountEvent,
    AccountState,
    DelayPolicy,
    Failures,
    Objection,
    RequestEvent,
    RequestState,
    Role,
    SessionPolicy,
    Side,
    delay,
    forbidden_pairs,
    is_alive,
    is_login,
    leaves_enough_administrators,
    must_wait,
    next_request_state,
    normal_password,
    objection,
    one_more,
    opens_at,
)

NOON = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)
POLICY = DelayPolicy(3, timedelta(seconds=2), timedelta(seconds=900), timedelta(days=1))


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("ab", True),
        ("yamada.taro-2_x", True),
        ("a" * 40, True),
        ("a", False),
        ("a" * 41, False),
        ("2ab", False),
        ("Yamada", False),
        ("山田", False),
        ("ab\n", False),
        ("ab ", False),
        ("ａｂ", False),
        ("", False),
    ],
)
def test_a_log_in_name_has_one_form(name: str, *, right: bool) -> None:
    assert is_login(name) is right


def test_a_password_that_looks_alike_is_alike() -> None:
    assert normal_password("パスワード") == normal_password("パスワード")
    assert normal_password("ａ") != normal_password("a")


# -- delays ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "seconds"),
    [(0, 0), (1, 0), (3, 0), (4, 2), (5, 4), (6, 8), (7, 16), (12, 512), (13, 900), (14, 900), (10**9, 900)],
)
def test_failures_double_the_delay_up_to_the_longest(count: int, seconds: int) -> None:
    assert delay(POLICY, count) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("after", "waits"),
    [
        (timedelta(0), timedelta(seconds=2)),
        (timedelta(seconds=2) - TICK, TICK),
        (timedelta(seconds=2), timedelta(0)),
        (timedelta(days=300), timedelta(0)),
    ],
)
def test_an_attempt_waits_until_the_delay_is_over_and_not_longer(after: timedelta, waits: timedelta) -> None:
    assert must_wait(POLICY, Failures(4, NOON), NOON + after) == waits


def test_nobody_waits_without_failures() -> None:
    assert must_wait(POLICY, None, NOON) == timedelta(0)
    assert opens_at(POLICY, None) is None
    assert opens_at(POLICY, Failures(3, NOON)) is None


@pytest.mark.parametrize(
    ("age", "count"), [(timedelta(0), 8), (timedelta(days=1) - TICK, 8), (timedelta(days=1), 1), (timedelta(days=9), 1)]
)
def test_old_failures_are_forgotten(age: timedelta, count: int) -> None:
    assert one_more(POLICY, Failures(7, NOON), NOON + age) == Failures(count, NOON + age)


policies = st.builds(
    lambda free, first, more, forget: DelayPolicy(free, first, first + more, first + more + forget),
    st.integers(0, 50),
    st.timedeltas(timedelta(milliseconds=1), timedelta(hours=1)),
    st.timedeltas(timedelta(0), timedelta(hours=1)),
    st.timedeltas(timedelta(minutes=1), timedelta(days=7)),
)


@given(policies, st.integers(0, 10**6))
def test_a_delay_never_shrinks_with_failures_and_never_is_for_ever(policy: DelayPolicy, count: int) -> None:
    assert delay(policy, count) <= delay(policy, count + 1) <= policy.longest
    assert (delay(policy, count) == timedelta(0)) is (count <= policy.free)


@given(policies, st.integers(0, 1000), st.timedeltas(timedelta(0), timedelta(days=30)))
def test_whoever_waits_as_long_as_told_is_heard(policy: DelayPolicy, count: int, later: timedelta) -> None:
    failures = Failures(count, NOON)
    now = NOON + later
    assert must_wait(policy, failures, now + must_wait(policy, failures, now)) == timedelta(0)


# -- sessions -------------------------------------------------------------------------------------

SESSION = SessionPolicy(timedelta(minutes=15), timedelta(hours=12))


@pytest.mark.parametrize(
    ("seen", "age", "alive"),
    [
        (timedelta(0), timedelta(0), True),
        (timedelta(0), timedelta(minutes=15) - TICK, True),
        (timedelta(0), timedelta(minutes=15), False),
        (timedelta(hours=11, minutes=59), timedelta(hours=12) - TICK, True),
        (timedelta(hours=11, minutes=59), timedelta(hours=12), False),
        (timedelta(hours=11), timedelta(hours=11, minutes=15), False),
    ],
)
def test_a_session_ends_when_it_is_not_used_and_when_it_is_old(seen: timedelta, age: timedelta, *, alive: bool) -> None:
    expires_at = NOON + SESSION.absolute
    assert is_alive(SESSION, last_seen_at=NOON + seen, expires_at=expires_at, now=NOON + age) is alive


# -- states, roles, administrators ----------------------------------------------------------------


def test_an_account_goes_these_ways_and_no_other() -> None:
    invited, active, disabled = AccountState
    allowed = {
        (invited, AccountEvent.INVITE): invited,
        (invited, AccountEvent.ENROL): active,
        (invited, AccountEvent.DISABLE): disabled,
        (active, AccountEvent.INVITE): active,
        (active, AccountEvent.ENROL): active,
        (active, AccountEvent.DISABLE): disabled,
        (disabled, AccountEvent.INVITE): invited,
    }
    assert dict(ACCOUNT_TRANSITIONS) == allowed
    assert not any(after is active for (_, event), after in allowed.items() if event is AccountEvent.DISABLE)


@pytest.mark.parametrize(
    ("people", "goes", "may"),
    [
        ("", "a", True),
        ("a", "a", False),
        ("a", "x", True),
        ("ab", "a", False),
        ("ab", "x", True),
        ("abc", "a", True),
        ("abcd", "d", True),
    ],
)
def test_there_are_always_two_administrators_once_there_were(people: str, goes: str, *, may: bool) -> None:
    accounts = {UUID(int=ord(one)): UUID(int=1000 + ord(one)) for one in people}
    assert leaves_enough_administrators(accounts, UUID(int=ord(goes))) is may


def test_people_are_counted_and_not_their_accounts() -> None:
    one, other = uuid4(), uuid4()
    first, second, third = uuid4(), uuid4(), uuid4()
    assert not leaves_enough_administrators({first: one, second: one, third: other}, third)
    assert leaves_enough_administrators({first: one, second: one, third: other}, first)


def test_roles_that_exclude_each_other_are_named_once() -> None:
    excludes = {Role.AUDITOR: frozenset({Role.OPERATIONS, Role.SECURITY})}
    assert forbidden_pairs([Role.OPERATIONS, Role.AUDITOR], excludes) == [(Role.AUDITOR, Role.OPERATIONS)]
    assert forbidden_pairs([Role.OPERATIONS, Role.SECURITY], excludes) == []


# -- two people -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "event", "over"), list(product(RequestState, RequestEvent, [False, True])))
def test_a_request_goes_these_ways_and_no_other(state: RequestState, event: RequestEvent, *, over: bool) -> None:
    expected = {
        (RequestState.REQUESTED, RequestEvent.APPROVE, False): RequestState.APPROVED,
        (RequestState.REQUESTED, RequestEvent.REJECT, False): RequestState.REJECTED,
        (RequestState.REQUESTED, RequestEvent.EXPIRE, True): RequestState.EXPIRED,
        (RequestState.APPROVED, RequestEvent.FINISH, False): RequestState.DONE,
        (RequestState.APPROVED, RequestEvent.EXPIRE, True): RequestState.EXPIRED,
    }
    now = NOON if over else NOON - TICK
    assert next_request_state(state, event, now=now, expires_at=NOON) is expected.get((state, event, over))


A, B, C = (UUID(int=number) for number in range(1, 4))


@pytest.mark.parametrize(
    ("requester", "decider", "active", "expected"),
    [
        (Side(A), Side(B), True, None),
        (Side(A), Side(A), True, Objection.SAME_PERSON),
        (Side(A), Side(A), False, Objection.SAME_PERSON),
        (Side(A), Side(B), False, Objection.REQUESTER_GONE),
        (Side(A), Side(B, frozenset({A})), True, Objection.WAY_IN_FROM_THE_OTHER),
        (Side(A, frozenset({B})), Side(B), True, Objection.WAY_IN_FROM_THE_OTHER),
        (Side(A, frozenset({C})), Side(B, frozenset({C})), True, None),
        (Side(A), Side(A, frozenset({A})), True, Objection.SAME_PERSON),
    ],
)
def test_the_second_person_is_another_and_independent_one(
    requester: Side, decider: Side, *, active: bool, expected: Objection | None
) -> None:
    assert objection(requester, decider, requester_active=active) is expected


class OneRequest(RuleBasedStateMachine):
    """One request, and everything that may happen to it in any order and at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.state = RequestState.REQUESTED
        self.now = NOON
        self.expires_at = NOON + timedelta(hours=72)
        self.history = [self.state]
        self.approved_by: UUID | None = None

    def move(self, event: RequestEvent) -> bool:
        after = next_request_state(self.state, event, now=self.now, expires_at=self.expires_at)
        if after is None:
            return False
        self.state = after
        self.history.append(after)
        return True

    @rule(by=st.sampled_from([A, B, C]), vouched=st.sets(st.sampled_from([A, B, C])), active=st.booleans())
    def approve(self, by: UUID, vouched: set[UUID], *, active: bool) -> None:
        against = objection(Side(A), Side(by, frozenset(vouched)), requester_active=active)
        if against is None and self.move(RequestEvent.APPROVE):
            assert active
            self.approved_by = by

    @rule(event=st.sampled_from([RequestEvent.REJECT, RequestEvent.EXPIRE, RequestEvent.FINISH]))
    def happens(self, event: RequestEvent) -> None:
        self.move(event)

    @rule(hours=st.integers(1, 40))
    @precondition(lambda self: self.now < NOON + timedelta(hours=200))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @invariant()
    def nothing_is_done_without_a_second_person(self) -> None:
        if self.state in {RequestState.APPROVED, RequestState.DONE}:
            assert self.approved_by not in {None, A}

    @invariant()
    def what_has_ended_stays_so_and_nothing_happens_twice(self) -> None:
        assert len(set(self.history)) == len(self.history)
        ended = {RequestState.REJECTED, RequestState.EXPIRED, RequestState.DONE}
        assert not ended & set(self.history[:-1])
        if RequestState.DONE in self.history:
            assert self.history == [RequestState.REQUESTED, RequestState.APPROVED, RequestState.DONE]


TestOneRequest = OneRequest.TestCase


def test_every_transition_leads_somewhere_else() -> None:
    assert all(before is not after for (before, _), after in REQUEST_TRANSITIONS.items())
