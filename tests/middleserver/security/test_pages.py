"""The page of certificates: which overlap and which end, at every boundary, under its permission, and no key."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from chukan.platform.clock import FixedClock
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import DatabaseSettings
from chukan.tenants.middleserver.security.certificates import page_store
from chukan.tenants.middleserver.security.certificates.page_store import Selection
from chukan.tenants.middleserver.security.certificates.rules import Rung, rung
from chukan.tenants.middleserver.security.certificates.web import PAGES, READ
from support.database import Database, fresh_database
from support.html import check_page
from support.web import Visited, application_of

#: 10:20 in Tokyo.
NOW = datetime(2026, 7, 1, 1, 20, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def shared(cluster: tuple[EmbeddedCluster, DatabaseSettings]) -> Iterator[Database]:
    with fresh_database(*cluster) as database:
        yield database


@pytest.fixture
def tenant(shared: Database) -> Iterator[UUID]:
    yield shared.create_tenant().tenant
    with shared.superuser() as superuser:
        superuser.execute("delete from platform.certificate_projection")


@pytest.fixture
def visited(shared: Database) -> Visited:
    made = application_of([PAGES], shared.engine(ProcessKind.CONSOLE), clock=FixedClock(NOW))
    made.enter(READ)
    return made


def project(database: Database, tenant: UUID, use: str, state: str, *, until: datetime, since: datetime) -> str:
    kid = uuid4().hex
    with database.superuser() as superuser:
        superuser.execute(
            "insert into platform.certificate_projection (tenant, kid, use, state, not_before, not_after, changed_at)"
            " values (%s, %s, %s, %s, %s, %s, %s)",
            (tenant, kid, use, state, until - 1_826 * DAY, until, since),
        )
    return kid


def shown(visited: Visited, selection: Selection) -> str:
    answer = visited.get(f"/certificates?show={selection}")
    assert answer.status_code == 200
    check_page(answer.text)
    return visited.get(f"/certificates?show={selection}&format=csv").text


def test_nobody_sees_it_without_its_permission(visited: Visited) -> None:
    visited.enter("operations:batch:read")
    assert visited.get("/certificates").status_code == 403
    assert visited.refused == [READ]


@pytest.mark.usefixtures("tenant")
def test_without_certificates_the_page_is_whole(visited: Visited) -> None:
    for selection in Selection:
        assert len(shown(visited, selection).splitlines()) == 1
    assert visited.get("/certificates?show=what").status_code == 422
    check_page(visited.get("/certificates?page=2").text)


def test_two_at_once_stand_in_one_line_of_their_use(shared: Database, tenant: UUID, visited: Visited) -> None:
    new = project(shared, tenant, "sign", "active", until=NOW + 1_800 * DAY, since=NOW - 5 * DAY)
    old = project(shared, tenant, "sign", "retiring", until=NOW + 30 * DAY, since=NOW - 5 * DAY)
    alone = project(shared, tenant, "enc", "active", until=NOW + 900 * DAY, since=NOW - 900 * DAY)
    gone = project(shared, tenant, "enc", "retired", until=NOW + DAY, since=NOW - 20 * DAY)
    (_, line) = shown(visited, Selection.OVERLAP).splitlines()
    assert str(tenant) in line
    assert new[:12] in line
    assert old[:12] in line
    # By Tokyo's calendar 14 days after it was replaced; that it ends in 30 days is no alarm while the new one holds.
    assert "2026-07-10 まで" in line
    assert shown(visited, Selection.ATTENTION).splitlines()[1:] == [line]
    assert alone[:12] in shown(visited, Selection.ALL)
    assert gone[:12] not in shown(visited, Selection.ALL)
    assert old not in visited.get("/certificates").text


def test_an_overlap_that_is_over_says_that_the_old_one_may_retire(
    shared: Database, tenant: UUID, visited: Visited
) -> None:
    project(shared, tenant, "sign", "active", until=NOW + 1_800 * DAY, since=NOW - 14 * DAY)
    project(shared, tenant, "sign", "retiring", until=NOW + 30 * DAY, since=NOW - 14 * DAY)
    assert "旧証明書を終了できます" in shown(visited, Selection.OVERLAP)


def test_one_that_waits_beside_none_is_told(shared: Database, tenant: UUID, visited: Visited) -> None:
    project(shared, tenant, "enc", "pending", until=NOW + 1_800 * DAY, since=NOW)
    assert "有効なものなし" in shown(visited, Selection.PENDING)
    assert len(shown(visited, Selection.ATTENTION).splitlines()) == 1


@pytest.mark.parametrize(
    "left",
    [
        -DAY, -timedelta(seconds=1), timedelta(), timedelta(seconds=1), timedelta(hours=13, minutes=39),
        *(days * DAY + off for days in (14, 60) for off in
          (timedelta(), timedelta(hours=13, minutes=39, seconds=59), timedelta(hours=13, minutes=40))),
    ],
)  # fmt: skip
def test_selections_agree_with_the_rule_of_urgency(
    shared: Database, tenant: UUID, visited: Visited, left: timedelta
) -> None:
    project(shared, tenant, "sign", "active", until=NOW + left, since=NOW - DAY)
    with shared.engine(ProcessKind.CONSOLE).connect() as connection:
        counted = page_store.counts(connection, NOW)
    how = rung(NOW + left, NOW)
    assert counted[Selection.EXPIRED] == (how is Rung.EXPIRED)
    assert counted[Selection.URGENT] == (how is Rung.URGENT)
    assert counted[Selection.SOON] == (how in {Rung.URGENT, Rung.SOON})
    assert counted[Selection.ATTENTION] == (how is not Rung.FINE)
    assert len(shown(visited, Selection.ATTENTION).splitlines()) == 1 + counted[Selection.ATTENTION]
