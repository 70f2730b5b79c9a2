"""What connections plug in."""

from __future__ import annotations

from collections.abc import Callable

from chukan.platform.component import Command, Component
from chukan.platform.settings import Settings
from chukan.tenants.middleserver.connections.cli import connections


def component(_settings: Callable[[], Settings]) -> Component:
    """Return the commands; the gateway itself is the process ``chukan serve gateway``."""
    return Component(name="middleserver-connections", commands=(Command(connections),))
