"""Provisioning tenants against the same DDL as one script per schema, on two connections each."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks.measure import alternate, print_report
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import Settings, VaultSettings
from chukan.tenants.provisioning.desk import provisioner
from chukan.tenants.provisioning.scripts import Script, run_message
from chukan.tenants.provisioning.service import Provisioner
from support.database import Database, fresh_database, running_cluster
from support.vault import file_safe

TENANTS = 60
WORKERS = 2
_numbers = count()


def synthetic_script(tables: int = 25) -> Script:
    """Return a schema of *tables* tables with about 65 indexes, of the kind that a middle server has."""
    statements = []
    for number in range(tables):
        name = f"fact_{number:02}"
        statements.append(
            f"create table {name} (id uuid constraint {name}_pk primary key default uuidv7(), person text not null, "
            "state text not null, at timestamptz not null default now(), content bytea)"
        )
        statements.append(f"create index {name}_person_ix on {name} (person)")
        if number % 5 < 3:
            statements.append(f"create index {name}_at_ix on {name} (at) where state = 'open'")
    privileges = {f"fact_{number:02}": ("select", "insert", "update") for number in range(tables)}
    return Script(None, "synthetic", tuple(statements), privileges)


def main() -> None:
    """Measure on a cluster of its own and print the report."""
    script = synthetic_script()
    with (
        running_cluster() as running,
        fresh_database(*running) as database,
        tempfile.TemporaryDirectory(prefix="chukan-bench-") as folder,
    ):
        safe = file_safe(database, Path(folder))
        settings = Settings(database=database.settings, vault=VaultSettings(key_file=safe.key_file))
        with provisioner(settings, actor="system:bench") as desk:
            line = alternate(
                f"provision a tenant ({len(script.statements)} statements, keys, credential, audit)",
                partial(_ours, desk, script), partial(_floor, database, script),
                floor_name="the script alone", unit="tenants", rounds=3, to_reach=1 / 1.3,
            )  # fmt: skip
        print_report(f"Provisioning, {WORKERS} connections", [line])


def _ours(desk: Provisioner, script: Script) -> int:
    return _parallel(lambda _number: desk.provision(script))


def _floor(database: Database, script: Script) -> int:
    connections = [database.login(ProcessKind.PROVISIONER) for _ in range(WORKERS)]
    idle = list(connections)

    def one(_number: int) -> None:
        connection = idle.pop()
        _script_alone(connection, script)
        idle.append(connection)

    try:
        return _parallel(one)
    finally:
        for connection in connections:
            connection.close()


def _script_alone(connection: psycopg.Connection, script: Script) -> None:
    name = sql.Identifier(f"floor_{next(_numbers)}")
    begin = sql.SQL("set role chukan_owner; create schema {0}; set search_path to {0}").format(name)
    parts = (begin.as_bytes(), *(statement.encode() for statement in script.statements), b"reset role")
    run_message(connection, b";\n".join(parts))


def _parallel(one: Callable[[int], object]) -> int:
    with ThreadPoolExecutor(WORKERS) as threads:
        list(threads.map(one, range(TENANTS)))
    return TENANTS


if __name__ == "__main__":
    main()
