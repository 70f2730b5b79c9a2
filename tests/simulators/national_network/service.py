"""The network put together."""

from __future__ import annotations

import sqlite3
import ssl
from collections.abc import Sequence
from pathlib import Path

from chukan_simulators.national_network.authority import NETWORK, PLATFORM_UNIT, TERMINAL_UNIT, Authority
from chukan_simulators.national_network.codes import Codes
from chukan_simulators.national_network.context import Context
from chukan_simulators.national_network.deliveries import Deliveries
from chukan_simulators.national_network.documents import ANSWER, CANCELLATION, CODE_REQUEST, INQUIRY, REQUEST, Schemas
from chukan_simulators.national_network.hosts import Hosts
from chukan_simulators.national_network.inquiries import Grounds, Inquiries
from chukan_simulators.national_network.keys import Keys
from chukan_simulators.national_network.line import WaitingLine
from chukan_simulators.national_network.masters import MasterFiles
from chukan_simulators.national_network.outgoing import Outgoing
from chukan_simulators.national_network.partners import Partners
from chukan_simulators.national_network.publishing import Publisher
from chukan_simulators.national_network.reception import Kind, Reception
from chukan_simulators.national_network.records import Records
from chukan_simulators.national_network.store import Store
from chukan_simulators.national_network.traffic import Traffic

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
        self.hosts = Hosts(self.context, self.keys)
        line = WaitingLine(self.context.menu, self._is_reachable)
        outgoing = Outgoing(self.context, self.keys, line)
        self.codes = Codes(self.context, outgoing)
        self.publisher = Publisher(self.context, self.keys, MasterFiles(masters, config / "organisations.csv"))
        self.records = Records(store)
        self.inquiries = Inquiries(self.context, self.keys, self.codes, outgoing, Grounds(self.hosts, self.publisher))
        self.reception = Reception(self.context, self.keys, self._kinds())
        self.partners = Partners(self.context, self.keys, self.codes, self.hosts, self.publisher)
        self.partners.send = self.reception.receive_from_inside
        self.traffic = Traffic(self.keys, self.codes, self.hosts, self.publisher, self.partners)
        self.deliveries = Deliveries(self.context, self.keys, line, self, self._as_client())

    def _kinds(self) -> dict[str, Kind]:
        return {
            CODE_REQUEST: Kind(self.codes.check_announcement, self.codes.take_announcement, alone=True),
            INQUIRY: Kind(self.inquiries.check_inquiry, self.inquiries.take_inquiry, alone=True),
            CANCELLATION: Kind(self.inquiries.check_cancellation, self.inquiries.take_cancellation),
            ANSWER: Kind(self.inquiries.check_answer, self.inquiries.take_answer),
        }

    # What deliveries ask for.

    def due(self) -> None:
        """Do what its time has come for: issue codes, let inquiries expire."""
        self.codes.issue_due()
        self.inquiries.expire_due()

    def is_hosted(self, institution: str) -> bool:
        """Return whether messages to *institution* stay in here."""
        return self.hosts.has(institution)

    def hand_over(self, institution: str, body: bytes) -> bytes:
        """Return the receipt of the hosted *institution* for *body*."""
        return self.partners.take(institution, body)

    def refused(self, connection: sqlite3.Connection, row: sqlite3.Row, reason: str) -> None:
        """Know that the receiver refused our message *row* for good."""
        if row["typ"] == REQUEST:
            self.inquiries.request_refused(connection, row["institution"], row["conv"], reason)

    def _is_reachable(self, institution: str) -> bool:
        return bool(self.context.platform_url) or self.hosts.has(institution)

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
