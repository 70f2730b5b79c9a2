"""``chukan demo exchange``: inquiries between two municipalities, from the question to what three parties record.

It works over the copies that ``chukan demo copies`` registered: the second municipality asks, the first one has what
is asked for. Their systems are played here, over mutual TLS at the gateway; the simulated network permits and passes
on; everything else is the platform's own. Each run asks anew.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import TypeVar

from chukan.demo.asking import Pair, Question
from chukan.demo.contents import Asking
from chukan.demo.copies import Copies
from chukan.demo.errors import Stalled
from chukan.demo.open_gate import OpenGate
from chukan.demo.steps import bar
from chukan.platform.clock import SystemClock, as_tokyo, monotonic
from chukan.platform.identifiers import TenantId
from chukan.platform.messages import mark, text
from chukan.tenants.middleserver.connections.inquiries import PROCESSING
from chukan.tenants.middleserver.formats.messages import Element, Message, value
from chukan.tenants.middleserver.inquiries.rules import InquiryState, told_state
from chukan.tenants.middleserver.inquiries.service import Inquiries
from chukan.tenants.middleserver.provision_records.rules import Fact
from chukan.tenants.middleserver.provision_records.service import Reconciled, Reconciliation, Records, read_list
from chukan.tenants.middleserver.provision_records.work import institutions
from chukan.tenants.middleserver.security.certificates.service import Keys
from chukan.tenants.middleserver.security.masters.service import Masters
from chukan.tenants.middleserver.transmission.desk import authority_of, way
from chukan.tenants.middleserver.transmission.relay import Relay
from chukan.tenants.middleserver.transmission.switch import Stops

T = TypeVar("T")

#: Longer than the lease of a worker that was killed while it had a message.
_PATIENCE_SECONDS = 150.0
_LOOK_SECONDS = 0.2
#: Between two looks at what could leave.
_CARRY_SECONDS = 0.03
#: The places of the inquirer's residents: who is asked for at the counter, who is barred, who stand in the list.
_AT_COUNTER, _BARRED, _LISTED = 0, 1, 2
_UNDER_WAY = frozenset({InquiryState.QUEUED, InquiryState.SENT, InquiryState.CANCELLING})
#: Longer than a message takes from one to the other, while all that waits is carried.
_SETTLES_IN = timedelta(seconds=3)
_COMPARISONS = 5
#: What all three parties record alike.
RECORDED = tuple(each.name for each in fields(Fact) if each.compare and each.name != "side")
#: A day and a night of traffic, at one in ten seconds.
_MANY = 10_000


@dataclass(frozen=True)
class Outcome:
    """What became of an inquiry, or of so many of a list, and after how many seconds that was known.

    *title* is to be translated, *state* is in the reader's language, *reason* a word of the protocol.
    """

    title: str
    count: int
    state: str
    reason: str
    seconds: float


@dataclass(frozen=True)
class Read:
    """An item of an answer, as the inquirer's system read it: the code, its name in the layout, and the value."""

    code: str
    name: str
    value: str = field(repr=False)


@dataclass
class Exchanged:
    """What the steps found, for the tables at the end."""

    outcomes: list[Outcome] = field(default_factory=list)
    #: The answer to the inquiry at the counter, and how it is told whose and of what it is.
    answer: Sequence[Read] = ()
    about: str = ""
    #: The inquirer's, the provider's, the network's record of that inquiry.
    records: Sequence[Fact] = ()


class Exchange:
    """The steps, on one running installation whose copies are registered."""

    def __init__(self, copies: Copies) -> None:
        self._copies = copies
        self._wanted = copies.contents.inquiries
        self._provider, self._inquirer, *_others = copies.towns()
        self._pair = Pair(copies, self._inquirer, self._provider)
        self._begun = copies.installation.now()
        #: The processing serial of the inquiry at the counter; reception and serial of the one that is deferred.
        self._serial = ""
        self._deferred = ("", "")
        self.found = Exchanged()

    # -- the steps -----------------------------------------------------------------------------------

    def bar(self) -> str:
        """Have the provider bar one person from automatic replies; a second run finds that barred."""
        new = self._pair.bar(self._provider.people[_BARRED].address, text("demonstration"))
        return text("1 person of {town}, {new} new", town=self._provider.registered.name, new=new)

    def counter(self) -> str:
        """Ask for one person at a counter, and wait for the answer."""
        begun = monotonic()
        answer = self._decided(self._pair.ask(self._question(_AT_COUNTER, self._wanted.answered)))
        result = _result(answer)
        self._serial = value(result, "ProcessingSerial")
        self._note(mark("at a counter"), result, begun)
        self._keep(result)
        return text(
            "{inquirer} asks {provider}: {state} after {seconds} seconds",
            inquirer=self._inquirer.registered.name, provider=self._provider.registered.name,
            state=_word(value(result, "State")), seconds=_since(begun),
        )  # fmt: skip

    def refused(self) -> str:
        """Ask for what the permission table has no row of: the platform refuses it, and nothing leaves."""
        begun = monotonic()
        problem = self._pair.ask_in_vain(self._question(_AT_COUNTER, self._wanted.refused))
        reason = value(problem, "Error")
        self.found.outcomes.append(
            Outcome(mark("what the permission table does not hold"), 1, text("refused"), reason, monotonic() - begun)
        )
        return text("refused at once: {reason}", reason=value(problem, "Message"))

    def deferred(self) -> str:
        """Ask about who is barred: the provider's staff decide."""
        begun = monotonic()
        answer = self._decided(self._pair.ask(self._question(_BARRED, self._wanted.answered)))
        result = _result(answer)
        self._deferred = answer.value("ReceptionNumber"), value(result, "ProcessingSerial")
        self._note(mark("about somebody who is barred"), result, begun)
        return text(
            "{state} after {seconds} seconds; why, only the provider knows",
            state=_word(value(result, "State")), seconds=_since(begun),
        )  # fmt: skip

    def bulk(self) -> str:
        """Send a list, look how it stands until all is decided, and fetch what became of it."""
        begun, wanted = monotonic(), self._wanted
        places = range(_LISTED, _LISTED + wanted.listed)
        questions = [*(self._question(place, wanted.answered) for place in places),
                     self._question(_AT_COUNTER, wanted.missing)]  # fmt: skip
        taken = self._pair.send_list(questions)
        number = taken.value("ReceptionNumber")
        self._watch(number, len(questions))
        seconds = monotonic() - begun
        states = Counter((value(each, "State"), value(each, "Reason")) for each in self._pair.results(number))
        self.found.outcomes += [
            Outcome(mark("in a list"), count, _word(state), reason, seconds)
            for (state, reason), count in states.items()
        ]
        return text(
            "{count} inquiries, foretold to end by {end}; decided after {seconds} seconds",
            count=len(questions), end=f"{as_tokyo(datetime.fromisoformat(taken.value('PredictedEnd/Worst'))):%H:%M:%S}",
            seconds=f"{seconds:.1f}",
        )  # fmt: skip

    def decision(self) -> str:
        """Have the provider's staff see what waits, and provide what was barred; the inquirer fetches it."""
        begun, (number, serial) = monotonic(), self._deferred
        waiting = self._pair.waiting()
        # Where a thousand wait already, it is not on the list.
        causes = (value(each, "Cause") for each in waiting if value(each, "ProcessingSerial") == serial)
        cause = next(causes, "–")
        self._pair.provide(serial)
        answer = self._until(
            lambda: self._pair.ask_again(number), lambda told: told.value("State") != InquiryState.DEFERRED
        )
        self._note(mark("the same, when the provider's staff have decided"), _result(answer), begun)
        return text(
            "{count} wait, one because of {cause}, which is provided: {state} after {seconds} seconds",
            count=len(waiting), cause=cause, state=_word(answer.value("State")),
            seconds=_since(begun),
        )  # fmt: skip

    def records(self) -> str:
        """Fetch what the three parties have recorded of the inquiry at the counter, and compare."""
        kept = Records(self._copies.exchange.sessions)
        own = [kept.find(town.tenant, serial=self._serial)[0] for town in (self._inquirer, self._provider)]
        self.found.records = [*own, self._recorded_there()]
        differing = {name for name in RECORDED if len({getattr(each, name) for each in self.found.records}) > 1}
        if differing:
            return text("those of {serial} differ: {fields}", serial=self._serial, fields=", ".join(sorted(differing)))
        return text("the three of {serial} agree in every field", serial=self._serial)

    def reconciliation(self) -> str:
        """Compare both municipalities' records with the network's, as is done each night."""
        exchange, towns = self._copies.exchange, (self._inquirer.tenant, self._provider.tenant)
        with way(exchange.settings.network) as (network, keys):
            institution = institutions(Keys(exchange.sessions, exchange.vault))
            comparison = Reconciliation(exchange.actor, exchange.sessions, network, keys.public_key, institution)
            done = self._compared(comparison, towns)
            cases = [each for each in comparison.cases() if each.tenant in towns]
        return text(
            "{count} records compared with the network's, {differing} differ; {cases} open cases",
            count=sum(each.compared for each in done), differing=sum(each.differing for each in done),
            cases=len(cases),
        )  # fmt: skip

    def _compared(self, comparison: Reconciliation, towns: Sequence[TenantId]) -> list[Reconciled]:
        """Compare until what others ask meanwhile is on its way no more; all that we have asked is decided on.

        At night what is younger than an hour is left to the next one.
        """
        since, done = as_tokyo(self._begun).date(), list[Reconciled]()
        for _ in range(_COMPARISONS):
            settles_in = _SETTLES_IN if self._copies.network.has_traffic() else timedelta(0)
            threading.Event().wait(settles_in.total_seconds())
            now = self._copies.installation.now()
            told = [comparison.reconcile(town, now=now, since=since, settles_in=settles_in) for town in towns]
            done = [each for each in told if each is not None]
            if not settles_in or not any(each.differing for each in done):
                break
        return done

    def begin_traffic(self) -> str:
        """Have a partner of the network ask both municipalities now and then, as long as all of it runs."""
        providers = [self._copies.institution(town) for town in (self._provider, self._inquirer)]
        self._copies.network.begin_traffic(_MANY, self._wanted.per_second, providers)
        pause = round(1 / self._wanted.per_second)
        return text("another municipality asks both every {seconds} seconds", seconds=pause)

    # -- what leaves ---------------------------------------------------------------------------------

    @contextmanager
    def carried(self) -> Iterator[None]:
        """Have what waits leave at once during the block, at any hour; lists keep to their portions and limits.

        The worker does the same every few seconds, while the exchange is open.
        """
        exchange, over = self._copies.exchange, threading.Event()
        engine = exchange.actor.engine
        inquiries = Inquiries(
            exchange.sessions, exchange.vault, Masters(engine), OpenGate(engine),
            lambda: authority_of(exchange.settings.network), going=Stops(engine),
        )  # fmt: skip
        with self._copies.relay() as relay, ThreadPoolExecutor(1, thread_name_prefix="demo-relay") as pool:
            carrying = pool.submit(self._carry, relay, inquiries, over)
            try:
                yield
            finally:
                over.set()
                carrying.result()

    def _carry(self, relay: Relay, inquiries: Inquiries, over: threading.Event) -> None:
        actor = self._copies.exchange.actor
        while not over.wait(_CARRY_SECONDS):
            inquiries.pace(self._inquirer.tenant, now=SystemClock().now(), actor=actor.name, request=actor.request)
            relay.run(stopped=over.is_set)

    # -- how -----------------------------------------------------------------------------------------

    def _question(self, place: int, about: Asking) -> Question:
        return Question(self._inquirer.people[place].address, about)

    def _decided(self, answer: Message) -> Message:
        """Return *answer*, or a later one that says what has become of the inquiry."""
        number = answer.value("ReceptionNumber")
        if answer.value("State") != PROCESSING:
            return answer
        return self._until(lambda: self._pair.ask_again(number), lambda told: told.value("State") != PROCESSING)

    def _watch(self, number: str, count: int) -> None:
        """Look how the list *number* stands, until all of it is decided."""
        seen = 0
        with bar(text("Inquiries"), count) as advance:

            def decided() -> int:
                nonlocal seen
                states = self._pair.standing(number)
                done = sum(many for state, many in states.items() if state not in _UNDER_WAY)
                advance(done - seen)
                seen = done
                return done

            self._until(decided, lambda done: done == count)

    def _until(self, look: Callable[[], T], suits: Callable[[T], bool]) -> T:
        begun = monotonic()
        while not suits(found := look()):
            if monotonic() - begun > _PATIENCE_SECONDS:
                raise Stalled(what="inquiries", seconds=round(_PATIENCE_SECONDS), log=self._copies.place.logs)
            threading.Event().wait(_LOOK_SECONDS)
        return found

    def _note(self, title: str, result: Element, begun: float) -> None:
        self.found.outcomes.append(
            Outcome(title, 1, _word(value(result, "State")), value(result, "Reason"), monotonic() - begun)
        )

    def _keep(self, result: Element) -> None:
        """Keep the answer of *result* with the names of its items, and the meaning of their codes."""
        catalogue = self._copies.security.masters.catalogue(self._inquirer.tenant)
        information = value(result, "SpecificPersonalInformationCode")
        self.found.about = text(
            "{information} of the person {address}", information=catalogue.named(information).short_name,
            address=value(result, "IntegratedAddressNumber"),
        )  # fmt: skip
        read = []
        for record in result.iterfind("Records/Record"):
            layout = catalogue.layout(information, int(value(record, "SPIMajorVersion")))
            dataset = layout.dataset(value(record, "DataSetIdentificationItemCode"))
            for each in record.iterfind("Item"):
                code, said = value(each, "Code"), value(each, "Value")
                item = dataset.item(code) if dataset else None
                meaning = layout.code_lists.get(item.code_list or "", {}).get(said) if item else None
                read.append(Read(code, item.name if item else "", f"{said} {meaning}" if meaning else said))
        self.found.answer = read

    def _recorded_there(self) -> Fact:
        """Return the network's record of the inquiry at the counter, of its signed list."""
        settings, now = self._copies.exchange.settings.network, self._copies.installation.now()
        institution = self._copies.institution(self._inquirer)
        span = as_tokyo(self._begun).date(), as_tokyo(now).date()
        with way(settings) as (network, keys):
            after = ""
            while True:
                content = network.records(institution, *span, after)
                facts, after = read_list(content, keys.public_key, institution, span, now=now)
                for each in facts:
                    if each.serial == self._serial:
                        return each
                if not after:
                    raise LookupError(self._serial)


def _result(answer: Message) -> Element:
    found = answer.root.find("Result")
    if found is None:
        raise LookupError("Result")
    return found


def _word(state: str) -> str:
    return told_state(InquiryState(state))


def _since(begun: float) -> str:
    return f"{monotonic() - begun:.1f}"
