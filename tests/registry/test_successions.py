"""Mergers and divisions: history is kept, members move, and states follow on the day."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from chukan.platform.audit.actor import Actor
from chukan.platform.database.roles import ProcessKind
from chukan.tenants.registry.errors import FileRefused, OrganisationUnknown, SuccessionRefused
from chukan.tenants.registry.populations import import_population
from chukan.tenants.registry.profile import profile
from chukan.tenants.registry.service import Registry
from chukan.tenants.registry.successions import close_due, divide, merge, predecessors_of, successors_of
from chukan.tenants.registry.unions import UnionApplication, add_union, members_of
from chukan.tenants.registry.values import Kind, State, SuccessionKind
from registry.given import DAY, NOW, entries
from support.database import Database

pytestmark = pytest.mark.usefixtures("few")
AHEAD = date(2026, 10, 1)
ON_THE_DAY = datetime(2026, 9, 30, 15, 0, tzinfo=UTC)


def live(registry: Registry, *codes: str) -> None:
    for code in codes:
        registry.move(code, State.PROVISIONING, now=NOW, reason="test")
        registry.move(code, State.ACTIVE, now=NOW, reason="test")


def worker(database: Database) -> Actor:
    return Actor(database.engine(ProcessKind.WORKER), "system:registry-dissolutions", "job-1")


def test_a_merger_keeps_the_history_of_both_sides(actor: Actor, registry: Registry, database: Database) -> None:
    live(registry, "012025")
    done = merge(actor, ["012025", "016446"], "011002", on=DAY, now=NOW)
    assert (done.closed, done.unions) == (["012025", "016446"], [])
    hakodate, ikeda, sapporo = (registry.get(code, DAY) for code in ("012025", "016446", "011002"))
    assert (hakodate.state, ikeda.state, sapporo.state) == (State.CLOSING, State.CLOSED, State.APPLIED)
    assert (hakodate.dissolved_on, ikeda.dissolved_on, sapporo.dissolved_on) == (DAY, DAY, None)
    with actor.engine.connect() as connection:
        before = predecessors_of(connection, sapporo.id)
        after = successors_of(connection, hakodate.id)
    assert [(link.code, link.kind, link.effective_on) for link in before] == [
        ("012025", SuccessionKind.MERGER, DAY),
        ("016446", SuccessionKind.MERGER, DAY),
    ]
    assert [link.code for link in after] == ["011002"]
    act = entries(database)[-1]
    assert (act["action"], act["subject"], act["detail"]["predecessors"]) == (
        "registry:organisation:merge",
        "organisation:011002",
        ["012025", "016446"],
    )


def test_a_merger_that_lies_ahead_moves_the_states_when_its_day_begins_in_tokyo(
    actor: Actor, registry: Registry, database: Database
) -> None:
    live(registry, "012025")
    assert merge(actor, ["012025"], "011002", on=AHEAD, now=NOW).closed == []
    assert registry.get("012025", DAY).state is State.ACTIVE
    job = worker(database)
    assert close_due(job, now=ON_THE_DAY.replace(hour=14, minute=59)) == []
    assert close_due(job, now=ON_THE_DAY) == ["012025"]
    assert close_due(job, now=ON_THE_DAY) == []
    assert registry.get("012025", DAY).state is State.CLOSING
    acts = [entry for entry in entries(database) if entry["actor"] == "system:registry-dissolutions"]
    assert [(act["action"], act["detail"]["closed"]) for act in acts] == [("registry:organisation:move", ["012025"])]


def test_one_that_is_being_provisioned_is_closed_when_that_is_finished(
    actor: Actor, registry: Registry, database: Database
) -> None:
    registry.move("012025", State.PROVISIONING, now=NOW, reason="test")
    assert merge(actor, ["012025"], "011002", on=DAY, now=NOW).closed == []
    assert close_due(worker(database), now=NOW) == []
    registry.move("012025", State.ACTIVE, now=NOW, reason="test")
    assert close_due(worker(database), now=NOW) == ["012025"]


def test_the_successor_takes_the_places_in_unions(actor: Actor, registry: Registry) -> None:
    union = add_union(
        actor,
        UnionApplication(
            "架空組合", "かくうくみあい", Kind.PARTIAL_AFFAIRS_ASSOCIATION, "01", ("012025", "016446"), DAY
        ),
        now=NOW,
    )
    assert merge(actor, ["012025", "016446"], "011002", on=AHEAD, now=NOW).unions == [str(union.id)]
    with actor.engine.connect() as connection:
        assert [each.code for each in members_of(connection, union.id, DAY)] == ["012025", "016446"]
        assert [each.code for each in members_of(connection, union.id, AHEAD)] == ["011002"]
        assert profile(connection, "011002", AHEAD).unions[0].id == union.id
    assert registry.get(union.reference, AHEAD).members == 1


def test_a_division_into_several_ends_the_one_that_is_divided(actor: Actor, registry: Registry) -> None:
    done = divide(actor, "011002", ["012025", "016446"], on=DAY, stays=False, now=NOW)
    assert done.closed == ["011002"]
    assert registry.get("011002", DAY).state is State.CLOSED
    with actor.engine.connect() as connection:
        found = profile(connection, "011002", DAY)
    assert [(link.code, link.kind) for link in found.successors] == [
        ("012025", SuccessionKind.DIVISION),
        ("016446", SuccessionKind.DIVISION),
    ]


def test_one_that_something_leaves_goes_on(actor: Actor, registry: Registry) -> None:
    done = divide(actor, "011002", ["012025"], on=DAY, stays=True, now=NOW)
    assert done.closed == []
    assert (registry.get("011002", DAY).state, registry.get("011002", DAY).dissolved_on) == (State.APPLIED, None)


@pytest.mark.parametrize(
    ("before", "into"),
    [
        (["011002"], "011002"),
        (["012025", "012025"], "011002"),
        (["010006"], "011002"),
        (["012025"], "010006"),
        ([], "011002"),
    ],
)
def test_what_is_no_merger_is_refused(actor: Actor, registry: Registry, before: list[str], into: str) -> None:
    with pytest.raises(SuccessionRefused):
        merge(actor, before, into, on=DAY, now=NOW)
    assert registry.get("012025", DAY).dissolved_on is None


def test_nobody_is_merged_twice_nor_follows_after_the_end(actor: Actor) -> None:
    merge(actor, ["012025"], "011002", on=AHEAD, now=NOW)
    for before, into in ((["012025"], "011002"), (["012025"], "141003"), (["141003"], "012025")):
        with pytest.raises(SuccessionRefused):
            merge(actor, before, into, on=AHEAD, now=NOW)


def test_a_closed_organisation_takes_no_part(actor: Actor, registry: Registry) -> None:
    registry.move("012025", State.CLOSED, now=NOW, reason="withdrawn")
    with pytest.raises(SuccessionRefused):
        merge(actor, ["011002"], "012025", on=DAY, now=NOW)


def test_a_division_into_one_is_none_and_the_same_division_is_not_told_twice(actor: Actor) -> None:
    with pytest.raises(SuccessionRefused):
        divide(actor, "011002", ["012025"], on=DAY, stays=False, now=NOW)
    divide(actor, "011002", ["012025"], on=DAY, stays=True, now=NOW)
    with pytest.raises(SuccessionRefused):
        divide(actor, "011002", ["012025"], on=DAY, stays=True, now=NOW)


def test_a_merger_with_somebody_unknown_changes_nothing(actor: Actor, registry: Registry) -> None:
    with pytest.raises(OrganisationUnknown):
        merge(actor, ["012025", "011011"], "011002", on=DAY, now=NOW)
    assert registry.get("012025", DAY).dissolved_on is None


def test_a_dissolved_municipality_has_no_population_from_its_day_on(actor: Actor) -> None:
    merge(actor, ["012025"], "011002", on=DAY, now=NOW)
    content = b"code,population\n012025,5\n"
    with pytest.raises(FileRefused):
        import_population(actor, content, "p.csv", as_of=DAY, source="register", partial=False, now=NOW)
    before = date(2026, 6, 30)
    done = import_population(actor, content, "p.csv", as_of=before, source="register", partial=False, now=NOW)
    assert done.recorded == 1
