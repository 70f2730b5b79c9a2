"""A program that runs the night batch and is killed (SIGKILL, by itself) inside the first chunk of a file.

Arguments: database settings (JSON), key file.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import FixedClock
from chukan.platform.database.engines import process_engine
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.settings import DatabaseSettings
from chukan.platform.vault.adapters.file import FileKeyProvider
from chukan.platform.vault.credentials import VaultCredentials
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.duplicate_copies import loading
from chukan.tenants.middleserver.duplicate_copies.night import Night
from chukan.tenants.middleserver.operations.service import NightBatch
from support.copies import FixedMasters
from support.nights import NIGHT_TIME, TERMS


def main(database: str, key_file: str) -> None:
    settings = DatabaseSettings.model_validate_json(database)
    engine = process_engine(settings, ProcessKind.WORKER)
    vault = Vault(engine, FileKeyProvider(Path(key_file)), cache_seconds=300)
    sessions = TenantSessions(settings, engine, VaultCredentials(engine, vault, cache_seconds=300))

    def die(*_arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(loading, "load", die)  # noqa: B010 - only so is a function of another form put in its place
    clock = FixedClock(NIGHT_TIME)
    night = Night(sessions, vault, FixedMasters(), clock)
    NightBatch(Actor(engine, "system:night-batch", "killed"), sessions, night, clock, TERMS).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
