"""A headless Chromium for tests of pages: one for each module, driven by Playwright, judged by axe.

The browser is the machine's own (scripts/os-packages.txt). A test that asks for ``browser`` is skipped where there is
none, which is a failure where CI says so. ``CHUKAN_SCREENSHOTS=1`` writes the pictures of the documentation.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from werkzeug.serving import make_server

if TYPE_CHECKING:  # every run loads this file; only those with pages to look at load the driver
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Playwright, Request, ViewportSize

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs/images"
SIZE: ViewportSize = {"width": 1280, "height": 800}
NARROW: ViewportSize = {"width": 320, "height": 800}
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: How long a page may take before a test gives up, in milliseconds.
_PATIENCE = 30_000


# It need not fetch the style sheets once more: of ours none depends on how a screen is turned.
_RUN_AXE = """async ([tags, within, seen]) => {
    const given = within.length ? {include: within} : document;
    const options = {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations'], preload: false};
    if (seen === null) return [(await axe.run(given, options)).violations, []];
    const known = new Set(seen), fresh = new Map(), places = new Map();
    const place = (each) => {
        if (!each || each.nodeType !== Node.ELEMENT_NODE) return '';
        if (!places.has(each)) {
            const style = getComputedStyle(each);
            places.set(each, [place(each.parentNode), each.tagName, each.getAttribute('class'), style.backgroundColor,
                style.backgroundImage, style.opacity, style.position, style.filter].join(' '));
        }
        return places.get(each);
    };
    const roots = within.length ? within.flatMap((one) => [...document.querySelectorAll(one)]) : [document.body];
    for (const root of roots) {
        const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
            const each = texts.currentNode.parentElement;
            if (!texts.currentNode.data.trim()) continue;
            const style = getComputedStyle(each);
            const look = [place(each), style.color, style.fontSize, style.fontWeight, style.textShadow].join('|');
            if (!known.has(look) && !fresh.has(look) && each.checkVisibility()) fresh.set(look, each);
        }
        // Inputs have no words of their own inside.
        for (const each of root.querySelectorAll('input, select, textarea')) {
            const style = getComputedStyle(each);
            const look = [place(each), style.color, style.fontSize, style.fontWeight, each.disabled].join('|');
            if (!known.has(look) && !fresh.has(look) && each.checkVisibility()) fresh.set(look, each);
        }
    }
    for (const each of fresh.values()) each.setAttribute('data-fresh-look', '');
    axe.configure({rules: [{id: 'color-contrast', selector: '[data-fresh-look]'}]});
    const found = await axe.run(given, {...options, rules: {'color-contrast': {enabled: fresh.size > 0}}});
    for (const each of fresh.values()) each.removeAttribute('data-fresh-look');
    axe.configure({rules: [{id: 'color-contrast', selector: '*'}]});
    return [found.violations, [...fresh.keys()]];
}"""


class Tab:
    """One page in the browser; everything that it reports as wrong is kept in ``reports``."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.page: Page = context.new_page()
        self.address = address
        self.reports: list[str] = []
        self.requests: list[str] = []
        self.page.set_default_timeout(_PATIENCE)
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.reports.append(str(error)))
        self.page.on("request", self._note_request)

    def open(self, path: str) -> Page:
        """Open *path* of the application and return the page, loaded."""
        self.page.goto(f"{self.address}{path}")
        return self.page

    def axe(self, *within: str, seen: set[str] | None = None) -> list[str]:
        """Return what axe finds wrong on the page, one line each: rule, what to do, where.

        Selectors in *within* narrow it to parts of a page that was judged as a whole elsewhere. Two thirds of its time
        go into the contrast of colours. With *seen*, contrast is judged of those words alone whose looks are not in
        it: their colours and letters, and the classes and grounds of all that they lie in. Those looks are then added.
        """
        if not self.page.evaluate("() => 'axe' in window"):
            # Evaluated over the protocol, it is no script of the page, so the content policy stays in force.
            self.page.evaluate(_axe_script())
        found, looks = self.page.evaluate(_RUN_AXE, [_TAGS, list(within), None if seen is None else list(seen)])
        if seen is not None and not found:
            # What is wrong is told again wherever it is.
            seen.update(looks)
        return [
            f"{each['id']}: {each['help']} - {' '.join(map(str, node['target']))}: {node['failureSummary']}"
            for each in found
            for node in each["nodes"]
        ]

    def overflow(self) -> list[str]:
        """Return the elements that make the page wider than its window, as selectors; empty where it reflows."""
        found: list[str] = self.page.evaluate("""() => {
            const width = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= width) return [];
            return [...document.querySelectorAll("body *")]
                .filter((each) => each.getBoundingClientRect().right > width + 1 && !each.closest(".scroll"))
                .map((each) => each.outerHTML.slice(0, 120));
        }""")
        is_wider = self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        return found or (["the page"] if is_wider else [])

    def screenshot(self, name: str, part: str | None = None) -> None:
        """Write the window, or the *part* of the page, as docs/images/<name>.png if somebody asked for pictures."""
        if os.environ.get("CHUKAN_SCREENSHOTS"):
            IMAGES.mkdir(exist_ok=True)
            shown = self.page.locator(part) if part else self.page
            shown.screenshot(path=IMAGES / f"{name}.png", animations="disabled", caret="hide")

    def _note_console(self, message: ConsoleMessage) -> None:
        # A page that answers 404 or 422 on purpose is reported, too, and is the test's own affair.
        if message.type in {"error", "warning"} and "the server responded with a status of 4" not in message.text:
            self.reports.append(message.text)

    def _note_request(self, request: Request) -> None:
        self.requests.append(request.url)


class Browser:
    """The running browser."""

    def __init__(self, chromium: Chromium) -> None:
        self._chromium = chromium

    @contextmanager
    def tab(
        self, address: str, *, narrow: bool = False, forced_colors: bool = False, script: bool = True
    ) -> Iterator[Tab]:
        """Open a window of its own (cookies, size) on *address*; at its end the page must not have complained."""
        context = self._chromium.new_context(
            viewport=NARROW if narrow else SIZE,
            forced_colors="active" if forced_colors else "none",
            java_script_enabled=script,
            ignore_https_errors=True,
            locale="ja-JP",
            timezone_id="America/New_York",  # what a page shows must not depend on the reader's machine
            reduced_motion="reduce",
        )
        try:
            tab = Tab(context, address)
            yield tab
            assert tab.reports == []
            outside = [url for url in tab.requests if not url.startswith((f"{address}/", "data:", "about:"))]
            assert outside == [], "the page asked elsewhere"
        finally:
            context.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's Chromium, headless; one for each module, as its driver's event loop would be in others' way."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium is installed (scripts/os-packages)")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=_PATIENCE)
    with sync_playwright() as playwright:
        chromium = _launched(playwright, program)
        try:
            yield Browser(chromium)
        finally:
            chromium.close()


@cache
def _axe_script() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")


def _launched(playwright: Playwright, program: str) -> Chromium:
    # As root, in CI and in containers, Chromium has no sandbox to use; it sees nothing but our own pages.
    return playwright.chromium.launch(
        executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage", "--font-render-hinting=none"]
    )


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve *app* on a free port of the loopback and yield its address, without front and without TLS."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="served", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
