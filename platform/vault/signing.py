"""What the audit trail needs of the vault: signatures, and masks in the place of personal values."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping

from chukan.platform.vault.ports import KeyProvider
from chukan.platform.vault.rules import KeyUse, index_input


class VaultSigner:
    """Implements the audit trail's ``Signer`` with the key that was current when this object was made."""

    def __init__(self, provider: KeyProvider) -> None:
        """Fix the signing key.

        Raises:
            ProviderKeyMissing: no signing key was ever made (``chukan vault init``).
        """
        self._provider = provider
        self._key_id = provider.current(KeyUse.SIGNING)

    @property
    def key_id(self) -> str:
        """The id (``kid``) of the key that signs."""
        return self._key_id

    def sign(self, payload: bytes) -> bytes:
        """Return the raw ES256 signature (r and s, 64 bytes) over SHA-256 of *payload*."""
        return self._provider.sign(self._key_id, payload)

    def public_keys(self) -> Mapping[str, dict[str, str]]:
        """Return the public keys (JWK) of all signing keys that were ever used, by key id."""
        return self._provider.public_keys()


class VaultMasker:
    """Implements the audit trail's ``Masker``; it needs the key provider, and no key of a tenant."""

    def __init__(self, provider: KeyProvider) -> None:
        self._provider = provider

    def mask(self, kind: str, value: str) -> str:
        """Return the keyed hash of *value* (43 characters); equal values of one *kind* have equal masks."""
        return urlsafe_b64encode(self._provider.mask(index_input(kind, value))).rstrip(b"=").decode()
