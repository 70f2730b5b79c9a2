"""An organisation's people: added, appointed, and handed over; each act one transaction, recorded in the trail.

Names, addresses and telephone numbers never enter the trail: people are named there by their ids.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection

from chukan.platform.audit.actor import Actor
from chukan.platform.audit.rules import Detail
from chukan.platform.audit.service import UnitOfWork
from chukan.platform.clock import as_tokyo
from chukan.platform.messages import text
from chukan.tenants.registry import store as organisations
from chukan.tenants.registry.errors import OrganisationRefused
from chukan.tenants.registry.people import store
from chukan.tenants.registry.people.errors import HandoverRefused, HandoverUnknown
from chukan.tenants.registry.people.opening import Intent, Opened, Plan, open_change, plan_of, require_appointable
from chukan.tenants.registry.people.rules import (
    CHANGE_TRANSITIONS,
    TASK_TRANSITIONS,
    ChangeState,
    Gap,
    Matrix,
    Role,
    Task,
    TaskState,
    gaps,
    is_complete,
)
from chukan.tenants.registry.people.store import Assignment, Change, Person
from chukan.tenants.registry.people.words import step_label
from chukan.tenants.registry.trail import RegistryAction
from chukan.tenants.registry.values import Department, department_label

_EMAIL = re.compile(r"[!-?A-~]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_TELEPHONE = re.compile(r"[0-9+() -]{6,30}")


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

    def change_contact(self, contact: UUID, *, name: str, email: str, telephone: str, now: datetime) -> Person:
        """Put right how a contact is called and reached; the trail says which of it, and never what.

        Raises:
            OrganisationRefused: a value cannot be.
            ContactUnknown: there is no such contact.
        """
        with self._actor.act(RegistryAction.CHANGE_CONTACT, f"contact:{contact}") as unit:
            person = store.contact(unit.connection, contact)
            _lock(unit.connection, person.organisation, now)
            if fault := _contact_fault(name, email, telephone):
                raise OrganisationRefused(organisation=contact, reason=fault)
            values = {"name": name.strip(), "email": email, "telephone": telephone}
            old = store.contact(unit.connection, contact)
            changed = [field for field, value in values.items() if getattr(old, field) != value]
            store.update_contact(unit.connection, contact, values)
            unit.note(changed=changed)
            return store.contact(unit.connection, contact)

    def leave(self, contact: UUID, *, on: date, successors: Mapping[UUID, UUID], now: datetime) -> Sequence[Opened]:
        """Let a contact leave: every role held on the day before is given up from *on* as by ``open_change``.

        *successors* are contacts by the assignment that they take over. Roles that were to begin later do not.

        Raises:
            HandoverRefused: the person has left already, or a role is being handed over for a later day.
            AppointmentRefused: a successor cannot hold the role.
            ContactUnknown: there is no such contact.
        Source: A0-051.
        """
        with self._actor.act(RegistryAction.LEAVE, f"contact:{contact}", on=str(on)) as unit:
            _lock(unit.connection, store.contact(unit.connection, contact).organisation, now)
            opened = [
                open_change(unit, intent, self._matrices, now=now, actor=self._actor.name)
                for intent in _leaving(unit.connection, contact, on, successors)
            ]
            for role in to_begin(unit.connection, contact, on):
                store.end_assignment(unit.connection, role.id, role.held.span.since)
            store.update_contact(unit.connection, contact, {"left_on": on})
            unit.note(handovers=[str(each.change.id) for each in opened])
            return opened

    def plan_leave(self, contact: UUID, *, on: date, successors: Mapping[UUID, UUID]) -> Sequence[Plan]:
        """Return what ``leave`` would open, role by role; raises as it. Source: A0-051."""
        with self._actor.engine.connect() as connection:
            return [plan_of(connection, each, self._matrices) for each in _leaving(connection, contact, on, successors)]

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
        intent = Intent(assignment, effective_on, successor, leaves)
        act = self._actor.act(RegistryAction.OPEN_HANDOVER, f"assignment:{assignment}", effective_on=str(effective_on))
        with act as unit:
            _lock(unit.connection, store.assignment(unit.connection, assignment).organisation, now)
            opened = open_change(unit, intent, self._matrices, now=now, actor=self._actor.name)
            unit.note(**_told(opened.change))
            return opened

    def plan(self, intent: Intent) -> Plan:
        """Return what ``open_change`` would do; raises as it. Source: A0-051."""
        with self._actor.engine.connect() as connection:
            return plan_of(connection, intent, self._matrices)

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
            unit.note(stays=_stays(unit.connection, found))
            return store.change_of(unit.connection, change)

    def changes(self, *, organisation: UUID | None = None, states: Sequence[ChangeState] = ()) -> Sequence[Change]:
        """Return changes, the earliest effective first."""
        with self._actor.engine.connect() as connection:
            return store.changes(connection, organisation=organisation, states=states)

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
    held = [each.held for each in store.assignments(connection, person.organisation)]
    require_appointable(store.contact(connection, contact), role, since, held)
    return store.insert_assignment(connection, person.organisation, contact, role, since)


def _leaving(connection: Connection, contact: UUID, on: date, successors: Mapping[UUID, UUID]) -> Sequence[Intent]:
    """Return what a contact's leaving makes to be handed over, each role once."""
    if store.contact(connection, contact).left_on is not None:
        raise HandoverRefused(reason=text("this person has left already, or is about to"))
    held = to_give_up(connection, contact, on)
    return [Intent(each.id, on, successors.get(each.id), leaves=True) for each in held]


def to_give_up(connection: Connection, contact: UUID, on: date) -> Sequence[Assignment]:
    """Return the roles that a contact holds and would go on to hold on *on*."""
    return [each for each in _roles_of(connection, contact) if each.held.span.since < on in each.held.span]


def to_begin(connection: Connection, contact: UUID, on: date) -> Sequence[Assignment]:
    """Return the roles of a contact that begin on *on* or later."""
    return [each for each in _roles_of(connection, contact) if each.held.span.since >= on]


def not_ended(connection: Connection, contact: UUID, day: date) -> Sequence[Assignment]:
    """Return the roles that a contact holds on *day* or will hold."""
    spans = ((each, each.held.span) for each in _roles_of(connection, contact))
    return [each for each, span in spans if span.until is None or span.until > max(span.since, day)]


def _roles_of(connection: Connection, contact: UUID) -> Sequence[Assignment]:
    person = store.contact(connection, contact)
    return [each for each in store.assignments(connection, person.organisation) if each.held.contact == contact]


def _stays(connection: Connection, change: Change) -> bool:
    """Let somebody who was to leave stay after all where they hold a role again beyond that day."""
    contact = store.assignment(connection, change.assignment).held.contact
    left_on = store.contact(connection, contact).left_on
    if left_on is None or (change.former_until is not None and change.former_until <= left_on):
        return False
    store.update_contact(connection, contact, {"left_on": None})
    return True


def _told(change: Change) -> Mapping[str, Detail]:
    """Return what the trail says of a change that was opened."""
    tasks = [each.task.value for each in change.tasks]
    due = str(change.accounts_due_on)
    return {"handover": str(change.id), "role": change.role.value, "tasks": tasks, "accounts_due": due}


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
