"""Fixtures of the audit trail's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.audit import Trail
from support.database import Database


@pytest.fixture
def trail(database: Database, tmp_path: Path) -> Trail:
    """An empty trail with a sink of its own."""
    return Trail(database, tmp_path)
