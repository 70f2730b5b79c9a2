"""The gateway behind its real front, at a fixed instant and with the masters of the tests; a program of its own."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from importlib.resources import as_file, files

from flask import Flask

from chukan.gateway.serve import front
from chukan.platform.clock import FixedClock
from chukan.platform.settings import Settings
from chukan.platform.web.serving import Backend, private_directory, serve, told_by_signals
from chukan.tenants.middleserver.connections.desk import opened
from chukan.tenants.middleserver.connections.web_views import make_gateway
from chukan.tenants.middleserver.transmission.ports import Features
from support.copies import FixedMasters
from support.gateway import NOW, nothing_excluded

settings = Settings.model_validate_json(sys.argv[1])
told = told_by_signals()
run = private_directory(settings.gateway.runtime_directory)


def make() -> Flask:
    # The real services at a fixed instant: the tests run at night, too.
    return make_gateway(
        opened(
            settings, lambda _sessions, _vault: Features(), ExitStack(), FixedClock(NOW),
            excluded=nothing_excluded, masters_of=lambda _engine: FixedMasters(),
        )
    )  # fmt: skip


with as_file(files("chukan") / "config" / "caddy") as shipped:
    serve(Backend(make, run / "gateway.sock", 4), front(settings, run, shipped), told)
