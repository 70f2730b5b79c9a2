"""What waits for a second person, as the pages show and decide it; and who may open which page at all."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from werkzeug.test import TestResponse

from accounts.site import PURGE, Browser, Console, console, newcomer
from chukan.platform.accounts.actor import Actor
from chukan.platform.accounts.four_eyes import FourEyes, Payload
from chukan.platform.accounts.rules import Role
from chukan.platform.component import Access
from chukan.platform.web.application import needs_of
from support.accounts import Member, Office
from support.html import check_page

PAYLOAD: Payload = {
    "organisation": "132012",
    "reason": "<b>廃止</b>",
    "days": 7,
    "now": False,
    "of": ["津市"],
    "why": None,
}


@pytest.fixture
def asker(shared_office: Office) -> Member:
    return newcomer(shared_office, Role.OPERATIONS)


@pytest.fixture
def second(shared_office: Office) -> Member:
    return newcomer(shared_office, Role.SECURITY)


def good(answer: TestResponse, status: int = 200) -> str:
    """Return the page of *answer*, which is as every page must be."""
    assert answer.status_code == status, answer.text
    check_page(answer.text)
    return html.unescape(answer.text)


def acting(site: Console, member: Member) -> Actor:
    return site.office.holder(site.opened(member.account).token)


def ask(site: Console, member: Member) -> UUID:
    """Ask for a purge, as its feature would."""
    four_eyes = FourEyes(site.office.engine, (PURGE,), site.office.limits)
    return four_eyes.ask(acting(site, member), PURGE.name, PAYLOAD, now=site.clock.now(), request="test")


def standing(site: Console, request: UUID) -> str:
    with site.office.safe.database.superuser() as superuser:
        row = superuser.execute("select state from platform.four_eyes_request where id = %s", (request,)).fetchone()
    assert row is not None
    return str(row[0])


def offered(page: str) -> list[str]:
    return re.findall(r'href="/approvals/[0-9a-f-]{36}/(approve|reject)"', page)


def waiting(browser: Browser) -> int:
    return int(browser.get("/waiting").text)


def stands_on(browser: Browser, request: UUID, shelf: str = "") -> bool:
    return f"/approvals/{request}" in good(browser.get(f"/approvals{shelf}"))


def test_a_request_is_told_exactly_and_approved_with_a_word_of_it(site: Console, asker: Member, second: Member) -> None:
    before = waiting(site.visits(second))
    request = ask(site, asker)
    browser = site.visits(second)
    assert waiting(browser) == before + 1
    assert stands_on(browser, request)
    page = good(browser.get(f"/approvals/{request}"))
    for word in ("132012", "<b>廃止</b>", "7", "いいえ", "津市", "（なし）", asker.login, str(request)):
        assert word in page
    assert '{"days":7,"now":false,"of":["津市"],"organisation":"132012","reason":"<b>廃止</b>","why":null}' in page
    assert f"`chukan approve {request}`" in page
    assert offered(page) == ["approve", "reject"]
    where = f"/approvals/{request}/approve"
    assert "132012" in good(browser.get(where))
    good(browser.post(where, typed="wrong"), 422)
    assert standing(site, request) == "requested"
    assert browser.post(where, typed="１３２０１２").location == f"/approvals/{request}"
    # Its act needs another log-in than the console's, so it waits for being carried out.
    assert standing(site, request) == "approved"
    page = good(browser.get(f"/approvals/{request}"))
    assert offered(page) == []
    assert f"`chukan approve {request}`" in page
    assert waiting(browser) == before
    assert not stands_on(browser, request)
    assert stands_on(browser, request, "/open")
    assert site.office.entries("accounts:request:approve")[-1] == (
        f"operator:{second.account}",
        "accounts:request:approve",
        "done",
    )


def test_who_asked_takes_it_back_and_does_not_approve_it(site: Console) -> None:
    both = newcomer(site.office, Role.OPERATIONS, Role.SECURITY)
    request, browser = ask(site, both), site.visits(both)
    assert stands_on(browser, request, "/mine")
    assert not stands_on(browser, request)
    page = good(browser.get(f"/approvals/{request}"))
    assert "自分で申請したものです" in page
    assert offered(page) == ["reject"]
    page = good(browser.post(f"/approvals/{request}/approve", typed="132012"), 422)
    assert "この申請を承認できません" in page
    assert standing(site, request) == "requested"
    good(browser.get(f"/approvals/{request}/reject"))
    assert browser.post(f"/approvals/{request}/reject", typed="132012").status_code == 303
    assert standing(site, request) == "rejected"
    assert stands_on(browser, request, "/ended")


def test_whoever_lacks_the_permission_is_told_and_decides_nothing(site: Console, asker: Member) -> None:
    request, browser = ask(site, asker), site.visits(newcomer(site.office, Role.MONITORING))
    page = good(browser.get(f"/approvals/{request}"))
    assert "この操作の権限がありません (tenants:purge:approve)。" in page
    assert offered(page) == []
    assert waiting(browser) == 0
    for decision in ("approve", "reject"):
        good(browser.post(f"/approvals/{request}/{decision}", typed="132012"), 422)
    assert standing(site, request) == "requested"


@pytest.mark.parametrize("maker_asks", [True, False])
def test_who_handed_the_other_the_way_in_is_told_so_and_has_nothing_waiting(site: Console, maker_asks: bool) -> None:
    maker = newcomer(site.office, Role.ADMINISTRATOR, Role.OPERATIONS, Role.SECURITY)
    link = newcomer(site.office, Role.ADMINISTRATOR)
    made = newcomer(site.office, Role.OPERATIONS, Role.SECURITY)
    # A chain: the maker handed it to the one between, and that one to the last.
    for by, whom in ((maker, link), (link, made)):
        token = site.office.operators(acting(site, by)).reset(whom.login, now=site.clock.now()).token
        site.office.enrol(token)
    first, last = (maker, made) if maker_asks else (made, maker)
    request, browser = ask(site, first), site.visits(last)
    assert not stands_on(browser, request)
    page = good(browser.get(f"/approvals/{request}"))
    assert "申請者と承認者の一方が他方を招待しています" in page
    assert offered(page) == ["reject"]
    good(browser.post(f"/approvals/{request}/approve", typed="132012"), 422)
    assert standing(site, request) == "requested"


def test_who_asked_and_was_disabled_since_has_nothing_waiting(site: Console, asker: Member, second: Member) -> None:
    request, browser = ask(site, asker), site.visits(second)
    site.office.operators().disable(asker.login, now=site.clock.now())
    assert not stands_on(browser, request)
    page = good(browser.get(f"/approvals/{request}"))
    assert "申請者が有効な運用者ではなくなりました" in page
    good(browser.post(f"/approvals/{request}/approve", typed="132012"), 422)


def test_a_request_expires(site: Console, asker: Member, second: Member) -> None:
    request = ask(site, asker)
    site.clock.advance(timedelta(hours=72))
    browser = site.visits(second)
    assert not stands_on(browser, request)
    assert not stands_on(browser, request, "/open")
    assert stands_on(browser, request, "/ended")
    page = good(browser.get(f"/approvals/{request}"))
    assert "期限切れ" in page
    assert offered(page) == []
    assert "「期限切れ」" in good(browser.post(f"/approvals/{request}/approve", typed="132012"), 422)


def test_a_request_of_another_version_is_shown_and_not_decided(site: Console, asker: Member, second: Member) -> None:
    request = ask(site, asker)
    without = console(site.office, kinds=())
    browser = without.visits(second)
    page = good(browser.get(f"/approvals/{request}"))
    assert PURGE.name in page
    assert "この種類の申請を実行する機能がありません。" in page
    assert offered(page) == []
    # Without the kind nobody knows what names it: who asked for it has to be typed, and then it is refused.
    assert browser.post(f"/approvals/{request}/approve", typed=asker.login).status_code == 500
    assert standing(site, request) == "requested"


def test_an_unknown_request_is_not_found(site: Console, second: Member) -> None:
    browser = site.visits(second)
    for path in ("", "/approve", "/reject"):
        good(browser.get(f"/approvals/{uuid4()}{path}"), 404)
    good(browser.get("/approvals/not-an-id"), 404)


def test_another_administrator_is_asked_for_and_made_by_a_second_person(site: Console) -> None:
    first, other = (newcomer(site.office, Role.ADMINISTRATOR) for _ in range(2))
    third = newcomer(site.office, Role.HELPDESK)
    browser = site.visits(first)
    given = {"roles": ["administrator"], "reviewed": "yes"}
    answer = browser.post(f"/operators/{third.login}/roles", **given)
    request = UUID(answer.location.removeprefix("/approvals/"))
    page = good(browser.get(answer.location))
    assert "申請しました。別の人の承認が必要です。" in page
    assert "承認すると直ちに実行されます。" in page
    browser = site.visits(other)
    page = good(browser.get(f"/approvals/{request}"))
    assert re.findall(r"与える役割</dt><dd>.*?管理者.*?外す役割</dt><dd>.*?ヘルプデスク", page, re.DOTALL)
    assert browser.post(f"/approvals/{request}/approve", typed=third.login).status_code == 303
    assert standing(site, request) == "done"
    assert "申請を承認し、実行しました。" in good(browser.get(f"/approvals/{request}"))
    roles = {one.login: one.roles for one in site.office.operators().list()}
    assert roles[third.login] == {Role.ADMINISTRATOR}


def test_an_act_that_failed_after_its_approval_is_tried_again(site: Console) -> None:
    first, other = (newcomer(site.office, Role.ADMINISTRATOR) for _ in range(2))
    third, machine = newcomer(site.office, Role.HELPDESK), site.office.operators()
    given = {"roles": ["helpdesk", "administrator"], "reviewed": "yes"}
    answer = site.visits(first).post(f"/operators/{third.login}/roles", **given)
    request = UUID(answer.location.removeprefix("/approvals/"))
    # Meanwhile they were given a role that no administrator holds.
    machine.change_roles(third.login, grant=[Role.AUDITOR], revoke=(), now=site.clock.now())
    browser, where = site.visits(other), f"/approvals/{request}/approve"
    assert "同じ人が持つことはできません。" in good(browser.post(where, typed=third.login), 422)
    assert standing(site, request) == "approved"
    assert offered(good(browser.get(f"/approvals/{request}"))) == ["approve"]
    assert offered(good(site.visits(first).get(f"/approvals/{request}"))) == []
    machine.change_roles(third.login, grant=(), revoke=[Role.AUDITOR], now=site.clock.now())
    assert browser.post(where, typed=third.login).status_code == 303
    assert standing(site, request) == "done"


def test_nothing_waits_for_nobody(site: Console) -> None:
    assert waiting(site.browser()) == 0
    empty = site.visits(newcomer(site.office, Role.MONITORING))
    assert "あなたの承認を待つ申請はありません。" in good(empty.get("/approvals"))
    assert "申請したものはありません。" in good(empty.get("/approvals/mine"))
    assert good(empty.get("/approvals/open?sort=-expires_at"))


# -- every page -----------------------------------------------------------------------------------


def every_page(site: Console) -> list[tuple[str, str, str | Access]]:
    """Return method, path and need of every address of accounts, its places filled in."""
    needs, found = needs_of(site.app), []
    for rule in site.app.url_map.iter_rules():
        if rule.endpoint.startswith("accounts."):
            path = re.sub(
                r"<(\w+)(?:\(.*?\))?:(\w+)>", lambda place: "open" if place[1] == "any" else str(uuid4()), rule.rule
            )
            method = "POST" if "POST" in (rule.methods or ()) else "GET"
            found.append((method, path.replace("<login>", "nobody"), needs[rule.endpoint]))
    return found


def test_every_page_asks_who_visits_and_what_they_may(site: Console) -> None:
    pages = every_page(site)
    assert len(pages) >= 30
    nobody, member = site.browser(), newcomer(site.office)
    for method, path, need in pages:
        open_ = {"GET": Browser.get, "POST": Browser.post}[method]
        anonymous, without = open_(nobody, path).status_code, open_(site.visits(member), path).status_code
        if need is Access.PUBLIC:
            assert anonymous in {200, 303, 401, 422}, path
        else:
            assert anonymous == {"GET": 303, "POST": 401}[method], path
            assert (without == 403) is isinstance(need, str), path
    permissions = {need for _, _, need in pages if isinstance(need, str)}
    assert set(site.refused) == permissions
