"""The fixtures of the tenants' tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.database import Database
from support.vault import Safe, file_safe


@pytest.fixture
def safe(database: Database, tmp_path: Path) -> Safe:
    return file_safe(database, tmp_path)
