"""Why an organisation changed a setting."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chukan.platform.messages import mark

revision = "0002"
down_revision = "0001"
PURPOSE = mark("Why an organisation changed a setting")
branch_labels = None
depends_on = None

PRIVILEGES: dict[str, tuple[str, ...]] = {}


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    op.add_column("tenant_setting", sa.Column("reason", sa.Text(), nullable=True))
