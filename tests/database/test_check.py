"""`chukan database check`: it holds on a prepared cluster, and notices everything that it asserts."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from chukan.platform.database.assertions import ASSERTIONS, PRIVILEGES, ROLES, SERVER
from chukan.platform.database.check import check_database
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.errors import AuthenticationUnsafe
from chukan.platform.database.setup import initialise
from chukan.platform.settings import DatabaseSettings, EmbeddedSettings
from support.database import Database


def _broken(settings: DatabaseSettings) -> dict[str, tuple[str, ...]]:
    return {finding.name: finding.breaking for finding in check_database(settings) if not finding.holds}


def test_everything_holds_on_a_prepared_cluster_with_tenants(database: Database) -> None:
    for _ in range(3):
        database.create_tenant()
    assert _broken(database.settings) == {}


#: What somebody might do by hand or by a careless migration, and the assertion that has to notice.
BREAKAGES = {
    "create extension pg_trgm": "no extension is installed that the platform does not use",
    "alter role {worker} createdb": "no role of ours has a right that it does not need",
    "alter role {tenant} superuser": "no role of ours has a right that it does not need",
    "grant {tenant} to {worker}": "roles are members of nothing but what they should be",
    "grant {tenant_common} to {tenant} with set true": "roles are members of nothing but what they should be",
    "grant pg_read_all_data to {console}": "roles are members of nothing but what they should be",
    "revoke {tenant_common} from {tenant} granted by {provisioner}": (
        "every tenant has its log-in, in the group of tenants, and its schema"
    ),
    "drop schema {schema} cascade": "every tenant has its log-in, in the group of tenants, and its schema",
    "alter role {tenant} set work_mem = '1GB'": "no role has settings stored on it",
    "grant execute on function lo_get(oid) to public": "everybody's rights on dangerous functions are revoked",
    "grant select on pg_class to public": "the catalogue is closed to tenants",
    "grant usage on language plpgsql to public": (
        "everybody's rights on languages, schemas and the database are revoked"
    ),
    "grant temporary on database {database} to public": (
        "everybody's rights on languages, schemas and the database are revoked"
    ),
    "alter table {schema}.secret_fact owner to {worker}": "every object of ours belongs to the owner",
    "grant usage on schema {schema} to {worker}": "only its tenant and the owner enter a tenant's schema",
    "grant select on {schema}.secret_fact to {console}": "only its tenant and the owner reach a tenant's tables",
    "grant truncate on {schema}.secret_fact to {tenant}": "only its tenant and the owner reach a tenant's tables",
    "grant select on platform.tenant to {tenant_common}": "tenants reach no shared table",
    "create function platform_api.careless() returns int language sql security definer return 1": (
        "every definer function fixes its search path, executes no text, and is not everybody's"
    ),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_breakage_is_named(database: Database, breakage: str) -> None:
    tenant = database.create_tenant()
    places = {
        "tenant": tenant.role,
        "schema": tenant.schema,
        "tenant_common": database.names.tenant_common,
        "provisioner": "chukan_provisioner",
        "worker": "chukan_worker",
        "console": "chukan_console",
        "database": database.settings.name,
    }
    with database.superuser() as superuser, _undone(superuser):
        statement = sql.SQL(breakage)
        superuser.execute(statement.format(**{name: sql.Identifier(value) for name, value in places.items()}))
        assert BREAKAGES[breakage] in _broken(database.settings)


@contextmanager
def _undone(superuser: psycopg.Connection) -> Iterator[None]:
    """Take back what a test did to the roles, which all tests of this worker share."""
    try:
        yield
    finally:
        superuser.execute("alter role chukan_worker nocreatedb")
        superuser.execute("revoke pg_read_all_data from chukan_console")
        superuser.execute("drop owned by chukan_worker cascade")
        superuser.execute("grant connect on database {} to chukan_worker".replace("{}", superuser.info.dbname))


def test_another_database_that_tenants_could_enter_is_named(database: Database) -> None:
    with database.superuser() as superuser:
        superuser.execute("create database careless")
        try:
            name = "tenants can connect to no other database of the cluster"
            assert _broken(database.settings)[name] == ("careless",)
        finally:
            superuser.execute("drop database careless")


#: Parameters of the server, each with the assertion that has to notice.
SERVER_BREAKAGES = {
    "password_encryption = 'md5'": "nobody is let in without a real password check",
    "log_statement = 'all'": "the server's log holds no statement and no value",
    "log_error_verbosity = 'default'": "the server's log holds no statement and no value",
    "max_locks_per_transaction = '64'": "the lock table is large enough for all tenants",
    "max_prepared_transactions = '10'": "prepared transactions are off",
}


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="chukan-check-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_server_that_was_set_up_otherwise_is_named(home: Path) -> None:
    settings = DatabaseSettings(
        secrets_directory=home / "secrets", embedded=EmbeddedSettings(directory=home / "pg", shared_buffers_mb=16)
    )
    cluster = EmbeddedCluster(settings.embedded)
    with cluster.running():
        initialise(cluster.superuser_conninfo(), settings)
        assert _broken(settings) == {}
    with (cluster.data / "postgresql.conf").open("a", encoding="utf-8") as configuration:
        configuration.writelines(f"{line}\n" for line in SERVER_BREAKAGES)
    with (cluster.data / "pg_hba.conf").open("a", encoding="utf-8") as rules:
        rules.write("host all all 10.0.0.0/8 trust\n")
    with cluster.running():
        broken = _broken(settings)
    assert set(SERVER_BREAKAGES.values()) <= set(broken)
    assert any("trust" in found for found in broken["nobody is let in without a real password check"])


def test_a_server_that_trusts_is_not_used_at_all(home: Path) -> None:
    embedded = EmbeddedSettings(directory=home / "trusting", shared_buffers_mb=16)
    settings = DatabaseSettings(secrets_directory=home / "trusting-secrets", embedded=embedded)
    cluster = EmbeddedCluster(settings.embedded)
    with cluster.running():
        initialise(cluster.superuser_conninfo(), settings)
        (cluster.data / "pg_hba.conf").write_text("local all all trust\n", encoding="utf-8")
        with psycopg.connect(cluster.superuser_conninfo(), autocommit=True) as superuser:
            superuser.execute("select pg_reload_conf()")
        with pytest.raises(AuthenticationUnsafe):
            _broken(settings)


def test_every_assertion_is_broken_by_some_test() -> None:
    covered = {
        *BREAKAGES.values(),
        *SERVER_BREAKAGES.values(),
        "tenants can connect to no other database of the cluster",
    }
    # These three are fixed when a cluster is made; require_suitable_server refuses such a server at the start.
    fixed = {assertion.name for assertion in SERVER[:3]}
    assert {assertion.name for assertion in ASSERTIONS} == covered | fixed
    assert len(ASSERTIONS) == len(SERVER) + len(ROLES) + len(PRIVILEGES)
