"""Acts that take two people: who may ask, who may decide, and that nothing is done once too often."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pyotp
import pytest
from psycopg import sql

from chukan.platform.accounts.actor import Actor, machine
from chukan.platform.accounts.errors import (
    NotSecondPerson,
    PermissionLacking,
    PersonNeeded,
    RequestKindUnknown,
    RequestMalformed,
    RequestOver,
    RequestUnknown,
)
from chukan.platform.accounts.four_eyes import FourEyes, FourEyesKind, Payload, expire_requests, take
from chukan.platform.accounts.jobs import keep_house
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.request_store import approved
from chukan.platform.accounts.rules import RequestState, Role
from chukan.platform.accounts.service import APPOINT
from chukan.platform.clock import SystemClock
from chukan.platform.database.roles import ProcessKind
from chukan.platform.messages import mark
from chukan.platform.settings import Settings, VaultSettings
from support.accounts import Office
from support.vault import Safe

PURGE = FourEyesKind(
    "tenants:tenant:purge",
    mark("Make an operator an administrator"),
    Permission.TENANT_PURGE,
    Permission.TENANT_PURGE_APPROVE,
)
PAYLOAD: Payload = {
    "tenant": "019800aa-0000-7000-8000-000000000001",
    "backups": True,
    "days": 7,
    "why": None,
    "of": ["津市"],
}


@pytest.fixture
def office(safe: Safe) -> Office:
    # The database's own clock decides what is over when a request is carried out.
    return Office(safe, kinds=(PURGE,), now=SystemClock().now())


@pytest.fixture
def asker(office: Office) -> Actor:
    return office.actor(office.member("asker", Role.OPERATIONS))


@pytest.fixture
def second(office: Office) -> Actor:
    return office.actor(office.member("second", Role.SECURITY))


def ask(office: Office, actor: Actor) -> UUID:
    return office.four_eyes.ask(actor, PURGE.name, PAYLOAD, now=office.now, request="test")


def approve(office: Office, actor: Actor, request: UUID) -> RequestState:
    return office.four_eyes.approve(actor, request, now=office.now, request="test").state


def reject(office: Office, actor: Actor, request: UUID) -> RequestState:
    return office.four_eyes.reject(actor, request, now=office.now, request="test").state


def taken(office: Office, request: UUID, kind: ProcessKind = ProcessKind.WORKER, name: str = PURGE.name) -> object:
    with office.safe.database.engine(kind).begin() as connection:
        return take(connection, request, name)


def test_one_asks_another_approves_and_the_feature_carries_it_out_once(
    office: Office, asker: Actor, second: Actor
) -> None:
    request = ask(office, asker)
    waiting = office.four_eyes.waiting(second, now=office.now)
    assert [(one.id, one.requested_by, one.payload) for one in waiting] == [(request, "asker", PAYLOAD)]
    with pytest.raises(RequestOver):
        taken(office, request)
    assert approve(office, second, request) is RequestState.APPROVED
    with office.safe.database.engine(ProcessKind.WORKER).connect() as connection:
        assert approved(connection, PURGE.name) == [request]
    assert taken(office, request) == PAYLOAD
    with pytest.raises(RequestOver):
        taken(office, request)
    assert office.four_eyes.waiting(second, now=office.now) == []
    history = [(asker.name, "requested"), (second.name, "approved"), ("login:chukan_worker", "done")]
    with office.safe.database.superuser() as superuser:
        assert superuser.execute("select actor, state from platform.four_eyes_event order by id").fetchall() == history
    assert office.entries("accounts:request:%") == [
        (asker.name, "accounts:request:ask", "done"),
        (second.name, "accounts:request:approve", "done"),
    ]


def test_an_act_that_fails_leaves_the_approval(office: Office, asker: Actor, second: Actor) -> None:
    request = ask(office, asker)
    approve(office, second, request)
    with office.safe.database.engine(ProcessKind.WORKER).connect() as connection:
        assert take(connection, request, PURGE.name) == PAYLOAD
        connection.rollback()
    assert approve(office, second, request) is RequestState.APPROVED
    assert taken(office, request) == PAYLOAD


def test_nobody_approves_their_own_request_by_whatever_account(office: Office) -> None:
    asker = office.actor(office.member("one", Role.OPERATIONS, Role.SECURITY, number="1"))
    same = office.actor(office.member("one-too", Role.SECURITY, number="1"))
    request = ask(office, asker)
    for actor in (asker, same):
        with pytest.raises(NotSecondPerson):
            approve(office, actor, request)
    assert office.entries("accounts:request:approve")[-1][2] == "refused"


def test_the_table_itself_refuses_one_person_on_both_sides(office: Office, asker: Actor) -> None:
    request = ask(office, asker)
    signed = asker.require_person()
    with (
        office.safe.database.login(ProcessKind.CONSOLE) as console,
        pytest.raises(psycopg.errors.CheckViolation, match="four_eyes_request_two_people"),
    ):
        console.execute(
            "update platform.four_eyes_request set state = 'approved', decided_by = %s, decider = %s,"
            " decided_at = now() where id = %s",
            (signed.account, signed.person, request),
        )


@pytest.mark.parametrize("column", ["payload", "kind", "requested_by", "requester", "requested_at", "expires_at"])
def test_what_was_asked_for_cannot_be_changed(office: Office, asker: Actor, column: str) -> None:
    ask(office, asker)
    change = sql.SQL("update platform.four_eyes_request set {0} = {0}").format(sql.Identifier(column))
    for kind in ProcessKind:
        with (
            office.safe.database.login(kind) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(change)


@pytest.mark.parametrize("first", ["asker", "second"])
def test_who_handed_the_other_the_way_in_is_no_second_person(office: Office, first: str) -> None:
    office.member("root", Role.ADMINISTRATOR)
    maker = office.actor(office.member("maker", Role.ADMINISTRATOR, Role.OPERATIONS, Role.SECURITY))
    made = office.actor(office.member("made", Role.OPERATIONS, Role.SECURITY, by=maker))
    asker, decider = (maker, made) if first == "asker" else (made, maker)
    with pytest.raises(NotSecondPerson):
        approve(office, decider, ask(office, asker))


def test_neither_a_chain_nor_a_reset_of_ones_own_makes_independent(office: Office) -> None:
    maker = office.actor(office.member("maker", Role.ADMINISTRATOR, Role.OPERATIONS))
    office.member("made", Role.SECURITY, by=maker)
    # With the machine's rights, so that the chain below is one of operators.
    office.operators().change_roles("made", grant=[Role.ADMINISTRATOR], revoke=(), now=office.now)
    office.later(seconds=30)
    made = office.enrol(office.operators(maker).reset("made", now=office.now).token)
    office.later(seconds=30)
    member = office.try_in("made", "the right words to say", code(made.secret, office))
    again = office.enrol(office.operators(office.holder(member.token)).reset("made", now=office.now).token)
    office.later(seconds=30)
    actor = office.holder(office.try_in("made", "the right words to say", code(again.secret, office)).token)
    third = office.actor(office.member("third", Role.SECURITY, by=actor))
    request = ask(office, maker)
    for decider in (actor, third):
        with pytest.raises(NotSecondPerson):
            approve(office, decider, request)
    renewed = office.enrol(office.operators().reset("made", now=office.now).token)
    office.later(seconds=30)
    independent = office.holder(office.try_in("made", "the right words to say", code(renewed.secret, office)).token)
    assert approve(office, independent, request) is RequestState.APPROVED


def code(secret: str, office: Office) -> str:
    return pyotp.TOTP(secret).at(office.now)


def test_a_request_of_somebody_who_was_disabled_is_not_approved(office: Office, asker: Actor, second: Actor) -> None:
    request = ask(office, asker)
    office.operators().disable("asker", now=office.now)
    with pytest.raises(NotSecondPerson):
        approve(office, second, request)
    assert reject(office, second, request) is RequestState.REJECTED


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_ask_see_and_decide_what_its_permissions_say(office: Office, asker: Actor, role: Role) -> None:
    request = ask(office, asker)
    actor = office.actor(office.member("someone", role))
    acts: dict[Permission, Callable[[], object]] = {
        PURGE.ask: lambda: ask(office, actor),
        Permission.REQUEST_READ: lambda: office.four_eyes.waiting(actor, now=office.now),
        PURGE.approve: lambda: approve(office, actor, request),
    }
    for permission, act in acts.items():
        if actor.may(permission):
            act()
        else:
            with pytest.raises(PermissionLacking):
                act()


def test_the_machine_is_neither_of_the_two_people(office: Office, asker: Actor) -> None:
    request = ask(office, asker)
    for act in (
        lambda: ask(office, machine()),
        lambda: approve(office, machine(), request),
        lambda: reject(office, machine(), request),
    ):
        with pytest.raises(PersonNeeded):
            act()


def test_who_asked_may_withdraw_and_others_need_the_permission(office: Office, asker: Actor) -> None:
    helpdesk = office.actor(office.member("helper", Role.HELPDESK))
    request = ask(office, asker)
    with pytest.raises(PermissionLacking):
        reject(office, helpdesk, request)
    assert reject(office, asker, request) is RequestState.REJECTED


def test_what_was_decided_is_not_decided_again(office: Office, asker: Actor, second: Actor) -> None:
    rejected, done = ask(office, asker), ask(office, asker)
    reject(office, second, rejected)
    approve(office, second, done)
    taken(office, done)
    for request in (rejected, done):
        for act in (approve, reject):
            with pytest.raises(RequestOver):
                act(office, second, request)
        with pytest.raises(RequestOver):
            taken(office, request)
    with pytest.raises(RequestUnknown):
        approve(office, second, uuid4())


def test_an_approved_request_cannot_be_rejected_or_approved_by_a_third(
    office: Office, asker: Actor, second: Actor
) -> None:
    third = office.actor(office.member("third", Role.SECURITY))
    request = ask(office, asker)
    approve(office, second, request)
    with pytest.raises(RequestOver):
        approve(office, third, request)
    with pytest.raises(RequestOver):
        reject(office, third, request)


def test_of_an_approval_and_a_rejection_at_once_one_holds(office: Office, asker: Actor, second: Actor) -> None:
    third = office.actor(office.member("third", Role.SECURITY))
    request = ask(office, asker)
    outcomes = at_once([lambda: approve(office, second, request), lambda: reject(office, third, request)])
    assert sorted(type(one).__name__ for one in outcomes) == ["RequestOver", "RequestState"]


def test_of_many_who_carry_it_out_at_once_one_does(office: Office, asker: Actor, second: Actor) -> None:
    request = ask(office, asker)
    approve(office, second, request)
    outcomes = at_once([lambda: taken(office, request)] * 6)
    assert sorted(type(one).__name__ for one in outcomes) == ["RequestOver"] * 5 + ["dict"]


@pytest.mark.parametrize(
    "kind", [ProcessKind.CONSOLE, ProcessKind.WORKER, ProcessKind.SCHEDULER, ProcessKind.PROVISIONER]
)
def test_these_processes_carry_out_and_only_what_it_is(
    office: Office, asker: Actor, second: Actor, kind: ProcessKind
) -> None:
    request = ask(office, asker)
    approve(office, second, request)
    with pytest.raises(RequestOver):
        taken(office, request, kind, "tenants:tenant:close")
    assert taken(office, request, kind) == PAYLOAD


# -- time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("left", "works"), [(timedelta(microseconds=1), True), (timedelta(0), False)])
def test_a_request_waits_three_days(
    office: Office, asker: Actor, second: Actor, left: timedelta, *, works: bool
) -> None:
    request = ask(office, asker)
    office.now += timedelta(hours=72) - left
    assert len(office.four_eyes.waiting(second, now=office.now)) == int(works)
    if works:
        assert approve(office, second, request) is RequestState.APPROVED
    else:
        with pytest.raises(RequestOver) as over:
            approve(office, second, request)
        assert over.value.values["state"]


def test_an_approval_that_nobody_used_in_time_is_over(office: Office, asker: Actor, second: Actor) -> None:
    request = ask(office, asker)
    approve(office, second, request)
    an_age_later(office)
    with pytest.raises(RequestOver):
        taken(office, request)


def test_housekeeping_lets_overdue_requests_expire_and_records_it(office: Office, asker: Actor, second: Actor) -> None:
    waits, was_approved = ask(office, asker), ask(office, asker)
    approve(office, second, was_approved)
    settings = Settings(database=office.safe.database.settings, vault=VaultSettings(key_file=office.safe.key_file))
    keep_house(settings)
    assert office.entries("accounts:request:expire") == []
    an_age_later(office)
    keep_house(settings)
    keep_house(settings)
    assert office.entries("accounts:request:expire") == [
        ("system:accounts-housekeeping", "accounts:request:expire", "done")
    ] * 2  # fmt: skip
    with office.safe.database.superuser() as superuser:
        states = superuser.execute("select id, state from platform.four_eyes_request").fetchall()
    assert dict(states) == {waits: "expired", was_approved: "expired"}
    worker = office.safe.database.engine(ProcessKind.WORKER)
    assert expire_requests(worker, actor="system:test", request="test") == 0


def an_age_later(office: Office) -> None:
    """Let the database believe that the requests are three days older; only a superuser can."""
    with office.safe.database.superuser() as superuser:
        superuser.execute(
            "update platform.four_eyes_request set requested_at = requested_at - interval '73 hours',"
            " expires_at = expires_at - interval '73 hours'"
        )


# -- what may be asked for ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        {"a": 1.5},
        {"a": float("nan")},
        {"a": [{"b": 0.1}]},
        {"a": b"bytes"},
        {"a": {1: 2}},
        {"a": object()},
        {"a": "\x00"},
        {"a": "\ud800"},
        {"a": "x" * 17_000},
    ],
)
def test_what_has_no_one_text_or_is_too_long_is_refused(
    office: Office, asker: Actor, payload: dict[str, object]
) -> None:
    with pytest.raises(RequestMalformed):
        office.four_eyes.ask(asker, PURGE.name, payload, now=office.now, request="test")  # type: ignore[arg-type]


def test_a_kind_that_nobody_carries_out_is_refused(office: Office, asker: Actor, second: Actor) -> None:
    with pytest.raises(RequestKindUnknown):
        office.four_eyes.ask(asker, "tenants:tenant:rename", PAYLOAD, now=office.now, request="test")
    request = ask(office, asker)
    office.four_eyes = FourEyes(office.engine, (), office.limits)
    with pytest.raises(RequestKindUnknown):
        approve(office, second, request)


# -- our own kind: another administrator ----------------------------------------------------------


def test_an_operator_makes_an_administrator_with_a_second_person(office: Office) -> None:
    first = office.actor(office.member("first", Role.ADMINISTRATOR))
    second = office.actor(office.member("second", Role.ADMINISTRATOR))
    office.member("third", Role.HELPDESK)
    request = office.operators(first).change_roles("third", grant=[Role.ADMINISTRATOR], revoke=(), now=office.now)
    assert request is not None
    assert roles(office) == {"first": {"administrator"}, "second": {"administrator"}, "third": {"helpdesk"}}
    with pytest.raises(NotSecondPerson):
        approve(office, first, request)
    with pytest.raises(RequestOver):
        office.operators(second).appoint(request, now=office.now)
    approve(office, second, request)
    office.operators(second).appoint(request, now=office.now)
    assert roles(office)["third"] == {"administrator", "helpdesk"}
    with pytest.raises(RequestOver):
        office.operators(second).appoint(request, now=office.now)


def test_the_first_two_administrators_need_no_second_person(office: Office) -> None:
    first = office.actor(office.member("first", Role.ADMINISTRATOR))
    office.member("second")
    grant = [Role.ADMINISTRATOR]
    assert office.operators(first).change_roles("second", grant=grant, revoke=(), now=office.now) is None
    assert roles(office)["second"] == {"administrator"}


def test_the_machine_makes_administrators_by_itself(office: Office) -> None:
    for login in ("a1", "a2", "a3"):
        office.member(login, Role.ADMINISTRATOR)
    office.member("fourth")
    assert office.operators().change_roles("fourth", grant=[Role.ADMINISTRATOR], revoke=(), now=office.now) is None
    assert APPOINT == Permission.ADMINISTRATOR_APPOINT


def roles(office: Office) -> dict[str, set[str]]:
    return {one.login: {role.value for role in one.roles} for one in office.operators().list()}


def at_once(acts: list[Callable[[], object]]) -> list[object]:
    outcomes: list[object] = [None] * len(acts)

    def run(number: int, act: Callable[[], object]) -> None:
        try:
            outcomes[number] = act()
        except RequestOver as over:
            outcomes[number] = over

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
