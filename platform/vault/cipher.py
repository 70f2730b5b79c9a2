"""A data key at work: its subkeys, and the cipher of one column."""

from __future__ import annotations

import hmac
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from typing_extensions import override

from chukan.platform.identifiers import TenantId
from chukan.platform.vault.errors import VaultTampered
from chukan.platform.vault.rules import KEY_BYTES, NONCE_BYTES, Purpose, Sealed, header, key_context

#: A subkey each, so that no key serves two algorithms.
_BINDING: Final = b"chukan vault 1 binding"
_CONTENT: Final = b"chukan vault 1 content"
_INDEX: Final = b"chukan vault 1 index"


class DataKey:
    """An unwrapped data key; it shows its owner, purpose and version, never itself."""

    __slots__ = ("_aead", "_index", "_material", "binding", "header", "owner", "purpose", "version")

    def __init__(self, owner: TenantId, purpose: Purpose, version: int, material: bytes) -> None:
        self.owner = owner
        self.purpose = purpose
        self.version = version
        self.header = header(version)
        self._material = material
        #: Ties the key to owner, purpose and version; stored beside the wrapped key.
        self.binding = hmac.digest(_subkey(material, _BINDING), key_context(owner, purpose, version), "sha256")
        self._aead = AESGCM(_subkey(material, _CONTENT))
        self._index = _subkey(material, _INDEX)

    @classmethod
    def generate(cls, owner: TenantId, purpose: Purpose, version: int) -> DataKey:
        """Return a new random key (256 bits)."""
        return cls(owner, purpose, version, os.urandom(KEY_BYTES))

    @classmethod
    def unwrapped(cls, owner: TenantId, purpose: Purpose, version: int, *, material: bytes, binding: bytes) -> DataKey:
        """Return the key that a row of ``data_key`` holds, after checking that it is this row's own.

        Raises:
            VaultTampered: the key belongs to another owner, purpose or version.
        """
        key = cls(owner, purpose, version, material)
        if not hmac.compare_digest(key.binding, binding):
            raise VaultTampered(place="data_key", detail=f"binding of {key!r}")
        return key

    @override
    def __repr__(self) -> str:
        return f"DataKey({self.owner}, {self.purpose}, {self.version})"

    @property
    def material(self) -> bytes:
        """The 32 bytes themselves, for wrapping alone."""
        return self._material

    def encrypt(self, plaintext: bytes, context: bytes) -> bytes:
        """Return *plaintext* sealed: header, a new random nonce, ciphertext and tag."""
        nonce = os.urandom(NONCE_BYTES)
        return self.header + nonce + self._aead.encrypt(nonce, plaintext, context)

    def decrypt(self, sealed: Sealed, context: bytes) -> bytes | None:
        """Return the plaintext, or None if the value was changed or belongs to another *context*."""
        try:
            return self._aead.decrypt(sealed.nonce, sealed.ciphertext, context)
        except InvalidTag:
            return None

    def index(self, data: bytes) -> bytes:
        """Return HMAC-SHA-256 (32 bytes) of *data* under the index subkey."""
        return hmac.digest(self._index, data, "sha256")


def _subkey(material: bytes, label: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=label).derive(material)
