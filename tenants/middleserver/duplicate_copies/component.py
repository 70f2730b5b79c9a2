"""What duplicate copies plug in; nights and uploads are the operation's."""

from __future__ import annotations

from chukan.platform.component import Command, Component
from chukan.tenants.middleserver.duplicate_copies.cli import RequestsOf, commands


def component(requests: RequestsOf) -> Component:
    """Return the commands; *requests* knows which requests still need which copies."""
    return Component(name="middleserver-duplicate-copies", commands=(Command(commands(requests)),))
