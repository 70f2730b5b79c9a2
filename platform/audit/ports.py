"""What the audit trail needs from above, and does not import: the vault implements both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Signer(Protocol):
    """Who signs the seals; the private key never leaves it."""

    @property
    def key_id(self) -> str:
        """The id (``kid``) of the key that signs now."""
        ...

    def sign(self, payload: bytes) -> bytes:
        """Return the raw ES256 signature (r and s, 64 bytes) over SHA-256 of *payload*."""
        ...

    def public_keys(self) -> Mapping[str, dict[str, str]]:
        """Return the public keys (JWK) of all signing keys that were ever used, by key id."""
        ...


class Masker(Protocol):
    """Who replaces personal values by something that can be compared and not read back."""

    def mask(self, kind: str, value: str) -> str:
        """Return the keyed hash of *value*; equal values of one *kind* have equal masks."""
        ...
