"""The whole console in a browser: every page that a link leads to, judged by axe at both widths, and its pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect
from werkzeug.exceptions import HTTPException

from chukan.platform.accounts.rules import Role
from chukan.platform.component import Access
from chukan.platform.web.application import needs_of
from console.conftest import House
from console.furniture import SAPPORO
from support.accounts import PASSWORD, Member
from support.browser import NARROW, SIZE, Browser, Tab
from support.html import faults

pytestmark = pytest.mark.long
#: Pages that no link leads to: the collection of components is for those who write pages.
UNLINKED = {"components.index": "/-/components", "components.confirm": "/-/components/confirm"}
#: Pages in other states than the one in which a link shows them, with the status of each.
OTHER_STATES = {
    "/organisations?words=どこにもない": 200,
    "/jobs/runs?state=failed": 200,
    "/audit?chain=nobody": 422,
    "/hours?month=1999-01": 422,
    "/no-such-page": 404,
    "/organisations/012025": 200,
    "/organisations/000000": 400,
    "/campaigns/H31.4?number=8": 200,
    "/campaigns/R1.6?number=3": 422,
    "/certificates?show=all": 200,
    "/night-batch?show=marked": 200,
}
#: Between them they have marks, fields, charts, tables, bars, and both maps.
FORCED = ("/", "/releases", "/hours/outages/new", "/campaigns/H31.4", "/uploads")
#: Lists that are not in the menu.
MORE_LISTS = ("/jobs/runs", "/hours/outages")
#: The looks of words whose contrast was judged, on whichever page they stood first.
SEEN: set[str] = set()
#: What the files of the pictures are called, what they show, and how high they are.
PICTURES = (
    ("overview", "/", 1460),
    ("organisations", "/organisations", 900),
    ("organisation", f"/organisations/{SAPPORO}", 1300),
    ("service-hours", "/hours", 1300),
    ("jobs", "/jobs/runs", 900),
    ("audit", "/audit", 1100),
    ("night-batch", "/night-batch", 900),
    ("uploads", "/uploads", 1100),
    ("campaigns", "/campaigns", 900),
    ("exchange", "/exchange", 1500),
    ("reconciliation", "/reconciliation", 800),
)


def log_in(tab: Tab, house: House, member: Member) -> None:
    tab.open("/")
    tab.page.get_by_label("ログイン名").fill(member.login)
    tab.page.get_by_label("パスワード", exact=True).fill(PASSWORD)
    tab.page.get_by_label("ワンタイムコード").fill(house.code(member))
    tab.page.get_by_role("button", name="ログイン").click()
    expect(tab.page.get_by_role("heading", level=1)).to_have_text("概要")


@pytest.fixture(scope="module")
def tab(browser: Browser, house: House) -> Iterator[Tab]:
    """A window in which the operator who may open everything has logged in."""
    with browser.tab(house.address) as tab:
        log_in(tab, house, house.member)
        yield tab


def judge(tab: Tab, path: str, status: int = 200, *, narrow: bool = True) -> list[str]:
    """Return what is wrong with the page at *path*: in its text, to axe, to the browser, and on a narrow screen."""
    answer = tab.page.goto(f"{tab.address}{path}")
    assert answer is not None
    found = [] if answer.status == status else [f"status {answer.status}"]
    return [f"{path}: {fault}" for fault in [*found, *faults(answer.text()), *judge_shown(tab, narrow=narrow)]]


def judge_shown(tab: Tab, *, narrow: bool = True) -> list[str]:
    """Return what axe, the browser and a narrow screen find wrong with the page that is shown."""
    found = tab.axe(seen=SEEN)
    if narrow:
        tab.page.set_viewport_size(NARROW)
        found += [f"wider than 320 pixels: {each}" for each in tab.overflow()]
        tab.page.set_viewport_size(SIZE)
    found += tab.reports
    tab.reports.clear()
    return found


def links(page: Page, address: str) -> Sequence[str]:
    """Return the paths of our own to which *page* leads, without what is downloaded."""
    hrefs: list[str] = page.eval_on_selector_all("a[href]:not([download])", "all => all.map((each) => each.href)")
    ours = [urlsplit(href) for href in hrefs if href.startswith(f"{address}/")]
    return [f"{each.path}?{each.query}" if each.query else each.path for each in ours]


def endpoint_of(house: House, path: str) -> str:
    parts = urlsplit(path)
    try:
        endpoint, _ = house.app.url_map.bind("localhost").match(parts.path, method="GET")
    except HTTPException:
        return f"nothing at {path}"
    return str(endpoint)


def crawl(tab: Tab, house: House, starts: Iterable[str]) -> tuple[set[str], list[str]]:
    """Follow links from *starts* to one page of each endpoint; return the endpoints, and what is wrong."""
    reached: set[str] = set()
    found: list[str] = []
    waiting = list(starts)
    while waiting:
        path = waiting.pop(0)
        endpoint = endpoint_of(house, path)
        if endpoint not in reached:
            reached.add(endpoint)
            found += judge(tab, path)
            waiting += links(tab.page, house.address)
    return reached, found


@pytest.mark.timeout(900)
def test_every_page_that_links_lead_to_is_as_every_page_must_be(tab: Tab, house: House) -> None:
    reached, found = crawl(tab, house, ["/", f"/organisations/{SAPPORO}", *UNLINKED.values()])
    assert found == []
    shown = {rule.endpoint for rule in house.app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    closed = {endpoint for endpoint, need in needs_of(house.app).items() if need is not Access.PUBLIC}
    assert closed & shown - reached == set(), "no link leads there"


def test_pages_in_their_other_states_are_as_every_page_must_be(tab: Tab) -> None:
    assert [fault for path, status in OTHER_STATES.items() for fault in judge(tab, path, status)] == []


def test_a_form_that_is_not_right_is_as_every_page_must_be(tab: Tab) -> None:
    tab.open("/hours/outages/new")
    tab.page.get_by_role("button", name="確認画面へ").click()
    expect(tab.page.locator(".error-summary")).to_be_focused()
    assert judge_shown(tab) == []


def test_who_may_not_open_a_page_is_told_so_and_shown_no_way_there(browser: Browser, house: House) -> None:
    with browser.tab(house.address) as tab:
        assert judge(tab, "/login") == []
        assert judge(tab, "/enrol") == []
        tab.open("/login")
        tab.page.get_by_role("button", name="ログイン").click()
        assert judge_shown(tab) == []
        log_in(tab, house, house.furniture.office.member("yamada", Role.HELPDESK))
        assert tab.page.get_by_role("link", name="監査証跡").count() == 0
        assert judge(tab, "/audit", 403) == []


def test_the_main_pages_are_seen_with_forced_colours(tab: Tab) -> None:
    tab.page.emulate_media(forced_colors="active")
    assert [fault for path in FORCED for fault in judge(tab, path, narrow=False)] == []
    tab.page.emulate_media(forced_colors="none")


@pytest.mark.slow
def test_a_console_in_which_there_is_nothing_yet_is_as_every_page_must_be(browser: Browser, empty_house: House) -> None:
    with browser.tab(empty_house.address) as tab:
        log_in(tab, empty_house, empty_house.member)
        menu = tab.page.get_by_role("navigation", name="メニュー").get_by_role("link")
        paths = [str(link.get_attribute("href")) for link in menu.all()]
        assert "/audit" in paths
        assert [fault for path in [*paths, *MORE_LISTS] for fault in judge(tab, path)] == []


def test_the_work_is_done_without_javascript(browser: Browser, house: House) -> None:
    with browser.tab(house.address, script=False) as tab:
        log_in(tab, house, house.furniture.office.member("suzuki", Role.OPERATIONS))
        tab.page.get_by_role("navigation", name="メニュー").get_by_role("link", name="団体", exact=True).click()
        tab.page.get_by_role("search").get_by_label("団体名").fill("札幌")
        tab.page.get_by_role("button", name="表示する").click()
        expect(tab.page.get_by_role("row").filter(has_text="札幌市")).to_have_count(1)
        expect(tab.page.get_by_role("row")).to_have_count(2)

        tab.open("/hours/outages/new")
        for group, hour in (("停止開始", "22:00"), ("停止終了", "24:00")):
            parts = tab.page.get_by_role("group", name=group)
            for label, value in (("年", "令和9"), ("月", "2"), ("日", "14"), ("時刻", hour)):
                parts.get_by_label(label).fill(value)
        tab.page.get_by_label("作業内容").fill("機器の交換")
        tab.page.get_by_role("button", name="確認画面へ").click()
        tab.page.get_by_role("button", name="この内容で登録する").click()
        expect(tab.page.get_by_role("heading", level=1)).to_contain_text("計画停止 2027/02/14 22:00")


def test_pictures_for_the_documentation(tab: Tab, house: House, browser: Browser) -> None:
    with browser.tab(house.address) as stranger:
        stranger.open("/login")
        stranger.screenshot("login")
    house.furniture.seal()
    for name, path, height in PICTURES:
        tab.page.set_viewport_size({"width": SIZE["width"], "height": height})
        tab.open(path)
        expect(tab.page.locator("h1")).to_be_visible()
        tab.screenshot(name)
    tab.open("/inquiry-course")
    tab.page.get_by_role("link", name="COURSEAAAAAAAAAAAAA2").first.click()
    expect(tab.page.locator("svg").first).to_be_visible()
    tab.screenshot("inquiry-course")
