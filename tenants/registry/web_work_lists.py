"""What is worked off over all organisations: open tasks of hand-overs, and warnings on roles.

| GET | `/organisations/tasks` | what open hand-overs leave to be done, what is due first on top |
| GET | `/organisations/warnings` | who is missing in which role |
"""

from __future__ import annotations

from collections.abc import Sequence

from flask import request
from wtforms import SelectField, StringField
from wtforms.validators import Length

from chukan.platform.messages import mark, text
from chukan.platform.web import PageSet, here, page
from chukan.platform.web.cells import Mark, Status
from chukan.platform.web.listing import Column, FilterForm, Listing, Order
from chukan.tenants.registry import lists
from chukan.tenants.registry.attention import WATCHED
from chukan.tenants.registry.lists import Cut, WaitingFilter, WaitingTask, Warned, WarnedFilter
from chukan.tenants.registry.people.rules import MISSED, GapKind, Role
from chukan.tenants.registry.people.words import gap_kind_label, role_label, task_label
from chukan.tenants.registry.values import State, department_label, state_label
from chukan.tenants.registry.web_common import (
    READ,
    Answer,
    choice,
    choices,
    hand_over_link,
    organisation_link,
    prefecture_choices,
    state_mark,
    today,
)


class TaskFilters(FilterForm):
    """What narrows the list of tasks."""

    words = StringField(mark("Name, reading or code"), [Length(max=100)])
    prefecture = SelectField(
        mark("Prefecture"), default="", choices=lambda: prefecture_choices(mark("In any prefecture"))
    )
    role = SelectField(mark("Role"), default="", choices=lambda: choices(Role, role_label, mark("Any role")))
    overdue = SelectField(
        mark("Due"),
        default="",
        choices=[
            choice("", mark("Whenever")),
            choice("yes", mark("Its day has passed")),
            choice("no", mark("Its day is still to come")),
        ],
    )

    def wanted(self) -> WaitingFilter:
        """Return the same as the list takes it."""
        return WaitingFilter(
            words=self.words.data or "",
            prefecture=self.prefecture.data or None,
            role=Role(self.role.data) if self.role.data else None,
            overdue=None if not self.overdue.data else self.overdue.data == "yes",
        )


class WarningFilters(FilterForm):
    """What narrows the list of warnings; without a stage those who use the platform are looked at."""

    words = StringField(mark("Name, reading or code"), [Length(max=100)])
    prefecture = SelectField(
        mark("Prefecture"), default="", choices=lambda: prefecture_choices(mark("In any prefecture"))
    )
    role = SelectField(mark("Role"), default="", choices=lambda: choices(MISSED, role_label, mark("Any role")))
    gap = SelectField(
        mark("Warning"), default="", choices=lambda: choices(GapKind, gap_kind_label, mark("Any warning"))
    )
    state = SelectField(
        mark("Stage"), default="", choices=lambda: choices(State, state_label, mark("Uses the platform"))
    )

    def wanted(self) -> WarnedFilter:
        """Return the same as the list takes it."""
        return WarnedFilter(
            words=self.words.data or "",
            prefecture=self.prefecture.data or None,
            role=Role(self.role.data) if self.role.data else None,
            kind=GapKind(self.gap.data) if self.gap.data else None,
            states=[State(self.state.data)] if self.state.data else WATCHED,
        )


def _due(row: WaitingTask) -> Status:
    if row.is_overdue(today()):
        return Status(Mark.WARNING, text("overdue"))
    return Status(Mark.WAITING, text("to come"))


def _what(row: WaitingTask) -> str:
    return text("close the accounts of who left") if row.task is None else task_label(row.task)


TASKS: Sequence[Column[WaitingTask]] = (
    Column("due_on", mark("Due on"), lambda row: row.due_on, sortable=True),
    Column("due", mark("Due"), _due),
    Column("task", mark("Task"), lambda row: hand_over_link(_what(row), row.change), sortable=True),
    Column("role", mark("Role that is handed over"), lambda row: role_label(row.role), sortable=True),
    Column("acts", mark("Who does it"), lambda row: [role_label(role) for role in row.acts]),
    Column(
        "organisation",
        mark("Organisation"),
        lambda row: organisation_link(row.organisation.name, row.organisation.reference),
        sortable=True,
    ),
    Column("prefecture", mark("Prefecture"), lambda row: row.organisation.prefecture_name),
    Column("code", mark("Code of the organisation"), lambda row: row.organisation.code),
)
WARNINGS: Sequence[Column[Warned]] = (
    Column(
        "organisation",
        mark("Organisation"),
        lambda row: organisation_link(row.organisation.name, row.organisation.reference),
        sortable=True,
    ),
    Column("prefecture", mark("Prefecture"), lambda row: row.organisation.prefecture_name),
    Column("code", mark("Code of the organisation"), lambda row: row.organisation.code),
    Column("state", mark("Stage"), lambda row: state_mark(row.state), sortable=True),
    Column("role", mark("Role"), lambda row: role_label(row.gap.role), sortable=True),
    Column(
        "department",
        mark("Department"),
        lambda row: department_label(row.gap.department) if row.gap.department else None,
    ),
    Column(
        "gap", mark("Warning"), lambda row: Status(Mark.WARNING, gap_kind_label(row.gap.kind)), sortable=True
    ),
)  # fmt: skip


def declare(pages: PageSet) -> None:
    """Declare both lists."""
    pages.get("/organisations/tasks", needs=READ, menu=(mark("Hand-over tasks"), 32))(tasks)
    pages.get("/organisations/warnings", needs=READ, menu=(mark("Role warnings"), 34))(warnings)


def tasks() -> Answer:
    """List what open hand-overs leave to be done, what is due first on top."""
    form = TaskFilters(request.args)

    def fetch(order: Order, limit: int, offset: int) -> tuple[Sequence[WaitingTask], int]:
        cut = Cut(order.key, descending=order.descending, limit=limit, offset=offset)
        with here().engine.connect() as connection:
            return lists.waiting_tasks(connection, form.wanted(), today(), cut)

    listing = Listing(
        "tasks",
        mark("Hand-over tasks"),
        TASKS,
        fetch,
        query=request.args,
        order=Order("due_on"),
        filters=form,
        empty=mark("Nothing is left to be done."),
    )
    return listing.csv() or page("registry/tasks.html", listing.status, listing=listing, form=form)


def warnings() -> Answer:
    """List who is missing in which role."""
    form = WarningFilters(request.args)

    def fetch(order: Order, limit: int, offset: int) -> tuple[Sequence[Warned], int]:
        cut = Cut(order.key, descending=order.descending, limit=limit, offset=offset)
        with here().engine.connect() as connection:
            return lists.role_warnings(connection, form.wanted(), today(), cut)

    listing = Listing(
        "role-warnings",
        mark("Role warnings"),
        WARNINGS,
        fetch,
        query=request.args,
        order=Order("organisation"),
        filters=form,
        empty=mark("Every role is held as it should be."),
    )
    return listing.csv() or page("registry/warnings.html", listing.status, listing=listing, form=form)
