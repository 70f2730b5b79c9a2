"""Messages from the network have their effect once and in order, and are receipted; whatever is wrong has none."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.gate import Closed
from chukan.tenants.middleserver.gate import Reason as GateReason
from chukan.tenants.middleserver.security.certificates.rules import KeyUse
from chukan.tenants.middleserver.security.certificates.x509 import public_key_of
from chukan.tenants.middleserver.security.jose import SigningKey, encrypt, sign
from chukan.tenants.middleserver.transmission.ports import Answer
from chukan.tenants.middleserver.transmission.reception import Reception
from chukan.tenants.middleserver.transmission.rules import MOST_HELD, NETWORK, NOBODY
from chukan.tenants.middleserver.transmission.service import OpenConversations
from support.exchange import NOTIFICATION, Organisation, Wire


def test_a_message_has_its_effect_and_is_receipted(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    status, told, _ = wire.deliver(wire.notification(city, conv, 1, "S-1", "S-2"))
    assert (status, told["Result"], told["to"]) == (200, "accepted", NETWORK)
    assert wire.effects(city, conv) == ["S-1", "S-2"]
    actions = wire.place.ask("select body::jsonb ->> 'action' from platform.audit_entry where chain = %s", city.tenant)
    assert ("transmission:message:receive",) in actions


def test_the_same_message_again_gets_the_stored_receipt_byte_for_byte(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    body = wire.notification(city, conv, 1)
    first = wire.deliver(body)
    wire.clock.advance(timedelta(days=3))
    assert wire.deliver(body) == first
    assert len(wire.effects(city, conv)) == 1


def test_the_same_message_many_times_at_once_has_one_effect_and_one_receipt(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    body = wire.notification(city, conv, 1)
    reception = wire.reception
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: reception.receive(body, NETWORK, now=wire.clock.now()), range(12)))
    assert len({(answer.status, answer.content) for answer in answers}) == 1
    assert len(wire.effects(city, conv)) == 1


def test_one_id_with_other_bytes_is_refused_and_somebody_is_told(wire: Wire) -> None:
    city, conv, mid = wire.organisation(), uuid4(), str(uuid4())
    wire.deliver(wire.notification(city, conv, 1, "S-1", mid=mid))
    status, told, _ = wire.deliver(wire.notification(city, conv, 2, "S-2", mid=mid))
    assert (status, told["Result"], told["Reason"]) == (409, "refused", "conflict")
    status, told, _ = wire.deliver(wire.notification(city, conv, 1, "S-3"))
    assert (status, told["Reason"], told["ExpectedSequence"]) == (409, "conflict", "2")
    assert wire.effects(city, conv) == ["S-1"]
    refused = wire.place.ask(
        "select count(*) from platform.audit_entry where chain = %s and body::jsonb ->> 'outcome' = 'refused'",
        city.tenant,
    )
    assert refused == [(2,)]


def test_what_comes_too_early_is_held_and_has_its_effect_in_its_turn(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    bodies = {seq: wire.notification(city, conv, seq, f"S-{seq}") for seq in (1, 2, 3, 4)}
    for seq in (3, 2, 4):
        status, told, _ = wire.deliver(bodies[seq])
        assert (status, told["Result"], told["ExpectedSequence"]) == (200, "held", "1")
    assert wire.effects(city, conv) == []
    assert wire.exchange.situation(city.tenant).counts.held == 3
    assert wire.deliver(bodies[1])[1]["Result"] == "accepted"
    assert wire.effects(city, conv) == ["S-1", "S-2", "S-3", "S-4"]
    assert wire.deliver(bodies[3])[1]["Result"] == "held", "its receipt is what it was"
    assert wire.exchange.situation(city.tenant).counts.held == 0
    relay = wire.relay().run()
    assert relay.tenants == 1, "the standing is told"


def test_what_comes_far_too_early_is_asked_for_again(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    status, told, _ = wire.deliver(wire.notification(city, conv, MOST_HELD + 2))
    assert (status, told["Reason"], told["ExpectedSequence"]) == (409, "sequence", "1")
    assert wire.deliver(wire.notification(city, conv, MOST_HELD + 1))[1]["Result"] == "held"


def test_a_held_message_whose_content_is_refused_in_its_turn_keeps_nobody_back(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    for seq, serial in ((2, "refuse-me"), (3, "S-3")):
        assert wire.deliver(wire.notification(city, conv, seq, serial))[1]["Result"] == "held"
    wire.deliver(wire.notification(city, conv, 1, "S-1"))
    assert wire.effects(city, conv) == ["S-1", "S-3"]


def test_content_against_a_rule_is_refused_and_its_place_is_free(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    status, told, _ = wire.deliver(wire.notification(city, conv, 1, "S-1", "refuse-me"))
    assert (status, told["Reason"]) == (422, "content")
    assert wire.effects(city, conv) == [], "nothing of a refused message stays"
    assert wire.deliver(wire.notification(city, conv, 1, "S-2"))[1]["Result"] == "accepted"


def test_a_fault_of_ours_takes_everything_back_and_the_message_is_new_when_it_comes_again(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    body = wire.notification(city, conv, 1, "S-1")
    wire.fail_next = True
    with pytest.raises(RuntimeError, match="a fault of ours"):
        wire.deliver(body)
    assert wire.effects(city, conv) == []
    assert wire.deliver(body)[1]["Result"] == "accepted"
    assert wire.effects(city, conv) == ["S-1"]


def test_an_ended_conversation_has_no_effect_any_more(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    body = wire.notification(city, conv, 1, "S-1")
    receipt = wire.deliver(body)
    with wire.place.sessions.begin(city.tenant) as connection:
        wire.outbox.close(connection, conv)
    status, told, _ = wire.deliver(wire.notification(city, conv, 2, "S-2"))
    assert (status, told["Reason"]) == (409, "closed")
    assert wire.deliver(body) == receipt, "what was taken before is receipted as before"
    assert wire.effects(city, conv) == ["S-1"]


def _stranger(wire: Wire) -> SigningKey:
    return SigningKey(wire.network.key.kid, ec.generate_private_key(ec.SECP256R1()))


def _unknown_element(xml: bytes) -> bytes:
    return xml.replace(b"<Result>", b"<Resul>").replace(b"</Result>", b"</Resul>")


def _another_type(xml: bytes) -> bytes:
    return xml.replace(b"IF_FGU_X0002_S01", b"IF_FGU_X0001_R01")


def _another_id(xml: bytes) -> bytes:
    before, name, after = xml.partition(b"<MSGID>")
    return before + name + str(uuid4()).encode() + after[36:]


@pytest.mark.parametrize(
    ("wrong", "status", "reason", "receiver"),
    [
        (lambda w: {"key": _stranger(w)}, 400, "signature", NOBODY),
        (lambda _: {"key": SigningKey("f" * 32, ec.generate_private_key(ec.SECP256R1()))}, 403, "key", NOBODY),
        (lambda _: {"from": "0220113112101799"}, 403, "sender", NETWORK),
        (lambda _: {"to": "0220113112101799"}, 403, "sender", NETWORK),
        (lambda w: {"now": w.clock.now() - timedelta(days=14, seconds=2)}, 400, "stale", NETWORK),
        (lambda w: {"now": w.clock.now() + timedelta(minutes=6)}, 400, "stale", NETWORK),
        (lambda _: {"typ": "IF_FGU_X0099_S01"}, 422, "message_type", NETWORK),
        (lambda _: {"mid": "not-a-uuid"}, 400, "malformed", NOBODY),
        (lambda _: {"change": _unknown_element}, 422, "schema", NETWORK),
        (lambda _: {"change": lambda xml: b"<!DOCTYPE x>" + xml.partition(b"?>")[2]}, 422, "schema", NETWORK),
        (lambda _: {"change": _another_type}, 422, "message_type", NETWORK),
        (lambda _: {"change": _another_id}, 422, "message_type", NETWORK),
    ],
)  # fmt: skip
def test_whatever_is_wrong_is_refused_with_the_reason_and_no_effect(
    wire: Wire, wrong: Callable[[Wire], dict[str, Any]], status: int, reason: str, receiver: str
) -> None:
    city, conv = wire.organisation(), uuid4()
    options = wrong(wire)
    unreadable = "mid" in options
    body = _with_bad_id(wire, city, conv) if unreadable else wire.notification(city, conv, 1, "S-1", **options)
    answer = wire.deliver(body)
    assert (answer[0], answer[1]["Result"], answer[1]["Reason"]) == (status, "refused", reason)
    assert answer[1]["to"] == receiver
    assert wire.effects(city, conv) == []
    assert wire.deliver(wire.notification(city, conv, 1, "S-1"))[1]["Result"] == "accepted", "nothing was used up"


def _with_bad_id(wire: Wire, city: Organisation, conv: object) -> bytes:
    headers: dict[str, str | int] = {
        "from": NETWORK, "to": city.institution, "mid": "not-a-uuid", "conv": str(conv), "seq": 1
    }  # fmt: skip
    signed = sign(b"<a/>", wire.network.key, type=NOTIFICATION, now=wire.clock.now(), headers=headers)
    kid, public = city.encryption
    return encrypt(signed, kid=kid, key=public, headers={"typ": NOTIFICATION, "to": city.institution})


def test_what_was_changed_on_its_way_cannot_be_opened_and_is_refused_without_a_receiver(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    body = wire.notification(city, conv, 1)
    place = body.rindex(b".") + 1
    changed = body[:place] + (b"A" if body[place : place + 1] != b"A" else b"B") + body[place + 1 :]
    status, told, _ = wire.deliver(changed)
    assert (status, told["Reason"], told["to"]) == (400, "encryption", NOBODY)


@pytest.mark.parametrize("body", [b"", b"a.b", b"a.b.c.d.e", b"\xff" * 40, b"eyJhIjoxfQ.b.c.d.e", b"a" * (9 << 20)])
def test_what_is_for_nobody_is_answered_by_a_status_alone(wire: Wire, body: bytes) -> None:
    answer = wire.reception.receive(body, NETWORK, now=wire.clock.now())
    assert answer.status in {400, 403}
    assert answer.content == b""


def test_a_message_that_is_too_large_is_receipted_as_such(wire: Wire) -> None:
    city = wire.organisation()
    body = wire.notification(city, uuid4(), 1)
    header, _, rest = body.partition(b".")
    status, told, _ = wire.deliver(header + b"." + rest + b"A" * (8 << 20))
    assert (status, told["Reason"]) == (413, "too_large")


def test_only_the_network_may_deliver(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    assert wire.deliver(wire.notification(city, conv, 1), peer=city.institution) == (403, {}, b"")
    assert wire.effects(city, conv) == []


def test_while_the_exchange_is_stopped_nothing_is_receipted(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    body = wire.notification(city, conv, 1, "S-1")
    wire.exchange.stop(None, reason="an incident")
    assert wire.deliver(body) == (503, {}, b"")
    wire.exchange.resume(None)
    assert wire.deliver(body)[0] == 200


def test_while_the_gate_is_closed_nothing_is_receipted_and_the_message_comes_again(wire: Wire) -> None:
    city, conv, opens = wire.organisation(), uuid4(), wire.clock.now() + timedelta(hours=9)
    asked: list[TenantId] = []

    def shut(tenant: TenantId, now: datetime) -> Closed | None:
        asked.append(tenant)
        return Closed(GateReason.HOURS, opens) if now < opens else None

    place = wire.place
    reception = Reception(
        place.actor.engine, place.sessions, place.vault, place.network.public_key, wire.features, shut=shut
    )
    body = wire.notification(city, conv, 1, "S-1")
    assert reception.receive(body, NETWORK, now=wire.clock.now()) == Answer(503, b"")
    assert wire.effects(city, conv) == []
    wire.clock.advance(timedelta(hours=9))
    assert reception.receive(body, NETWORK, now=wire.clock.now()).status == 200
    assert wire.effects(city, conv) == ["S-1"]
    assert asked == [city.tenant, city.tenant]


def test_a_message_to_one_organisation_does_nothing_at_another(wire: Wire) -> None:
    city, town, conv = wire.organisation(), wire.organisation(), uuid4()
    body = wire.notification(city, conv, 1, "S-1", under=town.encryption)
    status, told, _ = wire.deliver(body)
    assert (status, told["Reason"]) == (403, "sender")
    assert wire.effects(city, conv) == wire.effects(town, conv) == []


def test_a_new_key_takes_over_in_the_middle_of_a_conversation_and_none_is_lost(wire: Wire) -> None:
    city, conv = wire.organisation(), uuid4()
    wire.deliver(wire.notification(city, conv, 1, "S-1"))
    under_way = wire.notification(city, conv, 3, "S-3")
    old, certificates = city.encryption, wire.place.certificates
    kid = certificates.request(city.tenant, city.institution, KeyUse.ENCRYPT, now=wire.clock.now())
    key = next(key for key in wire.place.keys.list(city.tenant) if key.kid == kid)
    fresh = (kid, public_key_of(key.certificate or b""))
    # The network encrypts to the newest one from its issue, before it is activated here.
    assert wire.deliver(wire.notification(city, conv, 2, "S-2", under=fresh))[1]["Result"] == "accepted"
    certificates.activate(city.tenant, kid, now=wire.clock.now())
    assert wire.deliver(under_way)[1]["Result"] == "accepted"
    assert wire.effects(city, conv) == ["S-1", "S-2", "S-3"]
    assert OpenConversations(wire.place.sessions).open_count(city.tenant, old[0]) == 1


def test_what_is_kept_of_a_message_is_sealed(wire: Wire) -> None:
    city = wire.organisation()
    wire.deliver(wire.notification(city, uuid4(), 1, "S-VISIBLE"))
    with wire.place.sessions.begin(city.tenant) as connection:
        stored = connection.exec_driver_sql("select message, receipt from inbox").one()
    assert not bytes(stored[0]).startswith(b"eyJ")
    assert b"S-VISIBLE" not in bytes(stored[0]) + bytes(stored[1])
