"""What an organisation sets for itself, with its date."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chukan.platform.messages import mark

revision = "0001"
down_revision = None
PURPOSE = mark("What an organisation sets for itself, with its date")
branch_labels = None
depends_on = None

PRIVILEGES = {"tenant_setting": ("select", "insert")}


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    op.create_table(
        "tenant_setting",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("name", "valid_from", name="tenant_setting_pk"),
    )
