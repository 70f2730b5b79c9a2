"""Populations are imported whole or not at all, kept by day and source, and never overwritten."""

from __future__ import annotations

from datetime import date

import pytest

from chukan.platform.audit.actor import Actor
from chukan.tenants.registry.errors import FileRefused, FileUnreadable
from chukan.tenants.registry.organisations_file import shipped
from chukan.tenants.registry.populations import PopulationImported, import_population, populations_of
from chukan.tenants.registry.service import Registry
from chukan.tenants.registry.store import Filter
from registry.given import DAY, NOW, entries
from support.database import Database

pytestmark = pytest.mark.usefixtures("few")
AS_OF = date(2026, 1, 1)


def record(actor: Actor, *lines: str, as_of: date = AS_OF, partial: bool = False) -> PopulationImported:
    content = "\n".join(["団体コード,人口", *lines]).encode("cp932")
    return import_population(actor, content, "p.csv", as_of=as_of, source="register", partial=partial, now=NOW)


def test_a_population_has_a_day_and_a_source(actor: Actor, registry: Registry) -> None:
    done = record(actor, '011002,"1,975,065"', "141003,3778318")
    assert (done.recorded, done.unchanged, done.bad, done.warnings) == (2, 0, [], [])
    sapporo = registry.get("011002", DAY)
    assert (sapporo.population, sapporo.population_as_of, sapporo.population_source) == (1975065, AS_OF, "register")
    assert registry.get("011002", date(2025, 12, 31)).population is None
    assert registry.get("012025", DAY).population is None


def test_the_newest_day_holds_from_its_day_on(actor: Actor, registry: Registry) -> None:
    record(actor, "011002,3", as_of=date(2026, 1, 1))
    record(actor, "011002,2", as_of=date(2025, 1, 1))
    assert registry.get("011002", DAY).population == 3
    assert registry.get("011002", date(2025, 12, 31)).population == 2


def test_a_repeated_import_records_nothing_and_a_correction_is_added(actor: Actor, registry: Registry) -> None:
    record(actor, "011002,3", "141003,4")
    again = record(actor, "011002,3", "141003,5")
    assert (again.recorded, again.unchanged) == (1, 1)
    back = record(actor, "011002,3", "141003,4")
    assert (back.recorded, back.unchanged) == (1, 1)
    yokohama = registry.get("141003", DAY)
    assert yokohama.population == 4
    with actor.engine.connect() as connection:
        assert [value for _, value, _, _ in populations_of(connection, yokohama.id)] == [4, 5, 4]


def test_one_bad_line_stops_all_of_them(actor: Actor, registry: Registry, database: Database) -> None:
    with pytest.raises(FileRefused) as refused:
        record(actor, "011002,3", "141003,many", "011011,5")
    assert [(row.line, row.found) for row in refused.value.rows] == [(3, "141003"), (4, "011011")]
    assert all(each.population is None for each in registry.find(Filter(), DAY))
    assert entries(database)[-1]["outcome"] == "refused"


def test_on_request_the_lines_that_can_be_taken_are(actor: Actor, registry: Registry, database: Database) -> None:
    done = record(actor, "011002,3", "141003,many", "134023,", "012025,0", partial=True)
    assert (done.recorded, [row.line for row in done.bad]) == (2, [3])
    assert [row.line for row in done.warnings] == [4, 5]
    assert registry.get("012025", DAY).population == 0
    assert entries(database)[-1]["detail"] == {
        "as_of": "2026-01-01",
        "bad": 1,
        "recorded": 2,
        "source": "register",
        "unchanged": 0,
        "warnings": 2,
    }


def test_a_blank_leaves_what_is_registered(actor: Actor, registry: Registry) -> None:
    record(actor, "011002,3")
    record(actor, "011002,", as_of=date(2026, 6, 1))
    assert registry.get("011002", DAY).population == 3


def test_a_day_that_lies_ahead_in_tokyo_is_refused(actor: Actor) -> None:
    with pytest.raises(FileUnreadable):
        record(actor, "011002,3", as_of=date(2026, 7, 2))
    assert record(actor, "011002,3", as_of=date(2026, 7, 1)).recorded == 1


def test_all_organisations_are_taken_at_once(full: Registry, actor: Actor) -> None:
    codes = [line[:6] for line in shipped().decode().splitlines()[1:]]
    assert record(actor, *(f"{code},{number}" for number, code in enumerate(codes, 1))).recorded == 1788
    assert sum(each.population or 0 for each in full.find(Filter(), DAY)) == 1788 * 1789 // 2
