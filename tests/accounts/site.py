"""The pages of accounts as operators meet them: real sessions by the real cookie, over a real database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from flask_wtf.csrf import generate_csrf  # type: ignore[import-untyped]  # it has no annotations
from werkzeug.test import TestResponse

from chukan.platform.accounts import session_cookie
from chukan.platform.accounts.actor import Actor
from chukan.platform.accounts.four_eyes import FourEyesKind
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.rules import Role, SessionKind
from chukan.platform.accounts.sessions import Opened
from chukan.platform.accounts.web import accounts_pages, waiting_for
from chukan.platform.clock import FixedClock
from chukan.platform.component import Access, Pages
from chukan.platform.messages import mark
from chukan.platform.settings import Settings, VaultSettings
from chukan.platform.web.application import Site, make_application
from chukan.platform.web.here import Here, here
from chukan.platform.web.pages import PageSet
from support.accounts import CHEAP, Member, Office

_numbers = count(1)
BASE = "https://console.test/"
#: A kind whose act needs another log-in than the console's; whoever calls it in a page has made a mistake.
PURGE = FourEyesKind(
    "tenants:tenant:purge",
    mark("Make an operator an administrator"),
    Permission.TENANT_PURGE,
    Permission.TENANT_PURGE_APPROVE,
    lambda _approved: (_ for _ in ()).throw(AssertionError("the console carried it out")),
    confirmed_by="organisation",
)


@dataclass
class Browser:
    """A browser with its cookies."""

    client: FlaskClient

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, base_url=BASE, headers=headers)

    def post(self, path: str, **values: str | Sequence[str]) -> TestResponse:
        """Send a form with the proof of where it came from, as the pages' own forms have it."""
        proof = self.client.get("/proof", base_url=BASE).text
        return self.post_without_proof(path, csrf_token=proof, **values)

    def post_without_proof(self, path: str, **values: str | Sequence[str]) -> TestResponse:
        return self.client.post(path, base_url=BASE, data=values, headers={"Referer": BASE})

    @property
    def token(self) -> str | None:
        cookie = self.client.get_cookie(session_cookie.COOKIE, domain="console.test")
        return cookie.value if cookie else None

    def hold(self, token: str) -> None:
        self.client.set_cookie(session_cookie.COOKIE, token, domain="console.test", secure=True)


@dataclass
class Console:
    """An application of these pages alone, its office, and its clock."""

    office: Office
    clock: FixedClock
    app: Flask
    refused: list[str] = field(default_factory=list)

    def browser(self) -> Browser:
        """Return a browser that nobody has used."""
        return Browser(self.app.test_client())

    def opened(self, account: UUID, kind: SessionKind = SessionKind.CONSOLE, address: str = "192.0.2.7") -> Opened:
        """Open a session for *account* without the trouble of logging in."""
        with self.office.engine.begin() as connection:
            return self.office.sessions.open(connection, account, kind, address, now=self.clock.now())

    def visits(self, member: Member) -> Browser:
        """Return a browser in which *member* is logged in."""
        browser = self.browser()
        browser.hold(self.opened(member.account).token)
        return browser


def newcomer(office: Office, *roles: Role, by: Actor | None = None) -> Member:
    """Return an enrolled operator whom no other test has seen."""
    return office.member(f"n{next(_numbers)}", *roles, by=by)


def console(office: Office, kinds: Sequence[FourEyesKind] = (PURGE,)) -> Console:
    """Return the pages over *office*, at its time, for requests of *kinds*."""
    clock, refused = FixedClock(office.now), list[str]()
    safe = office.safe
    settings = Settings(database=safe.database.settings, vault=VaultSettings(key_file=safe.key_file))
    site = Site(
        name="small",
        title="Chukan",
        settings=settings,
        engine=office.engine,
        clock=clock,
        secret_key=b"only for tests",
        visitor=session_cookie.visitor,
        login="accounts.login",
        shell=_shell,
        refused=lambda _here, permission: refused.append(permission),
    )
    app = make_application(site, [_extra(), accounts_pages(kinds, CHEAP)])
    return Console(office, clock, app, refused)


def _shell(visit: Here) -> object:
    visitor = visit.visitor.label if visit.visitor else None
    return SimpleNamespace(menu=[], visitor=visitor, notices=[])


def _extra() -> Pages:
    extra = PageSet("extra", __name__)

    @extra.get("/waiting", needs=Access.PUBLIC)
    def waiting() -> str:
        return str(waiting_for(here()))

    @extra.get("/proof", needs=Access.PUBLIC)
    def proof() -> str:
        return str(generate_csrf())

    return extra.done()
