"""Compact JWS (ES256) and JWE, written and read here as strictly as the protocol says, to forge them at will."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

_HASHED = ec.ECDSA(hashes.SHA256())
_WORD = 32
_PART = re.compile(r"[A-Za-z0-9_-]*")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_INSTITUTION = re.compile(r"[0-9]{16}")
_TEXT = re.compile(r"[\x20-\x7e]{1,100}")
_FIELDS: Mapping[str, re.Pattern[str]] = {
    "alg": _TEXT,
    "kid": _TEXT,
    "typ": _TEXT,
    "from": _INSTITUTION,
    "to": _INSTITUTION,
    "mid": _UUID,
    "conv": _UUID,
}
_NUMBERS = frozenset({"iat", "seq"})
RECEIPT_FIELDS = frozenset({"alg", "kid", "typ", "iat", "from", "to"})
MESSAGE_FIELDS = RECEIPT_FIELDS | {"mid", "conv", "seq"}
ENCRYPTION = ("ECDH-ES+A256KW", "A256GCM")
_SEALED_FIELDS = frozenset({"alg", "enc", "epk", "kid", "cty", "typ", "to"})
_SEALED_PARTS = 5
_BYTES = re.compile(rb"[A-Za-z0-9_-]+")
_NONCE = 12
_TAG = 16


class Malformed(Exception):
    """These bytes are no JWS as the protocol wants it."""


@dataclass(frozen=True)
class Signed:
    """A JWS that was taken apart; whether the signature is right is another question."""

    header: Mapping[str, Any]
    payload: bytes
    signature: bytes
    covered: bytes

    def is_signed_by(self, key: ec.EllipticCurvePublicKey) -> bool:
        """Return whether the holder of *key* signed exactly this, with ES256."""
        if self.header["alg"] != "ES256" or len(self.signature) != 2 * _WORD:
            return False
        r, s = (int.from_bytes(half, "big") for half in (self.signature[:_WORD], self.signature[_WORD:]))
        try:
            key.verify(encode_dss_signature(r, s), self.covered, _HASHED)
        except InvalidSignature:
            return False
        return True


def encoded(content: bytes) -> str:
    """Return *content* in base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decoded(part: str) -> bytes:
    """Return what *part* says in base64url without padding.

    Raises: Malformed if it is anything else, or says it in more than one way.
    """
    if not _PART.fullmatch(part):
        raise Malformed
    try:
        content = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (ValueError, binascii.Error) as error:
        raise Malformed from error
    # Only the last characters can say something in more than one way.
    rest = len(part) % 4
    if rest and encoded(content[-(rest - 1) :]) != part[-rest:]:
        raise Malformed
    return content


def sign(header: Mapping[str, Any], payload: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return *payload* as a compact JWS under *header*."""
    covered = f"{encoded(_json(header))}.{encoded(payload)}".encode()
    r, s = decode_dss_signature(key.sign(covered, _HASHED))
    return covered + b"." + encoded(r.to_bytes(_WORD, "big") + s.to_bytes(_WORD, "big")).encode()


def joined(header: Mapping[str, Any], payload: bytes, signature: bytes) -> bytes:
    """Return the parts as a compact JWS, right or wrong."""
    return ".".join(encoded(part) for part in (_json(header), payload, signature)).encode()


def taken_apart(message: bytes, fields: frozenset[str]) -> Signed:
    """Return the parts of a compact JWS whose header must hold exactly *fields*.

    Raises: Malformed if it is none.
    """
    try:
        text = message.decode("ascii")
    except UnicodeDecodeError as error:
        raise Malformed from error
    if text.count(".") != 2:
        raise Malformed
    covered = text.rpartition(".")[0].encode()
    header, payload, signature = (decoded(part) for part in text.split("."))
    return Signed(_header(header, fields), payload, signature, covered)


def encrypt(message: bytes, typ: str, receiver: str, kid: str, key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the JWS *message* nested in a compact JWE for the holder of *key*."""
    algorithm, content = ENCRYPTION
    passing = ec.generate_private_key(key.curve)
    header = {"alg": algorithm, "enc": content, "epk": public_jwk(passing.public_key()), "kid": kid}
    covered = encoded(_json(header | {"cty": "JWS", "typ": typ, "to": receiver})).encode()
    content_key, nonce = os.urandom(_WORD), os.urandom(_NONCE)
    wrapped = aes_key_wrap(_agreed(passing.exchange(ec.ECDH(), key)), content_key)
    sealed = AESGCM(content_key).encrypt(nonce, message, covered)
    parts = wrapped, nonce, sealed[:-_TAG], sealed[-_TAG:]
    return b".".join([covered, *(encoded(part).encode() for part in parts)])


def sealed_header(message: bytes) -> Mapping[str, Any]:
    """Return the header of a compact JWE, which must hold exactly the fields that the protocol wants.

    Raises: Malformed if it is none.
    """
    parts = message.split(b".")
    if len(parts) != _SEALED_PARTS or not all(_BYTES.fullmatch(part) for part in parts[2:]):
        raise Malformed
    try:
        header = json.loads(decoded(parts[0].decode("ascii")), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Malformed from error
    texts = isinstance(header, dict) and header.keys() == _SEALED_FIELDS
    if not texts or not all(isinstance(value, str) for name, value in header.items() if name != "epk"):
        raise Malformed
    return dict(header)


def decrypt(message: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return what is nested in a compact JWE for the holder of *key*.

    Raises: Malformed if it is none, or cannot be opened.
    """
    header = sealed_header(message)
    covered, *parts = message.split(b".")
    wrapped, nonce, sealed, tag = (decoded(part.decode("ascii")) for part in parts)
    try:
        x, y = (int.from_bytes(decoded(header["epk"][name]), "big") for name in ("x", "y"))
        passing = ec.EllipticCurvePublicNumbers(x, y, key.curve).public_key()
        content_key = aes_key_unwrap(_agreed(key.exchange(ec.ECDH(), passing)), wrapped)
        return AESGCM(content_key).decrypt(nonce, sealed + tag, covered)
    except (InvalidTag, InvalidUnwrap, ValueError, KeyError, TypeError) as error:
        raise Malformed from error


def _agreed(secret: bytes) -> bytes:
    """Return the key that both sides derive from *secret* (RFC 7518, 4.6.2), without names of the parties."""
    algorithm = ENCRYPTION[0].encode()
    told = len(algorithm).to_bytes(4, "big") + algorithm + bytes(8) + (8 * _WORD).to_bytes(4, "big")
    return ConcatKDFHash(hashes.SHA256(), _WORD, told).derive(secret)


def public_jwk(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """Return *key* as the members that a JWK has of it."""
    numbers = key.public_numbers()
    x, y = (encoded(number.to_bytes(_WORD, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def _json(header: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(header), separators=(",", ":")).encode()


def _header(content: bytes, fields: frozenset[str]) -> Mapping[str, Any]:
    try:
        header = json.loads(content, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Malformed from error
    if not isinstance(header, dict) or header.keys() != fields:
        raise Malformed
    if not all(_is_right(name, value) for name, value in header.items()):
        raise Malformed
    return header


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise Malformed
    return dict(pairs)


def _is_right(name: str, value: object) -> bool:
    if name in _NUMBERS:
        return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**53
    return isinstance(value, str) and bool(_FIELDS[name].fullmatch(value))
