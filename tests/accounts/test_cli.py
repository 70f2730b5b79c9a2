"""``chukan operators``, ``login``, ``logout`` and ``approve``, the check and the job, as people meet them."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pyotp
import pytest
from click.testing import CliRunner, Result

from chukan.platform.accounts import desk as desk_module
from chukan.platform.accounts.actor import current_actor, token_file
from chukan.platform.accounts.checks import judge_administrators
from chukan.platform.accounts.component import component
from chukan.platform.accounts.errors import (
    LoginRefused,
    NotSecondPerson,
    PermissionLacking,
    PersonNeeded,
    SessionOver,
    TokenFileUnsafe,
)
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.rules import Role
from chukan.platform.accounts.token_file import TokenFile
from chukan.platform.clock import SystemClock
from chukan.platform.command_line import system_actor
from chukan.platform.component import Health
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import Settings, VaultSettings
from chukan.platform.settings.load import LoadedSettings
from support.accounts import CHEAP, PASSWORD, Office
from support.database import Database
from support.vault import Safe

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)


@pytest.fixture
def office(safe: Safe, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr(desk_module, "shipped_limits", lambda: CHEAP)
    return Office(safe, now=SystemClock().now())


@pytest.fixture
def settings(safe: Safe) -> Settings:
    return Settings(database=safe.database.settings, vault=VaultSettings(key_file=safe.key_file))


Chukan = Callable[..., Result]


@pytest.fixture
def chukan(settings: Settings, english: None) -> Chukan:  # noqa: ARG001 - speaks English meanwhile
    commands = {one.command.name: one.command for one in component(lambda: settings).commands}
    group = click.Group(commands=commands)  # type: ignore[arg-type]

    def run(*args: str, given: str = "") -> Result:
        """Run ``chukan …``; what it raises goes on to the test, as to the program's edge."""
        runner = CliRunner(env={"COLUMNS": "300"})
        return runner.invoke(group, args, obj=LoadedSettings(settings), input=given, catch_exceptions=False)

    return run


def answer(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def make(chukan: Chukan, login: str, *roles: str) -> str:
    """Create and enrol an operator by the commands; return the secret of the codes."""
    chosen = [word for role in roles for word in ("--role", role)]
    made = answer(chukan("operators", "create", login, "--name", login, "--number", login, *chosen, "--json"))
    enrolled = answer(chukan("operators", "enrol", "--json", given=f"{made['invitation']}\n{PASSWORD}\n"))
    assert enrolled["login"] == login
    return str(enrolled["secret"])


def log_in(chukan: Chukan, login: str, secret: str) -> Any:
    code = pyotp.TOTP(secret).at(SystemClock().now())
    return answer(chukan("login", login, "--json", given=f"{PASSWORD}\n{code}\n"))


def test_the_first_operator_is_made_with_the_machine_s_rights_and_logs_in(
    chukan: Chukan, office: Office, settings: Settings
) -> None:
    secret = make(chukan, "root.admin", "administrator")
    session = log_in(chukan, "root.admin", secret)
    actor = current_actor(settings, office.engine)
    assert actor.name == f"operator:{session['operator']}"
    assert session["expires_at"].endswith("+09:00")
    assert office.entries() == [
        (system_actor(), "accounts:operator:create", "done"),
        (actor.name, "accounts:operator:enrol", "done"),
        (actor.name, "accounts:session:log_in", "done"),
    ]
    assert answer(chukan("logout", "--json")) == {"ended": True, "removed": True}
    assert answer(chukan("logout", "--json")) == {"ended": False, "removed": False}
    assert current_actor(settings, office.engine).name == system_actor()


@pytest.mark.usefixtures("office")
def test_an_operator_is_bound_by_their_roles_until_they_log_out(chukan: Chukan) -> None:
    secret = make(chukan, "helper", "helpdesk")
    log_in(chukan, "helper", secret)
    with pytest.raises(PermissionLacking):
        chukan("operators", "list")
    chukan("logout")
    listed = answer(chukan("operators", "list", "--json"))
    assert [(one["login"], one["state"], one["roles"]) for one in listed] == [("helper", "active", ["helpdesk"])]


def test_a_token_that_is_over_does_not_become_the_machine(chukan: Chukan, office: Office, settings: Settings) -> None:
    secret = make(chukan, "helper", "helpdesk")
    log_in(chukan, "helper", secret)
    office.operators().revoke_sessions("helper", now=SystemClock().now())
    with pytest.raises(SessionOver):
        current_actor(settings, office.engine)
    with pytest.raises(SessionOver):
        chukan("operators", "list")
    assert answer(chukan("logout", "--json")) == {"ended": False, "removed": True}


@pytest.mark.usefixtures("office")
def test_a_wrong_password_leaves_no_token(chukan: Chukan, settings: Settings) -> None:
    make(chukan, "helper", "helpdesk")
    with pytest.raises(LoginRefused):
        chukan("login", "helper", given="wrong\n000000\n")
    assert token_file(settings).read() is None


@pytest.mark.usefixtures("office")
def test_an_operator_is_looked_after_by_commands(chukan: Chukan) -> None:
    make(chukan, "helper", "helpdesk")
    with pytest.raises(LoginRefused):
        chukan("login", "helper", given="wrong\n000000\n")
    assert answer(chukan("operators", "unlock", "helper", "--json"))["failures_forgotten"] == 1
    changed = answer(chukan("operators", "roles", "helper", "--grant", "monitoring", "--revoke", "helpdesk", "--json"))
    assert changed == {"login": "helper", "request": None}
    assert answer(chukan("operators", "disable", "helper", "--json"))["state"] == "disabled"
    assert answer(chukan("operators", "reset", "helper", "--json"))["invitation"]
    listed = answer(chukan("operators", "list", "--json"))
    assert [(one["state"], one["roles"]) for one in listed] == [("invited", ["monitoring"])]


@pytest.mark.usefixtures("office")
def test_sessions_are_listed_and_ended_by_commands(chukan: Chukan) -> None:
    secret = make(chukan, "helper", "helpdesk")
    log_in(chukan, "helper", secret)
    listed = answer(chukan("operators", "sessions", "helper", "--json"))["sessions"]
    assert [(one["kind"], one["address"]) for one in listed] == [("command_line", f"terminal:{system_actor()}")]
    assert "command" not in chukan("operators", "sessions", "helper").stdout
    assert answer(chukan("operators", "sessions", "helper", "--revoke-all", "--json"))["ended"] == 1
    with pytest.raises(SessionOver):
        chukan("operators", "sessions", "helper")


@pytest.mark.usefixtures("office")
def test_another_administrator_takes_two_people_on_the_command_line(chukan: Chukan) -> None:
    first = make(chukan, "first", "administrator")
    second = make(chukan, "second", "administrator")
    make(chukan, "third", "helpdesk")
    log_in(chukan, "first", first)
    request = answer(chukan("operators", "roles", "third", "--grant", "administrator", "--json"))["request"]
    listed = answer(chukan("approve", "list", "--json"))
    assert [(one["id"], one["requested_by"], one["payload"]["login"]) for one in listed] == [
        (request, "first", "third")
    ]
    assert "Make an operator an administrator" in chukan("approve").stdout
    with pytest.raises(NotSecondPerson):
        chukan("approve", request)
    chukan("logout")
    with pytest.raises(PersonNeeded):
        chukan("approve", request)
    log_in(chukan, "second", second)
    assert answer(chukan("approve", request, "--json")) == {"request": request, "state": "done"}
    assert chukan("approve", "list", "--json").stdout.strip() == "[]"
    roles = {one["login"]: one["roles"] for one in answer(chukan("operators", "list", "--json"))}
    assert roles["third"] == ["administrator", "helpdesk"]


@pytest.mark.usefixtures("office")
def test_a_request_is_rejected_on_the_command_line(chukan: Chukan) -> None:
    first, _second = make(chukan, "first", "administrator"), make(chukan, "second", "administrator")
    make(chukan, "third")
    log_in(chukan, "first", first)
    request = answer(chukan("operators", "roles", "third", "--grant", "administrator", "--json"))["request"]
    assert "rejected" in chukan("approve", request, "--reject").stdout


@pytest.mark.usefixtures("office")
def test_people_are_told_in_words_what_machines_are_told_in_json(chukan: Chukan) -> None:
    created = chukan("operators", "create", "helper", "--name", "山田 太郎", "--number", "7").stdout
    token = created.splitlines()[0].rsplit(" ", 1)[1]
    enrolled = chukan("operators", "enrol", given=f"{token}\n{PASSWORD}\n").stdout.splitlines()
    assert enrolled[1].startswith("otpauth://totp/Chukan:helper?secret=")
    secret = enrolled[2].removeprefix("Secret: ")
    code = pyotp.TOTP(secret).at(SystemClock().now())
    assert "Logged in until" in chukan("login", given=f"helper\n{PASSWORD}\n{code}\n").stdout
    assert "Logged out." in chukan("logout").stdout
    assert "Nobody was logged in." in chukan("logout").stdout
    listed = chukan("operators", "list").stdout
    assert [word for word in ("helper", "山田 太郎", "enrolled") if word not in listed] == []
    assert "0 failed log-ins of helper are forgotten." in chukan("operators", "unlock", "helper").stdout
    assert "The roles of helper are changed." in chukan("operators", "roles", "helper", "--grant", "security").stdout
    assert "0 sessions of helper were ended." in chukan("operators", "sessions", "helper", "--revoke-all").stdout
    assert "helper is disabled." in chukan("operators", "disable", "helper").stdout


@pytest.mark.usefixtures("office")
def test_calls_that_make_no_sense_are_misuses(chukan: Chukan) -> None:
    assert chukan("operators", "roles", "helper").exit_code == 2
    assert chukan("operators", "roles", "helper", "--grant", "security", "--revoke", "security").exit_code == 2
    assert chukan("operators", "roles", "helper", "--grant", "root").exit_code == 2
    assert chukan("approve", "everything").exit_code == 2
    assert chukan("approve", "--reject").exit_code == 2
    assert chukan("login", "helper", given="").exit_code == 1


# -- the token's file -----------------------------------------------------------------------------


def test_the_token_is_the_user_s_alone(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "state" / "chukan" / "operator.token")
    file.write("first")
    file.write("second")
    assert file.read() == "second"
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.path.parent.iterdir()] == ["operator.token"]
    assert file.remove()
    assert not file.remove()
    assert file.read() is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610])
def test_a_token_that_others_could_touch_is_not_used(tmp_path: Path, mode: int) -> None:
    file = TokenFile(tmp_path / "token")
    file.write("token")
    file.path.chmod(mode)
    with pytest.raises(TokenFileUnsafe):
        file.read()


def test_a_token_that_is_a_link_or_a_pipe_is_not_used(tmp_path: Path) -> None:
    import os

    real = TokenFile(tmp_path / "real")
    real.write("token")
    (tmp_path / "link").symlink_to(real.path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "pipe"):
        with pytest.raises(TokenFileUnsafe):
            TokenFile(tmp_path / name).read()


@pytest.mark.usefixtures("office")
def test_logging_out_removes_a_token_that_cannot_be_trusted(chukan: Chukan, settings: Settings) -> None:
    file = token_file(settings)
    file.write("whatever")
    file.path.chmod(0o644)
    assert answer(chukan("logout", "--json")) == {"ended": False, "removed": True}


def test_two_installations_have_two_tokens(settings: Settings) -> None:
    other = settings.model_copy(update={"database": settings.database.model_copy(update={"name": "other"})})
    assert token_file(settings).path != token_file(other).path
    assert token_file(settings).path == token_file(settings.model_copy()).path


# -- check and job --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "health"), [(0, Health.AMBER), (1, Health.AMBER), (2, Health.GREEN), (9, Health.GREEN)]
)
def test_two_administrators_are_enough(count: int, health: Health) -> None:
    assert judge_administrators(count).health is health


def test_the_check_counts_people_who_are_active(office: Office, settings: Settings) -> None:
    check = component(lambda: settings).checks[0]
    office.member("one", Role.ADMINISTRATOR, number="1")
    office.member("one-too", Role.ADMINISTRATOR, number="1")
    office.invite("two", Role.ADMINISTRATOR)
    assert check.run(NOW).health is Health.AMBER
    office.member("three", Role.ADMINISTRATOR)
    assert check.run(NOW).health is Health.GREEN


def test_the_job_forgets_what_is_old_and_keeps_what_is_not(office: Office, settings: Settings) -> None:
    taro = office.member("taro", Role.HELPDESK)
    sessions = [office.let_in(taro)]
    office.later(seconds=30)
    sessions.append(office.let_in(taro))
    office.sessions.log_out(sessions[0].token, now=office.now, request="test")
    with pytest.raises(LoginRefused):
        office.try_in("taro", "wrong", "000000")
    job = component(lambda: settings).jobs[0]
    job.run(NOW)
    assert counts(office.safe.database) == (2, 1, 3)
    with office.safe.database.superuser() as superuser:
        superuser.execute("update platform.login_delay set last_at = last_at - interval '25 hours'")
        superuser.execute("update platform.account_token set ended_at = ended_at - interval '91 days'")
        superuser.execute(
            "update platform.account_session set ended_at = ended_at - interval '91 days' where ended_at is not null"
        )
    job.run(NOW)
    job.run(NOW)
    assert counts(office.safe.database) == (1, 0, 0)
    assert office.holder(sessions[1].token).may(Permission.SERVICE_HOURS_READ)


def test_the_database_does_not_forget_too_early(office: Office) -> None:
    with pytest.raises(LoginRefused):
        office.try_in("taro", "wrong", "000000")
    with office.safe.database.login(ProcessKind.WORKER) as worker:
        worker.execute("select * from platform_api.tidy_accounts(interval '0', interval '0')")
    assert counts(office.safe.database)[2] == 3


def counts(database: Database) -> tuple[int, ...]:
    with database.superuser() as superuser:
        row = superuser.execute(
            "select (select count(*) from platform.account_session), (select count(*) from platform.account_token),"
            " (select count(*) from platform.login_delay)"
        ).fetchone()
    assert row is not None
    return tuple(int(each) for each in row)
