"""An exchange to be measured: organisations that ask one another over the simulated network, every part a process.

The gateway stands behind its real front, the relay and the pacing of lists work as in a worker, the network is the
simulator, and the database flushes every commit. All persons live everywhere: each organisation has a code of its own
for each of them, and copies of its own about them. The organisation after it is asked, and the last one asks the first.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from lxml import etree
from psycopg import sql
from sqlalchemy import Engine
from typing_extensions import override

from benchmarks.fleet import flushing_cluster
from chukan.demo.residents import LOCAL_TAX, Resident, right_file
from chukan.platform.clock import FixedClock, SystemClock, as_tokyo, monotonic
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import TenantId
from chukan.platform.settings import EmbeddedSettings, NetworkSettings, Settings, VaultSettings
from chukan.platform.settings.model import GatewaySettings, LogSettings
from chukan.tenants.middleserver.connections.rules import Allowed
from chukan.tenants.middleserver.connections.service import Application, Systems
from chukan.tenants.middleserver.duplicate_copies.rules import FileForm
from chukan.tenants.middleserver.formats.codes import DepartmentCode, SystemId, address_number
from chukan.tenants.middleserver.linkage_codes.acquisition import Acquisition, Caller
from chukan.tenants.middleserver.security.certificates.rules import KeyUse
from chukan.tenants.middleserver.security.certificates.service import Certificates
from chukan.tenants.middleserver.security.masters.in_force import MastersInForce
from chukan.tenants.middleserver.security.masters.rules import Catalogue, OrganisationKind, Permission
from chukan.tenants.middleserver.security.masters.rules import Organisation as Listed
from chukan.tenants.middleserver.security.masters.service import Distribution, Masters
from chukan.tenants.middleserver.transmission.desk import connect
from chukan_simulators.national_network.client import RunningNetwork, running_network
from support import copies as copy_support
from support.database import Database, fresh_database
from support.gateway import DEPARTMENT, SYSTEM, Authority, Card
from support.security import Place
from support.vault import Safe, file_safe

CONFIG = Path(__file__).parents[2] / "config"
TESTS = Path(__file__).parents[1]
PROGRAM = "from benchmarks.exchange_programs import main; main()"
ROLES = ("gateway", "relay", "pace")
PEOPLE = 10
PACKAGES = 12
#: How long a counter waits, in seconds.
WAIT = 30
SINGLE, LIST = "IF_SKI_10712_R01", "IF_SKI_10723_R01"
_QUICK = ("--business-day-seconds", "0.01", "--redelivery-seconds", "0.5", "--redelivery-longest-seconds", "2")
_SECONDS = 120
_NAMED = frozenset({"112101", "131130"})
#: As shipped: each process keeps connections to all organisations that are measured.
_CONNECTIONS = EmbeddedSettings().max_connections


@dataclass(frozen=True)
class Town:
    """An organisation that asks and is asked."""

    tenant: TenantId
    institution: str
    schema: str
    #: Its system's certificate with the key (PEM).
    card: Path


@dataclass(frozen=True)
class Worked:
    """Processor time of each part so far, in seconds."""

    seconds: Mapping[str, float]

    def since(self, before: Worked) -> Mapping[str, float]:
        """Return how much each part has worked since *before*."""
        return {name: found - before.seconds[name] for name, found in self.seconds.items()}


@dataclass
class Exchange:
    """The organisations, and what they are asked to do."""

    place: Place
    settings: Settings
    network: RunningNetwork
    towns: Sequence[Town]
    permission: Permission
    programs: Mapping[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        """Where all of it is kept."""
        return self.place.database

    def inquiry(self, place: int, person: int, among: int) -> str:
        """Return the element by which the organisation of *place* asks the one after it for a person."""
        provider = self.towns[(place + 1) % among].institution
        permitted = self.permission
        return (
            f"<Inquiry><IntegratedAddressNumber>{person:015d}</IntegratedAddressNumber>"
            f"<SpecificPersonalInformationCode>{LOCAL_TAX}</SpecificPersonalInformationCode>"
            f"<Affair>{permitted.affair}</Affair><Procedure>{permitted.procedure}</Procedure>"
            f"<Condition><Kind>0</Kind></Condition><ProviderInstitution>{provider}</ProviderInstitution></Inquiry>"
        )

    def request_codes(self, town: Town) -> None:
        """Have the network told who lives in *town*, and ask it for their codes."""
        acquisition = Acquisition(self.place.sessions, self.place.vault)
        people = {address_number(f"{each:015d}"): _record_code(each) for each in range(1, PEOPLE + 1)}
        told = acquisition.request(
            Caller(town.tenant, "system:bench", "bench"), town.institution, list(people), now=SystemClock().now()
        )  # fmt: skip
        self.network.register(
            [
                {"ResidentRecordCode": people[person], "ProcessingSerial": serial, "InstitutionCode": town.institution}
                for person, serial in told.serials.items()
            ]
        )

    def ask_one(self, place: int, person: int, among: int) -> float | None:
        """Ask as a counter does; return after how many seconds the answer was there, None if not within the wait."""
        wish = self.inquiry(place, person, among)
        begun = monotonic()
        told = self._asked(place, SINGLE, f"<SingleInquiryRequest>{_head(SINGLE)}{wish}</SingleInquiryRequest>")
        took = monotonic() - begun
        return took if told.findtext("State") == "answered" else None

    def ask_many(self, place: int, rows: int, among: int) -> None:
        """Register a list of so many inquiries."""
        wishes = "".join(self.inquiry(place, 1 + row % PEOPLE, among) for row in range(rows))
        self._asked(place, LIST, f"<InquiryListRequest>{_head(LIST)}{wishes}</InquiryListRequest>")

    def answered(self) -> int:
        """Return how many inquiries have been answered so far, at all organisations."""
        return self._count("select count(*) as found from {}.inquiry where state = 'answered'")

    def people_with_codes(self) -> int:
        """Return how many linkage codes there are, of all organisations."""
        return self._count("select count(*) as found from {}.linkage_code")

    def sizes(self) -> Mapping[str, float]:
        """Return the mean size in bytes of the messages of each type, signed, as the first organisations kept them."""
        query = sql.SQL(
            "select type, avg(octet_length(message)) from {schema}.outbox where message is not null group by type"
            " union all select type, avg(octet_length(message)) from {schema}.inbox group by type"
        )
        with self.database.superuser() as superuser:
            return {
                kind: float(size)
                for town in self.towns[:2]
                for kind, size in superuser.execute(query.format(schema=sql.Identifier(town.schema)))
            }

    def transactions(self) -> int:
        """Return how many transactions the database has ended so far."""
        with self.database.superuser() as superuser:
            row = superuser.execute(
                "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()"
            ).fetchone()
        return int(row[0]) if row else 0

    def worked(self) -> Worked:
        """Return how much each part has worked so far."""
        children = _children()
        found = {name: _tree(program.pid, children) for name, program in self.programs.items()}
        found["network"] = _tree(self.network.process.pid, children)
        found["database"] = _tree(self.database.cluster.server_pid() or 0, children)
        return Worked(found)

    def _count(self, query: str) -> int:
        each = [sql.SQL(query).format(sql.Identifier(town.schema)) for town in self.towns]
        together = sql.SQL("select sum(found) from ({}) as every").format(sql.SQL(" union all ").join(each))
        with self.database.superuser() as superuser:
            row = superuser.execute(together).fetchone()
        return int(row[0]) if row else 0

    def _asked(self, place: int, kind: str, body: str) -> etree._Element:
        context = ssl.create_default_context(cafile=str(self.network.ca))
        context.load_cert_chain(self.towns[place].card)
        asked = http.client.HTTPSConnection(
            "localhost", self.settings.gateway.port, timeout=_SECONDS, context=context
        )  # fmt: skip
        try:
            asked.request("POST", f"/if/{kind}", body.encode(), {"Content-Type": "application/xml"})
            answer = asked.getresponse()
            content = answer.read()
        finally:
            asked.close()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{answer.status} {content[:500].decode('utf-8', 'replace')}")
        return etree.fromstring(content)


class _Frugal(Database):
    """A database with one engine for each process: hundreds of organisations are made through it."""

    @override
    def engine(self, kind: ProcessKind) -> Engine:
        known: dict[ProcessKind, Engine] = self.__dict__.setdefault("known", {})
        if kind not in known:
            known[kind] = super().engine(kind)
        return known[kind]


@contextmanager
def exchange(count: int) -> Iterator[Exchange]:
    """Lend an exchange of *count* organisations, all of whose parts run."""
    with ExitStack() as stack:
        running = stack.enter_context(flushing_cluster(max_connections=_CONNECTIONS))
        made_for = stack.enter_context(fresh_database(*running))
        database = _Frugal(made_for.cluster, made_for.settings)
        stack.callback(database.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chukan-bench-")))
        arguments = (*_QUICK, "--config", str(_config(folder, count)), "--publish", str(PACKAGES))
        network = stack.enter_context(running_network(folder / "network", *arguments))
        clients, safe = Authority("Clients", now=SystemClock().now()), file_safe(database, folder)
        settings = _settings(safe, folder, network, clients)
        made = _Builder(safe, settings, network, clients, folder).built(count)
        made.programs = {role: stack.enter_context(_program(role, settings)) for role in ROLES}
        wait(lambda: _listens(settings.gateway.port), "the gateway listens", seconds=30)
        network.ask("POST", "/platform", {"url": f"https://localhost:{settings.gateway.port}"})
        for town in made.towns:
            made.request_codes(town)
        wait(lambda: made.people_with_codes() == count * PEOPLE, "everybody has codes", seconds=_SECONDS + 3 * count)
        made.place.sessions.close()
        yield made
        network.ask("POST", "/platform", {"url": ""})


def wait(condition: Callable[[], bool], what: str, *, seconds: float = _SECONDS) -> None:
    """Return as soon as *condition* holds.

    Raises:
        TimeoutError: it did not within so many *seconds*.
    """
    end, pause = monotonic() + seconds, threading.Event()
    while not condition():
        if monotonic() > end:
            raise TimeoutError(what)
        pause.wait(0.1)


# -- making it -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Builder:
    """Makes organisations as provisioning, registration and the exchange of masters leave them."""

    safe: Safe
    settings: Settings
    network: RunningNetwork
    clients: Authority
    folder: Path

    def built(self, count: int) -> Exchange:
        place = Place(self.safe)
        with connect(self.settings, place.sessions) as peers:
            masters = Masters(place.actor.engine)
            Distribution(place.actor, masters, peers.keys).pull(peers.source, now=SystemClock().now())
            catalogue = masters.package(PACKAGES)
            listed = [each for each in catalogue.organisations if each.kind is OrganisationKind.MUNICIPALITY][:count]
            tenants = [place.tenant() for _ in listed]
            Distribution(place.actor, masters).apply(tenants)
            certificates = Certificates(
                place.sessions, place.vault, peers.issuer, peers.in_flight, actor="system:bench", request="bench"
            )  # fmt: skip
            towns = []
            for tenant, each in zip(tenants, listed, strict=True):
                for use in KeyUse:
                    kid = certificates.request(tenant, each.institution_code, use, now=SystemClock().now())
                    certificates.activate(tenant, kid, now=SystemClock().now())
                self._register(place, tenant, each)
                self._give_copies(place, tenant, each, catalogue)
                towns.append(self._town(tenant, each))
        return Exchange(place, self.settings, self.network, towns, _permission(catalogue))

    def _register(self, place: Place, tenant: TenantId, listed: Listed) -> None:
        """Let the gate know the organisation, and the vault its log-in."""
        with self.safe.database.superuser() as superuser:
            superuser.execute(
                "insert into platform.organisation (code, kind, prefecture, name, kana, search_key, invented, tenant,"
                " state, state_since) values (%s, 'city', '13', %s, 'シ', 'x', true, %s, 'active', now())",
                (listed.organisation_code, listed.name, tenant),
            )
        with self.safe.database.engine(ProcessKind.PROVISIONER).begin() as connection:
            credentials = self.safe.credentials(place.vault, ProcessKind.PROVISIONER)
            credentials.store(driver(connection), tenant, self.safe.database.credentials.password(tenant))

    def _give_copies(self, place: Place, tenant: TenantId, listed: Listed, catalogue: Catalogue) -> None:
        now = SystemClock().now()
        everyone = [Resident(each, f"{each:015d}", _record_code(each)) for each in range(1, PEOPLE + 1)]
        code = listed.organisation_code or ""
        file = right_file(catalogue, code, everyone, FileForm.CSV, as_tokyo(now).date())
        copies = copy_support.Organisation(self.safe, tenant, place.sessions, place.vault, FixedClock(now))
        copies.masters = MastersInForce(place.actor.engine)  # type: ignore[assignment]  # the real ones
        copies.send(file.content, file.records)
        (report,) = copies.register().files
        if report.registered != PEOPLE:
            raise RuntimeError(copies.report(report.upload))

    def _town(self, tenant: TenantId, listed: Listed) -> Town:
        card = self.clients.issue(f"system-{listed.institution_code}", days=3650)
        application = Application(tenant, DepartmentCode(DEPARTMENT), SystemId(SYSTEM), frozenset(Allowed))
        Systems(self.safe.actor()).register(card.pem, application, file="client.pem", now=SystemClock().now())
        with self.safe.database.superuser() as superuser:
            row = superuser.execute("select schema from platform.tenant where id = %s", (tenant,)).fetchone()
        schema = str(row[0]) if row else ""
        return Town(tenant, listed.institution_code, schema, card.written(self.folder, f"card-{schema}"))


def _permission(catalogue: Catalogue) -> Permission:
    kind = OrganisationKind.MUNICIPALITY
    return next(
        each
        for each in catalogue.permissions
        if (each.inquirer.kind, each.provider.kind, each.information) == (kind, kind, LOCAL_TAX)
    )


def _config(folder: Path, count: int) -> Path:
    """Return configuration whose masters name so many cities, and no more."""
    config = folder / "config"
    config.mkdir()
    for name in ("protocols", "masters"):
        (config / name).symlink_to(CONFIG / name)
    header, *rows = (CONFIG / "organisations.csv").read_text("utf-8").splitlines(keepends=True)
    # The shipped masters permit something to two municipalities by name, so those are always there.
    cities = [row for row in rows if row.split(",")[0] in _NAMED or row.split(",")[1] == "city"]
    cities = sorted(cities, key=lambda row: row.split(",")[0] not in _NAMED)[: max(count, len(_NAMED))]
    (config / "organisations.csv").write_text("".join([header, *cities]), "utf-8")
    return config


def _settings(safe: Safe, folder: Path, network: RunningNetwork, clients: Authority) -> Settings:
    database = safe.database
    (folder / "clients.pem").write_bytes(Card(clients.certificate, clients.key).pem)
    own = database.settings.model_copy(
        update={
            "url": f"postgresql:///{database.settings.name}?host={database.cluster.sockets}",
            "embedded": EmbeddedSettings(),
        }
    )
    return Settings(
        database=own,
        vault=VaultSettings(key_file=safe.key_file),
        network=NetworkSettings(
            url=network.url, ca_file=network.ca, client_certificate_file=network.platform, max_attempts=4
        ),
        gateway=GatewaySettings(
            port=_free_port(), probe_port=_free_port(), certificate_file=network.platform,
            private_key_file=network.platform, client_ca_file=folder / "clients.pem",
            runtime_directory=folder / "gateway", inquiry_wait_seconds=WAIT,
        ),
        logs=LogSettings(directory=folder / "logs"),
    )  # fmt: skip


@contextmanager
def _program(role: str, settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of the exchange's processes for the block."""
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, role, settings.model_dump_json()], env={**os.environ, "PYTHONPATH": path}
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(_SECONDS)


def _free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _listens(port: int) -> bool:
    with closing(socket.socket()) as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def _head(kind: str) -> str:
    return (
        f"<MessageHeader><MSGID>{uuid4()}</MSGID><MSGTypeID>{kind}</MSGTypeID><MSGMode>0</MSGMode>"
        f"<SourceSystemID>{SYSTEM}</SourceSystemID><DestinationSystemID>B000000001</DestinationSystemID>"
        f"</MessageHeader><RequestSourceUnitCode>{DEPARTMENT}</RequestSourceUnitCode>"
        "<RequestSourceUserID>user01</RequestSourceUserID>"
    )


def _record_code(person: int) -> str:
    return f"9{person:010d}"


# -- processor time ------------------------------------------------------------------------------------


def _children() -> Mapping[int, Sequence[int]]:
    """Return the processes that live, by their parents."""
    found: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (told := _stat(int(entry.name))):
            found.setdefault(int(told[1]), []).append(int(entry.name))
    return found


def _tree(pid: int, children: Mapping[int, Sequence[int]]) -> float:
    """Return the seconds of processor time of *pid* and all below it, those that ended among them."""
    told = _stat(pid)
    own = sum(map(int, told[11:15])) / os.sysconf("SC_CLK_TCK") if told else 0.0
    return own + sum(_tree(child, children) for child in children.get(pid, ()))


def _stat(pid: int) -> Sequence[str]:
    """Return the fields of a process behind its name, state first; nothing if it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return ()
