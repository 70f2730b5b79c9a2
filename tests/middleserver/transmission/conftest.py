"""What the tests of the exchange share: organisations with certificates, and the network that they talk to."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.database import Database
from support.exchange import Wire
from support.security import Place
from support.vault import file_safe


@pytest.fixture
def wire(database: Database, tmp_path: Path) -> Wire:
    return Wire(Place(file_safe(database, tmp_path)))
