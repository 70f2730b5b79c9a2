"""What the vault's tests share: a SoftHSM token, and a database whose tenants have keys."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import monotonic
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tenants import Placement
from chukan.platform.identifiers import PLATFORM, TenantId
from chukan.platform.vault.adapters.file import FileKeyProvider
from chukan.platform.vault.adapters.pkcs11 import Pkcs11KeyProvider
from chukan.platform.vault.credentials import VaultCredentials
from chukan.platform.vault.rules import KeyUse
from chukan.platform.vault.service import Vault
from support.database import Database
from support.program import ended

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "4417-8820"


@dataclass(frozen=True)
class Token:
    """A SoftHSM token of one test's own, in a folder of its own."""

    label: str
    configuration: Path

    def provider(self, pin: str = PIN) -> Pkcs11KeyProvider:
        return Pkcs11KeyProvider(MODULE, self.label, SecretStr(pin))


@dataclass
class Safe:
    """A database with a vault over it, and tenants that have keys."""

    database: Database
    key_file: Path
    provider: FileKeyProvider

    def vault(
        self,
        kind: ProcessKind = ProcessKind.WORKER,
        *,
        cache_seconds: float = 300,
        now: Callable[[], float] = monotonic,
    ) -> Vault:
        return Vault(self.database.engine(kind), self.provider, cache_seconds=cache_seconds, now=now)

    def credentials(self, vault: Vault, kind: ProcessKind = ProcessKind.WORKER) -> VaultCredentials:
        return VaultCredentials(self.database.engine(kind), vault, cache_seconds=300)

    def actor(self) -> Actor:
        return Actor(self.database.engine(ProcessKind.WORKER), "system:test", "test")

    def give_keys(self, owner: TenantId) -> None:
        with self.database.engine(ProcessKind.PROVISIONER).begin() as connection:
            self.vault(ProcessKind.PROVISIONER).create_keys(driver(connection), owner)

    def tenant(self) -> Placement:
        placement = self.database.create_tenant()
        self.give_keys(placement.tenant)
        return placement

    def actions(self) -> list[str]:
        """Return the actions in the platform's chain, oldest first."""
        with self.database.superuser() as superuser:
            rows = superuser.execute(
                "select body::jsonb ->> 'action' from platform.audit_entry where chain = %s order by seq", (PLATFORM,)
            )
            return [action for (action,) in rows]


def file_safe(database: Database, folder: Path) -> Safe:
    """Return a safe whose wrapping keys are in a file of *folder*."""
    provider = FileKeyProvider(folder / "keys.json")
    for use in KeyUse:
        provider.create(use, now=NOW)
    return Safe(database, folder / "keys.json", provider)


def rotate(safe: Safe, what: str, where: str = "nowhere", count: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the rotation of *what* (``wrapping``, or a tenant) in a process of its own; see ``rotate_and_die.py``."""
    program = Path(__file__).parent.parent / "vault" / "rotate_and_die.py"
    settings = safe.database.settings.model_dump_json()
    return ended(program, settings, str(safe.key_file), what, where, str(count))
