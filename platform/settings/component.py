"""What settings plug in: the commands of ``chukan config``."""

from __future__ import annotations

from chukan.platform.component import Command, Component
from chukan.platform.settings.cli import config


def component() -> Component:
    """Return what this feature plugs in."""
    return Component(name="settings", commands=(Command(config),))
