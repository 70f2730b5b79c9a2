"""What the area of monitoring plugs into the platform."""

from __future__ import annotations

from chukan.platform.component import Component


def component() -> Component:
    """Return what this area plugs in."""
    return Component(name="monitoring")
