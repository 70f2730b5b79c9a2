"""The fixtures of the tests of the night batch: one database a module, organisations of their own for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chukan.platform.clock import FixedClock
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.settings import DatabaseSettings
from support.database import fresh_database
from support.nights import NIGHT_TIME, Town
from support.vault import Safe, file_safe


@pytest.fixture(scope="module")
def safe(cluster: tuple[EmbeddedCluster, DatabaseSettings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Safe]:
    with fresh_database(*cluster) as database:
        yield file_safe(database, tmp_path_factory.mktemp("keys"))


@pytest.fixture
def town(safe: Safe) -> Iterator[Town]:
    made = Town(safe, FixedClock(NIGHT_TIME))
    yield made
    for place in made.places:
        place.sessions.close()
    with safe.database.superuser() as superuser:
        superuser.execute("delete from platform.batch_run")
        superuser.execute("delete from platform.due")
        superuser.execute("delete from platform.upload_projection")
