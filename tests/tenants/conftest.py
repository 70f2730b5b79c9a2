"""The fixtures of the tenants' tests: organisations, their tenants, and the operators who act on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from uuid import UUID

import click
import pytest
from click.testing import CliRunner, Result

from chukan.platform.accounts.actor import Actor, token_file
from chukan.platform.accounts.cli import approve_command
from chukan.platform.accounts.command_actor import command_actor
from chukan.platform.accounts.rules import Role, SessionKind
from chukan.platform.clock import SystemClock
from chukan.platform.command_line import ask_who_acts
from chukan.platform.database.tenants import Placement
from chukan.platform.identifiers import TenantId
from chukan.platform.settings import EmbeddedSettings, Settings, VaultSettings
from chukan.platform.settings.load import LoadedSettings
from chukan.tenants.provisioning.cli import commands
from chukan.tenants.provisioning.desk import provisioner
from chukan.tenants.provisioning.fleet import provision
from chukan.tenants.provisioning.lifecycle import act
from chukan.tenants.provisioning.purge import kinds
from chukan.tenants.provisioning.service import ProvisioningAction
from chukan.tenants.releases.rendering import head, render
from support.accounts import Member, Office
from support.database import Database
from support.vault import Safe, file_safe

SCRIPT = render(None, head())
#: Chiyoda, which leaves; Osaka, which stays; Naha, which has only applied.
LEAVING, STAYING, APPLIED = "131016", "271004", "472018"
NAMES = {LEAVING: "千代田区", STAYING: "大阪市", APPLIED: "那覇市"}


@pytest.fixture
def safe(database: Database, tmp_path: Path) -> Safe:
    return file_safe(database, tmp_path)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody's own log-in of this machine act in the tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@dataclass
class Place:
    """Two organisations with their tenants and one that applied, and operators who may be logged in."""

    safe: Safe
    settings: Settings
    office: Office

    @property
    def database(self) -> Database:
        return self.safe.database

    def tenant(self, code: str = LEAVING) -> TenantId:
        row = self.ask("select tenant from platform.organisation where code = %s", code)
        return TenantId(UUID(str(row[0])))

    def placement(self, code: str = LEAVING) -> Placement:
        tenant = self.tenant(code)
        row = self.ask("select schema, role, cluster, state from platform.tenant where id = %s", tenant)
        return Placement(tenant, *map(str, row))

    def ask(self, query: str, *values: object) -> tuple[object, ...]:
        """Return the one row of *query*, as a superuser sees it."""
        with self.database.superuser() as superuser:
            row = superuser.execute(query.encode(), values).fetchone()
        assert row is not None
        return tuple(row)

    def move(self, action: ProvisioningAction, code: str = LEAVING) -> None:
        with provisioner(self.settings, actor="system:test") as desk:
            act(desk, action, code, now=SystemClock().now(), reason="request 12")

    def log_in(self, member: Member) -> Actor:
        """Log *member* in on the command line of this machine, and return them."""
        token = self.office.let_in(member, kind=SessionKind.COMMAND_LINE).token
        token_file(self.settings).write(token)
        return self.office.holder(token)

    def log_in_as(self, login: str, *roles: Role) -> Actor:
        return self.log_in(self.office.member(login, *roles))

    def log_out(self) -> None:
        token_file(self.settings).remove()

    def chukan(self, *arguments: str, typed: str | None = None) -> Result:
        """Run ``chukan tenants …`` or ``chukan approve …`` as the program does; what it raises goes on."""

        @click.group()
        @click.pass_context
        def root(context: click.Context) -> None:
            ask_who_acts(context, lambda engine: command_actor(self.settings, engine))

        root.add_command(commands(lambda: SCRIPT))
        root.add_command(approve_command(kinds()))
        runner = CliRunner(env={"COLUMNS": "300"})
        return runner.invoke(root, arguments, obj=LoadedSettings(self.settings), input=typed, catch_exceptions=False)

    def entries(self, chain: UUID) -> list[tuple[str, str, str, str]]:
        """Return actor, action, subject and outcome of what a chain holds, oldest first."""
        with self.database.superuser() as superuser:
            rows = superuser.execute(
                "select b ->> 'actor', b ->> 'action', b ->> 'subject', b ->> 'outcome' from platform.audit_entry e"
                " cross join lateral (select e.body::jsonb as b) as body where chain = %s order by seq",
                (chain,),
            ).fetchall()
        return [(str(actor), str(action), str(subject), str(outcome)) for actor, action, subject, outcome in rows]


@pytest.fixture
def place(safe: Safe) -> Place:
    with safe.database.superuser() as superuser:
        for code, name in NAMES.items():
            superuser.execute(
                "insert into platform.organisation (code, kind, prefecture, name, kana, search_key, state_since) "
                "values (%s, 'city', %s, %s, '', '', now())",
                (code, code[:2], name),
            )
    url = f"postgresql:///{safe.database.settings.name}?host={safe.database.cluster.sockets}"
    own = safe.database.settings.model_copy(update={"url": url, "embedded": EmbeddedSettings()})
    settings = Settings(database=own, vault=VaultSettings(key_file=safe.key_file))
    now = SystemClock().now()
    with provisioner(settings, actor="system:test") as desk:
        provision(desk, [LEAVING, STAYING], SCRIPT, now=now, actor="system:test")
        assert desk.organisation(LEAVING, date(2026, 7, 1)).tenant is not None
    return Place(safe, settings, Office(safe, kinds=kinds(), now=now))
