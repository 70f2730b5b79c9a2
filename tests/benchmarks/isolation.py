"""Tenant sessions against a bare connection: hot and random tenants, and what the pool holds in memory."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from benchmarks.measure import Measured, alone, alternate, print_report
from chukan.platform.database.engines import address
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from support.database import SECRETS, Database, fresh_database, running_cluster
from support.memory import private_kib

TENANTS = 200
TRANSACTIONS = 1_000
QUERY = text("select content from secret_fact limit 1")


class _Base(DeclarativeBase):
    pass


class _SecretFact(_Base):
    __tablename__ = "secret_fact"

    id: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[str]


def main() -> None:
    """Measure on a cluster of its own and print the report."""
    with running_cluster() as running, fresh_database(*running) as database:
        tenants = [database.create_tenant((SECRETS,)).tenant for _ in range(TENANTS)]
        for tenant in tenants[:1]:
            with database.sessions().begin(tenant) as connection:
                connection.execute(text("insert into secret_fact (content) values ('x')"))
        print_report(f"Tenant sessions, {TENANTS} tenants", [*_hot(database, tenants[0]), *_random(database, tenants)])


def _hot(database: Database, tenant: TenantId) -> list[Measured]:
    sessions = database.sessions()
    arguments = _bare_arguments(database, tenant)
    bare = psycopg.connect(**arguments, prepare_threshold=None)
    engine = create_engine("postgresql+psycopg://", creator=lambda: bare, use_native_hstore=False)
    try:
        with engine.connect() as connection:
            core_floor = partial(_repeat, partial(_core, connection))
            orm_floor = partial(_repeat, partial(_orm, connection))
            return [
                alternate(
                    "hot tenant, Core, DISCARD ALL included", partial(_repeat, partial(_tenant_core, sessions, tenant)),
                    core_floor, floor_name="bare connection through Core", unit="transactions", to_reach=0.55,
                ),
                alternate(
                    "hot tenant, ORM, DISCARD ALL included", partial(_repeat, partial(_tenant_orm, sessions, tenant)),
                    orm_floor, floor_name="bare connection through the ORM", unit="transactions", to_reach=0.40,
                ),
            ]  # fmt: skip
    finally:
        bare.close()


def _random(database: Database, tenants: list[TenantId]) -> list[Measured]:
    """Random transactions over more tenants than the pool holds: one by one, and claimed per tenant."""
    sessions = database.sessions(max_open=64)
    choice = random.Random(20260401)  # noqa: S311 - the same order every time
    order = [choice.choice(tenants) for _ in range(5 * TRANSACTIONS)]
    one_by_one = partial(_work_off, sessions, order[:TRANSACTIONS])
    drained = partial(_work_off, sessions, sorted(order, key=str))
    with psycopg.connect(**_bare_arguments(database, tenants[0]), prepare_threshold=None) as bare:
        engine = create_engine("postgresql+psycopg://", creator=lambda: bare, use_native_hstore=False)
        with engine.connect() as connection:
            floor = alternate(
                "random tenants, one by one, LRU of 64", one_by_one, partial(_repeat, partial(_core, connection)),
                floor_name="bare connection through Core", unit="transactions", rounds=3,
            )  # fmt: skip
    line = alternate(
        "random tenants, drained per tenant", drained, one_by_one, floor_name="one by one, LRU of 64",
        unit="transactions", rounds=3, to_reach=5.0,
    )  # fmt: skip
    return [floor, line, _memory(database, tenants)]


def _work_off(sessions: TenantSessions, order: list[TenantId]) -> int:
    for tenant in order:
        _tenant_core(sessions, tenant)
    return len(order)


def _memory(database: Database, tenants: list[TenantId]) -> Measured:
    """Touch every tenant and read what the pool's server processes really hold."""
    sessions = database.sessions(max_open=64)

    def touch() -> int:
        for tenant in tenants:
            _tenant_core(sessions, tenant)
        return len(tenants)

    line = alone("touch every tenant once", touch, unit="tenants", rounds=1)
    with database.superuser() as superuser:
        rows = superuser.execute("select pid from pg_stat_activity where usename ~ '^org_'").fetchall()
    megabytes = sum(private_kib(pid) for (pid,) in rows) / 1024
    note = f"{sessions.statistics().open} open, {megabytes:.0f} MiB of private server memory"
    return Measured(line.name, line.unit, line.rate, note=note)


def _bare_arguments(database: Database, tenant: TenantId) -> dict[str, Any]:
    with database.superuser() as superuser:
        row = superuser.execute("select role, schema from platform.tenant where id = %s", (tenant,)).fetchone()
    if row is None:
        raise LookupError(tenant)
    password = database.credentials.password(tenant)
    return {**address(database.settings), "user": row[0], "password": password, "options": f"-c search_path={row[1]}"}


def _repeat(transaction: Callable[[], None]) -> int:
    for _ in range(TRANSACTIONS):
        transaction()
    return TRANSACTIONS


def _core(connection: Connection) -> None:
    with connection.begin():
        connection.execute(QUERY).one()


def _orm(connection: Connection) -> None:
    with Session(connection) as session, session.begin():
        session.query(_SecretFact).limit(1).one()


def _tenant_core(sessions: TenantSessions, tenant: TenantId) -> None:
    with sessions.begin(tenant) as connection:
        connection.execute(QUERY).one_or_none()


def _tenant_orm(sessions: TenantSessions, tenant: TenantId) -> None:
    with sessions.session(tenant) as session:
        session.query(_SecretFact).limit(1).one()


if __name__ == "__main__":
    main()
