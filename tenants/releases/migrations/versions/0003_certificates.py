"""The organisation's signing and encryption certificates."""

from __future__ import annotations

from alembic import op

from chukan.platform.messages import mark

revision = "0003"
down_revision = "0002"
PURPOSE = mark("The organisation's signing and encryption certificates")
branch_labels = None
depends_on = None

PRIVILEGES: dict[str, tuple[str, ...]] = {
    "org_key": ("select", "insert", "update"),
    "org_key_event": ("select", "insert"),
}


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away.

    Rows are few and less than a page: stored plain, neither table gets a further one for what is too large.
    """
    op.execute(
        """
        create table org_key (
            id uuid default uuidv7() not null,
            use text storage plain not null,
            state text storage plain not null,
            kid text storage plain,
            certificate bytea storage plain,
            private_key bytea storage plain not null,
            not_before timestamptz,
            not_after timestamptz,
            requested_at timestamptz not null,
            changed_at timestamptz not null,
            constraint org_key_pk primary key (id),
            constraint org_key_use_known check (use in ('sign', 'enc')),
            constraint org_key_state_known
                check (state in ('pending', 'active', 'retiring', 'retired', 'revoked')),
            constraint org_key_certified check (
                num_nonnulls(kid, certificate, not_before, not_after) = 4
                or (num_nonnulls(kid, certificate, not_before, not_after) = 0 and state = 'pending')
            )
        )
        """
    )
    # Of each use one key waits, and one is active.
    op.execute("create unique index org_key_one_each on org_key (use, state) where state in ('pending', 'active')")
    op.execute(
        """
        create table org_key_event (
            id uuid default uuidv7() not null,
            org_key uuid not null,
            at timestamptz not null,
            state text storage plain not null,
            reason text storage plain not null,
            constraint org_key_event_pk primary key (id),
            constraint org_key_event_reason_short check (length(reason) <= 500)
        )
        """
    )
