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
from chukan.platform.database.secrets import new_password, process_password
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
def running_cluster() -> Iterator[tuple[EmbeddedCluster, DatabaseSettings]]:
    """Run an embedded cluster with an initialised template database, in a folder of its own."""
    home = Path(tempfile.mkdtemp(prefix="chukan-test-"))
    home.chmod(0o755)
    settings = DatabaseSettings(
        name=TEMPLATE,
        secrets_directory=home / "secrets",
        embedded=EmbeddedSettings(directory=home / "postgresql", max_connections=400, shared_buffers_mb=64),
    )
    cluster = EmbeddedCluster(settings.embedded)
    try:
        with cluster.running():
            with psycopg.connect(cluster.superuser_conninfo(), autocommit=True) as superuser:
                # The tests kill processes, never the machine: what the operating system holds is safe.
                superuser.execute("alter system set fsync = off")
                superuser.execute("select pg_reload_conf()")
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
            tenants = _tenant_roles(database)
            superuser.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
            for role in tenants:
                superuser.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


def _tenant_roles(database: Database) -> list[str]:
    with database.superuser() as superuser:
        rows = superuser.execute("select role from platform.tenant where role in (select rolname from pg_roles)")
        return [row[0] for row in rows]
