"""What somebody should look at over all organisations, counted and listed where the rows are.

The same questions as ``rules.concerns_of`` and ``people.rules.gaps`` answer for one organisation, in SQL; a test holds
both against each other. They take a connection and never commit. Source: A0-044, A0-046, A0-051.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Select,
    Subquery,
    and_,
    case,
    column,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy import Text as SqlText
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from chukan.tenants.registry.organisations_file import prefecture_names
from chukan.tenants.registry.people import store as people
from chukan.tenants.registry.people.rules import MISSED, REQUIRED, ChangeState, Gap, GapKind, Role, TaskState, gaps
from chukan.tenants.registry.people.tables import Contact, HandoverTask, PersonnelChange, RoleAssignment
from chukan.tenants.registry.store import Registered, newest_population
from chukan.tenants.registry.tables import Organisation, OrganisationDepartment, UnionMember
from chukan.tenants.registry.values import Department, Hosting, Kind, State

#: Whoever has a tenant, or gets one at this moment, is expected to have its people; an applicant is not yet.
WATCHED = (State.PROVISIONING, State.ACTIVE, State.SUSPENDED)

#: Fewer system administrators in a department are too few (A0-046).
_ADMINS = 2
_UNIONS = [kind.value for kind in Kind if kind.is_union]


class Need(StrEnum):
    """Why an organisation needs attention."""

    ANYTHING = "anything"
    ROLES = "roles"
    ENTRY = "entry"
    TASKS = "tasks"


@dataclass(frozen=True, slots=True)
class PrefectureStanding:
    """How many organisations of a prefecture stand where, and how many of them need attention."""

    number: str
    name: str
    states: Mapping[State, int]
    attention: int

    @property
    def organisations(self) -> int:
        """How many there are, whatever their state."""
        return sum(self.states.values())


@dataclass(frozen=True, slots=True)
class Attention:
    """What waits over all organisations: warnings on roles, tasks after their day, leavers' accounts after theirs."""

    role_warnings: int
    overdue_tasks: int
    overdue_accounts: int


def by_prefecture(connection: Connection, day: date) -> Sequence[PrefectureStanding]:
    """Return the 47 prefectures by number, with their organisations counted as they are on *day* (Asia/Tokyo)."""
    needing = in_need(Need.ANYTHING, day)
    query = select(
        Organisation.prefecture,
        Organisation.state,
        func.count().label("organisations"),
        func.count().filter(Organisation.id.in_(needing)).label("attention"),
    ).group_by(Organisation.prefecture, Organisation.state)
    states: dict[str, dict[State, int]] = {number: {} for number in prefecture_names()}
    attention = dict.fromkeys(states, 0)
    for row in connection.execute(query):
        states[row.prefecture][State(row.state)] = row.organisations
        attention[row.prefecture] += row.attention
    return [
        PrefectureStanding(number, name, states[number], attention[number])
        for number, name in sorted(prefecture_names().items())
    ]


def attention(connection: Connection, day: date) -> Attention:
    """Return what waits on *day* (Asia/Tokyo) over all organisations, in one query."""
    warnings = gaps_on(day)
    is_open = PersonnelChange.state == ChangeState.OPEN.value
    late = (
        select(func.count())
        .select_from(HandoverTask)
        .join(PersonnelChange, PersonnelChange.id == HandoverTask.change)
        .where(is_open, PersonnelChange.effective_on < day, HandoverTask.state == TaskState.OPEN.value)
    )
    accounts = select(func.count()).select_from(PersonnelChange).where(is_open, accounts_are_overdue(day))
    found = connection.execute(
        select(
            select(func.count()).select_from(warnings).scalar_subquery().label("role_warnings"),
            late.scalar_subquery().label("overdue_tasks"),
            accounts.scalar_subquery().label("overdue_accounts"),
        )
    ).one()
    return Attention(found.role_warnings, found.overdue_tasks, found.overdue_accounts)


def gaps_of(connection: Connection, organisations: Collection[Registered], day: date) -> Mapping[UUID, Sequence[Gap]]:
    """Return what is wrong on *day* with who holds the roles of those of *organisations* that are watched."""
    watched = [each.id for each in organisations if each.state in WATCHED]
    held = people.held_on(connection, watched, MISSED, day)
    there = people.departments_of(connection, watched)
    return {each: gaps(held[each], there[each], day) for each in watched}


def gap_of(row: Any) -> Gap:
    """Return the gap that a row of ``gaps_on`` tells of."""
    return Gap(GapKind(row.gap), Role(row.role), Department(row.department) if row.department else None)


def in_need(need: Need, day: date) -> Select[Any]:
    """Return the query of the ids of all organisations that need attention on *day* for the reason *need*."""
    warnings = gaps_on(day)
    ways: Mapping[Need, Select[Any]] = {
        Need.ROLES: select(warnings.c.organisation),
        Need.ENTRY: _with_concerns(day),
        Need.TASKS: _with_overdue(day),
    }
    if need is Need.ANYTHING:
        return select(union_all(*ways.values()).subquery().c[0])
    return ways[need]


def gaps_on(day: date, *, states: Collection[State] = WATCHED) -> CTE:
    """Return what is wrong on *day* as rows of organisation, gap, role and department (or null).

    *states* are those of the organisations whose people are looked at.
    """
    watched = Organisation.state.in_([state.value for state in states])
    # VALUES would be the same rows, but SQLAlchemy would compile the whole query anew each time.
    roles = func.unnest(literal([role.value for role in REQUIRED], ARRAY(SqlText)))
    required = roles.table_valued(column("role", SqlText), name="required").render_derived()
    no_department = null().cast(SqlText).label("department")
    holder = select(RoleAssignment.id).where(
        RoleAssignment.organisation == Organisation.id, RoleAssignment.role == required.c.role, _is_current(day)
    )
    missing = (
        select(Organisation.id.label("organisation"), _word(GapKind.MISSING), required.c.role, no_department)
        .join(required, true())
        .where(watched, ~holder.correlate(Organisation, required).exists())
    )
    deputy = aliased(RoleAssignment)
    same = (
        select(Organisation.id, _word(GapKind.SAME_PERSON), deputy.role, no_department)
        .join(RoleAssignment, RoleAssignment.organisation == Organisation.id)
        .join(deputy, deputy.contact == RoleAssignment.contact)
        .where(watched, RoleAssignment.role == Role.VPN_ADMIN_PRIMARY.value, _is_current(day))
        .where(deputy.role == Role.VPN_ADMIN_DEPUTY.value, _is_current(day, deputy))
    )
    admins = _admins(day)
    one = case((admins.c.admins.is_(None), GapKind.MISSING.value), else_=GapKind.ONLY_ONE.value).label("gap")
    here = (admins.c.organisation == Organisation.id, admins.c.department == OrganisationDepartment.department)
    few = (
        select(Organisation.id, one, literal(Role.SYSTEM_ADMIN.value), OrganisationDepartment.department)
        .join(OrganisationDepartment, OrganisationDepartment.organisation == Organisation.id)
        .outerjoin(admins, and_(*here))
        .where(watched, func.coalesce(admins.c.admins, 0) < _ADMINS)
    )
    return union_all(missing, same, few).cte("gap")


def _admins(day: date) -> Subquery:
    """Return how many system administrators there are on *day*, by organisation and department."""
    return (
        select(RoleAssignment.organisation, Contact.department, func.count().label("admins"))
        .join(Contact, Contact.id == RoleAssignment.contact)
        .where(_is_current(day), RoleAssignment.role == Role.SYSTEM_ADMIN.value)
        .group_by(RoleAssignment.organisation, Contact.department)
        .subquery("admins")
    )


def _is_current(day: date, held: type[RoleAssignment] = RoleAssignment) -> ColumnElement[bool]:
    return and_(held.since <= day, or_(held.until.is_(None), held.until > day))


def _with_concerns(day: date) -> Select[Any]:
    """Return the watched organisations of which ``rules.concerns_of`` has something to say."""
    population = newest_population(day)
    belonging = select(UnionMember.member).where(
        UnionMember.union_id == Organisation.id,
        UnionMember.since <= day,
        or_(UnionMember.until.is_(None), UnionMember.until > day),
    )
    is_here = Organisation.hosting == Hosting.PLATFORM.value
    is_union = Organisation.kind.in_(_UNIONS)
    return select(Organisation.id).where(
        Organisation.state.in_([state.value for state in WATCHED]),
        or_(
            and_(is_here, Organisation.release_group.is_(None)),
            and_(is_here, Organisation.tenant.is_(None), Organisation.state == State.ACTIVE.value),
            and_(is_union, ~belonging.exists()),
            and_(~is_union, func.coalesce(population, 0) == 0),
        ),
    )


def _with_overdue(day: date) -> Select[Any]:
    """Return the organisations with tasks or leavers' accounts after their day, whatever their state."""
    late = HandoverTask.change == PersonnelChange.id, HandoverTask.state == TaskState.OPEN.value
    tasks = select(HandoverTask.task).where(*late).exists()
    return select(PersonnelChange.organisation).where(
        PersonnelChange.state == ChangeState.OPEN.value,
        or_(and_(PersonnelChange.effective_on < day, tasks), accounts_are_overdue(day)),
    )


def accounts_are_overdue(day: date) -> ColumnElement[bool]:
    """Return the condition on open changes that a leaver's accounts ought to have been closed before *day*."""
    return and_(PersonnelChange.accounts_closed_at.is_(None), PersonnelChange.accounts_due_on < day)


def _word(kind: GapKind) -> ColumnElement[str]:
    return literal(kind.value).label("gap")
