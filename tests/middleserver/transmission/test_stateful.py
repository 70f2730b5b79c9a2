"""Whatever is sent, lost, doubled, overtaken or killed: every message has its effect once and in order, both ways.

The machine runs over a real database; a crash leaves everything as it stands at that moment, and nobody tidies up.
"""

from __future__ import annotations

from collections import defaultdict
from typing import ClassVar
from uuid import UUID, uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from typing_extensions import override

from chukan.tenants.middleserver.transmission.errors import NetworkAway
from support.exchange import Died, Organisation, Wire

FAULTS = st.lists(
    st.sampled_from(["", "drop", "lose_answer", "away", "die", "die_after", "wrong_digest", "nonsense"]), max_size=4
)
PLACES = st.integers(0, 1)


class Exchange(RuleBasedStateMachine):
    """Both directions of two conversations of one organisation; a subclass names where."""

    wire: ClassVar[Wire]
    city: ClassVar[Organisation]

    def __init__(self) -> None:
        super().__init__()
        self.conversations = [uuid4(), uuid4()]
        self.sent: dict[UUID, list[UUID]] = defaultdict(list)
        #: What the network has written and delivers until it is receipted, by conversation and place in it.
        self.written: dict[UUID, list[tuple[str, bytes]]] = defaultdict(list)
        self.receipts: dict[bytes, bytes] = {}
        self.wire.network.faults.clear()

    @rule(place=PLACES)
    def we_send(self, place: int) -> None:
        conv = self.conversations[place]
        self.sent[conv].append(self.wire.enqueue(self.city, conv))

    @rule(faults=FAULTS)
    def the_relay_runs(self, faults: list[str]) -> None:
        self.wire.network.faults.clear()
        self.wire.network.faults.extend(faults)
        try:
            self.wire.relay(dying=any(fault.startswith("die") for fault in faults)).drain(
                self.city.tenant, self.wire.clock.now()
            )
        except (NetworkAway, Died):
            self.wire.let_leases_end(self.city)

    @rule(place=PLACES)
    def the_network_writes(self, place: int) -> None:
        conv = self.conversations[place]
        serial = f"S-{uuid4().hex[:12]}"
        body = self.wire.notification(self.city, conv, len(self.written[conv]) + 1, serial)
        self.written[conv].append((serial, body))

    @rule(place=PLACES, which=st.integers(0, 5), crash=st.booleans())
    def the_network_delivers_any_of_them(self, place: int, which: int, crash: bool) -> None:
        written = self.written[self.conversations[place]]
        if not written:
            return
        body = written[which % len(written)][1]
        self.wire.fail_next = crash
        try:
            status, told, receipt = self.wire.deliver(body)
        except RuntimeError:
            return
        finally:
            self.wire.fail_next = False
        assert (status, told["Result"]) in {(200, "accepted"), (200, "held")}
        assert self.receipts.setdefault(body, receipt) == receipt, "one receipt for ever"

    @invariant()
    def what_arrived_is_the_beginning_of_what_was_sent(self) -> None:
        for conv in self.conversations:
            arrived = self.wire.network.taken.get(str(conv), [])
            assert arrived == [str(message) for message in self.sent[conv]][: len(arrived)]
            assert all(len(self.wire.network.bodies[message]) == 1 for message in arrived)

    @invariant()
    def what_had_its_effect_is_the_beginning_of_what_was_written(self) -> None:
        for conv in self.conversations:
            had = set(self.wire.effects(self.city, conv))
            assert had == {serial for serial, _ in self.written[conv][: len(had)]}

    @override
    def teardown(self) -> None:
        """At last everything arrives."""
        self.wire.network.faults.clear()
        self.wire.fail_next = False
        for _ in range(40):
            self.wire.let_leases_end(self.city)
            for dead in self.wire.exchange.situation(self.city.tenant).unsettled:
                if dead.state.value == "dead":
                    self.wire.exchange.retry(self.city.tenant, dead.id, now=self.wire.clock.now())
            if not self.wire.relay().drain(self.city.tenant, self.wire.clock.now()).events:
                break
        for conv in self.conversations:
            assert self.wire.network.taken.get(str(conv), []) == [str(message) for message in self.sent[conv]]
            for _, body in self.written[conv]:
                self.wire.deliver(body)
            assert sorted(self.wire.effects(self.city, conv)) == sorted(serial for serial, _ in self.written[conv])


def test_every_message_has_its_effect_once_and_in_order(wire: Wire) -> None:
    city = wire.organisation()
    run_state_machine_as_test(
        type("ExchangeHere", (Exchange,), {"wire": wire, "city": city}),
        settings=settings(
            max_examples=12, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
