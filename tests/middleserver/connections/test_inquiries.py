"""Inquiries through the gateway, and what the document says: real database, real services; the network is in memory."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree

from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.service_hours.services import Service
from chukan.platform.settings import DatabaseSettings
from chukan.tenants.middleserver.connections import inquiries
from chukan.tenants.middleserver.connections import store as connections_store
from chukan.tenants.middleserver.connections.inquiries import (
    LIST,
    RESULTS,
    SINGLE,
    WITHDRAWAL,
    Waiting,
    is_held,
)
from chukan.tenants.middleserver.connections.intake import CODES
from chukan.tenants.middleserver.connections.provisions import BARS, DECISION, WAITING
from chukan.tenants.middleserver.connections.rules import Allowed
from chukan.tenants.middleserver.formats.messages import MessageMode, parse
from chukan.tenants.middleserver.formats.xml import schema
from chukan.tenants.middleserver.gate import Closed, Reason
from chukan.tenants.middleserver.inquiries.data import InquiryData, WhenClosed, shipped_data
from chukan.tenants.middleserver.inquiries.rules import InquiryState
from chukan.tenants.middleserver.security.masters.rules import Catalogue
from chukan.tenants.middleserver.transmission.ports import Answer
from chukan.tenants.middleserver.transmission.switch import Switch
from middleserver.connections.asking_town import (
    Town,
    inquiry,
    many,
    numbered,
    prompting,
    results,
    single,
    withdrawal,
)
from support.exchange import Wire
from support.external import TESTED, Towns, exchange, right, wrong
from support.gateway import NOW, Entrance, code_request
from support.inquiries import PEOPLE, PROVIDER, TAX, asking_of

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs/interfaces/inquiries.md"
SAMPLES = ROOT / "docs/interfaces/samples"
#: What operators tell when they stop the exchange.
REASON = "回線障害の調査のため停止しています（復旧見込み 15時）"


@pytest.fixture(scope="module")
def entrance(
    cluster: tuple[EmbeddedCluster, DatabaseSettings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Entrance]:
    with exchange(cluster, tmp_path_factory.mktemp("keys")) as made:
        yield made


@pytest.fixture(scope="module")
def settled(entrance: Entrance) -> Town:
    asking = asking_of(Wire(Towns(entrance), clock=entrance.clock))
    return Town(asking, entrance.caller(asking.tenant), entrance)


@pytest.fixture
def town(settled: Town) -> Iterator[Town]:
    yield settled
    # Each test begins with nothing on its way, and with the whole hour.
    settled.entrance.at(NOW)
    place, tenant = settled.asking.wire.place, settled.caller.tenant
    place.ask("delete from platform.due")
    for table in ("inquiry_answer", "inquiry_event", "inquiry", "inquiry_reception", "inquiry_pace", "outbox"):
        place.ask_of(tenant, f"truncate {{}}.{table} cascade")


# -- one, at a counter ---------------------------------------------------------------------------------


def test_a_single_inquiry_waits_for_its_answer_and_holds_no_connection(town: Town) -> None:
    body = single(inquiry(1))
    waits = town.meanwhile(SINGLE, body)
    asked = town.newest()
    # The one seat is taken: who comes now is not kept waiting, so that a thread is left for the network.
    second = right(town.post(SINGLE, single(inquiry(2))))
    assert (second.findtext("State"), second.find("Result")) == ("processing", None)
    assert any(not town.holds_connections() for _ in range(20))
    town.asking.relay()
    assert town.asking.answer(asked)["Result"] == "accepted"
    told = waits.answer()
    assert told.findtext("State") == "answered"
    assert told.findtext("Result/IntegratedAddressNumber") == f"{1:015}"
    assert told.findtext("Result/Records/Record/Item/Value") == "1234567"
    # The same message again asks for nothing anew, and neither does its number.
    for again in (body, single(numbered(told.findtext("ReceptionNumber") or ""))):
        assert right(town.post(SINGLE, again)).findtext("Result/ProcessingSerial") == asked.serial
    assert town.stored() == 2


def test_what_is_decided_after_the_wait_is_told_to_the_same_message(town: Town) -> None:
    body = single(inquiry(3))
    blocker = town.meanwhile(SINGLE, single(inquiry(4)))
    blocking = town.newest()
    first = right(town.post(SINGLE, body))
    asked = town.newest()
    town.asking.relay()
    town.asking.result(asked, "deferred", {"Reason": "staff_decision", "ExpectedOn": "2026-07-10"})
    again = right(town.post(SINGLE, body))
    assert (first.findtext("State"), again.findtext("State")) == ("processing", "deferred")
    assert again.findtext("ReceptionNumber") == first.findtext("ReceptionNumber")
    assert again.findtext("Result/ExpectedOn") == "2026-07-10"
    town.asking.result(blocking, "refused", {"Reason": "no_record"})
    assert blocker.answer().findtext("Result/Reason") == "no_record"


def test_who_waits_is_let_go_when_time_or_process_ends(town: Town) -> None:
    reception = right(town.post(LIST, many(1))).findtext("ReceptionNumber") or ""
    town.asking.pace()
    service = town.asking.inquiries
    assert not Waiting(service, seconds=0.2, seats=1).decided(town.caller.tenant, reception)
    leaving = Waiting(service, seconds=600, seats=1)
    leaving.close()
    assert not leaving.decided(town.caller.tenant, reception)


def test_a_person_without_a_code_is_told_in_the_words_of_the_sources(town: Town) -> None:
    refused = town.post(SINGLE, single(inquiry(PEOPLE + 1)))
    assert wrong(refused) == (404, "inquiries.linkage_code_missing")
    told = etree.fromstring(refused.data).findtext("Message")
    assert told == "指定された団体内統合宛名番号「０００００００００００００１６」は符号が未取得です。"
    assert town.stored() == 0


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (inquiry(information="TM00000000000004"), (403, "inquiries.not_permitted")),
        (inquiry(condition="<Kind>1</Kind>"), (400, "inquiries.condition_malformed")),
        (inquiry(TESTED), (403, "connections.test_persons_only")),
        (numbered("2" * 22), (404, "inquiries.reception_unknown")),
        (numbered("TEST-0001"), (404, "inquiries.reception_unknown")),
        (inquiry().replace(PROVIDER, "9" * 16), (400, "inquiries.provider_unknown")),
        (inquiry().replace(TAX, "TM1"), (400, "formats.message_refused")),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_stored(
    town: Town, body: str, told: tuple[int, str]
) -> None:  # fmt: skip
    assert wrong(town.post(SINGLE, single(body))) == told
    assert town.stored() == 0


# -- many ----------------------------------------------------------------------------------------------


def test_a_list_is_registered_with_its_end_and_its_results_are_read(town: Town) -> None:
    body = many(1, 2, 3)
    told = right(town.post(LIST, body))
    number = told.findtext("ReceptionNumber") or ""
    best, worst = (datetime.fromisoformat(told.findtext(f"PredictedEnd/{name}") or "") for name in ("Best", "Worst"))
    assert told.findtext("Accepted") == "3"
    assert NOW < best < worst < NOW + timedelta(minutes=20)
    assert right(town.post(LIST, body)).findtext("ReceptionNumber") == number
    assert town.stored() == 3
    town.asking.pace()
    town.asking.relay()
    first, second = town.asking.inquiries.inquiries_of(town.caller.tenant, number)[:2]
    town.asking.answer(first)
    town.asking.result(second, "refused", {"Reason": "no_record"})
    page = right(town.post(RESULTS, results(numbered(number))))
    assert [each.findtext("State") for each in page.iterfind("Result")] == ["answered", "refused", "sent"]
    assert [page.findtext(name) for name in ("State", "Count", "Next")] == ["processing", "3", None]
    last = right(town.post(RESULTS, results(f"{numbered(number)}<From>3</From>")))
    assert [each.findtext("Place") for each in last.iterfind("Result")] == ["3"]
    beyond = right(town.post(RESULTS, results(f"{numbered(number)}<From>4</From>")))
    assert (beyond.find("Result"), beyond.find("Next")) == (None, None)


def test_how_requests_stand_is_asked_for_by_a_file(town: Town) -> None:
    number = right(town.post(LIST, many(4, 5))).findtext("ReceptionNumber") or ""
    file = f"<StatusRequestFile>{numbered(number)}{numbered('1' * 22)}</StatusRequestFile>"
    known, unknown = right(town.post(RESULTS, results(file))).iterfind("StatusResultFile/Request")
    assert [known.findtext(name) for name in ("State", "Count", "StateCount/State", "StateCount/Count")] == [
        "processing", "2", "queued", "2",
    ]  # fmt: skip
    assert [unknown.findtext(name) for name in ("State", "Count")] == ["unknown", None]


def test_another_department_learns_nothing_of_a_request(town: Town) -> None:
    number = right(town.post(LIST, many(1))).findtext("ReceptionNumber") or ""
    other = town.entrance.caller(town.caller.tenant, department="99")
    assert wrong(other.message(RESULTS, results(numbered(number), unit="99"))) == (404, "inquiries.reception_unknown")
    file = f"<StatusRequestFile>{numbered(number)}</StatusRequestFile>"
    told = right(other.message(RESULTS, results(file, unit="99")))
    assert told.findtext("StatusResultFile/Request/State") == "unknown"


def test_each_wrong_row_of_a_list_is_named_and_nothing_is_stored(town: Town) -> None:
    rows = inquiry(1) + inquiry(PEOPLE + 1) + inquiry(1, information="TM00000000000004")
    refused = town.post(LIST, many(body=rows))
    assert wrong(refused) == (400, "inquiries.list_refused")
    faults = etree.fromstring(refused.data).findall("Fault")
    assert [(each.get("row"), each.get("error")) for each in faults] == [
        ("2", "inquiries.linkage_code_missing"), ("3", "inquiries.not_permitted"),
    ]  # fmt: skip
    assert "符号が未取得です" in (faults[0].text or "")
    assert town.stored() == 0


def test_a_list_that_cannot_end_in_time_is_told_the_largest_that_could(town: Town) -> None:
    closes = town.entrance.services.gate.closes_at(town.caller.tenant, Service.SYSTEM, NOW)
    assert closes is not None
    town.entrance.at(closes - timedelta(minutes=5))
    refused = town.post(LIST, many(*(1 + row % PEOPLE for row in range(600))))
    assert wrong(refused) == (403, "inquiries.not_before_close")
    largest = int(etree.fromstring(refused.data).findtext("Largest") or "")
    assert 0 < largest < 600
    assert right(town.post(LIST, many(*(1 + row % PEOPLE for row in range(largest))))).findtext("Accepted") == str(
        largest
    )


@pytest.mark.parametrize("mode", ["0", "1"])
def test_a_list_of_more_than_three_thousand_is_told_the_largest_number(town: Town, mode: str) -> None:
    body = "".join(inquiry(TESTED if mode == "1" else 1 + row % PEOPLE) for row in range(3_001))
    refused = town.post(LIST, many(body=body, mode=mode))
    assert wrong(refused) == (400, "inquiries.too_many")
    told = etree.fromstring(refused.data)
    assert told.findtext("Largest") == "3000"
    assert ["3000" in (told.findtext("Message") or ""), "分割" in (told.findtext("Hint") or "")] == [True, True]
    assert town.stored() == 0


def test_a_request_is_taken_back_once(town: Town) -> None:
    number = right(town.post(LIST, many(1, 2))).findtext("ReceptionNumber") or ""
    told = right(town.post(WITHDRAWAL, withdrawal(numbered(number))))
    assert [told.findtext(name) for name in ("Cancelled", "Asked")] == ["2", "0"]
    again = town.post(WITHDRAWAL, withdrawal(numbered(number)))
    assert wrong(again) == (409, "inquiries.nothing_to_cancel")


def test_of_what_has_left_the_network_is_asked(town: Town) -> None:
    number = right(town.post(LIST, many(1, 2))).findtext("ReceptionNumber") or ""
    town.asking.pace()
    serial = town.asking.inquiries.inquiries_of(town.caller.tenant, number)[0].serial
    body = withdrawal(f"<ProcessingSerial>{serial}</ProcessingSerial><Reason>withdrawn</Reason>")
    assert right(town.post(WITHDRAWAL, body)).findtext("Asked") == "1"
    assert town.asking.inquiry(serial).state is InquiryState.CANCELLING


@pytest.mark.parametrize("kind", [SINGLE, LIST, RESULTS, WITHDRAWAL, WAITING, DECISION, BARS])
def test_a_system_does_only_what_it_was_registered_for(town: Town, kind: str) -> None:
    wanted = Allowed.INQUIRIES if kind.startswith("IF_SKI") else Allowed.PROVISIONS
    reader = town.entrance.caller(town.caller.tenant, allowed=frozenset(Allowed) - {wanted})
    assert wrong(reader.message(kind, b"<x/>")) == (403, "connections.not_allowed")


@pytest.mark.parametrize(
    ("when_closed", "kind", "opens", "passes"),
    [
        (WhenClosed.HELD, LIST, True, True),
        (WhenClosed.HELD, LIST, False, False),
        (WhenClosed.HELD, SINGLE, True, False),
        (WhenClosed.REFUSED, LIST, True, False),
    ],
)
def test_only_lists_that_are_held_pass_a_closed_gate(
    monkeypatch: pytest.MonkeyPatch, when_closed: WhenClosed, kind: str, *, opens: bool, passes: bool
) -> None:
    pacing = shipped_data().pacing.model_copy(update={"when_closed": when_closed})
    data: InquiryData = shipped_data().model_copy(update={"pacing": pacing})
    monkeypatch.setattr(inquiries, "shipped_data", lambda: data)
    assert is_held(kind, Closed(Reason.HOURS, NOW if opens else None)) is passes


# -- while the operators have stopped the exchange -----------------------------------------------------


@pytest.mark.parametrize("everywhere", [False, True])
def test_who_asks_anew_while_the_exchange_is_stopped_is_told_why(town: Town, *, everywhere: bool) -> None:
    codes = code_request("000000000000001", mode="0")
    with stopped(town, everywhere=everywhere):
        for kind, body in ((SINGLE, single(inquiry(1))), (LIST, many(1, 2)), (CODES, codes)):
            refused = town.post(kind, body)
            assert wrong(refused) == (503, "transmission.exchange_stopped")
            told = etree.fromstring(refused.data)
            assert told.findtext("Reason") == REASON
            assert REASON in (told.findtext("Message") or "")
            assert datetime.fromisoformat(told.findtext("StoppedAt") or "").utcoffset() == timedelta(hours=9)
        # The test mode sends nothing, and so nothing of it is stopped.
        assert right(town.post(SINGLE, single(inquiry(TESTED), "1"))).findtext("State") == "answered"
    assert town.stored() == town.entrance.count(town.caller.tenant, "select count(*) from {}.code_request") == 0
    assert right(town.post(LIST, many(1, 2))).findtext("Accepted") == "2"


def test_what_was_asked_before_a_stop_tells_of_it_until_it_has_ended(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = right(town.post(LIST, many(1))).findtext("ReceptionNumber") or ""
    waits, page = single(numbered(number)), results(numbered(number))
    file = results(f"<StatusRequestFile>{numbered(number)}{numbered('1' * 22)}</StatusRequestFile>")
    town.asking.pace()
    town.asking.relay()
    with stopped(town):
        # Nobody is kept waiting for what cannot come.
        monkeypatch.delattr(Waiting, "decided")
        for kind, body in ((SINGLE, waits), (RESULTS, page)):
            told = right(town.post(kind, body))
            assert (told.findtext("State"), told.findtext("ExchangeStopped/Reason")) == ("processing", REASON)
        known, unknown = right(town.post(RESULTS, file)).iterfind("StatusResultFile/Request")
        assert [each.findtext("ExchangeStopped/Reason") for each in (known, unknown)] == [REASON, None]
        assert right(town.post(WITHDRAWAL, withdrawal(numbered(number)))).findtext("Asked") == "1"
    town.asking.result(town.newest(), "refused", {"Reason": "no_record"})
    with stopped(town):
        for kind, body in ((SINGLE, waits), (RESULTS, page), (RESULTS, file)):
            assert not list(right(town.post(kind, body)).iter("ExchangeStopped"))


def test_what_was_registered_by_a_gateway_that_died_is_told_during_a_stop(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = many(1, 2)
    with monkeypatch.context() as patch:
        patch.setattr(connections_store, "keep_answer", died)
        with pytest.raises(Died):
            town.post(LIST, body)
    town.entrance.clock.advance(timedelta(minutes=2, seconds=1))
    with stopped(town):
        assert right(town.post(LIST, body)).findtext("ReceptionNumber") == town.reception()


@contextmanager
def stopped(town: Town, *, everywhere: bool = False) -> Iterator[None]:
    """Have the exchange stopped during the block, of the town or of all."""
    switch, whose = Switch(town.asking.wire.place.actor), None if everywhere else town.caller.tenant
    switch.stop(whose, reason=REASON)
    try:
        yield
    finally:
        switch.resume(whose)


# -- once, whatever dies -------------------------------------------------------------------------------


class Died(BaseException):
    """The gateway is gone: nothing after this happens."""


@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize("kind", [SINGLE, LIST])
def test_a_gateway_that_dies_before_it_stores_its_answer_has_registered_once(
    town: Town, monkeypatch: pytest.MonkeyPatch, kind: str, *, refused: bool
) -> None:
    body = single(inquiry(1)) if kind == SINGLE else many(1, 2, 3)
    with monkeypatch.context() as patch:
        patch.setattr(connections_store, "keep_answer", died)
        with pytest.raises(Died):
            town.post(kind, body)
    registered = town.stored()
    number = town.reception()
    assert wrong(town.post(kind, body)) == (409, "connections.request_under_way")
    town.entrance.clock.advance(timedelta(minutes=2, seconds=1))
    if refused:
        # Today it would be refused: nobody may ask for this any more.
        monkeypatch.setattr(Catalogue, "permits", lambda *_, **__: False)
    town.asking.relay()
    if kind == SINGLE:
        town.asking.result(town.newest(), "refused", {"Reason": "no_record"})
    again = right(town.post(kind, body))
    assert again.findtext("ReceptionNumber") == number
    assert (town.stored(), town.reception()) == (registered, number)


def died(*_: object) -> None:
    raise Died


def test_who_asked_is_kept_with_the_request(town: Town) -> None:
    right(town.post(LIST, many(1)))
    assert town.asking.wire.place.ask_of(town.caller.tenant, "select source_user from {}.inquiry_reception") == [
        ("user01",)
    ]


# -- at once ---------------------------------------------------------------------------------------------


def test_what_is_asked_at_a_counter_leaves_at_once_and_is_answered_within_the_wait(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No job of the relay runs here."""
    network = town.asking.wire.network
    taken = network.send
    answering: list[threading.Thread] = []

    def send(message: bytes) -> Answer:
        receipt = taken(message)
        answering.append(threading.Thread(target=lambda: town.asking.answer(town.newest())))
        answering[-1].start()
        return receipt

    monkeypatch.setattr(network, "send", send)
    with prompting(town) as caller:
        told = right(caller.message(SINGLE, single(inquiry(5))))
        for each in answering:
            each.join(60)
    assert told.findtext("State") == "answered"
    assert told.findtext("Result/Records/Record/Item/Value") == "1234567"
    # The job that looks later finds nothing to do.
    town.asking.relay()
    assert len(answering) == 1


def test_what_cannot_be_sent_at_once_is_left_to_the_relay(town: Town) -> None:
    wire = town.asking.wire
    wire.network.faults.append("away")
    with prompting(town) as caller:
        waits = town.meanwhile(SINGLE, single(inquiry(6)), caller)
        asked = town.newest()
        while wire.network.faults or wire.states(town.asking.organisation) != ["queued"]:
            threading.Event().wait(0.02)
        town.asking.relay()
        town.asking.result(asked, "refused", {"Reason": "no_record"})
        assert waits.answer().findtext("Result/Reason") == "no_record"


# -- test mode -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("digit", "state"), [(0, "answered"), (5, "deferred"), (6, "refused"), (7, "expired"), (8, "processing")]
)
def test_in_test_mode_the_person_chooses_the_outcome(town: Town, digit: int, state: str) -> None:
    told = right(town.post(SINGLE, single(inquiry(TESTED + digit), "1")))
    assert (told.findtext("State"), told.findtext("ReceptionNumber")) == (state, "TEST-0001")
    assert told.findtext("MessageHeader/MSGMode") == "1"
    assert town.stored() == 0


def test_in_test_mode_lists_results_and_withdrawals_touch_nothing(town: Town) -> None:
    told = right(town.post(LIST, many(*range(TESTED, TESTED + 9), mode="1")))
    number = told.findtext("ReceptionNumber") or ""
    page = right(town.post(RESULTS, results(numbered(number), "1")))
    states = [each.findtext("State") for each in page.iterfind("Result")]
    assert states == ["answered"] * 5 + ["deferred", "refused", "expired", "sent"]
    file = f"<StatusRequestFile>{numbered(number)}{numbered('1' * 22)}</StatusRequestFile>"
    answered = right(town.post(RESULTS, results(file, "1")))
    assert [each.text for each in answered.iterfind(".//Request/State")] == ["processing", "unknown"]
    assert right(town.post(SINGLE, single(numbered("TEST-0001"), "1"))).findtext("State") == "answered"
    assert right(town.post(WITHDRAWAL, withdrawal(numbered(number), "1"))).findtext("Asked") == "9"
    refused = town.post(LIST, many(TESTED, TESTED + 9, mode="1"))
    assert wrong(refused) == (400, "inquiries.list_refused")
    for body, kind in ((single(inquiry(TESTED + 9), "1"), SINGLE), (results(numbered("1" * 22), "1"), RESULTS)):
        assert wrong(town.post(kind, body))[0] == 404
    assert wrong(town.post(SINGLE, single(inquiry(1), "1"))) == (403, "connections.test_persons_only")
    assert town.stored() == 0


# -- the document --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SINGLE, LIST, RESULTS, WITHDRAWAL, WAITING, DECISION, BARS])
def test_every_sample_of_a_request_is_answered_in_test_mode(town: Town, kind: str) -> None:
    sample = (SAMPLES / f"{kind}.xml").read_bytes()
    assert parse(sample, {kind}).header.mode is MessageMode.TEST
    assert right(town.post(kind, sample)).findtext("MessageHeader/MSGMode") == "1"
    assert town.stored() == 0


def test_the_worked_example_is_answered_in_test_mode(town: Town) -> None:
    found = re.search(r"<SingleInquiryRequest>.*?</SingleInquiryRequest>", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert found is not None
    assert right(town.post(SINGLE, found[0].encode())).findtext("State") == "answered"


@pytest.mark.parametrize("kind", ["FI_SKI_0005", "FI_SKI_0006"])
def test_every_sample_of_a_file_follows_its_schema(kind: str) -> None:
    assert schema(kind).faults(etree.parse(str(SAMPLES / f"{kind}.xml")).getroot()) == ()
