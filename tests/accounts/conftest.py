"""Fixtures of the accounts' tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from chukan.platform.vault.adapters.file import FileKeyProvider
from chukan.platform.vault.rules import KeyUse
from support.accounts import Office
from support.database import Database
from support.vault import NOW, Safe


@pytest.fixture
def safe(database: Database, tmp_path: Path) -> Safe:
    key_file = tmp_path / "keys.json"
    provider = FileKeyProvider(key_file)
    for use in KeyUse:
        provider.create(use, now=NOW)
    return Safe(database, key_file, provider)


@pytest.fixture
def office(safe: Safe) -> Office:
    """An office without anybody in it."""
    return Office(safe)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
