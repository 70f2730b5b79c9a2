"""What the vault needs from a keeper of keys: an HSM, or a file in development."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from chukan.platform.vault.rules import KeyUse


class KeyProvider(Protocol):
    """A keeper of keys that never lets them out: it wraps, signs and masks on request.

    Every method may raise KeyProviderUnavailable (retryable) or KeyProviderMisconfigured. An
    implementation is safe to call from several threads and after a fork.
    """

    def create(self, use: KeyUse, *, now: datetime) -> str:
        """Make a new key for *use*, which becomes the current one, and return its id."""
        ...

    def keys(self, use: KeyUse) -> Sequence[str]:
        """Return the ids of all keys for *use*, oldest first; the last one is current."""
        ...

    def current(self, use: KeyUse) -> str:
        """Return the id of the key in use.

        Raises:
            ProviderKeyMissing: none was ever made.
        """
        ...

    def wrap(self, key_id: str, data_key: bytes) -> bytes:
        """Return *data_key* (32 bytes) wrapped by AES key wrap (RFC 3394): 40 bytes.

        Raises:
            ProviderKeyMissing: there is no wrapping key *key_id*.
        """
        ...

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Return the 32 bytes that *wrapped* holds.

        Raises:
            ProviderKeyMissing: there is no wrapping key *key_id*.
            VaultTampered: *wrapped* was not made by this key, or was changed.
        """
        ...

    def destroy(self, key_id: str) -> None:
        """Destroy a wrapping key for ever.

        Raises:
            ProviderKeyMissing: there is no wrapping key *key_id*.
        """
        ...

    def sign(self, key_id: str, payload: bytes) -> bytes:
        """Return the ES256 signature (raw r‖s, 64 bytes) of *payload* under the signing key *key_id*.

        Raises:
            ProviderKeyMissing: there is no signing key *key_id*.
        """
        ...

    def public_keys(self) -> Mapping[str, dict[str, str]]:
        """Return the public JWK of every signing key by its id, also of those no longer current."""
        ...

    def mask(self, data: bytes) -> bytes:
        """Return HMAC-SHA-256 (32 bytes) of *data* under the masking key.

        Raises:
            ProviderKeyMissing: no masking key was ever made.
        """
        ...
