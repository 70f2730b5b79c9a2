"""A process's own engine: dead connections are replaced unnoticed, and every commit is waited for."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import ExitStack, closing
from unittest import mock

import pytest
from psycopg import sql
from sqlalchemy import Engine, text

from chukan.platform.audit.service import Begin
from chukan.platform.database import engines
from chukan.platform.database.engines import driver, reading
from chukan.platform.database.roles import ProcessKind
from support.database import Database

BACKEND = text("select pg_backend_pid()")


@pytest.fixture
def engine(database: Database) -> Engine:
    return database.engine(ProcessKind.WORKER)


def used(engine: Engine, count: int) -> set[int]:
    """Have so many connections in use at the same time, and return their backends."""
    with ExitStack() as stack:
        connections = [stack.enter_context(engine.connect()) for _ in range(count)]
        return {connection.execute(BACKEND).scalar_one() for connection in connections}


def ended(database: Database, backends: set[int]) -> None:
    """End *backends*, as a server does that stops."""
    with closing(database.superuser()) as superuser:
        for backend in backends:
            superuser.execute("select pg_terminate_backend(%s, 10000)", (backend,))


@pytest.fixture
def asked() -> Iterator[mock.Mock]:
    """Count how often a connection is asked whether it is alive."""
    with mock.patch.object(engines, "_answers", wraps=engines._answers) as told:
        yield told


def test_connections_that_the_server_ended_are_replaced_and_nobody_notices(database: Database, engine: Engine) -> None:
    before = used(engine, 4)
    assert used(engine, 4) == before, "they are kept"
    ended(database, before)
    for _ in range(8):
        with engine.begin() as connection:
            assert connection.execute(BACKEND).scalar_one() not in before
    assert not used(engine, 4) & before


def test_one_lost_connection_has_all_older_ones_replaced(database: Database, engine: Engine) -> None:
    before = used(engine, 3)
    ended(database, set(sorted(before)[:1]))
    # Those that are lent before it are as good as they were.
    used(engine, 3)
    assert not used(engine, 3) & before


def test_a_connection_in_use_is_not_asked_each_time_and_a_silent_one_is(engine: Engine, asked: mock.Mock) -> None:
    with mock.patch.object(engines, "monotonic", return_value=1_000.0) as clock:
        before = used(engine, 1)
        clock.return_value += engines._SILENT_FOR - 1
        assert used(engine, 1) == before
        assert asked.call_count == 0
        clock.return_value += engines._SILENT_FOR
        assert used(engine, 1) == before
        assert asked.call_count == 1


def test_what_the_server_tells_unasked_ends_no_connection(engine: Engine, asked: mock.Mock) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("select 1")
        below = driver(connection)
    with mock.patch.object(select, "poll") as watched:
        watched.return_value.poll.return_value = [(below.fileno(), 1)]
        with engine.connect() as connection:
            assert driver(connection) is below
    assert asked.call_count == 1


def test_every_commit_is_waited_for_whatever_was_set_for_the_role_or_left_behind(database: Database) -> None:
    shown, tenant = text("show synchronous_commit"), database.create_tenant()
    with closing(database.superuser()) as superuser:
        for role in (tenant.role, database.names.process(ProcessKind.WORKER)):
            change = sql.SQL("alter role {} in database {} set synchronous_commit = off")
            superuser.execute(change.format(sql.Identifier(role), sql.Identifier(database.settings.name)))
    sessions = database.sessions()
    begins: list[Begin] = [lambda: sessions.begin(tenant.tenant), database.engine(ProcessKind.WORKER).begin]
    for begin in begins:
        for _ in range(2):
            with begin() as connection:
                assert connection.execute(shown).scalar_one() == "on"
                connection.execute(text("set synchronous_commit = off"))


def test_what_only_reads_has_no_transaction_and_leaves_none_to_the_next(engine: Engine) -> None:
    with reading(engine).connect() as connection:
        begun = [connection.execute(text("select now()")).scalar_one() for _ in range(2)]
        assert begun[0] < begun[1], "a transaction each"
        backend = connection.execute(BACKEND).scalar_one()
    with engine.begin() as connection:
        assert not driver(connection).autocommit
        assert connection.execute(BACKEND).scalar_one() == backend, "the same connections are lent"
