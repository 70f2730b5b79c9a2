"""What needs attention over all organisations: the same in SQL as the rules say of each one."""

from __future__ import annotations

import random
from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Connection, insert, select, update

from chukan.platform.audit.actor import Actor
from chukan.tenants.registry import store
from chukan.tenants.registry.attention import (
    WATCHED,
    Need,
    accounts_are_overdue,
    attention,
    by_prefecture,
    gap_of,
    gaps_of,
    gaps_on,
    in_need,
)
from chukan.tenants.registry.lists import Cut, WaitingFilter, WarnedFilter, organisations, role_warnings, waiting_tasks
from chukan.tenants.registry.people import store as people
from chukan.tenants.registry.people.catalogue import matrices
from chukan.tenants.registry.people.rules import GapKind, Held, Role, Task, gaps, may_hold
from chukan.tenants.registry.people.service import People
from chukan.tenants.registry.people.tables import Contact, PersonnelChange, RoleAssignment
from chukan.tenants.registry.rules import Span, concerns_of
from chukan.tenants.registry.service import Registry
from chukan.tenants.registry.store import Filter, Registered
from chukan.tenants.registry.tables import Organisation, Population
from chukan.tenants.registry.unions import UnionApplication, add_union
from chukan.tenants.registry.values import Department, Kind, State
from registry.given import DAY, NOW
from support.database import Database

pytestmark = pytest.mark.usefixtures("few")
EVERYTHING = Cut("code", descending=False, limit=1000, offset=0)
SINCE = date(2026, 4, 1)


@pytest.fixture
def stirred(database: Database, actor: Actor) -> Database:
    """Organisations in every state, with people, populations and groups as chance would have them."""
    add_union(
        actor,
        UnionApplication("架空組合", "かくうくみあい", Kind.WIDE_AREA_UNION, "01", ("011002", "012025")),
        now=NOW,
    )
    chance = random.Random(20260701)  # noqa: S311 - nothing is kept secret by it
    with database.superuser() as superuser:
        superuser.execute("update platform.organisation set state = 'active' where kind = 'wide_area_union'")
    with actor.engine.begin() as connection:
        for each in store.find(connection, Filter(), DAY):
            _stir(connection, each, chance)
    return database


def _stir(connection: Connection, organisation: Registered, chance: random.Random) -> None:
    values = {"state": chance.choice([*WATCHED, *State]).value, "release_group": chance.choice([None, 1, 2])}
    connection.execute(update(Organisation).where(Organisation.id == organisation.id).values(**values))
    for back in chance.sample([-3, 0, 3, 9], chance.randrange(3)):
        told = {"organisation": organisation.id, "as_of": DAY - timedelta(days=back), "source": "調査"}
        connection.execute(insert(Population).values(value=chance.choice([0, 10, 99]), **told))
    there = people.departments(connection, organisation.id)
    for _ in range(chance.randrange(5)):
        department = chance.choice(there)
        contact = _contact(connection, organisation.id, department)
        for role in chance.sample(list(Role), 5):
            first = DAY - timedelta(days=chance.choice([0, 1, 30, -1]))
            last = chance.choice([None, DAY, DAY + timedelta(days=1), first])
            if not may_hold(role, department) or (last is not None and last < first):
                continue
            if last is None and _is_held(connection, organisation.id, role):
                continue
            told = {"organisation": organisation.id, "contact": contact, "role": role.value}
            connection.execute(insert(RoleAssignment).values(since=first, until=last, **told))


def _is_held(connection: Connection, organisation: UUID, role: Role) -> bool:
    return any(each.held.role is role for each in people.assignments(connection, organisation))


def _contact(connection: Connection, organisation: UUID, department: Department) -> UUID:
    told = {"name": "架空 花子", "email": "hanako@city.example.jp", "telephone": "011-000-0000", "created_at": NOW}
    values = {"organisation": organisation, "department": department.value, **told}
    return connection.execute(insert(Contact).values(**values).returning(Contact.id)).scalar_one()


def test_the_warnings_of_all_are_those_of_each(stirred: Database, actor: Actor) -> None:  # noqa: ARG001
    with actor.engine.connect() as connection:
        for day in (DAY - timedelta(days=1), DAY, DAY + timedelta(days=1)):
            known = store.find(connection, Filter(), day)
            expected = {
                each.id: set(
                    gaps(
                        [one.held for one in people.assignments(connection, each.id)],
                        people.departments(connection, each.id),
                        day,
                    )
                )
                for each in known
            }
            watched = {each.id for each in known if each.state in WATCHED}
            found = gaps_of(connection, known, day)
            assert {each: set(told) for each, told in found.items()} == {each: expected[each] for each in watched}
            assert sum(map(len, found.values())) == attention(connection, day).role_warnings > 0
            everywhere = connection.execute(select(gaps_on(day, states=list(State)))).all()
            assert {(row.organisation, gap_of(row)) for row in everywhere} == {
                (each, gap) for each, told in expected.items() for gap in told
            }
            kinds = {gap.kind for told in expected.values() for gap in told}
            assert kinds >= {GapKind.MISSING, GapKind.ONLY_ONE}


def test_an_entry_that_needs_attention_is_one_of_which_the_rules_have_something_to_say(
    stirred: Database,  # noqa: ARG001
    actor: Actor,
) -> None:
    with actor.engine.connect() as connection:
        for day in (DAY - timedelta(days=5), DAY, DAY + timedelta(days=5)):
            known = store.find(connection, Filter(states=WATCHED), day)
            expected = {each.id for each in known if concerns_of(each.standing)}
            assert set(connection.execute(in_need(Need.ENTRY, day)).scalars()) == expected
            assert 0 < len(expected) <= len(known)


def test_the_map_counts_every_organisation_once(stirred: Database, actor: Actor) -> None:  # noqa: ARG001
    with actor.engine.connect() as connection:
        found = by_prefecture(connection, DAY)
        every = {each.id: each for each in store.find(connection, Filter(), DAY)}
        needing = set(connection.execute(in_need(Need.ANYTHING, DAY)).scalars())
    assert [each.number for each in found] == [f"{number:02}" for number in range(1, 48)]
    assert sum(each.organisations for each in found) == len(every)
    for each in found:
        here = [one for one in every.values() if one.prefecture == each.number]
        assert dict(each.states) == {state: n for state in State if (n := sum(one.state is state for one in here))}
        assert each.attention == sum(one.id in needing for one in here)


def test_a_task_is_overdue_from_the_day_after_the_change(actor: Actor, registry: Registry) -> None:
    change = _open(actor, leaves=True)
    organisation = registry.get("011002", DAY)
    with actor.engine.connect() as connection:
        told = {
            days: (
                attention(connection, DAY + timedelta(days=days)).overdue_tasks,
                attention(connection, DAY + timedelta(days=days)).overdue_accounts,
                organisation.id in connection.execute(in_need(Need.TASKS, DAY + timedelta(days=days))).scalars(),
            )
            for days in (0, 1, 7, 8)
        }
        assert told == {0: (0, 0, False), 1: (1, 0, True), 7: (1, 0, True), 8: (1, 1, True)}
        late = select(PersonnelChange.id).where(accounts_are_overdue(DAY + timedelta(days=8)))
        assert connection.execute(late).scalars().all() == [change]
    People(actor, matrices()).finish_task(change, Task.SYSTEM_ADMIN_ACCOUNT, now=NOW)
    with actor.engine.connect() as connection:
        for days, expected in ((1, False), (7, False), (8, True)):
            needing = connection.execute(in_need(Need.TASKS, DAY + timedelta(days=days))).scalars()
            assert (organisation.id in needing) is expected


def _open(actor: Actor, *, leaves: bool, organisation: str = "011002", on: date = DAY) -> UUID:
    office = People(actor, matrices())
    told = {"name": "架空 花子", "email": "hanako@city.example.jp", "telephone": "011-000-0000"}
    person = office.add_contact(organisation, Department.EXECUTIVE, now=NOW, **told)
    role = office.appoint(person.id, Role.SYSTEM_ADMIN, since=SINCE)
    return office.open_change(role.id, effective_on=on, successor=None, leaves=leaves, now=NOW).change.id


def test_what_waits_is_listed_with_whose_it_is_and_by_its_day(actor: Actor) -> None:
    later = _open(actor, leaves=False, organisation="141003", on=DAY + timedelta(days=20))
    first = _open(actor, leaves=True)
    by_day = Cut("due_on", descending=False, limit=10, offset=0)
    with actor.engine.connect() as connection:
        found, total = waiting_tasks(connection, WaitingFilter(), DAY + timedelta(days=3), by_day)
        assert total == 3
        assert [(each.change, each.task, each.due_on) for each in found] == [
            (first, Task.SYSTEM_ADMIN_ACCOUNT, DAY),
            (first, None, DAY + timedelta(days=7)),
            (later, Task.SYSTEM_ADMIN_ACCOUNT, DAY + timedelta(days=20)),
        ]
        assert [each.is_overdue(DAY + timedelta(days=3)) for each in found] == [True, False, False]
        assert (found[0].organisation.reference, found[0].organisation.prefecture_name) == ("011002", "北海道")
        assert (found[0].acts, found[1].acts) == ([Role.SYSTEM_ADMIN], [])
        for wanted, changes in (
            (WaitingFilter(overdue=True), [first]),
            (WaitingFilter(overdue=False), [first, later]),
            (WaitingFilter(words="横浜"), [later]),
            (WaitingFilter(prefecture="01"), [first, first]),
            (WaitingFilter(role=Role.CONTACT_STAFF), []),
        ):
            some, counted = waiting_tasks(connection, wanted, DAY + timedelta(days=3), by_day)
            assert ([each.change for each in some], counted) == (changes, len(changes))


def test_lists_are_cut_where_they_are_ordered_and_lose_nobody(stirred: Database, actor: Actor) -> None:  # noqa: ARG001
    with actor.engine.connect() as connection:
        for by in ("code", "kana", "prefecture", "kind", "state", "population"):
            for descending in (False, True):
                whole, total = organisations(
                    connection, Filter(), None, DAY, Cut(by, descending=descending, limit=1000, offset=0)
                )
                assert total == len(whole)
                pieces = [
                    each
                    for offset in range(0, total, 7)
                    for each in organisations(
                        connection, Filter(), None, DAY, Cut(by, descending=descending, limit=7, offset=offset)
                    )[0]
                ]
                assert pieces == whole
                assert len({each.organisation.id for each in whole}) == total
        populations = [
            each.organisation.population
            for each in organisations(
                connection, Filter(), None, DAY, Cut("population", descending=True, limit=1000, offset=0)
            )[0]
        ]
        known = [each for each in populations if each is not None]
        assert populations == sorted(known, reverse=True) + [None] * populations.count(None)


def test_the_list_is_narrowed_by_what_needs_attention(stirred: Database, actor: Actor) -> None:  # noqa: ARG001
    with actor.engine.connect() as connection:
        for need in Need:
            found, total = organisations(connection, Filter(), need, DAY, EVERYTHING)
            needing = set(connection.execute(in_need(need, DAY)).scalars())
            assert {each.organisation.id for each in found} == needing
            assert total == len(needing)
        some, _ = organisations(connection, Filter(prefecture="01"), Need.ROLES, DAY, EVERYTHING)
        assert some
        assert all(each.gaps and each.organisation.prefecture == "01" for each in some)


def test_warnings_are_listed_and_narrowed(stirred: Database, actor: Actor) -> None:  # noqa: ARG001
    with actor.engine.connect() as connection:
        for by in ("organisation", "state", "role", "gap"):
            cut = Cut(by, descending=False, limit=1000, offset=0)
            every, total = role_warnings(connection, WarnedFilter(), DAY, cut)
            assert (len(every), total) == (total, attention(connection, DAY).role_warnings)
        one = WarnedFilter(role=Role.SYSTEM_ADMIN, kind=GapKind.ONLY_ONE, states=list(State))
        some, _ = role_warnings(connection, one, DAY, EVERYTHING_WARNED)
        assert some
        assert {(each.gap.role, each.gap.kind) for each in some} == {(Role.SYSTEM_ADMIN, GapKind.ONLY_ONE)}
        closed, _ = role_warnings(connection, WarnedFilter(states=[State.CLOSED]), DAY, EVERYTHING_WARNED)
        assert {each.state for each in closed} == {State.CLOSED}


EVERYTHING_WARNED = Cut("organisation", descending=False, limit=1000, offset=0)


def test_one_person_in_both_places_is_told(actor: Actor, database: Database) -> None:
    held = [
        Held(UUID(int=1), Department.EXECUTIVE, role, Span(SINCE))
        for role in (Role.VPN_ADMIN_PRIMARY, Role.VPN_ADMIN_DEPUTY)
    ]
    assert GapKind.SAME_PERSON in {gap.kind for gap in gaps(held, [Department.EXECUTIVE], DAY)}
    with database.superuser() as superuser:
        superuser.execute("update platform.organisation set state = 'active' where code = '011002'")
    office = People(actor, matrices())
    told = {"name": "架空 花子", "email": "hanako@city.example.jp", "telephone": "011-000-0000"}
    person = office.add_contact("011002", Department.EXECUTIVE, now=NOW, **told)
    for role in (Role.VPN_ADMIN_PRIMARY, Role.VPN_ADMIN_DEPUTY):
        office.appoint(person.id, role, since=SINCE)
    with actor.engine.connect() as connection:
        found = [gap_of(row) for row in connection.execute(select(gaps_on(DAY)))]
    assert [gap.role for gap in found if gap.kind is GapKind.SAME_PERSON] == [Role.VPN_ADMIN_DEPUTY]
