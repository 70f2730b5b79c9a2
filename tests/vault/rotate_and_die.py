"""A program that rotates keys and is killed (SIGKILL, by itself) at an exact point; run by the tests.

Arguments: database settings (JSON), key file, what to rotate, where to die, after how many. It dies either
``inside`` (the n-th time that a key is wrapped, or a value sealed, in the middle of a transaction) or
``between`` (when the n-th transaction has been committed); ``nowhere`` lets it finish.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from chukan.platform.audit.actor import Actor
from chukan.platform.database.engines import process_engine
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.settings import DatabaseSettings
from chukan.platform.vault.adapters.file import FileKeyProvider
from chukan.platform.vault.cipher import DataKey
from chukan.platform.vault.credentials import VaultCredentials
from chukan.platform.vault.rotation import DataKeyRotation
from chukan.platform.vault.rules import EncryptedColumn
from chukan.platform.vault.service import Vault
from chukan.platform.vault.wrapping import rotate_wrapping_key

LATER = datetime(2026, 8, 1, tzinfo=UTC)
SEALED = EncryptedColumn("secret_fact", "sealed")


def dying_after(count: int, inner: Callable[..., bytes]) -> Callable[..., bytes]:
    """Return *inner*, which kills this process at its *count*-th call."""
    calls = 0

    def call(*args: object) -> bytes:
        nonlocal calls
        calls += 1
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(*args)

    return call


def main(database: str, key_file: str, what: str, where: str, count: str) -> None:
    settings = DatabaseSettings.model_validate_json(database)
    provider = FileKeyProvider(Path(key_file))
    engine = process_engine(settings, ProcessKind.WORKER)
    batches = 0

    def progress(_done: int, _total: int) -> None:
        nonlocal batches
        # The first report comes before the first batch.
        if where == "between" and batches == int(count):
            os.kill(os.getpid(), signal.SIGKILL)
        batches += 1

    actor = Actor(engine, "system:test", "rotation")
    if what == "wrapping":
        if where == "inside":
            provider.wrap = dying_after(int(count), provider.wrap)  # type: ignore[method-assign]
        done = rotate_wrapping_key(actor, provider, now=LATER, progress=progress, batch=7)
        sys.stdout.write(f"{done.rewrapped} {done.created}\n")
        return
    vault = Vault(engine, provider, cache_seconds=300)
    credentials = VaultCredentials(engine, vault, cache_seconds=300)
    sessions = TenantSessions(settings, engine, credentials)
    rotation = DataKeyRotation(actor, vault, credentials, sessions, [SEALED], settle=timedelta())
    if where == "inside":
        DataKey.encrypt = dying_after(int(count), DataKey.encrypt)  # type: ignore[method-assign]
    tenant = TenantId(UUID(what))
    if tenant not in rotation.pending():
        rotation.begin(tenant)
    result = rotation.reencrypt(tenant, progress=progress, batch=7)
    sys.stdout.write(f"{result.reencrypted} {result.remaining} {result.retired}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
