"""What a personnel change would do, and doing it: one place decides, for the preview and for the act.

Nothing here begins or ends a transaction. Source: A0-051.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection

from chukan.platform.audit.service import UnitOfWork
from chukan.platform.messages import text
from chukan.tenants.registry.people import store
from chukan.tenants.registry.people.errors import AppointmentRefused, HandoverRefused
from chukan.tenants.registry.people.rules import (
    SINGLE,
    ChangeState,
    Gap,
    Held,
    Matrix,
    MatrixTask,
    Role,
    TaskState,
    accounts_due,
    matrix_on,
    may_hold,
    opened_by_leaving,
)
from chukan.tenants.registry.people.store import Assignment, Change, Person
from chukan.tenants.registry.people.words import role_label
from chukan.tenants.registry.rules import Span


@dataclass(frozen=True, slots=True)
class Intent:
    """Who gives up what: the holder of *assignment*, whose first day without it is *effective_on* (Asia/Tokyo).

    *successor* is the contact who holds the role from then on; with *leaves* the person's accounts are to be closed.
    """

    assignment: UUID
    effective_on: date
    successor: UUID | None
    leaves: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What an intent leads to: exactly these tasks, the last day for a leaver's accounts, and who would be missing."""

    outgoing: Assignment
    effective_on: date
    tasks: tuple[MatrixTask, ...]
    accounts_due_on: date | None
    warnings: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """A change that was opened, and what nobody would hold any more from its day on."""

    change: Change
    warnings: Sequence[Gap]


def plan_of(connection: Connection, intent: Intent, matrices: Sequence[Matrix]) -> Plan:
    """Return what *intent* leads to, without doing it.

    Raises:
        HandoverRefused: the role is not held on the day before, or is being handed over already.
        AppointmentRefused: the successor cannot hold it.
        HandoverUnknown: nobody holds such a role.
        ContactUnknown: there is no such successor.
    """
    outgoing = store.assignment(connection, intent.assignment)
    _require_held(connection, outgoing, intent.effective_on)
    role, day = outgoing.held.role, intent.effective_on
    known = store.assignments(connection, outgoing.organisation)
    before = [each.held for each in known]
    ended = replace(outgoing.held, span=Span(outgoing.held.span.since, day))
    after = [ended if each.id == outgoing.id else each.held for each in known]
    if intent.successor is not None:
        person = store.contact(connection, intent.successor)
        if person.organisation != outgoing.organisation:
            raise AppointmentRefused(role=role_label(role), reason=text("this person works for another organisation"))
        require_appointable(person, role, day, after)
        after.append(Held(person.id, person.department, role, Span(day)))
    there = store.departments(connection, outgoing.organisation)
    matrix = matrix_on(matrices, day)
    due = accounts_due(role, day, matrix.accounts_within, leaves=intent.leaves)
    return Plan(outgoing, day, matrix.tasks_for(role), due, opened_by_leaving(before, after, there, day))


def open_change(unit: UnitOfWork, intent: Intent, matrices: Sequence[Matrix], *, now: datetime, actor: str) -> Opened:
    """Do what ``plan_of`` says, in the transaction of *unit*; the organisation is locked. Raises as ``plan_of``."""
    connection = unit.connection
    plan = plan_of(connection, intent, matrices)
    role, organisation = plan.outgoing.held.role, plan.outgoing.organisation
    store.end_assignment(connection, intent.assignment, intent.effective_on)
    follower = intent.successor and store.insert_assignment(
        connection, organisation, intent.successor, role, intent.effective_on
    )
    values = {
        "organisation": organisation,
        "assignment": intent.assignment,
        "successor": follower,
        "effective_on": intent.effective_on,
        "former_until": plan.outgoing.held.span.until,
        "accounts_due_on": plan.accounts_due_on,
        "state": ChangeState.OPEN.value,
        "opened_at": now,
    }
    id_ = store.insert_change(connection, values, plan.tasks)
    store.insert_event(connection, id_, None, None, ChangeState.OPEN.value, at=now, actor=actor)
    for each in plan.tasks:
        store.insert_event(connection, id_, each.task, None, TaskState.OPEN.value, at=now, actor=actor)
    return Opened(store.change_of(connection, id_), plan.warnings)


def require_appointable(person: Person, role: Role, since: date, held: Sequence[Held]) -> None:
    """Refuse a role that *person* cannot hold from *since* on beside what is *held* in the organisation.

    Raises:
        AppointmentRefused: with the reason. Source: A0-044, A0-045.
    """
    label = role_label(role)
    if person.left_on is not None:
        raise AppointmentRefused(role=label, reason=text("this person leaves on {day}", day=person.left_on))
    if not may_hold(role, person.department):
        raise AppointmentRefused(role=label, reason=text("it belongs to the executive departments"))
    wanted = Span(since)
    for each in held:
        if each.role is not role or not each.span.overlaps(wanted):
            continue
        if each.contact == person.id:
            raise AppointmentRefused(role=label, reason=text("this person holds it already"))
        if role in SINGLE:
            raise AppointmentRefused(role=label, reason=text("another person holds it on these days"))


def _require_held(connection: Connection, outgoing: Assignment, effective_on: date) -> None:
    span = outgoing.held.span
    if not (span.since < effective_on and (span.until is None or effective_on <= span.until)):
        raise HandoverRefused(reason=text("the role is not held until {day}", day=effective_on))
    going = [ChangeState.OPEN, ChangeState.COMPLETED]
    known = store.changes(connection, organisation=outgoing.organisation, states=going)
    if any(each.assignment == outgoing.id for each in known):
        raise HandoverRefused(reason=text("the role is being handed over already"))
