"""``python -m chukan.demo.gateway``: the gateway as ``chukan serve gateway`` serves it, at any hour.

A newcomer may come at night or on a Sunday, when the exchange is closed. Here the gate still knows who is served; the
hours and the planned outages are told by the demonstration, and keep nobody out. Nothing else differs.
"""

from __future__ import annotations

import atexit
import os
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from importlib.resources import as_file, files
from pathlib import Path

from flask import Flask
from typing_extensions import override

from chukan.gateway.serve import front
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.serving import serving
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import configure_logs
from chukan.platform.service_hours.services import Service
from chukan.platform.settings import Settings
from chukan.platform.settings.load import load
from chukan.platform.settings.sources import CONFIG_DIRECTORY
from chukan.platform.vault.credentials import VaultCredentials
from chukan.platform.vault.providers import key_provider
from chukan.platform.vault.service import Vault
from chukan.platform.web.serving import Backend, private_directory, serve, told_by_signals
from chukan.tenants.middleserver.connections.desk import opened
from chukan.tenants.middleserver.connections.web_views import make_gateway
from chukan.tenants.middleserver.gate import Closed, Gate, Reason
from chukan.tenants.middleserver.linkage_codes.acquisition import Acquisition
from chukan.tenants.middleserver.operations.excluded_items import excluded_on
from chukan.tenants.middleserver.transmission.desk import reception_for
from chukan.tenants.middleserver.transmission.ports import Features

#: What closes the exchange by the clock alone.
BY_THE_CLOCK = frozenset({Reason.HOURS, Reason.OUTAGE, Reason.DATA_STOP})


class OpenGate(Gate):
    """The gate without its clock: who is not served is refused as ever."""

    @override
    def closed(self, tenant: TenantId, service: Service, now: datetime) -> Closed | None:
        """Return why *service* is closed to *tenant* at *now*, the clock left aside, or None."""
        found = super().closed(tenant, service, now)
        return None if found is not None and found.reason in BY_THE_CLOCK else found


def features(sessions: TenantSessions, vault: Vault) -> Features:
    """Return what is done with the national network's messages."""
    return Acquisition(sessions, vault).features()


def application(settings: Settings) -> Flask:
    """Return the gateway over the services that ``chukan serve gateway`` has, but for the gate of both its sides."""
    stack = ExitStack()
    services = opened(settings, features, stack, excluded=excluded_on)
    engine = stack.enter_context(engine_of(settings.database, ProcessKind.GATEWAY))
    vault = Vault(engine, key_provider(settings.vault), cache_seconds=settings.vault.cache_seconds)
    credentials = VaultCredentials(engine, vault, cache_seconds=settings.vault.cache_seconds)
    sessions = TenantSessions(settings.database, engine, credentials)
    stack.callback(sessions.close)
    gate = OpenGate(engine)
    taking = reception_for(
        settings.network, engine, sessions, vault, features(sessions, vault),
        shut=lambda tenant, now: gate.closed(tenant, Service.SYSTEM, now),
    )  # fmt: skip
    reception = stack.enter_context(taking)
    atexit.register(stack.close)
    return make_gateway(replace(services, gate=gate, reception=reception))


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
