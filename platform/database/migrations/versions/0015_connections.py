"""The organisations' systems that may connect."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    _systems()
    _rates()


def _systems() -> None:
    """A certificate is registered once for ever: what was revoked does not come back under other rights."""
    run(
        SQL(
            """
            create table platform.connected_system (
                id uuid constraint connected_system_pk primary key default uuidv7(),
                fingerprint text not null constraint connected_system_fingerprint_key unique
                    constraint connected_system_fingerprint_form check (fingerprint ~ '^[0-9a-f]{{64}}$'),
                tenant uuid not null
                    constraint connected_system_tenant_fk references platform.tenant on delete cascade,
                department text not null
                    constraint connected_system_department_form check (department ~ '^[0-9A-Za-z]{{1,20}}$'),
                system_id text not null
                    constraint connected_system_system_form check (system_id ~ '^[A-Z][0-9]{{9}}$'),
                allowed text[] not null constraint connected_system_allowed_some check (cardinality(allowed) > 0),
                valid_from timestamptz not null,
                valid_until timestamptz not null,
                registered_at timestamptz not null,
                registered_by text not null,
                revoked_at timestamptz,
                revoked_by text,
                revocation_reason text
                    constraint connected_system_reason_short check (char_length(revocation_reason) between 1 and 500),
                constraint connected_system_valid_span check (valid_from < valid_until),
                constraint connected_system_revoked_whole check (
                    (revoked_at is null) = (revoked_by is null) and (revoked_at is null) = (revocation_reason is null)
                )
            )
            """
        )
    )
    run(SQL("create index connected_system_tenant_ix on platform.connected_system (tenant)"))
    run(SQL("grant select on platform.connected_system to {console}, {gateway}, {worker}, {poller}"))
    run(SQL("grant insert on platform.connected_system to {worker}"))
    run(SQL("grant update (revoked_at, revoked_by, revocation_reason) on platform.connected_system to {worker}"))


def _rates() -> None:
    """Counted in the database, since several gateways serve one organisation; a crash may forget a minute."""
    run(
        SQL(
            """
            create unlogged table platform.request_rate (
                tenant uuid not null constraint request_rate_tenant_fk references platform.tenant on delete cascade,
                kind text not null constraint request_rate_kind_form check (kind ~ '^[a-z][a-z_]{{0,39}}$'),
                begins timestamptz not null,
                used int not null constraint request_rate_used_counted check (used > 0),
                constraint request_rate_pk primary key (tenant, kind)
            )
            """
        )
    )
    run(SQL("grant select, insert, update on platform.request_rate to {gateway}"))
