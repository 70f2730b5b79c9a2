"""The pages of cases: which records differ and in which fields, and closing one; never what the records say."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from chukan.platform.clock import SystemClock
from chukan.platform.database.roles import ProcessKind
from chukan.tenants.middleserver.provision_records import store
from chukan.tenants.middleserver.provision_records.rules import Difference, DifferenceKind, Key, Side
from chukan.tenants.middleserver.provision_records.web import CLOSE, PAGES, READ, TRACE
from support.html import check_page
from support.provisions import INQUIRER, Provider, new_serial
from support.web import Visited, application_of


@pytest.fixture
def visited(provider: Provider) -> Visited:
    return application_of([PAGES], provider.wire.place.database.engine(ProcessKind.CONSOLE))


def opened(provider: Provider, kind: DifferenceKind, *fields: str, days: int = 0) -> tuple[UUID, str]:
    """Return id and serial of a case as the nightly comparison opens it."""
    at, serial = SystemClock().now() - timedelta(days=days), new_serial()
    difference = Difference(Key(INQUIRER, serial, Side.PROVIDER), kind, fields, at.date())
    with provider.wire.place.actor.engine.begin() as connection:
        store.keep(connection, provider.tenant, [difference], (at.date(), at.date()), at=at)
        store.stand(connection, provider.tenant, (at.date(), at.date()), compared=12, differing=1, at=at)
    ((case,),) = provider.wire.place.ask("select id from platform.reconciliation_case where serial = %s", serial)
    assert isinstance(case, UUID)
    return case, serial


def whole(visited: Visited, path: str) -> str:
    """Return the page at *path* with its proofs of origin, as a page must be."""
    visited.app.config["WTF_CSRF_ENABLED"] = True
    page = visited.get(path)
    visited.app.config["WTF_CSRF_ENABLED"] = False
    assert page.status_code == 200, path
    check_page(page.text)
    return page.text


def test_nobody_sees_or_closes_a_case_without_the_permission(provider: Provider, visited: Visited) -> None:
    case, _ = opened(provider, DifferenceKind.DIFFERS, "result")
    visited.enter("tenants:organisation:read")
    assert visited.get("/reconciliation").status_code == visited.get(f"/reconciliation/{case}").status_code == 403
    visited.enter(READ)
    assert "案件を閉じる" not in whole(visited, f"/reconciliation/{case}")
    assert visited.post(f"/reconciliation/{case}", reason="調査済み").status_code == 403
    assert visited.refused[-1] == CLOSE


@pytest.mark.usefixtures("provider")
def test_an_empty_list_is_whole(visited: Visited) -> None:
    visited.enter(READ)
    assert "該当する案件はありません" in whole(visited, "/reconciliation")
    assert visited.get(f"/reconciliation/{uuid4()}").status_code == 404
    assert visited.get("/reconciliation?show=what").status_code == 422


def test_a_case_tells_the_names_of_fields_and_is_closed_with_a_reason_once(
    provider: Provider, visited: Visited
) -> None:
    case, serial = opened(provider, DifferenceKind.DIFFERS, "information", "result")
    _, other = opened(provider, DifferenceKind.MISSING_HERE, days=8)
    visitor = visited.enter(READ, CLOSE, TRACE)
    listed = whole(visited, "/reconciliation")
    assert serial in listed
    assert "reconciliation-cases-open" in listed, "an old case is red, and names its runbook"
    assert other in visited.get("/reconciliation?format=csv").text.splitlines()[1], "the oldest first"
    assert serial not in visited.get("/reconciliation?show=missing_here&format=csv").text
    assert serial in visited.get(f"/reconciliation?words={serial}&format=csv").text
    shown = whole(visited, f"/reconciliation/{case}")
    assert "特定個人情報" in shown
    assert f"number={serial}" in shown
    for wrong in ("", "あ" * 501):
        assert visited.post(f"/reconciliation/{case}", reason=wrong).status_code == 422
    assert visited.post(f"/reconciliation/{case}", reason="訂正を確認").status_code == 303
    assert visited.post(f"/reconciliation/{case}", reason="二度目").status_code == 422
    closed = whole(visited, f"/reconciliation/{case}")
    assert "訂正を確認" in closed
    assert "案件を閉じる" not in closed
    assert serial in visited.get("/reconciliation?show=closed&format=csv").text
    acts = provider.wire.place.ask(
        "select body::json->>'action', body::json->>'actor' from platform.audit_entry"
        " where body::json->>'subject' = %s and body::json->>'outcome' = 'done'",
        f"case:{case}",
    )
    assert acts == [("provision_records:case:close", visitor.name)]
