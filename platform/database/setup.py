"""Preparing a cluster: roles, database, revokes, migrations. Everything may be repeated.

A superuser is needed once (decision 15); its URL is used and forgotten. Afterwards the provisioner's
log-in, which may become the owner, migrates.
"""

from __future__ import annotations

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy import Connection

from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.engines import database_name, engine_of
from chukan.platform.database.errors import ServerUnsuitable
from chukan.platform.database.hardening import close_other_databases, harden_database, revoke_connections
from chukan.platform.database.roles import ProcessKind, RoleNames
from chukan.platform.database.secrets import ensure_process_password, set_password
from chukan.platform.database.tables import FUNCTION_SCHEMA, SHARED_SCHEMA
from chukan.platform.messages import text
from chukan.platform.settings import DatabaseSettings

#: CVE-2026-6475 was fixed in 18.4; older servers are refused (decision 11).
MINIMUM_VERSION = 180_004
_SHARED_MIGRATIONS = "chukan.platform.database:migrations"


def initialise(superuser_conninfo: str, settings: DatabaseSettings) -> None:
    """Prepare the cluster behind *superuser_conninfo* for the platform, or bring it up to date.

    Raises:
        ServerUnsuitable: it is older than 18.4, has no data checksums, or the database is not UTF-8.
    """
    names = RoleNames(settings.role_prefix)
    with psycopg.connect(superuser_conninfo, autocommit=True, prepare_threshold=None) as superuser:
        require_suitable_server(superuser)
        _ensure_roles(superuser, names, settings)
        _ensure_database(superuser, database_name(settings), names)
        close_other_databases(superuser)
    with psycopg.connect(
        superuser_conninfo, dbname=database_name(settings), autocommit=True, prepare_threshold=None
    ) as superuser:
        _ensure_schemas(superuser, names)
        harden_database(superuser, names)
    migrate(settings)


def initialise_embedded(cluster: EmbeddedCluster, settings: DatabaseSettings) -> None:
    """Prepare the running embedded *cluster*."""
    initialise(cluster.superuser_conninfo(), settings)


def migrate(settings: DatabaseSettings) -> None:
    """Bring the shared schemas to the newest revision, as the owner, through the provisioner's log-in."""
    with engine_of(settings, ProcessKind.PROVISIONER) as engine, engine.connect() as connection:
        run_migrations(connection, RoleNames(settings.role_prefix))


def run_migrations(connection: Connection, names: RoleNames) -> None:
    """Run the shared migrations on *connection*, becoming the owner for their time."""
    configuration = Config()
    configuration.set_main_option("script_location", _SHARED_MIGRATIONS)
    configuration.set_main_option("path_separator", "os")
    configuration.attributes.update(connection=connection, roles=names)
    command.upgrade(configuration, "head")


def require_suitable_server(connection: psycopg.Connection) -> None:
    """Refuse a server that is too old or keeps no data checksums.

    Raises:
        ServerUnsuitable: with the reason.
    """
    version = connection.info.server_version
    if version < MINIMUM_VERSION:
        raise ServerUnsuitable(reason=text("version {major}.{minor}", major=version // 10000, minor=version % 10000))
    if connection.execute("show data_checksums").fetchone() != ("on",):
        raise ServerUnsuitable(reason=text("data checksums are off"))


def _ensure_roles(superuser: psycopg.Connection, names: RoleNames, settings: DatabaseSettings) -> None:
    owner, common = sql.Identifier(names.owner), sql.Identifier(names.tenant_common)
    provisioner = sql.Identifier(names.process(ProcessKind.PROVISIONER))
    with superuser.transaction():
        for role in (names.owner, names.tenant_common):
            _ensure_role(superuser, role, sql.SQL("nologin noinherit"))
        for kind in ProcessKind:
            rights = sql.SQL("login createrole") if kind is ProcessKind.PROVISIONER else sql.SQL("login nocreaterole")
            role = names.process(kind)
            _ensure_role(superuser, role, rights)
            set_password(superuser, role, ensure_process_password(settings.secrets_directory, kind))
        for grant in (
            sql.SQL("grant {owner} to {provisioner} with inherit false, set true, admin false"),
            # ADMIN lets it put tenants into the group; it is no member in effect itself.
            sql.SQL("grant {common} to {provisioner} with inherit false, set false, admin true"),
        ):
            superuser.execute(grant.format(owner=owner, common=common, provisioner=provisioner))


def _ensure_role(superuser: psycopg.Connection, role: str, rights: sql.SQL) -> None:
    known = superuser.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone()
    verb = sql.SQL("alter role {} {}") if known else sql.SQL("create role {} {}")
    superuser.execute(verb.format(sql.Identifier(role), rights))
    superuser.execute(
        sql.SQL("alter role {} nosuperuser nocreatedb noreplication nobypassrls").format(sql.Identifier(role))
    )


def _ensure_database(superuser: psycopg.Connection, database: str, names: RoleNames) -> None:
    found = superuser.execute(
        "select pg_encoding_to_char(encoding), datctype, datlocale from pg_database where datname = %s", (database,)
    ).fetchone()
    owner = sql.Identifier(names.owner)
    if found is None:
        create = sql.SQL(
            "create database {} owner {} template template0 encoding 'UTF8' "
            "locale_provider builtin locale 'C.UTF-8' builtin_locale 'C.UTF-8'"
        )
        superuser.execute(create.format(sql.Identifier(database), owner))
    elif found[0] != "UTF8" or "C.UTF-8" not in found[1:]:
        raise ServerUnsuitable(reason=text("the database {name} is not C.UTF-8", name=database))
    else:
        superuser.execute(sql.SQL("alter database {} owner to {}").format(sql.Identifier(database), owner))
    revoke_connections(superuser, database, names)


def _ensure_schemas(superuser: psycopg.Connection, names: RoleNames) -> None:
    """Make the shared schemas: every process may enter both, a tenant the functions' alone."""
    processes = sql.SQL(", ").join(sql.Identifier(names.process(kind)) for kind in ProcessKind)
    for schema in (SHARED_SCHEMA, FUNCTION_SCHEMA):
        target, owner = sql.Identifier(schema), sql.Identifier(names.owner)
        superuser.execute(sql.SQL("create schema if not exists {} authorization {}").format(target, owner))
        superuser.execute(sql.SQL("grant usage on schema {} to {}").format(target, processes))
    common = sql.Identifier(names.tenant_common)
    superuser.execute(sql.SQL("grant usage on schema {} to {}").format(sql.Identifier(FUNCTION_SCHEMA), common))
