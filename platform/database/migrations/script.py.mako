"""${message}."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
