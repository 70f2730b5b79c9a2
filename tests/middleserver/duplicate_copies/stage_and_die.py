"""A program that registers an organisation's uploads and is killed (SIGKILL, by itself) at an exact point.

Arguments: database settings (JSON), key file, tenant, where to die, after how many, bytes of a block. It dies
``inside`` a chunk (its rows are copied, nothing is committed), ``between`` two chunks, before the file is marked
``validated``, before the ``switch`` is committed, or while it is
``tidying`` or ``compacting``.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from chukan.platform.clock import FixedClock
from chukan.platform.database.engines import process_engine
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.settings import DatabaseSettings
from chukan.platform.vault.adapters.file import FileKeyProvider
from chukan.platform.vault.credentials import VaultCredentials
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.duplicate_copies import copy_store, csv_reader, loading, store, xml_reader
from chukan.tenants.middleserver.duplicate_copies.night import Night
from chukan.tenants.middleserver.duplicate_copies.staging import Staging
from chukan.tenants.middleserver.duplicate_copies.trail import Caller
from support.copies import NOW, FixedMasters


def dying(count: int, inner: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    """Return *inner*, which kills this process before or *after* its *count*-th call."""
    calls = 0

    def call(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = inner(*arguments, **options)
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return call


#: What is replaced for each place to die: module or class, name, and whether it dies after the call.
PLACES: dict[str, tuple[Any, str, bool]] = {
    "inside": (loading, "load", True),
    "between": (Staging, "_commit", True),
    "validated": (Staging, "whole_file_faults", True),
    "switch": (Night, "_registered", False),
    "tidying": (store, "drop_pieces", True),
    "compacting": (copy_store, "compact", True),
}


def main(*arguments: str) -> None:
    database, key_file, tenant, where, count, block = arguments
    settings = DatabaseSettings.model_validate_json(database)
    engine = process_engine(settings, ProcessKind.WORKER)
    vault = Vault(engine, FileKeyProvider(Path(key_file)), cache_seconds=300)
    sessions = TenantSessions(settings, engine, VaultCredentials(engine, vault, cache_seconds=300))
    csv_reader._BLOCK = xml_reader._BLOCK = int(block)
    xml_reader._BATCH_ROWS = 1
    owner, name, after = PLACES[where]
    setattr(owner, name, dying(int(count), getattr(owner, name), after=after))
    clock = FixedClock(NOW)
    caller = Caller(TenantId(UUID(tenant)), "system:test", "night")
    Night(sessions, vault, FixedMasters(), clock).register(caller, deadline=NOW + timedelta(hours=8))


if __name__ == "__main__":
    main(*sys.argv[1:])
