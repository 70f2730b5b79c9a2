"""The registry's pages over a database of a few organisations, and who visits them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from chukan.platform.accounts.permissions import Permission
from chukan.platform.audit.actor import Actor
from chukan.platform.clock import FixedClock
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import DatabaseSettings
from chukan.tenants.registry.organisations_file import shipped
from chukan.tenants.registry.people import store as people_store
from chukan.tenants.registry.people.catalogue import matrices
from chukan.tenants.registry.people.rules import Role
from chukan.tenants.registry.people.service import People
from chukan.tenants.registry.people.store import Change, Person
from chukan.tenants.registry.service import Registry
from chukan.tenants.registry.store import Registered
from chukan.tenants.registry.values import Department
from chukan.tenants.registry.web import PAGES
from registry.given import DAY, FEW, NOW, entries
from support.database import Database, fresh_database
from support.html import check_page
from support.web import BASE, Visited, application_of

READ, CHANGE = Permission.ORGANISATION_READ, Permission.ORGANISATION_CHANGE
SINCE = date(2026, 4, 1)
SAPPORO, YOKOHAMA, HAKODATE = "011002", "141003", "012025"


@dataclass
class Office:
    """The pages over a database of a few organisations."""

    database: Database
    actor: Actor
    site: Visited
    client: FlaskClient

    @cached_property
    def token(self) -> str:
        """The proof that a form came from a page that this client opened."""
        self.site.enter(READ, CHANGE)
        page = self.client.get("/organisations/unions/new", base_url=BASE).text
        return str(re.findall(r'name="csrf_token" type="hidden" value="([^"]+)"', page)[0])

    @property
    def people(self) -> People:
        return People(self.actor, matrices())

    def person(self, organisation: str, name: str, department: Department = Department.EXECUTIVE) -> Person:
        told = {"name": name, "email": "someone@city.example.jp", "telephone": "011-000-0000"}
        return self.people.add_contact(organisation, department, now=NOW, **told)

    def holder(self, organisation: str, name: str, role: Role) -> tuple[Person, UUID]:
        person = self.person(organisation, name)
        return person, self.people.appoint(person.id, role, since=SINCE).id

    def opened(self, organisation: str, role: Role, *, leaves: bool = False) -> Change:
        _, assignment = self.holder(organisation, "前任 一郎", role)
        return self.people.open_change(assignment, effective_on=DAY, successor=None, leaves=leaves, now=NOW).change

    def change(self, id_: UUID) -> Change:
        with self.actor.engine.connect() as connection:
            return people_store.change_of(connection, id_)

    def organisation(self, reference: str) -> Registered:
        return Registry(self.actor).get(reference, DAY)

    def get(self, path: str, *permissions: str) -> str:
        """Open *path* as somebody with *permissions* (reading if none are told), and check the page."""
        self.site.enter(*(permissions or (READ,)))
        response = self.site.get(path)
        assert response.status_code == 200, response.text
        check_page(response.text)
        return response.text

    def post(self, path: str, status: int, **values: object) -> TestResponse:
        """Send *values* as somebody who may change organisations; a page that comes back is checked."""
        sent = {"csrf_token": self.token, **values}
        self.site.enter(READ, CHANGE)
        response = self.client.post(path, data=sent, base_url=BASE, headers={"Referer": BASE})
        assert response.status_code == status, response.text
        if status != 303:
            check_page(response.text)
        # A long file lies in a temporary one, which the client closes only after redirects that it follows.
        response.request.input_stream.close()
        return response


@contextmanager
def opened_office(cluster: tuple[EmbeddedCluster, DatabaseSettings]) -> Iterator[Office]:
    with fresh_database(*cluster) as database:
        engine = database.engine(ProcessKind.CONSOLE)
        actor = Actor(engine, "operator:7", "request-1")
        lines = [line for line in shipped().decode().splitlines() if line.startswith(("code", *FEW))]
        Registry(actor).import_organisations("\n".join(lines).encode(), "few.csv", now=NOW)
        with database.superuser() as superuser:
            superuser.execute("update platform.organisation set state = 'active' where code in ('011002', '141003')")
        yield Office(database, actor, site := site_at(engine, NOW), site.client())


def site_at(engine: Engine, now: datetime) -> Visited:
    """Return the pages at an instant; their forms must prove where they came from, as they must outside."""
    site = application_of([PAGES], engine, clock=FixedClock(now))
    site.app.config["WTF_CSRF_ENABLED"] = True
    return site


def last_entry(office: Office) -> dict[str, object]:
    return dict(entries(office.database)[-1])


def flashed(page: str) -> str:
    return " ".join(re.findall(r'class="note note-ok">.*?<p>(.*?)</p>', page, re.DOTALL))
