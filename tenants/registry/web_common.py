"""What the registry's pages share: who acts, on which day, and how states, roles and organisations are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID

from flask import request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection, Row
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # the stubs are of the version before it

from chukan.platform.accounts.operator_overview import login_names
from chukan.platform.accounts.permissions import Permission
from chukan.platform.audit.actor import Actor
from chukan.platform.clock import as_tokyo
from chukan.platform.messages import text
from chukan.platform.web import PageSet, here
from chukan.platform.web.cells import Link, Mark, Status
from chukan.tenants.registry.organisations_file import prefecture_names
from chukan.tenants.registry.people.catalogue import matrices
from chukan.tenants.registry.people.opening import Plan
from chukan.tenants.registry.people.rules import ChangeState, Role, TaskState, may_hold
from chukan.tenants.registry.people.service import People
from chukan.tenants.registry.people.store import Person
from chukan.tenants.registry.people.words import gap_label, role_label, step_label, task_label
from chukan.tenants.registry.values import State, department_label, state_label

Answer = ResponseReturnValue
Choices = list[Any]
Word = TypeVar("Word", bound=Enum)

READ, CHANGE = Permission.ORGANISATION_READ, Permission.ORGANISATION_CHANGE

_STATES: Mapping[State, Mark] = {
    State.APPLIED: Mark.WAITING,
    State.PROVISIONING: Mark.RUNNING,
    State.ACTIVE: Mark.OK,
    State.SUSPENDED: Mark.WARNING,
    State.CLOSING: Mark.WARNING,
    State.CLOSED: Mark.OFF,
}
_STEPS: Mapping[ChangeState | TaskState, Mark] = {
    ChangeState.OPEN: Mark.WAITING,
    ChangeState.COMPLETED: Mark.OK,
    ChangeState.CANCELLED: Mark.OFF,
    TaskState.OPEN: Mark.WAITING,
    TaskState.DONE: Mark.OK,
    TaskState.DROPPED: Mark.OFF,
}


def actor() -> Actor:
    """Return the visitor as who acts and is recorded."""
    return Actor(here().engine, here().actor, here().request)


def people() -> People:
    """Return the use cases on people, for the visitor."""
    return People(actor(), matrices())


def today() -> date:
    """Return the day of the request in Tokyo."""
    return as_tokyo(here().now).date()


def may_change() -> bool:
    """Return whether the visitor may change organisations."""
    return here().may(CHANGE)


def pair(pages: PageSet, path: str, show: Callable[..., Answer], act: Callable[..., Answer]) -> None:
    """Declare a page that asks and the act behind it: both need the permission to change organisations."""
    pages.get(path, needs=CHANGE)(show)
    pages.post(path, needs=CHANGE)(act)


def told_actors(connection: Connection, events: Iterable[Row[Any]]) -> Mapping[str, str]:
    """Return how pages call the actor of each of *events*: an operator by the log-in name, machines as they are."""
    actors = {event.actor for event in events}
    names = login_names(connection, actors)
    return {actor: names.get(actor, actor) for actor in actors}


def state_mark(state: State) -> Status:
    """Return *state* as lists and facts show it."""
    return Status(_STATES[state], state_label(state))


def step_mark(state: ChangeState | TaskState) -> Status:
    """Return where a hand-over or a task stands, as lists show it."""
    return Status(_STEPS[state], step_label(state))


def organisation_link(name: str, reference: str) -> Link:
    """Return the way to the page of an organisation."""
    return Link(name, url_for("registry.organisation", reference=reference))


def hand_over_link(words: str, change: object) -> Link:
    """Return the way to the page of a hand-over."""
    return Link(words, url_for("registry.hand_over", change=change))


def choice(value: str, words: str) -> Any:
    """Return a form's choice of *value* under *words*, which are marked or translated already."""
    return SelectChoice(value, words)


def choices(words: Iterable[Word], label: Callable[[Word], str], anything: str | None = None) -> Choices:
    """Return the choices of a form: *words* under their labels, after one for *anything* (a marked text)."""
    first = [] if anything is None else [choice("", text(anything))]
    return [*first, *(choice(str(word.value), label(word)) for word in words)]


def prefecture_choices(anything: str) -> Choices:
    """Return the 47 prefectures by number as a form's choices, after one for *anything* (a marked text)."""
    return [choice("", text(anything)), *(choice(*each) for each in sorted(prefecture_names().items()))]


def is_confirmed() -> bool:
    """Return whether what was sent is the yes to a preview."""
    return request.form.get("step") == "confirm"


def successor_choices(colleagues: Iterable[Person], role: Role, *, but: UUID) -> Choices:
    """Return who of *colleagues* could hold *role* after *but*, by id, after nobody."""
    could = (each for each in colleagues if each.id != but and each.left_on is None and may_hold(role, each.department))
    named = [choice(str(each.id), f"{each.name}（{department_label(each.department)}）") for each in could]
    return [choice("", text("nobody yet")), *named]


@dataclass(frozen=True)
class PlanShape:
    """What a preview shows of a plan."""

    role: str
    successor: str | None
    tasks: list[list[object]]
    warnings: list[str]


def plan_shape(plan: Plan, successor: str | None) -> PlanShape:
    """Return what the preview of *plan* shows; *successor* is a name."""
    day = plan.effective_on
    tasks: list[list[object]] = [
        [task_label(each.task), [role_label(role) for role in each.acts], day] for each in plan.tasks
    ]
    if plan.accounts_due_on is not None:
        tasks.append([text("close the accounts of who left"), None, plan.accounts_due_on])
    return PlanShape(role_label(plan.outgoing.held.role), successor, tasks, [gap_label(gap) for gap in plan.warnings])
