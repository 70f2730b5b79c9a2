"""An organisation's people: added, appointed, and handed over; each act one transaction, recorded in the trail.

Names, addresses and telephone numbers never enter the trail: people are named there by their ids.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection

from chukan.platform.audit.actor import Actor
from chukan.platform.audit.service import UnitOfWork
from chukan.platform.clock import as_tokyo
from chukan.platform.messages import text
from chukan.tenants.registry import store as organisations
from chukan.tenants.registry.errors import OrganisationRefused
from chukan.tenants.registry.people import store
from chukan.tenants.registry.people.errors import AppointmentRefused, HandoverRefused, HandoverUnknown
from chukan.tenants.registry.people.rules import (
    CHANGE_TRANSITIONS,
    SINGLE,
    TASK_TRANSITIONS,
    ChangeState,
    Gap,
    Matrix,
    Role,
    Task,
    TaskState,
    accounts_due,
    gaps,
    is_complete,
    matrix_on,
    may_hold,
    opened_by_leaving,
)
from chukan.tenants.registry.people.store import Assignment, Change, Person
from chukan.tenants.registry.people.words import role_label, step_label
from chukan.tenants.registry.rules import Span
from chukan.tenants.registry.trail import RegistryAction
from chukan.tenants.registry.values import Department, department_label

_EMAIL = re.compile(r"[!-?A-~]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_TELEPHONE = re.compile(r"[0-9+() -]{6,30}")


@dataclass(frozen=True, slots=True)
class Opened:
    """A change that was opened, and what nobody would hold any more from its day on."""

    change: Change
    warnings: Sequence[Gap]


class People:
    """The organisations' people, for *actor*, handed over by *matrices*."""

    def __init__(self, actor: Actor, matrices: Sequence[Matrix]) -> None:
        self._actor = actor
        self._matrices = matrices

    def add_contact(
        self, reference: str, department: Department, *, name: str, email: str, telephone: str, now: datetime
    ) -> Person:
        """Add a person to a department of an organisation.

        Raises:
            OrganisationRefused: it has no such department (a union has no board), or a value cannot be.
        Source: A0-045, A0-050.
        """
        day = as_tokyo(now).date()
        subject = organisations.subject_of(reference)
        with self._actor.act(RegistryAction.ADD_CONTACT, subject, department=department.value) as unit:
            organisation = organisations.get(unit.connection, reference, day, lock=True)
            if department not in store.departments(unit.connection, organisation.id):
                reason = text("it has no {department}", department=department_label(department))
                raise OrganisationRefused(organisation=organisation.reference, reason=reason)
            if fault := _contact_fault(name, email, telephone):
                raise OrganisationRefused(organisation=organisation.reference, reason=fault)
            values = {"organisation": organisation.id, "department": department.value, "created_at": now}
            id_ = store.insert_contact(
                unit.connection, {**values, "name": name.strip(), "email": email, "telephone": telephone}
            )
            unit.note(contact=str(id_))
            return store.contact(unit.connection, id_)

    def appoint(self, contact: UUID, role: Role, *, since: date) -> Assignment:
        """Give a contact a role from the day *since*.

        Raises:
            AppointmentRefused: the role belongs to another department, the contact holds it already, or
                another one is the first (or deputy) VPN administrator on these days.
            ContactUnknown: there is no such contact.
        Source: A0-044.
        """
        act = self._actor.act(RegistryAction.APPOINT, f"contact:{contact}", role=role.value, since=str(since))
        with act as unit:
            id_ = _appoint(unit.connection, contact, role, since)
            unit.note(assignment=str(id_))
            return store.assignment(unit.connection, id_)

    def gaps(self, organisation: UUID, day: date) -> Sequence[Gap]:
        """Return what is wrong on *day* with who holds the roles. Source: A0-044, A0-046."""
        with self._actor.engine.connect() as connection:
            held = [each.held for each in store.assignments(connection, organisation)]
            return gaps(held, store.departments(connection, organisation), day)

    def open_change(
        self, assignment: UUID, *, effective_on: date, successor: UUID | None, leaves: bool, now: datetime
    ) -> Opened:
        """Let the holder of a role give it up from *effective_on*; a *successor* (contact) holds it from then on.

        Exactly the tasks of the matrix of that day are opened. With *leaves* the person's accounts are to be
        closed in the matrix's time. That nobody would be left is a warning, never a refusal.

        Raises:
            HandoverRefused: the role is not held on the day before, or is being handed over already.
            AppointmentRefused: the successor cannot hold it.
            HandoverUnknown: nobody holds such a role.
        Source: A0-051.
        """
        act = self._actor.act(RegistryAction.OPEN_HANDOVER, f"assignment:{assignment}", effective_on=str(effective_on))
        with act as unit:
            outgoing = store.assignment(unit.connection, assignment)
            _lock(unit.connection, outgoing.organisation, now)
            outgoing = store.assignment(unit.connection, assignment)
            before = [each.held for each in store.assignments(unit.connection, outgoing.organisation)]
            _require_held(unit.connection, outgoing, effective_on)
            store.end_assignment(unit.connection, assignment, effective_on)
            follower = successor and _appoint(unit.connection, successor, outgoing.held.role, effective_on)
            change = self._insert_change(unit, outgoing, follower, effective_on, leaves=leaves, now=now)
            after = [each.held for each in store.assignments(unit.connection, outgoing.organisation)]
            there = store.departments(unit.connection, outgoing.organisation)
            return Opened(change, opened_by_leaving(before, after, there, effective_on))

    def finish_task(self, change: UUID, task: Task, *, now: datetime) -> Change:
        """Note that a task is done; with the last one, and the accounts closed, the change is complete.

        Raises:
            HandoverRefused: it is done already, or the change is not open.
            HandoverUnknown: there is no such change, or it has no such task.
        Source: A0-051.
        """
        with self._actor.act(RegistryAction.FINISH_TASK, f"handover:{change}", task=task.value) as unit:
            found = store.change_of(unit.connection, change, lock=True)
            mine = [each for each in found.tasks if each.task is task]
            if not mine:
                raise HandoverUnknown(what=text("task"), name=task.value)
            if TaskState.DONE not in TASK_TRANSITIONS[mine[0].state] or not store.move_task(
                unit.connection, change, task, TaskState.OPEN, TaskState.DONE
            ):
                raise HandoverRefused(reason=text("the task is {state}", state=step_label(mine[0].state)))
            self._note(unit, change, task, TaskState.OPEN.value, TaskState.DONE.value, now=now)
            return self._completed(unit, change, now)

    def close_accounts(self, change: UUID, *, now: datetime) -> Change:
        """Note that the accounts of somebody who left are closed.

        Raises:
            HandoverRefused: nothing is to be closed, or that was noted before.
            HandoverUnknown: there is no such change.
        Source: A0-051.
        """
        with self._actor.act(RegistryAction.CLOSE_ACCOUNTS, f"handover:{change}") as unit:
            store.change_of(unit.connection, change, lock=True)
            if not store.note_accounts_closed(unit.connection, change, now):
                raise HandoverRefused(reason=text("it has no accounts that are still to be closed"))
            self._note(unit, change, None, "accounts_open", "accounts_closed", now=now)
            return self._completed(unit, change, now)

    def cancel_change(self, change: UUID, *, now: datetime) -> Change:
        """Take a change back: the person keeps the role, the successor does not get it, open tasks are dropped.

        Raises:
            HandoverRefused: it is complete, or was taken back before.
            HandoverUnknown: there is no such change.
        """
        with self._actor.act(RegistryAction.CANCEL_HANDOVER, f"handover:{change}") as unit:
            found = store.change_of(unit.connection, change, lock=True)
            _lock(unit.connection, found.organisation, now)
            self._move(unit, found, ChangeState.CANCELLED, now)
            for task in found.tasks:
                if store.move_task(unit.connection, change, task.task, TaskState.OPEN, TaskState.DROPPED):
                    self._note(unit, change, task.task, TaskState.OPEN.value, TaskState.DROPPED.value, now=now)
            if found.successor is not None:
                # From its first day on: an empty span, which stays to be seen.
                store.end_assignment(unit.connection, found.successor, found.effective_on)
            store.end_assignment(unit.connection, found.assignment, found.former_until)
            return store.change_of(unit.connection, change)

    def changes(self, *, organisation: UUID | None = None, states: Sequence[ChangeState] = ()) -> Sequence[Change]:
        """Return changes, the earliest effective first."""
        with self._actor.engine.connect() as connection:
            return store.changes(connection, organisation=organisation, states=states)

    def _insert_change(
        self,
        unit: UnitOfWork,
        outgoing: Assignment,
        follower: UUID | None,
        effective_on: date,
        *,
        leaves: bool,
        now: datetime,
    ) -> Change:
        role = outgoing.held.role
        matrix = matrix_on(self._matrices, effective_on)
        due = accounts_due(role, effective_on, matrix.accounts_within, leaves=leaves)
        values = {
            "organisation": outgoing.organisation,
            "assignment": outgoing.id,
            "successor": follower,
            "effective_on": effective_on,
            "former_until": outgoing.held.span.until,
            "accounts_due_on": due,
            "state": ChangeState.OPEN.value,
            "opened_at": now,
        }
        tasks = matrix.tasks_for(role)
        id_ = store.insert_change(unit.connection, values, tasks)
        self._note(unit, id_, None, None, ChangeState.OPEN.value, now=now)
        for each in tasks:
            self._note(unit, id_, each.task, None, TaskState.OPEN.value, now=now)
        unit.note(handover=str(id_), role=role.value, tasks=[each.task.value for each in tasks], accounts_due=str(due))
        return store.change_of(unit.connection, id_)

    def _completed(self, unit: UnitOfWork, change: UUID, now: datetime) -> Change:
        found = store.change_of(unit.connection, change)
        states = [each.state for each in found.tasks]
        closed = found.accounts_closed_at is not None
        if not is_complete(states, accounts_due_on=found.accounts_due_on, accounts_closed=closed):
            return found
        self._move(unit, found, ChangeState.COMPLETED, now)
        unit.note(completed=True)
        return replace(found, state=ChangeState.COMPLETED)

    def _move(self, unit: UnitOfWork, change: Change, to: ChangeState, now: datetime) -> None:
        if to not in CHANGE_TRANSITIONS[change.state] or not store.move_change(
            unit.connection, change.id, change.state, to
        ):
            raise HandoverRefused(reason=text("the hand-over is {state}", state=step_label(change.state)))
        self._note(unit, change.id, None, change.state.value, to.value, now=now)

    def _note(
        self, unit: UnitOfWork, change: UUID, task: Task | None, state: str | None, to: str, *, now: datetime
    ) -> None:
        store.insert_event(unit.connection, change, task, state, to, at=now, actor=self._actor.name)


def _appoint(connection: Connection, contact: UUID, role: Role, since: date) -> UUID:
    person = store.contact(connection, contact)
    organisations.get(connection, str(person.organisation), since, lock=True)
    label = role_label(role)
    if not may_hold(role, person.department):
        raise AppointmentRefused(role=label, reason=text("it belongs to the executive departments"))
    wanted = Span(since)
    for held in (each.held for each in store.assignments(connection, person.organisation)):
        if held.role is not role or not held.span.overlaps(wanted):
            continue
        if held.contact == contact:
            raise AppointmentRefused(role=label, reason=text("this person holds it already"))
        if role in SINGLE:
            raise AppointmentRefused(role=label, reason=text("another person holds it on these days"))
    return store.insert_assignment(connection, person.organisation, contact, role, since)


def _require_held(connection: Connection, outgoing: Assignment, effective_on: date) -> None:
    span = outgoing.held.span
    if not (span.since < effective_on and (span.until is None or effective_on <= span.until)):
        raise HandoverRefused(reason=text("the role is not held until {day}", day=effective_on))
    going = [ChangeState.OPEN, ChangeState.COMPLETED]
    known = store.changes(connection, organisation=outgoing.organisation, states=going)
    if any(each.assignment == outgoing.id for each in known):
        raise HandoverRefused(reason=text("the role is being handed over already"))


def _lock(connection: Connection, organisation: UUID, now: datetime) -> None:
    """Keep others from changing the organisation's people until the transaction ends."""
    organisations.get(connection, str(organisation), as_tokyo(now).date(), lock=True)


def _contact_fault(name: str, email: str, telephone: str) -> str | None:
    if not 0 < len(name.strip()) <= 100 or not name.isprintable():
        return text("the name is empty, too long, or holds signs that cannot be printed")
    if len(email) > 254 or _EMAIL.fullmatch(email) is None:
        return text("the mail address is none")
    if _TELEPHONE.fullmatch(telephone) is None:
        return text("the telephone number is none")
    return None
