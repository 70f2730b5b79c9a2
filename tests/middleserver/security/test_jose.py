"""Signed and encrypted texts: one algorithm each, and everything else refused before a key is touched."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import ECKey

from chukan.tenants.middleserver.security.errors import (
    DecryptionFailed,
    JoseMalformed,
    JoseRefused,
    JoseTooLarge,
    KeyUnknown,
    SignatureInvalid,
    SignatureStale,
)
from chukan.tenants.middleserver.security.jose import (
    MAX_AGE,
    MAX_AHEAD,
    SigningKey,
    Window,
    decrypt,
    encrypt,
    is_encrypted,
    payload_of,
    sign,
    verify,
)

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
KIND = "IF_FGU_X0001_R01"
OURS = SigningKey("a" * 32, ec.generate_private_key(ec.SECP256R1()))
OTHER = ec.generate_private_key(ec.SECP256R1())
WINDOW = Window(NOW)


def known(kid: str) -> ec.EllipticCurvePublicKey | None:
    return OURS.key.public_key() if kid == OURS.kid else None


def mine(kid: str) -> ec.EllipticCurvePrivateKey | None:
    return OURS.key if kid == OURS.kid else None


def signed(payload: bytes = b"<a/>", *, at: datetime = NOW, **headers: str | int) -> bytes:
    return sign(payload, OURS, type=KIND, now=at, headers=headers)


def forged(header: Mapping[str, Any], token: bytes) -> bytes:
    """Put another header before *token*."""
    encoded = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=")
    return encoded + b"." + token.split(b".", 1)[1]


@given(st.binary(max_size=500))
def test_what_was_signed_is_what_is_read(payload: bytes) -> None:
    found = verify(signed(payload, conv="c", seq=2, mid="m"), known, types={KIND}, window=WINDOW)
    assert (found.payload, found.kid, found.type, found.signed_at) == (payload, OURS.kid, KIND, NOW)
    assert found.headers == {"conv": "c", "seq": 2, "mid": "m"}


def test_sender_and_receiver_stand_in_the_header() -> None:
    told = {"from": "0220113112101700", "to": "9999000000000001"}
    token = sign(b"<a/>", OURS, type=KIND, now=NOW, headers=told)
    assert verify(token, known, types={KIND}, window=WINDOW).headers == told
    sealed = encrypt(token, kid=OURS.kid, key=OURS.key.public_key(), headers={"typ": KIND, "to": told["to"]})
    assert decrypt(sealed, mine) == token


def test_the_payload_of_a_verified_text_can_be_read_again() -> None:
    assert payload_of(signed(b"x" * 301)) == b"x" * 301
    with pytest.raises(JoseMalformed):
        payload_of(b"nothing")


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_no_changed_byte_is_accepted(place: int, change: int) -> None:
    token = bytearray(signed())
    place %= len(token)
    token[place] ^= change
    # The last letter of a part holds bits that mean nothing: there, another letter may be the same text.
    if place + 1 == len(token) or token[place + 1 : place + 2] == b".":
        return
    with pytest.raises(JoseRefused):
        verify(bytes(token), known, types={KIND}, window=WINDOW)


def test_another_key_under_our_name_is_found_out() -> None:
    token = sign(b"<a/>", SigningKey(OURS.kid, OTHER), type=KIND, now=NOW)
    with pytest.raises(SignatureInvalid):
        verify(token, known, types={KIND}, window=WINDOW)


def test_an_unknown_key_is_named_as_such() -> None:
    token = sign(b"<a/>", SigningKey("b" * 32, OTHER), type=KIND, now=NOW)
    with pytest.raises(KeyUnknown):
        verify(token, known, types={KIND}, window=WINDOW)


GOOD: dict[str, Any] = {"alg": "ES256", "kid": OURS.kid, "typ": KIND, "iat": int(NOW.timestamp())}


@pytest.mark.parametrize(
    "header",
    [
        {**GOOD, "alg": "none"},
        {**GOOD, "alg": "HS256"},
        {**GOOD, "alg": "ES384"},
        {**GOOD, "jwk": {"kty": "EC"}},
        {**GOOD, "x5c": ["MIIB"]},
        {**GOOD, "crit": ["b64"], "b64": False},
        {**GOOD, "zip": "DEF"},
        {**GOOD, "typ": "IF_SCM_X0001_S01"},
        {**GOOD, "iat": "1"},
        {**GOOD, "iat": True},
        {**GOOD, "iat": 1.5},
        {**GOOD, "iat": 10**30},
        {**GOOD, "seq": 0},
        {**GOOD, "seq": True},
        {**GOOD, "mid": 7},
        {**GOOD, "from": None},
        {**GOOD, "seq": None},
        {name: told for name, told in GOOD.items() if name != "kid"},
        {**GOOD, "kid": 7},
        {},
        [],
    ],
)
def test_a_header_that_is_not_agreed_is_refused_unverified(header: Any) -> None:
    def untouched(_kid: str) -> ec.EllipticCurvePublicKey | None:
        raise AssertionError("no key is asked for")

    with pytest.raises(JoseMalformed):
        verify(forged(header, signed()), untouched, types={KIND}, window=WINDOW)


def test_a_public_key_does_not_serve_as_a_shared_secret() -> None:
    secret = OURS.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    body = forged({**GOOD, "alg": "HS256"}, signed()).rsplit(b".", 1)[0]
    mac = base64.urlsafe_b64encode(hmac.digest(secret, body, "sha256")).rstrip(b"=")
    with pytest.raises(JoseMalformed):
        verify(body + b"." + mac, known, types={KIND}, window=WINDOW)


@pytest.mark.parametrize(
    "token", [b"", b"a", b"a.b", b"....", b"e30.e30.e30", b"\xff.\xff.\xff", b"a" * 2_000 + b".b.c"]
)
def test_what_is_no_compact_text_is_refused(token: bytes) -> None:
    for read in (
        lambda: verify(token, known, types={KIND}, window=WINDOW),
        lambda: decrypt(token, mine),
    ):
        with pytest.raises(JoseMalformed):
            read()


@pytest.mark.parametrize(
    ("age", "accepted"),
    [
        (-MAX_AHEAD - timedelta(seconds=1), False),
        (-MAX_AHEAD, True),
        (timedelta(0), True),
        (MAX_AGE, True),
        (MAX_AGE + timedelta(seconds=1), False),
    ],
)
def test_a_signature_is_neither_old_nor_from_the_future(age: timedelta, *, accepted: bool) -> None:
    token = signed(at=NOW - age)
    if accepted:
        assert verify(token, known, types={KIND}, window=WINDOW).signed_at == NOW - age
    else:
        with pytest.raises(SignatureStale):
            verify(token, known, types={KIND}, window=WINDOW)


def test_nothing_larger_than_its_place_allows_is_read() -> None:
    token = signed(b"x" * 10_000)
    with pytest.raises(JoseTooLarge):
        verify(token, known, types={KIND}, window=WINDOW, max_bytes=len(token) - 1)
    assert len(verify(token, known, types={KIND}, window=WINDOW, max_bytes=len(token)).payload) == 10_000


def test_a_package_of_several_megabytes_is_signed_and_read() -> None:
    token = signed(b"x" * 3_000_000)
    assert len(verify(token, known, types={KIND}, window=WINDOW).payload) == 3_000_000
    assert decrypt(encrypt(token, kid=OURS.kid, key=OURS.key.public_key()), mine) == token


def test_what_was_encrypted_is_opened_by_its_key_alone() -> None:
    inner = signed()
    token = encrypt(inner, kid=OURS.kid, key=OURS.key.public_key())
    assert is_encrypted(token)
    assert not is_encrypted(inner)
    assert decrypt(token, mine) == inner
    with pytest.raises(DecryptionFailed):
        decrypt(token, lambda _kid: OTHER)
    with pytest.raises(KeyUnknown):
        decrypt(token, lambda _kid: None)
    with pytest.raises(JoseTooLarge):
        decrypt(token, mine, max_bytes=len(token) - 1)


@pytest.mark.parametrize("part", [0, 1, 2, 3, 4])
def test_no_part_of_an_encrypted_text_may_change(part: int) -> None:
    parts = encrypt(signed(), kid=OURS.kid, key=OURS.key.public_key()).split(b".")
    letter = parts[part][3:4]
    parts[part] = parts[part][:3] + (b"A" if letter != b"A" else b"B") + parts[part][4:]
    with pytest.raises(JoseRefused):
        decrypt(b".".join(parts), mine)


@pytest.mark.parametrize(
    "change",
    [
        {"zip": "DEF"},
        {"alg": "ECDH-ES"},
        {"alg": "dir"},
        {"enc": "A128GCM"},
        {"enc": "A256CBC-HS512"},
        {"cty": "JSON"},
        {"apu": "YQ"},
    ],
)
def test_another_way_of_encrypting_is_refused(change: Mapping[str, str]) -> None:
    token = encrypt(signed(), kid=OURS.kid, key=OURS.key.public_key())
    header = json.loads(base64.urlsafe_b64decode(token.split(b".")[0] + b"=="))
    with pytest.raises(JoseMalformed):
        decrypt(forged({**header, **change}, token), mine)


def test_a_compressed_text_is_refused_unopened() -> None:
    protected = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "cty": "JWS", "kid": OURS.kid, "zip": "DEF"}
    bomb = jwe.encrypt_compact(protected, b"\0" * 30_000_000, ECKey.import_key(OURS.key.public_key()))
    with pytest.raises(JoseMalformed):
        decrypt(bomb.encode(), mine)
