"""What the tests of masters and certificates share: a network, and tenants that have keys and the real schema."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.database import Database
from support.security import Place
from support.vault import file_safe


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Place:
    return Place(file_safe(database, tmp_path))
