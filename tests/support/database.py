"""A real PostgreSQL for the tests: initialised once a worker, a fresh database for every test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import Engine

from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.engines import address, process_engine
from chukan.platform.database.hardening import revoke_connections
from chukan.platform.database.memory_credentials import MemoryCredentials
from chukan.platform.database.roles import ProcessKind, RoleNames
from chukan.platform.database.secrets import new_password, password_verifier, process_password
from chukan.platform.database.setup import initialise
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.database.tenants import Placement, TenantTable, create_table, create_tenant
from chukan.platform.identifiers import new_opaque_name
from chukan.platform.settings import DatabaseSettings, EmbeddedSettings, TenantSessionSettings

TEMPLATE = "chukan_template"
_numbers = count(1)

#: The tenants' table of these tests: one secret a row.
SECRETS = TenantTable(
    "secret_fact",
    sql.SQL("create table {table} (id uuid primary key default uuidv7(), content text not null, sealed bytea)"),
)


@contextmanager
def running_cluster(*, max_connections: int = 400) -> Iterator[tuple[EmbeddedCluster, DatabaseSettings]]:
    """Run an embedded cluster with an initialised template database, in a folder of its own."""
    home = Path(tempfile.mkdtemp(prefix="chukan-test-"))
    home.chmod(0o755)
    settings = DatabaseSettings(
        name=TEMPLATE,
        secrets_directory=home / "secrets",
        embedded=EmbeddedSettings(directory=home / "postgresql", max_connections=max_connections, shared_buffers_mb=64),
    )
    cluster = EmbeddedCluster(settings.embedded)
    try:
        with cluster.running():
            with psycopg.connect(cluster.superuser_conninfo(), autocommit=True) as superuser:
                # The tests kill processes, never the machine: what the operating system holds is safe.
                superuser.execute("alter system set fsync = off")
                superuser.execute("select pg_reload_conf()")
                _hash_cheaply(superuser)
            initialise(cluster.superuser_conninfo(), settings)
            with psycopg.connect(cluster.superuser_conninfo(), autocommit=True) as superuser:
                superuser.execute(sql.SQL("alter database {} allow_connections false").format(sql.Identifier(TEMPLATE)))
            yield cluster, settings
    finally:
        shutil.rmtree(home, ignore_errors=True)


@dataclass
class Database:
    """One test's database, with the doors that a test needs."""

    cluster: EmbeddedCluster
    settings: DatabaseSettings
    credentials: MemoryCredentials = field(default_factory=MemoryCredentials)
    _engines: ExitStack = field(default_factory=ExitStack)

    @property
    def names(self) -> RoleNames:
        return RoleNames(self.settings.role_prefix)

    def superuser(self) -> psycopg.Connection:
        """Connect as the superuser, in autocommit: what an attacker with every right would have."""
        return psycopg.connect(self.cluster.superuser_conninfo(self.settings.name), autocommit=True)

    def login(self, kind: ProcessKind) -> psycopg.Connection:
        """Connect under a process's log-in, in autocommit."""
        return psycopg.connect(
            **address(self.settings),
            user=self.names.process(kind),
            password=process_password(self.settings.secrets_directory, kind),
            autocommit=True,
            prepare_threshold=None,
        )

    def engine(self, kind: ProcessKind) -> Engine:
        """Return the engine of a process; it is disposed of at the end of the test."""
        engine = process_engine(self.settings, kind)
        self._engines.callback(engine.dispose)
        return engine

    def sessions(self, **limits: float) -> TenantSessions:
        """Return tenant sessions of the worker, with the given limits; closed at the end of the test."""
        bounds = self.settings.tenant_sessions.model_copy(update=limits)
        settings = self.settings.model_copy(
            update={"tenant_sessions": TenantSessionSettings.model_validate(bounds.model_dump())}
        )
        sessions = TenantSessions(settings, self.engine(ProcessKind.WORKER), self.credentials)
        self._engines.callback(sessions.close)
        return sessions

    def create_tenant(self, tables: Sequence[TenantTable] = (SECRETS,)) -> Placement:
        """Make a tenant with *tables*; its password is kept in ``credentials``."""
        password = new_password()
        with self.login(ProcessKind.PROVISIONER) as connection, connection.transaction():
            placement = create_tenant(
                connection, self.names, opaque=new_opaque_name(), password=password, cluster=self.settings.cluster
            )
            for table in tables:
                create_table(connection, self.names, placement, table)
        self.credentials.remember(placement.tenant, password)
        return placement

    def at_close(self, call: Callable[[], None]) -> None:
        """Run *call* at the end of the test."""
        self._engines.callback(call)

    def close(self) -> None:
        self._engines.close()


@contextmanager
def fresh_database(cluster: EmbeddedCluster, settings: DatabaseSettings) -> Iterator[Database]:
    """Copy the template, take the connections' privileges away again, and drop it all at the end."""
    name = f"test_{next(_numbers)}"
    names = RoleNames(settings.role_prefix)
    with psycopg.connect(cluster.superuser_conninfo(), autocommit=True) as superuser:
        copy = sql.SQL("create database {} template {} owner {} strategy file_copy")
        superuser.execute(copy.format(sql.Identifier(name), sql.Identifier(TEMPLATE), sql.Identifier(names.owner)))
        revoke_connections(superuser, name, names)
        database = Database(cluster, settings.model_copy(update={"name": name}))
        try:
            yield database
        finally:
            database.close()
            tenants = _tenant_roles(superuser, name, names)
            superuser.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
            for role in tenants:
                superuser.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


def _hash_cheaply(superuser: psycopg.Connection) -> None:
    """Let the superuser log in as fast as the product's own log-ins do: thousands of times, with a random password."""
    verifier = password_verifier(superuser, superuser.info.user, superuser.info.password)
    superuser.execute(sql.SQL("alter role current_user password {}").format(sql.Literal(verifier)))


def _tenant_roles(superuser: psycopg.Connection, database: str, names: RoleNames) -> list[str]:
    """Return the log-ins of the tenants in *database*, asked from outside: to go in costs more than all the rest."""
    rows = superuser.execute(
        "select distinct rolname from pg_shdepend join pg_roles on refobjid = pg_roles.oid"
        " where refclassid = 'pg_authid'::regclass and dbid = (select oid from pg_database where datname = %s)"
        " and starts_with(rolname, %s)",
        (database, names.tenant("")),
    ).fetchall()
    return [row[0] for row in rows]
