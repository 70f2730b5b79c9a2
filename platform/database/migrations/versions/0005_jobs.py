"""Jobs: their runs, the leader's lease, and the queue in procrastinate's own schema (decision 21)."""

from __future__ import annotations

from pathlib import Path

from alembic import op
from psycopg import Connection
from psycopg.pq import ExecStatus
from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_QUEUE = Path(__file__).with_name("0005_procrastinate.sql")


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    _queue()
    _runs()
    _leader()
    _queueing()
    _leading()
    _firing()
    _keeping()


def _queue() -> None:
    """Make procrastinate's schema from its own text, without its wake-ups.

    Its triggers would call ``pg_notify``, which is revoked, with a payload that any tenant can listen to; and one
    payload that a tenant sends ends a worker's listening for good. Workers ask for work instead.
    """
    run(SQL("create schema procrastinate"))
    run(SQL("set local search_path = procrastinate, pg_temp"))
    below = op.get_bind().connection.driver_connection
    if not isinstance(below, Connection):
        raise TypeError(type(below))
    done = below.pgconn.exec_(_QUEUE.read_bytes())
    if done.status not in {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}:
        raise RuntimeError(done.error_message.decode())
    run(SQL("drop trigger procrastinate_jobs_notify_queue_job_inserted_v1 on procrastinate_jobs"))
    run(SQL("drop trigger procrastinate_jobs_notify_queue_job_aborted_v1 on procrastinate_jobs"))
    run(SQL("drop function procrastinate_notify_queue_job_inserted_v1(), procrastinate_notify_queue_abort_job_v1()"))
    run(SQL("reset search_path"))
    run(SQL("grant usage on schema procrastinate to {worker}"))
    # A worker takes, ends and forgets entries; entries are made by queue_job_run alone.
    run(SQL("grant select, update, delete on procrastinate.procrastinate_jobs to {worker}"))
    run(SQL("grant select, insert, update, delete on procrastinate.procrastinate_workers to {worker}"))
    run(SQL("grant insert on procrastinate.procrastinate_events to {worker}"))
    run(SQL("grant usage on sequence procrastinate.procrastinate_events_id_seq to {worker}"))
    run(SQL("grant select, update on procrastinate.procrastinate_periodic_defers to {worker}"))
    run(
        SQL(
            """
            grant execute on function
                procrastinate.procrastinate_fetch_job_v2(character varying[], bigint),
                procrastinate.procrastinate_finish_job_v1(
                    bigint, procrastinate.procrastinate_job_status, boolean
                ),
                procrastinate.procrastinate_register_worker_v1(),
                procrastinate.procrastinate_unregister_worker_v1(bigint),
                procrastinate.procrastinate_update_heartbeat_v1(bigint),
                procrastinate.procrastinate_prune_stalled_workers_v1(double precision)
            to {worker}
            """
        )
    )


def _runs() -> None:
    run(
        SQL(
            """
            create table platform.job (
                name text constraint job_pk primary key
                    constraint job_name_form check (name ~ '^[a-z][a-z0-9]*(-[a-z0-9]+)*$'),
                first_seen_at timestamptz not null default clock_timestamp()
            )
            """
        )
    )
    run(
        SQL(
            """
            create table platform.job_run (
                id uuid constraint job_run_pk primary key default uuidv7(),
                job text not null constraint job_run_job_fk references platform.job (name),
                scheduled_for timestamptz not null,
                requested_by text,
                state text not null default 'queued' constraint job_run_state_known
                    check (state in ('queued', 'running', 'succeeded', 'failed', 'lost')),
                attempt integer not null default 1,
                max_attempts integer not null,
                queue_entry bigint,
                worker text,
                request text,
                created_at timestamptz not null default clock_timestamp(),
                started_at timestamptz,
                finished_at timestamptz,
                duration_ms bigint constraint job_run_duration_positive check (duration_ms >= 0),
                error text,
                reference text,
                constraint job_run_once unique (job, scheduled_for),
                constraint job_run_attempts check (attempt between 1 and max_attempts),
                constraint job_run_end check ((state in ('succeeded', 'failed', 'lost')) = (finished_at is not null))
            )
            """
        )
    )
    run(SQL("create index job_run_open on platform.job_run (job) where state in ('queued', 'running')"))
    run(
        SQL(
            """
            create table platform.job_run_event (
                id uuid constraint job_run_event_pk primary key default uuidv7(),
                run uuid not null constraint job_run_event_run_fk references platform.job_run (id) on delete cascade,
                at timestamptz not null default clock_timestamp(),
                before text,
                state text not null,
                attempt integer not null,
                worker text,
                reason text
            )
            """
        )
    )
    run(SQL("create index job_run_event_run on platform.job_run_event (run)"))
    run(
        SQL(
            "grant select on platform.job, platform.job_run, platform.job_run_event to "
            "{console}, {worker}, {scheduler}, {poller}"
        )
    )
    run(
        SQL(
            "grant update (state, attempt, worker, request, started_at, finished_at, duration_ms, error, reference) "
            "on platform.job_run to {worker}"
        )
    )
    run(SQL("grant insert on platform.job_run_event to {worker}"))


def _leader() -> None:
    run(
        SQL(
            """
            create table platform.job_leader (
                one boolean default true constraint job_leader_pk primary key constraint job_leader_one check (one),
                epoch bigint not null,
                holder text not null,
                taken_at timestamptz,
                lease_until timestamptz not null
            )
            """
        )
    )
    run(SQL("insert into platform.job_leader values (true, 0, '', null, '-infinity')"))
    run(
        SQL(
            """
            create table platform.job_leader_event (
                epoch bigint constraint job_leader_event_pk primary key,
                holder text not null,
                taken_at timestamptz not null
            )
            """
        )
    )
    run(
        SQL(
            "grant select on platform.job_leader, platform.job_leader_event to "
            "{console}, {worker}, {scheduler}, {poller}"
        )
    )


def _queueing() -> None:
    """Make the only ways into the queue: an entry is made in the transaction of what it is for."""
    run(
        SQL(
            """
            create function platform.queue_job_run(target uuid, due timestamptz) returns void
            language plpgsql set search_path = pg_catalog, procrastinate, pg_temp
            as $$
            declare
                found_run platform.job_run;
                entries bigint[];
            begin
                select * into strict found_run from platform.job_run r where r.id = target for update;
                -- Entries of one job have one lock: its runs do not overlap, and keep their order.
                entries := procrastinate_defer_jobs_v1(array[row(
                    'chukan', 'chukan.run', 0, found_run.job, null,
                    jsonb_build_object('run', found_run.id, 'attempt', found_run.attempt), due
                )::procrastinate_job_to_defer_v1]);
                update platform.job_run r set queue_entry = entries[1] where r.id = target;
            end
            $$
            """
        )
    )
    run(
        SQL(
            """
            create function platform.add_job_run(
                job text, scheduled_for timestamptz, attempts integer, requested_by text
            ) returns uuid
            language plpgsql set search_path = pg_catalog, pg_temp
            as $$
            declare
                made uuid;
            begin
                insert into platform.job_run (job, scheduled_for, max_attempts, requested_by)
                    values (job, scheduled_for, attempts, requested_by)
                    on conflict on constraint job_run_once do nothing
                    returning id into made;
                if made is not null then
                    insert into platform.job_run_event (run, state, attempt, reason)
                        values (made, 'queued', 1, coalesce(requested_by, 'due'));
                    perform platform.queue_job_run(made, null);
                end if;
                return made;
            end
            $$
            """
        )
    )
    run(
        SQL(
            """
            create function platform_api.request_job(job text, attempts integer, requested_by text) returns uuid
            language plpgsql security definer set search_path = pg_catalog, pg_temp
            as $$
            begin
                if requested_by is null then
                    raise null_value_not_allowed using message = 'a request is somebody''s';
                end if;
                insert into platform.job (name) values (job) on conflict do nothing;
                return platform.add_job_run(job, clock_timestamp(), attempts, requested_by);
            end
            $$
            """
        )
    )
    run(
        SQL(
            "grant execute on function platform_api.request_job(text, integer, text) to "
            "{console}, {worker}, {scheduler}"
        )
    )
    run(
        SQL(
            """
            create function platform_api.requeue_job_run(target uuid, due timestamptz) returns void
            language sql security definer set search_path = pg_catalog, pg_temp
            as $$ select platform.queue_job_run(target, due) $$
            """
        )
    )
    run(
        SQL(
            """
            create function platform_api.drop_queue_entry(target uuid) returns void
            language sql security definer set search_path = pg_catalog, procrastinate, pg_temp
            as $$
                delete from procrastinate_jobs q using platform.job_run r
                where r.id = target and q.id = r.queue_entry
            $$
            """
        )
    )
    # An entry is spent when its attempt has ended; one that its worker could not end would keep the job's lock.
    run(
        SQL(
            """
            create function platform_api.drop_spent_entries(silence interval) returns void
            language sql security definer set search_path = pg_catalog, procrastinate, pg_temp
            as $$
                delete from procrastinate_jobs q
                where q.status = 'doing' and not exists (
                    select from platform.job_run r where r.queue_entry = q.id
                        and (r.finished_at is null or r.finished_at > clock_timestamp() - silence)
                )
            $$
            """
        )
    )
    run(
        SQL(
            "grant execute on function platform_api.requeue_job_run(uuid, timestamptz), "
            "platform_api.drop_queue_entry(uuid), platform_api.drop_spent_entries(interval) to {worker}"
        )
    )


def _leading() -> None:
    """Make the lease: it is measured by the database's clock alone, and only the next epoch takes it over."""
    run(
        SQL(
            """
            create function platform_api.take_job_lead(known bigint, holder text, lease interval) returns bigint
            language sql security definer set search_path = pg_catalog, pg_temp
            as $$
                with taken as (
                    update platform.job_leader l
                    set epoch = l.epoch + 1, holder = take_job_lead.holder, taken_at = clock_timestamp(),
                        lease_until = clock_timestamp() + lease
                    where l.epoch = known and l.lease_until <= clock_timestamp()
                    returning l.epoch, l.holder, l.taken_at
                ), noted as (
                    insert into platform.job_leader_event select * from taken
                )
                select epoch from taken
            $$
            """
        )
    )
    run(
        SQL(
            """
            create function platform_api.renew_job_lead(epoch bigint, lease interval) returns boolean
            language sql security definer set search_path = pg_catalog, pg_temp
            as $$
                with renewed as (
                    update platform.job_leader l set lease_until = clock_timestamp() + lease
                    where l.epoch = renew_job_lead.epoch and l.lease_until > clock_timestamp()
                    returning l.epoch
                )
                select exists (select from renewed)
            $$
            """
        )
    )
    run(
        SQL(
            """
            create function platform_api.announce_jobs(epoch bigint, names text[]) returns boolean
            language plpgsql security definer set search_path = pg_catalog, pg_temp
            as $$
            begin
                perform from platform.job_leader l
                    where l.epoch = announce_jobs.epoch and l.lease_until > clock_timestamp() for share;
                if not found then
                    return false;
                end if;
                insert into platform.job (name) select unnest(names) on conflict do nothing;
                return true;
            end
            $$
            """
        )
    )
    run(
        SQL(
            "grant execute on function platform_api.take_job_lead(bigint, text, interval), "
            "platform_api.renew_job_lead(bigint, interval), platform_api.announce_jobs(bigint, text[]) to {scheduler}"
        )
    )


def _firing() -> None:
    """Make the leader's one write. It holds the leader's row, so nobody takes over between check and write."""
    run(
        SQL(
            """
            create function platform_api.fire_job(
                epoch bigint, job text, scheduled_for timestamptz, attempts integer, unless_waiting boolean
            ) returns text
            language plpgsql security definer set search_path = pg_catalog, pg_temp
            as $$
            begin
                perform from platform.job_leader l
                    where l.epoch = fire_job.epoch and l.lease_until > clock_timestamp() for share;
                if not found then
                    return 'fenced';
                end if;
                if unless_waiting and exists (
                    select from platform.job_run r where r.job = fire_job.job and r.state = 'queued'
                ) then
                    return 'waiting';
                end if;
                if platform.add_job_run(job, scheduled_for, attempts, null) is null then
                    return 'already';
                end if;
                return 'fired';
            end
            $$
            """
        )
    )
    run(
        SQL(
            "grant execute on function platform_api.fire_job(bigint, text, timestamptz, integer, boolean) "
            "to {scheduler}"
        )
    )


def _keeping() -> None:
    """Let a worker forget ended runs, each time a bounded number, and never the newest one of a job."""
    run(
        SQL(
            """
            create function platform_api.prune_job_runs(before timestamptz, most integer) returns integer
            language sql security definer set search_path = pg_catalog, pg_temp
            as $$
                with old as (
                    select r.id from platform.job_run r
                    where r.finished_at < before and exists (
                        select from platform.job_run n where n.job = r.job and n.scheduled_for > r.scheduled_for
                    )
                    order by r.finished_at limit most
                ), gone as (
                    delete from platform.job_run r using old where r.id = old.id returning r.id
                )
                select count(*)::integer from gone
            $$
            """
        )
    )
    run(SQL("create index job_run_finished on platform.job_run (finished_at) where finished_at is not null"))
    run(SQL("grant execute on function platform_api.prune_job_runs(timestamptz, integer) to {worker}"))
