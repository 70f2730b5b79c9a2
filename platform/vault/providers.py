"""The key provider that the settings ask for: one object a process (decision 25)."""

from __future__ import annotations

from functools import cache

from chukan.platform.settings import VaultSettings
from chukan.platform.vault.adapters.file import FileKeyProvider
from chukan.platform.vault.adapters.pkcs11 import Pkcs11KeyProvider
from chukan.platform.vault.ports import KeyProvider


@cache
def key_provider(settings: VaultSettings) -> KeyProvider:
    """Return the keeper of keys that *settings* name; the same settings give the same object."""
    if settings.provider == "file":
        return FileKeyProvider(settings.key_file)
    return Pkcs11KeyProvider(settings.pkcs11_module, settings.pkcs11_token, settings.pkcs11_pin)
