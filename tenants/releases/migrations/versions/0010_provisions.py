"""Provisions and what is barred."""

from __future__ import annotations

from chukan.platform.messages import mark

revision = "0010"
down_revision = "0009"
PURPOSE = mark("Provisions and what is barred")
branch_labels = None
depends_on = None

PRIVILEGES: dict[str, tuple[str, ...]] = {}


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
