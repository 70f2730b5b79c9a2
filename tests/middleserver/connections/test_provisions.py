"""Provisions through the gateway: real database, real services; the network is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from werkzeug.test import TestResponse

from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.settings import DatabaseSettings
from chukan.tenants.middleserver.connections.provisions import BARS, DECISION, WAITING
from chukan.tenants.middleserver.provisions.decisions import Refuse
from chukan.tenants.middleserver.provisions.rules import Reason as RefusalReason
from chukan.tenants.middleserver.provisions.rules import State
from support.copies import RIGHT_ITEMS
from support.exchange import Wire
from support.external import TESTED, Towns, exchange, head, right, wrong
from support.gateway import Caller, Entrance
from support.provisions import INQUIRER, Provider


@pytest.fixture(scope="module")
def entrance(
    cluster: tuple[EmbeddedCluster, DatabaseSettings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Entrance]:
    with exchange(cluster, tmp_path_factory.mktemp("keys")) as made:
        yield made


@dataclass
class Asked:
    """An organisation that is asked, and its system at the gateway."""

    provider: Provider
    caller: Caller

    def post(self, kind: str, body: bytes) -> TestResponse:
        return self.caller.message(kind, body)


@pytest.fixture(scope="module")
def known(entrance: Entrance) -> Asked:
    provider = Provider(Wire(Towns(entrance), clock=entrance.clock, _made=10))
    provider.link(1, 2, 3, 4)
    return Asked(provider, entrance.caller(provider.tenant))


@pytest.fixture
def place(known: Asked) -> Asked:
    known.provider.wire.place.ask("delete from platform.due")
    return known


def waiting(mode: str = "0") -> bytes:
    return f"<WaitingProvisionsRequest>{head(WAITING, mode)}</WaitingProvisionsRequest>".encode()


def decision(serial: str, body: str, mode: str = "0", inquirer: str = INQUIRER) -> bytes:
    return (
        f"<ProvisionDecisionRequest>{head(DECISION, mode)}<ProcessingSerial>{serial}</ProcessingSerial>"
        f"<InquirerInstitution>{inquirer}</InquirerInstitution>{body}</ProvisionDecisionRequest>"
    ).encode()


def bars(body: str, mode: str = "0") -> bytes:
    return f"<AutomaticReplyBarRequest>{head(BARS, mode)}{body}</AutomaticReplyBarRequest>".encode()


def person_scope(person: int) -> str:
    return f"<Scope><IntegratedAddressNumber>{person:015}</IntegratedAddressNumber></Scope>"


def temporary() -> str:
    items = "".join(f"<Item><Code>{code}</Code><Value>{told[0]}</Value></Item>" for code, told in RIGHT_ITEMS.items())
    return (
        "<TemporaryInput><Record><DataSetIdentificationItemCode>0101</DataSetIdentificationItemCode>"
        "<SPIMajorVersion>4</SPIMajorVersion><DataSetRecordKey>2019</DataSetRecordKey>"
        "<PublicationDate>2019-06-17</PublicationDate><AdministrativeRegionCode>210</AdministrativeRegionCode>"
        f"{items}</Record></TemporaryInput>"
    )


def test_staff_see_what_waits_and_give_what_is_not_registered(place: Asked) -> None:
    serial, _ = place.provider.ask(1)
    assert place.provider.answer()["Result"] == "deferred"
    (told,) = right(place.post(WAITING, waiting())).iterfind("Provision")
    assert [told.findtext(name) for name in ("ProcessingSerial", "IntegratedAddressNumber", "Cause")] == [
        serial, f"{1:015}", "no_record",
    ]  # fmt: skip
    body = decision(serial, temporary())
    assert right(place.post(DECISION, body)).findtext("State") == "provided"
    (given,) = place.provider.given(place.provider.answer()["EncryptedAnswer"])
    assert given["INCOME"] == ["-1234567890123"]
    # The same message again is answered from what is stored; another one has come too late.
    assert right(place.post(DECISION, body)).findtext("State") == "provided"
    assert place.provider.relay() == []
    assert wrong(place.post(DECISION, decision(serial, "<Provide/>"))) == (409, "provisions.not_waiting")


def test_staff_put_off_and_refuse(place: Asked) -> None:
    serial, _ = place.provider.ask(2)
    place.provider.relay()
    later = decision(serial, "<Defer><ExpectedOn>2026-07-10</ExpectedOn></Defer>")
    assert right(place.post(DECISION, later)).findtext("State") == "deferred"
    assert place.provider.answer()["ExpectedOn"] == "2026-07-10"
    told = "<Refuse><Reason>other</Reason><InternalReason>checked</InternalReason></Refuse>"
    assert right(place.post(DECISION, decision(serial, told))).findtext("State") == "refused"
    assert place.provider.answer()["Reason"] == "other"
    assert place.provider.stored(serial).state is State.REFUSED


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("<Provide/>", (404, "provisions.nothing_to_provide")),
        ("<Defer><ExpectedOn>2027-07-10</ExpectedOn></Defer>", (400, "provisions.expected_day_wrong")),
        (temporary().replace(">2019<", ">19<", 2), (400, "provisions.temporary_input_refused")),
        ("<Refuse><Reason>barred</Reason></Refuse>", (400, "formats.message_refused")),
    ],
)
def test_a_decision_that_cannot_be_carried_out_changes_nothing(
    place: Asked, body: str, told: tuple[int, str]
) -> None:  # fmt: skip
    serial, _ = place.provider.ask(3)
    place.provider.relay()
    assert wrong(place.post(DECISION, decision(serial, body))) == told
    assert wrong(place.post(DECISION, decision("Z" * 20, "<Provide/>"))) == (404, "provisions.unknown")
    assert place.provider.stored(serial).state is State.DEFERRED
    place.provider.provisions.decide(place.provider.caller, serial, Refuse(RefusalReason.OTHER), now=place.provider.now)
    place.provider.relay()


def test_a_department_bars_persons_and_lifts_what_it_has_barred(place: Asked) -> None:
    both = person_scope(4) + person_scope(5)
    body = bars(f"<Bar><Reason>protected</Reason>{both}</Bar>")
    assert right(place.post(BARS, body)).findtext("Count") == "2"
    serial, _ = place.provider.ask(4)
    found = right(place.post(WAITING, waiting())).iterfind("Provision")
    assert {each.findtext("ProcessingSerial"): each.findtext("Cause") for each in found}[serial] == "barred_person"
    lift = bars(f"<Lift>{both}</Lift>")
    assert right(place.post(BARS, lift)).findtext("Count") == "2"
    assert wrong(place.post(BARS, bars(f"<Lift>{both}</Lift>"))) == (404, "provisions.bar_unknown")
    nobody = bars("<Bar><Reason>x</Reason><Scope/></Bar>")
    assert wrong(place.post(BARS, nobody)) == (400, "formats.message_refused")


def test_in_test_mode_staff_decide_on_an_invented_request(place: Asked) -> None:
    (told,) = right(place.post(WAITING, waiting("1"))).iterfind("Provision")
    serial, inquirer = (told.findtext(name) or "" for name in ("ProcessingSerial", "InquirerInstitution"))
    for body, state in (("<Provide/>", "provided"), (temporary(), "provided")):
        answer = place.post(DECISION, decision(serial, body, "1", inquirer))
        assert right(answer).findtext("State") == state
    assert wrong(place.post(DECISION, decision("Z" * 20, "<Provide/>", "1"))) == (404, "provisions.unknown")
    body = f"<Bar><Reason>test</Reason>{person_scope(TESTED)}</Bar>"
    assert right(place.post(BARS, bars(body, "1"))).findtext("Count") == "1"
    assert wrong(place.post(BARS, bars(body))) == (403, "connections.test_persons_only")
    assert place.provider.provisions.bars.in_force(place.provider.tenant) == []
