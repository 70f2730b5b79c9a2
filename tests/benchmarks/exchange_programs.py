"""The processes of an exchange that is measured: ``main`` is the one that its first argument names, as it is served.

Nothing differs from ``chukan serve gateway`` and the jobs of a worker but this: the clock closes no gate, so that it
can be measured at night; lists have no ceilings; and who has nothing to do looks again at once and not seconds later.
"""

from __future__ import annotations

import atexit
import signal
import sys
import threading
from contextlib import ExitStack, suppress
from datetime import datetime
from importlib.resources import as_file, files
from unittest import mock

from flask import Flask

from chukan.gateway.serve import front
from chukan.platform.clock import SystemClock
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import configure_logs
from chukan.platform.service_hours.services import Service
from chukan.platform.settings import Settings
from chukan.platform.vault.service import Vault
from chukan.platform.web.serving import Backend, private_directory, serve, told_by_signals
from chukan.tenants.middleserver.connections.desk import opened
from chukan.tenants.middleserver.connections.web_views import make_gateway
from chukan.tenants.middleserver.gate import Closed, Gate, Reason
from chukan.tenants.middleserver.inquiries.desk import features_of as inquiries_do
from chukan.tenants.middleserver.inquiries.desk import inquiries_of
from chukan.tenants.middleserver.inquiries.work import pace_due
from chukan.tenants.middleserver.linkage_codes.acquisition import Acquisition
from chukan.tenants.middleserver.operations.excluded_items import excluded_on
from chukan.tenants.middleserver.provisions.desk import features_of as provisions_do
from chukan.tenants.middleserver.transmission.desk import at_job
from chukan.tenants.middleserver.transmission.errors import NetworkAway
from chukan.tenants.middleserver.transmission.ports import Features

#: Seconds between two looks.
RELAY_PAUSE, PACE_PAUSE = 0.1, 0.2
_BY_THE_CLOCK = frozenset({Reason.HOURS, Reason.OUTAGE, Reason.DATA_STOP})
_closed = Gate.closed


def main() -> None:
    """Be the process that the first argument names, until told to end."""
    role, told = sys.argv[1:]
    settings = Settings.model_validate_json(told)
    configure_logs(settings.logs, process=role)
    with mock.patch.object(Gate, "closed", _by_no_clock), mock.patch.object(Gate, "closes_at", _never):
        {"gateway": gateway, "relay": relay, "pace": pace}[role](settings)


def gateway(settings: Settings) -> None:
    """Serve the organisations' systems and the network, behind the real front."""
    told, run = told_by_signals(), private_directory(settings.gateway.runtime_directory)

    def make() -> Flask:
        stack = ExitStack()
        services = opened(settings, lambda *lent: _features(settings, *lent), stack, excluded=excluded_on)
        atexit.register(stack.close)
        return make_gateway(services)

    with as_file(files("chukan") / "config" / "caddy") as shipped:
        backend = Backend(make, run / "gateway.sock", settings.gateway.threads, name="gateway")
        serve(backend, front(settings, run, shipped), told)


def relay(settings: Settings) -> None:
    """Send what is due."""
    ended = _ended()
    with (
        at_job(settings, "network-relay") as desk,
        desk.relay(_features(settings, desk.sessions, desk.vault)) as sender,
    ):
        while not ended.wait(RELAY_PAUSE):
            with suppress(NetworkAway):
                sender.run(stopped=ended.is_set)


def pace(settings: Settings) -> None:
    """Let lists leave as fast as they can: a portion of each organisation at a time."""
    ended = _ended()
    with at_job(settings, "inquiries-pace") as desk:
        inquiries = inquiries_of(desk, limited=False)
        while not ended.wait(PACE_PAUSE):
            pace_due(inquiries, SystemClock().now)


def _features(settings: Settings, sessions: TenantSessions, vault: Vault) -> Features:
    return (
        Acquisition(sessions, vault).features()
        | inquiries_do(lambda: settings, sessions, vault)
        | provisions_do(lambda: settings, sessions, vault, excluded_on)
    )


def _by_no_clock(gate: Gate, tenant: TenantId, service: Service, now: datetime) -> Closed | None:
    found = _closed(gate, tenant, service, now)
    return None if found is not None and found.reason in _BY_THE_CLOCK else found


def _never(_gate: Gate, _tenant: TenantId, _service: Service, _now: datetime) -> datetime | None:
    return None


def _ended() -> threading.Event:
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    return told
