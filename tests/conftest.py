"""Fixtures that every test may ask for, and the rules that hold for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.messages import language
from chukan.platform.settings import DatabaseSettings
from support.database import Database, fresh_database, running_cluster

pytest_plugins = ["support.browser", "support.skips"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that take longest: at the end no worker is left alone with one of them."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def cluster() -> Iterator[tuple[EmbeddedCluster, DatabaseSettings]]:
    """An embedded PostgreSQL with an initialised template database."""
    with running_cluster() as running:
        yield running


@pytest.fixture
def database(cluster: tuple[EmbeddedCluster, DatabaseSettings]) -> Iterator[Database]:
    """A freshly migrated database of this test's own."""
    with fresh_database(*cluster) as database:
        yield database


@pytest.fixture
def english() -> Iterator[None]:
    """Speak English, the language that the texts are written in."""
    with language("en"):
        yield
