"""The vault: sealing and opening what must not be read, each value bound to its tenant and its place.

Source: A0-130 (separation), A0-142 items 2 and 5.
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from sqlalchemy import Engine

from chukan.platform.clock import monotonic
from chukan.platform.identifiers import TenantId
from chukan.platform.vault import store
from chukan.platform.vault.cipher import DataKey
from chukan.platform.vault.errors import VaultTampered
from chukan.platform.vault.keyring import KeyRing, KeyRings
from chukan.platform.vault.ports import KeyProvider
from chukan.platform.vault.rules import (
    KeyState,
    KeyUse,
    Place,
    Purpose,
    RowId,
    column_context,
    index_input,
    row_context,
    unpack,
)
from chukan.platform.vault.store import StoredKey


class ColumnCipher:
    """Seals and opens the rows of one tenant's column; cheap to ask for every row of a file.

    It keeps a ring no longer than the vault does: one that is forgotten expires wherever it is held.
    """

    def __init__(
        self,
        *,
        ring: KeyRing,
        reread: Callable[[], KeyRing],
        now: Callable[[], float],
        tenant: TenantId,
        table: str,
        column: str,
    ) -> None:
        self._kept = ring
        self._reread = reread
        self._now = now
        self._tenant = tenant
        self._table = table
        self._column = column
        self._contexts: dict[int, bytes] = {}

    def seal(self, row: RowId, plaintext: bytes) -> bytes:
        """Return *plaintext* sealed for *row*: 33 bytes longer; raises as ``KeyRing.key``."""
        key = self._ring().writing
        return key.encrypt(plaintext, self._context(key.version) + row_context(row))

    def open(self, row: RowId, sealed: bytes) -> bytes:
        """Return what *sealed* holds; raises as ``KeyRing.key``.

        Raises:
            VaultTampered: it was changed, or was sealed for another tenant, table, column, row or version.
        """
        parts = unpack(sealed)
        if parts is None:
            raise self._tampered("no sealed value")
        context = self._context(parts.version) + row_context(row)
        plaintext = self._key(parts.version).decrypt(parts, context)
        if plaintext is None:
            raise self._tampered(f"key version {parts.version}")
        return plaintext

    def _ring(self) -> KeyRing:
        if self._kept.expires <= self._now():
            self._kept = self._reread()
        return self._kept

    def _key(self, version: int) -> DataKey:
        ring = self._ring()
        if version not in ring:
            # Another process may have rotated the key since this one last read it.
            ring = self._kept = self._reread()
        return ring.key(version)

    def _context(self, version: int) -> bytes:
        context = self._contexts.get(version)
        if context is None:
            context = column_context(self._tenant, self._table, self._column, version)
            # Versions come from what is stored: an attacker's must not grow this without bound.
            if version in self._ring():
                self._contexts[version] = context
        return context

    def _tampered(self, detail: str) -> VaultTampered:
        return VaultTampered(place=f"{self._table}.{self._column}", detail=f"tenant {self._tenant}: {detail}")


class Vault:
    """The vault of one process, under that process's log-in; it may be used by many threads."""

    def __init__(
        self,
        engine: Engine,
        provider: KeyProvider,
        *,
        cache_seconds: float,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """Read wrapped keys through *engine*; keep them unwrapped for *cache_seconds* (*now* is monotonic)."""
        self._rings = KeyRings(engine, provider, cache_seconds=cache_seconds, now=now)
        self._provider = provider

    def seal(self, tenant: TenantId, place: Place, plaintext: bytes) -> bytes:
        """Return *plaintext* sealed for *place*; see ``ColumnCipher.seal``."""
        return self.column(tenant, place.table, place.column).seal(place.row, plaintext)

    def open(self, tenant: TenantId, place: Place, sealed: bytes) -> bytes:
        """Return what *sealed* holds at *place*; see ``ColumnCipher.open``."""
        return self.column(tenant, place.table, place.column).open(place.row, sealed)

    def column(self, tenant: TenantId, table: str, column: str) -> ColumnCipher:
        """Return the cipher of one column, for many rows."""
        return ColumnCipher(
            ring=self._rings.ring(tenant, Purpose.CONTENT),
            reread=lambda: self._rings.reread(tenant, Purpose.CONTENT),
            now=self._rings.now,
            tenant=tenant,
            table=table,
            column=column,
        )

    def column_on(self, connection: psycopg.Connection, tenant: TenantId, table: str, column: str) -> ColumnCipher:
        """Return the cipher of one column, with the keys that the transaction of *connection* sees."""

        def ring() -> KeyRing:
            return self._rings.on(connection, tenant, Purpose.CONTENT)

        return ColumnCipher(ring=ring(), reread=ring, now=self._rings.now, tenant=tenant, table=table, column=column)

    def blind_index(self, tenant: TenantId, field: str, value: str) -> bytes:
        """Return 32 bytes by which rows with the same *value* of *field* are found without opening them.

        It differs between tenants and fields, and outlives rotations of the content key. The value is
        normalised (``rules.index_input``): a hit is a candidate, whose opened value the caller compares.
        """
        return self._rings.ring(tenant, Purpose.INDEX).writing.index(index_input(field, value))

    def writing_version(self, tenant: TenantId) -> int:
        """Return the version of the tenant's content key that seals now; raises as ``KeyRing.key``."""
        return self._rings.ring(tenant, Purpose.CONTENT).writing.version

    def create_keys(self, connection: psycopg.Connection, owner: TenantId) -> None:
        """Make the first keys of *owner* in the transaction of *connection*.

        Raises:
            ProviderKeyMissing: there is no wrapping key yet (``chukan vault init``).
        """
        for purpose in Purpose:
            self.add_key(connection, DataKey.generate(owner, purpose, version=1))

    def add_key(self, connection: psycopg.Connection, key: DataKey) -> None:
        """Store *key*, wrapped, as the one that is written with."""
        # Until this transaction ends, the wrapping key that is current now cannot be destroyed.
        store.lock_out_destruction(connection)
        wrapping_key = self._provider.current(KeyUse.WRAPPING)
        wrapped = self._provider.wrap(wrapping_key, key.material)
        state = KeyState.ACTIVE
        store.insert_key(
            connection,
            StoredKey(key.owner, key.purpose, key.version, state, wrapping_key, wrapped, key.binding),
        )

    def forget(self, owner: TenantId) -> None:
        """Drop the unwrapped keys of *owner*; other processes do so within ``cache_seconds``."""
        self._rings.forget(owner)
