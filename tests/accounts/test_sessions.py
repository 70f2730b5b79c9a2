"""Sessions on the server: how long they live, and how they end."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from chukan.platform.accounts.actor import token_holder
from chukan.platform.accounts.errors import PermissionLacking, SessionOver
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.rules import Role, SessionKind
from chukan.platform.database.roles import ProcessKind
from support.accounts import Office

TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("kind", "idle"), [(SessionKind.CONSOLE, timedelta(minutes=15)), (SessionKind.COMMAND_LINE, timedelta(minutes=15))]
)
def test_a_session_that_is_not_used_is_over(office: Office, kind: SessionKind, idle: timedelta) -> None:
    used = office.let_in(office.member("taro"), kind=kind)
    unused = office.let_in(office.member("hanako"), kind=kind)
    assert office.sessions.resume(used.token, now=office.now + idle - TICK).signed
    with pytest.raises(SessionOver):
        office.sessions.resume(unused.token, now=office.now + idle)


def test_use_keeps_a_session_alive_up_to_half_a_day(office: Office) -> None:
    session = office.let_in(office.member("taro"))
    begun = office.now
    while office.now < begun + timedelta(hours=12) - timedelta(minutes=10):
        office.sessions.resume(session.token, now=office.later(minutes=10))
    with pytest.raises(SessionOver):
        office.sessions.resume(session.token, now=begun + timedelta(hours=12))


def test_a_session_of_the_command_line_lasts_fifteen_minutes_whatever_is_done_in_it(office: Office) -> None:
    session = office.let_in(office.member("taro"), kind=SessionKind.COMMAND_LINE)
    begun = office.now
    for _ in range(14):
        office.sessions.resume(session.token, now=office.later(minutes=1))
    assert session.expires_at == begun + timedelta(minutes=15)
    with pytest.raises(SessionOver):
        office.sessions.resume(session.token, now=office.later(minutes=1))


def test_a_new_log_in_has_a_new_token_each_time(office: Office) -> None:
    taro = office.member("taro")
    first = office.let_in(taro)
    office.later(seconds=30)
    second = office.let_in(taro)
    assert first.token != second.token
    assert first.session != second.session


def test_a_renewed_session_has_a_new_token_and_not_more_time(office: Office) -> None:
    session = office.let_in(office.member("taro"))
    office.later(minutes=5)
    renewed = office.sessions.renew(session.token, now=office.now, request="test")
    assert renewed.expires_at == session.expires_at
    with pytest.raises(SessionOver):
        office.sessions.resume(session.token, now=office.now)
    assert office.sessions.resume(renewed.token, now=office.now).signed
    with pytest.raises(SessionOver):
        office.sessions.renew(session.token, now=office.now, request="test")


def test_who_logs_out_is_out(office: Office) -> None:
    session = office.let_in(office.member("taro"))
    assert office.sessions.log_out(session.token, now=office.now, request="test")
    assert not office.sessions.log_out(session.token, now=office.now, request="test")
    with pytest.raises(SessionOver):
        office.sessions.resume(session.token, now=office.now)


@pytest.mark.parametrize("token", ["", "x", "\x00", "\udcff", "a" * 10_000])
def test_what_is_no_token_is_nobody(office: Office, token: str) -> None:
    with pytest.raises(SessionOver):
        office.sessions.resume(token, now=office.now)


def test_a_role_that_is_taken_away_is_gone_with_the_next_use(office: Office) -> None:
    taro = office.member("taro", Role.OPERATIONS, Role.HELPDESK)
    session = office.let_in(taro)
    assert office.sessions.resume(session.token, now=office.now).may(Permission.TENANT_PROVISION)
    with office.safe.database.superuser() as superuser:
        superuser.execute("delete from platform.account_role where role = 'operations'")
        superuser.execute("insert into platform.account_role select id, 'no-such-role' from platform.account")
    actor = office.sessions.resume(session.token, now=office.now)
    assert not actor.may(Permission.TENANT_PROVISION)
    assert actor.may(Permission.SERVICE_HOURS_READ)
    with pytest.raises(PermissionLacking):
        actor.require(Permission.TENANT_PROVISION)


def test_changed_roles_end_the_sessions(office: Office) -> None:
    session = office.let_in(office.member("taro"))
    office.operators().change_roles("taro", grant=[Role.HELPDESK], revoke=(), now=office.now)
    with pytest.raises(SessionOver):
        office.holder(session.token)


def test_sessions_are_listed_and_ended(office: Office) -> None:
    taro, other = office.member("taro"), office.member("other")
    first = office.let_in(taro)
    office.later(seconds=30)
    second = office.let_in(taro, kind=SessionKind.COMMAND_LINE)
    elsewhere = office.let_in(other)
    operators = office.operators()
    listed = operators.sessions("taro", now=office.now)
    assert {one.id for one in listed} == {first.session, second.session}
    assert {one.kind for one in listed} == set(SessionKind)
    for missing in (elsewhere.session, uuid4()):
        assert operators.revoke_sessions("taro", missing, now=office.now) == 0
    assert operators.revoke_sessions("taro", first.session, now=office.now) == 1
    assert [one.id for one in operators.sessions("taro", now=office.now)] == [second.session]
    assert operators.revoke_sessions("taro", now=office.now) == 1
    assert office.holder(elsewhere.token).signed


def test_everybody_sees_and_ends_their_own_sessions(office: Office) -> None:
    taro = office.actor(office.member("taro", Role.HELPDESK))
    assert len(office.operators(taro).sessions("taro", now=office.now)) == 1
    assert office.operators(taro).revoke_sessions("taro", now=office.now) == 1


@pytest.mark.parametrize(
    "kind",
    [
        ProcessKind.CONSOLE,
        ProcessKind.WORKER,
        ProcessKind.SCHEDULER,
        ProcessKind.PROVISIONER,
        ProcessKind.AUDITOR,
    ],
)
def test_commands_under_each_log_in_learn_who_acts(office: Office, kind: ProcessKind) -> None:
    taro = office.member("taro", Role.SECURITY)
    session = office.let_in(taro, kind=SessionKind.COMMAND_LINE)
    actor = token_holder(office.safe.database.engine(kind), session.token, now=office.now)
    assert actor.name == f"operator:{taro.account}"
    assert actor.may(Permission.WRAPPING_KEY_ROTATE)
    with pytest.raises(SessionOver):
        token_holder(office.safe.database.engine(kind), session.token, now=office.later(minutes=15))
