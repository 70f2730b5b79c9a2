"""What the console sees of inquiries and provisions."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    _hours()
    _notices()


def _hours() -> None:
    """Counts of what happened, by hour: no person, no content. A worker counts what the tenants' schemas hold."""
    run(
        SQL(
            """
            create table platform.exchange_hour (
                tenant uuid not null constraint exchange_hour_tenant_fk references platform.tenant on delete cascade,
                side text not null constraint exchange_hour_side_known check (side in ('inquirer', 'provider')),
                hour timestamptz not null,
                event text not null constraint exchange_hour_event_form check (event ~ '^[a-z][a-z_]{{0,39}}$'),
                count int not null constraint exchange_hour_counted check (count >= 0),
                constraint exchange_hour_pk primary key (tenant, side, hour, event)
            )
            """
        )
    )
    run(SQL("create index exchange_hour_of_all on platform.exchange_hour (hour)"))
    run(
        SQL(
            """
            create table platform.exchange_look (
                tenant uuid not null constraint exchange_look_tenant_fk references platform.tenant on delete cascade,
                side text not null constraint exchange_look_side_known check (side in ('inquirer', 'provider')),
                looked_at timestamptz not null,
                constraint exchange_look_pk primary key (tenant, side)
            )
            """
        )
    )
    run(SQL("grant select on platform.exchange_hour to {console}, {worker}, {poller}"))
    run(SQL("grant insert, update, delete on platform.exchange_hour to {worker}"))
    run(SQL("grant select, insert, update on platform.exchange_look to {worker}"))


def _notices() -> None:
    """That inquiries are about to expire; the worker that tells it to their organisation's administrators."""
    run(
        SQL(
            """
            create table platform.inquiry_expiry_notice (
                tenant uuid not null
                    constraint inquiry_expiry_notice_tenant_fk references platform.tenant on delete cascade,
                last_day date not null,
                inquiries int not null constraint inquiry_expiry_notice_some check (inquiries > 0),
                noticed_at timestamptz not null default clock_timestamp(),
                mailed_at timestamptz,
                constraint inquiry_expiry_notice_pk primary key (tenant, last_day)
            )
            """
        )
    )
    run(SQL("grant select on platform.inquiry_expiry_notice to {console}, {worker}, {poller}, {support_site}"))
    run(SQL("grant insert, update on platform.inquiry_expiry_notice to {worker}"))
    # Where a mail goes, and nothing else of a person.
    run(SQL("grant select (id, organisation, email) on platform.contact to {worker}"))
    run(SQL("grant select (organisation, contact, role, since, until) on platform.role_assignment to {worker}"))
