"""What the logs plug in: the commands of ``chukan logs``."""

from __future__ import annotations

from chukan.platform.component import Command, Component
from chukan.platform.logs.cli import logs


def component() -> Component:
    """Return what this feature plugs in."""
    return Component(name="logs", commands=(Command(logs),))
