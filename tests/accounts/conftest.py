"""Fixtures of the accounts' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts.site import Console, console
from chukan.platform.clock import SystemClock
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.settings import DatabaseSettings
from chukan.platform.vault.adapters.file import FileKeyProvider
from chukan.platform.vault.rules import KeyUse
from support.accounts import Office
from support.database import Database, fresh_database
from support.vault import NOW, Safe, file_safe


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


@pytest.fixture(scope="module")
def shared_office(
    cluster: tuple[EmbeddedCluster, DatabaseSettings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    """One office for all tests of a module: each brings operators of its own (``newcomer``)."""
    with fresh_database(*cluster) as database:
        yield Office(file_safe(database, tmp_path_factory.mktemp("keys")), now=SystemClock().now())


@pytest.fixture
def site(shared_office: Office) -> Console:
    """The pages over the shared office, with a clock of the test's own."""
    return console(shared_office)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
