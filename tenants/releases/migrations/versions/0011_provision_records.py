"""Records of provisions."""

from __future__ import annotations

from chukan.platform.messages import mark

revision = "0011"
down_revision = "0010"
PURPOSE = mark("Records of provisions")
branch_labels = None
depends_on = None

PRIVILEGES: dict[str, tuple[str, ...]] = {}


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
