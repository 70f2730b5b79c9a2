"""Roles, gaps in them, and the table of what a change of each of the eight makes to be done (A0-044 to A0-051)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import product
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.tenants.registry.errors import CatalogueInvalid
from chukan.tenants.registry.people.catalogue import matrices, read_matrices
from chukan.tenants.registry.people.rules import (
    CHANGE_TRANSITIONS,
    DUTIES,
    TASK_TRANSITIONS,
    WITH_ACCOUNTS,
    ChangeState,
    Gap,
    GapKind,
    Held,
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
from chukan.tenants.registry.rules import Span
from chukan.tenants.registry.values import Department

EXECUTIVE, BOARD = Department.EXECUTIVE, Department.BOARD_OF_EDUCATION
DAY = date(2026, 4, 1)
MANAGER, STAFF = "contact_manager", "contact_staff"
SITE = ["support_site_manager", "support_site_staff"]
VPN = ["vpn_admin_primary", "vpn_admin_deputy"]

#: The table of the source, row by row: who moves, and who does what.
TABLE = {
    1: (
        [MANAGER],
        [(["contact_manager"], "change_form"), ([MANAGER], "system_admin_url"), ([MANAGER], "helpdesk_contact")],
    ),
    2: ([STAFF], [([MANAGER], "change_form"), ([STAFF], "helpdesk_contact")]),
    3: (VPN, [([MANAGER], "change_form"), (VPN, "vpn_handling")]),
    4: (["system_admin"], [(["system_admin"], "system_admin_account")]),
    5: (["business_operator"], [(["system_admin"], "business_operator_account")]),
    6: (["support_site_manager"], [(SITE, "support_site_manager_details")]),
    7: (["support_site_staff"], [(SITE, "support_site_staff_details")]),
    8: (["clerical_contact"], [(["support_site_manager"], "clerical_details")]),
}


@pytest.mark.parametrize("row", TABLE)
def test_a_change_opens_exactly_the_tasks_of_its_row(row: int) -> None:
    moves, tasks = TABLE[row]
    (matrix,) = matrices()
    for role in moves:
        opened = matrix.tasks_for(Role(role))
        assert [([act.value for act in each.acts], each.task.value) for each in opened] == tasks
        assert {each.row for each in opened} == {row}


def test_the_eight_rows_are_all_roles_and_all_tasks() -> None:
    (matrix,) = matrices()
    assert {role for each in matrix.tasks for role in each.moves} == set(Role)
    assert {each.task for each in matrix.tasks} == set(Task)
    assert {each.row for each in matrix.tasks} == set(range(1, 9))


MATRIX = """
[[matrix]]
valid_from = {day}
accounts_close_within_days = {days}
{tasks}
"""
TASK = '[[matrix.task]]\nrow = 1\nmoves = [{moves}]\nacts = ["{acts}"]\ntask = "{task}"\n'
EVERYBODY = ", ".join(f'"{role.value}"' for role in Role)


def content(
    *days: str, within: str = "7", moves: str = EVERYBODY, acts: str = "contact_manager", task: str = "change_form"
) -> str:
    tasks = TASK.format(moves=moves, acts=acts, task=task)
    return "".join(MATRIX.format(day=day, days=within, tasks=tasks) for day in days)


def test_a_newer_matrix_holds_from_its_day_on() -> None:
    old, new = read_matrices(content("2019-05-31", "2027-04-01"))
    assert matrix_on([old, new], date(2018, 1, 1)) is old
    assert matrix_on([new, old], date(2027, 3, 31)) is old
    assert matrix_on([old, new], date(2027, 4, 1)) is new


@pytest.mark.parametrize(
    "written",
    [
        "",
        "matrix = 5",
        "not toml",
        content("2019-05-31", "2019-05-31"),
        content("2027-04-01", "2019-05-31"),
        content("2019-05-31T00:00:00Z"),
        content('"2019-05-31"'),
        content("2019-05-31", within="-1"),
        content("2019-05-31", within='"soon"'),
        content("2019-05-31", moves='"contact_manager"'),
        content("2019-05-31", moves='"mayor"'),
        content("2019-05-31", acts="mayor"),
        content("2019-05-31", task="dance"),
        content("2019-05-31") + TASK.format(moves=EVERYBODY, acts="contact_manager", task="change_form"),
        "[[matrix]]\nvalid_from = 2019-05-31\naccounts_close_within_days = 7\n",
    ],
)
def test_a_matrix_that_leaves_something_open_is_refused(written: str) -> None:
    with pytest.raises(CatalogueInvalid):
        read_matrices(written)


def held(role: Role, department: Department = EXECUTIVE, *, who: UUID | None = None, span: Span | None = None) -> Held:
    return Held(who or uuid4(), department, role, span or Span(date(2020, 4, 1)))


def complete() -> list[Held]:
    return [
        held(Role.CONTACT_MANAGER),
        held(Role.VPN_ADMIN_PRIMARY),
        held(Role.VPN_ADMIN_DEPUTY),
        held(Role.SUPPORT_SITE_MANAGER),
        held(Role.CLERICAL_CONTACT),
        *(held(Role.SYSTEM_ADMIN, department) for department in (EXECUTIVE, EXECUTIVE, BOARD, BOARD)),
    ]


def test_an_organisation_with_all_its_people_has_no_gaps() -> None:
    assert gaps(complete(), (EXECUTIVE, BOARD), DAY) == ()


@pytest.mark.parametrize(
    "role",
    [
        *(Role.CONTACT_MANAGER, Role.VPN_ADMIN_PRIMARY, Role.VPN_ADMIN_DEPUTY),
        *(Role.SUPPORT_SITE_MANAGER, Role.CLERICAL_CONTACT),
    ],
)
def test_each_role_that_nobody_can_do_without_is_missed(role: Role) -> None:
    without = [each for each in complete() if each.role is not role]
    assert gaps(without, (EXECUTIVE, BOARD), DAY) == (Gap(GapKind.MISSING, role),)


@pytest.mark.parametrize(
    ("executive", "board", "expected"),
    [
        (2, 2, []),
        (1, 2, [(GapKind.ONLY_ONE, EXECUTIVE)]),
        (0, 2, [(GapKind.MISSING, EXECUTIVE)]),
        (2, 1, [(GapKind.ONLY_ONE, BOARD)]),
        (2, 0, [(GapKind.MISSING, BOARD)]),
        (0, 0, [(GapKind.MISSING, EXECUTIVE), (GapKind.MISSING, BOARD)]),
        (4, 0, [(GapKind.MISSING, BOARD)]),
    ],
)
def test_each_department_has_a_system_administrator_and_better_two(
    executive: int, board: int, expected: list[tuple[GapKind, Department]]
) -> None:
    others = [each for each in complete() if each.role is not Role.SYSTEM_ADMIN]
    admins = [held(Role.SYSTEM_ADMIN) for _ in range(executive)]
    admins += [held(Role.SYSTEM_ADMIN, BOARD) for _ in range(board)]
    found = gaps([*others, *admins], (EXECUTIVE, BOARD), DAY)
    assert found == tuple(Gap(kind, Role.SYSTEM_ADMIN, department) for kind, department in expected)


def test_a_union_needs_no_administrator_of_a_board_that_it_has_not() -> None:
    without = [each for each in complete() if each.department is EXECUTIVE]
    assert gaps(without, (EXECUTIVE,), DAY) == ()


def test_first_and_deputy_are_two_people() -> None:
    others = [each for each in complete() if each.role not in {Role.VPN_ADMIN_PRIMARY, Role.VPN_ADMIN_DEPUTY}]
    one = uuid4()
    both = [held(Role.VPN_ADMIN_PRIMARY, who=one), held(Role.VPN_ADMIN_DEPUTY, who=one)]
    assert gaps([*others, *both], (EXECUTIVE, BOARD), DAY) == (Gap(GapKind.SAME_PERSON, Role.VPN_ADMIN_DEPUTY),)


@pytest.mark.parametrize(
    ("since", "until", "missing"),
    [
        (DAY, None, False),
        (DAY + timedelta(days=1), None, True),
        (date(2020, 1, 1), DAY, True),
        (date(2020, 1, 1), DAY + timedelta(days=1), False),
        (DAY, DAY, True),
    ],
)
def test_only_who_holds_a_role_on_the_day_counts(since: date, until: date | None, *, missing: bool) -> None:
    others = [each for each in complete() if each.role is not Role.CONTACT_MANAGER]
    found = gaps([*others, held(Role.CONTACT_MANAGER, span=Span(since, until))], (EXECUTIVE, BOARD), DAY)
    assert bool(found) is missing


def test_the_leaving_of_the_only_administrator_is_warned_of_and_an_old_gap_is_not() -> None:
    one = held(Role.SYSTEM_ADMIN)
    before = [one, held(Role.SYSTEM_ADMIN, BOARD)]
    after = [Held(one.contact, EXECUTIVE, Role.SYSTEM_ADMIN, Span(one.span.since, DAY)), before[1]]
    assert opened_by_leaving(before, after, (EXECUTIVE, BOARD), DAY) == (
        Gap(GapKind.MISSING, Role.SYSTEM_ADMIN, EXECUTIVE),
    )


@given(st.lists(st.tuples(st.sampled_from(Role), st.sampled_from(Department)), max_size=12))
def test_more_people_never_make_a_role_missing(people: Sequence[tuple[Role, Department]]) -> None:
    def missing(some: Sequence[Held]) -> set[tuple[Role, Department | None]]:
        found = gaps(some, (EXECUTIVE, BOARD), DAY)
        return {(gap.role, gap.department) for gap in found if gap.kind is GapKind.MISSING}

    everybody = [held(role, department) for role, department in people]
    assert missing(everybody) <= missing(everybody[:-1])


@pytest.mark.parametrize(("role", "department"), list(product(Role, Department)))
def test_people_of_the_board_hold_the_roles_of_their_own_side(role: Role, department: Department) -> None:
    own = {"system_admin", "business_operator", "support_site_manager", "support_site_staff"}
    assert may_hold(role, department) is (department is EXECUTIVE or role.value in own)


def test_every_role_has_the_duties_of_the_source() -> None:
    assert set(DUTIES) == set(Role)
    assert len(DUTIES[Role.SYSTEM_ADMIN]) == len(DUTIES[Role.BUSINESS_OPERATOR]) == 6
    assert not DUTIES[Role.SYSTEM_ADMIN] & DUTIES[Role.BUSINESS_OPERATOR]


@pytest.mark.parametrize("role", Role)
def test_the_accounts_of_who_leaves_are_closed_in_time(role: Role) -> None:
    week = timedelta(days=7)
    has = role.value in {"system_admin", "business_operator", "support_site_manager", "support_site_staff"}
    assert (role in WITH_ACCOUNTS) is has
    assert accounts_due(role, DAY, week, leaves=True) == (date(2026, 4, 8) if has else None)
    assert accounts_due(role, DAY, week, leaves=False) is None


@pytest.mark.parametrize(
    ("tasks", "due", "closed", "expected"),
    [
        (["done"], None, False, True),
        (["done", "done"], None, False, True),
        (["done", "open"], None, False, False),
        (["open"], None, True, False),
        (["done"], DAY, False, False),
        (["done"], DAY, True, True),
        (["dropped"], None, False, False),
    ],
)
def test_a_change_is_complete_when_nothing_is_left(
    tasks: list[str], due: date | None, *, closed: bool, expected: bool
) -> None:
    states = [TaskState(task) for task in tasks]
    assert is_complete(states, accounts_due_on=due, accounts_closed=closed) is expected


def test_only_what_is_open_moves() -> None:
    assert {state for state, to in CHANGE_TRANSITIONS.items() if to} == {ChangeState.OPEN}
    assert {state for state, to in TASK_TRANSITIONS.items() if to} == {TaskState.OPEN}


def test_the_shipped_matrix_is_read_as_a_matrix() -> None:
    (matrix,) = matrices()
    assert isinstance(matrix, Matrix)
    assert (matrix.valid_from, matrix.accounts_within) == (date(2019, 5, 31), timedelta(days=7))
