"""A town that asks at a gateway, the network in memory, and the messages that its system sends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from lxml import etree
from werkzeug.test import TestResponse

from chukan.platform.audit.actor import Actor
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.tenants.middleserver.connections.data import shipped_test_persons
from chukan.tenants.middleserver.connections.inquiries import (
    LIST,
    RESULTS,
    SINGLE,
    WITHDRAWAL,
    InquiryMessages,
    Waiting,
)
from chukan.tenants.middleserver.connections.intake import Intake
from chukan.tenants.middleserver.connections.web_views import make_gateway
from chukan.tenants.middleserver.inquiries.store import Inquiry
from chukan.tenants.middleserver.transmission.prompt import Prompt
from chukan.tenants.middleserver.transmission.relay import Relay
from chukan.tenants.middleserver.transmission.sending import Peers, Sender
from chukan.tenants.middleserver.transmission.switch import Stops
from support.copies import FixedMasters
from support.exchange import AT_ONCE
from support.external import head, right
from support.gateway import Caller, Entrance
from support.inquiries import AFFAIR, PROCEDURE, PROVIDER, TAX, Asking


@dataclass
class Later:
    """A request that is being answered."""

    thread: threading.Thread
    answers: list[TestResponse] = field(default_factory=list)

    def answer(self) -> etree._Element:
        self.thread.join(60)
        (found,) = self.answers
        return right(found)


@dataclass
class Town:
    """An organisation that asks, its system at the gateway, and the network's side."""

    asking: Asking
    caller: Caller
    entrance: Entrance

    def post(self, kind: str, body: bytes) -> TestResponse:
        return self.caller.message(kind, body)

    def meanwhile(self, kind: str, body: bytes, caller: Caller | None = None) -> Later:
        asks = caller or self.caller
        later = Later(threading.Thread(target=lambda: later.answers.append(asks.message(kind, body))))
        later.thread.start()
        return later

    def stored(self) -> int:
        return self.entrance.count(self.caller.tenant, "select count(*) from {}.inquiry")

    def reception(self) -> str:
        """Return the number of the one request."""
        ((number,),) = self.asking.wire.place.ask_of(self.caller.tenant, "select number from {}.inquiry_reception")
        return str(number)

    def newest(self) -> Inquiry:
        """Return the inquiry that was registered last, which may happen at this moment."""
        return self.asking.inquiry(self._ask("select serial from {}.inquiry order by id desc limit 1"))

    def holds_connections(self) -> bool:
        """Return whether a session of this town's log-in has a transaction open."""
        query = "select count(*) from pg_stat_activity where usename = %s and state like 'idle in transaction%%'"
        (login,) = self.asking.wire.place.ask("select role from platform.tenant where id = %s", self.caller.tenant)[0]
        return self.asking.wire.place.ask(query, login)[0] != (0,)

    def _ask(self, query: str) -> str:
        while not (found := self.asking.wire.place.ask_of(self.caller.tenant, query)):
            threading.Event().wait(0.05)
        return str(found[0][0])


@contextmanager
def prompting(town: Town) -> Iterator[Caller]:
    """Lend a system whose gateway sends at once, under the gateway's own log-in, to a network that answers."""
    entrance, wire = town.entrance, town.asking.wire
    engine = entrance.safe.database.engine(ProcessKind.GATEWAY)
    vault = entrance.safe.vault(ProcessKind.GATEWAY)
    sessions = TenantSessions(
        entrance.settings.database, engine, entrance.safe.credentials(vault, ProcessKind.GATEWAY)
    )  # fmt: skip

    def relay_for(request: str) -> Relay:
        sender = Sender(
            actor=Actor(engine, "system:gateway", request), sessions=sessions,
            peers=Peers(wire.network, wire.place.network.public_key), features=town.asking.inquiries.features(),
            retry=AT_ONCE.retry, clock=entrance.clock, draw=lambda: 0.5,
        )  # fmt: skip
        return Relay(vault, sender, AT_ONCE)

    prompt, persons = Prompt(relay_for, entrance.clock, senders=2), shipped_test_persons()
    stops = Stops(engine)
    asking = town.asking.inquiries
    messages = InquiryMessages(asking, Waiting(asking, seconds=30, seats=1), persons, stops, prompt)
    services, place = entrance.services, wire.place
    intake = Intake(
        place.sessions, place.vault, services.uploads, services.answers, persons,
        masters=FixedMasters(), stops=stops, further=messages.works(),
    )  # fmt: skip
    try:
        yield replace(town.caller, app=make_gateway(replace(services, intake=intake)))
    finally:
        prompt.close()
        sessions.close()


def inquiry(person: int = 1, *, information: str = TAX, condition: str = "<Kind>0</Kind>") -> str:
    return (
        f"<Inquiry><IntegratedAddressNumber>{person:015}</IntegratedAddressNumber>"
        f"<SpecificPersonalInformationCode>{information}</SpecificPersonalInformationCode>"
        f"<Affair>{AFFAIR}</Affair><Procedure>{PROCEDURE}</Procedure><Condition>{condition}</Condition>"
        f"<ProviderInstitution>{PROVIDER}</ProviderInstitution></Inquiry>"
    )


def single(body: str, mode: str = "0") -> bytes:
    return f"<SingleInquiryRequest>{head(SINGLE, mode)}{body}</SingleInquiryRequest>".encode()


def many(*people: int, mode: str = "0", body: str = "") -> bytes:
    rows = body or "".join(inquiry(person) for person in people)
    return f"<InquiryListRequest>{head(LIST, mode)}{rows}</InquiryListRequest>".encode()


def results(body: str, mode: str = "0", **told: str) -> bytes:
    return f"<InquiryResultsRequest>{head(RESULTS, mode, **told)}{body}</InquiryResultsRequest>".encode()


def numbered(number: str) -> str:
    return f"<ReceptionNumber>{number}</ReceptionNumber>"


def withdrawal(body: str, mode: str = "0") -> bytes:
    return f"<InquiryWithdrawalRequest>{head(WITHDRAWAL, mode)}{body}</InquiryWithdrawalRequest>".encode()
