"""The ground: the tenants' placement, and how a session measures its own memory."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    # Functions are executable by everybody unless this is said.
    run(SQL("alter default privileges for role {owner} revoke execute on functions from public"))
    _tenant()
    _session_memory()


def _tenant() -> None:
    run(
        SQL(
            """
            create table platform.tenant (
                id uuid constraint tenant_pk primary key default uuidv7(),
                schema text not null constraint tenant_schema_key unique
                    constraint tenant_schema_opaque check (schema ~ '^org_[a-z2-7]{{16}}$'),
                role text not null constraint tenant_role_key unique,
                cluster text not null,
                site text not null constraint tenant_site_known check (site in ('east', 'west')),
                state text not null default 'provisioning' constraint tenant_state_known
                    check (state in ('provisioning', 'active', 'suspended', 'closing', 'closed')),
                created_at timestamptz not null default now()
            )
            """
        )
    )
    run(
        SQL(
            "grant select on platform.tenant to "
            "{console}, {support_site}, {gateway}, {worker}, {scheduler}, {poller}, {auditor}, {provisioner}"
        )
    )
    run(SQL("grant insert, update on platform.tenant to {provisioner}"))


def _session_memory() -> None:
    """Let a tenant's session measure its own backend: it runs in that backend, and shows no other."""
    run(
        SQL(
            """
            create function platform_api.session_memory() returns bigint
            language sql security definer set search_path = pg_catalog, pg_temp
            as 'select sum(total_bytes)::bigint from pg_catalog.pg_get_backend_memory_contexts()'
            """
        )
    )
    run(SQL("grant execute on function platform_api.session_memory() to {tenant_common}"))
