"""Every command that asks who acts, with what makes it succeed: the table of ``test_acting.py``.

The rows prepare what their command works on themselves, so that each can be run again and again on one database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

from psycopg import sql

from chukan.platform.accounts.actor import token_file
from chukan.platform.accounts.rules import Role, SessionKind
from chukan.platform.audit.actor import Actor
from chukan.platform.audit.sealer import Sealer
from chukan.platform.audit.sink import FileSink
from chukan.platform.clock import SystemClock
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import PLATFORM
from chukan.platform.mail.service import take_report
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.outages.rules import Outage
from chukan.platform.service_hours.outages.rules import Span as OutageSpan
from chukan.platform.service_hours.outages.service import PlannedOutages
from chukan.platform.service_hours.services import Service
from chukan.platform.settings import EmbeddedSettings, Settings, VaultSettings
from chukan.platform.vault.rules import KeyUse
from chukan.platform.vault.signing import VaultSigner
from chukan.tenants.provisioning.desk import provisioner
from chukan.tenants.registry.delegations.rules import End, Extent
from chukan.tenants.registry.delegations.service import Delegations
from chukan.tenants.registry.organisations_file import shipped
from chukan.tenants.registry.people.catalogue import matrices
from chukan.tenants.registry.people.rules import Role as Duty
from chukan.tenants.registry.people.service import People
from chukan.tenants.registry.rules import Span
from chukan.tenants.registry.service import Registry
from chukan.tenants.registry.unions import UnionApplication, add_union
from chukan.tenants.registry.values import Department, Kind
from chukan.tenants.releases.rendering import head, render, revisions
from chukan_simulators.mail_server.client import RunningMailServer
from mail.office import Office as MailOffice
from support.accounts import Office
from support.database import Database
from support.tenants import provisioned
from support.vault import NOW, Safe

AFFAIR = "JM01000000121000"
DAY = date(2026, 7, 1)
REACH = ("--email", "someone@city.example.lg.jp", "--telephone", "011-000-0000")


@dataclass
class World:
    """An installation at work: operators of every role, and what the rows' commands work on."""

    safe: Safe
    server: RunningMailServer
    home: Path
    tokens: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        database = self.database.settings
        url = f"postgresql:///{database.name}?host={self.database.cluster.sockets}"
        own = database.model_copy(update={"url": url, "embedded": EmbeddedSettings()})
        self.settings = Settings(database=own, vault=VaultSettings(key_file=self.safe.key_file))
        self.sink = FileSink(self.home / "seals")
        self.mail = MailOffice(self.database, self.server)
        self.registry_actor = Actor(self.database.engine(ProcessKind.CONSOLE), "system:test", "test")
        self.registry = Registry(self.registry_actor)
        self.people = People(self.registry_actor, matrices())
        self._lines = iter([line for line in shipped().decode().splitlines()[1:] if ",prefecture," not in line])
        self._write_settings()
        self._let_operators_in()
        self.seal()

    @property
    def database(self) -> Database:
        return self.safe.database

    def _write_settings(self) -> None:
        """Write what the program reads: the same settings, in a file of the operator's."""
        mail = self.mail.settings.mail
        lines = [
            *("[database]", f'url = "{self.settings.database.url}"'),
            f'secrets_directory = "{self.settings.database.secrets_directory}"',
            *("[vault]", f'key_file = "{self.safe.key_file}"'),
            *("[audit]", f'sink_directory = "{self.sink.directory}"'),
            *("[logs]", f'directory = "{self.home / "logs"}"'),
            *("[mail]", f'host = "{mail.host}"', f"port = {mail.port}", f'security = "{mail.security}"'),
            *(f'sender_address = "{mail.sender_address}"', f'bounce_address = "{mail.bounce_address}"'),
        ]
        (self.home / "config").mkdir()
        (self.home / "config" / "own.toml").write_text("\n".join(lines), "utf-8")

    def _let_operators_in(self) -> None:
        office = Office(self.safe, now=SystemClock().now())
        for name, roles in {**{role.value: [role] for role in Role}, "nobody": [], "gone": [Role.SECURITY]}.items():
            member = office.member(name, *roles)
            self.tokens[name] = office.let_in(member, kind=SessionKind.COMMAND_LINE).token
            self.names[name] = f"operator:{member.account}"
        office.operators().revoke_sessions("gone", now=office.now)

    def log_in(self, name: str | None) -> None:
        """Let whoever types commands be this operator, or nobody."""
        file = token_file(self.settings)
        file.remove()
        if name is not None:
            file.write(self.tokens[name])

    def seal(self) -> None:
        """Seal what was recorded, so that the seal folder has its public keys."""
        Sealer(self.database.engine(ProcessKind.SCHEDULER), self.sink, VaultSigner(self.safe.provider)).seal()

    def number(self) -> int:
        return next(self._numbers)

    def path(self, name: str, content: bytes | None = None) -> str:
        """Return a new path, of a file with *content* if there is any."""
        path = self.home / f"{self.number()}-{name}"
        if content is not None:
            path.write_bytes(content)
        return str(path)

    # -- what the commands work on ----------------------------------------------------------------

    def line(self) -> str:
        """Return the line of a municipality that is not registered yet, as the file of organisations has it."""
        return next(self._lines)

    def city(self) -> str:
        """Register a municipality and return its code."""
        line = self.line()
        head_line = shipped().decode().splitlines()[0]
        self.registry.import_organisations(f"{head_line}\n{line}\n".encode(), "one.csv", now=NOW)
        return line.split(",", 1)[0]

    def union(self) -> str:
        """Register a union of two municipalities and return its id."""
        name, members = f"架空第{self.number()}組合", (self.city(), self.city())
        application = UnionApplication(name, "かくう", Kind.WIDE_AREA_UNION, "01", members)
        return str(add_union(self.registry_actor, application, now=NOW).id)

    def contact(self, organisation: str) -> UUID:
        told = {"name": "架空 花子", "email": "hanako@city.example.lg.jp", "telephone": "011-000-0000"}
        return self.people.add_contact(organisation, Department.EXECUTIVE, now=NOW, **told).id

    def duty(self) -> str:
        """Let somebody hold a role and return the id of that."""
        return str(self.people.appoint(self.contact(self.city()), Duty.SYSTEM_ADMIN, since=date(2026, 4, 1)).id)

    def handover(self) -> str:
        """Let somebody leave and return the id of the hand-over."""
        duty = UUID(self.duty())
        return str(self.people.open_change(duty, effective_on=DAY, successor=None, leaves=True, now=NOW).change.id)

    def declaration(self) -> str:
        city = self.city()
        made = Delegations(self.registry_actor).declare(
            (city, Department.EXECUTIVE),
            (city, Department.BOARD_OF_EDUCATION),
            by=End.DELEGATOR,
            extent=Extent.FULL,
            affairs=(),
            span=Span(date(2026, 4, 1), None),
            now=NOW,
        )
        return str(made.id)

    def night(self) -> tuple[datetime, datetime]:
        """Return three hours to come that nothing is planned for; commands go by the real clock."""
        start = SystemClock().now() + timedelta(days=self.number())
        return start, start + timedelta(hours=3)

    def outage(self) -> str:
        engine = self.database.engine(ProcessKind.CONSOLE)
        outages = PlannedOutages(engine, shipped_schedule().outages, actor="system:test", request="test")
        wanted = Outage(OutageSpan(*self.night()), frozenset({Service.SYSTEM}))
        return str(outages.plan(wanted, now=SystemClock().now()).id)

    def bounced(self) -> str:
        """Return the id of a mail that its server refused."""
        self.server.order("unknown_recipient")
        self.mail.queue()
        self.mail.run()
        self.server.recover()
        return str(self.mail.mails()[-1].id)

    def report(self, recipient: str) -> bytes:
        """Return the report on a mail that came back."""
        self.server.order("returned")
        self.mail.queue(recipient)
        self.mail.run()
        self.server.recover()
        return self.server.reports()[-1]

    def marked(self) -> str:
        """Return a recipient who is marked as undeliverable."""
        recipient = f"somebody{self.number()}@city.example.lg.jp"
        take_report(self.mail.actor, self.report(recipient))
        return recipient

    def queued(self) -> None:
        self.mail.queue()

    def tenant(self) -> str:
        with provisioner(self.settings, actor="system:test") as desk:
            return str(desk.provision(render(None, head())).tenant)

    def old_schema(self) -> None:
        """Make a tenant that is at the first revision and in no group."""
        provisioned(self.database, render(None, revisions()[0][0]))

    def without_platform_keys(self) -> None:
        """Let the platform's own keys be missing, as in a new installation; nobody has to log in any more."""
        with self.database.superuser() as superuser:
            superuser.execute("delete from platform.data_key where owner = %s", (PLATFORM,))

    # -- what came of it --------------------------------------------------------------------------

    def trail(self) -> dict[tuple[UUID, int], tuple[str, str, str]]:
        """Return actor, action and outcome of every entry of every chain."""
        with self.database.superuser() as superuser:
            rows = superuser.execute(
                "select chain, seq, body::jsonb ->> 'actor', body::jsonb ->> 'action', body::jsonb ->> 'outcome'"
                " from platform.audit_entry"
            )
            return {(chain, seq): (actor, action, outcome) for chain, seq, actor, action, outcome in rows}

    def everything(self) -> Mapping[str, object]:
        """Return all that a command could have changed but the trail: tables, keys, seals, and mail that left."""
        with self.database.superuser() as superuser:
            tables = superuser.execute(
                "select schemaname, tablename from pg_tables"
                " where schemaname not in ('pg_catalog', 'information_schema')"
                " and tablename not in ('audit_entry', 'audit_chain') order by 1, 2"
            ).fetchall()
            each = sql.SQL("select {}, md5(string_agg(md5(t::text), '' order by md5(t::text))) from {} t")
            query = sql.SQL(" union all ").join(
                each.format(sql.Literal(f"{schema}.{table}"), sql.Identifier(schema, table)) for schema, table in tables
            )
            found: dict[str, object] = dict(superuser.execute(query).fetchall())
        files = [self.safe.key_file, *self.sink.directory.rglob("*")]
        found |= {str(path): path.read_bytes() for path in files if path.is_file()}
        return found | {"mails": len(self.server.mails())}


@dataclass(frozen=True)
class Row:
    """A command: its words, given the world in which it can succeed; and what it records, if anything."""

    words: Callable[[World], Sequence[object]] = lambda _world: ()
    records: str | None = None


def _after(prepare: Callable[[World], object], *words: str) -> Callable[[World], Sequence[object]]:
    def arguments(world: World) -> Sequence[object]:
        prepare(world)
        return words

    return arguments


def _add_outage(world: World) -> Sequence[object]:
    start, end = world.night()
    return ("--start", start.isoformat(), "--end", end.isoformat())


def _import(world: World) -> Sequence[object]:
    head_line = shipped().decode().splitlines()[0]
    return (world.path("organisations.csv", f"{head_line}\n{world.line()}\n".encode()),)


def _population(world: World) -> Sequence[object]:
    file = world.path("population.csv", f"code,population\n{world.city()},100\n".encode())
    return (file, "--as-of", "2026-01-01", "--source", "register")


def _bounce(world: World) -> Sequence[object]:
    return (world.path("report", world.report(f"somebody{world.number()}@city.example.lg.jp")),)


def _declare(world: World) -> Sequence[object]:
    city = world.city()
    board = ("--delegate-department", "board_of_education")
    return (city, city, *board, "--by", "delegator", "--since", "2026-04-01")


def _who(world: World) -> Sequence[object]:
    return (world.city(), AFFAIR)


def _old_key(world: World) -> Sequence[object]:
    """Return a wrapping key that wraps nothing; another one has followed it."""
    unused, _current = (world.safe.provider.create(KeyUse.WRAPPING, now=SystemClock().now()) for _ in range(2))
    return (unused,)


ROWS: Mapping[str, Row] = MappingProxyType(
    {
        "audit seal": Row(),
        "audit refill-sink": Row(records="audit:sink:refill"),
        "audit verify": Row(),
        "audit list": Row(),
        "audit export": Row(lambda world: ("platform", "--output", world.path("evidence"))),
        "jobs list": Row(),
        "jobs history": Row(),
        "jobs run": Row(lambda _world: ("audit-seal",), "jobs:run:request"),
        "mail list": Row(),
        "mail retry": Row(lambda world: (world.bounced(),), "mail:outbox:retry"),
        "mail relay": Row(_after(World.queued), "mail:outbox:relay"),
        "mail bounce": Row(_bounce, "mail:report:take"),
        "mail recipients": Row(),
        "mail recipients --lift": Row(lambda world: (world.marked(),), "mail:recipient:lift_mark"),
        "mail test": Row(lambda _world: ("somebody@city.example.lg.jp",), "mail:outbox:test"),
        "organisations add-union": Row(
            lambda world: (
                *(f"架空第{world.number()}組合", "--kana", "かくう", "--kind", "wide_area_union", "--prefecture", "1"),
                *("--member", world.city(), "--member", world.city()),
            ),
            "registry:union:add",
        ),
        "organisations adopt": Row(lambda world: (world.city(), "IF_SKI_10734_S01"), "registry:interface:adopt"),
        "organisations appoint": Row(
            lambda world: (world.contact(world.city()), "system_admin", "--since", "2026-04-01"),
            "registry:role:appoint",
        ),
        "organisations contact add": Row(
            lambda world: (world.city(), "--name", "架空 花子", *REACH), "registry:contact:add"
        ),
        "organisations delegation check": Row(),
        "organisations delegation declare": Row(_declare, "registry:delegation:declare"),
        "organisations delegation end": Row(
            lambda world: (world.declaration(), "--until", "2027-01-01"), "registry:delegation:end"
        ),
        "organisations delegation list": Row(),
        "organisations delegation who": Row(_who),
        "organisations handover open": Row(
            lambda world: (world.duty(), "--on", DAY, "--leaves"), "registry:handover:open"
        ),
        "organisations handover done": Row(
            lambda world: (world.handover(), "system_admin_account"), "registry:handover:finish_task"
        ),
        "organisations handover close-accounts": Row(
            lambda world: (world.handover(),), "registry:handover:close_accounts"
        ),
        "organisations handover cancel": Row(lambda world: (world.handover(),), "registry:handover:cancel"),
        "organisations handover list": Row(),
        "organisations import": Row(_import, "registry:organisation:import"),
        "organisations list": Row(),
        "organisations members": Row(
            lambda world: (world.union(), "--join", world.city(), "--on", "2027-01-01"), "registry:union:change_members"
        ),
        "organisations merge": Row(
            lambda world: (world.city(), "--into", world.city(), "--on", DAY), "registry:organisation:merge"
        ),
        "organisations population": Row(_population, "registry:population:import"),
        "organisations set": Row(lambda world: (world.city(), "--group", "2"), "registry:organisation:change"),
        "organisations show": Row(lambda world: (world.city(),)),
        "organisations split": Row(
            lambda world: (world.city(), "--into", world.city(), "--on", DAY, "--stays"), "registry:organisation:divide"
        ),
        "releases apply": Row(_after(World.old_schema, "--group", "none"), "releases:schema:apply"),
        "releases status": Row(),
        "service-hours outage add": Row(_add_outage, "service_hours:outage:plan"),
        "service-hours outage cancel": Row(lambda world: (world.outage(),), "service_hours:outage:cancel"),
        "service-hours outage list": Row(),
        "vault init": Row(_after(World.without_platform_keys), "vault:data_key:create"),
        "vault status": Row(),
        "vault rotate-wrapping-key": Row(records="vault:provider_key:create"),
        "vault rotate-signing-key": Row(records="vault:provider_key:create"),
        "vault rotate-data-key": Row(lambda world: (world.tenant(),), "vault:data_key:rotate"),
        "vault destroy-wrapping-key": Row(_old_key, "vault:wrapping_key:destroy"),
    }
)
