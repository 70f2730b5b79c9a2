"""A tenant's data key: replaced, re-encrypted from in the background, retired; or destroyed for good.

States of a version (``rules.KeyState``): active → retiring → retired. All three open what they sealed, so
readers never notice. The work that is left is in the rows themselves (each sealed value names its version),
so it may be killed at any point and started again.

Other processes may go on sealing under the old version for as long as they keep it in memory and their open
transactions last (*settle*). Only a pass that began after that and found nothing left retires it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from chukan.platform.audit.actor import Actor
from chukan.platform.database.engines import driver
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.vault import store
from chukan.platform.vault.cipher import DataKey
from chukan.platform.vault.credentials import VaultCredentials
from chukan.platform.vault.errors import KeyMissing, RotationUnfinished, VaultTampered
from chukan.platform.vault.rules import EncryptedColumn, KeyState, Purpose, RowId
from chukan.platform.vault.sealed_rows import SealedRows
from chukan.platform.vault.service import ColumnCipher, Vault
from chukan.platform.vault.trail import VaultAction, owner_subject
from chukan.platform.vault.wrapping import Progress

#: Rows re-encrypted in one transaction: their locks are held for some milliseconds.
BATCH = 200


@dataclass(frozen=True)
class Reencrypted:
    """What a pass did: rows re-encrypted, rows left that others held, and whether the old version retired."""

    reencrypted: int
    remaining: int
    retired: bool
    #: How long until the old version may be retired, if that alone is missing.
    settles_in: timedelta = timedelta()


class DataKeyRotation:
    """Rotations of tenants' data keys, by a process that may open tenants' sessions (the worker)."""

    def __init__(
        self,
        actor: Actor,
        vault: Vault,
        credentials: VaultCredentials,
        sessions: TenantSessions,
        columns: Sequence[EncryptedColumn],
        *,
        settle: timedelta,
    ) -> None:
        self._actor = actor
        self._vault = vault
        self._credentials = credentials
        self._sessions = sessions
        self._columns = columns
        self._settle = settle

    def begin(self, tenant: TenantId) -> int:
        """Make a new version of the tenant's content key, which seals from now on, and return its number.

        Raises:
            RotationUnfinished: the last one still runs.
            KeyMissing: the tenant has no keys.
        """
        with self._actor.act(VaultAction.ROTATE, owner_subject(tenant)) as unit:
            connection = driver(unit.connection)
            known = store.lock_key(connection, tenant, Purpose.CONTENT)
            if any(key.state is KeyState.RETIRING for key in known):
                raise RotationUnfinished(owner=tenant)
            if not any(key.state is KeyState.ACTIVE for key in known):
                raise KeyMissing(owner=tenant, purpose=Purpose.CONTENT.value, version=1)
            version = known[-1].version + 1
            store.move_keys(connection, tenant, Purpose.CONTENT, KeyState.ACTIVE, KeyState.RETIRING)
            self._vault.add_key(connection, DataKey.generate(tenant, Purpose.CONTENT, version))
            unit.note(version=version)
        self._vault.forget(tenant)
        return version

    def pending(self) -> Sequence[TenantId]:
        """Return the tenants whose rotation is not finished."""
        with self._actor.engine.connect() as connection:
            return store.owners_with_retiring_keys(driver(connection))

    def reencrypt(
        self, tenant: TenantId, *, progress: Progress = lambda _done, _total: None, batch: int = BATCH
    ) -> Reencrypted:
        """Re-encrypt what the tenant's old version sealed, and retire that version if nothing is left.

        Raises:
            VaultTampered: some values do not open; all others are done, and the version does not retire.
        """
        waits = self._settles_in(tenant)
        self._vault.forget(tenant)
        version = self._vault.writing_version(tenant)
        total, done, damaged = self._remaining(tenant, version), 0, 0
        progress(0, total)
        for declared in self._columns:
            cipher = self._vault.column(tenant, declared.table, declared.column)
            pass_ = _ColumnPass(cipher, SealedRows(declared, version))
            while pass_.more:
                with self._sessions.begin(tenant) as connection:
                    done += pass_.batch(connection, batch)
                progress(done, max(total, done))
            damaged += pass_.damaged
        if damaged:
            raise VaultTampered(place=f"tenant {tenant}", detail=f"{damaged} values do not open")
        self._reseal_credential(tenant)
        remaining = self._remaining(tenant, version)
        retired = remaining == 0 and waits is not None and waits <= timedelta() and self._retire(tenant)
        return Reencrypted(done, remaining, retired, max(waits or timedelta(), timedelta()))

    def _settles_in(self, tenant: TenantId) -> timedelta | None:
        with self._actor.engine.connect() as connection:
            since = store.retiring_since(driver(connection), tenant)
        return None if since is None else self._settle - since

    def _remaining(self, tenant: TenantId, version: int) -> int:
        with self._sessions.connection(tenant) as connection:
            return sum(SealedRows(declared, version).count(connection) for declared in self._columns)

    def _reseal_credential(self, tenant: TenantId) -> None:
        with self._actor.engine.begin() as connection:
            self._credentials.reseal(driver(connection), tenant)

    def _retire(self, tenant: TenantId) -> bool:
        with self._actor.act(VaultAction.RETIRE, owner_subject(tenant)) as unit:
            connection = driver(unit.connection)
            moved = store.move_keys(connection, tenant, Purpose.CONTENT, KeyState.RETIRING, KeyState.RETIRED)
            unit.note(versions=moved)
        self._vault.forget(tenant)
        return moved > 0


def destroy_keys(actor: Actor, vault: Vault, owner: TenantId) -> int:
    """Destroy every data key of *owner*, so that nothing it sealed can be read again; return how many.

    Other processes forget them within ``vault.cache_seconds``; backups hold them, wrapped, until they expire.
    """
    with actor.act(VaultAction.DESTROY, owner_subject(owner)) as unit:
        destroyed = store.destroy_keys(driver(unit.connection), owner)
        unit.note(keys=destroyed)
    vault.forget(owner)
    return destroyed


class _ColumnPass:
    """One way through a column, in the order of its ids; rows that others hold are left for the next pass."""

    def __init__(self, cipher: ColumnCipher, rows: SealedRows) -> None:
        self._cipher = cipher
        self._rows = rows
        self._last: RowId | None = None
        self.more = True
        self.damaged = 0

    def batch(self, connection: Connection, limit: int) -> int:
        """Re-encrypt the next rows in the transaction of *connection*; return how many."""
        claimed = self._rows.claim(connection, after=self._last, limit=limit)
        self.more = bool(claimed)
        anew = dict[RowId, bytes]()
        for row, sealed in claimed:
            self._last = row
            try:
                anew[row] = self._cipher.seal(row, self._cipher.open(row, sealed))
            except (VaultTampered, KeyMissing):
                self.damaged += 1
        self._rows.replace(connection, anew)
        return len(anew)
