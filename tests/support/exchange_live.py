"""For the tests of the exchange against the simulated network: both sides as programs and servers over mutual TLS."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from typing_extensions import override

from chukan.platform.clock import SystemClock
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import TenantId
from chukan.platform.settings import NetworkSettings, Settings, VaultSettings
from chukan.tenants.middleserver.security.certificates.rules import KeyUse
from chukan.tenants.middleserver.security.certificates.service import Certificates
from chukan.tenants.middleserver.transmission.desk import TransmissionDesk, connect, reception_for
from chukan.tenants.middleserver.transmission.ports import Features
from chukan.tenants.middleserver.transmission.reception import Reception
from chukan.tenants.middleserver.transmission.relay import Relayed
from chukan_simulators.national_network.client import RunningNetwork
from support.database import Database
from support.security import Place


@dataclass
class Live:
    """A place whose organisations exchange with a network that runs in a process of its own."""

    place: Place
    network: RunningNetwork
    key_file: Path
    made: int = 0

    @property
    def now(self) -> datetime:
        return SystemClock().now()

    @property
    def settings(self) -> Settings:
        ca, platform = self.network.ca, self.network.platform
        way = NetworkSettings(
            url=self.network.url,
            ca_file=ca,
            client_certificate_file=platform,
            connect_seconds=5,
            answer_seconds=10,
            request_seconds=15,
            max_attempts=4,
            retry_first_seconds=60,
            retry_longest_seconds=60,
        )
        return Settings(database=self.place.database.settings, vault=VaultSettings(key_file=self.key_file), network=way)

    @property
    def desk(self) -> TransmissionDesk:
        return TransmissionDesk(self.place.actor, self.settings, self.place.sessions, self.place.vault)

    def organisation(self) -> tuple[TenantId, str]:
        """Make a tenant with certificates that the network issued; return it with its institution code."""
        self.made += 1
        tenant, institution = self.place.tenant(), f"02201131121017{self.made:02}"
        self._keep_password(self.place.database, tenant)
        with connect(self.settings, self.place.sessions) as peers:
            certificates = Certificates(
                self.place.sessions,
                self.place.vault,
                peers.issuer,
                peers.in_flight,
                actor="system:test",
                request="test",
            )
            for use in KeyUse:
                kid = certificates.request(tenant, institution, use, now=self.now)
                certificates.activate(tenant, kid, now=self.now)
        return tenant, institution

    def relay(self, features: Features) -> Relayed:
        with self.desk.relay(features) as relay:
            return relay.run()

    @contextmanager
    def listening(self, features: Features) -> Iterator[None]:
        """Take the network's messages for the block, over mutual TLS."""
        place = self.place
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.network.ca))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.network.platform)
        with reception_for(
            self.settings.network, place.actor.engine, place.sessions, place.vault, features
        ) as reception:
            server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(reception))
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            self.network.ask("POST", "/platform", {"url": f"https://localhost:{server.server_address[1]}"})
            try:
                yield
            finally:
                self.network.ask("POST", "/platform", {"url": ""})
                server.shutdown()
                server.server_close()
                thread.join()

    def _keep_password(self, database: Database, tenant: TenantId) -> None:
        """Let the vault know the tenant's password, as provisioning does."""
        vault = self.place.safe.vault(ProcessKind.PROVISIONER)
        with database.engine(ProcessKind.PROVISIONER).begin() as connection:
            credentials = self.place.safe.credentials(vault, ProcessKind.PROVISIONER)
            credentials.store(driver(connection), tenant, database.credentials.password(tenant))


def _handler(reception: Reception) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            subject: Any = self.connection.getpeercert()
            names = dict(pair for pairs in subject["subject"] for pair in pairs)
            answer = reception.receive(body, names["commonName"], now=SystemClock().now())
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/jose")
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler
