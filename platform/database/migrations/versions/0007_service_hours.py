"""Service hours: planned outages, and what became of each."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    _planned_outage()
    _no_overlaps()
    _planned_outage_event()
    _grants()


def _planned_outage() -> None:
    """Make the table of outages. ``effective_end`` is the end, or when a cancellation cut it short."""
    run(
        SQL(
            """
            create table platform.planned_outage (
                id uuid constraint planned_outage_pk primary key default uuidv7(),
                starts_at timestamptz not null,
                ends_at timestamptz not null,
                services text[] not null constraint planned_outage_services_known check (
                    cardinality(services) > 0 and services <@ array[
                        'system', 'support_site', 'helpdesk_phone', 'helpdesk_mail', 'monitoring', 'self_information'
                    ]
                ),
                exceptions tstzmultirange not null default '{{}}',
                description text not null default ''
                    constraint planned_outage_description_short check (length(description) <= 1000),
                announced_at timestamptz not null,
                late_reason text constraint planned_outage_late_reason_told
                    check (trim(late_reason) <> '' and length(late_reason) <= 1000),
                state text not null default 'planned' constraint planned_outage_state_known
                    check (state in ('planned', 'cancelled')),
                effective_end timestamptz not null,
                cancelled_at timestamptz,
                created_at timestamptz not null default now(),
                constraint planned_outage_ends_after_start check (ends_at > starts_at),
                constraint planned_outage_exceptions_inside
                    check (exceptions <@ tstzmultirange(tstzrange(starts_at, ends_at))),
                constraint planned_outage_late_has_reason
                    check (announced_at < starts_at or late_reason is not null),
                constraint planned_outage_cancelled_has_instant
                    check ((state = 'cancelled') = (cancelled_at is not null)),
                constraint planned_outage_effective_end check (
                    effective_end >= starts_at and effective_end <= ends_at
                    and (state = 'cancelled' or effective_end = ends_at)
                )
            )
            """
        )
    )


def _no_overlaps() -> None:
    """Let a service be stopped by one outage at a time, whoever plans another at the same moment."""
    run(
        SQL(
            """
            alter table platform.planned_outage
                add constraint planned_outage_once_system
                    exclude using gist (tstzrange(starts_at, effective_end) with &&)
                    where (services @> array['system']),
                add constraint planned_outage_once_support_site
                    exclude using gist (tstzrange(starts_at, effective_end) with &&)
                    where (services @> array['support_site']),
                add constraint planned_outage_once_helpdesk_phone
                    exclude using gist (tstzrange(starts_at, effective_end) with &&)
                    where (services @> array['helpdesk_phone']),
                add constraint planned_outage_once_helpdesk_mail
                    exclude using gist (tstzrange(starts_at, effective_end) with &&)
                    where (services @> array['helpdesk_mail']),
                add constraint planned_outage_once_monitoring
                    exclude using gist (tstzrange(starts_at, effective_end) with &&)
                    where (services @> array['monitoring']),
                add constraint planned_outage_once_self_information
                    exclude using gist (tstzrange(starts_at, effective_end) with &&)
                    where (services @> array['self_information'])
            """
        )
    )


def _planned_outage_event() -> None:
    run(
        SQL(
            """
            create table platform.planned_outage_event (
                outage uuid not null constraint planned_outage_event_outage_fk references platform.planned_outage (id),
                id uuid not null default uuidv7(),
                event text not null constraint planned_outage_event_known check (event in ('planned', 'cancelled')),
                at timestamptz not null default clock_timestamp(),
                actor text not null,
                reason text constraint planned_outage_event_reason_short check (length(reason) <= 1000),
                constraint planned_outage_event_pk primary key (outage, id)
            )
            """
        )
    )


def _grants() -> None:
    """Let the console plan and cancel; every process that opens, closes or tells of it reads the outages."""
    run(
        SQL(
            "grant select on platform.planned_outage to "
            "{console}, {support_site}, {gateway}, {worker}, {scheduler}, {poller}"
        )
    )
    run(
        SQL(
            """
            grant insert (
                starts_at, ends_at, services, exceptions, description, announced_at, late_reason, effective_end
            ) on platform.planned_outage to {console}
            """
        )
    )
    run(SQL("grant update (state, effective_end, cancelled_at) on platform.planned_outage to {console}"))
    run(SQL("grant select, insert on platform.planned_outage_event to {console}"))
