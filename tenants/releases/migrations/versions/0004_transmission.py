"""Messages to and from the national network."""

from __future__ import annotations

from alembic import op

from chukan.platform.messages import mark

revision = "0004"
down_revision = "0003"
PURPOSE = mark("Messages to and from the national network")
branch_labels = None
depends_on = None

PRIVILEGES: dict[str, tuple[str, ...]] = {
    "conversation": ("select", "insert", "update", "delete"),
    "outbox": ("select", "insert", "update", "delete"),
    "outbox_event": ("select", "insert", "delete"),
    "inbox": ("select", "insert", "update", "delete"),
}


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away.

    Where rows are less than a page they are stored plain, and the table gets no further one for what is too large.
    """
    op.execute(
        """
        create table conversation (
            id uuid not null,
            next_in integer default 1 not null,
            next_out integer default 1 not null,
            state text storage plain default 'open' not null,
            deadline timestamptz,
            version integer default 0 not null,
            opened_at timestamptz default clock_timestamp() not null,
            constraint conversation_pk primary key (id),
            constraint conversation_state_known check (state in ('open', 'closed')),
            constraint conversation_counted check (next_in >= 1 and next_out >= 1)
        )
        """
    )
    _outbox()
    _inbox()


def _outbox() -> None:
    # Sealed bytes do not compress: the server shall not try.
    op.execute(
        """
        create table outbox (
            id uuid default uuidv7() not null,
            conv uuid not null,
            seq integer,
            to_org text not null,
            type text not null,
            payload bytea storage external not null,
            message bytea storage external,
            sha256 bytea,
            kid text,
            signed_at timestamptz,
            state text default 'queued' not null,
            attempts integer default 0 not null,
            next_at timestamptz default clock_timestamp() not null,
            lease_until timestamptz,
            lease_epoch integer default 0 not null,
            receipt bytea,
            reason text,
            queued_at timestamptz default clock_timestamp() not null,
            changed_at timestamptz default clock_timestamp() not null,
            constraint outbox_pk primary key (id),
            constraint outbox_state_known check (state in ('queued', 'sending', 'done', 'refused', 'dead')),
            constraint outbox_signed_whole check (num_nonnulls(message, sha256, kid, signed_at) in (0, 4)),
            constraint outbox_leased check ((state = 'sending') = (lease_until is not null)),
            constraint outbox_placed check (state not in ('sending', 'done') or (seq is not null and kid is not null))
        )
        """
    )
    # A message that was refused gives its place to the next one.
    op.execute("create unique index outbox_place on outbox (conv, seq) where seq is not null")
    # The first open one of each conversation is the one that may leave.
    op.execute("create index outbox_open on outbox (conv, id) where state <> 'done'")
    op.execute(
        """
        create table outbox_event (
            message uuid not null,
            id uuid default uuidv7() not null,
            at timestamptz default clock_timestamp() not null,
            event text storage plain not null,
            state text storage plain not null,
            reason text storage plain,
            constraint outbox_event_pk primary key (message, id)
        )
        """
    )


def _inbox() -> None:
    op.execute(
        """
        create table inbox (
            from_org text not null,
            id uuid not null,
            conv uuid not null,
            seq integer not null,
            type text not null,
            sha256 bytea not null,
            message bytea storage external not null,
            kid text,
            state text not null,
            receipt bytea not null,
            reason text,
            received_at timestamptz default clock_timestamp() not null,
            constraint inbox_pk primary key (from_org, id),
            constraint inbox_place_key unique (from_org, conv, seq),
            constraint inbox_state_known check (state in ('held', 'applied', 'refused'))
        )
        """
    )
    op.execute("create index inbox_held on inbox (received_at) where state = 'held'")
