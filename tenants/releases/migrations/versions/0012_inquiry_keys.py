"""Inquiries are registered once under a key, with who asked for them, and are deleted when their time is over."""

from __future__ import annotations

from alembic import op

from chukan.platform.messages import mark

revision = "0012"
down_revision = "0011"
PURPOSE = mark("Keys and users of inquiries")
branch_labels = None
depends_on = None

PRIVILEGES: dict[str, tuple[str, ...]] = {
    "inquiry_reception": ("select", "insert", "delete"),
    "inquiry": ("select", "insert", "update", "delete"),
    "inquiry_event": ("select", "insert", "delete"),
    # A rotation of the key seals the answers anew.
    "inquiry_answer": ("select", "insert", "update", "delete"),
}


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away; it leaves the new columns empty.

    No row has a key when its index is made, so that it is made at once.
    """
    op.execute("alter table inquiry_reception add column key text storage plain")
    op.execute("alter table inquiry_reception add column source_user text storage plain")
    op.execute("create unique index inquiry_reception_key_key on inquiry_reception (key) where key is not null")
    op.execute("create index inquiry_answer_received_at_ix on inquiry_answer (received_at)")
