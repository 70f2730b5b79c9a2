"""Whatever happens in whatever order: each inquiry leaves once, ends once, and its record says what its state says."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from chukan.tenants.middleserver.inquiries.errors import NothingToCancel
from chukan.tenants.middleserver.inquiries.rules import ENDED, InquiryState
from chukan.tenants.middleserver.transmission.errors import NetworkAway
from support.exchange import Wire
from support.inquiries import Asking, InquiryNetwork, asking_of
from support.security import Place

#: What a record says of an inquiry that has left, by its state.
RECORDED = {
    InquiryState.QUEUED: set(),
    InquiryState.SENT: {"requested"},
    InquiryState.DEFERRED: {"deferred"},
    InquiryState.CANCELLING: {"requested", "deferred"},
    InquiryState.ANSWERED: {"provided"},
    InquiryState.REFUSED: {"refused"},
    InquiryState.EXPIRED: {"expired"},
    InquiryState.CANCELLED: {"cancelled"},
}


class Inquiring(RuleBasedStateMachine):
    """An organisation that asks, and a network that does what it likes."""

    place: ClassVar[Place]
    serials = Bundle("serials")

    def __init__(self) -> None:
        super().__init__()
        self.place.ask("delete from platform.due")
        self.asking: Asking = asking_of(Wire(self.place))
        self.asking.hours.closes = None
        self.known: list[str] = []
        self.ended: dict[str, InquiryState] = {}

    @rule(target=serials, person=st.integers(1, 15))
    def window(self, person: int) -> str:
        serial = self.asking.window(person).serial
        self.known.append(serial)
        return serial

    @rule(target=serials, rows=st.integers(1, 6))
    def bulk(self, rows: int) -> object:
        told = self.asking.bulk(rows)
        self.known.extend(told.serials)
        return multiple(*told.serials)

    @rule()
    def pace(self) -> None:
        self.asking.pace()

    @rule(fault=st.sampled_from(["", "", "drop", "lose_answer", "away"]))
    def relay(self, fault: str) -> None:
        network = self.asking.wire.network
        network.faults.clear()
        if fault:
            network.faults.append(fault)
        # Its job ends with it and goes on with the next run.
        with suppress(NetworkAway):
            self.asking.relay()

    @rule(serial=serials, result=st.sampled_from(["provided", "deferred", "refused", "expired", "cancelled"]))
    def result(self, serial: str, result: str) -> None:
        found = self.asking.inquiry(serial)
        if found.requested_at is None:
            return
        parts: dict[str, str | None] = {"Reason": "barred"} if result == "refused" else {}
        if result == "provided":
            parts = {**self.asking.provided(found)}
        self.asking.result(found, result, parts)

    @rule(serial=serials)
    def forged(self, serial: str) -> None:
        found = self.asking.inquiry(serial)
        if found.requested_at is None or found.state in ENDED:
            return
        parts = self.asking.provided(found, ProcessingSerial="0" * 20)
        assert self.asking.result(found, "provided", parts)["Reason"] == "content"

    @rule(serial=serials)
    def cancel(self, serial: str) -> None:
        try:
            self.asking.inquiries.cancel(self.asking.caller, serial, now=self.asking.now)
        except NothingToCancel:
            assert self.asking.inquiry(serial).state in {*ENDED, InquiryState.CANCELLING}

    @rule(minutes=st.sampled_from([1, 20, 60, 60 * 24 * 10]))
    def later(self, minutes: int) -> None:
        self.asking.later(minutes=minutes)
        self.asking.inquiries.expire(self.asking.tenant, now=self.asking.now, actor="system:test", request="test")

    @invariant()
    def each_leaves_once_and_in_order(self) -> None:
        rows = self._ask(
            "select i.reception, i.place from {0}.outbox o join {0}.inquiry i on i.id = o.conv"
            " where o.type = 'IF_SKI_X0101_R01' order by o.id"
        )
        assert len(set(rows)) == len(rows)
        for reception in {reception for reception, _ in rows}:
            places = [int(str(place)) for one, place in rows if one == reception]
            assert places == sorted(places)
        network = self.asking.wire.network
        assert isinstance(network, InquiryNetwork)
        taken = [each.findtext("ProcessingSerial") for each in network.documents if each.tag == "InformationInquiry"]
        assert len(set(taken)) == len(taken)

    @invariant()
    def what_has_ended_stays_so_and_the_record_agrees(self) -> None:
        rows = self._ask(
            "select i.serial, i.state, i.requested_at is not null, i.ended_at is not distinct from r.answered_at,"
            " r.result from {0}.inquiry i left join {0}.provision_record r on r.serial = i.serial"
        )
        assert len(rows) == len(self.known)
        for serial, state, has_left, same_end, recorded in rows:
            at = InquiryState(str(state))
            if at in ENDED:
                # That it is expired may be our own word; then the network's is the last one.
                assert self.ended.get(str(serial), at) in {at, InquiryState.EXPIRED}
                self.ended[str(serial)] = at
            assert (recorded in RECORDED[at] and same_end) if has_left else recorded is None

    @invariant()
    def no_sixty_minutes_pass_the_ceiling(self) -> None:
        rows = [(at, int(str(n))) for at, n in self._ask('select minute, "window" + bulk from {0}.inquiry_pace')]
        for minute, _ in rows:
            assert isinstance(minute, datetime)
            within = [n for at, n in rows if isinstance(at, datetime) and minute <= at < minute + timedelta(hours=1)]
            assert sum(within) <= 10_000

    def _ask(self, statement: str) -> list[tuple[object, ...]]:
        return self.place.ask_of(self.asking.tenant, statement)


def test_inquiries_in_any_order(place: Place) -> None:
    class Here(Inquiring):
        pass

    Here.place = place
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=5,
            stateful_step_count=12,
            deadline=None,
            # A step takes a tenth of a second: what fails is told as it failed.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
