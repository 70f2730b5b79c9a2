"""The whole console over one database, shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask, Request
from sqlalchemy import Engine

import chukan.console.application as console_module
from chukan.platform.accounts.actor import Actor as AccountActor
from chukan.platform.accounts.actor import Signed
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.roles import shipped_roles
from chukan.platform.accounts.rules import Role
from chukan.platform.audit.actor import Actor
from chukan.platform.clock import Clock, FixedClock, SystemClock
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import AuditSettings, DatabaseSettings, EmbeddedSettings, Settings, VaultSettings
from chukan.platform.web.here import Here
from chukan.tenants.registry.organisations_file import shipped
from chukan.tenants.registry.service import Registry
from chukan.wiring import all_jobs, components
from console.furniture import Furniture, working_hour
from support.accounts import Member, Office
from support.browser import served
from support.database import Database, fresh_database
from support.vault import file_safe

Cluster = tuple[EmbeddedCluster, DatabaseSettings]
#: Together they may open every page.
EVERYTHING = (Role.ADMINISTRATOR, Role.OPERATIONS, Role.SECURITY)


@dataclass
class Door:
    """Who visits at present; None for somebody who is not logged in."""

    member: Member
    actor: AccountActor | None = None

    def enter(self, *permissions: Permission) -> None:
        """Have the operator visit with just these permissions."""
        signed = Signed(self.member.account, self.member.account, self.member.account, self.member.login)
        self.actor = AccountActor(f"operator:{self.member.account}", frozenset(permissions), signed)

    def enter_as(self, role: Role) -> None:
        """Have the operator visit with the permissions of *role*."""
        self.enter(*shipped_roles().permissions_of([role]))

    def leave(self) -> None:
        """Have nobody visit."""
        self.actor = None


@dataclass
class Whole:
    """The console, its door, and the database below it."""

    app: Flask
    door: Door
    engine: Engine
    office: Office


@dataclass
class House:
    """A console that is served to browsers, with an operator who may open every page, and the furniture in it."""

    app: Flask
    address: str
    member: Member
    furniture: Furniture
    clock: FixedClock

    def code(self, member: Member) -> str:
        """Return a one-time code that *member* has not used yet."""
        self.clock.advance(timedelta(seconds=30))
        return member.code(self.clock.now())


@pytest.fixture(scope="module")
def whole(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """The console with the 1,788 organisations registered and an operator enrolled."""
    clock = SystemClock()
    with _office(cluster, tmp_path_factory.mktemp("keys"), clock.now() - timedelta(minutes=1)) as (database, office):
        Registry(Actor(office.engine, "system:test", "test")).import_organisations(
            shipped(), "organisations.csv", now=clock.now()
        )
        door = Door(office.member("whole", Role.ADMINISTRATOR))

        def visitor(_request: Request, _here: Here) -> AccountActor | None:
            return door.actor

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(console_module, "visitor", visitor)
            yield Whole(_console(database, office, clock, patch), door, office.engine, office)


@pytest.fixture(scope="module")
def house(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A console in which there is something of everything."""
    with _house(cluster, tmp_path_factory.mktemp("house")) as house:
        house.furniture.place(all_jobs())
        yield house


@pytest.fixture(scope="module")
def empty_house(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A console as it is installed: nothing but the operator."""
    with _house(cluster, tmp_path_factory.mktemp("empty")) as house:
        yield house


@contextmanager
def _house(cluster: Cluster, folder: Path) -> Iterator[House]:
    now = working_hour()
    with _office(cluster, folder, now) as (database, office), pytest.MonkeyPatch.context() as patch:
        member, clock = office.member("tanaka", *EVERYTHING), FixedClock(now)
        app = _console(database, office, clock, patch)
        with served(app) as address:
            yield House(app, address, member, Furniture(database, office, _settings(database, office)), clock)


@contextmanager
def _office(cluster: Cluster, folder: Path, now: datetime) -> Iterator[tuple[Database, Office]]:
    with fresh_database(*cluster) as database:
        yield database, Office(file_safe(database, folder), now=now)


def _console(database: Database, office: Office, clock: Clock, patch: pytest.MonkeyPatch) -> Flask:
    settings = _settings(database, office)
    # The checks ask for the settings by themselves, as they do in a worker.
    patch.setattr("chukan.wiring._settings", lambda: settings)
    poller = database.engine(ProcessKind.POLLER)
    return console_module.console_application(settings, office.engine, poller, components(), clock)


def _settings(database: Database, office: Office) -> Settings:
    """Return the settings under which every process of this database works."""
    url = f"postgresql:///{database.settings.name}?host={database.cluster.sockets}"
    own = database.settings.model_copy(update={"url": url, "embedded": EmbeddedSettings()})
    sink = office.safe.key_file.parent / "sink"
    return Settings(
        database=own, vault=VaultSettings(key_file=office.safe.key_file), audit=AuditSettings(sink_directory=sink)
    )
