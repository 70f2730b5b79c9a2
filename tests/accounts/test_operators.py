"""Operators' accounts on the real database: invited, enrolled, given roles, disabled, never too few."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pyotp
import pytest

from chukan.platform.accounts import store
from chukan.platform.accounts.actor import Actor
from chukan.platform.accounts.errors import (
    AccountStateUnfit,
    AdministratorNeedsAppointment,
    DetailsUnsuitable,
    InvitationOver,
    LoginNameUnsuitable,
    LoginRefused,
    OperatorExists,
    OperatorUnknown,
    OwnRoles,
    PasswordUnsuitable,
    PermissionLacking,
    RolesExclude,
    SessionOver,
    TooFewAdministrators,
)
from chukan.platform.accounts.rules import Role
from chukan.platform.errors import ChukanError
from support.accounts import PASSWORD, Office

ADMIN = Role.ADMINISTRATOR


# -- invitation and enrolment ---------------------------------------------------------------------


def test_an_invited_operator_enrols_once_and_is_active(office: Office) -> None:
    token = office.invite("taro", Role.HELPDESK)
    assert office.states() == {"taro": "invited"}
    made = office.enrol(token)
    assert office.states() == {"taro": "active"}
    assert made.uri == f"otpauth://totp/Chukan:taro?secret={made.secret}&issuer=Chukan"
    with pytest.raises(InvitationOver):
        office.enrol(token)
    assert [action for _, action, _ in office.entries()][:2] == ["accounts:operator:create", "accounts:operator:enrol"]


@pytest.mark.parametrize(("age", "works"), [(timedelta(minutes=30) - timedelta(microseconds=1), True),
                                            (timedelta(minutes=30), False)])  # fmt: skip
def test_an_invitation_works_for_half_an_hour(office: Office, age: timedelta, *, works: bool) -> None:
    token = office.invite("taro")
    office.now += age
    if works:
        assert office.enrol(token).login == "taro"
    else:
        with pytest.raises(InvitationOver):
            office.enrol(token)


def test_a_newer_invitation_replaces_the_older_one(office: Office) -> None:
    older = office.invite("taro")
    newer = office.operators().reset("taro", now=office.now).token
    with pytest.raises(InvitationOver):
        office.enrol(older)
    assert office.enrol(newer).login == "taro"


def test_of_two_who_hold_one_invitation_one_enrols(office: Office) -> None:
    token = office.invite("taro")
    outcomes = at_once([lambda: office.enrol(token), lambda: office.enrol(token)])
    assert sorted(type(one).__name__ for one in outcomes) == ["Enrolled", "InvitationOver"]


@pytest.mark.parametrize("token", ["", "x", "\x00", "\udcff", "a" * 10_000])
def test_what_is_no_invitation_is_refused(office: Office, token: str) -> None:
    with pytest.raises(InvitationOver):
        office.enrol(token)


@pytest.mark.parametrize(
    ("password", "right"),
    [
        ("a" * 11, False),
        ("a" * 12, True),
        ("あ" * 12, True),
        ("a" * 128, True),
        ("a" * 129, False),
        ("taro.yamada.1", False),
        ("TARO.Yamada.1", False),
        ("", False),
    ],
)
def test_a_password_is_long_enough_and_not_the_name(office: Office, password: str, *, right: bool) -> None:
    token = office.invite("taro.yamada.1")
    if right:
        office.enrol(token, password)
    else:
        with pytest.raises(PasswordUnsuitable):
            office.enrol(token, password)
        office.enrol(token)
    assert office.states() == {"taro.yamada.1": "active"}


def test_tokens_and_passwords_are_stored_nowhere(office: Office) -> None:
    invited = office.operators().create("taro", name="Taro", number="1", roles=(), now=office.now)
    made = office.enrol(invited.token)
    session = office.try_in("taro", PASSWORD, code_of(made.secret, office))
    with office.safe.database.superuser() as superuser:
        rows = superuser.execute(
            "select t::text from platform.account_token t union all select s::text from platform.account_session s"
            " union all select a::text from platform.account a union all select body from platform.audit_entry"
        )
        told = "\n".join(str(row) for (row,) in rows)
    assert not [word for word in (invited.token, session.token, made.secret, PASSWORD) if word in told]
    assert not [word for word in (invited.token, made.secret) if word in repr((invited, made, session))]


def code_of(secret: str, office: Office) -> str:
    return pyotp.TOTP(secret).at(office.now)


# -- making operators -----------------------------------------------------------------------------


@pytest.mark.parametrize("login", ["", "A", "Taro", "taro yamada", "taro\n", "x" * 41, "太郎"])
def test_a_name_of_another_form_makes_no_operator(office: Office, login: str) -> None:
    with pytest.raises(LoginNameUnsuitable):
        office.operators().create(login, name="Taro", number="1", roles=(), now=office.now)
    assert office.entries()[-1][1:] == ("accounts:operator:create", "refused")


@pytest.mark.parametrize(("name", "number"), [("", "1"), (" ", "1"), ("Taro", ""), ("Ta\nro", "1"), ("T", "1" * 41)])
def test_an_operator_has_a_name_and_a_number(office: Office, name: str, number: str) -> None:
    with pytest.raises(DetailsUnsuitable):
        office.operators().create("taro", name=name, number=number, roles=(), now=office.now)


def test_a_log_in_name_is_given_once(office: Office) -> None:
    office.invite("taro")
    with pytest.raises(OperatorExists):
        office.invite("taro", number="another")


def test_one_staff_number_is_one_person(office: Office) -> None:
    for login in ("taro", "taro2"):
        office.invite(login, number="7")
    office.invite("hanako", number="8")
    people = {one.login: one.person for one in office.operators().list()}
    assert people["taro"] == people["taro2"] != people["hanako"]


def test_roles_that_exclude_each_other_are_not_given(office: Office) -> None:
    with pytest.raises(RolesExclude):
        office.invite("taro", Role.AUDITOR, Role.OPERATIONS)
    office.invite("taro", Role.AUDITOR)
    with pytest.raises(RolesExclude):
        office.operators().change_roles("taro", grant=[Role.SECURITY], revoke=(), now=office.now)
    office.operators().change_roles("taro", grant=[Role.SECURITY], revoke=[Role.AUDITOR], now=office.now)
    assert office.operators().list()[0].roles == {Role.SECURITY}


def test_an_operator_makes_no_administrator_at_once(office: Office) -> None:
    admin = office.actor(office.member("admin", ADMIN))
    with pytest.raises(AdministratorNeedsAppointment):
        office.invite("taro", ADMIN, by=admin)
    office.invite("taro", Role.HELPDESK, by=admin)


def test_nobody_changes_their_own_roles_by_whatever_account(office: Office) -> None:
    admin = office.actor(office.member("admin", ADMIN, number="1"))
    office.member("admin2", ADMIN, number="2")
    office.invite("other", number="1")
    for login in ("admin", "other"):
        with pytest.raises(OwnRoles):
            office.operators(admin).change_roles(login, grant=[Role.OPERATIONS], revoke=(), now=office.now)


ACTS: dict[str, Callable[[Office, Actor], object]] = {
    "create": lambda office, actor: office.invite("new", by=actor),
    "create with a role": lambda office, actor: office.invite("new", Role.HELPDESK, by=actor),
    "reset": lambda office, actor: office.operators(actor).reset("taro", now=office.now),
    "unlock": lambda office, actor: office.operators(actor).unlock("taro"),
    "roles": lambda office, actor: office.operators(actor).change_roles(
        "taro", grant=[Role.MONITORING], revoke=(), now=office.now
    ),
    "disable": lambda office, actor: office.operators(actor).disable("taro", now=office.now),
    "list": lambda office, actor: office.operators(actor).list(),
    "sessions": lambda office, actor: office.operators(actor).sessions("taro", now=office.now),
    "revoke": lambda office, actor: office.operators(actor).revoke_sessions("taro", now=office.now),
}
MAY = {
    Role.ADMINISTRATOR: set(ACTS),
    Role.SECURITY: {"unlock", "disable", "list", "sessions", "revoke"},
    Role.AUDITOR: {"list", "sessions"},
    Role.MONITORING: set(),
    Role.OPERATIONS: set(),
    Role.HELPDESK: set(),
}


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_this_to_operators_and_nothing_else(office: Office, role: Role) -> None:
    office.member("taro", Role.HELPDESK)
    actor = office.actor(office.member("someone", role))
    allowed = set()
    for name, act in ACTS.items():
        try:
            act(office, actor)
            allowed.add(name)
        except PermissionLacking:
            continue
        except OperatorExists:
            allowed.add(name)
    assert allowed == MAY[role]


def test_an_unknown_operator_is_named(office: Office) -> None:
    for login in ("nobody", "No Such", "\x00"):
        with pytest.raises(OperatorUnknown):
            office.operators().reset(login, now=office.now)


# -- losing and ending ----------------------------------------------------------------------------


def test_a_reset_replaces_password_and_codes_only_when_it_is_used(office: Office) -> None:
    taro = office.member("taro")
    session = office.let_in(taro)
    token = office.operators().reset("taro", now=office.now).token
    office.later(seconds=30)
    assert office.let_in(taro).account == taro.account
    made = office.enrol(token, "some other words to say")
    office.later(seconds=60)
    with pytest.raises(LoginRefused):
        office.let_in(taro)
    with pytest.raises(SessionOver):
        office.holder(session.token)
    assert office.try_in("taro", "some other words to say", code_of(made.secret, office)).account == taro.account


def test_a_disabled_operator_is_out_at_once_and_comes_back_by_a_reset(office: Office) -> None:
    taro = office.member("taro", Role.HELPDESK)
    session = office.let_in(taro)
    open_token = office.operators().reset("taro", now=office.now).token
    office.operators().disable("taro", now=office.now)
    with pytest.raises(SessionOver):
        office.sessions.resume(session.token, now=office.now)
    with pytest.raises(InvitationOver):
        office.enrol(open_token)
    with pytest.raises(AccountStateUnfit):
        office.operators().disable("taro", now=office.now)
    office.enrol(office.operators().reset("taro", now=office.now).token)
    assert office.states() == {"taro": "active"}


def test_the_history_of_an_account_is_kept(office: Office) -> None:
    taro = office.member("taro")
    office.operators().change_roles("taro", grant=[Role.HELPDESK], revoke=(), now=office.now)
    office.operators().disable("taro", now=office.now)
    with office.safe.database.superuser() as superuser:
        rows = superuser.execute("select event, state from platform.account_event order by id").fetchall()
    assert rows == [
        ("invite", "invited"),
        ("enrol", "active"),
        ("roles", "active"),
        ("disable", "disabled"),
    ]
    assert taro.login == "taro"


# -- administrators -------------------------------------------------------------------------------


def test_the_last_two_administrators_stay(office: Office) -> None:
    for number in "abc":
        office.member(f"admin-{number}", ADMIN)
    office.invite("admin-invited", ADMIN)
    operators = office.operators()
    operators.disable("admin-a", now=office.now)
    acts: list[Callable[[], object]] = [
        lambda: operators.disable("admin-b", now=office.now),
        lambda: operators.change_roles("admin-b", grant=(), revoke=[ADMIN], now=office.now),
    ]
    for act in acts:
        with pytest.raises(TooFewAdministrators):
            act()
    assert office.states()["admin-b"] == "active"
    operators.disable("admin-invited", now=office.now)


def test_the_only_administrator_stays(office: Office) -> None:
    office.member("admin", ADMIN)
    with pytest.raises(TooFewAdministrators):
        office.operators().disable("admin", now=office.now)


def test_a_person_with_two_accounts_is_one_administrator(office: Office) -> None:
    office.member("one", ADMIN, number="1")
    office.member("one-too", ADMIN, number="1")
    office.member("two", ADMIN, number="2")
    with pytest.raises(TooFewAdministrators):
        office.operators().disable("two", now=office.now)
    office.operators().disable("one-too", now=office.now)


@pytest.mark.parametrize("how", ["demote", "disable", "one of each"])
def test_two_administrators_who_remove_each_other_at_once_do_not_both_succeed(office: Office, how: str) -> None:
    first = office.member("first", ADMIN)
    second = office.member("second", ADMIN)
    actors = {"second": office.actor(first), "first": office.actor(second)}

    def removing(login: str, *, demote: bool) -> Callable[[], object]:
        operators = office.operators(actors[login])
        if demote:
            return lambda: operators.change_roles(login, grant=(), revoke=[ADMIN], now=office.now)
        return lambda: operators.disable(login, now=office.now)

    outcomes = at_once([removing("first", demote=how != "disable"), removing("second", demote=how == "demote")])
    assert [type(one) for one in outcomes] == [TooFewAdministrators] * 2


def test_two_of_three_administrators_who_demote_each_other_at_once_leave_two(office: Office) -> None:
    """One is held just before its commit: the other waits for it, and then finds that too few would be left."""
    for login in ("first", "second", "third"):
        office.member(login, ADMIN)
    ids = {one.login: one.id for one in office.operators().list()}
    outcomes: list[object] = []

    def demote_second() -> None:
        try:
            outcomes.append(office.operators().change_roles("second", grant=(), revoke=[ADMIN], now=office.now))
        except TooFewAdministrators as error:
            outcomes.append(error)

    other = threading.Thread(target=demote_second)
    with office.engine.begin() as connection:
        assert set(store.lock_administrators(connection)) == set(ids.values())
        store.change_roles(connection, ids["first"], grant=(), revoke=[ADMIN])
        other.start()
        wait_until_somebody_waits(office)
    other.join()
    assert [type(one) for one in outcomes] == [TooFewAdministrators]
    assert {one.login for one in office.operators().list() if ADMIN in one.roles} == {"second", "third"}


def wait_until_somebody_waits(office: Office) -> None:
    with office.safe.database.superuser() as superuser:
        for _ in range(500):
            waiting = superuser.execute(
                "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            ).fetchone()
            if waiting and waiting[0]:
                return
            superuser.execute("select pg_sleep(0.02)")
    raise AssertionError("nobody waits")


def test_of_three_administrators_one_is_removed_when_all_are_at_once(office: Office) -> None:
    def demoting(login: str) -> Callable[[], object]:
        return lambda: office.operators().change_roles(login, grant=(), revoke=[ADMIN], now=office.now)

    logins = ["a1", "a2", "a3"]
    for login in logins:
        office.member(login, ADMIN)
    outcomes = at_once([demoting(login) for login in logins])
    assert sorted(type(one).__name__ for one in outcomes) == ["NoneType"] + ["TooFewAdministrators"] * 2
    assert sum(ADMIN in one.roles for one in office.operators().list()) == 2


def at_once(acts: list[Callable[[], object]]) -> list[object]:
    """Run *acts* together, and return what each returned or raised."""
    outcomes: list[object] = [None] * len(acts)
    barrier = threading.Barrier(len(acts))

    def run(number: int, act: Callable[[], object]) -> None:
        barrier.wait()
        try:
            outcomes[number] = act()
        except ChukanError as error:
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
