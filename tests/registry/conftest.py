"""The registry's fixtures: an operator at work on a fresh database, with few or with all organisations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chukan.platform.audit.actor import Actor
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import DatabaseSettings
from chukan.tenants.registry.organisations_file import SHIPPED, shipped
from chukan.tenants.registry.service import Registry
from registry.given import FEW, NOW
from registry.site import Office, opened_office
from support.database import Database


@pytest.fixture
def actor(database: Database) -> Actor:
    return Actor(database.engine(ProcessKind.CONSOLE), "operator:7", "request-1")


@pytest.fixture
def registry(actor: Actor) -> Registry:
    return Registry(actor)


@pytest.fixture
def few(registry: Registry) -> Registry:
    """A registry of the organisations of ``FEW`` and all of Tokyo's special wards."""
    lines = shipped().decode().splitlines()
    chosen = [line for line in lines if line.startswith(("code", *FEW)) or ",special_ward," in line]
    registry.import_organisations("\n".join(chosen).encode(), "few.csv", now=NOW)
    return registry


@pytest.fixture
def full(registry: Registry) -> Registry:
    """A registry of all 1,788."""
    registry.import_organisations(shipped(), SHIPPED, now=NOW)
    return registry


@pytest.fixture(autouse=True)
def nobody_is_logged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(scope="module")
def office(cluster: tuple[EmbeddedCluster, DatabaseSettings]) -> Iterator[Office]:
    """The pages over a database that a module's tests share."""
    with opened_office(cluster) as office:
        yield office
