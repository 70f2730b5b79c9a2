"""Fixtures that every test may ask for, and the rules that hold for all of them."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from types import CodeType

import pytest
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from typing_extensions import override

from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.messages import language
from chukan.platform.settings import DatabaseSettings
from support.database import Database, fresh_database, running_cluster

pytest_plugins = ["support.browser", "support.skips"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that take longest: at the end no worker is left alone with one of them."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from looking through thousands of tests and modules, which stay, again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


class Compiled(BytecodeCache):
    """What templates were compiled to, for the many applications of one run: all are set up in the same way."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], CodeType | None] = {}

    @override
    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._kept.get((bucket.key, bucket.checksum))

    @override
    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key, bucket.checksum] = bucket.code


@pytest.fixture(scope="session", autouse=True)
def _templates() -> Iterator[None]:
    """Compile each template once, and not once for each application."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flask, "jinja_options", {"bytecode_cache": Compiled()})
        yield


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
