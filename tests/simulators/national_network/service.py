"""The network put together."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

from chukan_simulators.national_network.authority import NETWORK, PLATFORM_UNIT, TERMINAL_UNIT, Authority
from chukan_simulators.national_network.codes import Codes
from chukan_simulators.national_network.context import Context
from chukan_simulators.national_network.deliveries import Deliveries
from chukan_simulators.national_network.documents import Schemas
from chukan_simulators.national_network.keys import Keys
from chukan_simulators.national_network.masters import MasterFiles
from chukan_simulators.national_network.publishing import Publisher
from chukan_simulators.national_network.reception import Reception
from chukan_simulators.national_network.store import Store

LOCAL_HOSTS = ("localhost", "127.0.0.1")


class Network:
    """All parts over one directory."""

    def __init__(self, directory: Path, config: Path, masters: Path, platform_hosts: Sequence[str] = ()) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        authority = Authority.kept_in(directory)
        store = Store(directory / "network.sqlite")
        self.context = Context(directory, store, authority, Schemas(config / "protocols"))
        self.ca = directory / "ca.pem"
        self.own = authority.tls_pair(directory / "network.pem", NETWORK, "tls", LOCAL_HOSTS)
        hosts = (*LOCAL_HOSTS, *platform_hosts)
        self.platform = authority.tls_pair(directory / "platform.pem", "platform", PLATFORM_UNIT, hosts)
        self.terminal = authority.tls_pair(directory / "terminal.pem", "terminal", TERMINAL_UNIT, ())
        self.keys = Keys(self.context)
        self.codes = Codes(self.context, self.keys)
        self.publisher = Publisher(self.context, self.keys, MasterFiles(masters, config / "organisations.csv"))
        self.reception = Reception(self.context, self.keys, self.codes)
        self.deliveries = Deliveries(self.context, self.keys, self.codes, self._as_client())

    def as_server(self) -> ssl.SSLContext:
        """Return the TLS of the network's own server: nobody enters without a certificate of the CA."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.own)
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _as_client(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.own)
        context.load_verify_locations(self.ca)
        return context
