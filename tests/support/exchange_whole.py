"""The whole exchange in one process: towns with everything of theirs, and the simulated national network between them.

Nothing of the network is left out but its sockets: messages to it are handed to its reception, and its own ones are
delivered one by one, as a test says, to the reception of the towns. Both sides go by one clock.
"""

from __future__ import annotations

import shutil
import sqlite3
import ssl
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from psycopg import sql
from sqlalchemy import text
from typing_extensions import override

from chukan.platform.clock import FixedClock, SystemClock
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.duplicate_copies.copies import Copies
from chukan.tenants.middleserver.formats.codes import (
    AddressNumber,
    AffairCode,
    InstitutionCode,
    ProcedureCode,
    address_number,
)
from chukan.tenants.middleserver.inquiries import store as inquiry_store
from chukan.tenants.middleserver.inquiries.registration import Registered
from chukan.tenants.middleserver.inquiries.rules import Asked, InquiryState, Kind
from chukan.tenants.middleserver.inquiries.service import Inquiries, InquiryResult
from chukan.tenants.middleserver.inquiries.trail import InquiryCaller
from chukan.tenants.middleserver.linkage_codes.ports import NotRecordedYet
from chukan.tenants.middleserver.linkage_codes.sealed import Seals
from chukan.tenants.middleserver.linkage_codes.service import LinkageCodes
from chukan.tenants.middleserver.linkage_codes.store import Link, add_link
from chukan.tenants.middleserver.provision_records.service import Reconciliation
from chukan.tenants.middleserver.provision_records.store import Case
from chukan.tenants.middleserver.provision_records.work import institutions
from chukan.tenants.middleserver.provisions import store as provision_store
from chukan.tenants.middleserver.provisions.ports import Neighbours
from chukan.tenants.middleserver.provisions.service import Provisions
from chukan.tenants.middleserver.provisions.store import Stored
from chukan.tenants.middleserver.provisions.trail import Caller as ProvisionCaller
from chukan.tenants.middleserver.security.certificates.rules import KeyUse
from chukan.tenants.middleserver.security.certificates.service import Certificates
from chukan.tenants.middleserver.security.jose import PublicKeys
from chukan.tenants.middleserver.security.masters.rules import (
    Catalogue,
    OrganisationKind,
    PackageHead,
    PackageKind,
    Party,
    Permission,
    Publication,
)
from chukan.tenants.middleserver.security.masters.rules import Organisation as Listed
from chukan.tenants.middleserver.transmission.errors import NetworkAnswerWrong, NetworkAway
from chukan.tenants.middleserver.transmission.ports import Answer, Features
from chukan.tenants.middleserver.transmission.reception import Reception
from chukan.tenants.middleserver.transmission.relay import Relay
from chukan.tenants.middleserver.transmission.rules import NETWORK
from chukan.tenants.middleserver.transmission.sending import Peers, Sender
from chukan.tenants.middleserver.transmission.service import Exchange, OpenConversations
from chukan_simulators.national_network import clock as network_clock
from chukan_simulators.national_network.authority import certificate_pem
from chukan_simulators.national_network.deliveries import Deliveries
from chukan_simulators.national_network.documents import RECORDS
from chukan_simulators.national_network.records import Query
from chukan_simulators.national_network.service import Network
from support import copies as copy_support
from support.copies import INFORMATION, RIGHT_ITEMS, right_row
from support.exchange import AT_ONCE, Died, DyingSender
from support.inquiries import FixedHours, GoesOn
from support.provisions import PermittingMasters
from support.security import NOW, Place

CONFIG = Path(__file__).resolve().parents[2] / "config"
PACKAGES = 12
AFFAIR, PROCEDURE = AffairCode("JM01000000121000"), ProcedureCode("JT01010000000001")


class TownMasters(PermittingMasters):
    """Masters that know the towns, one information, and that every town may ask every other one."""

    def __init__(self, institutions: Sequence[str]) -> None:
        super().__init__()
        kind = OrganisationKind.MUNICIPALITY
        self._catalogue = Catalogue(
            PackageHead(1, "2026.06", Publication.COMMON, PackageKind.ANNUAL, date(2026, 6, 1), NOW),
            organisations=tuple(Listed(each, each, kind) for each in institutions),
            permissions=(Permission(Party(kind), AFFAIR, PROCEDURE, Party(kind), INFORMATION),),
        )

    def catalogue(self, _tenant: TenantId) -> Catalogue:
        return self._catalogue


class ByHand(Deliveries):
    """The network's deliveries, handed over in this process; a test says which one is tried when."""

    def __init__(self, network: Network, receive: Callable[[str, bytes], Answer]) -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        super().__init__(network.context, network.keys, network.deliveries._line, network, tls)
        self._receive = receive

    def waiting(self) -> list[sqlite3.Row]:
        """Return what waits to be delivered, oldest first."""
        return self._store.found_all("select * from delivery where state = 'waiting' order by number")

    def all(self) -> list[sqlite3.Row]:
        """Return all that was ever to be delivered, with its bytes."""
        return self._store.found_all("select * from delivery natural join delivery_body order by number")

    def attempt(self, number: int) -> None:
        """Try once to deliver the message *number*, as far as the faults ordered let it."""
        row = self._store.found_one("select * from delivery natural join delivery_body where number = ?", number)
        assert row is not None
        self._attempt(row)

    @override
    def _post(self, institution: str, body: bytes) -> tuple[int, bytes]:
        try:
            answer = self._receive(institution, body)
        except Died as death:
            raise ConnectionResetError from death
        return answer.status, answer.content


@dataclass
class Door:
    """The network's door for messages; what is in ``faults`` happens to the next ones."""

    network: Network
    faults: list[str] = field(default_factory=list)

    def send(self, message: bytes) -> Answer:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "away":
            raise NetworkAway
        if fault == "drop":
            raise NetworkAnswerWrong(status="cut")
        if fault == "die":
            raise Died
        status, receipt = self.network.reception.receive(message)
        if fault == "lose_answer":
            raise NetworkAnswerWrong(status="cut")
        if fault == "die_after":
            raise Died
        if fault == "half":
            receipt = receipt[: len(receipt) // 2]
        return Answer(int(status), receipt)

    # -- what certificates and records ask ---------------------------------------------------------------

    def issue(self, institution_code: str, use: str, request_pem: str) -> str:
        return certificate_pem(self.network.keys.issue(institution_code, use, request_pem)[0]).decode()

    def revoke(self, kid: str, reason: str) -> None:
        assert self.network.keys.revoke(kid, reason)

    def records(self, institution: str, first: date, last: date, after: str = "") -> bytes:
        told = {"from": first.isoformat(), "to": last.isoformat()} | ({"after": after} if after else {})
        content = self.network.records.listed(Query.of(institution, told), self.network.context.schemas)
        return self.network.keys.signed(RECORDS, content, to=institution)


@dataclass
class Town:
    """An organisation with codes and copies of its residents; the person of one number lives in all towns."""

    whole: Whole
    number: int
    tenant: TenantId
    institution: str

    @property
    def mark(self) -> str:
        """What is written wherever this town acts, and must stand in no other town's schema."""
        return f"operator:of-{self.institution}-alone"

    @property
    def asking(self) -> InquiryCaller:
        return InquiryCaller(self.tenant, self.mark, "test")

    @property
    def providing(self) -> ProvisionCaller:
        return ProvisionCaller(self.tenant, self.mark, "test", "3595115400")

    def address(self, person: int) -> AddressNumber:
        """Return the number under which *person* is known here, and nowhere else."""
        return address_number(f"{self.number:06d}{person:09d}")

    def income(self, person: int) -> str:
        """Return what this town's copy says of *person*, and no other copy does."""
        return f"{self.number + 10}7{person:010d}"

    @cached_property
    def copies(self) -> copy_support.Organisation:
        place = self.whole.place
        made = copy_support.Organisation(place.safe, self.tenant, place.sessions, place.vault, self.whole.clock)
        made.masters = self.whole.masters
        return made

    def settle(self, people: Collection[int]) -> None:
        """Let *people* have linkage codes of the network, and copies."""
        network, place = self.whole.network, self.whole.place
        seals = Seals(place.vault, self.tenant)
        with network.context.store.transaction() as memory, place.sessions.begin(self.tenant) as connection:
            for person in people:
                code, _new = network.codes.give(memory, self.institution, "0", f"9{person:010}")
                address, id_ = self.address(person), uuid4()
                sealed_address, sealed_code = seals.link(id_, address, code)
                found_by, indexed = seals.person(address), seals.code_index(code)
                since = self.whole.clock.now() - timedelta(days=1)
                add_link(connection, Link(id_, found_by, indexed, sealed_code, sealed_address, uuid4(), since, None))
        self.register(people)

    def register(self, people: Collection[int], **changes: object) -> None:
        """Register copies of *people*."""
        rows = [
            right_row(
                place,
                address=self.address(person),
                items={**RIGHT_ITEMS, "INCOME": [self.income(person)]},
                **changes,
            )
            for place, person in enumerate(sorted(people), start=1)
        ]
        self.copies.send_rows(rows)
        (report,) = self.copies.register().files
        assert report.outcome.value == "registered", self.copies.report(report.upload)

    # -- as inquirer -------------------------------------------------------------------------------------

    def ask(self, provider: Town, *people: int, kind: Kind = Kind.WINDOW) -> Registered:
        wishes = [
            Asked(self.address(person), INFORMATION, AFFAIR, PROCEDURE, InstitutionCode(provider.institution))
            for person in people
        ]
        return self.whole.inquiries.register(self.asking, wishes, kind=kind, now=self.whole.clock.now())

    def pace(self) -> None:
        now = self.whole.clock.now()
        self.whole.inquiries.pace(self.tenant, now=now, actor="system:test", request="test")

    def state(self, serial: str) -> InquiryState:
        with self.whole.place.sessions.begin(self.tenant) as connection:
            found = inquiry_store.of_serial(connection, serial)
        assert found is not None
        return found.state

    def results(self, reception: str) -> Sequence[InquiryResult]:
        return self.whole.inquiries.results(self.asking, reception).results

    # -- as provider -------------------------------------------------------------------------------------

    def provision(self, inquirer: Town, serial: str) -> Stored | None:
        with self.whole.place.sessions.begin(self.tenant) as connection:
            return provision_store.lock(connection, serial, inquirer.institution)

    # -- both --------------------------------------------------------------------------------------------

    def renew(self, use: KeyUse) -> str:
        """Replace the certificate for *use*; what is under way under the old one goes on."""
        certificates, clock = self.whole.certificates, self.whole.clock
        kid = certificates.request(self.tenant, self.institution, use, now=clock.now())
        certificates.activate(self.tenant, kid, now=clock.now())
        return kid

    def relay(self, *, dying: bool = False) -> None:
        """Send what is due."""
        self.whole.relay(dying=dying).drain(self.tenant, self.whole.clock.now())

    def let_leases_end(self) -> None:
        """Let the time be over for which a relay that is gone had messages in hand."""
        with self.whole.place.sessions.begin(self.tenant) as connection:
            connection.execute(text("update outbox set lease_until = clock_timestamp() where state = 'sending'"))

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Ask as a superuser; the town's schema stands in the places ``{0}``."""
        return self.whole.superuser.execute(query.format(self.schema).encode()).fetchall()

    @cached_property
    def schema(self) -> str:
        query = "select schema from platform.tenant where id = %s"
        (schema,) = self.whole.superuser.execute(query, (self.tenant,)).fetchall()[0]
        return str(schema)

    def dump(self) -> str:
        """Return every value of every table of this town, as text."""
        superuser, tables = self.whole.superuser, "select tablename from pg_tables where schemaname = %s"
        named = superuser.execute(tables, (self.schema,)).fetchall()
        query = sql.SQL("select t::text from {} t")
        found = (superuser.execute(query.format(sql.Identifier(self.schema, str(table)))) for (table,) in named)
        return "\n".join(str(row) for rows in found for (row,) in rows)


def features_over(
    sessions: TenantSessions, vault: Vault, masters: TownMasters, keys: PublicKeys, authority: x509.Certificate
) -> tuple[Inquiries, Provisions]:
    """Return what towns do, over open sessions; *authority* is the network's."""
    inquiries = Inquiries(sessions, vault, masters, FixedHours(), lambda: authority, going=GoesOn())
    linkage = LinkageCodes(sessions, vault, NotRecordedYet())
    neighbours = Neighbours(masters, lambda *_: (), keys)
    return inquiries, Provisions(sessions, vault, Copies(sessions, vault), linkage, neighbours)


@dataclass
class Whole:
    """The network, and the place in which the towns are."""

    place: Place
    network: Network
    #: By institution code, for as many towns as the network's masters name.
    names: Sequence[str]
    clock: FixedClock
    towns: dict[str, Town] = field(default_factory=dict)
    #: Serials of which the network told the provider something else: their records differ, and have to.
    misled: set[str] = field(default_factory=set)
    #: Stands between a delivery and the reception, which it is given to call: for receipts that get lost, and the like.
    at_delivery: Callable[[str, bytes, Callable[[], Answer]], Answer] | None = None

    def __post_init__(self) -> None:
        place = self.place
        #: Sees everything, and is nobody in the exchange.
        self.superuser = place.database.superuser()
        place.database.at_close(self.superuser.close)
        self.masters = TownMasters(self.names)
        self.door = Door(self.network)
        self.deliveries = self.network.deliveries = ByHand(self.network, self.received)
        self.certificates = Certificates(
            place.sessions, place.vault, self.door, OpenConversations(place.sessions), actor="system:test",
            request="test",
        )  # fmt: skip
        self.inquiries, self.provisions = features_over(
            place.sessions, place.vault, self.masters, self.public_key, self.network.context.authority.pair.certificate
        )
        self.features: Features = self.inquiries.features() | self.provisions.features()
        self.reception = Reception(place.actor.engine, place.sessions, place.vault, self.public_key, self.features)
        self.exchange = Exchange(place.actor, place.sessions)

    def public_key(self, kid: str) -> EllipticCurvePublicKey | None:
        return self.network.keys.own_key(kid)

    def town(self, people: Collection[int] = ()) -> Town:
        """Return a new town in which *people* live."""
        number, safe = len(self.towns) + 1, self.place.safe
        town = Town(self, number, self.place.tenant(), self.names[number - 1])
        with self.place.database.engine(ProcessKind.PROVISIONER).begin() as connection:
            # As provisioning does it: processes of their own find the log-in there.
            kept = safe.credentials(safe.vault(ProcessKind.PROVISIONER), ProcessKind.PROVISIONER)
            kept.store(driver(connection), town.tenant, self.place.database.credentials.password(town.tenant))
        self.towns[town.institution] = town
        for use in KeyUse:
            town.renew(use)
        if people:
            town.settle(people)
        return town

    def relay(self, *, dying: bool = False, senders: int = 1) -> Relay:
        policy, kind = replace(AT_ONCE, senders=senders), DyingSender if dying else Sender
        sender = kind(
            actor=self.place.actor,
            sessions=self.place.sessions,
            peers=Peers(self.door, self.public_key),
            features=self.features,
            retry=policy.retry,
            clock=self.clock,
            draw=lambda: 0.5,
        )
        return Relay(self.place.vault, sender, policy)

    @property
    def told(self) -> dict[str, Any]:
        """What a process of its own needs to work in this exchange; see ``tests/exchange/work_and_die.py``."""
        return {
            "database": self.place.database.settings.model_dump(mode="json"),
            "key_file": str(self.place.safe.key_file),
            "institutions": list(self.names),
            "network_keys": {pair.kid: certificate_pem(pair.certificate).decode() for pair in self.network.keys._all()},
            "authority": certificate_pem(self.network.context.authority.pair.certificate).decode(),
            "now": self.clock.now().isoformat(),
        }

    def received(self, institution: str, body: bytes) -> Answer:
        """Take a delivery of the network's for *institution*, as the gateway does."""

        def take() -> Answer:
            return self.reception.receive(body, NETWORK, now=self.clock.now())

        return take() if self.at_delivery is None else self.at_delivery(institution, body, take)

    def quiesce(self) -> None:
        """Let everything arrive: nothing goes wrong any more, and nothing waits at the end."""
        self.network.context.menu.clear()
        self.door.faults.clear()
        for _ in range(60):
            self.network.due()
            for town in self.towns.values():
                town.let_leases_end()
                for message in self.exchange.situation(town.tenant).unsettled:
                    if message.state.value == "dead":
                        self.exchange.retry(town.tenant, message.id, now=self.clock.now())
                town.pace()
                town.relay()
            for row in self.deliveries.waiting():
                self.deliveries.attempt(row["number"])
            if self.is_quiet:
                return
            self.clock.advance(timedelta(minutes=1))
        raise AssertionError("the exchange does not come to rest")

    @property
    def is_quiet(self) -> bool:
        """Whether nothing waits to be sent or delivered."""
        query = (
            "select id from {0}.outbox where state in ('queued', 'sending', 'dead')"
            " union all select id from {0}.inquiry where state = 'queued'"
        )
        return not self.deliveries.waiting() and not any(town.rows(query) for town in self.towns.values())

    def cases(self) -> Sequence[Case]:
        """Compare all records of all parties, as at night, and return the cases that are open but should not be.

        Where the provider was misled by the network's own permit, there is one, and about nothing else.
        """
        keys = institutions(self.reception._keys)
        compare = Reconciliation(self.place.actor, self.place.sessions, self.door, self.public_key, keys)
        assert compare.run(now=self.clock.now() + timedelta(hours=2)) == 0
        found = compare.cases()
        assert {case.key.serial for case in found if "information" in case.fields} == self.misled
        return [case for case in found if case.key.serial not in self.misled]


def config_of(folder: Path, towns: int) -> tuple[Path, list[str]]:
    """Return a configuration whose masters name so many invented *towns*, and their institution codes."""
    for name in ("protocols", "masters"):
        (folder / name).symlink_to(CONFIG / name)
    codes = [f"99{number:04}" for number in range(1, towns + 1)]
    header = (CONFIG / "organisations.csv").read_text("utf-8").splitlines()[0]
    lines = [f"{code},city,99,例{place}市,れい" for place, code in enumerate(codes, start=1)]
    (folder / "organisations.csv").write_text("\n".join([header, *lines]) + "\n", "utf-8")
    return folder, [f"0220113{code}700" for code in codes]


class RunningClock(FixedClock):
    """The time as it is, for what waits for one another."""

    @override
    def now(self) -> datetime:
        return SystemClock().now()


@contextmanager
def whole_exchange(place: Place, folder: Path, *, towns: int, clock: FixedClock | None = None) -> Iterator[Whole]:
    """Lend an exchange between so many *towns* at most; its clock, if none is given, stands still until it is moved."""
    clock = clock or FixedClock(NOW)
    config = folder / "config"
    config.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_clock, "seconds", lambda: clock.now().timestamp())
        patch.setattr(network_clock, "now", clock.now)
        _, names = config_of(config, towns)
        network = Network(folder / "network", config, config / "masters")
        while len(network.publisher.published()) < PACKAGES and network.publisher.publish():
            pass
        network.context.store.keep("platform_url", "https://platform.invalid")
        yield Whole(place, network, names, clock)
    shutil.rmtree(folder / "network")
