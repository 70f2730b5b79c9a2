"""Messages from the network come again, byte for byte, until they are receipted; and the faults show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from joserfc.errors import JoseError

from chukan_simulators.national_network.client import RunningNetwork
from national_network.organisation import Organisation, eventually, new_resident


def delivered(network: RunningNetwork, organisation: Organisation, state: str = "receipted") -> dict[str, Any]:
    """Return the one message to *organisation* as soon as it is in *state*."""

    def found() -> list[dict[str, Any]]:
        return [row for row in network.deliveries(organisation.code) if row["state"] == state]

    (row,) = eventually(found)
    return dict(row)


def ask_for_one(network: RunningNetwork, organisation: Organisation) -> None:
    organisation.codes_for(network, {"S-1": new_resident()})


def hang_up(_organisation: Organisation, _body: bytes) -> None:
    """Leave without an answer."""


def server_error(_organisation: Organisation, _body: bytes) -> tuple[int, bytes]:
    return 500, b""


def not_a_receipt(_organisation: Organisation, _body: bytes) -> tuple[int, bytes]:
    return 200, b"accepted"


def other_digest(organisation: Organisation, body: bytes) -> tuple[int, bytes]:
    return 200, organisation.receipt(body, digest="0" * 64)


def other_key(organisation: Organisation, body: bytes) -> tuple[int, bytes]:
    return 200, organisation.receipt(body, key=organisation.encryption[0].key)


def unknown_key(organisation: Organisation, body: bytes) -> tuple[int, bytes]:
    return 200, organisation.receipt(body, kid="0" * 32)


def for_somebody_else(organisation: Organisation, body: bytes) -> tuple[int, bytes]:
    return 200, organisation.receipt(body, to=organisation.code)


def of_somebody_else(organisation: Organisation, body: bytes) -> tuple[int, bytes]:
    other = Organisation(organisation.platform)
    return 200, organisation.receipt(body, kid=other.signing.kid, key=other.signing.key)


def a_wrong_document(organisation: Organisation, body: bytes) -> tuple[int, bytes]:
    return 200, organisation.receipt(body, result="perhaps")


def come_later(organisation: Organisation, body: bytes) -> tuple[int, bytes]:
    return 409, organisation.receipt(body, result="refused", reason="sequence")


NO_RECEIPT = [
    *(hang_up, server_error, not_a_receipt, other_digest, other_key, unknown_key),
    *(for_somebody_else, of_somebody_else, a_wrong_document, come_later),
]


@pytest.mark.parametrize("badly", NO_RECEIPT)
def test_without_a_right_receipt_the_same_bytes_come_again(
    network: RunningNetwork,
    organisation: Organisation,
    badly: Callable[[Organisation, bytes], tuple[int, bytes] | None],
) -> None:
    organisation.answer = lambda body: badly(organisation, body)
    ask_for_one(network, organisation)
    eventually(lambda: len(organisation.inbox) >= 3)
    assert network.deliveries(organisation.code)[0]["state"] == "waiting"
    organisation.answer = organisation.accept
    row = delivered(network, organisation)
    assert len(set(organisation.inbox)) == 1
    assert row["attempts"] == len(organisation.inbox)
    count = len(organisation.inbox)
    network.ask("POST", "/deliveries/now")
    assert len(network.attempts(row["mid"])) == count


def test_what_is_held_is_receipted(network: RunningNetwork, organisation: Organisation) -> None:
    organisation.answer = lambda body: (200, organisation.receipt(body, result="held"))
    ask_for_one(network, organisation)
    assert delivered(network, organisation)["result"] == "held"


def test_what_is_refused_for_good_stops_until_somebody_says_otherwise(
    network: RunningNetwork, organisation: Organisation
) -> None:
    organisation.answer = lambda body: (422, organisation.receipt(body, result="refused", reason="schema"))
    ask_for_one(network, organisation)
    row = delivered(network, organisation, "refused")
    assert (row["reason"], row["attempts"]) == ("schema", 1)
    organisation.answer = organisation.accept
    assert network.ask("POST", "/deliveries/again", {"mid": row["mid"]})
    assert delivered(network, organisation)["attempts"] == 2
    assert organisation.inbox[0] == organisation.inbox[1]


def test_a_message_waits_for_the_one_before_it(network: RunningNetwork, organisation: Organisation) -> None:
    organisation.answer = lambda _: None
    conv = "0198c0de-0000-4000-8000-000000000002"
    organisation.codes_for(network, {"S-1": new_resident()}, conv=conv, seq=1)
    eventually(lambda: organisation.inbox)
    organisation.codes_for(network, {"S-2": new_resident()}, conv=conv, seq=2)
    eventually(lambda: len(network.deliveries(organisation.code)) == 2)
    assert len(set(organisation.inbox)) == 1
    organisation.answer = organisation.accept
    eventually(lambda: len(organisation.entries()) == 2)
    assert [organisation.opened(body)[0]["seq"] for body in dict.fromkeys(organisation.inbox)] == [1, 2]


# Faults.


def test_a_dropped_delivery_comes_later(network: RunningNetwork, organisation: Organisation) -> None:
    network.order("drop", on="deliveries", institution=organisation.code, times=2)
    ask_for_one(network, organisation)
    row = delivered(network, organisation)
    assert [attempt["fault"] for attempt in network.attempts(row["mid"])] == ["drop", "drop", None]
    assert len(organisation.inbox) == 1


def test_a_delayed_delivery_comes_later(network: RunningNetwork, organisation: Organisation) -> None:
    network.order("delay", on="deliveries", institution=organisation.code, times=1, seconds=0.6)
    ask_for_one(network, organisation)
    row = delivered(network, organisation)
    assert network.attempts(row["mid"])[0]["at"] >= row["created_at"] + 0.6


def test_a_duplicate_comes_after_the_receipt(network: RunningNetwork, organisation: Organisation) -> None:
    network.order("duplicate", on="deliveries", institution=organisation.code, times=1)
    ask_for_one(network, organisation)
    row = delivered(network, organisation)
    eventually(lambda: len(organisation.inbox) == 2)
    assert organisation.inbox[0] == organisation.inbox[1]
    eventually(lambda: [attempt["fault"] for attempt in network.attempts(row["mid"])] == [None, "duplicate"])


def test_a_message_overtakes_the_one_before_it(network: RunningNetwork, organisation: Organisation) -> None:
    url, conv = network.status()["platform_url"], "0198c0de-0000-4000-8000-000000000003"
    network.ask("POST", "/platform", {"url": ""})
    try:
        organisation.codes_for(network, {"S-1": new_resident()}, conv=conv, seq=1)
        eventually(lambda: len(network.deliveries(organisation.code)) == 1)
        organisation.codes_for(network, {"S-2": new_resident()}, conv=conv, seq=2)
        eventually(lambda: len(network.deliveries(organisation.code)) == 2)
        network.order("overtake", on="deliveries", institution=organisation.code, times=1)
    finally:
        network.ask("POST", "/platform", {"url": url})
    eventually(lambda: len(organisation.inbox) == 2)
    assert [organisation.opened(body)[0]["seq"] for body in organisation.inbox] == [2, 1]


FORGERIES = ["forge_signature", "forge_body", "forge_key", "forge_kid", "forge_algorithm"]


@pytest.mark.parametrize("fault", FORGERIES)
def test_a_forged_message_comes_before_the_real_one(
    network: RunningNetwork, organisation: Organisation, fault: str
) -> None:
    refused = refusing(organisation, "signature")
    network.order(fault, on="deliveries", institution=organisation.code, times=1)
    ask_for_one(network, organisation)
    row = delivered(network, organisation)
    assert [attempt["fault"] for attempt in network.attempts(row["mid"])] == [fault, None]
    assert refused == organisation.inbox[:1]
    # It was rightly encrypted, so only who checks the signature notices.
    assert organisation.decrypted(refused[0]) != organisation.decrypted(organisation.inbox[1])
    assert organisation.entries_of(organisation.inbox[1])["S-1"]["Result"] == "issued"


def test_a_message_that_was_tampered_with_cannot_be_opened(network: RunningNetwork, organisation: Organisation) -> None:
    refused = refusing(organisation, "encryption")
    network.order("forge_encryption", on="deliveries", institution=organisation.code, times=1)
    ask_for_one(network, organisation)
    delivered(network, organisation)
    assert refused == organisation.inbox[:1]
    with pytest.raises(JoseError):
        organisation.decrypted(refused[0])
    assert organisation.entries_of(organisation.inbox[1])["S-1"]["Result"] == "issued"


def refusing(organisation: Organisation, reason: str) -> list[bytes]:
    """Let *organisation* refuse what cannot be opened or verified; returns the list of what it refused."""
    refused = []

    def answer(body: bytes) -> tuple[int, bytes] | None:
        try:
            organisation.opened(body)
        except (JoseError, KeyError):
            refused.append(body)
            return 400, organisation.receipt(body, result="refused", reason=reason)
        return organisation.accept(body)

    organisation.answer = answer
    return refused


def test_a_platform_that_is_away_gets_everything_when_it_is_back(
    network: RunningNetwork, organisation: Organisation
) -> None:
    url = network.status()["platform_url"]
    network.ask("POST", "/platform", {"url": "https://localhost:1"})
    try:
        ask_for_one(network, organisation)
        eventually(lambda: [row for row in network.deliveries(organisation.code) if row["attempts"] >= 2])
        assert network.deliveries(organisation.code)[0]["last_error"] == "ConnectionRefusedError"
    finally:
        network.ask("POST", "/platform", {"url": url})
    assert delivered(network, organisation)["result"] == "accepted"
    assert len(organisation.inbox) == 1
