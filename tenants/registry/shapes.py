"""The shapes in which programs are told of organisations (``--json``): plain values, days in ISO 8601.

Instants are the wall clock in Tokyo with its offset.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from chukan.platform.clock import as_tokyo
from chukan.tenants.registry.delegations.rules import Declaration, Disagreement, Party
from chukan.tenants.registry.errors import BadRow
from chukan.tenants.registry.people.rules import Gap
from chukan.tenants.registry.people.store import Assignment, Change, Person
from chukan.tenants.registry.profile import Profile
from chukan.tenants.registry.rules import generation
from chukan.tenants.registry.store import Registered
from chukan.tenants.registry.successions import Followed, Link

Shape = dict[str, Any]


def organisation_shape(organisation: Registered, day: date) -> Shape:
    """Return an organisation as it is on *day*."""
    return {
        "id": str(organisation.id),
        "code": organisation.code,
        "kind": organisation.kind.value,
        "prefecture": organisation.prefecture,
        "prefecture_name": organisation.prefecture_name,
        "name": organisation.name,
        "kana": organisation.kana,
        "invented": organisation.invented,
        "hosting": organisation.hosting.value,
        "address_class": _value(organisation.address_class),
        "address_system": _value(organisation.address_system),
        "migrates_on": _day(organisation.migrates_on),
        "generation": generation(organisation.migrates_on, day).value,
        "release_group": organisation.group and int(organisation.group),
        "tenant": organisation.tenant and str(organisation.tenant),
        "state": organisation.state.value,
        "state_since": instant(organisation.state_since),
        "dissolved_on": _day(organisation.dissolved_on),
        "population": organisation.population,
        "population_as_of": _day(organisation.population_as_of),
        "population_source": organisation.population_source,
    }


def profile_shape(found: Profile) -> Shape:
    """Return everything on one organisation."""
    return {
        **organisation_shape(found.organisation, found.day),
        "day": found.day.isoformat(),
        "warnings": [concern.value for concern in found.concerns],
        "gaps": [gap_shape(gap) for gap in found.gaps],
        "departments": [department.value for department in found.departments],
        "contacts": [person_shape(person) for person in found.contacts],
        "roles": [assignment_shape(assignment) for assignment in found.assignments],
        "handovers": [change_shape(change) for change in found.handovers],
        "members": [brief(member) for member in found.members],
        "unions": [brief(union) for union in found.unions],
        "population_base": found.population_base,
        "populations": [
            {"as_of": as_of.isoformat(), "value": value, "source": source, "recorded_at": instant(recorded_at)}
            for as_of, value, source, recorded_at in found.populations
        ],
        "interfaces": list(found.interfaces),
        "predecessors": [_link(link) for link in found.predecessors],
        "successors": [_link(link) for link in found.successors],
        "delegations": [declaration_shape(each) for each in found.declarations],
        "history": [
            {"at": instant(each.at), "from": each.from_state, "to": each.to_state, "actor": each.actor}
            | {"reason": each.reason}
            for each in found.events
        ],
    }


def brief(organisation: Registered) -> Shape:
    """Return what tells an organisation from all others."""
    return {
        "id": str(organisation.id),
        "code": organisation.code,
        "name": organisation.name,
        "prefecture_name": organisation.prefecture_name,
    }


def followed_shape(done: Followed) -> Shape:
    """Return what a merger or division did."""
    return {
        "predecessors": [brief(each) for each in done.predecessors],
        "successors": [brief(each) for each in done.successors],
        "effective_on": done.effective_on.isoformat(),
        "closed": list(done.closed),
        "unions": list(done.unions),
    }


def person_shape(person: Person) -> Shape:
    """Return a contact, with what is personal."""
    return {
        "id": str(person.id),
        "department": person.department.value,
        "name": person.name,
        "email": person.email,
        "telephone": person.telephone,
        "left_on": _day(person.left_on),
    }


def assignment_shape(assignment: Assignment) -> Shape:
    """Return a role that a contact holds."""
    held = assignment.held
    return {
        "id": str(assignment.id),
        "contact": str(held.contact),
        "department": held.department.value,
        "role": held.role.value,
        "since": held.span.since.isoformat(),
        "until": _day(held.span.until),
    }


def change_shape(change: Change) -> Shape:
    """Return a personnel change with its tasks."""
    return {
        "id": str(change.id),
        "organisation": str(change.organisation),
        "assignment": str(change.assignment),
        "successor": change.successor and str(change.successor),
        "role": change.role.value,
        "effective_on": change.effective_on.isoformat(),
        "state": change.state.value,
        "accounts_due_on": _day(change.accounts_due_on),
        "accounts_closed_at": change.accounts_closed_at and instant(change.accounts_closed_at),
        "tasks": [
            {"task": each.task.value, "acts": [role.value for role in each.acts], "state": each.state.value}
            for each in change.tasks
        ],
    }


def gap_shape(gap: Gap) -> Shape:
    """Return what is wrong with who holds a role."""
    return {"role": gap.role.value, "department": _value(gap.department), "gap": gap.kind.value}


def declaration_shape(declaration: Declaration) -> Shape:
    """Return one end's word on a delegation."""
    return {
        "id": str(declaration.id),
        "delegator": party_shape(declaration.pair.delegator),
        "delegate": party_shape(declaration.pair.delegate),
        "by": declaration.by.value,
        "extent": declaration.extent.value,
        "affairs": sorted(declaration.affairs),
        "since": declaration.span.since.isoformat(),
        "until": _day(declaration.span.until),
    }


def disagreement_shape(found: Disagreement) -> Shape:
    """Return in what the two ends of a delegation do not agree."""
    return {
        "delegator": party_shape(found.pair.delegator),
        "delegate": party_shape(found.pair.delegate),
        "finding": found.finding.value,
        "affairs": list(found.affairs),
    }


def party_shape(party: Party) -> Mapping[str, str]:
    """Return an end of a delegation."""
    return {"organisation": str(party.organisation), "department": party.department.value}


def row_shape(row: BadRow) -> Shape:
    """Return a line of a file with what is to be said of it."""
    return {"line": row.line, "found": row.found, "reason": row.reason}


def instant(at: datetime) -> str:
    """Return *at* in ISO 8601 with Tokyo's offset."""
    return as_tokyo(at).isoformat()


def _link(link: Link) -> Shape:
    return {
        "id": str(link.organisation),
        "code": link.code,
        "name": link.name,
        "kind": link.kind.value,
        "effective_on": link.effective_on.isoformat(),
    }


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _value(word: Any) -> str | None:
    return None if word is None else str(word.value)
