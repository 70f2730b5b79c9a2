"""${message}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None

PRIVILEGES: dict[str, tuple[str, ...]] = {}


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
