"""Compact JWS (ES256) and JWE, read as strictly as the protocol says; JWS is written here to forge it at will."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from joserfc import jwe
from joserfc.jwk import ECKey

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
_ENCRYPTION = ("ECDH-ES+A256KW", "A256GCM")


class _Registry(jwe.JWERegistry):
    """Plain texts as large as a request may be; the library's own bound is 64 KiB."""

    max_ciphertext_length = 8 * 1024 * 1024


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
    if encoded(content) != part:
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
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    algorithm, content = _ENCRYPTION
    header = {"alg": algorithm, "enc": content, "kid": kid, "cty": "JWS", "typ": typ, "to": receiver}
    registry = _Registry(algorithms=list(_ENCRYPTION), strict_check_header=False)
    return jwe.encrypt_compact(header, message, ECKey.import_key(pem), registry=registry).encode()


def public_jwk(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """Return *key* as the members that a JWK has of it."""
    numbers = key.public_numbers()
    x, y = (encoded(number.to_bytes(_WORD, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def _json(header: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(header), separators=(",", ":")).encode()


def _header(content: bytes, fields: frozenset[str]) -> Mapping[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise Malformed
        return dict(pairs)

    try:
        header = json.loads(content, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise Malformed from error
    if not isinstance(header, dict) or header.keys() != fields:
        raise Malformed
    if not all(_is_right(name, value) for name, value in header.items()):
        raise Malformed
    return header


def _is_right(name: str, value: object) -> bool:
    if name in _NUMBERS:
        return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**53
    return isinstance(value, str) and bool(_FIELDS[name].fullmatch(value))
