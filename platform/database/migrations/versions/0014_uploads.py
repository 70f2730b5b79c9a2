"""Upload limits, exemptions and campaigns."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    _exemptions()
    _campaigns()
    _slots()
    _delegations()


def _exemptions() -> None:
    """Who approved one is told by its request (A0-037)."""
    run(
        SQL(
            """
            create table platform.upload_exemption (
                approval uuid constraint upload_exemption_pk primary key,
                organisation uuid not null
                    constraint upload_exemption_organisation_fk references platform.organisation on delete cascade,
                from_day date not null,
                until_day date not null,
                reason text not null
                    constraint upload_exemption_reason_short check (char_length(reason) between 1 and 500),
                approved_by text not null,
                recorded_at timestamptz not null default clock_timestamp(),
                constraint upload_exemption_days_ordered check (from_day < until_day)
            )
            """
        )
    )
    run(SQL("create index upload_exemption_of on platform.upload_exemption (organisation, until_day)"))
    run(SQL("grant select on platform.upload_exemption to {console}, {gateway}, {worker}, {poller}"))
    run(SQL("grant insert on platform.upload_exemption to {console}"))


def _campaigns() -> None:
    """A revision's campaign: its window, and the information numbers that are registered in it."""
    run(
        SQL(
            """
            create table platform.campaign (
                revision text constraint campaign_pk primary key
                    constraint campaign_revision_form check (revision ~ '^[A-Za-z0-9][A-Za-z0-9._-]{{0,39}}$'),
                title text not null constraint campaign_title_short check (char_length(title) between 1 and 200),
                opens_on date not null,
                due_on date not null,
                night_capacity bigint not null constraint campaign_night_capacity_counted check (night_capacity > 0),
                created_by text not null,
                created_at timestamptz not null default clock_timestamp(),
                constraint campaign_days_ordered check (opens_on < due_on)
            )
            """
        )
    )
    run(
        SQL(
            """
            create table platform.campaign_number (
                revision text not null
                    constraint campaign_number_revision_fk references platform.campaign on delete cascade,
                information smallint not null constraint campaign_number_positive check (information > 0),
                mandatory boolean not null,
                scope text not null
                    constraint campaign_number_scope_known check (scope in ('latest_only', 'full_history')),
                large boolean not null,
                constraint campaign_number_pk primary key (revision, information)
            )
            """
        )
    )
    run(SQL("grant select on platform.campaign, platform.campaign_number to {console}, {worker}, {poller}"))
    run(SQL("grant insert on platform.campaign, platform.campaign_number to {console}"))
    # Slots are booked one after the other: the campaign's row is locked, which needs a right to change it.
    run(SQL("grant update (night_capacity) on platform.campaign to {console}"))


def _slots() -> None:
    """A slot is an organisation's share of one night for one large number (A0-025)."""
    run(
        SQL(
            """
            create table platform.campaign_slot (
                id uuid constraint campaign_slot_pk primary key default uuidv7(),
                revision text not null,
                information smallint not null,
                organisation uuid not null
                    constraint campaign_slot_organisation_fk references platform.organisation on delete cascade,
                night date not null,
                records bigint not null constraint campaign_slot_records_counted check (records > 0),
                booked_by text not null,
                booked_at timestamptz not null default clock_timestamp(),
                released_by text,
                released_at timestamptz,
                constraint campaign_slot_number_fk foreign key (revision, information)
                    references platform.campaign_number on delete cascade,
                constraint campaign_slot_released_whole check ((released_by is null) = (released_at is null))
            )
            """
        )
    )
    run(
        SQL(
            "create unique index campaign_slot_held on platform.campaign_slot "
            "(revision, information, organisation, night) where released_at is null"
        )
    )
    run(SQL("grant select on platform.campaign_slot to {console}, {worker}, {poller}"))
    run(SQL("grant insert on platform.campaign_slot to {console}"))
    run(SQL("grant update (released_by, released_at) on platform.campaign_slot to {console}"))


def _delegations() -> None:
    """Numbers that an organisation registers for another one as well, from a day on (A1-010)."""
    run(
        SQL(
            """
            create table platform.campaign_delegation (
                revision text not null
                    constraint campaign_delegation_revision_fk references platform.campaign on delete cascade,
                organisation uuid not null
                    constraint campaign_delegation_organisation_fk references platform.organisation on delete cascade,
                information smallint not null constraint campaign_delegation_positive check (information > 0),
                from_day date not null,
                recorded_by text not null,
                recorded_at timestamptz not null default clock_timestamp(),
                constraint campaign_delegation_pk primary key (revision, organisation, information)
            )
            """
        )
    )
    run(SQL("grant select, insert, delete on platform.campaign_delegation to {console}"))
    run(SQL("grant update (from_day, recorded_by, recorded_at) on platform.campaign_delegation to {console}"))
