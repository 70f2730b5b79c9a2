"""Linkage codes and how they were acquired."""

from __future__ import annotations

from alembic import op

from chukan.platform.messages import mark

revision = "0005"
down_revision = "0004"
PURPOSE = mark("Linkage codes and how they were acquired")
branch_labels = None
depends_on = None

PRIVILEGES: dict[str, tuple[str, ...]] = {
    "code_request": ("select", "insert", "update"),
    "linkage_code": ("select", "insert", "update"),
    "link_event": ("select", "insert"),
    "code_case": ("select", "insert", "update"),
}


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away.

    Rows are of a few hundred bytes: stored plain, no table gets a further one for what is too large.
    """
    _requests()
    _links()


def _requests() -> None:
    op.execute(
        """
        create table code_request (
            id uuid default uuidv7() not null,
            serial text storage plain not null,
            person bytea storage plain not null,
            address bytea storage plain not null,
            state text storage plain not null,
            conv uuid not null,
            message uuid not null,
            requested_at timestamptz not null,
            due_on date not null,
            answered_at timestamptz,
            reason text storage plain,
            constraint code_request_pk primary key (id),
            constraint code_request_serial_key unique (serial),
            constraint code_request_state_known check (state in (
                'requested', 'announced', 'overdue', 'acquired', 'unknown_person', 'refused', 'conflicting'
            ))
        )
        """
    )
    # Of each person one request is under way.
    op.execute(
        "create unique index code_request_under_way on code_request (person)"
        " where state in ('requested', 'announced', 'overdue')"
    )
    op.execute(
        "create index code_request_awaited on code_request (conv) where state in ('requested', 'announced', 'overdue')"
    )
    op.execute("create index code_request_person_ix on code_request (person)")


def _links() -> None:
    op.execute(
        """
        create table linkage_code (
            id uuid default uuidv7() not null,
            person bytea storage plain not null,
            code_index bytea storage plain not null,
            code bytea storage plain not null,
            address bytea storage plain not null,
            request uuid not null,
            linked_at timestamptz not null,
            ended_at timestamptz,
            constraint linkage_code_pk primary key (id)
        )
        """
    )
    # Of one person one code holds, and a code holds for one person.
    op.execute("create unique index linkage_code_of_person on linkage_code (person) where ended_at is null")
    op.execute("create unique index linkage_code_of_code on linkage_code (code_index) where ended_at is null")
    op.execute(
        """
        create table link_event (
            id uuid default uuidv7() not null,
            at timestamptz not null,
            event text storage plain not null,
            person bytea storage plain not null,
            request uuid,
            link uuid,
            approval uuid,
            actor text storage plain not null,
            reason text storage plain,
            constraint link_event_pk primary key (id),
            constraint link_event_reason_short check (length(reason) <= 500)
        )
        """
    )
    op.execute("create index link_event_person_ix on link_event (person)")
    op.execute(
        """
        create table code_case (
            id uuid default uuidv7() not null,
            kind text storage plain not null,
            request uuid not null,
            link uuid not null,
            opened_at timestamptz not null,
            closed_at timestamptz,
            actor text storage plain,
            reason text storage plain,
            constraint code_case_pk primary key (id),
            constraint code_case_kind_known check (kind in ('one_code_of_two', 'code_changed')),
            constraint code_case_closed_whole check (num_nonnulls(closed_at, actor, reason) in (0, 3)),
            constraint code_case_reason_short check (length(reason) <= 500)
        )
        """
    )
