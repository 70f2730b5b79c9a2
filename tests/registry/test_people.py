"""Contacts, appointments and hand-overs on a real database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from threading import Barrier, Thread
from uuid import UUID, uuid4

import pytest

from chukan.platform.audit.actor import Actor
from chukan.platform.component import Health
from chukan.platform.database.roles import ProcessKind
from chukan.tenants.registry.checks import check_leaver_accounts
from chukan.tenants.registry.errors import OrganisationRefused
from chukan.tenants.registry.people import store
from chukan.tenants.registry.people.catalogue import matrices
from chukan.tenants.registry.people.errors import (
    AppointmentRefused,
    ContactUnknown,
    HandoverRefused,
    HandoverUnknown,
)
from chukan.tenants.registry.people.rules import ChangeState, Gap, GapKind, Role, Task, TaskState
from chukan.tenants.registry.people.service import People
from chukan.tenants.registry.people.store import Assignment, Change
from chukan.tenants.registry.service import Registry
from chukan.tenants.registry.unions import UnionApplication, add_union
from chukan.tenants.registry.values import Department, Kind
from registry.given import DAY, NOW, entries
from registry.test_people_rules import TABLE
from support.database import Database

pytestmark = pytest.mark.usefixtures("few")
SINCE, ON = date(2026, 4, 1), date(2026, 7, 1)
Contact = Callable[..., UUID]


@pytest.fixture
def people(actor: Actor) -> People:
    return People(actor, matrices())


@pytest.fixture
def contact(people: People) -> Contact:
    def add(department: Department = Department.EXECUTIVE, organisation: str = "011002") -> UUID:
        told = {"name": "架空 花子", "email": "hanako@city.example.jp", "telephone": "011-000-0000"}
        return people.add_contact(organisation, department, now=NOW, **told).id

    return add


@pytest.fixture
def assigned(people: People, contact: Contact) -> Callable[[Role], Assignment]:
    return lambda role: people.appoint(contact(), role, since=SINCE)


def change_of(people: People, assignment: Assignment, *, successor: UUID | None = None, leaves: bool = False) -> Change:
    opened = people.open_change(assignment.id, effective_on=ON, successor=successor, leaves=leaves, now=NOW)
    return opened.change


def test_a_contact_belongs_to_a_department_and_never_enters_the_trail(
    contact: Contact, actor: Actor, database: Database
) -> None:
    made = contact(Department.BOARD_OF_EDUCATION)
    with actor.engine.connect() as connection:
        person = store.contact(connection, made)
    assert (person.department, person.name) == (Department.BOARD_OF_EDUCATION, "架空 花子")
    act = entries(database)[-1]
    assert act["detail"] == {"contact": str(made), "department": "board_of_education"}
    assert "hanako" not in str(entries(database))


def test_a_union_has_nobody_on_a_board_of_education(actor: Actor, contact: Contact) -> None:
    union = add_union(
        actor,
        UnionApplication("架空組合", "かくうくみあい", Kind.WIDE_AREA_UNION, "01", ("011002", "012025")),
        now=NOW,
    )
    contact(Department.EXECUTIVE, union.reference)
    with pytest.raises(OrganisationRefused):
        contact(Department.BOARD_OF_EDUCATION, union.reference)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": " "},
        {"name": "二\n行"},
        {"email": "nobody"},
        {"email": "a@b"},
        {"email": "a b@example.jp"},
        {"email": "名@example.jp"},
        {"telephone": "none"},
        {"telephone": ""},
    ],
)
def test_a_contact_can_be_reached(people: People, wrong: dict[str, str]) -> None:
    told = {"name": "架空 太郎", "email": "taro@city.example.jp", "telephone": "+81 11 000 0000", **wrong}
    with pytest.raises(OrganisationRefused):
        people.add_contact("011002", Department.EXECUTIVE, now=NOW, **told)


def test_a_role_is_held_from_its_day_on(people: People, contact: Contact, registry: Registry) -> None:
    people.appoint(contact(), Role.CONTACT_MANAGER, since=ON)
    organisation = registry.get("011002", DAY).id
    missing = Gap(GapKind.MISSING, Role.CONTACT_MANAGER)
    assert missing in people.gaps(organisation, ON - timedelta(days=1))
    assert missing not in people.gaps(organisation, ON)


def test_roles_of_the_whole_organisation_belong_to_the_executive_departments(people: People, contact: Contact) -> None:
    board = contact(Department.BOARD_OF_EDUCATION)
    with pytest.raises(AppointmentRefused):
        people.appoint(board, Role.CONTACT_MANAGER, since=SINCE)
    assert people.appoint(board, Role.SYSTEM_ADMIN, since=SINCE).held.department is Department.BOARD_OF_EDUCATION


@pytest.mark.parametrize("role", [Role.VPN_ADMIN_PRIMARY, Role.VPN_ADMIN_DEPUTY])
def test_there_is_one_first_and_one_deputy_administrator(people: People, contact: Contact, role: Role) -> None:
    people.appoint(contact(), role, since=SINCE)
    with pytest.raises(AppointmentRefused):
        people.appoint(contact(), role, since=ON)
    elsewhere = people.appoint(contact(organisation="012025"), role, since=SINCE)
    assert elsewhere.held.role is role


def test_nobody_holds_a_role_twice_and_strangers_hold_none(people: People, contact: Contact) -> None:
    person = contact()
    people.appoint(person, Role.SYSTEM_ADMIN, since=SINCE)
    with pytest.raises(AppointmentRefused):
        people.appoint(person, Role.SYSTEM_ADMIN, since=ON)
    people.appoint(person, Role.BUSINESS_OPERATOR, since=ON)
    with pytest.raises(ContactUnknown):
        people.appoint(uuid4(), Role.SYSTEM_ADMIN, since=ON)


@pytest.mark.parametrize("row", TABLE)
def test_a_personnel_change_opens_its_row_of_the_table_and_is_tracked_to_completion(
    people: People, contact: Contact, actor: Actor, row: int
) -> None:
    moves, tasks = TABLE[row]
    for role in map(Role, moves):
        held = people.appoint(contact(), role, since=SINCE)
        change = change_of(people, held, successor=contact())
        found = {(tuple(act.value for act in each.acts), each.task.value) for each in change.tasks}
        assert found == {(tuple(acts), task) for acts, task in tasks}
        assert {each.state for each in change.tasks} == {TaskState.OPEN}
        for left, (_acts, task) in zip(range(len(tasks) - 1, -1, -1), tasks, strict=True):
            change = people.finish_task(change.id, Task(task), now=NOW)
            assert [each.state for each in change.tasks].count(TaskState.OPEN) == left
            assert (change.state is ChangeState.COMPLETED) is (left == 0)
        with actor.engine.connect() as connection:
            steps = [(each.task, each.to_state) for each in store.events_of(connection, change.id)]
        assert steps.count((None, "completed")) == 1
        assert [task for task, to in steps if to == "done"] == [task for _, task in tasks]


def test_the_successor_holds_the_role_from_the_day_on_which_the_predecessor_does_not(
    people: People, contact: Contact, actor: Actor
) -> None:
    held = people.appoint(contact(), Role.VPN_ADMIN_PRIMARY, since=SINCE)
    follower = contact()
    change = change_of(people, held, successor=follower)
    with actor.engine.connect() as connection:
        old, new = store.assignments(connection, held.organisation)
    assert (old.held.span.until, new.held.span.since, new.held.span.until) == (ON, ON, None)
    assert (new.held.contact, change.successor) == (follower, new.id)


def test_the_leaving_of_the_only_administrator_is_a_warning(people: People, contact: Contact) -> None:
    only = people.appoint(contact(), Role.SYSTEM_ADMIN, since=SINCE)
    opened = people.open_change(only.id, effective_on=ON, successor=None, leaves=True, now=NOW)
    assert opened.warnings == (Gap(GapKind.MISSING, Role.SYSTEM_ADMIN, Department.EXECUTIVE),)
    assert opened.change.state is ChangeState.OPEN


def test_with_a_successor_there_is_nothing_to_warn_of(people: People, contact: Contact) -> None:
    only = people.appoint(contact(), Role.SYSTEM_ADMIN, since=SINCE)
    opened = people.open_change(only.id, effective_on=ON, successor=contact(), leaves=True, now=NOW)
    assert opened.warnings == ()


def test_a_leavers_accounts_are_part_of_the_change(
    people: People, assigned: Callable[[Role], Assignment], database: Database
) -> None:
    change = change_of(people, assigned(Role.SYSTEM_ADMIN), leaves=True)
    assert change.accounts_due_on == date(2026, 7, 8)
    change = people.finish_task(change.id, Task.SYSTEM_ADMIN_ACCOUNT, now=NOW)
    assert change.state is ChangeState.OPEN
    worker = database.engine(ProcessKind.WORKER)
    last_moment = datetime(2026, 7, 8, 14, 59, tzinfo=UTC)
    assert check_leaver_accounts(worker, last_moment).health is Health.GREEN
    assert check_leaver_accounts(worker, last_moment + timedelta(minutes=1)).health is Health.AMBER
    change = people.close_accounts(change.id, now=NOW)
    assert (change.state, change.accounts_closed_at) == (ChangeState.COMPLETED, NOW)
    assert check_leaver_accounts(worker, last_moment + timedelta(days=9)).health is Health.GREEN
    with pytest.raises(HandoverRefused):
        people.close_accounts(change.id, now=NOW)


def test_who_keeps_working_there_has_no_accounts_to_be_closed(
    people: People, assigned: Callable[[Role], Assignment]
) -> None:
    change = change_of(people, assigned(Role.SYSTEM_ADMIN), leaves=False)
    assert change.accounts_due_on is None
    with pytest.raises(HandoverRefused):
        people.close_accounts(change.id, now=NOW)


def test_a_task_is_done_once_and_only_if_the_change_has_it(
    people: People, assigned: Callable[[Role], Assignment], database: Database
) -> None:
    change = change_of(people, assigned(Role.CONTACT_STAFF))
    people.finish_task(change.id, Task.CHANGE_FORM, now=NOW)
    with pytest.raises(HandoverRefused):
        people.finish_task(change.id, Task.CHANGE_FORM, now=NOW)
    with pytest.raises(HandoverUnknown):
        people.finish_task(change.id, Task.VPN_HANDLING, now=NOW)
    with pytest.raises(HandoverUnknown):
        people.finish_task(uuid4(), Task.CHANGE_FORM, now=NOW)
    assert [entry["outcome"] for entry in entries(database)][-4:] == ["done", "refused", "refused", "refused"]


@pytest.mark.parametrize("effective_on", [SINCE, SINCE - timedelta(days=1)])
def test_a_role_is_given_up_after_it_began(
    people: People, assigned: Callable[[Role], Assignment], effective_on: date
) -> None:
    held = assigned(Role.SYSTEM_ADMIN)
    with pytest.raises(HandoverRefused):
        people.open_change(held.id, effective_on=effective_on, successor=None, leaves=False, now=NOW)


def test_a_role_is_handed_over_once(people: People, assigned: Callable[[Role], Assignment]) -> None:
    held = assigned(Role.SYSTEM_ADMIN)
    change_of(people, held)
    with pytest.raises(HandoverRefused):
        change_of(people, held)
    with pytest.raises(HandoverUnknown):
        people.open_change(uuid4(), effective_on=ON, successor=None, leaves=False, now=NOW)


def test_a_change_that_is_taken_back_leaves_all_as_it_was(people: People, contact: Contact, actor: Actor) -> None:
    held = people.appoint(contact(), Role.VPN_ADMIN_DEPUTY, since=SINCE)
    change = change_of(people, held, successor=contact())
    people.finish_task(change.id, Task.CHANGE_FORM, now=NOW)
    taken_back = people.cancel_change(change.id, now=NOW)
    assert taken_back.state is ChangeState.CANCELLED
    assert [(each.task, each.state) for each in taken_back.tasks] == [
        (Task.CHANGE_FORM, TaskState.DONE),
        (Task.VPN_HANDLING, TaskState.DROPPED),
    ]
    with actor.engine.connect() as connection:
        first, second = store.assignments(connection, held.organisation)
    assert (first.id, first.held.span.until) == (held.id, None)
    assert (second.held.span.since, second.held.span.until) == (ON, ON)
    for again in (people.cancel_change, people.close_accounts):
        with pytest.raises(HandoverRefused):
            again(change.id, now=NOW)
    assert change_of(people, held).state is ChangeState.OPEN


def test_changes_are_listed_by_their_day(people: People, assigned: Callable[[Role], Assignment]) -> None:
    late, early = assigned(Role.SYSTEM_ADMIN), assigned(Role.CONTACT_STAFF)
    people.open_change(late.id, effective_on=ON + timedelta(days=9), successor=None, leaves=False, now=NOW)
    done = change_of(people, early)
    people.cancel_change(done.id, now=NOW)
    assert [each.role for each in people.changes()] == [Role.CONTACT_STAFF, Role.SYSTEM_ADMIN]
    assert [each.role for each in people.changes(states=[ChangeState.OPEN])] == [Role.SYSTEM_ADMIN]
    assert len(people.changes(organisation=early.organisation)) == 2
    assert people.changes(organisation=uuid4()) == []


def test_two_who_appoint_a_first_administrator_at_once_appoint_one(people: People, contact: Contact) -> None:
    candidates, barrier, outcomes = [contact(), contact()], Barrier(2), list[str]()

    def appoint(candidate: UUID) -> None:
        barrier.wait()
        try:
            people.appoint(candidate, Role.VPN_ADMIN_PRIMARY, since=SINCE)
            outcomes.append("held")
        except AppointmentRefused:
            outcomes.append("refused")

    threads = [Thread(target=appoint, args=(candidate,)) for candidate in candidates]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["held", "refused"]
