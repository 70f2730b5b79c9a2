"""The vault: wrapped data keys, and the tenants' sealed credentials."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    _data_key()
    _tenant_credential()
    # Console, support site, scheduler, poller and auditor get nothing: they never hold a key.
    run(SQL("grant select on platform.data_key, platform.tenant_credential to {gateway}, {worker}"))
    run(SQL("grant insert, update on platform.data_key to {worker}"))
    run(SQL("grant update (sealed) on platform.tenant_credential to {worker}"))
    run(SQL("grant select, insert, update, delete on platform.data_key, platform.tenant_credential to {provisioner}"))


def _data_key() -> None:
    """Make the table of wrapped keys; an owner is a tenant, or the nil UUID for the platform itself."""
    run(
        SQL(
            """
            create table platform.data_key (
                owner uuid not null,
                purpose text not null constraint data_key_purpose_known
                    check (purpose in ('content', 'index')),
                version integer not null constraint data_key_version_positive check (version > 0),
                wrapping_key text,
                wrapped bytea,
                binding bytea,
                state text not null constraint data_key_state_known
                    check (state in ('active', 'retiring', 'retired', 'destroyed')),
                created_at timestamptz not null default now(),
                changed_at timestamptz not null default now(),
                constraint data_key_pk primary key (owner, purpose, version),
                constraint data_key_destroyed_is_empty check (
                    (state = 'destroyed') = (wrapped is null)
                    and (wrapped is null) = (binding is null)
                    and (wrapped is null) = (wrapping_key is null)
                )
            )
            """
        )
    )
    # Two concurrent rotations cannot both leave a key that is written with.
    run(
        SQL(
            """
            create unique index data_key_one_active on platform.data_key (owner, purpose)
                where state = 'active'
            """
        )
    )


def _tenant_credential() -> None:
    run(
        SQL(
            """
            create table platform.tenant_credential (
                tenant uuid not null constraint tenant_credential_pk primary key
                    constraint tenant_credential_tenant_fk references platform.tenant (id),
                version integer not null constraint tenant_credential_version_positive check (version > 0),
                sealed bytea not null,
                created_at timestamptz not null default now()
            )
            """
        )
    )
