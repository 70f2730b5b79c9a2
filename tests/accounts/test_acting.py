"""Who acts, command by command: the machine, an operator who may, one who may not, and a token that is over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from accounts.acts import ROWS, Row
from accounts.acts_middleserver import NIGHTS
from accounts.acts_world import World
from chukan import cli
from chukan.platform.accounts.errors import PermissionLacking, PersonNeeded, SessionOver
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.roles import shipped_roles
from chukan.platform.command_line import needs_of, system_actor
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.settings import DatabaseSettings
from chukan_simulators.mail_server.client import running_mail_server
from support.database import fresh_database
from support.vault import file_safe

# All of it happens on one database, so on one worker.
pytestmark = pytest.mark.usefixtures("english")

#: What asks in another way, or asks nobody: groups and commands that declare no permission, each for its reason.
UNASKED = {
    "approve": "accounts' own: asks itself, for people and not for permissions alone",
    "config": "reads files of the machine's user",
    "connection-test": "the vendors' own: speaks to the gateway as their systems do",
    "database": "has a superuser's rights, or asserts",
    "deadlines": "a calculator, answered without a database",
    "demo": "a system of its own, gone afterwards",
    "limits inquiries": "a calculator, answered without a database",
    "limits upload": "a calculator, answered without a database",
    "login": "accounts' own: how one becomes an operator",
    "logout": "accounts' own",
    "logs": "files of the machine's user",
    "masters windows": "a calculator, answered without a database",
    "operators": "accounts' own: asks itself, act by act",
    "releases list": "what the program itself consists of",
    "scheduler": "a process of the machine",
    "serve": "a process of the machine",
    "service-hours at": "public, and answered without a database",
    "worker": "a process of the machine",
}
#: The auditor's log-in records nothing, so what is refused under it stands in the log alone.
READ_BY_THE_AUDITOR = {"audit verify", "audit list", "audit export"}


@pytest.fixture(scope="module")
def world(
    cluster: tuple[EmbeddedCluster, DatabaseSettings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    home = tmp_path_factory.mktemp("acting")
    with fresh_database(*cluster) as database, running_mail_server() as server:
        world = World(file_safe(database, home), server, home)
        yield world
        world.close()


@pytest.fixture(autouse=True)
def _program(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """Let the program find the world's settings, as it does at the operator's."""
    for name in [name for name in os.environ if name.startswith("CHUKAN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CHUKAN_ENVIRONMENT", "test")
    monkeypatch.setenv("CHUKAN_CONFIG_DIRECTORY", str(world.home / "config"))
    monkeypatch.setattr("chukan.tenants.middleserver.operations.desk.shipped_nights", lambda: NIGHTS)
    monkeypatch.setattr(cli, "root", lambda: ROOT)


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


#: Put together once; each run of a command would do it again, and it is the same each time.
ROOT = cli.root()
ALL = dict(commands(ROOT))
HELD = {**{role.value: held for role, held in shipped_roles().permissions.items()}, "nobody": frozenset[Permission]()}


def words_of(path: str, row: Row, world: World) -> list[str]:
    return [*path.split(), *map(str, row.words(world))]


def needed(path: str) -> frozenset[str]:
    """Return what the command of a row needs; a row that ends with a switch gives it."""
    command, _, switch = path.partition(" --")
    found = needs_of(ALL[command])
    assert found is not None
    return found.all if switch else found.always


def operator_that(path: str, *, may: bool) -> str:
    """Return an operator who may, or may not, run the command of a row; what all roles may, ``nobody`` may not."""
    return next((name for name, held in HELD.items() if (needed(path) <= held) is may))


# -- the declarations -----------------------------------------------------------------------------


def test_every_command_declares_what_it_needs_or_is_known_to_need_nothing() -> None:
    unasked = {path for path, command in ALL.items() if needs_of(command) is None}
    assert [path for path in sorted(unasked) if not {path, path.split()[0]} & UNASKED.keys()] == []
    assert [name for name in UNASKED if not any(f"{path} ".startswith(f"{name} ") for path in unasked)] == []


def test_every_permission_that_a_command_needs_exists() -> None:
    declared = {name: found.all for name, command in ALL.items() if (found := needs_of(command))}
    assert declared
    assert {name: unknown for name, needs in declared.items() if (unknown := needs - set(Permission))} == {}


def test_every_command_that_declares_something_is_in_the_table() -> None:
    tried = {path.partition(" --")[0] for path in ROWS}
    # What makes tenants takes longer; tests/tenants/test_who_acts.py has a table of its own.
    assert {path for path, command in ALL.items() if needs_of(command) and not path.startswith("tenants ")} == tried
    switches = {f"{path} --lift" for path, command in ALL.items() if (found := needs_of(command)) and found.given}
    assert switches == {path for path in ROWS if " --" in path}


# -- the table ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "row"), ROWS.items(), ids=list(ROWS))
def test_what_a_command_does_is_in_the_name_of_who_runs_it(path: str, row: Row, world: World) -> None:
    for name in (operator_that(path, may=True), *(() if row.takes_a_person else (None,))):
        words = words_of(path, row, world)
        world.log_in(name)
        before = world.ends()
        assert cli.run(words) == 0
        recorded = world.since(before)
        assert {actor for actor, _action, _outcome in recorded} <= {world.names[name] if name else system_actor()}
        assert (row.records in {action for _actor, action, _outcome in recorded}) is (row.records is not None)
        assert bool(recorded) is (row.records is not None)


@pytest.mark.parametrize(("path", "row"), ROWS.items(), ids=list(ROWS))
def test_who_may_not_is_refused_and_nothing_is_done(
    path: str, row: Row, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    words = words_of(path, row, world)
    before, trail = world.everything(), world.ends()

    world.log_in("gone")
    assert cli.run(words) == os.EX_NOPERM
    assert SessionOver.message in capsys.readouterr().err
    assert world.since(trail) == []

    name = operator_that(path, may=False)
    world.log_in(name)
    assert cli.run(words) == os.EX_NOPERM
    assert PermissionLacking.message.partition("{")[0] in capsys.readouterr().err
    lacking = needed(path) - HELD[name]
    expected = [] if path in READ_BY_THE_AUDITOR else [(world.names[name], min(lacking), "refused")]
    assert world.since(trail) == expected

    assert world.everything() == before


@pytest.mark.parametrize("path", [path for path, row in ROWS.items() if row.takes_a_person])
def test_what_takes_a_second_person_is_refused_to_the_machine(
    path: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    words = words_of(path, ROWS[path], world)
    world.log_in(None)
    before, trail = world.everything(), world.ends()
    assert cli.run(words) == os.EX_NOPERM
    assert PersonNeeded.message in capsys.readouterr().err
    assert set(world.since(trail)) == {(system_actor(), ROWS[path].records, "refused")}
    assert world.everything() == before


def test_a_refused_command_is_named_in_the_trail(world: World) -> None:
    world.log_in("helpdesk")
    cli.run(["vault", "rotate-wrapping-key"])
    with world.database.superuser() as superuser:
        found = superuser.execute(
            "select body::jsonb ->> 'subject', body::jsonb -> 'detail' ->> 'error' from platform.audit_entry"
            " where body::jsonb ->> 'actor' = %s order by seq desc limit 1",
            (world.names["helpdesk"],),
        ).fetchone()
    assert found == ("command:chukan/vault/rotate-wrapping-key", PermissionLacking.code)


def test_a_token_that_others_can_read_is_not_taken_for_the_machine(world: World, tmp_path: Path) -> None:
    world.log_in("security")
    (token,) = tmp_path.rglob("operator-*.token")
    token.chmod(0o644)
    assert cli.run(["vault", "status"]) == os.EX_CONFIG
