"""A bar and an answer never pass each other: once a person is barred, no automatic answer is committed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting

import pytest
from sqlalchemy import text

from chukan.tenants.middleserver.provisions import store
from chukan.tenants.middleserver.provisions.decisions import Provide
from chukan.tenants.middleserver.provisions.rules import BarKind, Cause, State
from chukan.tenants.middleserver.transmission.conversation_store import joined
from national_network.organisation import eventually
from support.copies import INFORMATION, right_row
from support.provisions import Provider, scope


@pytest.fixture
def ready(provider: Provider) -> Provider:
    provider.link(1)
    provider.register([right_row(1)])
    return provider


def somebody_waits(provider: Provider) -> bool:
    """Whether somebody waits for the table of bars."""
    place = provider.wire.place
    ((schema,),) = place.ask("select schema from platform.tenant where id = %s", provider.tenant)
    query = "select 1 from pg_locks where not granted and relation = %s::regclass"
    return bool(place.ask(query, f"{schema}.provision_bar"))


def test_barring_waits_for_the_answers_that_are_being_given(ready: Provider) -> None:
    with ThreadPoolExecutor(1) as pool, ready.wire.place.sessions.begin(ready.tenant) as answering:
        store.hold_bars(answering)
        barring = pool.submit(
            ready.provisions.bar, ready.caller, [scope(person=1)], "protected", now=ready.now
        )  # fmt: skip
        eventually(lambda: somebody_waits(ready))
        # The answer commits; only then is the person barred.
        answering.commit()
        assert barring.result(timeout=10) == 1


def test_an_answer_waits_for_a_bar_that_is_being_set_and_is_held_back(ready: Provider) -> None:
    barred = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        with ready.wire.place.sessions.begin(ready.tenant) as barring:
            store.change_bars(barring)
            asking = pool.submit(ready.ask, 1)
            eventually(lambda: somebody_waits(ready))
            ready.provisions.bars._add(
                barring,
                ready.tenant,
                ready.provisions.bars._bars(ready.tenant, BarKind.BAR, [scope(INFORMATION, person=1)]),
                {"act": ready.tenant, "department": None, "reason": "protected", "set_by": "test", "set_at": ready.now},
            )
            barred.set()
        serial, _ = asking.result(timeout=10)
    stored = ready.stored(serial)
    assert (stored.state, stored.cause) == (State.DEFERRED, Cause.BARRED_PERSON)


def test_a_decision_and_a_cancellation_never_wait_for_one_another(ready: Provider) -> None:
    ready.provisions.bar(ready.caller, [scope(person=1)], "protected", now=ready.now)
    serial, _ = ready.ask(1)
    with ThreadPoolExecutor(1) as pool:
        with ready.wire.place.sessions.begin(ready.tenant) as taking:
            # What the reception does with a message, before it hands it over.
            joined(taking, ready.convs[serial])
            deciding = pool.submit(ready.provisions.decide, ready.caller, serial, Provide(), now=ready.now)
            with pytest.raises(StillWaiting):
                deciding.result(timeout=0.3)
            taking.execute(text("set local lock_timeout = '1s'"))
            assert store.lock(taking, serial) is not None, "who decides holds nothing that the message needs"
        deciding.result(timeout=10)
    assert ready.stored(serial).state is State.PROVIDED


def test_fifty_requests_at_once_each_get_their_own_answer(provider: Provider) -> None:
    people = range(1, 51)
    provider.link(*people)
    provider.register(
        [right_row(person, items={**right_row(1).items, "NOTE": [f"record {person}"]}) for person in people]
    )
    with ThreadPoolExecutor(8) as pool:
        serials = dict(zip(people, pool.map(lambda person: provider.ask(person)[0], people), strict=True))
    answers = {found.findtext("ProcessingSerial"): found for found in provider.relay()}
    for person, serial in serials.items():
        (items,) = provider.given(answers[serial].findtext("EncryptedAnswer") or "")
        assert items["NOTE"] == [f"record {person}"]
