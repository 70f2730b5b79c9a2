"""A site with the toolkit's own pages and nobody behind it: no account, no database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import create_engine

from chukan.platform.clock import FixedClock
from chukan.platform.messages import mark
from chukan.platform.settings import Settings
from chukan.platform.web.application import Site, make_application
from chukan.platform.web.components_page import component_pages
from support.browser import served

NOW = datetime(2026, 4, 1, 1, 2, 3, tzinfo=UTC)


@dataclass(frozen=True)
class Somebody:
    """A visitor who may do everything."""

    name: str = "operator:somebody"
    label: str = "somebody"

    def may(self, _permission: object, /) -> bool:
        return True


@dataclass(frozen=True)
class Shell:
    """What surrounds the pages."""

    menu: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
        ("", (("部品", "/-/components", "page"),)),
        ("そのほか", (("確認", "/-/components/confirm", ""),)),
    )
    visitor: str = "somebody"
    notices: tuple[tuple[str, str], ...] = (("承認待ち 2件", "/-/components/confirm"),)
    log_out: str = "/-/components"
    account: str = "/-/components"


@pytest.fixture(scope="session")
def clock() -> FixedClock:
    """The clock of the site; live regions say what it says."""
    return FixedClock(NOW)


@pytest.fixture(scope="session")
def app(clock: FixedClock) -> Flask:
    """The application, as console and support site make theirs."""
    site = Site(  # noqa: S604 - no shell of an operating system
        name="toolkit",
        title=mark("Components"),
        settings=Settings(),
        engine=create_engine("sqlite://"),
        clock=clock,
        secret_key=b"only for tests",
        visitor=lambda _request, _here: Somebody(),
        login="components.index",
        shell=lambda _here: Shell(),
        refused=lambda _here, _permission: None,
    )
    return make_application(site, [component_pages()])


@pytest.fixture(scope="session")
def address(app: Flask) -> Iterator[str]:
    """Where the browser finds the application."""
    with served(app) as address:
        yield address
