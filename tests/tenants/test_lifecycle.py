"""Suspending, resuming and closing: the server itself bars the log-in."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from chukan.platform.database.engines import driver
from chukan.platform.database.errors import TenantBarred
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.settings import EmbeddedSettings, Settings, VaultSettings
from chukan.platform.settings.load import LoadedSettings
from chukan.platform.vault.credentials import VaultCredentials
from chukan.platform.vault.service import Vault
from chukan.tenants.provisioning.cli import commands
from chukan.tenants.provisioning.desk import provisioner
from chukan.tenants.provisioning.errors import NotProvisioned
from chukan.tenants.provisioning.fleet import provision
from chukan.tenants.provisioning.lifecycle import act
from chukan.tenants.provisioning.service import Provisioner, ProvisioningAction
from chukan.tenants.registry.errors import TransitionRefused
from chukan.tenants.releases.rendering import head, render
from support.database import Database
from support.vault import Safe

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
SCRIPT = render(None, head())
CODE, OTHER = "131016", "271004"


@pytest.fixture
def settings(database: Database, safe: Safe) -> Settings:
    with database.superuser() as superuser:
        for code in (CODE, OTHER):
            superuser.execute(
                "insert into platform.organisation (code, kind, prefecture, name, kana, search_key, state_since) "
                "values (%s, 'special_ward', %s, '区', '', '', now())",
                (code, code[:2]),
            )
    url = f"postgresql:///{database.settings.name}?host={database.cluster.sockets}"
    own = database.settings.model_copy(update={"url": url, "embedded": EmbeddedSettings()})
    settings = Settings(database=own, vault=VaultSettings(key_file=safe.key_file))
    with provisioner(settings, actor="system:test") as desk:
        provision(desk, [CODE], SCRIPT, now=NOW, actor="system:test")
    return settings


def _tenant(desk: Provisioner) -> TenantId:
    tenant = desk.organisation(CODE, NOW.date()).tenant
    assert tenant is not None
    return tenant


def _enter(database: Database, safe: Safe, tenant: TenantId) -> int:
    worker = database.engine(ProcessKind.WORKER)
    credentials = VaultCredentials(worker, Vault(worker, safe.provider, cache_seconds=300), cache_seconds=300)
    sessions = TenantSessions(database.settings, worker, credentials)
    try:
        with sessions.connection(tenant) as connection:
            return int(connection.execute(text("select 1")).scalar_one())
    finally:
        sessions.close()


def test_a_suspended_tenant_is_barred_and_a_resumed_one_let_in(
    database: Database, safe: Safe, settings: Settings
) -> None:
    with provisioner(settings, actor="system:test") as desk:
        tenant = _tenant(desk)
        assert _enter(database, safe, tenant) == 1
        act(desk, ProvisioningAction.SUSPEND, CODE, now=NOW, reason="request 12")
        with pytest.raises(TenantBarred):
            _enter(database, safe, tenant)
        act(desk, ProvisioningAction.RESUME, CODE, now=NOW, reason="request 13")
        assert _enter(database, safe, tenant) == 1
    assert safe.actions()[-2:] == ["tenants:tenant:suspend", "tenants:tenant:resume"]


def test_a_closed_tenant_is_barred_for_good(database: Database, safe: Safe, settings: Settings) -> None:
    with provisioner(settings, actor="system:test") as desk:
        tenant = _tenant(desk)
        act(desk, ProvisioningAction.CLOSE, CODE, now=NOW, reason="merger")
        with pytest.raises(TenantBarred):
            _enter(database, safe, tenant)
        with pytest.raises(TransitionRefused):
            act(desk, ProvisioningAction.RESUME, CODE, now=NOW, reason="again")
        with desk.engine.connect() as connection:
            row = driver(connection).execute("select state from platform.tenant where id = %s", (tenant,)).fetchone()
    assert row == ("closing",)


def test_a_refused_act_changes_nothing_and_is_recorded(database: Database, safe: Safe, settings: Settings) -> None:
    with provisioner(settings, actor="system:test") as desk:
        with pytest.raises(TransitionRefused):
            act(desk, ProvisioningAction.RESUME, CODE, now=NOW, reason="it is not suspended")
        assert _enter(database, safe, _tenant(desk)) == 1
    with database.superuser() as superuser:
        row = superuser.execute(
            "select body::jsonb ->> 'outcome' from platform.audit_entry order by recorded_at desc limit 1"
        ).fetchone()
    assert row == ("refused",)


def test_an_organisation_without_a_tenant_is_told_so(settings: Settings) -> None:
    with provisioner(settings, actor="system:test") as desk, pytest.raises(NotProvisioned):
        act(desk, ProvisioningAction.SUSPEND, OTHER, now=NOW, reason="x")


def test_the_commands_do_the_same(database: Database, safe: Safe, settings: Settings) -> None:
    group = commands(lambda: SCRIPT)
    for name in ("suspend", "resume", "close"):
        result = CliRunner().invoke(group, [name, CODE, "--reason", "x", "--json"], obj=LoadedSettings(settings))
        assert json.loads(result.stdout) == {"organisation": CODE, "done": name}
    with provisioner(settings, actor="system:test") as desk, pytest.raises(TenantBarred):
        _enter(database, safe, _tenant(desk))


def test_a_code_is_provisioned_by_the_command(database: Database, settings: Settings) -> None:
    result = CliRunner().invoke(commands(lambda: SCRIPT), ["provision", OTHER, "--json"], obj=LoadedSettings(settings))
    assert json.loads(result.stdout) == {"provisioned": 1, "already": 0}
    result = CliRunner().invoke(
        commands(lambda: SCRIPT), ["provision", "--all", "--json"], obj=LoadedSettings(settings)
    )
    assert json.loads(result.stdout) == {"provisioned": 0, "already": 0}
    with database.superuser() as superuser:
        assert superuser.execute("select count(*) from platform.tenant").fetchone() == (2,)
