"""Provisioning organisations, against the same DDL as one script per schema and against django-tenants.

Ours is the whole of it: organisations of the registry brought from "applied" to "active" with schema, role, grants,
keys, sealed credential and audit entries. ``make bench NAME=provisioning TENANTS=1788`` makes every local government;
without ``TENANTS`` it is 200.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.fleet import WORKERS, floor_of, flushing_cluster, synthetic_script, tenants
from benchmarks.measure import Measured, Work, alternate, print_report
from benchmarks.peer import Peer, peer
from chukan.platform.audit.actor import Actor
from chukan.platform.clock import SystemClock
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import Settings, VaultSettings
from chukan.tenants.provisioning.desk import provisioner
from chukan.tenants.provisioning.fleet import provision, unprovisioned
from chukan.tenants.registry.organisations_file import shipped
from chukan.tenants.registry.service import Registry
from support.database import Database, fresh_database
from support.vault import file_safe

TENANTS = tenants(200)
#: Of a big fleet more rounds, so that the floor is never far away in time.
ROUNDS = 12 if TENANTS > 1_000 else 8
SAMPLE, SAMPLE_ROUNDS = 40, 5
ACTOR = "system:bench"

#: Provisions as many organisations as it is told, on as many connections.
Provision = Callable[[int, int], int]


def main() -> None:
    """Measure on a cluster of its own and print the report."""
    with flushing_cluster() as running:
        with fresh_database(*running) as database, provisioning(database) as provision_next:
            lines = [against_the_script(database, provision_next)]
        with (
            fresh_database(*running) as database,
            provisioning(database) as provision_next,
            peer(running[0]) as django,
        ):
            if django:
                lines.append(against_the_peer(django, provision_next))
        print_report(f"Provisioning of {TENANTS} tenants: {len(synthetic_script().statements)} statements each", lines)


def against_the_script(database: Database, provision_next: Provision) -> Measured:
    """Provision all, in slices that alternate with the floor's."""
    script, slice_ = synthetic_script(), TENANTS // ROUNDS
    with floor_of(database) as floor:
        return alternate(
            f"provision, {WORKERS} connections", lambda: provision_next(slice_, WORKERS),
            lambda: floor.create(script, slice_), floor_name="the script alone", unit="tenants",
            rounds=ROUNDS - 1, to_reach=1 / 1.3,
        )  # fmt: skip


def against_the_peer(django: Peer, provision_next: Provision) -> Measured:
    """Provision a sample on one connection, as django-tenants makes its tenants."""
    slice_ = SAMPLE // SAMPLE_ROUNDS
    theirs: Work = lambda: django.create(slice_)  # noqa: E731 - it stands beside ours
    return alternate(
        "provision, 1 connection", lambda: provision_next(slice_, 1), theirs, floor_name=django.name,
        unit="tenants", rounds=SAMPLE_ROUNDS - 1, to_reach=3.0,
    )  # fmt: skip


@contextmanager
def provisioning(database: Database) -> Iterator[Provision]:
    """Register the organisations of the country, and lend what provisions the next ones of them."""
    now = SystemClock().now()
    registry = Registry(Actor(database.engine(ProcessKind.CONSOLE), ACTOR, "bench"))
    registry.import_organisations(shipped(), "organisations.csv", now=now)
    waiting = iter(unprovisioned(database.engine(ProcessKind.PROVISIONER), now=now))
    with tempfile.TemporaryDirectory(prefix="chukan-bench-") as folder:
        safe = file_safe(database, Path(folder))
        settings = Settings(database=database.settings, vault=VaultSettings(key_file=safe.key_file))
        with provisioner(settings, actor=ACTOR) as desk:

            def provision_next(count: int, workers: int) -> int:
                chosen = [next(waiting) for _ in range(count)]
                return provision(desk, chosen, synthetic_script(), now=now, actor=ACTOR, workers=workers).done

            yield provision_next


if __name__ == "__main__":
    main()
