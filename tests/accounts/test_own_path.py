"""Where a log-in leads: to a path of this site, whatever the address asked for."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.accounts.web_login import HOME, half_width, own_path

SITE = "https://console.test"
#: What browsers do to an address before they read it (WHATWG URL, 4.4): these vanish, and a backslash is a slash.
VANISHES = dict.fromkeys(map(ord, "\t\n\r"))


def led_to(target: str) -> str:
    """Return the host that a browser ends up on which is told to go to *target*."""
    seen = target.strip("".join(map(chr, range(0x21)))).translate(VANISHES).replace("\\", "/")
    return urlsplit(urljoin(f"{SITE}/login", seen)).netloc


@pytest.mark.parametrize(
    "path", ["/", "/operators", "/operators?sort=-login&page=2", "/organisations/津市", "/a b", "/x?next=//evil.test"]
)
def test_a_path_of_this_site_is_kept(path: str) -> None:
    assert own_path(path) == path


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "operators",
        "//evil.test",
        "///evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "https:evil.test",
        "https://evil.test/",
        "HTTPS://evil.test",
        "javascript:alert(1)",
        " //evil.test",
        "\t//evil.test",
        "/\t/evil.test",
        "/\n/evil.test",
        "/\r\nSet-Cookie: a=b",
        "/\x00",
        "@evil.test",
        "//[evil",
    ],
)
def test_what_leads_elsewhere_leads_home(target: str | None) -> None:
    assert own_path(target) == HOME


@given(st.text(alphabet=st.sampled_from("/\\:.@?#[]\t\n\r \x00aevil津"), max_size=12) | st.text(max_size=30))
def test_nothing_leads_away_from_this_site(target: str) -> None:
    assert led_to(own_path(target)) == "console.test"


@pytest.mark.parametrize(
    ("typed", "read"), [("ｓａｔｏ", "sato"), (" 123４５6 ", "123456"), ("a\x00\nb\ud800", "ab"), (None, "")]
)
def test_nobody_is_asked_to_switch_the_width_of_their_keyboard(typed: str | None, read: str) -> None:
    assert half_width(typed) == read
