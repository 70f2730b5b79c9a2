"""The pages of nights, uploads and campaigns: counts and marks, under their permissions, and nothing of any content."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.database.roles import ProcessKind
from chukan.tenants.limits.rules import Amount
from chukan.tenants.middleserver.operations.campaigns import picture, store
from chukan.tenants.middleserver.operations.campaigns.picture import Shade
from chukan.tenants.middleserver.operations.campaigns.rules import Campaign, Number, Scope, is_done
from chukan.tenants.middleserver.operations.campaigns.service import Campaigns
from chukan.tenants.middleserver.operations.campaigns.web import READ as CAMPAIGNS_READ
from chukan.tenants.middleserver.operations.page_store import DayUse
from chukan.tenants.middleserver.operations.web import PAGES, READ, fullest, remarks
from support.copies import Organisation, manifest, right_row
from support.html import check_page
from support.nights import Town
from support.web import Visited, application_of


@pytest.fixture
def visited(town: Town) -> Visited:
    return application_of([PAGES], town.safe.database.engine(ProcessKind.CONSOLE))


@pytest.mark.parametrize(
    ("path", "permission"),
    [("/night-batch", READ), ("/uploads", READ), ("/campaigns", CAMPAIGNS_READ), ("/campaigns/R1", CAMPAIGNS_READ)],
)
def test_nobody_sees_a_page_without_its_permission(visited: Visited, path: str, permission: str) -> None:
    visited.enter("tenants:organisation:read")
    assert visited.get(path).status_code == 403
    assert visited.refused == [permission]


def test_empty_pages_are_whole(visited: Visited) -> None:
    visited.enter(READ, CAMPAIGNS_READ)
    for path in ("/night-batch", "/uploads", "/campaigns"):
        page = visited.get(path)
        assert page.status_code == 200
        check_page(page.text)
    assert visited.get("/campaigns/R1").status_code == 404


def test_a_night_is_shown_with_its_errors_marked_in_the_list(town: Town, visited: Visited) -> None:
    place = town.place()
    place.send_rows([right_row(1)])
    wrong = place.send_rows([right_row(2, region="999")])
    town.batch(place.night).run()
    visited.enter(READ)
    page = visited.get("/night-batch").text
    check_page(page)
    assert str(place.tenant) in page
    assert "エラーあり" in page
    assert 'data-live="15"' in page
    assert wrong.name not in page
    assert manifest(b"x", 1).department not in page
    assert str(place.tenant) in visited.get("/night-batch?format=csv").text
    marked, running = (visited.get(f"/night-batch?show={kind}&format=csv").text for kind in ("marked", "running"))
    assert str(place.tenant) in marked
    assert str(place.tenant) not in running
    assert visited.get("/night-batch?show=what").status_code == 422


def test_uploads_of_the_day_and_a_campaign_are_shown_by_organisation(town: Town, visited: Visited) -> None:
    place = town.place()
    name = str(uuid4())
    organisation_of(town, place, name)
    town.send_and_register(place)
    today = as_tokyo(SystemClock().now()).date()
    numbers = (Number(2, mandatory=True, scope=Scope.LATEST_ONLY, large=True),)
    campaign = Campaign("R1", "改版", today - timedelta(days=9999), today, 10, numbers)
    office = Campaigns(Actor(town.safe.database.engine(ProcessKind.CONSOLE), "operator:test", "test"))
    office.create(campaign)
    office.create(replace(campaign, revision="R2", opens_on=today - timedelta(days=1)))
    with town.safe.database.superuser() as superuser:
        # As if it had been received on the day on which the page is looked at.
        superuser.execute("update platform.upload_projection set exempt = true")
    visited.enter(READ, CAMPAIGNS_READ)
    check_page(visited.get("/campaigns").text)
    done, late = visited.get("/campaigns/R1").text, visited.get("/campaigns/R2").text
    check_page(done)
    check_page(late)
    assert name in done
    assert "2 件登録" in done
    assert "2 件登録" not in late
    with town.safe.database.superuser() as superuser:
        superuser.execute("update platform.upload_projection set received_at = now()")
    uploads = visited.get("/uploads").text
    check_page(uploads)
    assert "上限を計算できません" in uploads
    forget(town)


def use(organisation: str, records: int, kb: int, limit: Amount | None, *, exempt: bool = False) -> DayUse:
    return DayUse(organisation, None, 1, records, kb, exempt, limit)


def test_bars_show_the_fuller_of_both_limits_first() -> None:
    limit = Amount(1_000, 1_000)
    shown = fullest([use("a", 10, 10, limit), use("c", 1, 900, None), use("b", 1, 900, limit)])
    assert [each.named for each in shown] == ["b", "a", "c"]
    assert shown[0].bars == [(0.1, "1 / 1,000 (0.1 %)", "info"), (90.0, "900 / 1,000 (90.0 %)", "warning")]
    assert shown[2].bars == [(0, "1", "none"), (0, "900", "none")]


@pytest.mark.parametrize(
    ("kb", "limit", "exempt", "told"),
    [
        (799, Amount(1_000, 1_000), False, []),
        (800, Amount(1_000, 1_000), False, ["上限間近"]),
        (1_000, Amount(1_000, 1_000), False, ["上限間近"]),
        (1_001, Amount(1_000, 1_000), True, ["制限対象外", "上限間近"]),
        (1, Amount(1_000, 1_000), True, ["制限対象外"]),
        (1, None, False, ["上限を計算できません"]),
        (1, None, True, ["制限対象外", "上限を計算できません"]),
    ],
)
def test_what_is_to_be_said_of_a_use_is_said(kb: int, limit: Amount | None, exempt: bool, told: list[str]) -> None:
    assert [each.word for each in remarks(use("a", 1, kb, limit, exempt=exempt))] == told
    how = fullest([use("a", 1, kb, limit, exempt=exempt)])[0].bars[1][2]
    assert how == ("none" if limit is None else "error" if kb > 1_000 else "warning" if kb >= 800 else "info")


def test_the_map_and_the_list_are_of_the_number_that_is_asked_for(town: Town, visited: Visited) -> None:
    done, late = town.place(), town.place()
    organisation_of(town, done, "甲市")
    organisation_of(town, late, "乙町")
    town.send_and_register(done)
    office = Campaigns(Actor(town.safe.database.engine(ProcessKind.CONSOLE), "operator:test", "test"))
    today = as_tokyo(SystemClock().now()).date()
    two, eight = (Number(each, mandatory=True, scope=Scope.LATEST_ONLY, large=False) for each in (2, 8))
    office.create(Campaign("M1", "改版", today - timedelta(days=9999), today + timedelta(days=1), 10, (two, eight)))
    visited.enter(CAMPAIGNS_READ)
    try:
        whole, one = visited.get("/campaigns/M1").text, visited.get("/campaigns/M1?number=2").text
        check_page(whole)
        check_page(one)
        assert tiles(whole) == {
            f"甲市 {reference(town, '甲市')} 一部登録済み",
            f"乙町 {reference(town, '乙町')} 未着手",
        }
        assert f"甲市 {reference(town, '甲市')} 登録完了" in tiles(one)
        listed = visited.get("/campaigns/M1?number=2&state=ready&format=csv").text
        assert "甲市" in listed
        assert "乙町" not in listed
        assert "甲市" not in visited.get("/campaigns/M1?prefecture=47&format=csv").text
        matrix = visited.get("/campaigns").text
        check_page(matrix)
        assert "1 / 2" in matrix
        assert "0 / 2" in matrix
        for wrong in ("number=3", "state=what", "prefecture=48", "number=2&state=overdue"):
            assert visited.get(f"/campaigns/M1?{wrong}").status_code == 422, wrong
    finally:
        forget(town)


def test_the_matrix_counts_what_the_rules_call_done(town: Town) -> None:
    place = town.place()
    organisation_of(town, place, "丙村")
    opens = as_tokyo(SystemClock().now()).date() - timedelta(days=3)
    numbers = tuple(Number(each, mandatory=True, scope=Scope.LATEST_ONLY, large=False) for each in range(1, 9))
    campaign = Campaign("M2", "改版", opens, opens + timedelta(days=30), 10, numbers)
    engine = town.safe.database.engine(ProcessKind.CONSOLE)
    Campaigns(Actor(engine, "operator:test", "test")).create(campaign)
    states = ("registered", "staging", "refused")
    with town.safe.database.superuser() as superuser:
        for number in numbers:
            for place_of, state in enumerate(states):
                if (number.information - 1) >> place_of & 1:
                    superuser.execute(
                        "insert into platform.upload_projection (upload, tenant, information, state, size, expected,"
                        " registered, deleted, faults, exempt, received_at, measured_at)"
                        " values (%s, %s, %s, %s, 1, 1, 1, 0, 0, false, now(), now())",
                        (uuid4(), place.tenant, number.information, state),
                    )
    try:
        with engine.connect() as connection:
            (progress,) = store.progress(connection, campaign, opens)
            counted = {each.information: each for each in store.number_counts(connection, [campaign], opens)}
            assert store.active_organisations(connection) == 1
        for standing in progress.standings:
            count = counted[standing.information]
            shade = picture.shade_of_number(standing)
            assert bool(count.done) is is_done(standing) is (shade is Shade.READY)
            assert bool(count.waiting) is (shade is Shade.WAITING)
            assert bool(count.refused) is (shade is Shade.REFUSED)
    finally:
        forget(town)


def test_delegated_numbers_are_counted_and_who_is_behind_is_told_by_prefecture(town: Town, visited: Visited) -> None:
    taker, late = town.place(), town.place()
    organisation_of(town, taker, "丁市")
    organisation_of(town, late, "戊町")
    town.send_and_register(taker)
    office = Campaigns(Actor(town.safe.database.engine(ProcessKind.CONSOLE), "operator:test", "test"))
    today = as_tokyo(SystemClock().now()).date()
    opens, due = today - timedelta(days=9999), today + timedelta(days=14)
    numbers = (Number(2, mandatory=True, scope=Scope.LATEST_ONLY, large=False),)
    office.create(Campaign("M3", "改版", opens, due, 10, numbers))
    whose = reference(town, "丁市")
    visited.enter(CAMPAIGNS_READ)
    try:
        office.delegate("M3", whose, 16, from_day=today + timedelta(days=1), today=today)
        before = visited.get("/campaigns/M3").text
        check_page(before)
        assert "受任による追加" not in before
        assert "#16" not in visited.get("/campaigns").text
        assert f"丁市 {whose} 登録完了" in tiles(before)

        office.delegate("M3", whose, 16, from_day=today, today=today)
        whole, one = visited.get("/campaigns/M3").text, visited.get("/campaigns/M3?number=16").text
        check_page(whole)
        check_page(one)
        assert "受任による追加" in whole
        assert f"丁市 {whose} 一部登録済み" in tiles(whole)
        assert tiles(one) == {f"丁市 {whose} 未着手"}
        assert "対象外" in visited.get("/campaigns/M3?format=csv").text
        matrix = visited.get("/campaigns").text
        check_page(matrix)
        assert "#16" in matrix
        assert "0 / 1" in matrix

        assert 'href="?prefecture=01&amp;behind=yes#campaign-progress"' in whole
        behind = visited.get("/campaigns/M3?prefecture=01&behind=yes&format=csv").text
        assert "戊町" in behind
        assert "丁市" not in behind
    finally:
        forget(town)


def organisation_of(town: Town, place: Organisation, name: str) -> None:
    with town.safe.database.superuser() as superuser:
        superuser.execute(
            "insert into platform.organisation (kind, prefecture, name, kana, search_key, tenant, state, state_since) "
            "values ('wide_area_union', '01', %s, '', '', %s, 'active', now())",
            (name, place.tenant),
        )


def reference(town: Town, name: str) -> str:
    with town.safe.database.superuser() as superuser:
        row = superuser.execute("select id from platform.organisation where name = %s", (name,)).fetchone()
    assert row is not None
    return str(row[0])


def tiles(page: str) -> set[str]:
    return set(re.findall(r'<i class="org org-[a-z]+" title="([^"]*)">', page))


def forget(town: Town) -> None:
    with town.safe.database.superuser() as superuser:
        superuser.execute("delete from platform.campaign")
        superuser.execute("delete from platform.organisation")
