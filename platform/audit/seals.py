"""A seal: one Merkle tree over the heads of the chains that moved, and one signed checkpoint of it.

Pure. The checkpoint is a JWS (compact, ES256); it names the hash of the checkpoint before it, so that
the seals are a chain themselves.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from chukan.platform.audit import merkle
from chukan.platform.audit.errors import KeyChanged, KeysUnusable, SealInvalid
from chukan.platform.audit.ports import Signer
from chukan.platform.audit.rules import canonical_json

SEAL_FORMAT = "chukan-audit-seal-1"
SEAL_TYPE = "chukan-audit-seal"
#: What the first seal has as the hash of its predecessor.
FIRST_PREVIOUS = bytes(32)
_PUBLIC_MEMBERS = ("crv", "kty", "x", "y")


@dataclass(frozen=True, slots=True, order=True)
class Leaf:
    """One chain in a seal: its last entry's ``seq`` and hash when the seal was made."""

    chain: UUID
    seq: int
    head: bytes

    def encoded(self) -> bytes:
        """Return the leaf's data in the tree: 16 bytes chain, 8 bytes seq (big endian), 32 bytes head."""
        return self.chain.bytes + self.seq.to_bytes(8, "big") + self.head


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed: ``size`` leaves under ``root``, after the checkpoint whose hash is ``previous``."""

    number: int
    size: int
    root: bytes
    previous: bytes
    sealed_at: str

    def text(self) -> str:
        """Return the canonical text that is signed."""
        return canonical_json(
            {
                "format": SEAL_FORMAT,
                "number": self.number,
                "previous": self.previous.hex(),
                "root": self.root.hex(),
                "sealed_at": self.sealed_at,
                "size": self.size,
            }
        )


@dataclass(frozen=True, slots=True)
class Seal:
    """A checkpoint as it is stored, with its leaves in the order of their chains.

    ``anchored`` tells of a seal read from the database whether the sink was known to hold it.
    """

    number: int
    checkpoint: str
    leaves: tuple[Leaf, ...]
    anchored: bool = True


def checkpoint_hash(checkpoint: str) -> bytes:
    """Return the hash (32 bytes) by which the next checkpoint names this one."""
    return hashlib.sha256(checkpoint.encode()).digest()


def tree_root(leaves: Iterable[Leaf]) -> bytes:
    """Return the RFC 6962 root over *leaves* as they are ordered."""
    return merkle.root([leaf.encoded() for leaf in leaves])


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> str:
    """Return *checkpoint* as a compact JWS; the private key stays with the signer."""
    header = canonical_json({"alg": "ES256", "kid": signer.key_id, "typ": SEAL_TYPE})
    signed = f"{_base64url(header.encode())}.{_base64url(checkpoint.text().encode())}"
    return f"{signed}.{_base64url(signer.sign(signed.encode()))}"


class SealKeys:
    """The public keys that seals are verified with: pinned, never taken from the database."""

    def __init__(self, keys: Mapping[str, Mapping[str, str]]) -> None:
        """Take public JWKs by key id.

        Raises:
            KeysUnusable: one of them is no public key on P-256.
        """
        try:
            self.jwks = {kid: {name: key[name] for name in _PUBLIC_MEMBERS} for kid, key in keys.items()}
            self._keys = {kid: ECKey.import_key(dict(key)) for kid, key in self.jwks.items()}
        except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise KeysUnusable(file="-", detail=str(error)) from error

    @classmethod
    def from_text(cls, content: str, file: str) -> SealKeys:
        """Return the keys of a JWK Set; *file* is named in the error.

        Raises:
            KeysUnusable: *content* is something else.
        """
        try:
            return cls({key["kid"]: key for key in json.loads(content)["keys"]})
        except (KeysUnusable, ValueError, KeyError, TypeError) as error:
            raise KeysUnusable(file=file, detail=str(error)) from error

    def text(self) -> str:
        """Return the keys as a JWK Set, in the canonical form."""
        return canonical_json({"keys": [{"kid": kid, **key} for kid, key in sorted(self.jwks.items())]})

    def joined(self, others: SealKeys, file: str) -> SealKeys:
        """Return these keys and *others*.

        Raises:
            KeyChanged: both know a key id, with different keys.
        """
        for kid, key in others.jwks.items():
            if self.jwks.get(kid, key) != key:
                raise KeyChanged(key=kid, file=file)
        return SealKeys({**self.jwks, **others.jwks})

    def open(self, checkpoint: str, number: int) -> Checkpoint:
        """Return what the compact JWS *checkpoint* says, if one of these keys signed it as seal *number*.

        Raises:
            SealInvalid: the signature, the header or the form is wrong, or it is another seal's.
        """
        opened = self.read(checkpoint, number)
        if opened.number != number:
            raise SealInvalid(number=number, reason="number")
        return opened

    def read(self, checkpoint: str, number: int = 0) -> Checkpoint:
        """Return what *checkpoint* says, whatever its number; *number* is what an error calls it.

        Raises:
            SealInvalid: the signature, the header or the form is wrong.
        """
        try:
            signed = jws.extract_compact(checkpoint.encode())
            header = signed.headers()
            key = self._keys.get(str(header.get("kid")))
            if key is None or header != {"alg": "ES256", "kid": header["kid"], "typ": SEAL_TYPE}:
                raise SealInvalid(number=number, reason="key", detail=str(header))
            if not jws.validate_compact(signed, key, algorithms=["ES256"]):
                raise SealInvalid(number=number, reason="signature")
            opened = _checkpoint(json.loads(signed.payload))
        except (JoseError, ValueError, KeyError, TypeError, UnicodeError) as error:
            raise SealInvalid(number=number, reason="form", detail=str(error)) from error
        if opened.text().encode() != signed.payload:
            raise SealInvalid(number=number, reason="form")
        return opened


def _checkpoint(payload: Mapping[str, object]) -> Checkpoint:
    return Checkpoint(
        number=int(str(payload["number"])),
        size=int(str(payload["size"])),
        root=bytes.fromhex(str(payload["root"])),
        previous=bytes.fromhex(str(payload["previous"])),
        sealed_at=str(payload["sealed_at"]),
    )


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
