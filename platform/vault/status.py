"""What the vault holds, for ``chukan vault status`` and for metrics: ids, ages and counts, never a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from chukan.platform.database.engines import driver
from chukan.platform.identifiers import TenantId
from chukan.platform.vault import store
from chukan.platform.vault.ports import KeyProvider
from chukan.platform.vault.rules import KeyState, KeyUse, created_at


@dataclass(frozen=True)
class ProviderKey:
    """A key of the provider; ``data_keys`` is how many it wraps."""

    id: str
    use: KeyUse
    created_at: datetime
    current: bool
    data_keys: int


@dataclass(frozen=True)
class VaultStatus:
    """The provider's keys, oldest first of each use; data keys by state; tenants whose rotation runs."""

    provider_keys: Sequence[ProviderKey]
    data_keys: Mapping[KeyState, int]
    rotating: Sequence[TenantId]

    @property
    def to_rewrap(self) -> int:
        """How many data keys another wrapping key than the current one wraps."""
        return sum(key.data_keys for key in self.provider_keys if not key.current)

    def wrapping_key_age(self, now: datetime) -> timedelta | None:
        """Return the age of the current wrapping key, or None if there is none."""
        return next(
            (now - key.created_at for key in self.provider_keys if key.use is KeyUse.WRAPPING and key.current),
            None,
        )


def vault_status(engine: Engine, provider: KeyProvider) -> VaultStatus:
    """Return what provider and database hold now."""
    with engine.connect() as connection:
        below = driver(connection)
        wraps = store.count_by_wrapping_key(below)
        states = store.count_by_state(below)
        rotating = store.owners_with_retiring_keys(below)
    keys = [key for use in KeyUse for key in _provider_keys(provider, use, wraps)]
    return VaultStatus(keys, states, rotating)


def _provider_keys(provider: KeyProvider, use: KeyUse, wraps: Mapping[str, int]) -> list[ProviderKey]:
    ids = provider.keys(use)
    return [
        ProviderKey(key_id, use, created_at(key_id), current=key_id == ids[-1], data_keys=wraps.get(key_id, 0))
        for key_id in ids
    ]
