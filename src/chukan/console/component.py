"""What the processes that serve pages plug in."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chukan.console.probes import HEALTH
from chukan.console.serve import serve_commands
from chukan.platform.component import Command, Component
from chukan.platform.web.metrics import DOCUMENTED


def component(components: Callable[[], Iterable[Component]]) -> Component:
    """Return the command that serves the pages of *components*, and the metrics that only the serving process has."""
    return Component(name="pages", commands=(Command(serve_commands(components)),), metrics=(*DOCUMENTED, HEALTH))
