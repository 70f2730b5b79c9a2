"""Inquiries."""

from __future__ import annotations

from alembic import op

from chukan.platform.messages import mark

revision = "0009"
down_revision = "0008"
PURPOSE = mark("Inquiries")
branch_labels = None
depends_on = None

PRIVILEGES: dict[str, tuple[str, ...]] = {
    "inquiry_reception": ("select", "insert"),
    "inquiry": ("select", "insert", "update"),
    "inquiry_event": ("select", "insert"),
    "inquiry_answer": ("select", "insert"),
    "inquiry_pace": ("select", "insert", "update", "delete"),
}


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away.

    Rows are of a few hundred bytes: stored plain, no table gets a further one for what is too large. Answers alone
    may be large; they are sealed and do not compress.
    """
    _receptions()
    _inquiries()
    _further()


def _receptions() -> None:
    op.execute(
        """
        create table inquiry_reception (
            number text storage plain not null,
            kind text storage plain not null,
            count int not null,
            department text storage plain not null,
            actor text storage plain not null,
            registered_at timestamptz not null,
            best timestamptz,
            worst timestamptz,
            constraint inquiry_reception_pk primary key (number),
            constraint inquiry_reception_kind_known check (kind in ('window', 'bulk'))
        )
        """
    )


def _inquiries() -> None:
    op.execute(
        """
        create table inquiry (
            id uuid default uuidv7() not null,
            reception text storage plain not null,
            place smallint not null,
            kind text storage plain not null,
            serial text storage plain not null,
            state text storage plain not null,
            person bytea storage plain not null,
            address bytea storage plain not null,
            information text storage plain not null,
            affair text storage plain not null,
            procedure text storage plain not null,
            provider text storage plain not null,
            period boolean not null,
            begins date,
            ends date,
            year smallint,
            undisclosed boolean not null,
            delegated text storage plain,
            requested_at timestamptz,
            received_at timestamptz,
            expected_on date,
            reason text storage plain,
            explanation text storage plain,
            ended_at timestamptz,
            permit uuid,
            constraint inquiry_pk primary key (id),
            constraint inquiry_serial_key unique (serial),
            constraint inquiry_kind_known check (kind in ('window', 'bulk')),
            constraint inquiry_state_known check (state in (
                'queued', 'sent', 'deferred', 'cancelling', 'answered', 'refused', 'expired', 'cancelled'
            )),
            constraint inquiry_ended_whole check (
                (ended_at is null) = (state in ('queued', 'sent', 'deferred', 'cancelling'))
            ),
            constraint inquiry_explanation_short check (length(explanation) <= 500)
        )
        """
    )
    op.execute("create index inquiry_of_reception on inquiry (reception, place)")
    op.execute("create index inquiry_queued on inquiry (kind, reception, place) where state = 'queued'")
    op.execute(
        "create index inquiry_under_way on inquiry (requested_at) where state in ('sent', 'deferred', 'cancelling')"
    )


def _further() -> None:
    op.execute(
        """
        create table inquiry_event (
            id uuid default uuidv7() not null,
            inquiry uuid not null,
            at timestamptz default clock_timestamp() not null,
            event text storage plain not null,
            state text storage plain not null,
            actor text storage plain not null,
            reason text storage plain,
            constraint inquiry_event_pk primary key (id)
        )
        """
    )
    op.execute("create index inquiry_event_inquiry_ix on inquiry_event (inquiry)")
    op.execute(
        """
        create table inquiry_answer (
            inquiry uuid not null,
            signed bytea storage external not null,
            kid text storage plain not null,
            received_at timestamptz not null,
            constraint inquiry_answer_pk primary key (inquiry)
        )
        """
    )
    op.execute(
        """
        create table inquiry_pace (
            minute timestamptz not null,
            "window" int not null,
            bulk int not null,
            constraint inquiry_pace_pk primary key (minute)
        )
        """
    )
