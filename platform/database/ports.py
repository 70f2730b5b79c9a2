"""What the database layer needs from above, and does not import."""

from __future__ import annotations

from typing import Protocol

from chukan.platform.identifiers import TenantId


class CredentialSource(Protocol):
    """Who knows the passwords of the tenants' log-ins; the vault implements it."""

    def password(self, tenant: TenantId) -> str:
        """Return the password of the tenant's role.

        Raises:
            CredentialMissing: there is none, or this process may not see it.
        """
        ...

    def forget(self, tenant: TenantId) -> None:
        """Drop what is cached about *tenant*: the server refused the password, so it was rotated."""
        ...
