"""What the area of the organisations and their middle servers plugs into the platform."""

from __future__ import annotations

from chukan.platform.component import Command, Component
from chukan.tenants.provisioning.cli import commands
from chukan.tenants.releases.cli import releases
from chukan.tenants.releases.rendering import head, render
from chukan.tenants.releases.web import PAGES as RELEASE_PAGES


def component() -> Component:
    """Return what this area plugs in."""
    tenants = commands(lambda: render(None, head()))
    return Component(name="tenants", commands=(Command(tenants), Command(releases)), pages=(RELEASE_PAGES,))
