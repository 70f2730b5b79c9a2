"""The page of one organisation: what it is, who speaks for it, what is open, and what happened to it.

| GET | `/organisations/<reference>` | by its code, or the id of a union that has none |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from flask import url_for
from sqlalchemy import Connection

from chukan.platform.messages import text
from chukan.platform.service_hours.words import generation_name
from chukan.platform.web import PageSet, here, page
from chukan.platform.web.cells import Link, Mark, Status
from chukan.platform.web.dates import short_day
from chukan.tenants.registry import store
from chukan.tenants.registry.delegations.rules import Declaration, Party
from chukan.tenants.registry.delegations.words import end_label, extent_label
from chukan.tenants.registry.people.rules import SINGLE, Gap, GapKind, Role, TaskState
from chukan.tenants.registry.people.store import Assignment, Change, Person
from chukan.tenants.registry.people.words import gap_kind_label, gap_label, role_label, task_label
from chukan.tenants.registry.profile import Profile, profile
from chukan.tenants.registry.store import Registered
from chukan.tenants.registry.successions import Link as Succession
from chukan.tenants.registry.tenant_standing import TenantStanding, standing_of
from chukan.tenants.registry.values import (
    State,
    address_label,
    concern_label,
    department_label,
    hosting_label,
    kind_label,
    state_label,
    succession_label,
)
from chukan.tenants.registry.web_common import (
    READ,
    Answer,
    hand_over_link,
    may_change,
    organisation_link,
    state_mark,
    step_mark,
    today,
    told_actors,
)
from chukan.tenants.registry.web_course import course_of

Rows = list[list[object]]


def declare(pages: PageSet) -> None:
    """Declare the page."""
    pages.get("/organisations/<reference>", needs=READ)(organisation)


def organisation(reference: str) -> Answer:
    """Show everything that is registered on one organisation."""
    with here().engine.connect() as connection:
        found = profile(connection, reference, today())
        tenant = standing_of(connection, found.organisation.tenant)
        ends = _ends(connection, found.declarations)
        actors = told_actors(connection, found.events)
    return page(
        "registry/organisation.html",
        found=found,
        one=found.organisation,
        warnings=[*map(concern_label, found.concerns), *map(gap_label, found.gaps)],
        facts=list(_facts(found)),
        hosted=list(_hosted(found, tenant)),
        roles=_roles(found),
        contacts=_contacts(found),
        gone=[person for person in found.contacts if has_left(person)],
        tasks=_tasks(found),
        relations=_relations(found, ends),
        populations=[[as_of, value, source, at] for as_of, value, source, at in found.populations],
        course=course_of(found),
        history=_history(found, actors),
        may_change=may_change(),
    )


def has_left(person: Person) -> bool:
    """Return whether a contact does not work there any more today."""
    return person.left_on is not None and person.left_on <= today()


def _facts(found: Profile) -> Iterator[tuple[str, object]]:
    one = found.organisation
    yield text("Code of the organisation"), one.code
    yield text("Reading"), one.kana
    yield text("Kind"), kind_label(one.kind)
    yield text("Prefecture"), one.prefecture_name
    yield text("Stage"), state_mark(one.state)
    yield text("In this stage since"), one.state_since
    yield from _population(found)
    yield text("Departments"), [department_label(each) for each in found.departments]
    if one.address_class and one.address_system:
        yield text("Address system"), [address_label(one.address_class), address_label(one.address_system)]
    yield text("Interfaces"), list(found.interfaces)
    if one.dissolved_on:
        yield text("Dissolved on"), one.dissolved_on
    if one.invented:
        yield text("Invented"), text("for demonstrations; it does not exist")


def _population(found: Profile) -> Iterator[tuple[str, object]]:
    one = found.organisation
    yield text("Population"), found.population_base
    if one.kind.is_union:
        yield text("Members"), len(found.members)
    elif one.population is not None:
        yield text("As of"), one.population_as_of
        yield text("Source"), one.population_source


def _hosted(found: Profile, tenant: TenantStanding | None) -> Iterator[tuple[str, object]]:
    one = found.organisation
    yield text("Hosting"), hosting_label(one.hosting)
    yield text("Group"), str(int(one.group)) if one.group else None
    yield text("Generation"), generation_name(found.generation)
    yield text("First day on the next system"), one.migrates_on
    yield text("Tenant of the platform"), str(one.tenant) if one.tenant else None
    if tenant is not None:
        yield text("Stage of the tenant"), state_mark(State(tenant.state.value))
        yield text("Release"), tenant.revision
        if tenant.failed:
            yield text("Last release"), Status(Mark.ERROR, text("it failed, and the one before goes on"))


def _roles(found: Profile) -> Rows:
    """Return who holds the eight roles, now or later; a role that nobody holds has a line that says so."""
    names = {person.id: person.name for person in found.contacts}
    open_changes = {change.assignment: change for change in found.handovers}
    rows: Rows = []
    for role in Role:
        held = [each for each in found.assignments if each.held.role is role and _is_shown(each)]
        rows += [_holder(each, names, open_changes) for each in held]
        missing = [gap for gap in found.gaps if gap.role is role and gap.kind is GapKind.MISSING]
        rows += [_nobody(gap) for gap in missing]
        if not held and not any(gap.role is role for gap in found.gaps):
            rows.append([role_label(role), None, None, None, None, None])
    return rows


def _nobody(gap: Gap) -> list[object]:
    department = department_label(gap.department) if gap.department else None
    return [role_label(gap.role), department, Status(Mark.WARNING, gap_kind_label(gap.kind)), None, None, None]


def _is_shown(assignment: Assignment) -> bool:
    span = assignment.held.span
    return span.until is None or span.until > max(span.since, today())


def _holder(assignment: Assignment, names: Mapping[UUID, str], changes: Mapping[UUID, Change]) -> list[object]:
    held = assignment.held
    department = None if held.role in SINGLE else department_label(held.department)
    row = [role_label(held.role), department, names[held.contact], held.span.since, held.span.until]
    if assignment.id in changes:
        return [*row, hand_over_link(text("being handed over"), changes[assignment.id].id)]
    if may_change():
        address = url_for("registry.ask_hand_over", assignment=assignment.id)
        return [*row, Link(text("Hand over"), address)]
    return [*row, None]


def _contacts(found: Profile) -> Sequence[dict[str, object]]:
    """Return who works there, with their roles of today."""
    return [
        {
            "person": person,
            "department": department_label(person.department),
            "roles": [
                role_label(each.held.role)
                for each in found.assignments
                if each.held.contact == person.id and today() in each.held.span
            ],
        }
        for person in found.contacts
        if not has_left(person)
    ]


def _tasks(found: Profile) -> Rows:
    rows: Rows = []
    for change in found.handovers:
        link = hand_over_link(role_label(change.role), change.id)
        overdue = change.effective_on < today()
        for each in change.tasks:
            acts = [role_label(role) for role in each.acts]
            stands = _task_mark(each.state, overdue=overdue)
            rows.append([link, change.effective_on, task_label(each.task), acts, stands])
        if change.accounts_due_on is not None:
            state = TaskState.DONE if change.accounts_closed_at else TaskState.OPEN
            words = text("close the accounts of who left")
            mark = _task_mark(state, overdue=change.accounts_due_on < today())
            rows.append([link, change.accounts_due_on, words, None, mark])
    return rows


def _task_mark(state: TaskState, *, overdue: bool) -> Status:
    if overdue and state is TaskState.OPEN:
        return Status(Mark.WARNING, text("overdue"))
    return step_mark(state)


def _relations(found: Profile, ends: Mapping[UUID, Registered]) -> Rows:
    rows: Rows = [[text("member"), organisation_link(each.title, each.reference), None] for each in found.members]
    rows += [[text("union"), organisation_link(each.title, each.reference), None] for each in found.unions]
    for name, links in ((text("predecessor"), found.predecessors), (text("successor"), found.successors)):
        rows += [[name, organisation_link(each.name, each.code), _followed(each)] for each in links]
    return [*rows, *(_delegation(found, each, ends) for each in found.declarations)]


def _followed(link: Succession) -> str:
    return text("{kind}, from {day} on", kind=succession_label(link.kind), day=short_day(link.effective_on))


def _delegation(found: Profile, declared: Declaration, ends: Mapping[UUID, Registered]) -> list[object]:
    """Return one end's word: what is delegated to whom, who says so, and from when to when."""
    delegator, delegate = declared.pair.delegator, declared.pair.delegate
    gives = delegator.organisation == found.organisation.id
    other = delegate if gives else delegator
    told = {
        "from_": _department(delegator),
        "to": _department(delegate),
        "extent": extent_label(declared.extent),
        "end": end_label(declared.by),
        "since": short_day(declared.span.since),
        "until": short_day(declared.span.until) if declared.span.until else "",
    }
    name = text("delegates to") if gives else text("does affairs of")
    there = ends[other.organisation]
    detail = text("{from_} → {to}: {extent}, says {end}; {since}–{until}", **told)
    return [name, organisation_link(there.title, there.reference), detail]


def _department(party: Party) -> str:
    return department_label(party.department)


def _ends(connection: Connection, declared: Sequence[Declaration]) -> Mapping[UUID, Registered]:
    ids = {end.organisation for each in declared for end in (each.pair.delegator, each.pair.delegate)}
    return store.of_ids(connection, list(ids), today())


def _history(found: Profile, actors: Mapping[str, str]) -> Rows:
    """Return the changes of state, the newest first; the reason is what the act said."""
    return [[event.at, _stages(event), actors[event.actor], event.reason] for event in reversed(found.events)]


def _stages(event: Any) -> str:
    to = state_label(State(event.to_state))
    if event.from_state is None:
        return to
    return text("{before} → {after}", before=state_label(State(event.from_state)), after=to)
