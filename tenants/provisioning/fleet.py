"""Provisioning many organisations: in parallel, idempotent, resumable at any of them.

Each organisation is one transaction that ends with it active and its tenant there, or as it was before.
What is killed on the way is found unprovisioned by the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from sqlalchemy import Connection, Engine

from chukan.platform.clock import as_tokyo
from chukan.platform.database.engines import driver
from chukan.platform.database.tables import Site
from chukan.platform.database.tenants import Placement
from chukan.tenants.provisioning.scripts import Script
from chukan.tenants.provisioning.service import Provisioner
from chukan.tenants.provisioning.store import lock_organisation
from chukan.tenants.registry import store
from chukan.tenants.registry.errors import TransitionRefused
from chukan.tenants.registry.rules import require_transition
from chukan.tenants.registry.service import moved
from chukan.tenants.registry.store import Filter, Registered
from chukan.tenants.registry.values import Hosting, State


class Provisioned(Enum):
    """What came of one organisation."""

    DONE = "done"
    ALREADY = "already"


@dataclass(frozen=True)
class Report:
    """How many organisations were provisioned, and how many were there already."""

    done: int
    already: int


def unprovisioned(engine: Engine, *, now: datetime) -> Sequence[str]:
    """Return the references of all organisations that applied for the platform and have no tenant yet."""
    wanted = Filter(states=[State.APPLIED])
    with engine.connect() as connection:
        found = store.find(connection, wanted, as_tokyo(now).date())
    return [each.reference for each in found if each.hosting is Hosting.PLATFORM]


def provision(
    provisioner: Provisioner,
    references: Sequence[str],
    script: Script,
    *,
    now: datetime,
    actor: str,
    workers: int = 2,
    progress: Callable[[Provisioned], None] = lambda _provisioned: None,
) -> Report:
    """Provision the organisations of *references* (codes, or ids of unions without one).

    Raises:
        OrganisationUnknown: one of them is not registered.
        OrganisationRefused: one's middle server stands elsewhere (A2-006).
        TransitionRefused: one is past its provisioning (closed, for example).
    """

    def one(reference: str) -> Provisioned:
        done = _provision_one(provisioner, reference, script, now=now, actor=actor)
        progress(done)
        return done

    with ThreadPoolExecutor(workers) as threads:
        results = list(threads.map(one, references))
    return Report(*(results.count(kind) for kind in Provisioned))


def _provision_one(
    provisioner: Provisioner, reference: str, script: Script, *, now: datetime, actor: str
) -> Provisioned:
    day = as_tokyo(now).date()
    organisation = provisioner.organisation(reference, day)
    if organisation.state is State.CLOSED:
        # It may have a tenant, which was purged; that is no tenant that is "already" there.
        require_transition(reference, organisation.state, State.PROVISIONING, organisation.hosting)
    if organisation.tenant is not None:
        return Provisioned.ALREADY

    def link(connection: Connection, placement: Placement) -> None:
        # What else was read of it is nothing that the two steps depend on.
        state, hosting = lock_organisation(driver(connection), organisation.id)
        current = replace(organisation, state=state, hosting=hosting)
        moved(connection, current, State.PROVISIONING, now=now, actor=actor, reason="provisioning")
        store.place(connection, current.id, placement.tenant)
        ready = replace(current, state=State.PROVISIONING, tenant=placement.tenant)
        moved(connection, ready, State.ACTIVE, now=now, actor=actor, reason="provisioned")

    try:
        provisioner.provision(script, site=site_of(organisation), link=link)
    except TransitionRefused:
        # Another run may have come first; anything else is a refusal.
        if provisioner.organisation(reference, day).tenant is None:
            raise
        return Provisioned.ALREADY
    return Provisioned.DONE


def site_of(organisation: Registered) -> Site:
    """Return the data centre of an organisation: the east serves the prefectures up to 23, the west the others."""
    return Site.EAST if organisation.prefecture <= "23" else Site.WEST
