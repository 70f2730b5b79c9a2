"""Records of provisions."""

from __future__ import annotations

from alembic import op

from chukan.platform.messages import mark

revision = "0011"
down_revision = "0010"
PURPOSE = mark("Records of provisions")
branch_labels = None
depends_on = None

PRIVILEGES: dict[str, tuple[str, ...]] = {"provision_record": ("select", "insert", "update", "delete")}


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away.

    Rows are of some two hundred bytes: stored plain, the table gets no further one for what is too large.
    """
    op.execute(
        """
        create table provision_record (
            id uuid default uuidv7() not null,
            side text storage plain not null,
            inquirer text storage plain not null,
            serial text storage plain not null,
            provider text storage plain not null,
            affair text storage plain not null,
            procedure text storage plain not null,
            information text storage plain not null,
            requested_at timestamptz not null,
            answered_at timestamptz,
            result text storage plain not null,
            non_disclosure boolean not null,
            reception text storage plain,
            person bytea storage plain,
            constraint provision_record_pk primary key (id),
            constraint provision_record_serial_key unique (serial, inquirer, side),
            constraint provision_record_side_known check (side in ('inquirer', 'provider')),
            constraint provision_record_result_known check (result in (
                'requested', 'deferred', 'provided', 'refused', 'cancelled', 'expired'
            )),
            constraint provision_record_answered_whole check (
                (answered_at is null) = (result in ('requested', 'deferred'))
            )
        )
        """
    )
    op.execute("create index provision_record_requested_at_ix on provision_record (requested_at)")
    op.execute("create index provision_record_received on provision_record (reception) where reception is not null")
