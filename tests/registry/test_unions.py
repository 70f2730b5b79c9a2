"""Unions and their members, and the population that limits are computed from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from chukan.platform.audit.actor import Actor
from chukan.tenants.registry import store
from chukan.tenants.registry.errors import CodeInvalid, OrganisationRefused, OrganisationUnknown
from chukan.tenants.registry.populations import import_population
from chukan.tenants.registry.service import Registry
from chukan.tenants.registry.store import Filter, Registered
from chukan.tenants.registry.unions import (
    UnionApplication,
    add_union,
    change_members,
    members_of,
    population_base,
    unions_of,
)
from chukan.tenants.registry.values import Department, Kind, State
from registry.given import DAY, NOW, entries
from support.database import Database

pytestmark = pytest.mark.usefixtures("few")
MEMBERS = ("011002", "012025")


def application(**other: Any) -> UnionApplication:
    values: dict[str, Any] = {
        "name": "架空広域連合",
        "kana": "かくうこういきれんごう",
        "kind": Kind.WIDE_AREA_UNION,
        "prefecture": "01",
        "members": MEMBERS,
        "since": date(2026, 4, 1),
        "invented": True,
    }
    return UnionApplication(**{**values, **other})


def codes(actor: Actor, union: Registered, day: date) -> Sequence[str | None]:
    with actor.engine.connect() as connection:
        return [member.code for member in members_of(connection, union.id, day)]


def test_a_union_has_its_members_and_only_executive_departments(actor: Actor, database: Database) -> None:
    union = add_union(actor, application(), now=NOW)
    assert (union.code, union.kind, union.state, union.members) == (None, Kind.WIDE_AREA_UNION, State.APPLIED, 2)
    assert (union.invented, union.reference) == (True, str(union.id))
    assert union.label == f"架空広域連合（北海道 {union.id}）"
    assert codes(actor, union, date(2026, 4, 1)) == ["011002", "012025"]
    assert codes(actor, union, date(2026, 3, 31)) == []
    with database.superuser() as superuser:
        rows = superuser.execute(
            "select department from platform.organisation_department where organisation = %s", (union.id,)
        )
        assert rows.fetchall() == [(Department.EXECUTIVE.value,)]
    act = entries(database)[-1]
    assert (act["action"], act["detail"]["union"]) == ("registry:union:add", str(union.id))
    assert act["detail"]["members"] == ["011002", "012025"]


def test_a_union_is_found_by_its_name_and_by_its_code_if_it_has_one(actor: Actor, registry: Registry) -> None:
    with_code = add_union(actor, application(code="01880"), now=NOW)
    assert with_code.code is not None
    assert registry.get(with_code.code, DAY) == with_code
    found = registry.find(Filter(words="こういき", kinds=[Kind.WIDE_AREA_UNION]), DAY)
    assert [each.id for each in found] == [with_code.id]


@pytest.mark.parametrize(
    "other",
    [
        {"kind": Kind.TOWN},
        {"prefecture": "48"},
        {"name": ""},
        {"kana": "Kakuu"},
        {"members": ()},
        {"members": ("011002",)},
        {"members": ("011002", "01100")},
    ],
)
def test_what_is_no_union_is_refused(actor: Actor, registry: Registry, other: dict[str, Any]) -> None:
    with pytest.raises(OrganisationRefused):
        add_union(actor, application(**other), now=NOW)
    assert registry.find(Filter(kinds=[Kind.WIDE_AREA_UNION]), DAY) == []


def test_a_member_must_be_registered_and_a_code_must_be_one(actor: Actor, registry: Registry) -> None:
    with pytest.raises(OrganisationUnknown):
        add_union(actor, application(members=("011002", "011011")), now=NOW)
    with pytest.raises(CodeInvalid):
        add_union(actor, application(code="018801"), now=NOW)
    assert registry.find(Filter(kinds=[Kind.WIDE_AREA_UNION]), DAY) == []


def test_the_same_union_is_not_registered_twice(actor: Actor) -> None:
    union = add_union(actor, application(), now=NOW)
    with pytest.raises(OrganisationRefused):
        add_union(actor, application(), now=NOW)
    with pytest.raises(OrganisationRefused):
        add_union(actor, application(name="別の連合", members=("011002", str(union.id))), now=NOW)
    assert add_union(actor, application(prefecture="02"), now=NOW).prefecture == "02"


def test_members_join_and_leave_on_a_day(actor: Actor) -> None:
    union = add_union(actor, application(), now=NOW)
    on = date(2026, 7, 1)
    change_members(actor, union.reference, join=["016446"], leave=["012025"], on=on, now=NOW)
    assert codes(actor, union, date(2026, 6, 30)) == ["011002", "012025"]
    assert codes(actor, union, on) == ["011002", "016446"]
    change_members(actor, union.reference, join=["012025"], leave=[], on=date(2026, 8, 1), now=NOW)
    assert codes(actor, union, date(2026, 8, 1)) == ["011002", "012025", "016446"]
    with actor.engine.connect() as connection:
        hakodate = store.get(connection, "012025", DAY)
        assert unions_of(connection, hakodate.id, on) == []
        assert [each.id for each in unions_of(connection, hakodate.id, date(2026, 8, 1))] == [union.id]


@pytest.mark.parametrize(
    ("join", "leave"),
    [(["011002"], []), ([], ["016446"]), (["016446", "016446"], []), (["016446", "141003"], ["183822"])],
)
def test_a_change_of_members_that_cannot_be_changes_nothing(actor: Actor, join: list[str], leave: list[str]) -> None:
    union = add_union(actor, application(), now=NOW)
    with pytest.raises(OrganisationRefused):
        change_members(actor, union.reference, join=join, leave=leave, on=DAY, now=NOW)
    assert codes(actor, union, DAY) == ["011002", "012025"]


def test_only_unions_have_members(actor: Actor) -> None:
    with pytest.raises(OrganisationRefused):
        change_members(actor, "011002", join=["012025"], leave=[], on=DAY, now=NOW)


def test_the_population_of_a_union_is_its_members_or_nothing(actor: Actor, registry: Registry) -> None:
    union = add_union(actor, application(), now=NOW)

    def base() -> int | None:
        with actor.engine.connect() as connection:
            return population_base(connection, registry.get(union.reference, DAY), DAY)

    def record(*lines: str) -> None:
        content = "\n".join(["code,population", *lines]).encode()
        import_population(
            actor, content, "p.csv", as_of=date(2026, 1, 1), source="census", partial=False, now=NOW
        )  # fmt: skip

    assert base() is None
    record("011002,1975065")
    assert base() is None, "a sum over some of the members would be taken for the whole"
    record("012025,251084")
    assert base() == 1975065 + 251084
    with actor.engine.connect() as connection:
        assert population_base(connection, registry.get("011002", DAY), DAY) == 1975065
        assert population_base(connection, registry.get("016446", DAY), DAY) is None


def test_an_import_does_not_turn_a_union_into_a_municipality(actor: Actor, registry: Registry) -> None:
    union = add_union(actor, application(code="01880"), now=NOW)
    content = f"code,kind,prefecture,name,kana\n{union.code},town,01,架空町,かくうちょう\n"
    with pytest.raises(OrganisationRefused):
        registry.import_organisations(content.encode(), "file.csv", now=NOW)
    assert registry.get(union.reference, DAY) == union
