"""Queries on contacts, roles and hand-overs. They take a connection and never commit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, func, insert, or_, select, update

from chukan.platform.messages import text
from chukan.tenants.registry.people.errors import ContactUnknown, HandoverUnknown
from chukan.tenants.registry.people.rules import ChangeState, Held, MatrixTask, Role, Task, TaskState
from chukan.tenants.registry.people.tables import (
    Contact,
    HandoverEvent,
    HandoverTask,
    PersonnelChange,
    RoleAssignment,
)
from chukan.tenants.registry.rules import Span
from chukan.tenants.registry.tables import OrganisationDepartment
from chukan.tenants.registry.values import Department


@dataclass(frozen=True, slots=True)
class Person:
    """A contact; name, address and number are personal."""

    id: UUID
    organisation: UUID
    department: Department
    name: str
    email: str
    telephone: str
    #: The first day on which the person does not work there any more.
    left_on: date | None


@dataclass(frozen=True, slots=True)
class Assignment:
    """A role that a contact holds."""

    id: UUID
    organisation: UUID
    held: Held


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A task of a change, as far as it is."""

    task: Task
    acts: tuple[Role, ...]
    state: TaskState


@dataclass(frozen=True, slots=True)
class Change:
    """A personnel change with its tasks, in the matrix's order."""

    id: UUID
    organisation: UUID
    assignment: UUID
    successor: UUID | None
    role: Role
    effective_on: date
    former_until: date | None
    accounts_due_on: date | None
    accounts_closed_at: datetime | None
    state: ChangeState
    opened_at: datetime
    tasks: tuple[OpenTask, ...]


def departments(connection: Connection, organisation: UUID) -> tuple[Department, ...]:
    """Return the departments of an organisation, the executive one first."""
    query = select(OrganisationDepartment.department).where(OrganisationDepartment.organisation == organisation)
    found = set(connection.execute(query).scalars())
    return tuple(department for department in Department if department.value in found)


def departments_of(connection: Connection, organisations: Collection[UUID]) -> Mapping[UUID, Sequence[Department]]:
    """Return the same for each of *organisations*, in one query."""
    found: dict[UUID, set[str]] = {each: set() for each in organisations}
    query = select(OrganisationDepartment.__table__).where(OrganisationDepartment.organisation.in_(found))
    for row in connection.execute(query) if found else ():
        found[row.organisation].add(row.department)
    return {each: [one for one in Department if one.value in there] for each, there in found.items()}


def insert_contact(connection: Connection, values: Mapping[str, Any]) -> UUID:
    """Add a contact and return its id."""
    return connection.execute(insert(Contact).values(**values).returning(Contact.id)).scalar_one()


def update_contact(connection: Connection, id_: UUID, values: Mapping[str, Any]) -> None:
    """Set columns of a contact."""
    connection.execute(update(Contact).where(Contact.id == id_).values(**values))


def contacts(connection: Connection, organisation: UUID) -> Sequence[Person]:
    """Return the contacts of an organisation, oldest first."""
    query = select(Contact.__table__).where(Contact.organisation == organisation).order_by(Contact.id)
    return [_person(row) for row in connection.execute(query)]


def contact(connection: Connection, id_: UUID) -> Person:
    """Return one contact.

    Raises:
        ContactUnknown: there is none.
    """
    row = connection.execute(select(Contact.__table__).where(Contact.id == id_)).one_or_none()
    if row is None:
        raise ContactUnknown(contact=id_)
    return _person(row)


def assignments(connection: Connection, organisation: UUID) -> Sequence[Assignment]:
    """Return every role that somebody of an organisation holds, held or will hold, oldest first."""
    query = _assignments().where(RoleAssignment.organisation == organisation)
    order = (RoleAssignment.since, RoleAssignment.id)
    return [_assignment(row) for row in connection.execute(query.order_by(*order))]


def held_on(
    connection: Connection, organisations: Collection[UUID], roles: Collection[Role], day: date
) -> Mapping[UUID, Sequence[Held]]:
    """Return who holds which of *roles* on *day* in each of *organisations*, in one query."""
    found: dict[UUID, list[Held]] = {each: [] for each in organisations}
    query = _assignments().where(
        RoleAssignment.organisation.in_(found),
        Contact.organisation.in_(found),
        RoleAssignment.role.in_([role.value for role in roles]),
        RoleAssignment.since <= day,
        or_(RoleAssignment.until.is_(None), RoleAssignment.until > day),
    )
    for row in connection.execute(query) if found else ():
        found[row.organisation].append(_held(row))
    return found


def assignment(connection: Connection, id_: UUID) -> Assignment:
    """Return one assignment.

    Raises:
        HandoverUnknown: there is none.
    """
    row = connection.execute(_assignments().where(RoleAssignment.id == id_)).one_or_none()
    if row is None:
        raise HandoverUnknown(what=text("role that somebody holds"), name=id_)
    return _assignment(row)


def insert_assignment(connection: Connection, organisation: UUID, contact_id: UUID, role: Role, since: date) -> UUID:
    """Give a contact a role from *since* on and return the assignment's id."""
    values = {"organisation": organisation, "contact": contact_id, "role": role.value, "since": since}
    return connection.execute(insert(RoleAssignment).values(**values).returning(RoleAssignment.id)).scalar_one()


def end_assignment(connection: Connection, id_: UUID, until: date | None) -> None:
    """Let an assignment end before *until*; None makes it open-ended again."""
    connection.execute(update(RoleAssignment).where(RoleAssignment.id == id_).values(until=until))


def insert_change(connection: Connection, values: Mapping[str, Any], tasks: Sequence[MatrixTask]) -> UUID:
    """Add a change with its tasks and return its id."""
    change = connection.execute(insert(PersonnelChange).values(**values).returning(PersonnelChange.id)).scalar_one()
    rows = [
        {"change": change, "task": each.task.value, "acts": [role.value for role in each.acts], "state": "open"}
        for each in tasks
    ]
    connection.execute(insert(HandoverTask), rows)
    return change


def change_of(connection: Connection, id_: UUID, *, lock: bool = False) -> Change:
    """Return one change; with *lock* nobody else moves it meanwhile.

    Raises:
        HandoverUnknown: there is none.
    """
    if lock:
        connection.execute(select(PersonnelChange.id).where(PersonnelChange.id == id_).with_for_update())
    found = _changes(connection, _change_rows().where(PersonnelChange.id == id_))
    if not found:
        raise HandoverUnknown(what=text("hand-over"), name=id_)
    return found[0]


def changes(
    connection: Connection, *, organisation: UUID | None = None, states: Sequence[ChangeState] = ()
) -> Sequence[Change]:
    """Return changes, the earliest effective first."""
    query = _change_rows().order_by(PersonnelChange.effective_on, PersonnelChange.id)
    if organisation is not None:
        query = query.where(PersonnelChange.organisation == organisation)
    if states:
        query = query.where(PersonnelChange.state.in_([state.value for state in states]))
    return _changes(connection, query)


def move_task(connection: Connection, change: UUID, task: Task, state: TaskState, to: TaskState) -> bool:
    """Move a task from *state* to *to*; False where it is in another state by now."""
    mine = (HandoverTask.change == change, HandoverTask.task == task.value, HandoverTask.state == state.value)
    return connection.execute(update(HandoverTask).where(*mine).values(state=to.value)).rowcount == 1


def move_change(connection: Connection, change: UUID, state: ChangeState, to: ChangeState) -> bool:
    """Move a change from *state* to *to*; False where it is in another state by now."""
    mine = (PersonnelChange.id == change, PersonnelChange.state == state.value)
    return connection.execute(update(PersonnelChange).where(*mine).values(state=to.value)).rowcount == 1


def note_accounts_closed(connection: Connection, change: UUID, at: datetime) -> bool:
    """Note that a leaver's accounts are closed; False where that was noted before, or is not to be done."""
    mine = (
        PersonnelChange.id == change,
        PersonnelChange.state == ChangeState.OPEN.value,
        PersonnelChange.accounts_due_on.is_not(None),
        PersonnelChange.accounts_closed_at.is_(None),
    )
    return connection.execute(update(PersonnelChange).where(*mine).values(accounts_closed_at=at)).rowcount == 1


def insert_event(
    connection: Connection,
    change: UUID,
    task: Task | None,
    state: str | None,
    to: str,
    *,
    at: datetime,
    actor: str,
) -> None:
    """Add a step to the history of a hand-over."""
    values = {"change": change, "task": task and task.value, "from_state": state, "to_state": to}
    connection.execute(insert(HandoverEvent).values(at=at, actor=actor, **values))


def events_of(connection: Connection, change: UUID) -> Sequence[Row[Any]]:
    """Return the history of a hand-over, oldest first."""
    query = select(HandoverEvent.__table__).where(HandoverEvent.change == change).order_by(HandoverEvent.id)
    return connection.execute(query).all()


def overdue_accounts(connection: Connection, day: date) -> int:
    """Return how many leavers' accounts ought to have been closed before *day*. Source: A0-051."""
    query = select(func.count()).where(
        PersonnelChange.state == ChangeState.OPEN.value,
        PersonnelChange.accounts_closed_at.is_(None),
        PersonnelChange.accounts_due_on < day,
    )
    return connection.execute(query).scalar_one()


def _assignments() -> Select[Any]:
    # The department is the contact's; whoever may not read contacts asks by the assignment alone.
    return select(RoleAssignment.__table__, Contact.department).join(Contact, Contact.id == RoleAssignment.contact)


def _change_rows() -> Select[Any]:
    return select(PersonnelChange.__table__, RoleAssignment.role).join(
        RoleAssignment, RoleAssignment.id == PersonnelChange.assignment
    )


def _changes(connection: Connection, query: Select[Any]) -> Sequence[Change]:
    rows = connection.execute(query).all()
    tasks: dict[UUID, list[OpenTask]] = {row.id: [] for row in rows}
    mine = select(HandoverTask.__table__).where(HandoverTask.change.in_(tasks))
    for row in connection.execute(mine) if rows else ():
        acts = tuple(Role(role) for role in row.acts)
        tasks[row.change].append(OpenTask(Task(row.task), acts, TaskState(row.state)))
    return [_change(row, tasks[row.id]) for row in rows]


def _change(row: Row[Any], tasks: Sequence[OpenTask]) -> Change:
    order = list(Task)
    return Change(
        id=row.id,
        organisation=row.organisation,
        assignment=row.assignment,
        successor=row.successor,
        role=Role(row.role),
        effective_on=row.effective_on,
        former_until=row.former_until,
        accounts_due_on=row.accounts_due_on,
        accounts_closed_at=row.accounts_closed_at,
        state=ChangeState(row.state),
        opened_at=row.opened_at,
        tasks=tuple(sorted(tasks, key=lambda each: order.index(each.task))),
    )


def _person(row: Row[Any]) -> Person:
    return Person(row.id, row.organisation, Department(row.department), row.name, row.email, row.telephone, row.left_on)


def _assignment(row: Row[Any]) -> Assignment:
    return Assignment(row.id, row.organisation, _held(row))


def _held(row: Row[Any]) -> Held:
    return Held(row.contact, Department(row.department), Role(row.role), Span(row.since, row.until))
