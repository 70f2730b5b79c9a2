"""Signing and encrypting what leaves, verifying and opening what comes: compact JWS and JWE, one algorithm each.

Signed is by ES256; encrypted by ECDH-ES+A256KW and A256GCM around the signed text. What names another algorithm,
compresses, or claims a header that is not agreed, is refused before any key is touched.

Source: A0-159 (signing, verifying, encrypting, decrypting).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from joserfc import jwe, jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.registry import HeaderParameter

from chukan.tenants.middleserver.security.errors import (
    DecryptionFailed,
    JoseMalformed,
    JoseTooLarge,
    KeyUnknown,
    SignatureInvalid,
    SignatureStale,
)

SIGNATURE_ALGORITHM = "ES256"
KEY_ALGORITHM = "ECDH-ES+A256KW"
CONTENT_ALGORITHM = "A256GCM"

#: Retries are byte-identical for two weeks, and their signature with them.
MAX_AGE = timedelta(days=14)
#: How far a sender's clock may be ahead of ours.
MAX_AHEAD = timedelta(minutes=5)
#: What one signed message may hold, in bytes; a package of masters may hold more.
MAX_MESSAGE = 8 << 20
MAX_PACKAGE = 96 << 20

#: Sender and receiver (institution codes), message, conversation, and the place in it.
_WORDS = ("from", "to", "mid", "conv")
_SIGNED = {"alg", "kid", "typ", "iat", "seq", *_WORDS}
_ENCRYPTED = {"alg", "enc", "kid", "cty", "epk", "typ", "to"}
Headers = Mapping[str, str | int]


@dataclass(frozen=True)
class SigningKey:
    """A private key, and the key id under which the other side knows its certificate."""

    kid: str
    key: EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True)
class Window:
    """From when to when a signature may be: seen from ``now`` (aware)."""

    now: datetime
    max_age: timedelta = MAX_AGE
    max_ahead: timedelta = MAX_AHEAD

    def holds(self, instant: datetime) -> bool:
        """Return whether a signature of *instant* is neither too old nor from the future."""
        return self.now - self.max_age <= instant <= self.now + self.max_ahead


@dataclass(frozen=True)
class Signed:
    """What was signed, by which key, as what, when (UTC), and the further headers (``from``, ``to``, ``mid``, …)."""

    payload: bytes = field(repr=False)
    kid: str
    type: str
    signed_at: datetime
    headers: Mapping[str, str | int]


#: Gives the public key of a key id, or None if it is unknown or may not be trusted.
PublicKeys = Callable[[str], EllipticCurvePublicKey | None]
#: Gives the private key of a key id, or None if it is unknown.
PrivateKeys = Callable[[str], EllipticCurvePrivateKey | None]


def sign(
    payload: bytes,
    key: SigningKey,
    *,
    type: str,  # noqa: A002 - its name on the wire
    now: datetime,
    headers: Headers = MappingProxyType({}),
) -> bytes:
    """Return *payload* as a compact JWS; *type* is the message's ``IF_…`` id, *headers* are those of docs/interfaces.

    They are ``from`` and ``to`` (institution codes), ``mid`` and ``conv`` (UUIDs), and ``seq`` (1, 2, 3, …).
    """
    told = {"alg": SIGNATURE_ALGORITHM, "kid": key.kid, "typ": type, "iat": int(now.timestamp())}
    return jws.serialize_compact({**told, **headers}, payload, _jwk(key.key), registry=_SIGNED_REGISTRY).encode()


def verify(
    token: bytes, keys: PublicKeys, *, types: Collection[str], window: Window, max_bytes: int = MAX_MESSAGE
) -> Signed:
    """Return what *token* holds, whose signature is right, of one of *types*, and inside *window*.

    Raises:
        JoseTooLarge: it is longer than *max_bytes*.
        JoseMalformed: it is no compact JWS with the agreed headers, or of another type.
        KeyUnknown: *keys* has no key of that id.
        SignatureInvalid: the signature is of other bytes or another key.
        SignatureStale: it is too old, or from the future.
    """
    header = header_of(token, max_bytes=max_bytes)
    signed = _agreed(header, types)
    key = keys(signed.kid)
    if key is None:
        raise KeyUnknown(detail=f"kid {signed.kid}")
    try:
        opened = jws.deserialize_compact(
            token, _jwk(key), registry=_SIGNED_REGISTRY
        )  # fmt: skip
    except (JoseError, ValueError) as error:
        raise SignatureInvalid(detail=f"kid {signed.kid}: {error}") from error
    if not window.holds(signed.signed_at):
        raise SignatureStale(detail=f"kid {signed.kid}, signed at {signed.signed_at.isoformat()}")
    return Signed(bytes(opened.payload), signed.kid, signed.type, signed.signed_at, signed.headers)


def encrypt(
    signed: bytes, *, kid: str, key: EllipticCurvePublicKey, headers: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    """Return the compact JWS *signed* inside a compact JWE for the holder of *key*, whose id is *kid*.

    *headers* are ``typ`` and ``to``, as within.
    """
    protected = {"alg": KEY_ALGORITHM, "enc": CONTENT_ALGORITHM, "cty": "JWS", "kid": kid, **headers}
    return jwe.encrypt_compact(protected, signed, _jwk(key), registry=_ENCRYPTED_REGISTRY).encode()


def decrypt(token: bytes, keys: PrivateKeys, *, max_bytes: int = MAX_MESSAGE) -> bytes:
    """Return the compact JWS inside *token*; nothing has been verified of it but that it came whole.

    Raises:
        JoseTooLarge: it is longer than *max_bytes*.
        JoseMalformed: it is no compact JWE with the agreed headers.
        KeyUnknown: *keys* has no key of that id.
        DecryptionFailed: it is for another key, or was changed.
    """
    header = header_of(token, max_bytes=max_bytes)
    expected = {"alg": KEY_ALGORITHM, "enc": CONTENT_ALGORITHM, "cty": "JWS"}
    if not set(header) <= _ENCRYPTED or any(header.get(name) != told for name, told in expected.items()):
        raise JoseMalformed(detail=f"headers {sorted(header)}")
    kid = header.get("kid")
    key = keys(kid) if isinstance(kid, str) else None
    if key is None:
        raise KeyUnknown(detail=f"kid {kid}")
    try:
        opened = jwe.decrypt_compact(
            token, _jwk(key), registry=_ENCRYPTED_REGISTRY
        )  # fmt: skip
    except (JoseError, ValueError, TypeError) as error:
        raise DecryptionFailed(detail=f"kid {kid}: {error}") from error
    return bytes(opened.plaintext or b"")


def is_encrypted(token: bytes) -> bool:
    """Return whether *token* has the five parts of a JWE; a JWS has three."""
    return token.count(b".") == 4


def header_of(token: bytes, *, max_bytes: int = MAX_MESSAGE) -> dict[str, Any]:
    """Return the header of *token*, of which nothing has been verified.

    Raises:
        JoseTooLarge: the token is longer than *max_bytes*.
        JoseMalformed: it has none.
    """
    if len(token) > max_bytes:
        raise JoseTooLarge(limit=max_bytes)
    encoded, _, rest = token.partition(b".")
    if not rest or len(encoded) > _SignedRegistry.max_header_length:
        raise JoseMalformed(detail="no compact form")
    try:
        header = json.loads(base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise JoseMalformed(detail=repr(error)) from error
    if not isinstance(header, dict):
        raise JoseMalformed(detail="the header is no object")
    return header


def payload_of(token: bytes) -> bytes:
    """Return the payload of the compact JWS *token*, which was verified when it was taken in.

    Raises:
        JoseMalformed: it is no compact JWS.
    """
    parts = token.split(b".")
    try:
        return base64.urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4))
    except (IndexError, binascii.Error) as error:
        raise JoseMalformed(detail=repr(error)) from error


def _agreed(header: Mapping[str, Any], types: Collection[str]) -> Signed:
    """Return what the header says, if it says what is agreed and nothing else."""
    kid, kind, iat, seq = (header.get(name) for name in ("kid", "typ", "iat", "seq"))
    if (
        not set(header) <= _SIGNED
        or header.get("alg") != SIGNATURE_ALGORITHM
        or not isinstance(kid, str)
        or not isinstance(kind, str)
        or type(iat) is not int
        or not all(isinstance(header[name], str) for name in _WORDS if name in header)
        or ("seq" in header and (type(seq) is not int or seq < 1))
    ):
        raise JoseMalformed(detail=f"headers {sorted(header)}")
    further = {name: header[name] for name in (*_WORDS, "seq") if name in header}
    if kind not in types:
        raise JoseMalformed(detail=f"typ {kind}")
    try:
        signed_at = datetime.fromtimestamp(iat, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise JoseMalformed(detail="iat is out of range") from error
    return Signed(b"", kid, kind, signed_at, further)


def _jwk(key: EllipticCurvePrivateKey | EllipticCurvePublicKey) -> ECKey:
    return ECKey.import_key(key)


def _parameters(names: Mapping[str, str]) -> dict[str, HeaderParameter]:
    return {name: HeaderParameter(name, kind) for name, kind in names.items()}


class _SignedRegistry(jws.JWSRegistry):
    """The agreed headers, and our bounds in place of the library's; ``verify`` has judged the size before."""

    max_header_length = 1024
    max_payload_length = MAX_PACKAGE

    def __init__(self) -> None:
        further = _parameters({"iat": "int", "seq": "int", **dict.fromkeys(_WORDS, "str")})
        super().__init__(header_registry=further, algorithms=[SIGNATURE_ALGORITHM])


class _EncryptedRegistry(jwe.JWERegistry):
    """Our bounds in place of the library's; ``decrypt`` has judged the size before."""

    max_protected_header_length = 1024
    max_ciphertext_length = MAX_PACKAGE

    def __init__(self) -> None:
        further = _parameters({"to": "str"})
        super().__init__(header_registry=further, algorithms=[KEY_ALGORITHM, CONTENT_ALGORITHM])


# Only as ``registry``: where ``algorithms`` are named too, the library makes a registry of its own for a JWE.
_SIGNED_REGISTRY = _SignedRegistry()
_ENCRYPTED_REGISTRY = _EncryptedRegistry()
