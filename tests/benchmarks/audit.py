"""The audit trail against its floor: the same row, inserted bare in a transaction of its own.

Run it: ``python tests/benchmarks/audit.py``. Every line alternates ours and the floor in one run, over
connections that are open already. The server flushes every commit, as in production.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import psycopg

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.measure import Measured, Work, alone, alternate, print_report
from chukan.platform.audit.rules import canonical_body
from chukan.platform.database.engines import address
from support.audit import Trail, an_act
from support.database import Database, fresh_database, running_cluster

APPENDS = 150
WRITERS = 8
VERIFIED = 100_000
BODY = canonical_body(an_act(1, serial=20260701, result="accepted", upload="01978a9c-3f6e-7c1a-9c55-1d1f00000000"))

APPEND = "select platform_api.append_audit(%s)"
FLOOR = "insert into bare_entry values (%s, %s, now(), 'org_a', %s, sha256('p'), sha256('h'))"
ACT = "insert into secret_fact (content) values ('x')"


def main() -> None:
    """Print the rates of appending, of an act with its entry, of a seal, and of the verifier."""
    with (
        running_cluster() as running,
        fresh_database(*running) as database,
        tempfile.TemporaryDirectory() as folder,
    ):
        with psycopg.connect(running[0].superuser_conninfo(), autocommit=True) as superuser:
            superuser.execute("alter system set fsync = on")
            superuser.execute("select pg_reload_conf()")
        trail = Trail(database, Path(folder))
        with database.superuser() as superuser:
            superuser.execute(
                "create table bare_entry (chain uuid, seq bigint, recorded_at timestamptz, login text, body text, "
                "prev bytea, hash bytea, primary key (chain, seq))"
            )
        print_report("Audit trail", [*appending(trail), verifying(trail), sealing(trail)])


def appending(trail: Trail) -> list[Measured]:
    """Append with one writer and with eight, on one chain and on one each; alone and after an act."""
    tenants = [trail.tenant() for _ in range(WRITERS)]
    lines = []
    for name, writers in (
        ("1 writer, 1 chain", tenants[:1]),
        ("8 writers, 1 chain", tenants[:1] * WRITERS),
        ("8 writers, 8 chains", tenants),
    ):
        connections = [login(trail.database, tenant) for tenant in writers]
        bare = [trail.database.superuser() for _ in writers]
        for connection in bare:
            connection.prepare_threshold = None
        lines.append(alternate(f"append, {name}", appends(connections), inserts(bare), floor_name="bare INSERT"))
        lines.append(
            alternate(
                f"act and append, {name}", acts(connections), acts(connections, audited=False), floor_name="act alone"
            )
        )
        for connection in (*connections, *bare):
            connection.close()
    return lines


def login(database: Database, tenant: UUID) -> psycopg.Connection:
    """Connect under the tenant's own log-in, as tenant sessions do."""
    with database.superuser() as superuser:
        row = superuser.execute("select role, schema from platform.tenant where id = %s", (tenant,)).fetchone()
    assert row is not None
    return psycopg.connect(
        **address(database.settings),
        user=row[0],
        password=database.credentials.password(tenant),  # type: ignore[arg-type]
        options=f"-c search_path={row[1]},platform_api,pg_temp",
        autocommit=True,
        prepare_threshold=None,
    )


def appends(connections: Sequence[psycopg.Connection]) -> Work:
    """Append entries, each in a transaction of its own."""
    return _spread(connections, lambda connection, _: connection.execute(APPEND, (BODY,)))


_seqs = iter(range(1, 10**9))


def inserts(connections: Sequence[psycopg.Connection]) -> Work:
    """Insert the same rows bare."""

    def insert(connection: psycopg.Connection, writer: int) -> object:
        return connection.execute(FLOOR, (UUID(int=writer), next(_seqs), BODY))

    return _spread(connections, insert)


def acts(connections: Sequence[psycopg.Connection], *, audited: bool = True) -> Work:
    """Do an act in a transaction, with its entry as the last statement or without."""

    def act(connection: psycopg.Connection, _writer: int) -> None:
        with connection.transaction():
            connection.execute(ACT)
            if audited:
                connection.execute(APPEND, (BODY,))

    return _spread(connections, act)


def _spread(connections: Sequence[psycopg.Connection], act: Callable[[psycopg.Connection, int], object]) -> Work:
    def one(writer: int) -> None:
        for _ in range(APPENDS):
            act(connections[writer], writer)

    def work() -> int:
        with ThreadPoolExecutor(len(connections)) as pool:
            list(pool.map(one, range(len(connections))))
        return APPENDS * len(connections)

    return work


def verifying(trail: Trail) -> Measured:
    """Verify a trail against the floor of reading the same rows through the same cursor."""
    with trail.database.superuser() as superuser:
        for chain in range(1, 11):
            superuser.execute(
                "select count(platform.append_audit_entry(%s, %s)) from generate_series(1, %s)",
                (UUID(int=chain), BODY, VERIFIED // 10),
            )
    trail.seal()

    def verify() -> int:
        verified = trail.verify()
        assert verified.findings == []
        return verified.entries

    def read() -> int:
        with trail.auditor.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            with driver.cursor("floor") as cursor:
                cursor.itersize = 2_000
                cursor.execute("select * from platform.audit_entry order by chain, seq")
                return sum(1 for _ in cursor)

    return alternate("verify", verify, read, floor_name="bare SELECT", unit="entries", rounds=3)


def sealing(trail: Trail) -> Measured:
    """Seal 1,788 chains that all moved."""
    chains = [UUID(int=1_000 + number) for number in range(1_788)]

    def moved_and_sealed() -> int:
        with trail.database.superuser() as superuser:
            superuser.execute(
                "select count(platform.append_audit_entry(c, %s)) from unnest(%s::uuid[]) c", (BODY, chains)
            )
        return trail.seal().chains

    return alone("append to 1,788 chains and seal them", moved_and_sealed, unit="chains", note="one seal a round")


if __name__ == "__main__":
    main()
