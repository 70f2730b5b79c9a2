"""The fixtures of the tests of provision records: one database a module, an organisation of its own for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.settings import DatabaseSettings
from support.database import fresh_database
from support.exchange import Wire
from support.provisions import Provider
from support.security import Place
from support.vault import Safe, file_safe


@pytest.fixture(scope="module")
def safe(cluster: tuple[EmbeddedCluster, DatabaseSettings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Safe]:
    with fresh_database(*cluster) as database:
        yield file_safe(database, tmp_path_factory.mktemp("keys"))


@pytest.fixture
def provider(safe: Safe) -> Iterator[Provider]:
    place = Place(safe)
    yield Provider(Wire(place))
    place.ask("delete from platform.due")
    place.ask("update platform.tenant set state = 'suspended'")
    place.ask("delete from platform.reconciliation_case")
    place.ask("delete from platform.reconciliation_standing")
    place.sessions.close()
