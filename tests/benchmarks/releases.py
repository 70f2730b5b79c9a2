"""A release of one column and one index to every schema, against one message a schema and against django-tenants.

``make bench NAME=releases TENANTS=200`` measures with fewer schemas than every local government's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from benchmarks.fleet import (
    ALIKE,
    ALL,
    WORKERS,
    floor_of,
    flushing_cluster,
    in_parallel,
    one_column_and_index,
    synthetic_script,
    tenants,
)
from benchmarks.measure import Measured, alone, alternate, print_report
from benchmarks.peer import Peer, peer
from chukan.platform.clock import monotonic
from chukan.platform.database.roles import ProcessKind
from chukan.tenants.provisioning.scripts import Script
from chukan.tenants.releases.service import Releaser
from support.database import Database, fresh_database
from support.tenants import provisioned

TENANTS = tenants(ALL)
SAMPLE, SAMPLE_ROUNDS = 40, 4
#: Every round takes a table each for ours and for the floor, none of which was altered before.
ROUNDS = len(ALIKE) // 2


def main() -> None:
    """Measure on a cluster of its own and print the report."""
    with flushing_cluster() as running:
        with fresh_database(*running) as database:
            fleet = Fleet(database, TENANTS)
            lines = [fleet.against_one_message(), fleet.nothing_to_do()]
        with fresh_database(*running) as database, peer(running[0]) as django:
            if django:
                fleet = Fleet(database, SAMPLE, workers=1)
                django.create(SAMPLE)
                lines += fleet.against_the_peer(django)
        print_report(f"A release to {TENANTS} schemas: one column and one index", lines)


class Fleet:
    """Schemas at the synthetic revision, and releases to all of them, one table after the other."""

    def __init__(self, database: Database, size: int, workers: int = WORKERS) -> None:
        self._database = database
        self._workers = workers
        self._tables = iter(ALIKE)
        self._size = size
        self._schemas: list[str] = []
        self._target = synthetic_script().to_revision
        in_parallel(self._provision, range(size))
        self._releaser = Releaser(
            database.engine(ProcessKind.PROVISIONER),
            database.names,
            actor="system:bench",
            request="bench",
            scripts=_script,
        )

    def against_one_message(self) -> Measured:
        """Alternate with the floor."""
        with floor_of(self._database, self._workers) as floor:
            return alternate(
                f"release, {self._workers} connections", self._release,
                lambda: floor.release(one_column_and_index(next(self._tables)), self._schemas),
                floor_name="one message a schema", unit="schemas", rounds=ROUNDS - 1, to_reach=1 / 2,
            )  # fmt: skip

    def nothing_to_do(self) -> Measured:
        """Apply what every schema has."""
        started = monotonic()
        self._apply()
        note = f"{1_000 * (monotonic() - started):.0f} ms in all"
        return alone("nothing to do", self._apply, unit="schemas", rounds=5, note=note)

    def against_the_peer(self, django: Peer) -> Sequence[Measured]:
        """Alternate with django-tenants on as many connections: with a release to bring, and with none."""
        release = alternate(
            f"release, {self._workers} connection", self._release, django.release,
            floor_name=django.name, unit="schemas", rounds=SAMPLE_ROUNDS, to_reach=40.0,
        )  # fmt: skip
        nothing = alternate(
            "nothing to do", self._apply, django.migrate, floor_name=django.name, unit="schemas", rounds=3
        )
        return release, nothing

    def _provision(self, _number: int) -> None:
        self._schemas.append(provisioned(self._database, synthetic_script()).schema)

    def _release(self) -> int:
        self._target = next(self._tables)
        return self._apply()

    def _apply(self) -> int:
        report = self._releaser.apply(None, to=self._target, workers=self._workers)
        if report.failed:
            raise RuntimeError(report)
        return self._size


@cache
def _script(revision: str | None, target: str) -> Script:
    """Return the release that alters one table, after which it is named."""
    return Script(revision, target, one_column_and_index(target), {})


if __name__ == "__main__":
    main()
