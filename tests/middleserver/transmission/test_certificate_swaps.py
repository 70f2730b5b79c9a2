"""Certificates are replaced while messages go both ways: none is lost, refused, or signed by a retired key (A0-072).

The network is a program of its own; its answers are encrypted to the newest certificate from its issue on. Fourteen
days of overlap are passed by telling ``retire`` a later instant, once all that was sent before has been answered.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text

from chukan.platform.clock import as_tokyo
from chukan.tenants.middleserver.formats.messages import MessageHeader, MessageMode, add, new_message, render, value
from chukan.tenants.middleserver.security.certificates.errors import CertificateInUse, OverlapNotOver
from chukan.tenants.middleserver.security.certificates.rules import KeyState, KeyUse
from chukan.tenants.middleserver.security.certificates.service import Certificates, Keys
from chukan.tenants.middleserver.security.masters.package import NETWORK_SYSTEM, PLATFORM_SYSTEM
from chukan.tenants.middleserver.transmission.desk import connect
from chukan.tenants.middleserver.transmission.ports import Features, Received
from chukan.tenants.middleserver.transmission.service import Outbox
from chukan_simulators.national_network.client import running_network
from national_network.organisation import eventually
from support.database import Database
from support.exchange import NOTIFICATION, REQUEST
from support.exchange_live import Live
from support.security import Place
from support.vault import file_safe

QUICK = ("--business-day-seconds", "0.01", "--redelivery-seconds", "0.05", "--redelivery-longest-seconds", "0.2")
#: Requests of one conversation, which ends with the answer to the last one.
IN_A_CONVERSATION = 2
PATIENCE = 90.0
#: On a slow machine the senders wait, so that what waits does not grow without end.
MOST_UNSENT = 30


@dataclass
class Traffic:
    """One organisation that asks and is answered without a pause, from several threads."""

    live: Live
    ended: threading.Event = field(default_factory=threading.Event)
    #: The serial of each request that was queued, by its message.
    asked: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tenant, self.institution = self.live.organisation()
        self.outbox = Outbox(self.live.place.vault)
        self.features = Features({NOTIFICATION: self._effect})
        self._registered: set[str] = set()

    @contextmanager
    def flowing(self, senders: int) -> Iterator[None]:
        """Let messages flow for the block; afterwards until the last one has been answered."""
        with self.live.listening(self.features), ThreadPoolExecutor(senders + 3) as pool:
            work: list[Callable[[], None]] = [self._send] * senders + [self._relay] * 2 + [self._register]
            running = [pool.submit(each) for each in work]
            try:
                yield
            finally:
                self.ended.set()
            for each in running:
                each.result()

    def answered(self) -> set[str]:
        """Return the serials whose answer had its effect."""
        with self.live.place.sessions.begin(self.tenant) as connection:
            return set(connection.execute(text("select name from tenant_setting")).scalars())

    def signed_by(self, kid: str) -> set[UUID]:
        """Return the messages that were signed by the key *kid*."""
        with self.live.place.sessions.begin(self.tenant) as connection:
            return set(connection.execute(text("select id from outbox where kid = :kid"), {"kid": kid}).scalars())

    def received_under(self, kid: str) -> int:
        """Return how many answers came encrypted to the key *kid*."""
        with self.live.place.sessions.begin(self.tenant) as connection:
            query = text("select count(*) from inbox where kid = :kid")
            return int(connection.execute(query, {"kid": kid}).scalar_one())

    @staticmethod
    def _pause(seconds: float = 0.05) -> None:
        threading.Event().wait(seconds)

    def _send(self) -> None:
        while not self.ended.is_set():
            if len(self.asked) - len(self._registered) > MOST_UNSENT:
                self._pause()
                continue
            conv = uuid4()
            for _ in range(IN_A_CONVERSATION):
                serial = f"S-{uuid4().hex}"
                self.asked[str(self._enqueue(conv, serial))] = serial
            self._pause(0.2)

    def _enqueue(self, conv: UUID, serial: str) -> UUID:
        now = self.live.now

        def write(message: UUID) -> bytes:
            header = MessageHeader(message, REQUEST, MessageMode.PRODUCTION, PLATFORM_SYSTEM, NETWORK_SYSTEM)
            root = new_message("CodeAcquisitionRequest", header)
            add(root, "InstitutionCode", self.institution)
            entry = add(root, "Entry")
            add(entry, "ProcessingSerial", serial)
            add(entry, "RequestedAt", as_tokyo(now).isoformat())
            return render(root)

        with self.live.place.sessions.begin(self.tenant) as connection:
            return self.outbox.enqueue(connection, self.tenant, conv, REQUEST, write, now=now)

    def _relay(self) -> None:
        with self.live.desk.relay(self.features) as relay:
            while not self._is_over():
                relay.run()
                self._pause()

    def _register(self) -> None:
        """Tell the register of the serials that the network has, as the organisation's own terminal does."""
        while not self._is_over():
            came = [self.asked.get(row["mid"]) for row in self.live.network.messages(self.institution)]
            fresh = [serial for serial in came if serial is not None and serial not in self._registered]
            if fresh:
                begin = len(self._registered)
                requests = [
                    {"ResidentRecordCode": f"9{place:010}", "ProcessingSerial": serial,
                     "InstitutionCode": self.institution}
                    for place, serial in enumerate(fresh, begin)
                ]  # fmt: skip
                self.live.network.register(requests)
                self._registered.update(fresh)
            self._pause()

    def _is_over(self) -> bool:
        return self.ended.is_set() and self.answered() >= set(self.asked.values())

    def _effect(self, connection: Connection, received: Received) -> None:
        """Write each answer down; the second time would break the primary key. The last one ends the conversation."""
        conv = {"conv": str(received.conversation)}
        for entry in received.message.root.iterfind("Entry"):
            name = {"name": value(entry, "ProcessingSerial")}
            connection.execute(
                text("insert into tenant_setting (name, valid_from, value) values (:name, now(), :conv)"), conv | name
            )
        found = connection.execute(text("select count(*) from tenant_setting where value = :conv"), conv).scalar_one()
        if found == IN_A_CONVERSATION:
            self.outbox.close(connection, received.conversation)


def swap(traffic: Traffic, certificates: Certificates, use: KeyUse) -> tuple[str, set[UUID]]:
    """Replace the key for *use* and retire the old one; return that one and what it had signed by then."""
    live, tenant = traffic.live, traffic.tenant
    keys = Keys(live.place.sessions, live.place.vault)
    (old,) = keys.accepted_kids(tenant, use)
    new = certificates.request(tenant, traffic.institution, use, now=live.now)
    certificates.activate(tenant, new, now=live.now)
    with pytest.raises((OverlapNotOver, CertificateInUse)):
        certificates.retire(tenant, old, now=live.now)
    before = set(traffic.asked.values())
    eventually(lambda: traffic.answered() >= before, PATIENCE)
    # What is under way now is under the new key; the old one may go once nothing is open under it.
    later = live.now + timedelta(days=14, minutes=1)

    def retired() -> bool:
        try:
            certificates.retire(tenant, old, now=later)
        except CertificateInUse:
            return False
        return True

    eventually(retired, PATIENCE)
    return old, traffic.signed_by(old)


@pytest.mark.parametrize(
    ("senders", "rounds"), [(2, 1), pytest.param(4, 3, marks=pytest.mark.slow)], ids=["small", "full"]
)
def test_certificates_are_replaced_under_load_and_no_message_is_lost_or_refused(
    database: Database, tmp_path: Path, senders: int, rounds: int
) -> None:
    safe = file_safe(database, tmp_path)
    with running_network(tmp_path / "network", *QUICK) as network:
        live = Live(Place(safe), network, safe.key_file)
        traffic, retired = Traffic(live), []
        with connect(live.settings, live.place.sessions) as peers, traffic.flowing(senders):
            certificates = Certificates(
                live.place.sessions, live.place.vault, peers.issuer, peers.in_flight, actor="system:test",
                request="test",
            )  # fmt: skip
            for _ in range(rounds):
                for use in (KeyUse.SIGN, KeyUse.ENCRYPT):
                    # Each key has worked before it is replaced.
                    answers = len(traffic.answered())
                    eventually(lambda answers=answers: len(traffic.answered()) > answers, PATIENCE)  # type: ignore[misc]
                    retired.append((use, *swap(traffic, certificates, use)))
        assert traffic.answered() == set(traffic.asked.values())
        assert {row["mid"] for row in network.messages(traffic.institution)} == set(traffic.asked)
        assert network.refusals(traffic.institution) == []
        assert {row["result"] for row in network.deliveries(traffic.institution)} <= {"accepted", "held"}
        for use, old, signed in retired:
            assert traffic.signed_by(old) == signed, "nothing was signed by a retired key"
            assert signed if use is KeyUse.SIGN else traffic.received_under(old), "the key had worked"
        states = [key.state for key in Keys(live.place.sessions, live.place.vault).list(traffic.tenant)]
        assert states.count(KeyState.RETIRED) == 2 * rounds
        assert states.count(KeyState.ACTIVE) == 2
