"""One feature's pages as an application of their own, visited by whoever the test says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from uuid import UUID

from flask import Flask, Request
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from chukan.platform.clock import Clock, SystemClock
from chukan.platform.component import Access, Pages
from chukan.platform.settings import Settings
from chukan.platform.web.application import Site, make_application
from chukan.platform.web.here import Here
from chukan.platform.web.pages import PageSet

BASE = "https://console.test/"


@dataclass
class FakeVisitor:
    """Somebody with just these permissions."""

    permissions: frozenset[str] = frozenset()
    name: str = f"operator:{UUID(int=7)}"
    label: str = "tester"

    def may(self, permission: str, /) -> bool:
        return permission in self.permissions


@dataclass
class Visited:
    """An application, who visits it, and whom it refused what."""

    app: Flask
    door: dict[str, FakeVisitor | None] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def client(self) -> FlaskClient:
        """Return a client without cookies."""
        return self.app.test_client()

    def enter(self, *permissions: str) -> FakeVisitor:
        """Have somebody with *permissions* visit from now on."""
        visitor = FakeVisitor(frozenset(permissions))
        self.door["visitor"] = visitor
        return visitor

    def leave(self) -> None:
        """Have nobody visit."""
        self.door["visitor"] = None

    def get(self, path: str) -> TestResponse:
        """Open *path*."""
        return self.client().get(path, base_url=BASE)

    def post(self, path: str, **values: str) -> TestResponse:
        """Send a form of *values* to *path*; forms need no token in these tests."""
        return self.client().post(path, data=values, base_url=BASE)


def application_of(
    pages: Iterable[Pages], engine: Engine, *, settings: Settings | None = None, clock: Clock | None = None
) -> Visited:
    """Return an application of *pages* over *engine*, with a log-in page that is none."""
    entrance = PageSet("entrance", __name__)

    @entrance.get("/log-in", needs=Access.PUBLIC)
    def log_in() -> str:
        return "log in"

    door: dict[str, FakeVisitor | None] = {"visitor": None}
    refused: list[str] = []

    def visitor(_request: Request, _here: Here) -> FakeVisitor | None:
        return door["visitor"]

    def shell(_here: Here) -> object:
        return SimpleNamespace(menu=[], visitor=None, notices=[])

    site = Site(
        name="small",
        title="Chukan",
        settings=settings or Settings(),
        engine=engine,
        clock=clock or SystemClock(),
        secret_key=b"only for tests",
        visitor=visitor,
        login="entrance.log_in",
        shell=shell,
        refused=lambda _here, permission: refused.append(permission),
    )
    app = make_application(site, [entrance.done(), *pages])
    app.config["WTF_CSRF_ENABLED"] = False
    return Visited(app, door, refused)
