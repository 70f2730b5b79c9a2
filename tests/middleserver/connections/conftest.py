"""One gateway over one database a module; every test has organisations of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.settings import DatabaseSettings
from support.database import fresh_database
from support.gateway import NOW, Caller, Entrance
from support.served_gateway import Served, served_gateway
from support.vault import file_safe


@pytest.fixture(scope="module")
def gateway(
    cluster: tuple[EmbeddedCluster, DatabaseSettings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Entrance]:
    with fresh_database(*cluster) as database:
        entrance = Entrance(file_safe(database, tmp_path_factory.mktemp("keys")))
        yield entrance
        entrance.close()


@pytest.fixture(scope="module")
def served(
    cluster: tuple[EmbeddedCluster, DatabaseSettings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A gateway behind its real front."""
    with fresh_database(*cluster) as database:
        folder, run = tmp_path_factory.mktemp("gateway"), tmp_path_factory.mktemp("run")
        with served_gateway(database, folder, run) as served:
            yield served


@pytest.fixture
def entrance(gateway: Entrance) -> Iterator[Entrance]:
    yield gateway
    gateway.at(NOW)


@pytest.fixture
def caller(entrance: Entrance) -> Caller:
    return entrance.caller()
