"""The passwords of the tenants' log-ins, sealed under each tenant's own key."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from sqlalchemy import Engine

from chukan.platform.clock import monotonic
from chukan.platform.database.engines import driver
from chukan.platform.database.errors import CredentialMissing
from chukan.platform.identifiers import TenantId
from chukan.platform.vault import store
from chukan.platform.vault.errors import KeyDestroyed
from chukan.platform.vault.service import Vault

_TABLE = "tenant_credential"
_COLUMN = "sealed"


class VaultCredentials:
    """Implements the database's ``CredentialSource``, for the processes that may read the table."""

    def __init__(
        self, engine: Engine, vault: Vault, *, cache_seconds: float, now: Callable[[], float] = monotonic
    ) -> None:
        self._engine = engine
        self._vault = vault
        self._cache_seconds = cache_seconds
        self._now = now
        self._known: dict[TenantId, tuple[float, str]] = {}

    def password(self, tenant: TenantId) -> str:
        """Return the password of the tenant's role.

        Raises:
            CredentialMissing: there is none, it was destroyed, or this process may not see it.
            VaultTampered: it was changed, or is another tenant's.
        """
        expires, password = self._known.get(tenant, (0.0, ""))
        if expires <= self._now():
            password = self._read(tenant)
            self._known[tenant] = (self._now() + self._cache_seconds, password)
        return password

    def forget(self, tenant: TenantId) -> None:
        """Drop what is cached about *tenant*."""
        self._known.pop(tenant, None)

    def store(self, connection: psycopg.Connection, tenant: TenantId, password: str) -> None:
        """Keep *password* as the tenant's in the transaction of *connection*, after ``Vault.create_keys``."""
        cipher = self._vault.column_on(connection, tenant, _TABLE, _COLUMN)
        store.write_credential(connection, tenant, cipher.seal(tenant, password.encode()))

    def reseal(self, connection: psycopg.Connection, tenant: TenantId) -> None:
        """Seal the tenant's password anew, under the version of its key that is written with now."""
        sealed = store.lock_credential(connection, tenant)
        if sealed is not None:
            cipher = self._vault.column_on(connection, tenant, _TABLE, _COLUMN)
            store.reseal_credential(connection, tenant, cipher.seal(tenant, cipher.open(tenant, sealed)))

    def _read(self, tenant: TenantId) -> str:
        try:
            with self._engine.connect() as connection:
                sealed = store.read_credential(driver(connection), tenant)
            if sealed is None:
                raise CredentialMissing(tenant=tenant)
            return self._vault.column(tenant, _TABLE, _COLUMN).open(tenant, sealed).decode()
        except (psycopg.errors.InsufficientPrivilege, KeyDestroyed) as failure:
            raise CredentialMissing(tenant=tenant, detail=repr(failure)) from failure
