"""Logging in and out in the browser: the cookie, the session, and what is told."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from werkzeug.test import TestResponse

from accounts.site import Browser, Console, newcomer
from chukan.platform.accounts import session_cookie
from chukan.platform.accounts.rules import Role, SessionKind
from support.accounts import PASSWORD, Member, Office
from support.html import check_page


@pytest.fixture
def taro(shared_office: Office) -> Member:
    return newcomer(shared_office, Role.HELPDESK)


def send(site: Console, browser: Browser, member: Member, **changed: str) -> TestResponse:
    given = {"login": member.login, "password": PASSWORD, "code": member.code(site.clock.now())}
    return browser.post("/login", **{**given, **changed})


def is_in(browser: Browser) -> bool:
    return browser.get("/me").status_code == 200


def cookies_set(answer: TestResponse) -> list[str]:
    return [one for one in answer.headers.getlist("Set-Cookie") if one.startswith(session_cookie.COOKIE)]


def test_name_password_and_code_let_in_by_a_cookie_that_no_script_and_no_other_site_reads(
    site: Console, taro: Member
) -> None:
    browser = site.browser()
    shown = browser.get("/login")
    assert shown.status_code == 200
    check_page(shown.text)
    answer = send(site, browser, taro)
    assert (answer.status_code, answer.location) == (303, "/")
    (cookie,) = cookies_set(answer)
    name, *attributes = cookie.split("; ")
    assert name == f"__Host-chukan-session={browser.token}"
    assert set(attributes) == {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"}
    assert is_in(browser)
    assert site.office.entries("accounts:session:log_in")[-1][2] == "done"


def test_the_address_that_was_asked_for_comes_back_after_the_log_in(site: Console, taro: Member) -> None:
    browser = site.browser()
    away = browser.get("/operators?sort=-login")
    assert (away.status_code, away.location) == (303, "/login?next=/operators?sort%3D-login")
    shown = browser.get(away.location)
    (wanted,) = re.findall(r'name="next"[^>]*value="([^"]*)"', shown.text)
    assert send(site, browser, taro, next=wanted).location == "/operators?sort=-login"
    # Who is logged in is sent on.
    assert browser.get("/login?next=/me").location == "/me"
    assert browser.get("/login?next=//evil.test").location == "/"


def test_no_log_in_leads_to_another_site(site: Console, taro: Member) -> None:
    assert send(site, site.browser(), taro, next="//evil.test/").location == "/"


@pytest.mark.parametrize(
    "changed", [{"login": "nobody"}, {"password": "wrong"}, {"code": "000000"}, {"login": "\x00", "code": "x"}]
)
def test_a_refusal_does_not_say_what_was_wrong_and_gives_nothing_typed_back(
    site: Console, taro: Member, changed: dict[str, str]
) -> None:
    browser = site.browser()
    given = {"login": taro.login, "password": "wrong password", "code": "000000", **changed}
    answer = browser.post("/login", **given)
    assert answer.status_code == 422
    check_page(answer.text)
    assert "ログイン名、パスワード、ワンタイムコードの組合せが正しくありません。" in answer.text
    assert given["password"] not in answer.text
    assert "000000" not in answer.text
    assert browser.token is None


@pytest.mark.parametrize("missing", ["login", "password", "code"])
def test_an_empty_field_is_no_attempt(site: Console, taro: Member, missing: str) -> None:
    answers = [send(site, site.browser(), taro, **{missing: ""}) for _ in range(9)]
    assert {answer.status_code for answer in answers} == {422}
    check_page(answers[0].text)
    assert send(site, site.browser(), taro).status_code == 303


def test_after_too_many_failures_it_says_how_long_to_wait(site: Console, taro: Member) -> None:
    for _ in range(4):
        send(site, site.browser(), taro, code="000000")
    answer = send(site, site.browser(), taro, code="000000")
    assert answer.status_code == 422
    assert "2秒後にやり直してください。" in answer.text


def test_full_width_is_understood(site: Console, taro: Member) -> None:
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in taro.code(site.clock.now()))
    assert send(site, site.browser(), taro, login=f"Ｎ{taro.login[1:]} ", code=wide).status_code == 303


def test_a_log_in_makes_a_new_session_and_ends_the_one_before(site: Console, taro: Member) -> None:
    browser = site.visits(taro)
    before = browser.token or ""
    assert send(site, browser, taro).status_code == 303
    assert browser.token not in {None, before}
    other = site.browser()
    other.hold(before)
    assert not is_in(other)
    assert is_in(browser)


def test_a_log_in_over_a_session_that_is_over_keeps_its_new_cookie(site: Console, taro: Member) -> None:
    browser = site.visits(taro)
    site.clock.advance(timedelta(hours=13))
    answer = send(site, browser, taro)
    assert len(cookies_set(answer)) == 1
    assert is_in(browser)


def test_the_cookie_of_a_session_that_is_over_is_taken_back(site: Console, taro: Member) -> None:
    browser = site.visits(taro)
    site.clock.advance(timedelta(minutes=15))
    answer = browser.get("/me")
    assert answer.status_code == 303
    assert browser.token is None


def test_use_prolongs_a_session_and_what_refreshes_itself_does_not(site: Console, taro: Member) -> None:
    used, watched, fetched = (site.visits(taro) for _ in range(3))
    found = []
    for _ in range(2):
        site.clock.advance(timedelta(minutes=8))
        by_refresh = watched.get("/me", **{"Chukan-Refresh": "1"}).status_code
        by_script = fetched.get("/me", **{"Sec-Fetch-Dest": "empty"}).status_code
        found.append((used.get("/me").status_code, by_refresh, by_script))
    assert found == [(200, 200, 200), (200, 303, 303)]


@pytest.mark.parametrize("token", ["", "x", "é", "x" * 3000])
def test_a_cookie_that_is_nobodys_lets_nobody_in(site: Console, token: str) -> None:
    browser = site.browser()
    browser.hold(token)
    assert not is_in(browser)


def test_a_token_of_the_command_line_is_no_cookie(site: Console, taro: Member) -> None:
    browser = site.browser()
    browser.hold(site.opened(taro.account, SessionKind.COMMAND_LINE).token)
    assert not is_in(browser)


def test_a_log_out_ends_the_session_on_the_server_too(site: Console, taro: Member) -> None:
    browser = site.visits(taro)
    token = browser.token or ""
    answer = browser.post("/logout")
    assert (answer.status_code, answer.location) == (303, "/login")
    assert browser.token is None
    assert "ログアウトしました。" in browser.get("/login").text
    other = site.browser()
    other.hold(token)
    assert not is_in(other)
    assert site.office.entries("accounts:session:log_out")[-1][2] == "done"
    # Who says so again is not told of an error.
    assert browser.post("/logout").status_code == 303


@pytest.mark.parametrize("path", ["/login", "/logout", "/me/sessions/end-others"])
def test_a_form_of_another_site_is_refused(site: Console, taro: Member, path: str) -> None:
    browser = site.visits(taro)
    given = {"login": taro.login, "password": PASSWORD, "code": taro.code(site.clock.now())}
    assert browser.post_without_proof(path, **given).status_code == 400
    assert is_in(browser)


def test_what_the_browser_had_before_a_log_in_is_not_kept_over_it(site: Console, taro: Member) -> None:
    browser = site.browser()
    before = browser.get("/proof").text
    assert send(site, browser, taro).status_code == 303
    assert browser.post_without_proof("/me/sessions/end-others", csrf_token=before).status_code == 400
