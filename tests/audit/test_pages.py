"""The pages of the audit trail."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from chukan.platform.audit.rules import AuditEntry, Outcome
from chukan.platform.audit.service import Chain, append
from chukan.platform.audit.web import People, pages
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import PLATFORM
from support.audit import Act, Trail
from support.database import Database
from support.html import check_page
from support.web import Visited, application_of

READ = "audit:entry:read"


@pytest.fixture
def visited(database: Database) -> Visited:
    people = People(
        names=lambda _here, actors: {"operator:one": "tanaka"} if "operator:one" in actors else {},
        actor=lambda _here, login: "operator:one" if login == "tanaka" else None,
    )
    return application_of([pages(people)], database.engine(ProcessKind.CONSOLE))


@pytest.fixture
def given(database: Database) -> None:
    """Three entries: two of an operator's, one of them refused, and one of the machine's."""
    acts = [
        AuditEntry("operator:one", Act.DO, "thing:1", "req-1", detail={"note": "<b>bold</b>"}),
        AuditEntry("operator:one", Act.READ, "thing:2", "req-2", Outcome.REFUSED),
        AuditEntry("system:root", Act.DO, "thing:2", "req-3"),
    ]
    for act in acts:
        with database.engine(ProcessKind.CONSOLE).begin() as connection:
            append(connection, act, chain=Chain.PLATFORM)


def test_nobody_sees_the_trail_without_the_permission(visited: Visited) -> None:
    assert visited.get("/audit").status_code == 303
    visited.enter("tenants:organisation:read")
    assert visited.get("/audit").status_code == 403
    assert visited.refused == [READ]


@pytest.mark.usefixtures("given")
def test_entries_are_listed_newest_first(visited: Visited) -> None:
    visited.enter(READ)
    page = visited.get("/audit")
    check_page(page.text)
    rows = page.text.split("<tbody>")[1]
    assert rows.index("system:root") < rows.index("thing:1")


@pytest.mark.usefixtures("given")
def test_an_operator_is_told_by_the_log_in_name_and_the_file_has_both(visited: Visited) -> None:
    visited.enter(READ)
    rows = visited.get("/audit").text.split("<tbody>")[1]
    assert "tanaka" in rows
    assert "operator:one" not in rows
    file = visited.get("/audit?format=csv").text
    assert "tanaka" in file
    assert "operator:one" in file


@pytest.mark.usefixtures("given")
def test_a_log_in_name_that_nobody_has_is_told_at_its_field(visited: Visited) -> None:
    visited.enter(READ)
    page = visited.get("/audit?actor=nobody")
    assert page.status_code == 422
    check_page(page.text)
    assert 'href="#filter-actor"' in page.text


@pytest.mark.usefixtures("given")
@pytest.mark.parametrize(
    ("query", "seen", "unseen"),
    [
        ("actor=operator:one", "thing:1", "system:root"),
        ("actor=tanaka", "thing:1", "system:root"),
        ("action=tests:thing:read", "thing:2", "thing:1"),
        ("action=tests:thing:", "thing:1", "elsewhere"),
        ("subject=thing:2", "system:root", "thing:1"),
        ("request_id=req-3", "system:root", "operator:one"),
        ("chain=platform", "thing:1", "elsewhere"),
    ],
)
def test_the_trail_is_searched_by_who_what_and_whom(visited: Visited, query: str, seen: str, unseen: str) -> None:
    visited.enter(READ)
    rows = visited.get(f"/audit?{query}").text.split("<tbody>")[1]
    assert seen in rows
    assert unseen not in rows


@pytest.mark.usefixtures("given")
def test_the_trail_is_searched_by_when(visited: Visited) -> None:
    visited.enter(READ)
    since = "&".join(f"since={part}" for part in ("2126", "1", "1", "00:00"))
    assert "<tbody>" not in visited.get(f"/audit?{since}").text
    until = since.replace("since", "until")
    assert "thing:1" in visited.get(f"/audit?{until}").text


def test_a_filter_that_is_not_understood_is_told_at_its_field(visited: Visited) -> None:
    visited.enter(READ)
    page = visited.get("/audit?chain=nobody")
    assert page.status_code == 422
    check_page(page.text)
    assert 'href="#filter-chain"' in page.text


def test_a_trail_without_entries_says_so(visited: Visited) -> None:
    visited.enter(READ)
    page = visited.get("/audit?actor=nobody:at-all")
    assert page.status_code == 200
    check_page(page.text)


@pytest.mark.usefixtures("given")
def test_one_entry_is_shown_with_its_place_in_the_chain_and_without_running_what_it_holds(visited: Visited) -> None:
    visited.enter(READ)
    page = visited.get(f"/audit/{PLATFORM}/1")
    check_page(page.text)
    assert "operator:one" in page.text
    assert "<b>bold</b>" not in page.text


def test_an_entry_that_is_not_there_is_told(visited: Visited) -> None:
    visited.enter(READ)
    page = visited.get(f"/audit/{PLATFORM}/99")
    assert page.status_code == 404
    check_page(page.text)


@pytest.mark.usefixtures("given")
def test_what_was_found_can_be_taken_along(visited: Visited) -> None:
    visited.enter(READ)
    file = visited.get(f"/audit?actor={quote('operator:one')}&format=csv")
    assert file.content_type.startswith("text/csv")
    assert file.text.count("operator:one") == 2


def test_tenants_chains_are_found_too(visited: Visited, trail: Trail) -> None:
    visited.enter(READ)
    tenant = trail.tenant()
    trail.record(tenant)
    assert str(tenant) in visited.get(f"/audit?chain={tenant}").text


def test_pages_are_found_by_index_however_long_the_trail_is(database: Database) -> None:
    with database.superuser() as superuser:
        superuser.execute("set enable_seqscan = off; set enable_bitmapscan = off")
        for condition in ("'actor') = 'x'", "'action') = 'x'", "'subject') = 'x'", "'request') = 'x'"):
            plan = superuser.execute(
                f"explain select 1 from platform.audit_entry where (body::jsonb ->> {condition}"  # noqa: S608
                " order by recorded_at desc, chain desc, seq desc limit 50"
            ).fetchall()
            assert "Sort" not in str(plan)
            assert "Index" in str(plan)
