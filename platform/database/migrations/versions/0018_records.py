"""Cases of the nightly reconciliation."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    _cases()
    _standings()


def _cases() -> None:
    """A difference between two parties' records of one inquiry: which, and in which fields, without what they say."""
    run(
        SQL(
            """
            create table platform.reconciliation_case (
                id uuid constraint reconciliation_case_pk primary key default uuidv7(),
                tenant uuid not null
                    constraint reconciliation_case_tenant_fk references platform.tenant on delete cascade,
                side text not null constraint reconciliation_case_side_known check (side in ('inquirer', 'provider')),
                inquirer text not null,
                serial text not null,
                kind text not null constraint reconciliation_case_kind_known
                    check (kind in ('missing_here', 'missing_there', 'differs')),
                fields text[] not null,
                requested_on date not null,
                opened_at timestamptz not null,
                seen_at timestamptz not null,
                closed_at timestamptz,
                closed_by text,
                reason text constraint reconciliation_case_reason_short check (length(reason) <= 500),
                constraint reconciliation_case_closed_whole check ((closed_at is null) = (closed_by is null))
            )
            """
        )
    )
    run(
        SQL(
            "create unique index reconciliation_case_open on platform.reconciliation_case "
            "(tenant, inquirer, serial, side) where closed_at is null"
        )
    )
    run(SQL("grant select on platform.reconciliation_case to {console}, {worker}, {poller}"))
    run(SQL("grant insert, update on platform.reconciliation_case to {worker}"))


def _standings() -> None:
    """Until which day an organisation's records have been compared, and what the last comparison found."""
    run(
        SQL(
            """
            create table platform.reconciliation_standing (
                tenant uuid constraint reconciliation_standing_pk primary key
                    constraint reconciliation_standing_tenant_fk references platform.tenant on delete cascade,
                from_day date not null,
                until_day date not null,
                compared int not null,
                differing int not null,
                reconciled_at timestamptz not null
            )
            """
        )
    )
    run(SQL("grant select on platform.reconciliation_standing to {console}, {worker}, {poller}"))
    run(SQL("grant insert, update on platform.reconciliation_standing to {worker}"))
