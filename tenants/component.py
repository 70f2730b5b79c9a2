"""What the area of the organisations and their middle servers plugs into the platform."""

from __future__ import annotations

from chukan.platform.component import Command, Component
from chukan.tenants.provisioning.cli import tenants


def component() -> Component:
    """Return what this area plugs in."""
    return Component(name="tenants", commands=(Command(tenants),))
