"""Two towns and the network, whatever happens in whatever order: the promises of the exchange hold at every step.

The towns' side is the product over a real database; the other one is the simulated network, which judges and speaks by
its own lights. A crash leaves everything as it stands at that moment; a lost receipt lets the same bytes come again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from typing_extensions import override

from chukan.platform.clock import as_tokyo
from chukan.tenants.middleserver.inquiries.errors import NothingToCancel
from chukan.tenants.middleserver.inquiries.rules import ENDED, InquiryState, Kind
from chukan.tenants.middleserver.provisions.bars import Scope
from chukan.tenants.middleserver.provisions.decisions import Decision, Provide, Refuse
from chukan.tenants.middleserver.provisions.errors import NothingToProvide, ProvisionNotAllowed
from chukan.tenants.middleserver.provisions.rules import Reason
from chukan.tenants.middleserver.security.certificates.rules import KeyUse
from chukan.tenants.middleserver.security.masters.rules import RevisionKind
from chukan.tenants.middleserver.transmission.errors import NetworkAway
from chukan.tenants.middleserver.transmission.ports import Answer
from chukan_simulators.national_network.documents import ANSWER as ANSWERS
from chukan_simulators.national_network.documents import INQUIRY as INQUIRIES
from chukan_simulators.national_network.faults import Fault, Order, Point
from chukan_simulators.national_network.jose import encrypt
from chukan_simulators.national_network.keys import public_key
from support.exchange import Died
from support.exchange_death import Death
from support.exchange_whole import Town, Whole, whole_exchange
from support.security import NOW, Place

PEOPLE = range(1, 6)
SIDES, PERSONS, ANY = st.integers(0, 1), st.sampled_from(PEOPLE), st.integers(0, 30)
WRONG_PERMITS = [
    Fault.FORGE_SIGNATURE, Fault.FORGE_BODY, Fault.FORGE_KEY, Fault.FORGE_KID, Fault.FORGE_ALGORITHM,
    Fault.PERMIT_BY_ORGANISATION, Fault.WRONG_INQUIRER, Fault.WRONG_PROVIDER, Fault.WRONG_ITEM, Fault.EXPIRED_PERMIT,
]  # fmt: skip
FORGED = [Fault.FORGE_SIGNATURE, Fault.FORGE_BODY, Fault.FORGE_KEY, Fault.FORGE_KID, Fault.FORGE_ALGORITHM,
          Fault.FORGE_ENCRYPTION]  # fmt: skip
#: Months pass for so long: at least a year later the towns' certificates are still in force.
MONTHS_PASS = timedelta(days=730)
Named = tuple[str, str]


class Exchange(RuleBasedStateMachine):
    """Both towns ask and provide; a subclass names where.

    No rule has a precondition: the towns remember earlier examples, and what is drawn may not depend on that.
    """

    whole: ClassVar[Whole]
    #: What is known of all inquiries so far, by inquirer and serial: whom they are about, and their reception.
    about: ClassVar[dict[Named, tuple[int, str]]]
    #: Whose permit is wrong; whose answer staff alone may give, and on what they decided.
    wrong: ClassVar[set[Named]]
    held_back: ClassVar[set[Named]]
    decided: ClassVar[set[Named]]
    #: The receipts that were given, by message.
    receipts: ClassVar[dict[str, bytes]]

    def __init__(self) -> None:
        super().__init__()
        self.towns: list[Town] = list(self.whole.towns.values())
        self.barred: set[tuple[int, int]] = set()
        self.passed = timedelta()
        self.ended: dict[Named, InquiryState] = {}
        self.revisions = 0

    @initialize()
    def begin(self) -> None:
        """Something is always asked, both ways, and somebody is barred."""
        self.whole.at_delivery = self._delivered
        self.bar(1, PEOPLE[1])
        self._ask(0, *PEOPLE, kind=Kind.BULK)
        self._ask(1, PEOPLE[0])

    # -- what the towns do -----------------------------------------------------------------------------

    @rule(side=SIDES, person=PERSONS)
    def window(self, side: int, person: int) -> None:
        self._ask(side, person)

    @rule(side=SIDES, people=st.lists(PERSONS, min_size=1, max_size=4))
    def bulk(self, side: int, people: list[int]) -> None:
        self._ask(side, *people, kind=Kind.BULK)

    @rule(side=SIDES, fault=st.sampled_from(["", "", "", "drop", "lose_answer", "away", "half", "die", "die_after"]))
    def the_relay_runs(self, side: int, fault: str) -> None:
        self.towns[side].pace()
        self.whole.door.faults[:] = [fault] if fault else []
        with suppress(Died, NetworkAway):
            self.towns[side].relay(dying=True)
        self.towns[side].let_leases_end()

    @rule(side=SIDES, at=st.integers(1, 40))
    def the_relay_dies_at_any_statement(self, side: int, at: int) -> None:
        self.whole.door.faults.clear()
        with Death(at), suppress(Died):
            self.towns[side].pace()
            self.towns[side].relay(dying=True)
        self.towns[side].let_leases_end()

    @rule(side=SIDES, which=ANY)
    def cancel(self, side: int, which: int) -> None:
        own = [serial for inquirer, serial in self.about if inquirer == self.towns[side].institution]
        if own:
            with suppress(NothingToCancel):
                asking = self.towns[side].asking
                self.whole.inquiries.cancel(asking, own[-1 - which % len(own)], now=self.whole.clock.now())

    @rule(side=SIDES, person=PERSONS)
    def bar(self, side: int, person: int) -> None:
        self.whole.provisions.bar(*self._scope(side, person), "protected", now=self.whole.clock.now())
        self.barred.add((side, person))

    @rule(side=SIDES, person=PERSONS)
    def lift(self, side: int, person: int) -> None:
        if (side, person) in self.barred:
            self.whole.provisions.lift(*self._scope(side, person), now=self.whole.clock.now())
            self.barred.remove((side, person))

    @rule(side=SIDES, decision=st.sampled_from([Provide(), Provide(), Refuse(Reason.OTHER)]), which=ANY)
    def staff_decide(self, side: int, decision: Decision, which: int) -> None:
        town = self.towns[side]
        if waiting := self.whole.provisions.pending(town.providing):
            one = waiting[which % len(waiting)]
            with suppress(NothingToProvide, ProvisionNotAllowed):
                now = self.whole.clock.now()
                self.whole.provisions.decide(town.providing, one.serial, decision, now=now)
                self.decided.add((self.towns[1 - side].institution, one.serial))

    @rule(side=SIDES, use=st.sampled_from(list(KeyUse)))
    def a_certificate_is_renewed(self, side: int, use: KeyUse) -> None:
        self.towns[side].renew(use)

    @rule(retroactive=st.booleans())
    def the_layout_is_revised(self, retroactive: bool) -> None:
        """From tomorrow on; the copies are registered in the new version as well."""
        if self.revisions >= 1:
            return
        self.revisions += 1
        masters, newest = self.whole.masters, self.whole.masters.known[-1]
        kind = RevisionKind.MAJOR_RETROACTIVE if retroactive else RevisionKind.MINOR
        linked_from = as_tokyo(self.whole.clock.now()).date() + timedelta(days=1)
        more = replace(
            newest, version=newest.version + 1, valid_from=linked_from, linked_from=linked_from,
            revisions=frozenset({kind}),
        )  # fmt: skip
        masters.known = (*masters.known, more)
        for town in self.towns:
            town.register(PEOPLE, version=str(more.version), key=f"K{more.version}")

    @rule(minutes=st.sampled_from([1, 30, 60 * 24]))
    def time_passes(self, minutes: int) -> None:
        """Less than the two weeks after which a signature is too old; a month passes when nothing is under way."""
        self.passed += timedelta(minutes=minutes)
        if self.passed < timedelta(days=12):
            self.whole.clock.advance(timedelta(minutes=minutes))

    # -- what the network does -------------------------------------------------------------------------

    @rule(which=ANY, how=st.sampled_from(["", "", "", "lost", "twice", "stop"]))
    def the_network_delivers_any_of_them(self, which: int, how: str) -> None:
        """In whatever order: what comes before its turn is held or refused, and comes again."""
        for row in self._waiting(which):
            self.whole.at_delivery = {"lost": self._lost, "stop": _cut}.get(how, self._delivered)
            self.whole.deliveries.attempt(row["number"])
            self.whole.at_delivery = self._delivered
            if how == "twice":
                self._again(row["number"])

    @rule(which=ANY, at=st.integers(1, 60))
    def the_reception_dies_at_any_statement(self, which: int, at: int) -> None:
        for row in self._waiting(which):
            with Death(at):
                self.whole.deliveries.attempt(row["number"])

    @rule(which=ANY, fault=st.sampled_from(FORGED))
    def a_delivery_is_forged(self, which: int, fault: Fault) -> None:
        for row in self._waiting(which):
            before = self._provisions()
            self.whole.network.context.menu.order(Order(fault, on=Point.DELIVERIES, times=1))
            self.whole.deliveries.attempt(row["number"])
            self.whole.network.context.menu.clear()
            assert self._provisions() == before

    @rule(which=ANY)
    def an_old_delivery_comes_again(self, which: int) -> None:
        if found := self.whole.deliveries.all():
            self._again(found[-1 - which % len(found)]["number"])

    @rule(which=ANY)
    def a_message_id_comes_with_other_bytes(self, which: int) -> None:
        known = [row for row in self.whole.deliveries.all() if row["mid"] in self.receipts]
        if known:
            row = known[-1 - which % len(known)]
            pem, _state = self.whole.network.keys.shown(row["enc_kid"]) or (b"", "")
            other = encrypt(bytes(row["signed"]), row["typ"], row["institution"], row["enc_kid"], public_key(pem))
            assert self.whole.received(row["institution"], other).status in {400, 409}

    @rule(side=SIDES, person=PERSONS, fault=st.sampled_from(WRONG_PERMITS))
    def a_permit_is_wrong(self, side: int, person: int, fault: Fault) -> None:
        menu, permits = self.whole.network.context.menu, self.whole.network.inquiries._permits
        make: Callable[..., Any] = permits.make

        def made(permission: Any, other: Any) -> Any:
            before = menu.shown()[0]["served"]
            found = make(permission, other)
            if menu.shown()[0]["served"] > before:
                self.wrong.add((permission.inquirer, permission.serial))
                self.whole.misled |= {permission.serial} if fault is Fault.WRONG_ITEM else set()
            return found

        self._ask(side, person)
        self.whole.door.faults.clear()
        menu.order(Order(fault, on=Point.PERMITS, times=1))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(permits, "make", made)
            self.towns[side].pace()
            self.towns[side].relay()
        menu.clear()

    @rule()
    def what_was_not_answered_expires(self) -> None:
        """A month passes in which everything arrives, and nobody decides; not so often that certificates run out."""
        if self.whole.clock.now() - NOW > MONTHS_PASS:
            return
        self.whole.at_delivery = self._delivered
        self.whole.quiesce()
        assert self.whole.cases() == []  # as each night does; it looks back for little more than a month
        self.whole.clock.advance(timedelta(days=31, hours=1))
        self.whole.quiesce()
        assert self._open() == []

    # -- promises --------------------------------------------------------------------------------------

    @invariant()
    def nothing_acknowledged_is_lost(self) -> None:
        kept = set()
        for town in self.towns:
            kept |= {str(mid) for (mid,) in town.rows("select id from {0}.inbox")}
            asked = {str(serial) for (serial,) in town.rows("select serial from {0}.inquiry")}
            assert asked == {serial for inquirer, serial in self.about if inquirer == town.institution}
        assert self.receipts.keys() <= kept
        taken = {row["mid"] for row in self._network("select mid from message")}
        for town in self.towns:
            assert {str(mid) for (mid,) in town.rows("select id from {0}.outbox where state = 'done'")} <= taken

    @invariant()
    def nothing_takes_effect_twice(self) -> None:
        for town in self.towns:
            twice = town.rows(
                "select event from {0}.inquiry_event where event not in ('defer', 'ask_cancel', 'keep')"
                " group by inquiry, event having count(*) > 1"
                " union all select event from {0}.provision_event group by provision, event having count(*) > 1"
                " union all select 'taken' from {0}.inbox group by conv, seq having count(*) > 1"
            )
            assert twice == []
            for serial, state in town.rows("select serial, state from {0}.inquiry"):
                if (at := InquiryState(str(state))) in ENDED:
                    assert self.ended.setdefault((town.institution, str(serial)), at) is at
        taken = Counter((row["typ"], row["conv"]) for row in self._network("select typ, conv from message"))
        assert all(count == 1 for (typ, _), count in taken.items() if typ == INQUIRIES)
        assert all(count <= 2 for (typ, _), count in taken.items() if typ == ANSWERS), "deferred, and then in the end"
        # By its own lights we said nothing wrong: what it refused had crossed the end of its conversation.
        assert {row["reason"] for row in self._network("select reason from refusal")} <= {"closed"}

    @invariant()
    def nothing_is_answered_without_a_valid_permit_or_by_itself_of_who_is_barred(self) -> None:
        given: set[Named] = set()
        for town in self.towns:
            rows = town.rows("select inquirer, serial from {0}.provision where state = 'provided'")
            given |= {(str(inquirer), str(serial)) for inquirer, serial in rows}
            rows = town.rows("select serial from {0}.inquiry where state = 'answered'")
            given |= {(town.institution, str(serial)) for (serial,) in rows}
        assert not given & self.wrong
        assert given & self.held_back <= self.decided

    @override
    def teardown(self) -> None:
        """At last everything arrives, three records agree, and each answer is that to its question."""
        self.whole.at_delivery = self._delivered
        self.whole.quiesce()
        assert self.whole.cases() == []
        self.what_was_not_answered_expires()
        assert self.whole.cases() == []
        for side, person in list(self.barred):
            self.lift(side, person)
        for town, other in zip(self.towns, self.towns[::-1], strict=True):
            own = {named: told for named, told in self.about.items() if named[0] == town.institution}
            for reception in {told[1] for named, told in own.items() if named in self.ended}:
                self._answers_fit(town, other, reception)
        self.nothing_acknowledged_is_lost()
        self.nothing_takes_effect_twice()
        self.nothing_is_answered_without_a_valid_permit_or_by_itself_of_who_is_barred()
        self.whole.at_delivery = None

    # -- how -------------------------------------------------------------------------------------------

    def _ask(self, side: int, *people: int, kind: Kind = Kind.WINDOW) -> None:
        town = self.towns[side]
        told = town.ask(self.towns[1 - side], *people, kind=kind)
        for person, serial in zip(people, told.serials, strict=True):
            self.about[town.institution, serial] = (person, told.number)

    def _scope(self, side: int, person: int) -> tuple[Any, list[Scope]]:
        return self.towns[side].providing, [Scope(None, None, self.towns[side].address(person))]

    def _waiting(self, which: int) -> list[Any]:
        found = self.whole.deliveries.waiting()
        return [found[which % len(found)]] if found else []

    def _network(self, query: Any) -> list[Any]:
        return self.whole.network.context.store.found_all(query)

    def _delivered(self, _institution: str, body: bytes, take: Callable[[], Answer]) -> Answer:
        """Take a delivery, and look at what it did."""
        before = self._provisions()
        answer = take()
        for side, named in self._provisions() - before:
            if (side, self.about[named][0]) in self.barred:
                self.held_back.add(named)
        if answer.status == 200:
            (mid,) = [row["mid"] for row in self.whole.deliveries.all() if bytes(row["bytes"]) == body]
            assert self.receipts.setdefault(mid, answer.content) == answer.content, "one receipt for ever"
        return answer

    def _lost(self, institution: str, body: bytes, take: Callable[[], Answer]) -> Answer:
        self._delivered(institution, body, take)
        raise ConnectionResetError

    def _again(self, number: int) -> None:
        (row,) = [row for row in self.whole.deliveries.all() if row["number"] == number]
        answer = self.whole.received(row["institution"], bytes(row["bytes"]))
        if row["mid"] in self.receipts and answer.status == 200:
            assert answer.content == self.receipts[row["mid"]]

    def _provisions(self) -> set[tuple[int, Named]]:
        return {
            (side, (str(inquirer), str(serial)))
            for side, town in enumerate(self.towns)
            for inquirer, serial in town.rows("select inquirer, serial from {0}.provision")
        }

    def _open(self) -> list[tuple[object, ...]]:
        open_ = "select serial, state from {0}.inquiry where state in ('queued', 'sent', 'deferred', 'cancelling')"
        return [row for town in self.towns for row in town.rows(open_)]

    def _answers_fit(self, town: Town, other: Town, reception: str) -> None:
        retroactive = [each for each in self.whole.masters.known if each.is_retroactive]
        for result in town.results(reception):
            person, _ = self.about[town.institution, result.serial]
            assert result.address == town.address(person)
            assert bool(result.records) is (result.state is InquiryState.ANSWERED)
            for record in result.records:
                assert [item.value for item in record.items if item.code == "INCOME"] == [other.income(person)]
                assert result.requested_at is not None
                assert result.ended_at is not None
                asked, ended = (as_tokyo(each).date() for each in (result.requested_at, result.ended_at))
                for layout in retroactive:
                    assert ended < layout.linked_from or (
                        asked >= layout.linked_from and record.version >= layout.version
                    )


def _cut(_institution: str, _body: bytes, _take: Callable[[], Answer]) -> Answer:
    raise ConnectionResetError


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("examples", "steps"), [(6, 16), pytest.param(20, 40, marks=pytest.mark.slow)], ids=["short", "long"]
)
def test_whatever_happens_the_promises_of_the_exchange_hold(
    place: Place, tmp_path_factory: pytest.TempPathFactory, examples: int, steps: int
) -> None:
    with whole_exchange(place, tmp_path_factory.mktemp("whole"), towns=2) as whole:
        towns = [whole.town(PEOPLE) for _ in range(2)]
        about: dict[Named, tuple[int, str]] = {}
        there = {"whole": whole, "about": about, "wrong": set(), "held_back": set(), "decided": set(), "receipts": {}}
        run_state_machine_as_test(
            type("ExchangeHere", (Exchange,), there),
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                # A step takes a tenth of a second, and the towns remember: what fails is told as it failed.
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
        assert any(town.rows("select 1 from {0}.inquiry where state = 'answered'") for town in towns)
        for town, other in (towns, towns[::-1]):
            written = town.dump()
            assert town.mark in written
            secret = [
                said for each in towns for person in PEOPLE for said in (each.address(person), each.income(person))
            ]
            for foreign in (other.mark, other.mark.encode().hex(), str(other.tenant), *secret):
                assert foreign not in written
