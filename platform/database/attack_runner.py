"""Running the attack cases through the product's own sessions, against two scratch tenants.

Nothing of a real tenant is touched: the runner makes two tenants and a schema of shared tables, tries
every case as one of them, and removes all of it again, also when it is interrupted.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from chukan.platform.database.attack_carry_over import CARRY_OVER
from chukan.platform.database.attack_rules import DESIGN_RULES
from chukan.platform.database.attack_words import Attack, Expected, Reach
from chukan.platform.database.attacks import ATTEMPTS
from chukan.platform.database.engines import address, connect, process_engine
from chukan.platform.database.errors import DatabaseUnreachable
from chukan.platform.database.memory_credentials import MemoryCredentials
from chukan.platform.database.ports import CredentialSource
from chukan.platform.database.roles import ProcessKind, RoleNames
from chukan.platform.database.secrets import new_password, process_password
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.database.tenants import (
    Placement,
    TenantTable,
    as_owner,
    create_table,
    create_tenant,
    drop_tenant,
)
from chukan.platform.identifiers import new_opaque_name
from chukan.platform.messages import mark
from chukan.platform.settings import DatabaseSettings

#: The table of a tenant's that the cases aim at.
FACTS = TenantTable(
    "secret_fact",
    sql.SQL(
        "create table {table} (id uuid primary key default uuidv7(), "
        "number bigint generated always as identity, content text not null)"
    ),
)

#: Shared tables as the design wants them, for the cases that need some: keyed by tenant, filtered by log-in.
_SHARED = (
    sql.SQL("create schema {scratch}"),
    sql.SQL(
        "create table {scratch}.shared_fact (tenant text not null default current_user, key int not null, "
        "content text not null, primary key (tenant, key))"
    ),
    sql.SQL("alter table {scratch}.shared_fact enable row level security"),
    sql.SQL("create policy own_rows on {scratch}.shared_fact using (tenant = current_user)"),
    sql.SQL(
        "create view {scratch}.own_fact with (security_barrier, security_invoker) as "
        "select * from {scratch}.shared_fact where tenant = current_user"
    ),
    sql.SQL("create sequence {scratch}.shared_sequence"),
    sql.SQL("grant usage on schema {scratch} to {tenant_common}"),
    sql.SQL("grant select, insert on {scratch}.shared_fact, {scratch}.own_fact to {tenant_common}"),
    sql.SQL("insert into {scratch}.shared_fact (tenant, key, content) values ({other_role_text}, 1, {secret})"),
)


@dataclass(frozen=True)
class Outcome:
    """What came of one case: whether it reached its aim, and the SQLSTATE or finding that says so."""

    number: str
    title: str
    expected: Expected
    reached: bool
    found: str
    defence: str
    #: The refusal came with a SQLSTATE that the case does not know: the attempt itself may be broken.
    misfired: bool = False

    @property
    def as_expected(self) -> bool:
        """Whether the defence held (or the residual is as documented)."""
        return not self.misfired and self.reached == (self.expected is Expected.RESIDUAL)


@dataclass(frozen=True)
class Given:
    """Two tenants to play the cases on, which have the table ``FACTS`` and stay afterwards."""

    attacker: Placement
    victim: Placement
    credentials: CredentialSource


@dataclass(frozen=True)
class _Stage:
    """Everything that the cases are played on."""

    attacker: Placement
    victim: Placement
    secret: str
    sessions: TenantSessions
    auditor: Engine
    places: Mapping[str, sql.Composable]


def run_attacks(settings: DatabaseSettings, given: Given | None = None) -> Iterator[Outcome]:
    """Yield the outcome of every case, on scratch tenants that are gone afterwards, or on the *given* ones.

    Needs the secrets of the provisioner, the worker and the auditor.
    """
    with _stage(settings, given) as stage:
        for attack in ATTEMPTS:
            yield _attempt(stage, attack)
        for attack in CARRY_OVER:
            yield _carry_over(stage, attack)
        yield from _logins(settings, stage)
        for attack in DESIGN_RULES:
            with stage.auditor.connect() as connection:
                yield _judge(attack, *_try(connection, stage, attack.statements))


def _attempt(stage: _Stage, attack: Attack) -> Outcome:
    with stage.sessions.connection(stage.attacker.tenant) as connection:
        return _judge(attack, *_try(connection, stage, attack.statements), secret=stage.secret)


def _carry_over(stage: _Stage, attack: Attack) -> Outcome:
    """Leave something behind in one loan and look for it in the next one of the same backend."""
    if attack.probe is None:
        raise ValueError(f"the carry-over case {attack.number} has no probe")
    with stage.sessions.connection(stage.attacker.tenant) as connection:
        _, error = _try(connection, stage, attack.statements)
        connection.commit()
        backend = _backend(connection)
    if error is not None:
        return _outcome(attack, reached=False, found=mark("nothing could be left behind"), misfired=True)
    with stage.sessions.connection(stage.attacker.tenant) as connection:
        if _backend(connection) != backend:
            return _outcome(attack, reached=False, found=mark("the probe got another backend"), misfired=True)
        return _judge(attack, *_try(connection, stage, (attack.probe,)), secret=stage.secret)


def _logins(settings: DatabaseSettings, stage: _Stage) -> Iterator[Outcome]:
    """Case 89: log in as somebody else, with one's own password and with none."""
    names = RoleNames(settings.role_prefix)
    own = new_password()
    targets = (stage.victim.role, names.process(ProcessKind.WORKER), names.owner)
    for role in targets:
        for password in (own, ""):
            arguments = {**address(settings), "user": role, "password": password}
            try:
                connect(arguments).close()
            except DatabaseUnreachable as refused:
                reached, found = False, mark("no log-in")
                misfired = "password" not in refused.detail and "not permitted to log in" not in refused.detail
            else:
                reached, found, misfired = True, mark("logged in"), False
            title = (
                mark("log in as another with a wrong password") if password else mark("log in as another without one")
            )
            defence = mark("SCRAM for everybody")
            yield Outcome("89", title, Expected.REFUSED, reached, found, defence, misfired)


def _try(connection: Connection, stage: _Stage, statements: Sequence[sql.SQL]) -> tuple[Any, DBAPIError | None]:
    """Run the statements in one transaction; return the last one's first rows, or the error that came."""
    rows: Sequence[Any] | None = None
    try:
        for statement in statements:
            text = statement.format(**stage.places).as_string(None)
            result = connection.exec_driver_sql(text, execution_options={"no_parameters": True})
            rows = result.fetchmany(50) if result.returns_rows else None
    except DBAPIError as failure:
        connection.rollback()
        return None, failure
    return rows, None


def _judge(attack: Attack, rows: Any, error: DBAPIError | None, secret: str = "") -> Outcome:
    if error is not None:
        state = getattr(error.orig, "sqlstate", None) or mark("no SQLSTATE")
        if attack.reach is Reach.SECRET:
            leaked = secret in str(error.orig)
            return _outcome(attack, reached=leaked, found=mark("the secret in an error") if leaked else state)
        return _outcome(attack, reached=False, found=state, misfired=state not in attack.states)
    reached = {
        Reach.DONE: True,
        Reach.ROWS: any(row[0] not in (None, False) for row in rows or ()),
        Reach.SECRET: any(secret in str(value) for row in rows or () for value in row),
    }[attack.reach]
    return _outcome(attack, reached=reached, found=mark("reached") if reached else mark("nothing found"))


def _outcome(attack: Attack, *, reached: bool, found: str, misfired: bool = False) -> Outcome:
    return Outcome(attack.number, attack.title, attack.expected, reached, found, attack.defence, misfired)


def _backend(connection: Connection) -> int:
    return int(connection.exec_driver_sql("select pg_backend_pid()").scalar_one())


@contextmanager
def _stage(settings: DatabaseSettings, given: Given | None) -> Iterator[_Stage]:
    names = RoleNames(settings.role_prefix)
    secret = f"secret-{secrets.token_hex(8)}"
    with ExitStack() as stack:
        raw = stack.enter_context(_provisioner(settings))
        with raw.transaction():
            played = given or _scratch_tenants(raw, names, settings)
            places = _places(raw, names, played.attacker, played.victim)
            _shared_tables(raw, names, {**places, "secret": sql.Literal(secret)})
        scratch = () if given else (played.attacker, played.victim)
        stack.callback(_strike, raw, names, scratch, places["scratch"])
        worker, auditor = (_engine(stack, settings, kind) for kind in (ProcessKind.WORKER, ProcessKind.AUDITOR))
        # One connection a tenant, so that a probe meets the backend that something was left behind in.
        limits = settings.tenant_sessions.model_copy(update={"max_per_tenant": 1})
        sessions = TenantSessions(settings.model_copy(update={"tenant_sessions": limits}), worker, played.credentials)
        stack.callback(sessions.close)
        _plant(sessions, played.attacker, "own")
        _plant(sessions, played.victim, secret)
        yield _Stage(played.attacker, played.victim, secret, sessions, auditor, places)


def _provisioner(settings: DatabaseSettings) -> psycopg.Connection:
    kind = ProcessKind.PROVISIONER
    user = RoleNames(settings.role_prefix).process(kind)
    return connect({**address(settings), "user": user, "password": process_password(settings.secrets_directory, kind)})


def _engine(stack: ExitStack, settings: DatabaseSettings, kind: ProcessKind) -> Engine:
    engine = process_engine(settings, kind)
    stack.callback(engine.dispose)
    return engine


def _strike(raw: psycopg.Connection, names: RoleNames, tenants: Iterable[Placement], scratch: sql.Composable) -> None:
    """Take the stage down again."""
    raw.rollback()
    with raw.transaction():
        with as_owner(raw, names):
            raw.execute(sql.SQL("drop schema if exists {} cascade").format(scratch))
        for tenant in tenants:
            drop_tenant(raw, names, tenant)


def _scratch_tenants(raw: psycopg.Connection, names: RoleNames, settings: DatabaseSettings) -> Given:
    credentials = MemoryCredentials()
    made = []
    for _ in range(2):
        password = new_password()
        placement = create_tenant(raw, names, opaque=new_opaque_name(), password=password, cluster=settings.cluster)
        create_table(raw, names, placement, FACTS)
        credentials.remember(placement.tenant, password)
        made.append(placement)
    return Given(made[0], made[1], credentials)


def _shared_tables(raw: psycopg.Connection, names: RoleNames, places: Mapping[str, sql.Composable]) -> None:
    with as_owner(raw, names):
        for statement in _SHARED:
            raw.execute(statement.format(**places))


def _plant(sessions: TenantSessions, tenant: Placement, content: str) -> None:
    with sessions.begin(tenant.tenant) as connection:
        connection.exec_driver_sql("insert into secret_fact (content) values (%s)", (content,))


def _places(
    raw: psycopg.Connection, names: RoleNames, attacker: Placement, victim: Placement
) -> dict[str, sql.Composable]:
    superuser = raw.execute("select rolname from pg_roles where rolsuper order by oid limit 1").fetchone()
    if superuser is None:
        raise RuntimeError("the cluster has no superuser")
    return {
        "own": sql.Identifier(attacker.schema),
        "other": sql.Identifier(victim.schema),
        "own_role": sql.Identifier(attacker.role),
        "other_role": sql.Identifier(victim.role),
        "other_schema_text": sql.Literal(victim.schema),
        "other_role_text": sql.Literal(victim.role),
        "owner": sql.Identifier(names.owner),
        "tenant_common": sql.Identifier(names.tenant_common),
        "tenant_common_text": sql.Literal(names.tenant_common),
        "superuser": sql.Identifier(superuser[0]),
        "scratch": sql.Identifier(f"attack_{new_opaque_name()}"),
    }
