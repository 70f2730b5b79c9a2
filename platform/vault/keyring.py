"""Unwrapped data keys in memory: one ring for an owner and a purpose, for five minutes at most."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from math import inf

import psycopg
from sqlalchemy import Engine

from chukan.platform.database.engines import driver
from chukan.platform.identifiers import TenantId
from chukan.platform.vault import store
from chukan.platform.vault.cipher import DataKey
from chukan.platform.vault.errors import KeyDestroyed, KeyMissing
from chukan.platform.vault.ports import KeyProvider
from chukan.platform.vault.rules import KeyState, Purpose
from chukan.platform.vault.store import StoredKey


class KeyRing:
    """All versions of one key; a version is unwrapped when it is first asked for."""

    def __init__(
        self,
        owner: TenantId,
        purpose: Purpose,
        stored: Sequence[StoredKey],
        provider: KeyProvider,
        expires: float,
    ) -> None:
        """Hold the rows *stored*, good until the monotonic instant *expires* (seconds), or until forgotten."""
        self.expires = expires
        self._owner = owner
        self._purpose = purpose
        self._stored = {key.version: key for key in stored}
        self._provider = provider
        self._unwrapped: dict[int, DataKey] = {}
        self._active = next((key.version for key in stored if key.state is KeyState.ACTIVE), None)

    def __contains__(self, version: int) -> bool:
        return version in self._stored

    @property
    def writing(self) -> DataKey:
        """The version that seals now; raises as ``key``."""
        return self.key(self._active or max(self._stored, default=1))

    def key(self, version: int) -> DataKey:
        """Return one version, unwrapped and proved to be this owner's.

        Raises:
            KeyMissing: there is no such version.
            KeyDestroyed: it was destroyed on purpose.
            VaultTampered: what is stored is another owner's key or another version, or was changed.
            KeyProviderUnavailable: it cannot be unwrapped now.
        """
        found = self._unwrapped.get(version)
        return found if found is not None else self._unwrap(version)

    def _unwrap(self, version: int) -> DataKey:
        stored = self._stored.get(version)
        if stored is None:
            raise KeyMissing(owner=self._owner, purpose=self._purpose.value, version=version)
        key = unwrapped(self._provider, stored)
        self._unwrapped[version] = key
        return key


class KeyRings:
    """The rings of a process, each read from the database again when its time is over."""

    def __init__(
        self, engine: Engine, provider: KeyProvider, *, cache_seconds: float, now: Callable[[], float]
    ) -> None:
        """Keep a ring for *cache_seconds* of the monotonic clock *now*."""
        self._engine = engine
        self._provider = provider
        self._cache_seconds = cache_seconds
        self.now = now
        self._lock = threading.Lock()
        self._rings: dict[tuple[TenantId, Purpose], KeyRing] = {}
        self._forgotten = 0

    def ring(self, owner: TenantId, purpose: Purpose) -> KeyRing:
        """Return the ring of *owner*, at most ``cache_seconds`` old."""
        found = self._rings.get((owner, purpose))
        if found is not None and found.expires > self.now():
            return found
        return self.reread(owner, purpose)

    def reread(self, owner: TenantId, purpose: Purpose) -> KeyRing:
        """Return the ring of *owner* as the database has it now; expired rings of others are dropped."""
        forgotten = self._forgotten
        with self._engine.connect() as connection:
            ring = self.on(driver(connection), owner, purpose)
        with self._lock:
            now = self.now()
            self._rings = {key: kept for key, kept in self._rings.items() if kept.expires > now}
            if forgotten == self._forgotten:
                self._rings[owner, purpose] = ring
            else:
                # What was read before somebody said "forget" is good for this call, and not kept.
                ring.expires = now
        return ring

    def on(self, connection: psycopg.Connection, owner: TenantId, purpose: Purpose) -> KeyRing:
        """Return a ring as the transaction of *connection* sees it, kept nowhere."""
        stored = store.read_keys(connection, owner, purpose)
        # That there is no key yet is not remembered: the next call may find the tenant provisioned.
        return KeyRing(owner, purpose, stored, self._provider, self.now() + (self._cache_seconds if stored else 0))

    def forget(self, owner: TenantId) -> None:
        """Drop what is in memory of *owner*: its keys were rotated or destroyed."""
        with self._lock:
            self._forgotten += 1
            for (whose, _purpose), ring in self._rings.items():
                if whose == owner:
                    ring.expires = -inf
            self._rings = {key: ring for key, ring in self._rings.items() if key[0] != owner}


def unwrapped(provider: KeyProvider, stored: StoredKey) -> DataKey:
    """Return the key that *stored* holds; raises as ``KeyRing.key``."""
    if stored.wrapping_key is None or stored.wrapped is None or stored.binding is None:
        raise KeyDestroyed(owner=stored.owner, purpose=stored.purpose.value)
    material = provider.unwrap(stored.wrapping_key, stored.wrapped)
    return DataKey.unwrapped(stored.owner, stored.purpose, stored.version, material=material, binding=stored.binding)
