"""What the console sees of the night batch."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    _runs()
    _parts()
    _uploads()
    _marks()


def _runs() -> None:
    """One row a night; whoever works on it raises the epoch, and who had it before finds that out."""
    run(
        SQL(
            """
            create table platform.batch_run (
                night date constraint batch_run_pk primary key,
                state text not null constraint batch_run_state_known check (state in ('running', 'finished')),
                closes_at timestamptz not null,
                epoch int not null default 1,
                worker text not null,
                started_at timestamptz not null default clock_timestamp(),
                heartbeat_at timestamptz not null default clock_timestamp(),
                ended_at timestamptz,
                constraint batch_run_ended_finished check ((ended_at is null) = (state = 'running'))
            )
            """
        )
    )
    run(SQL("grant select on platform.batch_run to {console}, {worker}, {poller}"))
    run(SQL("grant insert, update on platform.batch_run to {worker}"))


def _parts() -> None:
    """What a night did for one organisation: counts alone."""
    run(
        SQL(
            """
            create table platform.batch_part (
                night date not null constraint batch_part_night_fk references platform.batch_run on delete cascade,
                tenant uuid not null constraint batch_part_tenant_fk references platform.tenant on delete cascade,
                state text not null constraint batch_part_state_known
                    check (state in ('waiting', 'running', 'finished', 'carried_over', 'failed')),
                waiting_since timestamptz not null,
                nights_carried int not null default 0,
                turns int not null default 0,
                registered int not null default 0,
                refused int not null default 0,
                remaining int not null default 0,
                records bigint not null default 0,
                current_records int not null default 0,
                current_expected int not null default 0,
                failure text,
                updated_at timestamptz not null default clock_timestamp(),
                constraint batch_part_pk primary key (night, tenant),
                constraint batch_part_failure_stated check ((failure is null) or (state = 'failed'))
            )
            """
        )
    )
    run(SQL("create index batch_part_of_tenant on platform.batch_part (tenant, night)"))
    run(SQL("grant select on platform.batch_part to {console}, {worker}, {poller}"))
    run(SQL("grant insert, update on platform.batch_part to {worker}"))


def _uploads() -> None:
    """What may be known of an upload outside of its tenant's schema: no name of a file, no person, no content."""
    run(
        SQL(
            """
            create table platform.upload_projection (
                upload uuid constraint upload_projection_pk primary key,
                tenant uuid not null
                    constraint upload_projection_tenant_fk references platform.tenant on delete cascade,
                information smallint not null,
                state text not null,
                size bigint not null,
                expected int not null,
                registered int not null,
                deleted int not null,
                faults int not null,
                exempt boolean not null,
                received_at timestamptz not null,
                finished_at timestamptz,
                swept_at timestamptz,
                measured_at timestamptz not null
            )
            """
        )
    )
    run(SQL("create index upload_projection_of on platform.upload_projection (tenant, information, received_at)"))
    run(SQL("create index upload_projection_received on platform.upload_projection (received_at)"))
    run(
        SQL(
            "create index upload_projection_waiting on platform.upload_projection (received_at) "
            "where finished_at is null"
        )
    )
    run(SQL("grant select on platform.upload_projection to {console}, {worker}, {poller}"))
    run(SQL("grant insert, update, delete on platform.upload_projection to {worker}"))


def _marks() -> None:
    """An upload tells by itself that it waits: in the transaction in which it is completed, whoever completes it."""
    run(
        SQL(
            """
            create function platform_api.mark_upload() returns trigger
            language plpgsql set search_path = pg_catalog, pg_temp
            as $$
            begin
                perform platform_api.mark_due(tg_argv[0], null);
                return null;
            end
            $$
            """
        )
    )
    run(SQL("grant execute on function platform_api.mark_upload() to {tenant_common}"))
