"""The network judges every message itself, refuses with a signed receipt, and counts only what is in order."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from chukan_simulators.national_network.client import RunningNetwork
from national_network.organisation import NETWORK, Organisation, Platform, new_serial, seconds

DAY = 86_400
Change = Callable[[Organisation], Mapping[str, Any]]


def test_a_right_message_is_accepted(network: RunningNetwork, organisation: Organisation) -> None:
    body = organisation.request()
    receipt = organisation.send(body)
    assert (receipt.status, receipt["Result"], receipt.header["to"]) == (200, "accepted", organisation.code)
    (message,) = network.messages(organisation.code)
    assert (message["mid"], message["state"]) == (receipt["MessageID"], "accepted")
    assert message["digest"] == hashlib.sha256(body).hexdigest()


def test_the_same_bytes_get_the_same_receipt_and_count_once(
    network: RunningNetwork, organisation: Organisation
) -> None:
    body = organisation.request("S-1")
    assert organisation.send(body).body == organisation.send(body).body
    assert len(network.messages(organisation.code)) == 1
    assert network.codes(organisation.code) == {"unregistered": 1}


def test_the_same_message_id_with_other_bytes_is_a_conflict(organisation: Organisation) -> None:
    mid = str(uuid4())
    organisation.send(organisation.request(mid=mid))
    receipt = organisation.send(organisation.request(mid=mid))
    assert (receipt.status, receipt["Reason"]) == (409, "conflict")


# What each of them breaks in an otherwise right message, and what the network then says.
HEADERS: Mapping[str, tuple[Change, int, str]] = {
    "unknown key": (lambda _: {"kid": "0" * 32}, 403, "key"),
    "a key for encryption": (lambda own: {"kid": own.encryption[0].kid}, 403, "key"),
    "from somebody else": (lambda _: {"from": "9900000000000000"}, 403, "sender"),
    "to somebody else": (lambda own: {"to": own.code}, 403, "sender"),
    "too old": (lambda _: {"iat": seconds() - 14 * DAY - 60}, 400, "stale"),
    "from the future": (lambda _: {"iat": seconds() + 6 * 60}, 400, "stale"),
    "an unknown type": (lambda _: {"typ": "IF_FGU_X0007_R01"}, 422, "message_type"),
    "a type that it only sends": (lambda _: {"typ": "IF_FGU_X0002_S01"}, 422, "message_type"),
    "beyond the next": (lambda _: {"seq": 2}, 409, "sequence"),
    "number zero": (lambda _: {"seq": 0}, 400, "malformed"),
    "a number in words": (lambda _: {"seq": "1"}, 400, "malformed"),
    "true for a number": (lambda _: {"seq": True}, 400, "malformed"),
    "no conversation": (lambda _: {"conv": None}, 400, "malformed"),
    "an id in capitals": (lambda _: {"mid": str(uuid4()).upper()}, 400, "malformed"),
    "a field too many": (lambda _: {"jku": "https://keys.example.jp"}, 400, "malformed"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_wrong_header_is_refused(network: RunningNetwork, organisation: Organisation, name: str) -> None:
    change, status, reason = HEADERS[name]
    receipt = organisation.send(organisation.request(**change(organisation)))
    assert (receipt.status, receipt["Result"], receipt["Reason"]) == (status, "refused", reason)
    assert network.messages(organisation.code) == []


@pytest.mark.parametrize("age", [14 * DAY - 60, -4 * 60])
def test_the_window_of_signing_is_wide(organisation: Organisation, age: int) -> None:
    assert organisation.send(organisation.request(iat=seconds() - age))["Result"] == "accepted"


def other_signature(organisation: Organisation) -> bytes:
    """Return a right message with the signature of another right message."""
    one, other = organisation.request(), organisation.request()
    return b".".join([*one.split(b".")[:2], other.split(b".")[2]])


def other_payload(organisation: Organisation) -> bytes:
    one, other = organisation.request(), organisation.request()
    return b".".join([one.split(b".")[0], other.split(b".")[1], one.split(b".")[2]])


def signed_by_a_stranger(organisation: Organisation) -> bytes:
    header = organisation.header()
    return organisation.signed(
        header, organisation.document(header, new_serial()), ec.generate_private_key(ec.SECP256R1())
    )


def unsigned(organisation: Organisation) -> bytes:
    return organisation.request().rpartition(b".")[0] + b"."


@pytest.mark.parametrize("forge", [other_signature, other_payload, signed_by_a_stranger, unsigned])
def test_a_signature_that_does_not_belong_to_the_bytes_is_refused(
    network: RunningNetwork, organisation: Organisation, forge: Callable[[Organisation], bytes]
) -> None:
    receipt = organisation.send(forge(organisation))
    assert (receipt.status, receipt["Reason"], receipt.header["to"]) == (400, "signature", "0" * 16)
    assert network.messages(organisation.code) == []


def test_the_algorithm_none_is_refused(organisation: Organisation) -> None:
    head = organisation.request().split(b".")[1]
    header = base64.urlsafe_b64encode(json.dumps(organisation.header(alg="none")).encode()).rstrip(b"=")
    assert organisation.send(header + b"." + head + b".")["Reason"] == "signature"


@pytest.mark.parametrize(
    "body", [b"", b"a.b", b"....", b"\xff\xfe", b"e30.e30.e30", b"{}", b"W10.e30.", b"e30=.e30.e30"]
)
def test_what_is_no_jws_is_malformed(organisation: Organisation, body: bytes) -> None:
    receipt = organisation.send(body)
    assert (receipt.status, receipt["Reason"]) == (400, "malformed")
    assert "MessageID" not in receipt.fields


def test_a_header_that_says_a_thing_twice_is_malformed(organisation: Organisation) -> None:
    body = organisation.request()
    header = base64.urlsafe_b64decode(body.split(b".")[0] + b"==")
    twice = base64.urlsafe_b64encode(header[:-1] + b', "seq": 1}').rstrip(b"=")
    assert organisation.send(b".".join([twice, *body.split(b".")[1:]]))["Reason"] == "malformed"


def test_a_message_that_is_too_large_is_not_read(platform: Platform) -> None:
    answer = platform.ask("POST", "/messages", b"x" * (8 * 1024 * 1024 + 1))
    assert answer.status == 413
    assert b"<Reason>too_large</Reason>" in platform.verified(answer.body)[1]


def test_a_revoked_key_counts_for_nothing_at_once(platform: Platform, organisation: Organisation) -> None:
    platform.ask("POST", f"/certificates/{organisation.signing.kid}/revocation", b'{"Reason": "key_lost"}')
    receipt = organisation.send(organisation.request())
    assert (receipt.status, receipt["Reason"]) == (403, "key")


def test_of_several_keys_each_signs(organisation: Organisation) -> None:
    before = organisation.signing
    organisation.signing = organisation.certified("sign")
    assert organisation.send(organisation.request())["Result"] == "accepted"
    organisation.signing = before
    assert organisation.send(organisation.request())["Result"] == "accepted"


DOCUMENTS = {
    "an element too many": (b"</MessageHeader>", b"</MessageHeader><More/>", "schema"),
    "a serial that is none": (b"<ProcessingSerial>S", b"<ProcessingSerial>*S", "schema"),
    "a time without its offset": (b"+09:00", b"", "schema"),
    "no entry": (b"<Entry>", b"<!--<Entry>", "schema"),
    "not well-formed": (b"</CodeAcquisitionRequest>", b"", "schema"),
    "another root": (b"CodeAcquisitionRequest", b"CodeNotification", "schema"),
    "a document type": (b"?>\n<Code", b'?>\n<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>\n<Code', "schema"),
    "another message id": (b"<MSGID>", b"<MSGID>0", "schema"),
    "another type inside": (b"IF_FGU_X0001_R01<", b"IF_FGU_X0002_S01<", "message_type"),
    "the code of somebody else": (b"<InstitutionCode>99", b"<InstitutionCode>98", "content"),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_wrong_document_is_refused(network: RunningNetwork, organisation: Organisation, name: str) -> None:
    old, new, reason = DOCUMENTS[name]
    header = organisation.header()
    document = organisation.document(header, "S-1")
    assert old in document
    receipt = organisation.send(organisation.signed(header, document.replace(old, new)))
    assert (receipt.status, receipt["Reason"]) == (422, reason)
    assert network.messages(organisation.code) == []


def test_a_fault_of_the_schema_is_told_with_line_and_element_and_no_value(organisation: Organisation) -> None:
    header = organisation.header()
    document = organisation.document(header, "S-1", "secret value")
    detail = organisation.send(organisation.signed(header, document))["Detail"]
    assert detail.startswith("line 5: ")
    assert "/CodeAcquisitionRequest/Entry[2]/ProcessingSerial" in detail
    assert "secret" not in detail


def test_another_message_id_inside_is_refused(organisation: Organisation) -> None:
    header = organisation.header()
    document = organisation.document(header | {"mid": str(uuid4())}, "S-1")
    assert organisation.send(organisation.signed(header, document))["Reason"] == "message_type"


def test_a_serial_is_announced_once(organisation: Organisation) -> None:
    assert organisation.send(organisation.request("S-1", "S-2"))["Result"] == "accepted"
    receipt = organisation.send(organisation.request("S-3", "S-2"))
    assert (receipt.status, receipt["Reason"], receipt["Detail"][:8]) == (422, "content", "entry 2:")
    assert organisation.send(organisation.request("S-4", "S-4"))["Reason"] == "schema"
    assert organisation.send(organisation.request("S-3"))["Result"] == "accepted"


# Order.


def test_a_message_beyond_the_next_is_refused_and_told_which_one_is_next(organisation: Organisation) -> None:
    conv = str(uuid4())
    organisation.send(organisation.request(conv=conv, seq=1))
    third = organisation.request(conv=conv, seq=3)
    receipt = organisation.send(third)
    assert (receipt["Reason"], receipt["ExpectedSequence"]) == ("sequence", "2")
    assert organisation.send(organisation.request(conv=conv, seq=2))["Result"] == "accepted"
    # What was refused is as if it had never come.
    assert organisation.send(third)["Result"] == "accepted"


def test_a_number_that_another_message_had_is_a_conflict(organisation: Organisation) -> None:
    conv = str(uuid4())
    organisation.send(organisation.request(conv=conv, seq=1))
    assert organisation.send(organisation.request(conv=conv, seq=1))["Reason"] == "conflict"


def test_a_refused_message_leaves_its_number_to_the_next(organisation: Organisation) -> None:
    conv = str(uuid4())
    assert organisation.send(organisation.request("not right", conv=conv))["Reason"] == "schema"
    assert organisation.send(organisation.request(conv=conv, seq=1))["Result"] == "accepted"


def test_a_network_that_holds_applies_messages_in_their_order(
    network: RunningNetwork, organisation: Organisation
) -> None:
    network.set(hold=2)
    conv = str(uuid4())
    bodies = {seq: organisation.request(f"S-{seq}", conv=conv, seq=seq) for seq in (1, 2, 3, 4)}
    assert organisation.send(bodies[4])["Reason"] == "sequence"
    held = organisation.send(bodies[3])
    assert (held.status, held["Result"], held["ExpectedSequence"]) == (200, "held", "1")
    assert organisation.send(organisation.request(conv=conv, seq=3))["Reason"] == "conflict"
    assert organisation.send(bodies[2])["Result"] == "held"
    assert network.codes(organisation.code) == {}
    assert organisation.send(bodies[1])["Result"] == "accepted"
    assert network.codes(organisation.code) == {"unregistered": 3}
    assert organisation.send(bodies[3]).body == held.body
    assert organisation.send(bodies[4])["Result"] == "accepted"


def test_conversations_of_two_organisations_have_nothing_in_common(
    new_organisation: Callable[[], Organisation],
) -> None:
    one, other, conv, mid = new_organisation(), new_organisation(), str(uuid4()), str(uuid4())
    assert one.send(one.request("S-1", conv=conv, mid=mid))["Result"] == "accepted"
    assert other.send(other.request("S-1", conv=conv, mid=mid))["Result"] == "accepted"


def test_receipts_of_many_at_once_are_not_mixed_up(organisation: Organisation) -> None:
    bodies = [organisation.request(secrets.token_hex(4)) for _ in range(24)]
    with ThreadPoolExecutor(6) as pool:
        receipts = list(pool.map(organisation.send, bodies))
    mids = [receipt["MessageID"] for receipt in receipts]
    assert {receipt["Result"] for receipt in receipts} == {"accepted"}
    assert len(set(mids)) == len(bodies)
    assert all(receipt.header["from"] == NETWORK for receipt in receipts)
