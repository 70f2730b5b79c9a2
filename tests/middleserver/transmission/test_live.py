"""The exchange against the network as a program, over mutual TLS: killed relays, and all faults of its menu."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text

from chukan.platform.clock import as_tokyo
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.formats.messages import MessageHeader, MessageMode, add, new_message, render, value
from chukan.tenants.middleserver.security.masters.package import NETWORK_SYSTEM, PLATFORM_SYSTEM
from chukan.tenants.middleserver.security.masters.service import Distribution, Masters
from chukan.tenants.middleserver.transmission.desk import connect
from chukan.tenants.middleserver.transmission.errors import NetworkAway
from chukan.tenants.middleserver.transmission.outbox_store import unsettled
from chukan.tenants.middleserver.transmission.ports import Features, Received
from chukan.tenants.middleserver.transmission.rules import OutState
from chukan.tenants.middleserver.transmission.service import Outbox
from chukan_simulators.national_network.client import RunningNetwork, running_network
from national_network.organisation import eventually
from support.database import Database
from support.exchange import NOTIFICATION, REQUEST
from support.exchange_live import Live
from support.program import ended
from support.security import Place
from support.vault import file_safe

PROGRAM = Path(__file__).with_name("relay_and_die.py")
QUICK = ("--business-day-seconds", "0.01", "--redelivery-seconds", "0.05", "--redelivery-longest-seconds", "0.2")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    with running_network(tmp_path_factory.mktemp("network"), *QUICK, "--publish", "1") as running:
        yield running


@dataclass
class City:
    """An organisation that asks for codes of serials, and writes down what the network answers."""

    live: Live
    tenant: TenantId = field(init=False)
    institution: str = field(init=False)

    def __post_init__(self) -> None:
        self.tenant, self.institution = self.live.organisation()
        self.features = Features({NOTIFICATION: self._effect})

    def enqueue(self, conv: UUID, serial: str) -> UUID:
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
            return Outbox(self.live.place.vault).enqueue(connection, self.tenant, conv, REQUEST, write, now=now)

    def register(self, *serials: str) -> None:
        self.live.network.register(
            [
                {"ResidentRecordCode": f"9{place:010}", "ProcessingSerial": serial, "InstitutionCode": self.institution}
                for place, serial in enumerate(serials)
            ]
        )

    def states(self) -> list[str]:
        with self.live.place.sessions.begin(self.tenant) as connection:
            return [one.state.value for one in unsettled(connection, list(OutState))]

    def let_time_pass(self) -> None:
        with self.live.place.sessions.begin(self.tenant) as connection:
            connection.execute(text("update outbox set lease_until = clock_timestamp() where state = 'sending'"))
            connection.execute(text("update outbox set next_at = clock_timestamp() where state = 'queued'"))
        self.live.place.ask("update platform.due set at = clock_timestamp()")

    def answers(self) -> list[str]:
        with self.live.place.sessions.begin(self.tenant) as connection:
            return list(connection.execute(text("select name from tenant_setting")).scalars())

    def _effect(self, connection: Connection, received: Received) -> None:
        for entry in received.message.root.iterfind("Entry"):
            connection.execute(
                text("insert into tenant_setting (name, valid_from, value) values (:name, now(), :said)"),
                {"name": value(entry, "ProcessingSerial"), "said": value(entry, "Result")},
            )


@pytest.fixture
def city(database: Database, tmp_path: Path, network: RunningNetwork) -> Iterator[City]:
    safe = file_safe(database, tmp_path)
    # Institutions differ from test to test: the network is one.
    live = Live(Place(safe), network, safe.key_file, made=len(network.ask("GET", "/certificates")) % 90)
    yield City(live)
    network.recover()


@pytest.mark.parametrize(
    ("where", "came"), [("claimed", False), ("sent", True), ("answered", True), ("recording", True)]
)
def test_a_relay_that_is_killed_loses_nothing_and_repeats_the_same_bytes(city: City, where: str, *, came: bool) -> None:
    conv = uuid4()
    first, second = city.enqueue(conv, f"S-{uuid4().hex[:8]}"), city.enqueue(conv, f"S-{uuid4().hex[:8]}")
    done = ended(PROGRAM, city.live.settings.model_dump_json(), where)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [row["mid"] for row in city.live.network.messages(city.institution)] == [str(first)] * came
    assert city.states() == ["sending", "queued"]
    assert city.live.relay(city.features).events == {}, "its lease has not ended"
    city.let_time_pass()
    city.live.relay(city.features)
    assert city.states() == ["done", "done"]
    assert [row["mid"] for row in city.live.network.messages(city.institution)] == [str(first), str(second)]
    assert city.live.network.refusals(city.institution) == []


@pytest.mark.parametrize(
    "fault",
    ["drop", "lose_answer", "forge_signature", "forge_body", "forge_key", "forge_kid", "forge_algorithm"],
)
def test_without_a_right_receipt_a_message_is_sent_again_and_arrives_once(city: City, fault: str) -> None:
    city.live.network.order(fault, on="messages", times=1)
    message = city.enqueue(uuid4(), f"S-{uuid4().hex[:8]}")
    city.live.relay(city.features)
    assert city.states() == ["queued"]
    city.let_time_pass()
    city.live.relay(city.features)
    assert city.states() == ["done"]
    assert [row["mid"] for row in city.live.network.messages(city.institution)] == [str(message)]
    assert city.live.network.refusals(city.institution) == []


def test_a_network_that_keeps_signing_for_other_bytes_is_never_believed(city: City) -> None:
    # The simulated network stores the wrong receipt with the message, and repeats it for ever.
    city.live.network.order("wrong_digest", on="messages", times=1)
    city.enqueue(uuid4(), f"S-{uuid4().hex[:8]}")
    for _ in range(city.live.settings.network.max_attempts):
        city.live.relay(city.features)
        city.let_time_pass()
    assert city.states() == ["dead"]


def test_a_network_that_is_down_costs_no_attempt(city: City) -> None:
    city.enqueue(uuid4(), f"S-{uuid4().hex[:8]}")
    city.live.network.ask("POST", "/down", {})
    try:
        with pytest.raises(NetworkAway):
            city.live.relay(city.features)
    finally:
        city.live.network.ask("POST", "/up", {})
    city.live.network.order("unavailable", on="messages", times=1)
    with pytest.raises(NetworkAway):
        city.live.relay(city.features)
    city.live.relay(city.features)
    assert city.states() == ["done"]
    with city.live.place.sessions.begin(city.tenant) as connection:
        assert [one.attempts for one in unsettled(connection, list(OutState))] == [1]


@pytest.mark.parametrize(
    "fault", ["drop", "duplicate", "forge_signature", "forge_body", "forge_key", "forge_kid", "forge_algorithm",
              "forge_encryption", "overtake"]
)  # fmt: skip
def test_whatever_happens_to_a_delivery_each_answer_has_its_effect_once(city: City, fault: str) -> None:
    network, conv = city.live.network, uuid4()
    serials = [f"S-{uuid4().hex[:8]}" for _ in range(2)]
    for serial in serials:
        city.enqueue(conv, serial)
    city.live.relay(city.features)
    # Registered one after the other while nobody listens, so that there are two messages.
    for serial in serials:
        city.register(serial)
        eventually(lambda: network.status()["serials_due"] == 0)
    network.order(fault, on="deliveries", times=1, institution=city.institution)
    with city.live.listening(city.features):
        eventually(lambda: len(city.answers()) == 2)
        eventually(lambda: network.status()["deliveries_waiting"] == 0)
    assert sorted(city.answers()) == sorted(serials)
    results = [(row["state"], row["result"]) for row in network.deliveries(city.institution)]
    assert {state for state, _ in results} == {"receipted"}


def test_masters_come_over_the_same_way(city: City) -> None:
    place = city.live.place
    with connect(city.live.settings, place.sessions) as peers:
        distribution = Distribution(place.actor, Masters(place.actor.engine, peers.keys), peers.keys)
        (head,) = distribution.pull(peers.source, now=city.live.now)
    assert head.sequence == 1


def test_keys_that_were_renewed_are_asked_for_again(city: City) -> None:
    city.enqueue(uuid4(), f"S-{uuid4().hex[:8]}")
    with city.live.desk.relay(city.features) as relay:
        relay.run()
        city.live.network.ask("POST", "/keys/rotate", {})
        city.enqueue(uuid4(), f"S-{uuid4().hex[:8]}")
        relay.run()
    assert city.states() == ["done", "done"]
