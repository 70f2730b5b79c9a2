"""The lists of the pages: rows in an order, cut where they are, and how many there are. They never commit.

A page costs the same however many organisations there are: its rows are chosen first, and what is joined to them (the
newest population, the warnings) is looked up for these alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, SQLColumnExpression, func, null, select, union_all
from sqlalchemy import Text as SqlText
from sqlalchemy.dialects.postgresql import ARRAY, array

from chukan.tenants.registry import store
from chukan.tenants.registry.attention import WATCHED, Need, gap_of, gaps_of, gaps_on, in_need
from chukan.tenants.registry.organisations_file import prefecture_names
from chukan.tenants.registry.people.rules import ChangeState, Gap, GapKind, Role, Task, TaskState
from chukan.tenants.registry.people.tables import HandoverTask, PersonnelChange, RoleAssignment
from chukan.tenants.registry.store import Filter, Registered
from chukan.tenants.registry.tables import Organisation
from chukan.tenants.registry.values import Kind, State


@dataclass(frozen=True, slots=True)
class Cut:
    """Which part of a list is wanted, and by which of its columns it is ordered."""

    by: str
    descending: bool
    limit: int
    offset: int


@dataclass(frozen=True, slots=True)
class Listed:
    """An organisation of the list, with what is wrong with its roles."""

    organisation: Registered
    gaps: Sequence[Gap]


@dataclass(frozen=True, slots=True)
class Named:
    """Whose a row of a work list is: enough to tell the organisation from all others, and to find it."""

    id: UUID
    code: str | None
    name: str
    prefecture: str

    @property
    def reference(self) -> str:
        """The code, or the id of a union that has none."""
        return self.code or str(self.id)

    @property
    def prefecture_name(self) -> str:
        """The prefecture's name."""
        return prefecture_names()[self.prefecture]


@dataclass(frozen=True, slots=True)
class WaitingTask:
    """Something of a hand-over that is still to be done; without a task it is a leaver's accounts to be closed.

    ``due_on`` is the last day for it (Asia/Tokyo).
    """

    organisation: Named
    change: UUID
    role: Role
    task: Task | None
    acts: Sequence[Role]
    due_on: date

    def is_overdue(self, day: date) -> bool:
        """Return whether its last day lies before *day*."""
        return self.due_on < day


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning on who holds a role, and whose it is."""

    organisation: Named
    state: State
    gap: Gap


@dataclass(frozen=True, slots=True)
class WaitingFilter:
    """Which tasks are looked for; an empty condition lets everything through. ``overdue`` None: both."""

    words: str = ""
    prefecture: str | None = None
    role: Role | None = None
    overdue: bool | None = None


@dataclass(frozen=True, slots=True)
class WarnedFilter:
    """Which warnings are looked for; an empty condition lets everything through."""

    words: str = ""
    prefecture: str | None = None
    role: Role | None = None
    kind: GapKind | None = None
    states: Collection[State] = WATCHED


def _rank(word: SQLColumnExpression[Any], words: Iterable[StrEnum]) -> ColumnElement[int]:
    """Return the place of *word* among *words*: lists are ordered as people count, not as words are spelt."""
    return func.array_position(array([each.value for each in words]), word)


_BY_CODE = (Organisation.prefecture, Organisation.code, Organisation.kana)
#: What the list of organisations can be ordered by, by the word that an address says it with.
_ORDERS: Mapping[str, Sequence[SQLColumnExpression[Any]]] = {
    "code": _BY_CODE,
    "kana": (Organisation.kana,),
    "prefecture": (Organisation.prefecture, Organisation.kana),
    "kind": (_rank(Organisation.kind, Kind),),
    "state": (_rank(Organisation.state, State),),
}


def organisations(
    connection: Connection, wanted: Filter, need: Need | None, day: date, cut: Cut
) -> tuple[Sequence[Listed], int]:
    """Return a part of the organisations that *wanted* and *need* describe as of *day*, and how many there are."""
    conditions = store.conditions(wanted)
    if need is not None:
        conditions.append(Organisation.id.in_(in_need(need, day)))
    by = [store.newest_population(day)] if cut.by == "population" else _ORDERS[cut.by]
    rows, total = _page(connection, select(Organisation.id).where(*conditions), by, cut)
    ids = [row.id for row in rows]
    found = store.of_ids(connection, ids, day)
    gaps = gaps_of(connection, found.values(), day)
    return [Listed(found[each], gaps.get(each, ())) for each in ids], total


def waiting_tasks(
    connection: Connection, wanted: WaitingFilter, day: date, cut: Cut
) -> tuple[Sequence[WaitingTask], int]:
    """Return a part of what open hand-overs leave to be done over all organisations, and how much there is."""
    waits = _waiting().subquery("waits")
    conditions = _belonging(wanted.words, wanted.prefecture)
    if wanted.role is not None:
        conditions.append(waits.c.role == wanted.role.value)
    if wanted.overdue is not None:
        conditions.append(waits.c.due_on < day if wanted.overdue else waits.c.due_on >= day)
    source = waits.join(Organisation, Organisation.id == waits.c.organisation)
    orders: Mapping[str, Sequence[SQLColumnExpression[Any]]] = {
        "due_on": (waits.c.due_on,),
        "organisation": _BY_CODE,
        "role": (_rank(waits.c.role, Role),),
        "task": (_rank(waits.c.task, Task),),
    }
    query = select(waits, *_names()).select_from(source).where(*conditions)
    rows, total = _page(connection, query, orders[cut.by], cut, waits.c.change, waits.c.task)
    return [_waiting_task(row) for row in rows], total


def role_warnings(connection: Connection, wanted: WarnedFilter, day: date, cut: Cut) -> tuple[Sequence[Warned], int]:
    """Return a part of the warnings on roles of *day* over all organisations, and how many there are."""
    gaps = gaps_on(day, states=wanted.states)
    conditions = _belonging(wanted.words, wanted.prefecture)
    if wanted.role is not None:
        conditions.append(gaps.c.role == wanted.role.value)
    if wanted.kind is not None:
        conditions.append(gaps.c.gap == wanted.kind.value)
    source = gaps.join(Organisation, Organisation.id == gaps.c.organisation)
    orders: Mapping[str, Sequence[SQLColumnExpression[Any]]] = {
        "organisation": _BY_CODE,
        "state": (_rank(Organisation.state, State),),
        "role": (_rank(gaps.c.role, Role), gaps.c.department),
        "gap": (gaps.c.gap,),
    }
    query = select(gaps, *_names()).select_from(source).where(*conditions)
    rows, total = _page(connection, query, orders[cut.by], cut, gaps.c.role, gaps.c.department)
    return [Warned(_named(row), State(row.of_state), gap_of(row)) for row in rows], total


def _waiting() -> Select[Any]:
    """Return what is to be done as rows: tasks by the day of the change, accounts by their own. Source: A0-051."""
    changed = (PersonnelChange.organisation, PersonnelChange.id.label("change"), RoleAssignment.role)
    is_open = PersonnelChange.state == ChangeState.OPEN.value
    tasks = (
        select(*changed, HandoverTask.task, HandoverTask.acts, PersonnelChange.effective_on.label("due_on"))
        .join(HandoverTask, HandoverTask.change == PersonnelChange.id)
        .join(RoleAssignment, RoleAssignment.id == PersonnelChange.assignment)
        .where(is_open, HandoverTask.state == TaskState.OPEN.value)
    )
    nobody = null().cast(ARRAY(SqlText))
    accounts = (
        select(*changed, null().cast(SqlText), nobody, PersonnelChange.accounts_due_on)
        .join(RoleAssignment, RoleAssignment.id == PersonnelChange.assignment)
        .where(is_open, PersonnelChange.accounts_due_on.is_not(None), PersonnelChange.accounts_closed_at.is_(None))
    )
    return select(union_all(tasks, accounts).subquery("either"))


def _page(
    connection: Connection,
    query: Select[Any],
    by: Sequence[SQLColumnExpression[Any]],
    cut: Cut,
    *further: SQLColumnExpression[Any],
) -> tuple[Sequence[Row[Any]], int]:
    """Return the part of *query* that *cut* wants, and how many rows it has; what is null stands last either way."""
    turned = [each.desc() if cut.descending else each.asc() for each in by]
    ties = (Organisation.prefecture, Organisation.code.nulls_last(), Organisation.kana, Organisation.id)
    ordered = query.order_by(*[each.nulls_last() for each in turned], *ties, *further)
    counted = ordered.add_columns(func.count().over().label("in_all"))
    rows = connection.execute(counted.limit(cut.limit).offset(cut.offset)).all()
    if rows or cut.offset == 0:
        return rows, rows[0].in_all if rows else 0
    # Past the end there is no row that says how many there are.
    return [], connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()


def _belonging(words: str, prefecture: str | None) -> list[ColumnElement[bool]]:
    return store.conditions(Filter(words=words, prefecture=prefecture))


def _names() -> Sequence[SQLColumnExpression[Any]]:
    return (
        Organisation.code.label("of_code"),
        Organisation.name.label("of_name"),
        Organisation.prefecture.label("of_prefecture"),
        Organisation.state.label("of_state"),
    )


def _named(row: Any) -> Named:
    return Named(row.organisation, row.of_code, row.of_name, row.of_prefecture)


def _waiting_task(row: Any) -> WaitingTask:
    task = Task(row.task) if row.task else None
    acts = [Role(role) for role in row.acts or ()]
    return WaitingTask(_named(row), row.change, Role(row.role), task, acts, row.due_on)
