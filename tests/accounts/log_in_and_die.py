"""Tries to log in and is killed while the password is looked at: ``settings key-file login``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from typing_extensions import override

from chukan.platform.accounts.login import Credentials, Login
from chukan.platform.accounts.roles import shipped_roles
from chukan.platform.accounts.rules import SessionKind
from chukan.platform.accounts.secret_values import Passwords, code_cipher
from chukan.platform.accounts.sessions import Sessions
from chukan.platform.database.engines import process_engine
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import DatabaseSettings
from chukan.platform.vault.adapters.file import FileKeyProvider
from support.accounts import CHEAP, NOON


class Deadly(Passwords):
    @override
    def verify(self, hashed: str | None, password: str) -> bool:
        os.kill(os.getpid(), signal.SIGKILL)
        return False


settings, key_file, login = sys.argv[1:]
engine = process_engine(DatabaseSettings.model_validate_json(settings), ProcessKind.CONSOLE)
sessions = Sessions(engine, CHEAP, shipped_roles())
cipher = code_cipher(engine, FileKeyProvider(Path(key_file)), cache_seconds=300)
deadly = Login(engine, cipher, Deadly(CHEAP.passwords), sessions, CHEAP)
deadly.log_in(Credentials(login, "a guess", "000000", "192.0.2.1"), SessionKind.CONSOLE, now=NOON, request="test")
