"""Hand-overs: a role is given up after a preview of its tasks, and its tasks are noted as done.

| GET, POST | `/organisations/roles/<assignment>/hand-over` | who follows, from when; preview; the act |
| GET | `/organisations/hand-overs/<change>` | tasks and history of one |
| POST | `/organisations/hand-overs/<change>/tasks/<task>` | a task is done |
| POST | `/organisations/hand-overs/<change>/accounts` | a leaver's accounts are closed |
| GET, POST | `/organisations/hand-overs/<change>/cancel` | it is taken back, after a question |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import url_for
from sqlalchemy import Row
from werkzeug.exceptions import NotFound
from wtforms import BooleanField, SelectField
from wtforms.validators import InputRequired

from chukan.platform.messages import mark, text
from chukan.platform.web import BaseForm, PageSet, done, here, page
from chukan.platform.web.fields import DayField
from chukan.tenants.registry import store as organisations
from chukan.tenants.registry.people import store
from chukan.tenants.registry.people.opening import Intent, Plan
from chukan.tenants.registry.people.rules import WITH_ACCOUNTS, ChangeState, Task
from chukan.tenants.registry.people.store import Assignment, Change, Person
from chukan.tenants.registry.people.words import event_label, gap_label, role_label, task_label
from chukan.tenants.registry.store import Registered
from chukan.tenants.registry.web_common import (
    CHANGE,
    READ,
    Answer,
    is_confirmed,
    may_change,
    organisation_link,
    pair,
    people,
    plan_shape,
    step_mark,
    successor_choices,
    today,
    told_actors,
)


class HandOverForm(BaseForm):
    """Who follows in a role, and from when."""

    on = DayField(
        mark("The day of the change"),
        [InputRequired()],
        description=mark("The first day on which the person does not hold the role any more."),
    )
    successor = SelectField(mark("Who holds it from then on"), default="")
    leaves = BooleanField(
        mark("The person leaves, so that the accounts are to be closed."),
        description=mark("Who leaves altogether is entered under the contact: all of their roles are handed over."),
    )


class CancelForm(BaseForm):
    """Nothing but the question."""


@dataclass(frozen=True)
class _Held:
    """A role, who holds it, and everybody who works there."""

    assignment: Assignment
    organisation: Registered
    person: Person
    colleagues: Sequence[Person]

    @property
    def role(self) -> str:
        """How people call the role."""
        return role_label(self.assignment.held.role)


def declare(pages: PageSet) -> None:
    """Declare the acts and the page of one hand-over."""
    one = "/organisations/hand-overs/<uuid:change>"
    pair(pages, "/organisations/roles/<uuid:assignment>/hand-over", ask_hand_over, open_hand_over)
    pages.get(one, needs=READ)(hand_over)
    pages.post(f"{one}/tasks/<task>", needs=CHANGE)(finish_task)
    pages.post(f"{one}/accounts", needs=CHANGE)(close_accounts)
    pair(pages, f"{one}/cancel", ask_cancel, cancel)


# -- opening --------------------------------------------------------------------------------------


def ask_hand_over(assignment: UUID) -> Answer:
    """Ask who follows in a role, and from when."""
    held = _held(assignment)
    return page("registry/hand_over_new.html", held=held, form=_form(held), has_accounts=_has_accounts(held))


def open_hand_over(assignment: UUID) -> Answer:
    """Show which tasks the change opens, and after that was confirmed, open them."""
    held = _held(assignment)
    form, office = _form(held), people()
    plans: list[Plan] = []
    warnings: list[str] = []

    def intent() -> Intent:
        successor = UUID(form.successor.data) if form.successor.data else None
        return Intent(assignment, form.on.data, successor, leaves=bool(form.leaves.data))

    def act() -> None:
        wanted = intent()
        opened = office.open_change(
            assignment,
            effective_on=wanted.effective_on,
            successor=wanted.successor,
            leaves=wanted.leaves,
            now=here().now,
        )
        warnings.extend(gap_label(gap) for gap in opened.warnings)

    confirmed = is_confirmed()
    if not form.attempt(act if confirmed else lambda: plans.append(office.plan(intent()))):
        return page("registry/hand_over_new.html", 422, held=held, form=form, has_accounts=_has_accounts(held))
    if confirmed:
        told = mark("The hand-over is opened; what is to be done stands in the list of tasks.")
        return done("registry.organisation", told, reference=held.organisation.reference)
    names = {str(each.id): each.name for each in held.colleagues}
    sent = {"on": form.on.data.isoformat(), "successor": form.successor.data or ""}
    return page(
        "registry/hand_over_preview.html",
        held=held,
        plan=plan_shape(plans[0], names.get(form.successor.data or "")),
        on=form.on.data,
        sent=sent | ({"leaves": "y"} if form.leaves.data else {}),
    )


def _form(held: _Held) -> HandOverForm:
    form = HandOverForm()
    form.successor.choices = successor_choices(held.colleagues, held.assignment.held.role, but=held.person.id)
    return form


def _has_accounts(held: _Held) -> bool:
    return held.assignment.held.role in WITH_ACCOUNTS


def _held(assignment: UUID) -> _Held:
    with here().engine.connect() as connection:
        found = store.assignment(connection, assignment)
        organisation = organisations.get(connection, str(found.organisation), today())
        colleagues = store.contacts(connection, found.organisation)
    person = next(each for each in colleagues if each.id == found.held.contact)
    return _Held(found, organisation, person, colleagues)


# -- following ------------------------------------------------------------------------------------


def hand_over(change: UUID) -> Answer:
    """Show one hand-over with its tasks and its history."""
    with here().engine.connect() as connection:
        found = store.change_of(connection, change)
        events = store.events_of(connection, change)
        actors = told_actors(connection, events)
        one = organisations.get(connection, str(found.organisation), today())
        names = {each.id: each.name for each in store.contacts(connection, found.organisation)}
        before = names[store.assignment(connection, found.assignment).held.contact]
        after = names[store.assignment(connection, found.successor).held.contact] if found.successor else None
    is_open = found.state is ChangeState.OPEN
    return page(
        "registry/hand_over.html",
        one=one,
        change=found,
        role=role_label(found.role),
        state=step_mark(found.state),
        facts=_facts(found, one, before, after),
        tasks=[(task_label(each.task), each, [role_label(role) for role in each.acts], step_mark(each.state))
               for each in found.tasks],
        is_overdue=is_open and found.effective_on < today(),
        history=[[event.at, _told(event), actors[event.actor]] for event in reversed(events)],
        may_act=may_change() and is_open,
    )  # fmt: skip


def finish_task(change: UUID, task: str) -> Answer:
    """Note that a task is done."""
    if task not in set(Task):
        raise NotFound
    people().finish_task(change, Task(task), now=here().now)
    return done("registry.hand_over", mark("It is noted that the task is done."), change=change)


def close_accounts(change: UUID) -> Answer:
    """Note that a leaver's accounts are closed."""
    people().close_accounts(change, now=here().now)
    return done("registry.hand_over", mark("It is noted that the accounts are closed."), change=change)


def ask_cancel(change: UUID) -> Answer:
    """Ask whether a hand-over is to be taken back."""
    return _cancel_page(change, CancelForm())


def cancel(change: UUID) -> Answer:
    """Take a hand-over back: the person keeps the role."""
    form = CancelForm()
    if not form.attempt(lambda: people().cancel_change(change, now=here().now)):
        return _cancel_page(change, form, 422)
    return done("registry.hand_over", mark("The hand-over is taken back."), change=change)


def _cancel_page(change: UUID, form: CancelForm, status: int = 200) -> Answer:
    with here().engine.connect() as connection:
        found = store.change_of(connection, change)
        one = organisations.get(connection, str(found.organisation), today())
    back = url_for("registry.hand_over", change=change)
    return page(
        "web/confirm.html",
        status,
        title=text("Take the hand-over back?"),
        facts=[
            (text("Organisation"), one.title),
            (text("Role"), role_label(found.role)),
            (text("The day of the change"), found.effective_on),
        ],
        warning=text("The person keeps the role and stays, the successor does not get it, open tasks are dropped."),
        crumbs=[(one.title, url_for("registry.organisation", reference=one.reference)), (role_label(found.role), back)],
        action=url_for("registry.cancel", change=change),
        form=form,
        button=text("Take it back"),
        cancel=back,
        danger=True,
    )


def _facts(change: Change, one: Registered, before: str, after: str | None) -> list[tuple[str, object]]:
    facts: list[tuple[str, object]] = [
        (text("Organisation"), organisation_link(one.title, one.reference)),
        (text("State"), step_mark(change.state)),
        (text("The day of the change"), change.effective_on),
        (text("Who held it"), before),
        (text("Who holds it from then on"), after),
        (text("Opened at"), change.opened_at),
    ]
    if change.accounts_due_on is not None:
        facts.append((text("Accounts to be closed by"), change.accounts_due_on))
        facts.append((text("Accounts closed at"), change.accounts_closed_at))
    return facts


def _told(event: Row[Any]) -> str:
    what = task_label(Task(event.task)) if event.task else text("the hand-over")
    return f"{what}: {event_label(event.to_state)}"
