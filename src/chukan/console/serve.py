"""``chukan serve``: the processes that serve pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.resources import as_file, files
from pathlib import Path
from urllib.parse import urlsplit

import click
from flask import Flask

from chukan.console.application import console_application
from chukan.platform.command_line import TranslatedCommand, TranslatedGroup
from chukan.platform.component import Component
from chukan.platform.database.engines import process_engine
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.serving import serving
from chukan.platform.logs import configure_logs
from chukan.platform.settings import ConsoleSettings, Settings
from chukan.platform.settings.load import pass_settings
from chukan.platform.web.serving import Backend, Front, private_directory, serve, told_by_signals

#: Where the console is reached when the settings name no address.
LOCAL = "https://localhost:8443"


def serve_commands(components: Callable[[], Iterable[Component]]) -> click.Group:
    """Return the group ``chukan serve`` over the pages of *components*."""

    @click.group("serve", cls=TranslatedGroup)
    def serve_group() -> None:
        """Serve pages: each process with its front, until it is told to end."""

    @serve_group.command(cls=TranslatedCommand)
    @click.option("--no-front", is_flag=True, help="Serve on the Unix socket alone, for a front of your own.")
    @pass_settings
    def console(settings: Settings, *, no_front: bool) -> None:
        """Serve the operators' console.

        A hang-up signal (SIGHUP) has the front read its certificates again.
        """
        configure_logs(settings.logs, process="console")
        told = told_by_signals()
        run = private_directory(settings.console.runtime_directory, for_group=no_front)
        backend = _backend(settings, run, components, for_group=no_front)
        with serving(settings.database), as_file(files("chukan") / "config" / "caddy") as shipped:
            serve(backend, None if no_front else _front(settings, run, shipped), told)

    return serve_group


def _backend(
    settings: Settings, run: Path, components: Callable[[], Iterable[Component]], *, for_group: bool
) -> Backend:
    def make() -> Flask:
        # In the process that serves: connections do not survive a fork.
        engine = process_engine(settings.database, ProcessKind.CONSOLE)
        poller = process_engine(settings.database, ProcessKind.POLLER)
        return console_application(settings, engine, poller, components())

    return Backend(make, run / "console.sock", settings.console.threads, for_group, name="console")


def _front(settings: Settings, run: Path, shipped: Path) -> Front:
    place = urlsplit(settings.external_url or LOCAL)
    values = {
        "CHUKAN_RUN": str(run),
        "CHUKAN_HOST": place.hostname or "",
        "CHUKAN_PORT": str(place.port or 443),
        "CHUKAN_BIND": settings.console.bind,
        "CHUKAN_TLS": _tls(settings.console),
        "CHUKAN_PROBE_PORT": str(settings.console.probe_port),
    }
    return Front(shipped / "console.caddyfile", values, run / "caddy-admin.sock")


def _tls(console: ConsoleSettings) -> str:
    """Return what the front is told of certificates; without one of ours it makes its own authority."""
    if console.certificate_file and console.private_key_file:
        return f'"{console.certificate_file}" "{console.private_key_file}"'
    return "internal"
