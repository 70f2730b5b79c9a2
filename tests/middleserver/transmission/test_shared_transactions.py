"""Loans and transactions that messages share: few of them, and what goes wrong with one keeps no other one back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, event, text

from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.tenants.middleserver.transmission import relay as relaying
from chukan.tenants.middleserver.transmission.errors import NetworkAway
from chukan.tenants.middleserver.transmission.ports import Answer, Features, Settled
from chukan.tenants.middleserver.transmission.reception import Reception
from chukan.tenants.middleserver.transmission.rules import NETWORK, OutEvent
from support.exchange import REQUEST, Died, Organisation, Wire


@contextmanager
def counted(sessions: TenantSessions) -> Iterator[mock.Mock]:
    """Count the loans of tenants' sessions."""
    with mock.patch.object(sessions, "connection", wraps=sessions.connection) as loans:
        yield loans


@contextmanager
def noted() -> Iterator[list[str]]:
    """Note the statements that are executed, begin and end of transactions left out."""
    seen: list[str] = []

    def note(*execution: object) -> None:
        seen.append(str(execution[2]))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def trail(wire: Wire, city: Organisation, action: str) -> Counter[str]:
    """Return the outcomes of *action* in the organisation's chain."""
    found = wire.place.ask(
        "select body::jsonb ->> 'outcome' from platform.audit_entry where chain = %s and body::jsonb ->> 'action' = %s",
        city.tenant, action,
    )  # fmt: skip
    return Counter(str(outcome) for (outcome,) in found)


# -- what comes --------------------------------------------------------------------------------------


def test_a_message_is_taken_in_one_loan_and_seven_statements(wire: Wire) -> None:
    city, conv, reception = wire.organisation(), uuid4(), wire.reception
    wire.deliver(wire.notification(city, conv, 1))
    body = wire.notification(city, conv, 2)
    with counted(wire.place.sessions) as loans, noted() as seen:
        assert reception.receive(body, NETWORK, now=wire.clock.now()).status == 200
    assert loans.call_count == 1
    # Whose it is; the keys; the conversation, what is there already, the message; its effect; the entry.
    assert len(seen) == 7, seen
    with counted(wire.place.sessions) as loans:
        assert reception.receive(body, NETWORK, now=wire.clock.now()).status == 200
    assert loans.call_count == 1


def test_a_reception_has_one_session_at_a_time_whatever_becomes_of_its_message(wire: Wire) -> None:
    city, conv, place = wire.organisation(), uuid4(), wire.place
    alone = place.database.sessions(max_per_tenant=1, wait_seconds=1)
    reception = Reception(place.actor.engine, alone, place.vault, place.network.public_key, wire.features)
    taken = wire.notification(city, conv, 1, "S-1")

    def deliver(body: bytes) -> int:
        return reception.receive(body, NETWORK, now=wire.clock.now()).status

    assert [deliver(taken), deliver(taken)] == [200, 200]
    wrong = wire.notification(city, conv, 2, change=lambda xml: xml.replace(b"Result>", b"Resul>"))
    content = wire.notification(city, conv, 2, "refuse-me")
    assert [deliver(wire.notification(city, conv, 1)), deliver(wrong), deliver(content)] == [409, 422, 422]
    wire.fail_next = True
    with pytest.raises(RuntimeError):
        deliver(wire.notification(city, conv, 2, "S-2"))
    assert deliver(wire.notification(city, conv, 2, "S-2")) == 200
    assert wire.effects(city, conv) == ["S-1", "S-2"]
    assert trail(wire, city, "transmission:message:receive") == {"done": 2, "refused": 3, "failed": 1}
    assert (alone.statistics().opened, alone.statistics().refused) == (1, 0)


# -- what leaves -------------------------------------------------------------------------------------


def test_a_portion_is_claimed_and_recorded_in_one_transaction_each(wire: Wire) -> None:
    city = wire.organisation()
    messages = [wire.enqueue(city, uuid4()) for _ in range(6)]
    with counted(wire.place.sessions) as loans:
        assert wire.relay().drain(city.tenant, wire.clock.now()).events == {OutEvent.ACCEPTED: 6}
    # Claimed; recorded; how the exchange stands now.
    assert loans.call_count == 3
    assert wire.states(city) == ["done"] * 6
    assert trail(wire, city, "transmission:message:send") == {"done": 6}
    assert sorted(told.message for told in wire.settled) == sorted(messages)
    assert all(wire.events(city, each) == ["queued", "claimed", "accepted"] for each in messages)


def test_a_receipt_that_cannot_be_recorded_keeps_no_other_one_back(wire: Wire) -> None:
    city = wire.organisation()
    first, bad, last = [wire.enqueue(city, uuid4()) for _ in range(3)]
    failing = {bad}

    def outcome(connection: Connection, told: Settled) -> None:
        # A second time would break the primary key.
        kept = text("insert into tenant_setting (name, valid_from, value) values (:name, now(), '')")
        connection.execute(kept, {"name": str(told.message)})
        if told.message in failing:
            raise RuntimeError("a fault of ours")

    wire.features = Features({}, {REQUEST: outcome})
    with pytest.raises(RuntimeError, match="a fault of ours"):
        wire.relay().drain(city.tenant, wire.clock.now())
    assert wire.states(city) == ["done", "sending", "done"]
    assert trail(wire, city, "transmission:message:send") == {"done": 2, "failed": 1}
    failing.clear()
    wire.let_leases_end(city)
    assert wire.relay().run().events == {OutEvent.ACCEPTED: 1}
    assert wire.states(city) == ["done"] * 3
    assert all(len(wire.network.bodies[str(each)]) == 1 for each in (first, bad, last))


def test_what_was_receipted_by_a_relay_that_died_before_it_recorded_leaves_again_and_counts_once(wire: Wire) -> None:
    city = wire.organisation()
    messages = [wire.enqueue(city, uuid4()) for _ in range(3)]
    wire.network.faults.extend(["", "", "die"])
    with pytest.raises(Died):
        wire.relay(dying=True).drain(city.tenant, wire.clock.now())
    assert wire.states(city) == ["sending"] * 3
    assert sum(len(taken) for taken in wire.network.taken.values()) == 2
    wire.let_leases_end(city)
    assert wire.relay().run().events == {OutEvent.ACCEPTED: 3}
    assert sorted(wire.network.taken.values()) == sorted([str(each)] for each in messages)
    assert all(len(wire.network.bodies[str(each)]) == 1 for each in messages)
    assert trail(wire, city, "transmission:message:send") == {"done": 3}


def test_what_is_receipted_already_is_recorded_if_the_network_goes_away(wire: Wire) -> None:
    city = wire.organisation()
    for _ in range(3):
        wire.enqueue(city, uuid4())
    wire.network.faults.extend(["", "drop", "away"])
    with pytest.raises(NetworkAway):
        wire.relay().drain(city.tenant, wire.clock.now())
    assert Counter(wire.states(city)) == {"done": 1, "queued": 2}
    assert wire.relay().run().events == {OutEvent.ACCEPTED: 2}


def test_receipts_do_not_wait_for_a_slow_network(wire: Wire) -> None:
    city = wire.organisation()
    for _ in range(3):
        wire.enqueue(city, uuid4())
    seen: list[int] = []
    send = wire.network.send

    def watched(message: bytes) -> Answer:
        seen.append(wire.states(city).count("done"))
        return send(message)

    with mock.patch.object(wire.network, "send", watched), mock.patch.object(relaying, "_RECORDED_WITHIN", -1.0):
        wire.relay().drain(city.tenant, wire.clock.now())
    assert seen == [0, 1, 2]


def test_a_message_that_another_relay_has_taken_is_left_to_it_and_the_others_are_recorded(wire: Wire) -> None:
    city = wire.organisation()
    ids: list[UUID] = [wire.enqueue(city, uuid4()) for _ in range(3)]
    send = wire.network.send

    def overtaken(message: bytes) -> Answer:
        with wire.place.sessions.begin(city.tenant) as connection:
            connection.execute(text("update outbox set lease_epoch = 9 where id = :id"), {"id": ids[1]})
        return send(message)

    with mock.patch.object(wire.network, "send", overtaken):
        relayed = wire.relay().drain(city.tenant, wire.clock.now())
    assert (relayed.events, relayed.overtaken) == ({OutEvent.ACCEPTED: 2}, 1)
    assert wire.states(city) == ["done", "sending", "done"]
    assert sorted(told.message for told in wire.settled) == sorted([ids[0], ids[2]])
