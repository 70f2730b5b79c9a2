"""Credentials that live in memory alone: for scratch tenants, which end with the process that made them."""

from __future__ import annotations

from chukan.platform.database.errors import CredentialMissing
from chukan.platform.identifiers import TenantId


class MemoryCredentials:
    """A ``CredentialSource`` that is told its passwords."""

    def __init__(self) -> None:
        self._passwords: dict[TenantId, str] = {}

    def remember(self, tenant: TenantId, password: str) -> None:
        """Keep the password that *tenant* was made with."""
        self._passwords[tenant] = password

    def password(self, tenant: TenantId) -> str:
        """Return the password of the tenant's role.

        Raises:
            CredentialMissing: this source was never told it.
        """
        try:
            return self._passwords[tenant]
        except KeyError:
            raise CredentialMissing(tenant=tenant) from None

    def forget(self, tenant: TenantId) -> None:
        """Do nothing: what is known here is the only copy, and is never stale."""
