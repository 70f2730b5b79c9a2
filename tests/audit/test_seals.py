"""A checkpoint is a JWS that a known library verifies, and that nobody else can make."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from uuid import UUID

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from chukan.platform.audit.errors import KeyChanged, KeysUnusable, SealInvalid
from chukan.platform.audit.seals import (
    FIRST_PREVIOUS,
    Checkpoint,
    Leaf,
    SealKeys,
    sign_checkpoint,
    tree_root,
)
from support.audit import SoftwareSigner

SIGNER = SoftwareSigner()
KEYS = SealKeys(SIGNER.public_keys())
LEAVES = (Leaf(UUID(int=1), 3, b"\x01" * 32), Leaf(UUID(int=2), 9, b"\x02" * 32))
CHECKPOINT = Checkpoint(4, 2, tree_root(LEAVES), FIRST_PREVIOUS, "2026-11-21T00:00:00.000000Z")


def parts(checkpoint: str) -> list[str]:
    return checkpoint.split(".")


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_checkpoint_is_verified_by_the_library() -> None:
    signed = sign_checkpoint(CHECKPOINT, SIGNER)
    key = ECKey.import_key(dict(SIGNER.public_keys()[SIGNER.key_id]))
    opened = jws.deserialize_compact(signed, key, algorithms=["ES256"])
    assert opened.headers()["kid"] == SIGNER.key_id
    assert json.loads(opened.payload)["root"] == CHECKPOINT.root.hex()


def test_a_checkpoint_comes_back_as_it_was_signed() -> None:
    assert KEYS.open(sign_checkpoint(CHECKPOINT, SIGNER), 4) == CHECKPOINT


def test_a_checkpoint_of_another_number_is_refused() -> None:
    with pytest.raises(SealInvalid):
        KEYS.open(sign_checkpoint(CHECKPOINT, SIGNER), 5)


@pytest.mark.parametrize("kid", ["test-1", "test-2"])
def test_a_checkpoint_of_another_key_is_refused_whatever_its_name(kid: str) -> None:
    with pytest.raises(SealInvalid):
        KEYS.open(sign_checkpoint(CHECKPOINT, SoftwareSigner(kid)), 4)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "kid": "test-1", "typ": "chukan-audit-seal"},
        {"alg": "HS256", "kid": "test-1", "typ": "chukan-audit-seal"},
        {"alg": "ES256", "typ": "chukan-audit-seal"},
        {"alg": "ES256", "kid": "test-1", "typ": "JWT"},
        {"alg": "ES256", "kid": "test-1", "typ": "chukan-audit-seal", "b64": False, "crit": ["b64"]},
    ],
)
def test_another_header_is_refused_even_when_it_is_signed(header: dict[str, object]) -> None:
    signed = f"{encoded(header)}.{parts(sign_checkpoint(CHECKPOINT, SIGNER))[1]}"
    signature = base64.urlsafe_b64encode(SIGNER.sign(signed.encode())).rstrip(b"=").decode()
    with pytest.raises(SealInvalid):
        KEYS.open(f"{signed}.{signature}", 4)


def test_the_signature_of_one_seal_does_not_fit_another() -> None:
    one, other = (sign_checkpoint(replace(CHECKPOINT, size=size), SIGNER) for size in (2, 3))
    with pytest.raises(SealInvalid):
        KEYS.open(".".join([*parts(one)[:2], parts(other)[2]]), 4)


@pytest.mark.parametrize("nonsense", ["", "a.b", "a.b.c", "....", "é.é.é"])
def test_nonsense_is_refused(nonsense: str) -> None:
    with pytest.raises(SealInvalid):
        KEYS.open(nonsense, 4)


def test_keys_survive_their_file() -> None:
    assert SealKeys.from_text(KEYS.text(), "keys.json").jwks == KEYS.jwks


@pytest.mark.parametrize("content", ["", "{}", '{"keys":[{"kid":"a"}]}', '{"keys":[{"kid":"a","kty":"oct","k":"AA"}]}'])
def test_a_file_that_holds_no_public_keys_is_refused(content: str) -> None:
    with pytest.raises(KeysUnusable):
        SealKeys.from_text(content, "keys.json")


def test_a_known_name_cannot_get_another_key() -> None:
    with pytest.raises(KeyChanged):
        KEYS.joined(SealKeys(SoftwareSigner().public_keys()), "keys.json")
