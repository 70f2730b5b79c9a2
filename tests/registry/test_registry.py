"""Importing, finding and changing organisations on a real database."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest
from sqlalchemy import event

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import monotonic
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import PLATFORM
from chukan.platform.service_hours.rules import Generation
from chukan.tenants.registry import store
from chukan.tenants.registry.errors import (
    CodeInvalid,
    FileRefused,
    OrganisationRefused,
    OrganisationUnknown,
    TransitionRefused,
)
from chukan.tenants.registry.organisations_file import SHIPPED, shipped
from chukan.tenants.registry.service import Changes, Registry, moved
from chukan.tenants.registry.store import Filter
from chukan.tenants.registry.values import AddressClass, AddressSystem, Hosting, Kind, ReleaseGroup, State
from registry.given import DAY, NOW, entries
from support.database import Database


def test_all_organisations_are_imported_once_and_a_rerun_changes_nothing(
    registry: Registry, database: Database
) -> None:
    first = registry.import_organisations(shipped(), SHIPPED, now=NOW)
    again = registry.import_organisations(shipped(), SHIPPED, now=NOW + timedelta(days=1))
    assert (first.created, first.changed, first.unchanged) == (1788, [], 0)
    assert (again.created, again.changed, again.unchanged) == (0, [], 1788)
    found = registry.find(Filter(), DAY)
    assert len(found) == 1788
    assert Counter(each.kind for each in found)[Kind.TOWN] == 743
    assert {each.state for each in found} == {State.APPLIED}
    with database.superuser() as superuser:
        departments = superuser.execute("select count(*) from platform.organisation_department").fetchone()
        events = superuser.execute("select count(*), min(to_state) from platform.organisation_event").fetchone()
    assert departments == (2 * 1788,)
    assert events == (1788, "applied")
    assert [entry["detail"] for entry in entries(database)] == [
        {"changed": [], "created": 1788},
        {"changed": [], "created": 0},
    ]


def test_listing_and_searching_everything_is_one_quick_query(full: Registry, actor: Actor) -> None:
    statements: list[str] = []
    event.listen(actor.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    started = monotonic()
    assert len(full.find(Filter(), DAY)) == 1788
    assert len(full.find(Filter(words="ちょう"), DAY)) > 400
    assert monotonic() - started < 2
    assert len(statements) == 2


def test_a_renamed_organisation_is_brought_up_to_date_and_can_be_found_by_its_new_name(few: Registry) -> None:
    renamed = "code,kind,prefecture,name,kana\n012025,city,01,新函館市,しんはこだてし\n"
    done = few.import_organisations(renamed.encode(), "renamed.csv", now=NOW)
    assert (done.created, done.changed, done.unchanged) == (0, ["012025"], 0)
    assert [each.code for each in few.find(Filter(words="シンハコダテ"), DAY)] == ["012025"]


def test_a_rejected_file_leaves_nothing_behind_but_the_refusal(registry: Registry, database: Database) -> None:
    lines = ["code,kind,prefecture,name,kana", "011002,city,01,札幌市,さっぽろし", "012026,city,01,函館市,はこだてし"]
    bad = "\n".join(lines)
    with pytest.raises(FileRefused) as refused:
        registry.import_organisations(bad.encode(), "bad.csv", now=NOW)
    assert [(row.line, row.found) for row in refused.value.rows] == [(3, "012026")]
    assert registry.find(Filter(), DAY) == []
    assert [(entry["outcome"], entry["detail"]["error"]) for entry in entries(database)] == [
        ("refused", "registry.file_refused")
    ]


def test_an_import_that_dies_on_its_way_leaves_nothing_behind(
    registry: Registry, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_args: object, **_kwargs: object) -> None:
        raise OSError("the machine is gone")

    monkeypatch.setattr(store, "insert_events", dies)
    with pytest.raises(OSError, match="gone"):
        registry.import_organisations(shipped(), SHIPPED, now=NOW)
    assert registry.find(Filter(), DAY) == []
    assert [entry["outcome"] for entry in entries(database)] == ["failed"]


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        ("池田町", ["016446", "183822", "204811", "214043"]),
        ("池田町 岐阜", ["214043"]),
        ("いけだまち", ["204811"]),
        ("ｲｹﾀﾞﾏﾁ", ["204811"]),
        ("イケダ　長野県", ["204811"]),
        ("ながのけん 池田", ["204811"]),
        ("檮原", ["394050"]),
        ("０１１００２", ["011002"]),
        ("01100", ["011002"]),
        ("0110", ["011002"]),
        ("札幌市 011", ["011002"]),
        ("青ケ島", ["134023"]),
        ("⻘ヶ島", ["134023"]),
        ("どこにもない町", []),
        ("池田町 札幌", []),
        ("%", []),
        ("_", []),
        ("・", None),
    ],
)
def test_an_organisation_is_found_however_it_is_written(few: Registry, words: str, codes: list[str] | None) -> None:
    found = [each.code for each in few.find(Filter(words=words), DAY)]
    assert found == (codes if codes is not None else [each.code for each in few.find(Filter(), DAY)])


def test_what_is_shown_keeps_its_letters_and_always_says_which_one_it_is(few: Registry) -> None:
    labels = [each.label for each in few.find(Filter(words="池田町"), DAY)]
    assert labels == [
        "池田町（北海道 016446）",
        "池田町（福井県 183822）",
        "池田町（長野県 204811）",
        "池田町（岐阜県 214043）",
    ]
    assert few.get("134023", DAY).name == "青ヶ島村"


def test_organisations_are_filtered_by_kind_prefecture_state_and_group(few: Registry) -> None:
    few.change(["011002", "012025"], Changes(group=ReleaseGroup.SECOND), now=NOW)
    few.move("012025", State.CLOSED, now=NOW, reason="withdrawn")
    assert len(few.find(Filter(kinds=[Kind.SPECIAL_WARD]), DAY)) == 23
    assert len(few.find(Filter(kinds=[Kind.SPECIAL_WARD, Kind.PREFECTURE]), DAY)) == 25
    assert [each.code for each in few.find(Filter(prefecture="39"), DAY)] == ["394050"]
    assert [each.code for each in few.find(Filter(states=[State.CLOSED]), DAY)] == ["012025"]
    assert [each.code for each in few.find(Filter(group=ReleaseGroup.SECOND), DAY)] == ["011002", "012025"]
    assert few.find(Filter(group=ReleaseGroup.FIRST), DAY) == []


def test_an_organisation_is_got_by_code_with_or_without_check_digit_or_by_id(few: Registry) -> None:
    sapporo = few.get("011002", DAY)
    assert few.get("01100", DAY) == few.get(str(sapporo.id), DAY) == sapporo
    with pytest.raises(OrganisationUnknown):
        few.get("011011", DAY)
    with pytest.raises(OrganisationUnknown):
        few.get(str(PLATFORM), DAY)
    with pytest.raises(CodeInvalid):
        few.get("011003", DAY)


def test_what_is_known_of_organisations_is_entered_for_all_or_for_none(few: Registry, database: Database) -> None:
    address = (AddressClass.PARTLY_UNIFIED, AddressSystem.LINK_SERVER)
    changes = Changes(ReleaseGroup.FIRST, Hosting.JOINT, address, date(2021, 3, 1))
    changed = few.change(["012025", "01100"], changes, now=NOW)
    assert [each.code for each in changed] == ["012025", "011002"]
    for each in changed:
        assert (each.group, each.hosting, each.migrates_on) == (ReleaseGroup.FIRST, Hosting.JOINT, date(2021, 3, 1))
        assert (each.address_class, each.address_system) == address
    with pytest.raises(OrganisationUnknown):
        few.change(["141003", "011011"], changes, now=NOW)
    assert few.get("141003", DAY).group is None
    recorded = [entry for entry in entries(database) if entry["action"] == "registry:organisation:change"]
    assert [(entry["subject"], entry["outcome"]) for entry in recorded] == [
        ("organisations:many", "done"),
        ("organisations:many", "refused"),
    ]
    assert recorded[0]["detail"]["organisations"] == ["organisation:011002", "organisation:012025"]


@pytest.mark.parametrize(
    "changes",
    [
        Changes(migrates_on=date(2021, 1, 31)),
        Changes(migrates_on=date(2021, 8, 2)),
        Changes(address=(AddressClass.ALL_UNIFIED, AddressSystem.LINK_SERVER)),
    ],
)
def test_what_cannot_be_true_is_not_entered(few: Registry, changes: Changes) -> None:
    before = few.get("011002", DAY)
    with pytest.raises(OrganisationRefused):
        few.change(["011002"], changes, now=NOW)
    assert few.get("011002", DAY) == before


def test_the_hosting_of_a_provisioned_organisation_does_not_change(few: Registry) -> None:
    few.move("011002", State.PROVISIONING, now=NOW, reason="test")
    with pytest.raises(OrganisationRefused):
        few.change(["011002"], Changes(hosting=Hosting.OWN), now=NOW)
    assert few.change(["011002"], Changes(hosting=Hosting.PLATFORM), now=NOW)[0].hosting is Hosting.PLATFORM


def test_an_organisation_goes_through_its_life_with_every_step_in_its_history(
    few: Registry, actor: Actor, database: Database
) -> None:
    steps = [State.PROVISIONING, State.ACTIVE, State.SUSPENDED, State.ACTIVE, State.CLOSING, State.CLOSED]
    for hours, to in enumerate(steps):
        moved_to = few.move("011002", to, now=NOW + timedelta(hours=hours), reason="test")
        assert (moved_to.state, moved_to.state_since) == (to, NOW + timedelta(hours=hours))
    with actor.engine.connect() as connection:
        history = store.events_of(connection, few.get("011002", DAY).id)
    assert [(each.from_state, each.to_state) for each in history] == [
        (None, "applied"),
        ("applied", "provisioning"),
        ("provisioning", "active"),
        ("active", "suspended"),
        ("suspended", "active"),
        ("active", "closing"),
        ("closing", "closed"),
    ]
    assert {each.actor for each in history} == {"operator:7"}
    with pytest.raises(TransitionRefused):
        few.move("011002", State.ACTIVE, now=NOW, reason="test")
    assert [entry["outcome"] for entry in entries(database)][-2:] == ["done", "refused"]


def test_only_a_platform_user_is_provisioned(few: Registry) -> None:
    few.change(["011002"], Changes(hosting=Hosting.OWN), now=NOW)
    with pytest.raises(OrganisationRefused):
        few.move("011002", State.PROVISIONING, now=NOW, reason="test")


def test_who_read_a_state_that_has_changed_since_moves_nothing(few: Registry, actor: Actor) -> None:
    read = few.get("011002", DAY)
    few.move("011002", State.PROVISIONING, now=NOW, reason="somebody else")
    with actor.engine.begin() as connection, pytest.raises(TransitionRefused):
        moved(connection, read, State.CLOSED, now=NOW, actor="operator:8", reason="too late")
    assert few.get("011002", DAY).state is State.PROVISIONING


def test_the_provisioner_places_an_organisation_and_moves_it_in_one_transaction(
    few: Registry, database: Database
) -> None:
    tenant = database.create_tenant().tenant
    with database.engine(ProcessKind.PROVISIONER).begin() as connection:
        organisation = store.get(connection, "011002", DAY, lock=True)
        moved(connection, organisation, State.PROVISIONING, now=NOW, actor="system:test", reason="provision")
        store.place(connection, organisation.id, tenant)
    placed = few.get("011002", DAY)
    assert (placed.tenant, placed.state) == (tenant, State.PROVISIONING)


def test_the_preview_of_a_generation_counts_those_who_live_on_the_platform(few: Registry) -> None:
    for code in ("011002", "012025", "141003"):
        few.move(code, State.PROVISIONING, now=NOW, reason="test")
        few.move(code, State.ACTIVE, now=NOW, reason="test")
    few.change(["011002"], Changes(migrates_on=date(2021, 3, 1)), now=NOW)
    assert few.affected(date(2021, 2, 28)) == {Generation.CURRENT: 3, Generation.NEXT: 0}
    assert few.affected(date(2021, 3, 1)) == {Generation.CURRENT: 2, Generation.NEXT: 1}
    assert few.affected(date(2021, 8, 1)) == {Generation.CURRENT: 0, Generation.NEXT: 3}
