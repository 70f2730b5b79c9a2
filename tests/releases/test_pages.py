"""The page of the releases."""

from __future__ import annotations

import pytest

from chukan.platform.database.roles import ProcessKind
from chukan.tenants.releases.rendering import head, render, revisions
from chukan.tenants.releases.store import Standing
from chukan.tenants.releases.web import PAGES, READ, chart
from support.database import Database
from support.html import check_page
from support.tenants import provisioned
from support.web import Visited, application_of

FIRST = revisions()[0][0]


@pytest.fixture
def visited(database: Database) -> Visited:
    return application_of([PAGES], database.engine(ProcessKind.CONSOLE))


def test_nobody_sees_the_releases_without_the_permission(visited: Visited) -> None:
    assert visited.get("/releases").status_code == 303
    visited.enter("tenants:organisation:read")
    assert visited.get("/releases").status_code == 403
    assert visited.refused == [READ]


def test_revisions_are_shown_with_their_sentences_and_the_command_that_applies_them(visited: Visited) -> None:
    visited.enter(READ)
    page = visited.get("/releases")
    assert page.status_code == 200
    check_page(page.text)
    assert all(purpose in page.text for _, purpose in revisions())
    assert "chukan releases apply" in page.text
    assert 'method="post"' not in page.text


def test_schemas_are_counted_by_group_and_a_failure_has_its_reason(visited: Visited, database: Database) -> None:
    old, new = provisioned(database, render(None, FIRST)), provisioned(database)
    with database.superuser() as superuser:
        for tenant, group in ((old, 1), (new, 2)):
            superuser.execute(
                "insert into platform.organisation (kind, prefecture, name, kana, search_key, release_group, tenant, "
                "state, state_since) values ('wide_area_union', '13', %s, '', '', %s, %s, 'active', now())",
                (f"union-{group}", group, tenant.tenant),
            )
        superuser.execute(
            "update platform.tenant_release set failed_revision = %s, failure = 'column <reason> exists', "
            "failed_at = now() where tenant = %s",
            (head(), old.tenant),
        )
    visited.enter(READ)
    page = visited.get("/releases").text
    check_page(page)
    assert "union-1" in page
    assert "column &lt;reason&gt; exists" in page
    assert "union-2" not in page
    file = visited.get("/releases?format=csv").text
    assert file.count("\n") == 2
    assert str(old.tenant) in file


def test_the_chart_has_every_group_at_every_revision() -> None:
    known = [("0001", "x"), ("0002", "y")]
    drawn = chart([Standing(1, "0002", 3, 0), Standing(2, "0001", 5, 1)], known)
    assert [list(series.values) for series in drawn.series] == [[0, 3], [5, 0]]
    assert "8" in drawn.summary
    strange = chart([Standing(None, "0009", 1, 0)], known)
    assert list(strange.labels) == ["0001", "0002", "0009"]
    assert [list(series.values) for series in strange.series] == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]
