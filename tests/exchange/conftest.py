"""What the tests of the whole exchange share: one network and two towns a module, at rest between the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.settings import DatabaseSettings
from support.database import fresh_database
from support.exchange_whole import Town, Whole, whole_exchange
from support.security import Place
from support.vault import file_safe

#: Who lives in the towns of a module.
PEOPLE = range(1, 6)


Cluster = tuple[EmbeddedCluster, DatabaseSettings]


@pytest.fixture
def place(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A database of a test's own."""
    with fresh_database(*cluster) as database:
        yield Place(file_safe(database, tmp_path_factory.mktemp("safe")))


@pytest.fixture(scope="module")
def shared(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with fresh_database(*cluster) as database:
        there = Place(file_safe(database, tmp_path_factory.mktemp("safe")))
        with whole_exchange(there, tmp_path_factory.mktemp("whole"), towns=2) as whole:
            for _ in range(2):
                whole.town(PEOPLE)
            yield whole


@pytest.fixture
def whole(shared: Whole) -> Iterator[Whole]:
    """The exchange, in which nothing is under way; after the test all parties' records agree."""
    yield shared
    shared.quiesce()
    assert shared.cases() == []


@pytest.fixture
def towns(whole: Whole) -> tuple[Town, Town]:
    """The town that asks, and the one that provides."""
    asking, providing = whole.towns.values()
    return asking, providing
