"""``chukan serve gateway``: the way in for the organisations' systems and for the national network."""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from importlib.resources import as_file, files
from pathlib import Path

import click
from flask import Flask

from chukan.platform.command_line import TranslatedCommand
from chukan.platform.database.serving import serving
from chukan.platform.logs import configure_logs
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.platform.web.serving import Backend, Front, private_directory, serve, told_by_signals
from chukan.tenants.middleserver.connections.desk import opened
from chukan.tenants.middleserver.connections.errors import GatewayFilesMissing
from chukan.tenants.middleserver.connections.web_views import make_gateway
from chukan.tenants.middleserver.provisions.ports import ExcludedItems
from chukan.tenants.middleserver.transmission.desk import FeaturesOf


def gateway_command(features: FeaturesOf, excluded: ExcludedItems) -> click.Command:
    """Return the command; *features* are what those above do with the network's messages. It joins ``serve``.

    *excluded* tells the items that an organisation does not provide.
    """

    @click.command(cls=TranslatedCommand)
    @pass_settings
    def gateway(settings: Settings) -> None:
        """Serve the organisations' systems and the national network.

        A hang-up signal (SIGHUP) has the front read its certificates again.
        """
        configure_logs(settings.logs, process="gateway")
        told = told_by_signals()
        run = private_directory(settings.gateway.runtime_directory)
        with serving(settings.database), as_file(files("chukan") / "config" / "caddy") as shipped:
            serve(backend(settings, run, features, excluded), front(settings, run, shipped), told)

    return gateway


def backend(settings: Settings, run: Path, features: FeaturesOf, excluded: ExcludedItems) -> Backend:
    """Return the application behind the front, on a socket in *run*."""

    def make() -> Flask:
        # In the process that serves: connections do not survive a fork.
        stack = ExitStack()
        services = opened(settings, features, stack, excluded=excluded)
        atexit.register(stack.close)
        return make_gateway(services)

    return Backend(make, run / "gateway.sock", settings.gateway.threads, name="gateway")


def front(settings: Settings, run: Path, shipped: Path) -> Front:
    """Return the front of the Caddyfile in *shipped*.

    Raises:
        GatewayFilesMissing: the settings name no certificate, key, or authority of the clients.
    """
    gateway = settings.gateway
    named = {
        "gateway.certificate_file": gateway.certificate_file,
        "gateway.private_key_file": gateway.private_key_file,
        "gateway.client_ca_file": gateway.client_ca_file,
    }
    for setting, file in named.items():
        if file is None:
            raise GatewayFilesMissing(setting=setting)
    values = {
        "CHUKAN_RUN": str(run),
        "CHUKAN_HOST": gateway.host,
        "CHUKAN_PORT": str(gateway.port),
        "CHUKAN_BIND": gateway.bind,
        "CHUKAN_CERTIFICATE": str(gateway.certificate_file),
        "CHUKAN_KEY": str(gateway.private_key_file),
        "CHUKAN_CLIENT_CA": str(gateway.client_ca_file),
        # The network's clients are vouched for by the network's own authority; the application keeps both apart.
        "CHUKAN_NETWORK_CA": str(settings.network.ca_file or gateway.client_ca_file),
        "CHUKAN_PROBE_PORT": str(gateway.probe_port),
    }
    return Front(shipped / "gateway.caddyfile", values, run / "caddy-admin.sock")
