"""Requests of the network that come too often, too early, broken, or with a permit that does not hold."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chukan.platform.component import Health
from chukan.platform.errors import ChukanError
from chukan.platform.vault.adapters.file import FileKeyProvider
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.inquiries.rules import InquiryState
from chukan.tenants.middleserver.provisions.rules import State
from chukan.tenants.middleserver.transmission import shared_store
from chukan.tenants.middleserver.transmission.checks import judge_unsent
from chukan.tenants.middleserver.transmission.reception import Reception
from chukan.tenants.middleserver.transmission.relay import Relay
from chukan.tenants.middleserver.transmission.rules import NETWORK
from chukan_simulators.national_network.faults import Fault, Order, Point
from chukan_simulators.national_network.jose import MESSAGE_FIELDS, encrypt, taken_apart
from chukan_simulators.national_network.keys import public_key
from support.exchange import AT_ONCE
from support.exchange_whole import Town, Whole

Towns = tuple[Town, Town]


def requested(whole: Whole, towns: Towns, person: int) -> tuple[str, Any]:
    """Return the serial of an inquiry about *person*, and the network's request to provide, which was not delivered."""
    asking, providing = towns
    serial = asking.ask(providing, person).serials[0]
    asking.relay()
    waiting = {row["number"] for row in whole.deliveries.waiting()}
    (row,) = [row for row in whole.deliveries.all() if row["number"] in waiting]
    return serial, row


def test_a_hundred_times_the_same_request_is_one_provision_and_one_receipt(whole: Whole, towns: Towns) -> None:
    asking, providing = towns
    serial, row = requested(whole, towns, 1)
    before = len(providing.rows("select id from {0}.outbox"))
    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(lambda _: whole.received(providing.institution, bytes(row["bytes"])), range(100)))
    assert len({(answer.status, answer.content) for answer in answers}) == 1
    assert len([one for (one,) in providing.rows("select serial from {0}.provision") if one == serial]) == 1
    assert len(providing.rows("select id from {0}.outbox")) == before + 1
    whole.quiesce()
    assert asking.state(serial) is InquiryState.ANSWERED


def test_a_gap_that_nobody_fills_is_told(whole: Whole, towns: Towns) -> None:
    asking, providing = towns
    serial, _request = requested(whole, towns, 2)
    whole.inquiries.cancel(asking.asking, serial, now=whole.clock.now())
    asking.relay()
    over = [row["number"] for row in whole.deliveries.waiting() if row["institution"] == providing.institution][-1]
    whole.deliveries.attempt(over)
    whole.relay().run()
    with whole.place.actor.engine.connect() as connection:
        overview = shared_store.overview(connection)
    assert overview.oldest_held is not None
    limit = overview.measured_at - overview.oldest_held
    assert judge_unsent(overview, limit).health is Health.GREEN
    assert judge_unsent(overview, limit - timedelta(microseconds=1)).health is Health.RED


def test_a_wrong_permit_of_the_network_provides_nothing_and_stops_nobody_else(whole: Whole, towns: Towns) -> None:
    asking, providing = towns
    menu = whole.network.context.menu
    before = asking.ask(providing, 1).serials[0]
    asking.relay()
    wrong = {}
    for fault in (
        Fault.FORGE_SIGNATURE, Fault.FORGE_BODY, Fault.FORGE_KEY, Fault.FORGE_KID, Fault.FORGE_ALGORITHM,
        Fault.REPLAY_PERMIT, Fault.PERMIT_BY_ORGANISATION, Fault.WRONG_INQUIRER, Fault.WRONG_PROVIDER,
        Fault.WRONG_ITEM, Fault.EXPIRED_PERMIT,
    ):  # fmt: skip
        menu.order(Order(fault, on=Point.PERMITS, times=1))
        wrong[asking.ask(providing, 1).serials[0]] = fault
        asking.relay()
        assert [order["served"] for order in menu.shown()] == [1], fault
        menu.clear()
    # Right by every signature: what the provider wrote down of it shows at night that it was not.
    whole.misled |= {serial for serial, fault in wrong.items() if fault is Fault.WRONG_ITEM}
    after = asking.ask(providing, 1).serials[0]
    whole.quiesce()
    assert [asking.state(serial) for serial in (before, after)] == [InquiryState.ANSWERED] * 2
    for serial, fault in wrong.items():
        assert asking.state(serial) in {InquiryState.REFUSED, InquiryState.DEFERRED}, fault
        provision = providing.provision(asking, serial)
        assert provision is None or provision.state is not State.PROVIDED, fault


def _in_another(document: bytes) -> bytes:
    return b"<Wrapper>" + document.partition(b"?>")[2] + document.partition(b"?>")[2] + b"</Wrapper>"


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut off": lambda document: document[: len(document) // 2],
    "another one before it": lambda document: document.partition(b"?>")[2] + document,
    "wrapped, with another one": _in_another,
    "another one within": lambda document: document.replace(
        b"</InquirerName>", document.partition(b"?>")[2] + b"</InquirerName>"
    ),
    "a serial more": lambda document: document.replace(
        b"<ProcessingSerial>", b"<ProcessingSerial>AAAAAAAAAAAAAAAAAAAA</ProcessingSerial><ProcessingSerial>", 1
    ),
    "another charset": lambda document: document.decode().encode("utf-16"),
    "another charset named": lambda document: document.replace(b"UTF-8", b"Shift_JIS").replace(b"utf-8", b"Shift_JIS"),
    "a NUL": lambda document: document.replace(b"</InquirerName>", b"\0</InquirerName>"),
    "entities": lambda document: b'<!DOCTYPE a [<!ENTITY b "c">]>' + document.partition(b"?>")[2],
    "very deep": lambda document: document.replace(
        b"</InquirerName>", b"<a>" * 20_000 + b"</a>" * 20_000 + b"</InquirerName>"
    ),
}


def test_a_document_that_is_wrapped_or_broken_is_refused_although_it_is_signed(whole: Whole, towns: Towns) -> None:
    asking, providing = towns
    serial, row = requested(whole, towns, 3)
    real = taken_apart(bytes(row["signed"]), MESSAGE_FIELDS)
    pem, _state = whole.network.keys.shown(row["enc_kid"]) or (b"", "")
    for name, change in BROKEN.items():
        document = change(real.payload)
        assert document != real.payload, name
        told = {"to": providing.institution, "mid": row["mid"], "conv": row["conv"], "seq": row["seq"]}
        signed = whole.network.keys.signed(row["typ"], document, **told)
        body = encrypt(signed, row["typ"], providing.institution, row["enc_kid"], public_key(pem))
        assert whole.received(providing.institution, body).status == 422, name
        assert providing.provision(asking, serial) is None, name
    assert whole.received(providing.institution, bytes(row["bytes"])).status == 200, "nothing was used up"
    whole.quiesce()
    assert asking.state(serial) is InquiryState.ANSWERED


def test_without_the_keeper_of_keys_nothing_is_sent_or_taken_and_nothing_lost(
    whole: Whole, towns: Towns, tmp_path: Path
) -> None:
    asking, providing = towns
    _, row = requested(whole, towns, 4)
    serial = asking.ask(providing, 5).serials[0]
    place = whole.place
    nobody = Vault(place.actor.engine, FileKeyProvider(tmp_path / str(uuid4())), cache_seconds=0)
    relay, messages = whole.relay(), len(whole.network.context.store.found_all("select mid from message"))
    with pytest.raises(ChukanError):
        Relay(nobody, relay._sender, AT_ONCE).drain(asking.tenant, whole.clock.now())
    assert asking.rows("select state, attempts from {0}.outbox order by id desc limit 1") == [("queued", 0)]
    assert len(whole.network.context.store.found_all("select mid from message")) == messages, "nothing left unsigned"
    reception = Reception(place.actor.engine, place.sessions, nobody, whole.public_key, whole.features)
    with pytest.raises(ChukanError):
        reception.receive(bytes(row["bytes"]), NETWORK, now=whole.clock.now())
    whole.quiesce()
    assert asking.state(serial) is InquiryState.ANSWERED
