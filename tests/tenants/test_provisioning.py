"""Making tenants and renewing their credentials, on the command line's own path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from psycopg import sql
from sqlalchemy import text

from chukan.platform.database.check import check_database
from chukan.platform.database.errors import CredentialMissing, TenantUnknown
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.database.tenants import TenantTable
from chukan.platform.identifiers import TenantId
from chukan.platform.settings import Settings, VaultSettings
from chukan.platform.vault.credentials import VaultCredentials
from chukan.platform.vault.service import Vault
from chukan.tenants.provisioning.desk import provisioner
from chukan.tenants.provisioning.service import Provisioner
from chukan.tenants.releases.rendering import head, render
from support.database import SECRETS, Database
from support.vault import Safe

SCRIPT = render(None, head())


@pytest.fixture
def settings(safe: Safe) -> Settings:
    return Settings(database=safe.database.settings, vault=VaultSettings(key_file=safe.key_file))


@contextmanager
def _desk(settings: Settings) -> Iterator[Provisioner]:
    with provisioner(settings, actor="system:test") as desk:
        yield desk


def _sessions(database: Database, safe: Safe) -> TenantSessions:
    worker = database.engine(ProcessKind.WORKER)
    vault = Vault(worker, safe.provider, cache_seconds=300)
    sessions = TenantSessions(database.settings, worker, VaultCredentials(worker, vault, cache_seconds=300))
    database.at_close(sessions.close)
    return sessions


def _one(sessions: TenantSessions, tenant: TenantId) -> int:
    with sessions.connection(tenant) as connection:
        return int(connection.execute(text("select count(*) from secret_fact")).scalar_one())


def test_a_provisioned_tenant_is_reached_with_its_sealed_credential(
    database: Database, safe: Safe, settings: Settings
) -> None:
    with _desk(settings) as desk:
        tenant = desk.provision(SCRIPT, tables=[SECRETS]).tenant
    assert _one(_sessions(database, safe), tenant) == 0
    assert safe.actions()[-1] == "tenants:tenant:provision"
    assert [finding.name for finding in check_database(database.settings) if not finding.holds] == []


def test_a_provisioning_that_fails_leaves_nothing_of_itself(database: Database, settings: Settings) -> None:
    broken = TenantTable("broken", sql.SQL("create table {table} (id no_such_type)"))
    with database.superuser() as superuser:
        roles = superuser.execute("select count(*) from pg_roles").fetchone()
        with _desk(settings) as desk, pytest.raises(Exception, match="no_such_type"):
            desk.provision(SCRIPT, tables=[SECRETS, broken])
        assert superuser.execute("select count(*) from pg_roles").fetchone() == roles
        assert superuser.execute("select count(*) from platform.tenant").fetchone() == (0,)
        assert superuser.execute("select count(*) from pg_namespace where nspname ~ '^org_'").fetchone() == (0,)
        assert superuser.execute("select count(*) from platform.data_key").fetchone() == (0,)


def test_a_failed_provisioning_is_recorded(database: Database, safe: Safe, settings: Settings) -> None:
    broken = TenantTable("broken", sql.SQL("create table {table} (id no_such_type)"))
    with _desk(settings) as desk, pytest.raises(Exception, match="no_such_type"):
        desk.provision(SCRIPT, tables=[broken])
    with database.superuser() as superuser:
        row = superuser.execute("select body::jsonb ->> 'outcome' from platform.audit_entry").fetchone()
    assert row == ("failed",)
    assert safe.actions() == ["tenants:tenant:provision"]


def test_a_rotated_credential_lets_new_sessions_in_and_leaves_open_ones_alone(
    database: Database, safe: Safe, settings: Settings
) -> None:
    with _desk(settings) as desk:
        tenant = desk.provision(SCRIPT, tables=[SECRETS]).tenant
        running, fresh = _sessions(database, safe), _sessions(database, safe)
        with running.connection(tenant) as connection:
            desk.rotate_credential(tenant)
            assert connection.execute(text("select 1")).scalar_one() == 1
    assert _one(fresh, tenant) == 0
    running.close()
    assert safe.actions()[-1] == "tenants:credential:rotate"


def test_a_process_that_cached_the_old_password_finds_the_new_one(
    database: Database, safe: Safe, settings: Settings
) -> None:
    with _desk(settings) as desk:
        tenant = desk.provision(SCRIPT, tables=[SECRETS]).tenant
        sessions = _sessions(database, safe)
        _one(sessions, tenant)
        desk.rotate_credential(tenant)
        with database.superuser() as superuser:
            superuser.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename ~ '^org_'")
        with pytest.raises(Exception, match="terminat"):
            _one(sessions, tenant)
    assert _one(sessions, tenant) == 0


def test_the_old_password_opens_nothing_any_more(database: Database, safe: Safe, settings: Settings) -> None:
    with _desk(settings) as desk:
        tenant = desk.provision(SCRIPT, tables=[SECRETS]).tenant
        worker = database.engine(ProcessKind.WORKER)
        old = VaultCredentials(worker, Vault(worker, safe.provider, cache_seconds=300), cache_seconds=300)
        password = old.password(tenant)
        desk.rotate_credential(tenant)
        old.forget(tenant)
        assert old.password(tenant) != password


def test_an_unknown_tenant_is_refused_and_the_refusal_recorded(database: Database, settings: Settings) -> None:
    with _desk(settings) as desk, pytest.raises(TenantUnknown):
        desk.rotate_credential(TenantId(uuid4()))
    with database.superuser() as superuser:
        row = superuser.execute("select body::jsonb ->> 'outcome' from platform.audit_entry").fetchone()
    assert row == ("refused",)


@pytest.mark.parametrize("kind", [ProcessKind.CONSOLE, ProcessKind.SUPPORT_SITE, ProcessKind.SCHEDULER])
def test_a_process_that_serves_no_tenant_gets_no_credential(
    database: Database, safe: Safe, settings: Settings, kind: ProcessKind
) -> None:
    with _desk(settings) as desk:
        tenant = desk.provision(SCRIPT, tables=[SECRETS]).tenant
    engine = database.engine(kind)
    credentials = VaultCredentials(engine, Vault(engine, safe.provider, cache_seconds=300), cache_seconds=300)
    sessions = TenantSessions(database.settings, engine, credentials)
    with pytest.raises(CredentialMissing), sessions.connection(tenant):
        pass


def test_the_secrets_of_a_machine_without_the_provisioner_do_not_provision(settings: Settings, tmp_path: Path) -> None:
    elsewhere = settings.model_copy(
        update={"database": settings.database.model_copy(update={"secrets_directory": tmp_path})}
    )
    with pytest.raises(Exception, match="provisioner"), _desk(elsewhere):
        pass
