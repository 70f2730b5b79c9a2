"""What existing systems sent, once each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chukan.platform.messages import mark

revision = "0007"
down_revision = "0006"
PURPOSE = mark("What existing systems sent, once each")
branch_labels = None
depends_on = None

PRIVILEGES: dict[str, tuple[str, ...]] = {"stored_answer": ("select", "insert", "update", "delete")}


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    op.create_table(
        "stored_answer",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("claim", sa.Uuid(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("key", name="stored_answer_pk"),
    )
