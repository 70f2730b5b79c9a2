"""What limits plug in."""

from __future__ import annotations

from chukan.platform.component import Command, Component
from chukan.tenants.limits.cli import limits


def component() -> Component:
    """Return the commands of limits; the limits are data, no setting changes them."""
    return Component(name="limits", commands=(Command(limits),))
