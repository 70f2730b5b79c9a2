"""What is done to a tenant's row, log-in and schema. Everything takes a connection and never commits."""

from __future__ import annotations

from uuid import UUID

import psycopg
from psycopg import sql

from chukan.platform.database.roles import RoleNames
from chukan.platform.database.tables import TenantState
from chukan.platform.database.tenants import Placement, as_owner
from chukan.platform.identifiers import TenantId
from chukan.tenants.registry.values import Hosting, State


def lock_tenant(connection: psycopg.Connection, tenant: TenantId) -> Placement:
    """Return where the tenant lives, and keep others from changing it in this transaction.

    Raises:
        LookupError: there is no such tenant.
    """
    query = "select schema, role, cluster, state from platform.tenant where id = %s for update"
    return _placement(tenant, connection.execute(query, (tenant,)).fetchone())


def read_tenant(connection: psycopg.Connection, tenant: TenantId) -> Placement:
    """Return where the tenant lives; raises as ``lock_tenant``."""
    query = "select schema, role, cluster, state from platform.tenant where id = %s"
    return _placement(tenant, connection.execute(query, (tenant,)).fetchone())


def lock_organisation(connection: psycopg.Connection, organisation: UUID) -> tuple[State, Hosting]:
    """Return an organisation's state and hosting, and keep others from changing it in this transaction.

    Raises:
        LookupError: there is no such organisation.
    """
    query = "select state, hosting from platform.organisation where id = %s for update"
    row = connection.execute(query, (organisation,)).fetchone()
    if row is None:
        raise LookupError(organisation)
    return State(row[0]), Hosting(row[1])


def move_tenant(connection: psycopg.Connection, placement: Placement, to: TenantState) -> bool:
    """Move a tenant from the state that *placement* says to *to*; False if it is in another one by now."""
    changed = connection.execute(
        "update platform.tenant set state = %s where id = %s and state = %s",
        (to.value, placement.tenant, placement.state),
    )
    return changed.rowcount == 1


def let_in(connection: psycopg.Connection, role: str, *, allowed: bool) -> None:
    """Let the log-in *role* open sessions, or bar it; sessions that are open stay."""
    right = sql.SQL("login") if allowed else sql.SQL("nologin")
    connection.execute(sql.SQL("alter role {} {}").format(sql.Identifier(role), right))


def remove_credential(connection: psycopg.Connection, tenant: TenantId) -> None:
    """Remove the sealed password of the tenant's log-in."""
    connection.execute("delete from platform.tenant_credential where tenant = %s", (tenant,))


def drop_schema(connection: psycopg.Connection, names: RoleNames, placement: Placement) -> None:
    """Drop the tenant's schema with all that is in it, and that it stands at a revision.

    The release's row goes first: a release takes it before it touches tables, so the two never wait for each other.
    """
    with as_owner(connection, names):
        connection.execute("delete from platform.tenant_release where tenant = %s", (placement.tenant,))
        connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(placement.schema)))


def drop_role(connection: psycopg.Connection, placement: Placement) -> None:
    """Drop the tenant's log-in; nothing of the schema may be left that it could reach."""
    connection.execute(sql.SQL("drop role {}").format(sql.Identifier(placement.role)))


def append_to_chain(connection: psycopg.Connection, names: RoleNames, tenant: TenantId, body: str) -> None:
    """Append an entry to the tenant's own audit chain, whose log-in cannot do it any more."""
    with as_owner(connection, names):
        connection.execute("select platform.append_audit_entry(%s, %s)", (tenant, body))


def _placement(tenant: TenantId, row: tuple[str, str, str, str] | None) -> Placement:
    if row is None:
        raise LookupError(tenant)
    return Placement(tenant, *row)
