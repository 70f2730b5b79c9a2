"""Which revision each tenant's schema is at, and how it came there."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    run(
        SQL(
            """
            create table platform.tenant_release (
                tenant uuid constraint tenant_release_pk primary key
                    constraint tenant_release_tenant_fk references platform.tenant on delete cascade,
                revision text not null,
                applied_at timestamptz not null default clock_timestamp(),
                failed_revision text,
                failure text,
                failed_at timestamptz,
                constraint tenant_release_failure_whole check (
                    (failed_revision is null) = (failure is null) and (failure is null) = (failed_at is null)
                )
            )
            """
        )
    )
    run(
        SQL(
            """
            create table platform.tenant_release_event (
                id uuid constraint tenant_release_event_pk primary key default uuidv7(),
                tenant uuid not null,
                at timestamptz not null default clock_timestamp(),
                from_revision text,
                to_revision text not null,
                failure text
            )
            """
        )
    )
    run(SQL("create index tenant_release_event_tenant_ix on platform.tenant_release_event (tenant, at)"))
    run(
        SQL(
            "grant select on platform.tenant_release, platform.tenant_release_event "
            "to {console}, {worker}, {provisioner}"
        )
    )
    run(SQL("grant insert, update on platform.tenant_release to {provisioner}"))
    run(SQL("grant insert on platform.tenant_release_event to {provisioner}"))
    _move()


def _move() -> None:
    """Compare and set, as a function so that it can stand inside one message with the script."""
    run(
        SQL(
            """
            create function platform.move_release(target uuid, old text, new text) returns void
            language plpgsql set search_path = pg_catalog, pg_temp
            as $$
            begin
                if old is null then
                    insert into platform.tenant_release (tenant, revision) values (target, new) on conflict do nothing;
                else
                    update platform.tenant_release r
                    set revision = new, applied_at = clock_timestamp(),
                        failed_revision = null, failure = null, failed_at = null
                    where r.tenant = target and r.revision = old;
                end if;
                if not found then
                    raise serialization_failure using message = 'the schema has moved already';
                end if;
                insert into platform.tenant_release_event (tenant, from_revision, to_revision)
                    values (target, old, new);
            end
            $$
            """
        )
    )
