"""Provisions and what is barred."""

from __future__ import annotations

from alembic import op

from chukan.platform.messages import mark

revision = "0010"
down_revision = "0009"
PURPOSE = mark("Provisions and what is barred")
branch_labels = None
depends_on = None

PRIVILEGES: dict[str, tuple[str, ...]] = {
    "provision": ("select", "insert", "update", "delete"),
    "provision_event": ("select", "insert", "delete"),
    "provision_bar": ("select", "insert", "update"),
}


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away.

    Rows are of a few hundred bytes, those that wait for staff of some two thousand: stored plain, no table gets a
    further one for what is too large.
    """
    _provisions()
    _bars()


def _provisions() -> None:
    """What a request needs to be answered later is kept, sealed, for as long as it waits."""
    op.execute(
        """
        create table provision (
            id uuid default uuidv7() not null,
            inquirer text storage plain not null,
            serial text storage plain not null,
            conv uuid not null,
            permit uuid not null,
            information smallint not null,
            person bytea storage plain,
            link uuid,
            address bytea storage plain,
            request bytea storage plain,
            state text storage plain not null,
            cause text storage plain,
            reason text storage plain,
            expected_on date,
            requested_at timestamptz not null,
            valid_until timestamptz not null,
            answered_at timestamptz,
            provided text[] storage plain,
            message uuid,
            constraint provision_pk primary key (id),
            constraint provision_serial_key unique (serial, inquirer),
            constraint provision_state_known check (state in (
                'provided', 'deferred', 'refused', 'cancelled', 'expired'
            ))
        )
        """
    )
    op.execute("create index provision_waiting on provision (valid_until) where state = 'deferred'")
    op.execute("create index provision_unsettled on provision (message) where request is not null")
    op.execute("create index provision_given on provision (information, answered_at) where state = 'provided'")
    op.execute(
        """
        create table provision_event (
            id uuid default uuidv7() not null,
            provision uuid not null,
            at timestamptz not null,
            event text storage plain not null,
            state text storage plain not null,
            cause text storage plain,
            actor text storage plain not null,
            reason text storage plain,
            constraint provision_event_pk primary key (id),
            constraint provision_event_reason_short check (length(reason) <= 500)
        )
        """
    )
    op.execute("create index provision_event_provision_ix on provision_event (provision)")


def _bars() -> None:
    """What is None is not bounded; lifted rows stay."""
    op.execute(
        """
        create table provision_bar (
            id uuid default uuidv7() not null,
            act uuid not null,
            kind text storage plain not null,
            information smallint,
            dataset smallint,
            person bytea storage plain,
            address bytea storage plain,
            department text storage plain,
            reason text storage plain not null,
            set_by text storage plain not null,
            set_at timestamptz not null,
            lifted_by text storage plain,
            lifted_at timestamptz,
            constraint provision_bar_pk primary key (id),
            constraint provision_bar_kind_known check (kind in ('bar', 'restriction')),
            constraint provision_bar_dataset_of_information check (dataset is null or information is not null),
            constraint provision_bar_person_whole check ((person is null) = (address is null)),
            constraint provision_bar_reason_short check (length(reason) between 1 and 500),
            constraint provision_bar_lifted_whole check ((lifted_by is null) = (lifted_at is null))
        )
        """
    )
    op.execute("create index provision_bar_in_force on provision_bar (person) where lifted_at is null")
