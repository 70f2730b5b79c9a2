"""The components in a browser: judged by axe, at both widths, with forced colours, with JavaScript and without."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Dialog, expect

from chukan.platform.clock import FixedClock
from support.browser import Browser, Tab

pytestmark = pytest.mark.long
COMPONENTS = "/-/components"
CONFIRM = "/-/components/confirm"
NOT_THERE = "/-/nowhere"


@pytest.fixture(scope="module")
def tab(browser: Browser, address: str) -> Iterator[Tab]:
    with browser.tab(address) as tab:
        yield tab


@pytest.fixture(scope="module")
def narrow(browser: Browser, address: str) -> Iterator[Tab]:
    with browser.tab(address, narrow=True) as tab:
        yield tab


def send_empty_form(tab: Tab) -> None:
    tab.open(COMPONENTS)
    tab.page.get_by_role("button", name="空のまま送信する").click()


@pytest.mark.parametrize("path", [COMPONENTS, CONFIRM, NOT_THERE])
def test_axe_finds_nothing_wrong(tab: Tab, path: str) -> None:
    tab.open(path)
    for table in tab.page.locator("details.as-table").all():
        table.locator("summary").click()
    assert tab.axe() == []


def test_axe_finds_nothing_wrong_in_a_form_with_errors(tab: Tab) -> None:
    send_empty_form(tab)
    assert tab.axe(".error-summary", "main > form") == []


@pytest.mark.parametrize("query", ["words=nothing", "day=a&day=b&day=c", "page=9", "sort=-count&page=2"])
def test_axe_finds_nothing_wrong_in_a_list_in_each_of_its_states(tab: Tab, query: str) -> None:
    tab.open(f"{COMPONENTS}?{query}")
    assert tab.axe("#samples") == []


def test_axe_would_notice(tab: Tab) -> None:
    tab.open(CONFIRM)
    tab.page.evaluate("document.querySelector('label').remove()")
    assert any(violation.startswith("label:") for violation in tab.axe())


@pytest.mark.parametrize("path", [COMPONENTS, CONFIRM, NOT_THERE])
def test_a_page_reflows_on_a_narrow_screen(narrow: Tab, path: str) -> None:
    narrow.open(path)
    assert narrow.overflow() == []
    assert narrow.axe("header", ".menu", "h1") == []


def test_a_page_that_does_not_reflow_would_be_noticed(narrow: Tab) -> None:
    narrow.open(NOT_THERE)
    narrow.page.evaluate("document.querySelector('h1').textContent = 'x'.repeat(99)")
    narrow.page.evaluate("document.querySelector('h1').classList.add('text-nowrap')")
    assert narrow.overflow()


def test_a_state_is_seen_with_forced_colours(browser: Browser, address: str) -> None:
    with browser.tab(address, forced_colors=True) as tab:
        tab.open(COMPONENTS)
        for icon in tab.page.locator(".status .icon").all()[:7]:
            ground = icon.evaluate("each => getComputedStyle(each.parentElement).backgroundColor")
            assert icon.evaluate("each => getComputedStyle(each).stroke") != ground
        assert tab.page.locator(".btn-primary").first.evaluate("each => getComputedStyle(each).borderTopWidth") != "0px"
        assert tab.axe(".menu", "#map") == []


def test_the_summary_of_errors_takes_the_focus_and_leads_to_the_fields(tab: Tab) -> None:
    send_empty_form(tab)
    assert tab.page.title().startswith("エラー: ")
    expect(tab.page.locator(".error-summary")).to_be_focused()
    tab.page.get_by_role("link", name="名前: ").click()
    expect(tab.page.locator("#name")).to_be_focused()
    tab.page.get_by_role("link", name="開始日: ").click()
    expect(tab.page.locator("#day")).to_be_focused()
    tab.page.get_by_role("link", name="種別: ").click()
    expect(tab.page.get_by_role("group", name="種別")).to_be_focused()


def test_the_first_tab_stop_skips_to_the_main_content(tab: Tab) -> None:
    tab.open(COMPONENTS)
    tab.page.keyboard.press("Tab")
    skip = tab.page.get_by_role("link", name="本文へ移動")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    tab.page.keyboard.press("Enter")
    expect(tab.page.locator("main")).to_be_focused()


def test_the_map_is_a_list_of_links_in_the_order_of_the_prefectures(tab: Tab) -> None:
    tab.open(COMPONENTS)
    links = tab.page.get_by_role("navigation", name="都道府県別").get_by_role("link")
    expect(links).to_have_count(46)
    links.first.focus()
    tab.page.keyboard.press("Tab")
    expect(links.nth(1)).to_be_focused()
    assert "青森" in (links.nth(1).text_content() or "")
    boxes = [links.nth(place).bounding_box() for place in range(46)]
    corners = {(box["x"], box["y"]) for box in boxes if box}
    assert len(corners) == 46


def test_a_live_region_refreshes_itself_says_when_and_can_be_paused(
    browser: Browser, address: str, clock: FixedClock
) -> None:
    with browser.tab(address) as tab:
        tab.page.clock.install()
        tab.open(COMPONENTS)
        told = tab.page.locator("#live [data-live-told] time")
        expect(told).to_have_text("10:02:03")
        clock.advance(timedelta(minutes=1))
        tab.page.clock.run_for(21_000)
        expect(told).to_have_text("10:03:03")

        pause = tab.page.get_by_role("button", name="自動更新を止める")
        pause.click()
        expect(pause).to_have_attribute("aria-pressed", "true")
        asked = len(tab.requests)
        tab.page.clock.run_for(61_000)
        assert len(tab.requests) == asked

        pause.click()
        tab.page.route("**/-/components", lambda route: route.abort())
        tab.page.clock.run_for(21_000)
        expect(tab.page.locator("#live [data-live-failed]")).to_be_visible()
        tab.reports.clear()  # the refused request, which was the point
    clock.advance(timedelta(minutes=-1))


def test_leaving_a_form_that_was_changed_asks_first(browser: Browser, address: str) -> None:
    with browser.tab(address) as tab:
        asked: list[str] = []

        def accept(dialog: Dialog) -> None:
            asked.append(dialog.type)
            dialog.accept()

        tab.open(CONFIRM)
        tab.page.get_by_label("理由").fill("なし")
        tab.page.on("dialog", accept)
        tab.page.get_by_role("link", name="キャンセル").click()
        tab.page.wait_for_url(f"**{COMPONENTS}")
        assert asked == ["beforeunload"]


def test_sending_a_form_that_was_changed_does_not_ask(browser: Browser, address: str) -> None:
    with browser.tab(address) as tab:
        tab.open(CONFIRM)
        tab.page.get_by_label("理由").fill("点検のため")
        tab.page.get_by_label("続けるには").fill("００００００")
        tab.page.get_by_role("button", name="停止する").click()
        expect(tab.page.get_by_role("status").first).to_contain_text("確認できました")


def test_everything_works_without_javascript(browser: Browser, address: str) -> None:
    with browser.tab(address, narrow=True, script=False) as tab:
        tab.open(COMPONENTS)
        expect(tab.page.get_by_role("navigation", name="メニュー").get_by_role("link").first).to_be_visible()
        expect(tab.page.get_by_role("button", name="自動更新を止める")).to_have_count(0)
        expect(tab.page.get_by_role("link", name="今すぐ更新")).to_be_visible()
        tab.page.get_by_role("search").get_by_label("語句").fill("00001")
        tab.page.get_by_role("button", name="表示する").click()
        expect(tab.page.get_by_role("status").filter(has_text="全")).to_have_text("全11件")
        tab.page.get_by_role("link", name="件数").click()
        expect(tab.page.locator("th[aria-sort]")).to_have_attribute("aria-sort", "ascending")


def test_the_menu_is_closed_at_first_on_a_narrow_screen(narrow: Tab) -> None:
    narrow.open(COMPONENTS)
    menu = narrow.page.get_by_role("navigation", name="メニュー")
    expect(menu.get_by_role("link").first).to_be_hidden()
    menu.get_by_text("メニュー").click()
    expect(menu.get_by_role("link").first).to_be_visible()


def test_pictures_for_the_documentation(tab: Tab) -> None:
    tab.open(COMPONENTS)
    tab.screenshot("components")
    for part in ("map", "samples", "lines", "timeline"):
        expect(tab.page.locator(f"#{part}")).to_be_visible()
        tab.screenshot(f"components-{part}", f"#{part}")
    send_empty_form(tab)
    tab.screenshot("components-errors")
