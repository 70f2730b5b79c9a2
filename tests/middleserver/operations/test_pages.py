"""The pages of nights, uploads and campaigns: counts and marks, under their permissions, and nothing of any content."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.database.roles import ProcessKind
from chukan.tenants.limits.rules import Amount
from chukan.tenants.middleserver.operations.campaigns.rules import Campaign, Number, Scope
from chukan.tenants.middleserver.operations.campaigns.service import Campaigns
from chukan.tenants.middleserver.operations.page_store import DayUse
from chukan.tenants.middleserver.operations.web import CAMPAIGNS_READ, PAGES, READ, use_chart
from support.copies import manifest, right_row
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


def test_uploads_of_the_day_and_a_campaign_are_shown_by_organisation(town: Town, visited: Visited) -> None:
    place = town.place()
    name = str(uuid4())
    with town.safe.database.superuser() as superuser:
        superuser.execute(
            "insert into platform.organisation (kind, prefecture, name, kana, search_key, tenant, state, state_since) "
            "values ('wide_area_union', '01', %s, '', '', %s, 'active', now())",
            (name, place.tenant),
        )
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
    with town.safe.database.superuser() as superuser:
        superuser.execute("delete from platform.campaign")


def test_bars_show_the_fuller_of_both_limits_first() -> None:
    little = DayUse("a", 1, 10, 10, exempt=False, limit=Amount(1_000, 1_000))
    much = DayUse("b", 1, 1, 900, exempt=False, limit=Amount(1_000, 1_000))
    unknown = DayUse("c", 1, 1, 900, exempt=False, limit=None)
    chart = use_chart([little, unknown, much])
    assert list(chart.labels) == ["b", "a", "c"]
    assert [list(series.values) for series in chart.series] == [[0.1, 1.0, 0.0], [90.0, 1.0, 0.0]]
