"""What the middle server's commands work on in ``test_acting.py``: one hosted city, and the network it talks to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import psycopg

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import FixedClock, SystemClock
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import TenantId
from chukan.platform.settings import NetworkSettings, Settings
from chukan.tenants.middleserver.connections.rules import Allowed
from chukan.tenants.middleserver.connections.service import Application, Systems
from chukan.tenants.middleserver.formats.codes import (
    AddressNumber,
    DepartmentCode,
    SystemId,
    address_number,
    information_code_of,
)
from chukan.tenants.middleserver.linkage_codes import store as codes
from chukan.tenants.middleserver.linkage_codes.desk import codes_of
from chukan.tenants.middleserver.linkage_codes.rules import CaseKind
from chukan.tenants.middleserver.operations.campaigns.service import Campaigns, campaign_of
from chukan.tenants.middleserver.operations.excluded_items import COLUMNS
from chukan.tenants.middleserver.operations.rules import NightTerms, Precedence
from chukan.tenants.middleserver.provisions.bars import Bars, Scope
from chukan.tenants.middleserver.provisions.trail import Caller as ProvisionCaller
from chukan.tenants.middleserver.security.certificates.rules import KeyState, KeyUse
from chukan.tenants.middleserver.security.certificates.service import Certificates, Keys
from chukan.tenants.middleserver.security.masters.service import Distribution, Masters
from chukan.tenants.middleserver.transmission.desk import connect, desk_for
from chukan.tenants.middleserver.transmission.service import identity
from chukan_simulators.national_network.client import running_network
from support.copies import Organisation, layout, right_row
from support.gateway import DEPARTMENT, SYSTEM, Authority, Card
from support.vault import Safe

#: One night after the other, without a day between them: the commands go by the real clock.
NIGHTS = (NightTerms(time(0), time(0), timedelta(minutes=10), (Precedence.WAITING_SINCE,), date(2018, 12, 31)),)
#: The package of masters that is taken and applied again and again; those before it stay.
NEWEST = 2
CAMPAIGN = """
revision = "{}"
title = "a revision"
opens_on = 2026-01-01
due_on = 2099-06-17
night_capacity = 1000
number = [{{ information = 2, mandatory = true, scope = "latest_only", large = true }}]
"""


@dataclass
class MiddleServer:
    """A city (``code``) that is hosted, with masters and certificates of a network in a process of its own."""

    safe: Safe
    superuser: psycopg.Connection
    settings: Settings
    home: Path
    code: str
    tenant: TenantId
    number: Callable[[], int]
    _stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        network = self._stack.enter_context(running_network(self.home / "network", "--publish", str(NEWEST)))
        way = NetworkSettings(url=network.url, ca_file=network.ca, client_certificate_file=network.platform)
        told = (("url", way.url), ("ca_file", way.ca_file), ("client_certificate_file", way.client_certificate_file))
        lines = ["[network]", *(f'{name} = "{value}"' for name, value in told)]
        (self.home / "config" / "network.toml").write_text("\n".join(lines), "utf-8")
        self.settings = self.settings.model_copy(update={"network": way})
        self.actor = Actor(self.safe.database.engine(ProcessKind.WORKER), "system:test", "test")
        self.desk = self._stack.enter_context(desk_for(self.actor, self.settings))
        self.ask("update platform.tenant set state = 'active' where id = %s", self.tenant)
        hosted = "update platform.organisation set tenant = %s, state = 'active' where code = %s"
        self.ask(hosted, self.tenant, self.code)
        self.hold_packages()
        Distribution(self.actor, Masters(self.actor.engine)).apply([self.tenant], to=NEWEST - 1)
        for use in KeyUse:
            self.request_key(use)
            self.activate_pending(use)

    def close(self) -> None:
        self._stack.close()

    def ask(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Ask, or change, as a superuser; the tenant's schema stands in the place ``{}``."""
        if "{}" in statement:
            statement = statement.replace("{}", self._schema)
        cursor = self.superuser.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []

    @cached_property
    def _schema(self) -> str:
        return str(self.ask("select schema from platform.tenant where id = %s", self.tenant)[0][0])

    # -- masters -------------------------------------------------------------------------------------

    def hold_packages(self) -> None:
        """Hold all packages that were published."""
        if not self.ask("select from platform.master_package where sequence = %s", NEWEST):
            with connect(self.settings, self.desk.sessions) as peers:
                masters = Masters(self.actor.engine, peers.keys)
                Distribution(self.actor, masters, peers.keys).pull(peers.source, now=SystemClock().now())

    def withdraw_package(self) -> None:
        """Let the newest package be in force nowhere."""
        self.hold_packages()
        self.ask("update platform.master_standing set sequence = %s", NEWEST - 1)
        self.ask("delete from platform.master_application where sequence = %s", NEWEST)

    def lose_package(self) -> bytes:
        """Let the newest package not have come, and return it as the network signed it."""
        self.withdraw_package()
        query = "delete from platform.master_package where sequence = %s returning content"
        ((content,),) = self.ask(query, NEWEST)
        assert isinstance(content, bytes)
        return content

    # -- certificates --------------------------------------------------------------------------------

    @contextmanager
    def _certificates(self) -> Iterator[Certificates]:
        sessions, vault = self.desk.sessions, self.desk.vault
        with connect(self.settings, sessions) as peers:
            yield Certificates(sessions, vault, peers.issuer, peers.in_flight, actor="system:test", request="test")

    def _kid(self, use: KeyUse, state: KeyState) -> str | None:
        """Return the oldest certificate for *use* in *state*."""
        keys = Keys(self.desk.sessions, self.desk.vault).list(self.tenant)
        return next((key.kid for key in keys if key.use is use and key.state is state), None)

    def request_key(self, use: KeyUse = KeyUse.ENCRYPT) -> str:
        """Return a certificate that waits to be activated."""
        if (waiting := self._kid(use, KeyState.PENDING)) is not None:
            return waiting
        institution = Masters(self.actor.engine).catalogue(self.tenant).organisation(self.code).institution_code
        with self._certificates() as certificates:
            return certificates.request(self.tenant, institution, use, now=SystemClock().now())

    def activate_pending(self, use: KeyUse = KeyUse.ENCRYPT) -> None:
        """Let no certificate wait."""
        if (waiting := self._kid(use, KeyState.PENDING)) is not None:
            with self._certificates() as certificates:
                certificates.activate(self.tenant, waiting, now=SystemClock().now())

    def replaced_key(self) -> str:
        """Return a certificate that was replaced a month ago."""
        if self._kid(KeyUse.ENCRYPT, KeyState.RETIRING) is None:
            self.request_key()
            self.activate_pending()
        self.ask("update {}.org_key set changed_at = changed_at - interval '1 month' where state = 'retiring'")
        kid = self._kid(KeyUse.ENCRYPT, KeyState.RETIRING)
        assert kid is not None
        return kid

    # -- the exchange and linkage codes --------------------------------------------------------------

    def let_exchange(self, *, go_on: bool) -> None:
        """Let the exchange go on, or be stopped."""
        is_stopped = any(stop.tenant == self.tenant for stop in self.desk.exchange.stops())
        if go_on and is_stopped:
            self.desk.exchange.resume(self.tenant)
        if not go_on and not is_stopped:
            self.desk.exchange.stop(self.tenant, reason="test")

    def address(self) -> AddressNumber:
        """Return the number of somebody who was never asked for."""
        return address_number(f"{self.number():015}")

    def request_code(self) -> str:
        """Ask for somebody's code and return the serial; its message is queued."""
        self.let_exchange(go_on=True)
        desk, now = codes_of(self.desk), SystemClock().now()
        institution = identity(Keys(self.desk.sessions, self.desk.vault), self.tenant, now).institution
        told = desk.acquisition.request(desk.caller(self.tenant), institution, [self.address()], now=now)
        (serial,) = told.serials.values()
        return serial

    def dead_message(self) -> str:
        """Return a message that was given up."""
        serial = self.request_code()
        query = (
            "update {}.outbox set state = 'dead' where id = (select message from {}.code_request where serial = %s)"
            " returning id"
        )
        ((message,),) = self.ask(query, serial)
        return str(message)

    def case(self) -> str:
        """Return a case that somebody has to look at."""
        with self.desk.sessions.begin(self.tenant) as connection:
            codes.open_case(connection, CaseKind.CODE_CHANGED, request=uuid4(), link=uuid4(), at=SystemClock().now())
            return str(codes.open_cases(connection)[-1].id)

    # -- inquiries, provisions and their records -----------------------------------------------------

    def inquiry(self) -> str:
        """Return the number of a request whose one inquiry waits for its turn."""
        number = f"{self.number():022}"
        self.ask(
            "insert into {}.inquiry_reception (number, kind, count, department, actor, registered_at)"
            " values (%s, 'bulk', 1, '', 'system:test', now())",
            number,
        )
        self.ask(
            "insert into {}.inquiry (reception, place, kind, serial, state, person, address, information, affair,"
            " procedure, provider, period, undisclosed)"
            " values (%s, 1, 'bulk', %s, 'queued', '', '', '', '', '', '', false, false)",
            number,
            f"SERIAL{number}",
        )
        return number

    def restriction(self) -> str:
        """Suspend automatic replies and return the restriction."""
        caller = ProvisionCaller(self.tenant, "system:test", "test")
        bars = Bars(self.desk.sessions, self.desk.vault)
        return str(bars.restrict(caller, [Scope()], "test", now=SystemClock().now()))

    def record_case(self) -> str:
        """Return a case of a record that differs."""
        ((case,),) = self.ask(
            "insert into platform.reconciliation_case"
            " (tenant, side, inquirer, serial, kind, fields, requested_on, opened_at, seen_at)"
            " values (%s, 'provider', '1', %s, 'differs', '{result}', '2026-06-01', now(), now()) returning id",
            self.tenant,
            str(self.number()),
        )
        return str(case)

    def old_copies(self) -> int:
        """Register a copy of a version that no masters link, and return the version."""
        version = 1000 + self.number()
        place = self._place()
        place.masters.known = (layout(version),)
        place.send_rows([right_row(1, version=str(version))])
        place.register()
        return version

    # -- by day and by night -------------------------------------------------------------------------

    def upload(self) -> None:
        """Send a file of one record, whose layout no masters know: the night will refuse it."""
        self._place().send_rows([right_row(self.number())])

    def _place(self) -> Organisation:
        clock = FixedClock(SystemClock().now())
        return Organisation(self.safe, self.tenant, self.desk.sessions, self.desk.vault, clock)

    def items(self) -> bytes:
        """Return a list of excluded items that was never loaded."""
        item = f"{information_code_of(2)},0101,I{self.number()},2019-06-17"
        return f"{','.join(COLUMNS)}\n{item}\n".encode()

    @property
    def _campaigns(self) -> Campaigns:
        return Campaigns(Actor(self.safe.database.engine(ProcessKind.CONSOLE), "system:test", "test"))

    def campaign(self) -> str:
        """Make a campaign and return its revision."""
        revision = f"R{self.number()}"
        self._campaigns.create(campaign_of(CAMPAIGN.format(revision)))
        return revision

    def slot(self) -> str:
        """Return a booked slot."""
        today, night = SystemClock().now().date(), date(2099, 6, 1)
        return str(self._campaigns.book(self.campaign(), 2, self.code, night=night, records=10, today=today))

    def delegation(self) -> Sequence[object]:
        """Return a campaign in which the city takes a number over: its revision, the city, and the number."""
        revision, day = self.campaign(), date(2099, 6, 1)
        self._campaigns.delegate(revision, self.code, 16, from_day=day, today=SystemClock().now().date())
        return (revision, self.code, 16)

    def card(self) -> Card:
        """Return a certificate that is not registered."""
        return Authority("Clients", now=SystemClock().now()).issue(f"system-{self.number()}")

    def system(self) -> str:
        """Register a system and return the fingerprint of its certificate."""
        card = self.card()
        wanted = Application(self.tenant, DepartmentCode(DEPARTMENT), SystemId(SYSTEM), frozenset(Allowed))
        Systems(self.actor).register(card.pem, wanted, file="client.pem", now=SystemClock().now())
        return card.fingerprint
