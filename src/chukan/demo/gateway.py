"""``python -m chukan.demo.gateway``: the gateway as ``chukan serve gateway`` serves it, at any hour.

A newcomer may come at night or on a Sunday, when the exchange is closed. Here the gate still knows who is served; the
hours and the planned outages are told by the demonstration, and keep nobody out. Nothing else differs.
"""

from __future__ import annotations

import atexit
import os
from contextlib import ExitStack
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path

from flask import Flask

from chukan.demo.features import features
from chukan.demo.open_gate import OpenGate
from chukan.gateway.serve import front
from chukan.platform.database.serving import serving
from chukan.platform.logs import configure_logs
from chukan.platform.settings import Settings
from chukan.platform.settings.load import load
from chukan.platform.settings.sources import CONFIG_DIRECTORY
from chukan.platform.web.serving import Backend, private_directory, serve, told_by_signals
from chukan.tenants.middleserver.connections.desk import opened
from chukan.tenants.middleserver.connections.web_views import make_gateway
from chukan.tenants.middleserver.operations.excluded_items import excluded_on


def application(settings: Settings) -> Flask:
    """Return the gateway over the services that ``chukan serve gateway`` has, but for the gate of both its sides."""
    stack = ExitStack()
    services = opened(settings, partial(features, settings), stack, excluded=excluded_on, gate_of=OpenGate)
    atexit.register(stack.close)
    return make_gateway(services)


def main() -> None:
    """Serve until the process is told to end."""
    settings = load(
        variables={CONFIG_DIRECTORY: os.environ[CONFIG_DIRECTORY]}, working_directory=Path.cwd()
    ).settings  # fmt: skip
    configure_logs(settings.logs, process="gateway")
    told, run = told_by_signals(), private_directory(settings.gateway.runtime_directory)
    with serving(settings.database), as_file(files("chukan") / "config" / "caddy") as shipped:
        backend = Backend(
            lambda: application(settings), run / "gateway.sock", settings.gateway.threads, name="gateway"
        )  # fmt: skip
        serve(backend, front(settings, run, shipped), told)


if __name__ == "__main__":
    main()
