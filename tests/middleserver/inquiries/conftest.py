"""What the tests of inquiries share: an organisation that asks, anew for each test, in one database a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.settings import DatabaseSettings
from chukan.tenants.middleserver.inquiries.data import shipped_data
from support.database import fresh_database
from support.exchange import Wire
from support.inquiries import Asking, asking_of
from support.security import Place
from support.vault import file_safe


@pytest.fixture(scope="module")
def place(
    cluster: tuple[EmbeddedCluster, DatabaseSettings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with fresh_database(*cluster) as database:
        yield Place(file_safe(database, tmp_path_factory.mktemp("safe")))


@pytest.fixture
def wire(place: Place) -> Wire:
    # What tests before left to be sent is no concern of this one.
    place.ask("delete from platform.due")
    place.ask("delete from platform.list_inquiry")
    place.ask("delete from platform.exchange_standing")
    return Wire(place)


@pytest.fixture
def asking(wire: Wire) -> Asking:
    shipped = shipped_data()
    # A machine that is busy must not make what is under way look silent.
    together = shipped.together.model_copy(update={"line_seconds": 1.0, "least": 8, "silent_seconds": 600.0})
    return asking_of(wire, data=shipped.model_copy(update={"together": together}))
