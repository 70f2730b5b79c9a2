"""Nothing is provided without a permit of the network for exactly this: each forgery is refused and recorded."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from chukan.tenants.middleserver.formats.codes import tokyo_day_begins
from chukan.tenants.middleserver.formats.messages import MessageMode
from chukan.tenants.middleserver.provision_records.rules import Result
from chukan.tenants.middleserver.provisions.decisions import Provide
from chukan.tenants.middleserver.provisions.errors import ProvisionNotWaiting
from chukan.tenants.middleserver.provisions.rules import State
from chukan.tenants.middleserver.security.certificates.x509 import kid_of
from chukan.tenants.middleserver.security.jose import SigningKey, payload_of, sign
from chukan.tenants.middleserver.security.permits import PERMIT
from chukan.tenants.middleserver.transmission.rules import NETWORK
from support.copies import right_row
from support.provisions import Permitted, Provider, code_of, new_serial


@pytest.fixture
def ready(provider: Provider) -> Provider:
    provider.link(1, 2)
    provider.register([right_row(1), right_row(2)])
    return provider


def _stranger(provider: Provider) -> Permitted:
    return Permitted(key=SigningKey(provider.wire.network.key.kid, ec.generate_private_key(ec.SECP256R1())))


def _unknown_key(_provider: Provider) -> Permitted:
    return Permitted(key=SigningKey("u" * 32, ec.generate_private_key(ec.SECP256R1())))


def _other_provider(_provider: Provider) -> Permitted:
    return Permitted(provider="0220113112101799")


def _other_inquirer(_provider: Provider) -> Permitted:
    return Permitted(inquirer="0220113112101799")


def _other_serial(_provider: Provider) -> Permitted:
    return Permitted(serial=new_serial())


def _expired(provider: Provider) -> Permitted:
    return Permitted(valid_until=provider.now)


def _future(provider: Provider) -> Permitted:
    return Permitted(issued_at=provider.now + timedelta(minutes=6))


def _other_certificate(_provider: Provider) -> Permitted:
    return Permitted(kid="0" * 32)


def _another_s_certificate(provider: Provider) -> Permitted:
    """The permit names it rightly, but it is another institution's."""
    return _enclosed(provider, provider.wire.place.network.certificate(provider.inquirer.key.public_key(), "9" * 16))


def _ended_certificate(provider: Provider) -> Permitted:
    network = provider.wire.place.network
    begun, network.now = network.now, network.now.replace(year=network.now.year - network.years)
    pem = network.certificate(provider.inquirer.key.public_key(), provider.inquirer.institution)
    network.now = begun
    return _enclosed(provider, pem)


def _enclosed(provider: Provider, pem: str) -> Permitted:
    provider.inquirer.pem = pem
    return Permitted(kid=kid_of(x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)))


def _other_id(provider: Provider) -> Permitted:
    """It names itself otherwise than its message does."""

    def changed(token: bytes) -> bytes:
        document = re.sub(rb"(?<=<PermitID>)[^<]+", str(uuid4()).encode(), payload_of(token))
        headers = {"from": NETWORK, "to": provider.organisation.institution}
        return sign(document, provider.wire.network.key, type=PERMIT, now=provider.now, headers=headers)

    return Permitted(change=changed)


def _test_mode(provider: Provider) -> Permitted:
    made = provider.permit(1, "T" * 20, provider.now, Permitted(), MessageMode.TEST)
    mode = re.search(rb"<MSGMode>[^<]+</MSGMode>", payload_of(made))
    assert mode is not None

    def changed(token: bytes) -> bytes:
        document = re.sub(rb"<MSGMode>[^<]+</MSGMode>", mode.group(), payload_of(token))
        headers = {"from": NETWORK, "to": provider.organisation.institution}
        return sign(document, provider.wire.network.key, type=PERMIT, now=provider.now, headers=headers)

    return Permitted(change=changed)


FORGED = [
    (_stranger, "signature"),
    (_unknown_key, "signature"),
    (_future, "signature"),
    (_other_provider, "provider"),
    (_other_inquirer, "request"),
    (_other_serial, "request"),
    (_expired, "expired"),
    (_other_certificate, "certificate"),
    (_another_s_certificate, "certificate"),
    (_ended_certificate, "certificate"),
    (_other_id, "form"),
    (_test_mode, "form"),
]


@pytest.mark.parametrize(("forge", "fault"), FORGED, ids=[forge.__name__.strip("_") for forge, _ in FORGED])
def test_a_permit_that_does_not_hold_is_refused_and_nothing_is_provided(
    ready: Provider, caplog: pytest.LogCaptureFixture, forge: Callable[[Provider], Permitted], fault: str
) -> None:
    with caplog.at_level(logging.ERROR):
        serial, receipt = ready.ask(1, permitted=forge(ready))
    assert receipt["Result"] == "accepted"
    answer = ready.answer()
    assert (answer["Result"], answer["Reason"]) == ("refused", "permit")
    assert "EncryptedAnswer" not in answer
    assert (ready.stored(serial).state, ready.record(serial).result) == (State.REFUSED, Result.REFUSED)
    assert ready.stored(serial).person is None, "nobody was even looked for"
    assert "provisions.permit_invalid" in caplog.text
    assert f"'{fault}'" in caplog.text
    with pytest.raises(ProvisionNotWaiting):
        ready.provisions.decide(ready.caller, serial, Provide(), now=ready.now)


@pytest.mark.parametrize("token", [b"nonsense", b"a.b.c", b"e30.e30.e30"])
def test_a_permit_that_cannot_be_read_refuses_the_request_as_if_it_had_never_come(
    ready: Provider, token: bytes
) -> None:
    assert ready.ask(1, permitted=Permitted(change=lambda _: token))[1]["Reason"] == "content"
    assert (ready.count("provision"), ready.count("outbox")) == (0, 0)


def test_a_changed_permit_does_not_hold(ready: Provider) -> None:
    other = ready.permit(2, new_serial(), ready.now, Permitted(), MessageMode.PRODUCTION)

    def swapped(token: bytes) -> bytes:
        head, _, signature = token.split(b".")
        return b".".join((head, other.split(b".")[1], signature))

    ready.ask(1, permitted=Permitted(change=swapped))
    assert ready.answer()["Reason"] == "permit"


def test_the_permit_says_whom_it_is_about_and_nobody_else_is_provided(ready: Provider) -> None:
    """There is no other place in a request that names a person: what is permitted is what is given."""
    ready.ask(1, permitted=Permitted(code=code_of(2)))
    root = ready.inquirer.opened(ready.answer()["EncryptedAnswer"], ready.organisation)
    assert len(root.findall("Records/Record")) == 1


def test_the_last_moment_of_a_permit_is_in_time(ready: Provider) -> None:
    ready.ask(1, permitted=Permitted(valid_until=ready.now + timedelta(seconds=1)))
    assert ready.answer()["Result"] == "provided"


def test_a_permit_that_lasts_longer_than_thirty_days_does_not_stretch_the_term(ready: Provider) -> None:
    asked = ready.now - timedelta(days=31)
    until = tokyo_day_begins(ready.now.date()) + timedelta(days=9)
    ready.ask(1, requested_at=asked, permitted=Permitted(valid_until=until, issued_at=ready.now))
    answer = ready.answer()
    assert (answer["Result"], answer["Reason"]) == ("refused", "other")
