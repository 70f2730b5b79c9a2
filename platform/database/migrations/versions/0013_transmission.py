"""What is due at which tenant, where the exchange is stopped, and how it stands with each organisation."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    _due()
    _mark_due()
    _stops()
    _standings()
    # Whose encryption certificate a message names tells for whom it is.
    run(SQL("grant select on platform.certificate_projection to {gateway}"))


def _due() -> None:
    """Rows are only added and taken away: who adds one waits for nobody, and the relay takes what it has seen."""
    run(
        SQL(
            """
            create table platform.due (
                id uuid constraint due_pk primary key default uuidv7(),
                tenant uuid not null constraint due_tenant_fk references platform.tenant on delete cascade,
                kind text not null constraint due_kind_form check (kind ~ '^[a-z][a-z0-9-]{{0,39}}$'),
                at timestamptz not null
            )
            """
        )
    )
    run(SQL("create index due_next on platform.due (kind, at)"))
    run(SQL("create index due_of_tenant on platform.due (tenant)"))
    run(SQL("grant select, insert, delete on platform.due to {worker}"))
    run(SQL("grant select on platform.due to {console}, {poller}"))


def _mark_due() -> None:
    """Whose work is due, the log-in says (decisions 16 and 17)."""
    run(
        SQL(
            """
            create function platform_api.mark_due(kind text, at timestamptz) returns void
            language plpgsql security definer set search_path = pg_catalog, pg_temp
            as $$
            declare
                own uuid := (select t.id from platform.tenant t where t.role = session_user);
            begin
                if own is null then
                    raise insufficient_privilege using message = 'this log-in is no tenant''s';
                end if;
                insert into platform.due (tenant, kind, at) values (own, kind, coalesce(at, clock_timestamp()));
            end
            $$
            """
        )
    )
    run(SQL("grant execute on function platform_api.mark_due(text, timestamptz) to {tenant_common}"))


def _stops() -> None:
    """A stop without a tenant stops all."""
    run(
        SQL(
            """
            create table platform.exchange_stop (
                id uuid constraint exchange_stop_pk primary key default uuidv7(),
                tenant uuid constraint exchange_stop_tenant_fk references platform.tenant on delete cascade,
                reason text not null
                    constraint exchange_stop_reason_short check (char_length(reason) between 1 and 500),
                stopped_by text not null,
                stopped_at timestamptz not null default clock_timestamp(),
                resumed_by text,
                resumed_at timestamptz,
                constraint exchange_stop_resumed_whole check ((resumed_by is null) = (resumed_at is null))
            )
            """
        )
    )
    run(
        SQL(
            """
            create unique index exchange_stop_in_force on platform.exchange_stop (tenant) nulls not distinct
                where resumed_at is null
            """
        )
    )
    run(SQL("grant select on platform.exchange_stop to {console}, {gateway}, {worker}, {poller}"))
    run(SQL("grant insert on platform.exchange_stop to {worker}"))
    run(SQL("grant update (resumed_by, resumed_at) on platform.exchange_stop to {worker}"))


def _standings() -> None:
    """What may be known outside of a tenant's schema: how many messages wait, and since when."""
    run(
        SQL(
            """
            create table platform.exchange_standing (
                tenant uuid constraint exchange_standing_pk primary key
                    constraint exchange_standing_tenant_fk references platform.tenant on delete cascade,
                unsent int not null constraint exchange_standing_unsent_counted check (unsent >= 0),
                oldest_unsent_at timestamptz,
                dead int not null constraint exchange_standing_dead_counted check (dead >= 0),
                refused int not null constraint exchange_standing_refused_counted check (refused >= 0),
                held int not null constraint exchange_standing_held_counted check (held >= 0),
                oldest_held_at timestamptz,
                measured_at timestamptz not null default clock_timestamp()
            )
            """
        )
    )
    run(SQL("grant select on platform.exchange_standing to {console}, {worker}, {poller}"))
    run(SQL("grant insert, update on platform.exchange_standing to {worker}"))
