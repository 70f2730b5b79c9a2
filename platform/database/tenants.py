"""Making and unmaking a tenant in the database: its row, log-in, schema and exact privileges.

This is the lowest step of provisioning, one transaction under the provisioner's log-in. Keys,
credentials and the audit trail are added above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from chukan.platform.database.roles import RoleNames, schema_name
from chukan.platform.database.secrets import password_verifier
from chukan.platform.database.tables import Site
from chukan.platform.identifiers import TenantId

#: What a tenant's log-in may do with a table that is not restricted further.
DATA_PRIVILEGES = ("select", "insert", "update", "delete")

_PRIVILEGES = {
    "select": sql.SQL("select"),
    "insert": sql.SQL("insert"),
    "update": sql.SQL("update"),
    "delete": sql.SQL("delete"),
}


@dataclass(frozen=True)
class TenantTable:
    """A table of the tenant schema: its DDL with ``{table}`` as the place of its name, and who may do what."""

    name: str
    ddl: sql.SQL
    privileges: Sequence[str] = DATA_PRIVILEGES


@dataclass(frozen=True)
class Placement:
    """Where a tenant lives and as whom it is reached."""

    tenant: TenantId
    schema: str
    role: str
    cluster: str
    state: str


def create_tenant(
    connection: psycopg.Connection,
    names: RoleNames,
    *,
    opaque: str,
    password: str,
    cluster: str,
    site: Site = Site.EAST,
    connection_limit: int = 32,
    joined: bool = True,
) -> Placement:
    """Make row, log-in and empty schema in the transaction of *connection* (the provisioner's).

    Who has more to do in the same transaction says ``joined=False`` and calls ``join_tenants`` at its end.
    """
    role, schema = names.tenant(opaque), schema_name(opaque)
    verifier = password_verifier(connection, role, password)
    values = (schema, role, cluster, site.value)
    # One message, because every further one costs what a statement costs; the first result is the row's.
    row = connection.execute(
        sql.SQL(
            """
            insert into platform.tenant (schema, role, cluster, site, state)
                values ({values}, 'active') returning id, state;
            create role {role} login noinherit nosuperuser nocreatedb nocreaterole noreplication nobypassrls
                connection limit {limit} password {verifier};
            set role {owner};
            create schema {schema};
            grant usage on schema {schema} to {role};
            reset role
            """
        ).format(
            values=sql.SQL(", ").join(map(sql.Literal, values)),
            role=sql.Identifier(role),
            limit=sql.Literal(connection_limit),
            verifier=sql.Literal(verifier),
            owner=sql.Identifier(names.owner),
            schema=sql.Identifier(schema),
        )
    ).fetchone()
    if row is None:
        raise RuntimeError("an insert with RETURNING gave no row")
    if joined:
        join_tenants(connection, names, role)
    return Placement(tenant=TenantId(row[0]), schema=schema, role=role, cluster=cluster, state=row[1])


def join_tenants(connection: psycopg.Connection, names: RoleNames, role: str) -> None:
    """Make the log-in *role* a member of ``tenant_common``, and of nothing else.

    It inherits that group's powerless privileges and can neither become the group nor hand it on
    (decision 13). The grant locks the group until the transaction ends, and whoever makes a tenant
    meanwhile waits: near the end of a transaction, it costs them nothing.
    """
    connection.execute(
        sql.SQL("grant {} to {} with inherit true, set false, admin false").format(
            sql.Identifier(names.tenant_common), sql.Identifier(role)
        )
    )


def create_table(connection: psycopg.Connection, names: RoleNames, placement: Placement, table: TenantTable) -> None:
    """Make *table* in the tenant's schema and grant its log-in exactly the table's privileges."""
    with as_owner(connection, names):
        connection.execute(table.ddl.format(table=sql.Identifier(placement.schema, table.name)))
        connection.execute(grants(placement, table.name, table.privileges))


def grants(placement: Placement, table: str, privileges: Sequence[str]) -> sql.Composed:
    """Return the grant of *privileges* on one table to the tenant's log-in.

    Tables are named one by one: ``GRANT … ON ALL TABLES IN SCHEMA`` is quadratic in the number of schemas.
    """
    return sql.SQL("grant {} on {} to {}").format(
        sql.SQL(", ").join(_PRIVILEGES[name] for name in privileges),
        sql.Identifier(placement.schema, table),
        sql.Identifier(placement.role),
    )


def drop_tenant(connection: psycopg.Connection, names: RoleNames, placement: Placement) -> None:
    """Remove schema, log-in and row: for scratch tenants; a purge keeps the row, closed."""
    role = sql.Identifier(placement.role)
    with as_owner(connection, names):
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(placement.schema)))
        connection.execute("delete from platform.tenant where id = %s", (placement.tenant,))
    connection.execute(sql.SQL("drop role if exists {}").format(role))


class as_owner:  # noqa: N801 - it reads as a phrase: with as_owner(connection, names)
    """Become the owner of all objects for the time of the block; the transaction goes on."""

    def __init__(self, connection: psycopg.Connection, names: RoleNames) -> None:
        self._connection = connection
        self._owner = sql.Identifier(names.owner)

    def __enter__(self) -> None:
        self._connection.execute(sql.SQL("set role {}").format(self._owner))

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        # After a failure the transaction is aborted, and its rollback undoes the SET as well.
        if failed is None:
            self._connection.execute("reset role")
