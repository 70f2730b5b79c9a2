"""Inquiries."""

from __future__ import annotations

from chukan.platform.messages import mark

revision = "0009"
down_revision = "0008"
PURPOSE = mark("Inquiries")
branch_labels = None
depends_on = None

PRIVILEGES: dict[str, tuple[str, ...]] = {}


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
