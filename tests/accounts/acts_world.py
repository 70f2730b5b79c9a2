"""An installation at work: what the commands of ``acts.py`` work on, and what came of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import count
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.json import Json

from accounts.acts_middleserver import MiddleServer
from chukan.platform.accounts.actor import token_file
from chukan.platform.accounts.rules import Role, SessionKind
from chukan.platform.audit.actor import Actor
from chukan.platform.audit.sealer import Sealer
from chukan.platform.audit.sink import FileSink
from chukan.platform.clock import SystemClock
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import PLATFORM, TenantId
from chukan.platform.mail.service import take_report
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.outages.rules import Outage
from chukan.platform.service_hours.outages.rules import Span as OutageSpan
from chukan.platform.service_hours.outages.service import PlannedOutages
from chukan.platform.service_hours.services import Service
from chukan.platform.settings import EmbeddedSettings, Settings, VaultSettings
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

DAY = date(2026, 7, 1)


@dataclass
class World:
    """An installation at work: operators of every role, and what the rows' commands work on."""

    safe: Safe
    mail_server: RunningMailServer
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
        self.mail = MailOffice(self.database, self.mail_server)
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
        self.mail_server.order("unknown_recipient")
        self.mail.queue()
        self.mail.run()
        self.mail_server.recover()
        return str(self.mail.mails()[-1].id)

    def report(self, recipient: str) -> bytes:
        """Return the report on a mail that came back."""
        self.mail_server.order("returned")
        self.mail.queue(recipient)
        self.mail.run()
        self.mail_server.recover()
        return self.mail_server.reports()[-1]

    def marked(self) -> str:
        """Return a recipient who is marked as undeliverable."""
        recipient = f"somebody{self.number()}@city.example.lg.jp"
        take_report(self.mail.actor, self.report(recipient))
        return recipient

    def queued(self) -> None:
        self.mail.queue()

    def tenant(self) -> TenantId:
        """Make a tenant with keys and log-in."""
        with provisioner(self.settings, actor="system:test") as desk:
            return desk.provision(render(None, head())).tenant

    @cached_property
    def _rotated(self) -> TenantId:
        return self.tenant()

    def settled_tenant(self) -> TenantId:
        """Return a tenant whose data key was rotated long ago: the next rotation has not to wait for the last one."""
        settle = "update platform.data_key set state = 'retired' where owner = %s and state = 'retiring'"
        self.superuser.execute(settle, (self._rotated,))
        return self._rotated

    @cached_property
    def server(self) -> MiddleServer:
        """What the middle server's commands work on; rows of other areas do without it."""
        return MiddleServer(
            self.safe, self.superuser, self.settings, self.home, self.city(), self.tenant(), self.number
        )

    @cached_property
    def superuser(self) -> psycopg.Connection:
        """One connection for all questions: plans and catalogue are kept, which is most of what they cost."""
        return self.database.superuser()

    def close(self) -> None:
        if "server" in self.__dict__:
            self.server.close()
        self.superuser.close()

    def old_schema(self) -> None:
        """Make a tenant that is at the first revision and in no group."""
        provisioned(self.database, render(None, revisions()[0][0]))

    def without_platform_keys(self) -> None:
        """Let the platform's own keys be missing, as in a new installation; nobody has to log in any more."""
        self.superuser.execute("delete from platform.data_key where owner = %s", (PLATFORM,))

    # -- what came of it --------------------------------------------------------------------------

    def ends(self) -> Json:
        """Return the newest place of every chain."""
        rows = self.superuser.execute("select chain, max(seq) from platform.audit_entry group by chain")
        return Json({str(chain): seq for chain, seq in rows})

    def since(self, ends: Json) -> list[tuple[str, str, str]]:
        """Return actor, action and outcome of every entry after *ends*, in the order of each chain."""
        rows = self.superuser.execute(
            "select body::jsonb ->> 'actor', body::jsonb ->> 'action', body::jsonb ->> 'outcome'"
            " from platform.audit_entry where seq > coalesce((%s::jsonb ->> chain::text)::bigint, -1)"
            " order by chain, seq",
            (ends,),
        )
        return [(actor, action, outcome) for actor, action, outcome in rows]

    def everything(self) -> Mapping[str, object]:
        """Return all that a command could have changed but the trail: tables, keys, seals, and mail that left."""
        # A table without a page is empty: most of them are, and looking at each of them took most of the time.
        tables = self.superuser.execute(
            "select schemaname, tablename from pg_tables"
            " where schemaname not in ('pg_catalog', 'information_schema')"
            " and tablename not in ('audit_entry', 'audit_chain')"
            " and pg_relation_size(format('%I.%I', schemaname, tablename)::regclass) > 0 order by 1, 2"
        ).fetchall()
        digests = self.superuser.execute(_digests(tuple(tables)), prepare=True)
        found: dict[str, object] = {name: digest for name, digest in digests if digest is not None}
        files = [self.safe.key_file, *self.sink.directory.rglob("*")]
        found |= {str(path): path.read_bytes() for path in files if path.is_file()}
        return found | {"mails": len(self.mail_server.mails())}


@lru_cache(maxsize=4)
def _digests(tables: tuple[tuple[str, str], ...]) -> sql.Composed:
    """Return the query for name and digest of each of *tables* (schema, table); an empty one has none."""
    # Hashed as they are stored: written out as text, the packages of masters alone would take longer than the rest.
    each = sql.SQL("select {}, sum(hash_record_extended(t, 0)) from {} t")
    return sql.SQL(" union all ").join(
        each.format(sql.Literal(f"{schema}.{table}"), sql.Identifier(schema, table)) for schema, table in tables
    )
