"""Everything that the registry holds on one organisation, as one look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row

from chukan.platform.service_hours.rules import Generation
from chukan.tenants.registry import store
from chukan.tenants.registry.adoptions import adopted
from chukan.tenants.registry.delegations.rules import Declaration
from chukan.tenants.registry.delegations.store import declarations
from chukan.tenants.registry.people import store as people
from chukan.tenants.registry.people.rules import ChangeState, Gap, gaps
from chukan.tenants.registry.people.store import Assignment, Change, Person
from chukan.tenants.registry.populations import populations_of
from chukan.tenants.registry.rules import concerns_of, generation
from chukan.tenants.registry.store import Registered
from chukan.tenants.registry.successions import Link, predecessors_of, successors_of
from chukan.tenants.registry.unions import members_of, population_base, unions_of
from chukan.tenants.registry.values import Concern, Department


@dataclass(frozen=True, slots=True)
class Profile:
    """An organisation with its history and its people; what depends on a day is that of ``day``."""

    day: date
    organisation: Registered
    generation: Generation
    concerns: Sequence[Concern]
    gaps: Sequence[Gap]
    departments: Sequence[Department]
    contacts: Sequence[Person]
    assignments: Sequence[Assignment]
    handovers: Sequence[Change]
    members: Sequence[Registered]
    unions: Sequence[Registered]
    population_base: int | None
    populations: Sequence[tuple[date, int, str, datetime]]
    interfaces: Sequence[str]
    predecessors: Sequence[Link]
    successors: Sequence[Link]
    declarations: Sequence[Declaration]
    events: Sequence[Row[Any]]


def profile(connection: Connection, reference: str, day: date) -> Profile:
    """Return what is registered on the organisation of *reference*; raises as ``store.get``."""
    organisation = store.get(connection, reference, day)
    assignments = people.assignments(connection, organisation.id)
    departments = people.departments(connection, organisation.id)
    return Profile(
        day=day,
        organisation=organisation,
        generation=generation(organisation.migrates_on, day),
        concerns=concerns_of(organisation.standing),
        gaps=gaps([each.held for each in assignments], departments, day),
        departments=departments,
        contacts=people.contacts(connection, organisation.id),
        assignments=assignments,
        handovers=people.changes(connection, organisation=organisation.id, states=[ChangeState.OPEN]),
        members=members_of(connection, organisation.id, day),
        unions=unions_of(connection, organisation.id, day),
        population_base=population_base(connection, organisation, day),
        populations=populations_of(connection, organisation.id),
        interfaces=adopted(connection, organisation.id, day),
        predecessors=predecessors_of(connection, organisation.id),
        successors=successors_of(connection, organisation.id),
        declarations=declarations(connection, organisation.id),
        events=store.events_of(connection, organisation.id),
    )
