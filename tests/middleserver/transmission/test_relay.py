"""Messages leave once each, in order and byte for byte the same, whatever the network does; none is dropped."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, event, text

from chukan.tenants.middleserver.transmission import outbox_store
from chukan.tenants.middleserver.transmission.errors import (
    AlreadyStopped,
    ConversationClosed,
    MessageUnknown,
    NetworkAway,
    NotStopped,
    StopReasonMalformed,
)
from chukan.tenants.middleserver.transmission.rules import NETWORK, OutEvent, OutState, Reason
from support.exchange import AT_ONCE, REQUEST, Died, Wire


def test_a_message_leaves_with_the_transaction_that_owes_it_and_not_without(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()

    class ChangedMyMind(Exception):
        pass

    def failing() -> None:
        with wire.place.sessions.begin(city.tenant) as connection:
            wire.outbox.enqueue(
                connection, city.tenant, conv, "IF_FGU_X0001_R01", lambda _: b"<a/>", now=wire.clock.now()
            )
            raise ChangedMyMind

    with pytest.raises(ChangedMyMind):
        failing()
    assert wire.relay().run().tenants == 0
    message = wire.enqueue(city, conv)
    assert wire.relay().run().events == {OutEvent.ACCEPTED: 1}
    assert wire.network.taken == {str(conv): [str(message)]}
    assert wire.events(city, message) == ["queued", "claimed", "accepted"]
    assert wire.relay().run().tenants == 0, "nothing is due any more"


def test_a_conversation_leaves_in_order_and_others_do_not_wait_for_it(wire: Wire) -> None:
    city, first, second = wire.organisation(), uuid4(), uuid4()
    order = [wire.enqueue(city, first) for _ in range(4)]
    other = wire.enqueue(city, second)
    wire.network.faults.extend(["drop"])
    relayed = wire.relay().run()
    assert relayed.events == {OutEvent.DEFERRED: 1, OutEvent.ACCEPTED: 5}
    assert wire.network.taken == {str(first): [str(each) for each in order], str(second): [str(other)]}


@pytest.mark.parametrize(
    "fault", ["drop", "lose_answer", "forge_signature", "wrong_digest", "stranger", "elsewhere", "nonsense"]
)
def test_without_a_valid_receipt_the_same_bytes_leave_again(wire: Wire, fault: str) -> None:
    city, conv = wire.organisation(), uuid4()
    message = wire.enqueue(city, conv)
    wire.network.faults.append(fault)
    assert wire.relay().run().events == {OutEvent.DEFERRED: 1, OutEvent.ACCEPTED: 1}
    assert wire.network.taken == {str(conv): [str(message)]}
    assert len(wire.network.bodies[str(message)]) == 1
    assert wire.states(city) == ["done"]


def test_after_its_last_attempt_a_message_is_a_dead_letter_that_keeps_its_place(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    first, second = wire.enqueue(city, conv), wire.enqueue(city, conv)
    wire.network.faults.extend(["lose_answer"] * AT_ONCE.retry.max_attempts)
    wire.relay().run()
    assert wire.states(city) == ["dead", "queued"]
    situation = wire.exchange.situation(city.tenant)
    assert (situation.counts.dead, situation.counts.unsent) == (1, 1)
    with pytest.raises(MessageUnknown):
        wire.exchange.retry(city.tenant, second, now=wire.clock.now())
    wire.exchange.retry(city.tenant, first, now=wire.clock.now())
    wire.relay().run()
    assert wire.states(city) == ["done", "done"]
    assert wire.network.taken == {str(conv): [str(first), str(second)]}
    assert len(wire.network.bodies[str(first)]) == 1, "as long as its signature holds, the same bytes"


def test_a_dead_letter_whose_signature_is_too_old_is_signed_anew(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    message = wire.enqueue(city, conv)
    wire.network.faults.extend(["drop"] * AT_ONCE.retry.max_attempts)
    wire.relay().run()
    wire.clock.advance(timedelta(days=15))
    wire.exchange.retry(city.tenant, message, now=wire.clock.now())
    wire.relay().run()
    assert wire.states(city) == ["done"]


def test_a_network_that_is_away_costs_no_attempt_and_nothing_is_lost(wire: Wire) -> None:
    cities = [wire.organisation() for _ in range(2)]
    for city in cities:
        wire.enqueue(city, uuid4())
    for _ in range(2 * AT_ONCE.retry.max_attempts):
        wire.network.faults.extend(["away", "away"])
        with pytest.raises(NetworkAway):
            wire.relay().run()
        wire.network.faults.clear()
    assert [wire.states(city) for city in cities] == [["queued"], ["queued"]]
    assert wire.relay().run().events == {OutEvent.ACCEPTED: 2}


def test_a_refused_message_never_came_so_the_next_one_takes_its_place(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    wire.network.refuse["bad"] = "content"
    first, bad, last = wire.enqueue(city, conv), wire.enqueue(city, conv, "bad"), wire.enqueue(city, conv)
    wire.relay().run()
    assert wire.network.taken == {str(conv): [str(first), str(last)]}
    assert wire.states(city) == ["done", "refused", "done"]
    assert [(told.message, told.reason) for told in wire.settled] == [
        (first, None),
        (bad, Reason.CONTENT),
        (last, None),
    ]
    # Whose it was has been told and has gone on: what is still wanted is a message of its own.
    wire.network.refuse.clear()
    with pytest.raises(MessageUnknown):
        wire.exchange.retry(city.tenant, bad, now=wire.clock.now())
    wire.relay().run()
    assert str(bad) not in wire.network.taken[str(conv)]


def test_what_was_refused_is_shown_for_as_long_as_what_was_received_is_kept(wire: Wire) -> None:
    city = wire.organisation()
    wire.network.refuse["bad"] = "content"
    wire.enqueue(city, uuid4(), "bad")
    wire.relay().run()
    with wire.place.sessions.begin(city.tenant) as connection:
        assert outbox_store.counts(connection).refused == 1
        (at,) = connection.execute(text("select changed_at from outbox")).one()
    assert wire.exchange.forget(city.tenant, before=at) == 0
    assert wire.exchange.forget(city.tenant, before=at + timedelta(seconds=1)) == 1


def test_what_the_network_lost_is_sent_again_before_the_next_one(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    order = [wire.enqueue(city, conv) for _ in range(3)]
    wire.relay().run()
    wire.network.forget(conv, keep=1)
    order.append(wire.enqueue(city, conv))
    wire.relay().run()
    assert wire.network.taken == {str(conv): [str(each) for each in order]}
    assert all(len(bodies) == 1 for bodies in wire.network.bodies.values())


@pytest.mark.parametrize("fault", ["die", "die_after"])
def test_what_a_dead_relay_had_in_hand_leaves_again_after_its_lease(wire: Wire, fault: str) -> None:
    city, conv = wire.organisation(), uuid4()
    messages = [wire.enqueue(city, conv), wire.enqueue(city, uuid4())]
    wire.network.faults.append(fault)
    with pytest.raises(Died):
        wire.relay(dying=True).drain(city.tenant, wire.clock.now())
    assert Counter(wire.states(city)) == {"sending": 2}
    assert wire.relay().run().events == {}, "the lease has not ended"
    wire.let_leases_end(city)
    assert wire.relay().run().events == {OutEvent.ACCEPTED: 2}
    assert all(len(wire.network.bodies[str(each)]) == 1 for each in messages)
    assert "reclaimed" in wire.events(city, messages[0])


def test_a_relay_that_was_overtaken_records_nothing(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    wire.enqueue(city, conv)
    slow = wire.relay()
    fast = wire.relay()

    class Interrupting:
        def send(self, message: bytes) -> object:
            if wire.network.attempts == 0:
                wire.network.attempts += 1
                wire.let_leases_end(city)
                assert fast.drain(city.tenant, wire.clock.now()).events == {OutEvent.ACCEPTED: 1}
            return wire.network.send(message)

    sender = slow._sender
    object.__setattr__(sender, "peers", replace(sender.peers, network=Interrupting()))  # type: ignore[arg-type]
    assert slow.drain(city.tenant, wire.clock.now()).overtaken == 1
    assert wire.states(city) == ["done"]
    assert len(wire.settled) == 1


def test_a_stop_holds_back_one_organisation_or_all_and_loses_nothing(wire: Wire) -> None:
    city, town = wire.organisation(), wire.organisation()
    for organisation in (city, town):
        wire.enqueue(organisation, uuid4())
    wire.exchange.stop(city.tenant, reason="its terminal was stolen")
    with pytest.raises(AlreadyStopped):
        wire.exchange.stop(city.tenant, reason="again")
    assert wire.relay().run().events == {OutEvent.ACCEPTED: 1}
    wire.exchange.stop(None, reason="the network asked for it")
    wire.exchange.resume(city.tenant)
    assert wire.relay().run().events == {}, "all are stopped"
    assert [stop.reason for stop in wire.exchange.stops()] == ["the network asked for it"]
    wire.exchange.resume(None)
    with pytest.raises(NotStopped):
        wire.exchange.resume(None)
    assert wire.relay().run().events == {OutEvent.ACCEPTED: 1}
    assert wire.states(city) == ["done"]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "two\nlines", " begins with a blank" * 30])
def test_a_stop_needs_one_line_of_a_reason(wire: Wire, reason: str) -> None:
    with pytest.raises(StopReasonMalformed):
        wire.exchange.stop(None, reason=reason)
    assert wire.exchange.stops() == []


def test_an_organisation_that_cannot_sign_keeps_no_other_one_waiting(wire: Wire) -> None:
    city, town = wire.organisation(), wire.organisation()
    kid = next(kid for kid, (name, _) in wire.network.keys.items() if name == city.institution)
    wire.enqueue(city, uuid4())
    wire.place.certificates.revoke(city.tenant, kid, reason="stolen", now=wire.clock.now())
    wire.enqueue(town, uuid4())
    assert wire.relay().run().events == {OutEvent.ACCEPTED: 1}
    assert wire.states(city) == ["queued"]
    assert wire.place.ask("select unsent from platform.exchange_standing where tenant = %s", city.tenant) == [(1,)]


def test_an_ended_conversation_takes_no_message(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    wire.enqueue(city, conv)
    with wire.place.sessions.begin(city.tenant) as connection:
        wire.outbox.close(connection, conv)
    with pytest.raises(ConversationClosed):
        wire.enqueue(city, conv)


def test_queueing_takes_two_statements(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    wire.enqueue(city, conv)
    seen: list[str] = []

    def count(*execution: object) -> None:
        seen.append(str(execution[2]))

    event.listen(Engine, "before_cursor_execute", count)
    try:
        wire.enqueue(city, conv)
        wire.enqueue(city, uuid4())
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert len(seen) == 4, seen


def test_who_queues_in_a_conversation_has_it_until_the_commit(wire: Wire) -> None:
    """The id of what is queued after that is a later one, so that it leaves after it."""
    city, conv = wire.organisation(), uuid4()
    later: list[UUID] = []
    other = threading.Thread(target=lambda: later.append(wire.enqueue(city, conv)))
    with wire.place.sessions.begin(city.tenant) as connection:

        def queue() -> UUID:
            return wire.outbox.enqueue(connection, city.tenant, conv, REQUEST, lambda _: b"<a/>", now=wire.clock.now())

        first = queue()
        other.start()
        blocked = "select count(*) from pg_locks where not granted"
        while wire.place.ask(blocked) == [(0,)]:
            threading.Event().wait(0.01)
        second = queue()
        assert not later
    other.join(60)
    wire.relay().run()
    assert wire.network.taken == {str(conv): [str(first), str(second), str(later[0])]}


def test_one_conversation_is_sent_at_once_and_the_next_look_finds_nothing(wire: Wire) -> None:
    city, conv, other = wire.organisation(), uuid4(), uuid4()
    first, second = wire.enqueue(city, conv), wire.enqueue(city, conv)
    wire.enqueue(city, other)
    now = wire.clock.now()
    assert wire.relay().convey(city.tenant, conv, now) is OutEvent.ACCEPTED
    assert wire.network.taken == {str(conv): [str(first)]}
    wire.exchange.stop(city.tenant, reason="a drill")
    assert wire.relay().convey(city.tenant, conv, now) is None
    wire.exchange.resume(city.tenant)
    wire.network.faults.append("away")
    with pytest.raises(NetworkAway):
        wire.relay().convey(city.tenant, conv, now)
    assert wire.relay().convey(city.tenant, conv, now) is OutEvent.ACCEPTED
    assert wire.relay().convey(city.tenant, conv, now) is None
    assert wire.network.taken == {str(conv): [str(first), str(second)]}
    assert wire.relay().run().events == {OutEvent.ACCEPTED: 1}


def test_what_keeps_its_place_is_not_overtaken_by_what_is_sent_at_once(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    wire.enqueue(city, conv)
    wire.network.faults.append("die")
    with pytest.raises(Died):
        wire.relay(dying=True).convey(city.tenant, conv, wire.clock.now())
    wire.enqueue(city, conv)
    # The first is in the hand of one that is gone until its lease ends.
    assert wire.relay().convey(city.tenant, conv, wire.clock.now()) is None
    assert wire.network.taken == {}
    wire.let_leases_end(city)
    assert wire.relay().run().events == {OutEvent.ACCEPTED: 2}


def test_neither_payload_nor_signed_bytes_stand_in_the_clear(wire: Wire) -> None:
    city = wire.organisation()
    wire.enqueue(city, uuid4(), "S-VISIBLE")
    wire.relay().run()
    with wire.place.sessions.begin(city.tenant) as connection:
        stored = connection.exec_driver_sql("select payload, message, to_org from outbox").one()
    assert b"S-VISIBLE" not in bytes(stored[0])
    assert b"." not in bytes(stored[1])[:1]
    assert not bytes(stored[1]).startswith(b"eyJ")
    assert stored[2] == NETWORK


def test_what_was_settled_long_ago_is_forgotten_and_what_is_open_is_not(wire: Wire) -> None:
    city = wire.organisation()
    wire.enqueue(city, uuid4())
    wire.relay().run()
    waiting: UUID = wire.enqueue(city, uuid4())
    # Far in the future of the database's clock, so that everything is old.
    later = wire.clock.now() + timedelta(days=3650)
    assert wire.exchange.forget(city.tenant, before=later) == 1
    assert wire.states(city) == [OutState.QUEUED.value]
    assert wire.events(city, waiting) == ["queued"]


def test_a_key_is_needed_as_long_as_bytes_that_it_signed_have_not_arrived(wire: Wire) -> None:
    from chukan.tenants.middleserver.transmission.service import OpenConversations

    city, conv = wire.organisation(), uuid4()
    kid = next(iter(wire.network.keys))
    open_conversations = OpenConversations(wire.place.sessions)
    wire.enqueue(city, conv)
    assert open_conversations.open_count(city.tenant, kid) == 0, "nothing is signed yet"
    wire.network.faults.extend(["drop"] * AT_ONCE.retry.max_attempts)
    wire.relay().run()
    assert open_conversations.open_count(city.tenant, kid) == 1
