"""What the pages of the exchange show and ask for: totals, messages in trouble, retries, and traces of inquiries."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    _totals()
    _states()
    _troubles()
    _retries()
    _traces()
    _acts()


def _totals() -> None:
    """The same counts as ``exchange_hour``, added up once by the worker instead of by everybody who looks."""
    run(
        SQL(
            """
            create table platform.exchange_total (
                hour timestamptz not null,
                side text not null constraint exchange_total_side_known check (side in ('inquirer', 'provider')),
                event text not null constraint exchange_total_event_form check (event ~ '^[a-z][a-z_]{{0,39}}$'),
                count bigint not null constraint exchange_total_counted check (count >= 0),
                constraint exchange_total_pk primary key (hour, side, event)
            )
            """
        )
    )
    run(
        SQL(
            """
            create table platform.exchange_day (
                day date not null,
                tenant uuid not null constraint exchange_day_tenant_fk references platform.tenant on delete cascade,
                side text not null constraint exchange_day_side_known check (side in ('inquirer', 'provider')),
                event text not null constraint exchange_day_event_form check (event ~ '^[a-z][a-z_]{{0,39}}$'),
                count bigint not null constraint exchange_day_counted check (count >= 0),
                constraint exchange_day_pk primary key (day, tenant, side, event)
            )
            """
        )
    )
    run(SQL("create index exchange_day_of_tenant on platform.exchange_day (tenant)"))
    run(SQL("grant select on platform.exchange_total, platform.exchange_day to {console}, {worker}, {poller}"))
    run(SQL("grant insert, update on platform.exchange_total, platform.exchange_day to {worker}"))


def _states() -> None:
    """How many inquiries and provisions of an organisation stand where and have not ended."""
    run(
        SQL(
            """
            create table platform.exchange_open (
                tenant uuid not null constraint exchange_open_tenant_fk references platform.tenant on delete cascade,
                side text not null constraint exchange_open_side_known check (side in ('inquirer', 'provider')),
                state text not null constraint exchange_open_state_form check (state ~ '^[a-z][a-z_]{{0,39}}$'),
                count int not null constraint exchange_open_counted check (count > 0),
                constraint exchange_open_pk primary key (tenant, side, state)
            )
            """
        )
    )
    run(SQL("grant select on platform.exchange_open to {console}, {worker}, {poller}"))
    run(SQL("grant insert, update, delete on platform.exchange_open to {worker}"))


def _troubles() -> None:
    """Messages that somebody has to look at: which, why and since when, never what they say."""
    run(
        SQL(
            """
            create table platform.exchange_trouble (
                message uuid not null,
                tenant uuid not null constraint exchange_trouble_tenant_fk references platform.tenant on delete cascade,
                state text not null
                    constraint exchange_trouble_state_known check (state in ('dead', 'refused', 'held')),
                type text not null,
                conversation uuid not null,
                sequence int,
                awaited int,
                attempts int,
                reason text,
                since timestamptz not null,
                constraint exchange_trouble_pk primary key (tenant, message)
            )
            """
        )
    )
    run(SQL("create index exchange_trouble_since on platform.exchange_trouble (since)"))
    run(SQL("grant select on platform.exchange_trouble to {console}, {worker}, {poller}"))
    run(SQL("grant insert, delete on platform.exchange_trouble to {worker}"))


def _retries() -> None:
    """That an operator wants a message to be sent again: a worker does it, since the console opens no schema."""
    run(
        SQL(
            """
            create table platform.message_retry (
                id uuid constraint message_retry_pk primary key default uuidv7(),
                tenant uuid not null constraint message_retry_tenant_fk references platform.tenant on delete cascade,
                message uuid not null,
                asked_by text not null,
                request text not null,
                asked_at timestamptz not null default clock_timestamp(),
                done_at timestamptz,
                outcome text constraint message_retry_outcome_known
                    check (outcome in ('queued', 'not_needed', 'failed')),
                error text,
                constraint message_retry_done_whole check ((done_at is null) = (outcome is null))
            )
            """
        )
    )
    run(SQL("create unique index message_retry_open on platform.message_retry (tenant, message) where done_at is null"))
    run(SQL("create index message_retry_of_message on platform.message_retry (message)"))
    run(SQL("grant select on platform.message_retry to {console}, {worker}, {poller}"))
    run(SQL("grant insert (tenant, message, asked_by, request) on platform.message_retry to {console}"))
    run(SQL("grant update (done_at, outcome, error), delete on platform.message_retry to {worker}"))


def _traces() -> None:
    """What an operator asked of one inquiry, and the instants that a worker found at the parties; kept for days."""
    run(
        SQL(
            """
            create table platform.inquiry_trace (
                id uuid constraint inquiry_trace_pk primary key default uuidv7(),
                tenant uuid not null constraint inquiry_trace_tenant_fk references platform.tenant on delete cascade,
                number text not null
                    constraint inquiry_trace_number_form check (number ~ '^([0-9A-Z]{{20}}|[0-9]{{22}})$'),
                asked_by text not null,
                request text not null,
                asked_at timestamptz not null default clock_timestamp(),
                done_at timestamptz,
                outcome text constraint inquiry_trace_outcome_known
                    check (outcome in ('found', 'several', 'nothing', 'failed')),
                error text,
                serial text,
                serials text[],
                inquirer text,
                provider text,
                inquirer_tenant uuid,
                provider_tenant uuid,
                network text constraint inquiry_trace_network_known check (network in ('told', 'silent', 'away')),
                constraint inquiry_trace_done_whole check ((done_at is null) = (outcome is null))
            )
            """
        )
    )
    run(SQL("create index inquiry_trace_open on platform.inquiry_trace (id) where done_at is null"))
    run(SQL("create index inquiry_trace_of_tenant on platform.inquiry_trace (tenant)"))
    run(
        SQL(
            """
            create table platform.inquiry_trace_point (
                trace uuid not null
                    constraint inquiry_trace_point_trace_fk references platform.inquiry_trace on delete cascade,
                place int not null,
                party text not null
                    constraint inquiry_trace_point_party_known check (party in ('inquirer', 'network', 'provider')),
                kind text not null
                    constraint inquiry_trace_point_kind_known check (kind in ('state', 'out', 'in', 'record')),
                at timestamptz not null,
                event text not null,
                said text,
                constraint inquiry_trace_point_pk primary key (trace, place)
            )
            """
        )
    )
    run(SQL("grant select on platform.inquiry_trace, platform.inquiry_trace_point to {console}, {worker}"))
    run(SQL("grant insert (tenant, number, asked_by, request) on platform.inquiry_trace to {console}"))
    run(
        SQL(
            "grant update (done_at, outcome, error, serial, serials, inquirer, provider, inquirer_tenant, "
            "provider_tenant, network), delete on platform.inquiry_trace to {worker}"
        )
    )
    run(SQL("grant insert on platform.inquiry_trace_point to {worker}"))


def _acts() -> None:
    """What operators do at the console themselves: it touches no organisation's schema."""
    run(SQL("grant insert on platform.exchange_stop to {console}"))
    run(SQL("grant update (resumed_by, resumed_at) on platform.exchange_stop to {console}"))
    run(SQL("grant update (closed_at, closed_by, reason) on platform.reconciliation_case to {console}"))
