"""What the benchmarks of provisioning and releases share: synthetic schemas, their floor, and a server that flushes.

The tenants' schemas of the product are still small, so a synthetic one stands for them: 25 tables with 65 indexes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from queue import SimpleQueue
from typing import TypeVar

import psycopg

from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import DatabaseSettings
from chukan.tenants.provisioning.scripts import Script, run_message
from support.database import Database, running_cluster

#: All local governments of the country.
ALL = 1_788
#: Connections of ours and of the floor, as the commands have by default.
WORKERS = 2
#: The tables that have the partial index too: all of one shape, so that any of them may be compared with any other.
ALIKE = [f"fact_{number:02}" for number in range(25) if number % 5 < 3]

_Item = TypeVar("_Item")
_numbers = count(1)


def tenants(default: int) -> int:
    """Return how many tenants to measure with: ``TENANTS`` in the environment, or *default*."""
    return int(os.environ.get("TENANTS") or default)


def synthetic_script() -> Script:
    """Return a schema of 25 tables with 65 indexes, of the kind that a middle server has."""
    statements = []
    tables = [f"fact_{number:02}" for number in range(25)]
    for name in tables:
        statements.append(
            f"create table {name} (id uuid constraint {name}_pk primary key default uuidv7(), person text not null, "
            "state text not null, at timestamptz not null default now(), content bytea)"
        )
        statements.append(f"create index {name}_person_ix on {name} (person)")
        if name in ALIKE:
            statements.append(f"create index {name}_at_ix on {name} (at) where state = 'open'")
    return Script(None, "synthetic", tuple(statements), dict.fromkeys(tables, ("select", "insert", "update")))


def one_column_and_index(table: str) -> tuple[str, str]:
    """Return a release of the smallest kind that is not trivial."""
    return f"alter table {table} add column note text", f"create index {table}_note_ix on {table} (note)"


@contextmanager
def flushing_cluster(*, max_connections: int = 400) -> Iterator[tuple[EmbeddedCluster, DatabaseSettings]]:
    """Run a cluster of its own that flushes every commit, as in production."""
    with running_cluster(max_connections=max_connections) as running:
        with psycopg.connect(running[0].superuser_conninfo(), autocommit=True) as superuser:
            superuser.execute("alter system set fsync = on")
            superuser.execute("select pg_reload_conf()")
        yield running


class Floor:
    """The same statements as one message a schema, on connections that stay open: no roles, grants, keys or trail."""

    def __init__(self, database: Database, workers: int = WORKERS) -> None:
        self._owner = database.names.owner
        self._workers = workers
        self._connections = [database.login(ProcessKind.PROVISIONER) for _ in range(workers)]

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def create(self, script: Script, schemas: int) -> int:
        """Make as many new schemas as *schemas* says."""
        names = [f"floor_{next(_numbers)}" for _ in range(schemas)]
        return self._run([self._message(name, (f"create schema {name}", *script.statements)) for name in names])

    def release(self, statements: Sequence[str], schemas: Sequence[str]) -> int:
        """Run *statements* in every one of *schemas*."""
        return self._run([self._message(name, statements) for name in schemas])

    def _message(self, schema: str, statements: Sequence[str]) -> bytes:
        parts = (f"set role {self._owner}", f"set search_path to {schema}", *statements, "reset role")
        return ";\n".join(parts).encode()

    def _run(self, messages: Sequence[bytes]) -> int:
        idle: SimpleQueue[psycopg.Connection] = SimpleQueue()
        for connection in self._connections:
            idle.put(connection)

        def one(content: bytes) -> None:
            connection = idle.get()
            run_message(connection, content)
            idle.put(connection)

        return in_parallel(one, messages, self._workers)


@contextmanager
def floor_of(database: Database, workers: int = WORKERS) -> Iterator[Floor]:
    """Lend the floor on *database*."""
    floor = Floor(database, workers)
    try:
        yield floor
    finally:
        floor.close()


def in_parallel(work: Callable[[_Item], object], items: Sequence[_Item], workers: int = WORKERS) -> int:
    """Do *work* for every one of *items*, and return how many they were."""
    with ThreadPoolExecutor(workers) as threads:
        for _ in threads.map(work, items):
            pass
    return len(items)
