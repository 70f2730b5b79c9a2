"""Enrolment, my account, and operators as the pages show and change them."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pyotp
import pytest
from werkzeug.test import TestResponse

from accounts.site import Browser, Console, newcomer
from chukan.platform.accounts.rules import Role, SessionKind
from support.accounts import PASSWORD, Member, Office
from support.html import check_page

NEW_PASSWORD = "another sentence of mine"  # noqa: S105 - the tests' own


@pytest.fixture
def admin(shared_office: Office) -> Member:
    # Three of them at least, so that none of these tests meets the last two.
    first, *_ = (newcomer(shared_office, Role.ADMINISTRATOR) for _ in range(3))
    return first


@pytest.fixture
def hanako(shared_office: Office) -> Member:
    return newcomer(shared_office, Role.HELPDESK)


def good(answer: TestResponse, status: int = 200) -> str:
    """Return the page of *answer*, which is as every page must be."""
    assert answer.status_code == status, answer.text
    check_page(answer.text)
    return html.unescape(answer.text)


def last(site: Console, action: str) -> tuple[str, str]:
    actor, _, outcome = site.office.entries(action)[-1]
    return actor, outcome


def state_of(site: Console, login: str) -> str:
    return site.office.states()[login]


def roles_of(site: Console, login: str) -> set[str]:
    return next({role.value for role in one.roles} for one in site.office.operators().list() if one.login == login)


def lets_in(site: Console, member: Member, password: str, code: str) -> bool:
    answer = site.browser().post("/login", login=member.login, password=password, code=code)
    return answer.status_code == 303


# -- enrolment ------------------------------------------------------------------------------------


def first_step(browser: Browser, token: str, password: str = NEW_PASSWORD) -> TestResponse:
    return browser.post("/enrol", token=token, password=password, again=password)


def shown(page: str) -> tuple[str, str]:
    """Return the secret and what the form carries to the second step."""
    (secret,) = re.findall(r"<code>([A-Z2-7 ]+)</code>", page)
    (sealed,) = re.findall(r'name="sealed"[^>]*value="([^"]+)"', page)
    return secret.replace(" ", ""), sealed


def test_an_invitation_is_used_up_by_the_first_code_and_not_before(site: Console, hanako: Member) -> None:
    office = site.office
    token = office.operators().reset(hanako.login, now=site.clock.now()).token
    browser = site.browser()
    good(browser.get("/enrol"))
    page = good(first_step(browser, token))
    secret, sealed = shown(page)
    assert "<svg" in page
    assert secret not in sealed
    wrong = good(browser.post("/enrol/confirm", token=token, sealed=sealed, code="000000"), 422)
    assert shown(wrong) == (secret, sealed)
    assert "コードが正しくありません。" in wrong
    # The way in that they had is still there, until the new one is proven.
    assert lets_in(site, hanako, PASSWORD, hanako.code(site.clock.now()))
    code = pyotp.TOTP(secret).at(site.clock.now())
    answer = browser.post("/enrol/confirm", token=token, sealed=sealed, code=code)
    assert (answer.status_code, answer.location) == (303, "/login")
    assert last(site, "accounts:operator:enrol") == (f"operator:{hanako.account}", "done")
    site.clock.advance(timedelta(seconds=30))
    assert not lets_in(site, hanako, PASSWORD, hanako.code(site.clock.now()))
    assert lets_in(site, hanako, NEW_PASSWORD, pyotp.TOTP(secret).at(site.clock.now()))
    # Neither step works a second time.
    assert browser.post("/enrol/confirm", token=token, sealed=sealed, code=code).status_code == 401
    good(first_step(browser, token), 422)


def test_the_code_that_enrolled_does_not_log_in(site: Console, hanako: Member) -> None:
    token = site.office.operators().reset(hanako.login, now=site.clock.now()).token
    browser = site.browser()
    secret, sealed = shown(first_step(browser, token).text)
    code = pyotp.TOTP(secret).at(site.clock.now())
    assert browser.post("/enrol/confirm", token=token, sealed=sealed, code=code).status_code == 303
    assert not lets_in(site, hanako, NEW_PASSWORD, code)


def test_what_waits_for_its_code_is_good_for_its_own_invitation_alone(site: Console, hanako: Member) -> None:
    operators = site.office.operators()
    other = newcomer(site.office)
    mine, theirs = (operators.reset(one.login, now=site.clock.now()).token for one in (hanako, other))
    browser = site.browser()
    secret, sealed = shown(first_step(browser, mine).text)
    code = pyotp.TOTP(secret).at(site.clock.now())
    for token, waiting in ((theirs, sealed), (mine, sealed[:-8] + "AAAAAAAA"), (mine, ""), (mine, "é"), ("", sealed)):
        assert browser.post("/enrol/confirm", token=token, sealed=waiting, code=code).status_code == 401
    site.clock.advance(timedelta(minutes=30))
    assert browser.post("/enrol/confirm", token=mine, sealed=sealed, code=code).status_code == 401


@pytest.mark.parametrize(
    ("token", "password", "again", "says"),
    [
        (None, "short", "short", "このパスワードは使えません。"),
        (None, NEW_PASSWORD, "something else", "二つのパスワードが一致しません。"),
        ("unknown", NEW_PASSWORD, NEW_PASSWORD, "この招待コードは使えません。"),
        ("", "", "", "必"),
    ],
)
def test_a_first_step_that_is_not_right_says_what_is_wrong_and_tells_no_secret(
    site: Console, token: str | None, password: str, again: str, says: str
) -> None:
    given = site.office.invite(f"guest{len(site.office.states())}") if token is None else token
    page = good(site.browser().post("/enrol", token=given, password=password, again=again), 422)
    assert says in page
    assert "<svg width" not in page
    if password:
        assert f'value="{password}"' not in page


# -- my account -----------------------------------------------------------------------------------


def test_my_account_says_who_i_am_what_i_may_and_where_i_am_logged_in(site: Console, hanako: Member) -> None:
    browser = site.visits(hanako)
    site.opened(hanako.account, SessionKind.COMMAND_LINE, "terminal:system:hanako")
    page = good(browser.get("/me"))
    for word in (
        hanako.login,
        "ヘルプデスク",
        "送信メールと状態の閲覧",
        "terminal:system:hanako",
        "コマンドライン",
        "192.0.2.7",
    ):
        assert word in page
    assert page.count("このセッション") == 1


def test_a_session_that_nobody_used_for_too_long_is_not_listed(site: Console, hanako: Member) -> None:
    site.opened(hanako.account, address="198.51.100.1")
    site.clock.advance(timedelta(minutes=16))
    assert "198.51.100.1" not in good(site.visits(hanako).get("/me"))


def test_who_has_no_role_is_told_so(site: Console) -> None:
    assert "役割がありません。" in good(site.visits(newcomer(site.office)).get("/me"))


def test_i_end_one_of_my_sessions_or_all_others(site: Console, hanako: Member) -> None:
    here, first, second, third = (site.visits(hanako) for _ in range(4))
    (one,) = [
        each.id
        for each in site.office.operators().sessions(hanako.login, now=site.clock.now())
        if each.id == site.office.holder(first.token or "").require_person().session
    ]
    assert here.post(f"/me/sessions/{one}/end").status_code == 303
    assert [each.get("/me").status_code for each in (here, first, second, third)] == [200, 303, 200, 200]
    assert here.post("/me/sessions/end-others").status_code == 303
    assert [each.get("/me").status_code for each in (here, second, third)] == [200, 303, 303]
    assert last(site, "accounts:session:revoke") == (f"operator:{hanako.account}", "done")


def test_nobody_ends_anothers_session_as_their_own(site: Console, hanako: Member, admin: Member) -> None:
    theirs = site.visits(admin)
    session = site.office.holder(theirs.token or "").require_person().session
    site.visits(hanako).post(f"/me/sessions/{session}/end")
    assert theirs.get("/me").status_code == 200


# -- the list -------------------------------------------------------------------------------------


def listed(page: str) -> list[str]:
    return re.findall(r'<a href="/operators/([a-z0-9._-]+)">', page)


def test_operators_are_found_by_name_state_and_role(site: Console, admin: Member, hanako: Member) -> None:
    browser = site.visits(admin)
    site.office.invite("waiting-one", Role.AUDITOR)
    assert set(listed(good(browser.get("/operators")))) >= {admin.login, hanako.login}
    assert listed(good(browser.get("/operators?words=WAITING-"))) == ["waiting-one"]
    assert listed(good(browser.get("/operators?words=ｗaiting-one"))) == ["waiting-one"]
    assert listed(good(browser.get("/operators?words=%25"))) == []
    assert listed(good(browser.get("/operators?role=auditor&state=invited"))) == ["waiting-one"]
    assert listed(good(browser.get("/operators?role=auditor&state=active"))) == []
    names = listed(good(browser.get("/operators?sort=-login")))
    assert names == sorted(names, reverse=True)
    assert "waiting-one" in browser.get("/operators?format=csv&words=waiting").text
    good(browser.get("/operators?state=nonsense"), 422)
    good(browser.get("/operators?sort=password"), 400)


def test_the_page_of_one_tells_history_invitations_and_sessions(site: Console, admin: Member) -> None:
    admins = site.visits(admin)
    actor = site.office.holder(admins.token or "")
    other = newcomer(site.office, Role.MONITORING, by=actor)
    theirs = site.visits(other)
    page = good(admins.get(f"/operators/{other.login}"))
    for word in (
        "運用監視",
        "招待を発行",
        "パスワードと認証アプリを設定",
        "使用済みまたは再発行済み",
        admin.login,
        "192.0.2.7",
    ):
        assert word in page
    assert theirs.get(f"/operators/{other.login}").status_code == 403
    good(admins.get("/operators/nobody"), 404)
    good(admins.get("/operators/Not%20a%20name"), 404)


@pytest.mark.parametrize(
    ("role", "offered"),
    [
        (Role.ADMINISTRATOR, {"roles", "reset", "unlock", "disable", "sessions/end"}),
        (Role.SECURITY, {"unlock", "disable", "sessions/end"}),
        (Role.AUDITOR, set[str]()),
    ],
)
def test_what_the_visitor_may_not_do_is_not_offered(
    site: Console, hanako: Member, role: Role, offered: set[str]
) -> None:
    site.opened(hanako.account)
    browser = site.visits(newcomer(site.office, role))
    page = good(browser.get(f"/operators/{hanako.login}"))
    links = set(re.findall(rf'href="/operators/{hanako.login}/(roles|reset|unlock|disable|sessions/end)"', page))
    assert links == offered
    assert ('href="/operators/-/invite"' in good(browser.get("/operators"))) is (role is Role.ADMINISTRATOR)
    for act in {"roles", "reset", "unlock", "disable", "sessions/end"} - offered:
        assert browser.get(f"/operators/{hanako.login}/{act}").status_code == 403
        assert browser.post(f"/operators/{hanako.login}/{act}", typed=hanako.login).status_code == 403
    assert state_of(site, hanako.login) == "active"


def test_nobody_is_offered_to_change_their_own_roles(site: Console, admin: Member) -> None:
    browser = site.visits(admin)
    assert f"/operators/{admin.login}/roles" not in good(browser.get(f"/operators/{admin.login}"))
    roles = ["administrator", "security"]
    page = good(browser.post(f"/operators/{admin.login}/roles", roles=roles, reviewed="yes"), 422)
    assert "自分の役割は変更できません。" in page


# -- acts -----------------------------------------------------------------------------------------


def test_an_invitation_is_shown_once_and_lets_enrol(site: Console, admin: Member) -> None:
    browser, login = site.visits(admin), "m.yamada"
    good(browser.get("/operators/-/invite"))
    given = {"login": login, "name": "山田 太郎", "number": "１２３", "roles": ["monitoring", "helpdesk"]}
    answer = browser.post("/operators/-/invite", **given)
    (token,) = re.findall(r"<code>([\w-]{43})</code>", good(answer))
    assert answer.headers["Cache-Control"] == "no-store"
    assert roles_of(site, login) == {"monitoring", "helpdesk"}
    assert last(site, "accounts:operator:create") == (f"operator:{admin.account}", "done")
    assert token not in browser.get(f"/operators/{login}").text
    assert good(first_step(site.browser(), token))
    page = good(browser.post("/operators/-/invite", **given), 422)
    assert "既に存在します。" in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"login": "1x"},
        {"login": ""},
        {"name": ""},
        {"name": "x" * 101},
        {"number": "x" * 41},
        {"roles": ["administrator"]},
        {"roles": ["auditor", "security"]},
        {"roles": ["king"]},
    ],
)
def test_an_invitation_that_is_not_right_is_not_made(
    site: Console, admin: Member, wrong: dict[str, str | list[str]]
) -> None:
    before = site.office.states()
    given: dict[str, str | list[str]] = {"login": "nobody-yet", "name": "誰か", "number": "9", "roles": []}
    page = good(site.visits(admin).post("/operators/-/invite", **{**given, **wrong}), 422)
    assert page.split("<title>")[1].startswith("エラー: ")
    assert site.office.states() == before


def test_a_new_way_in_is_asked_about_and_shown_once(site: Console, admin: Member, hanako: Member) -> None:
    browser = site.visits(admin)
    good(browser.get(f"/operators/{hanako.login}/reset"))
    assert not re.findall(r"<code>[\w-]{43}</code>", browser.get(f"/operators/{hanako.login}/reset").text)
    page = good(browser.post(f"/operators/{hanako.login}/reset"))
    (token,) = re.findall(r"<code>([\w-]{43})</code>", page)
    good(first_step(site.browser(), token))
    assert last(site, "accounts:operator:invite") == (f"operator:{admin.account}", "done")
    assert "未使用" in good(browser.get(f"/operators/{hanako.login}"))


def test_to_disable_takes_the_name_typed(site: Console, admin: Member, hanako: Member) -> None:
    browser, theirs = site.visits(admin), site.visits(hanako)
    where = f"/operators/{hanako.login}/disable"
    good(browser.get(where))
    for typed in ("", "no", f"{hanako.login}x"):
        good(browser.post(where, typed=typed), 422)
    assert state_of(site, hanako.login) == "active"
    assert browser.post(where, typed=hanako.login).status_code == 303
    assert state_of(site, hanako.login) == "disabled"
    assert theirs.get("/me").status_code == 303
    assert last(site, "accounts:operator:disable") == (f"operator:{admin.account}", "done")
    page = good(browser.post(where, typed=hanako.login), 422)
    assert "この操作はできません。" in page
    offered = good(browser.get(f"/operators/{hanako.login}"))
    assert where not in offered
    assert f"/operators/{hanako.login}/reset" in offered


def test_a_delay_is_lifted(site: Console, admin: Member, hanako: Member) -> None:
    for _ in range(5):
        assert not lets_in(site, hanako, "wrong", "000000")
    browser = site.visits(admin)
    good(browser.get(f"/operators/{hanako.login}/unlock"))
    assert browser.post(f"/operators/{hanako.login}/unlock").status_code == 303
    assert f"{hanako.login} のログイン失敗4件を取り消しました。" in good(browser.get(f"/operators/{hanako.login}"))
    assert last(site, "accounts:operator:unlock") == (f"operator:{admin.account}", "done")


def test_one_session_or_all_of_an_operator_are_ended(site: Console, admin: Member, hanako: Member) -> None:
    browser = site.visits(admin)
    first, second, third = (site.visits(hanako) for _ in range(3))
    session = site.office.holder(first.token or "").require_person().session
    one = f"/operators/{hanako.login}/sessions/{session}/end"
    assert "192.0.2.7" in good(browser.get(one))
    assert browser.post(one).status_code == 303
    assert [each.get("/me").status_code for each in (first, second, third)] == [303, 200, 200]
    good(browser.get(f"/operators/{hanako.login}/sessions/end"))
    assert browser.post(f"/operators/{hanako.login}/sessions/end").status_code == 303
    assert [each.get("/me").status_code for each in (second, third)] == [303, 303]
    assert "この運用者はログインしていません。" in good(browser.get(f"/operators/{hanako.login}"))


def test_roles_are_reviewed_and_then_changed(site: Console, admin: Member, hanako: Member) -> None:
    browser, theirs = site.visits(admin), site.visits(hanako)
    where = f"/operators/{hanako.login}/roles"
    assert 'value="helpdesk" checked' in re.sub(r'(checked)(.*?)(value="helpdesk")', r"\3 \1", good(browser.get(where)))
    assert "現在の役割と同じです。" in good(browser.post(where, roles=["helpdesk"]), 422)
    review = good(browser.post(where, roles=["monitoring", "operations"]))
    assert re.findall(r'<input type="hidden" name="roles" value="(\w+)">', review) == ["monitoring", "operations"]
    assert roles_of(site, hanako.login) == {"helpdesk"}
    assert browser.post(where, roles=["monitoring", "operations"], reviewed="yes").status_code == 303
    assert roles_of(site, hanako.login) == {"monitoring", "operations"}
    assert theirs.get("/me").status_code == 303
    assert last(site, "accounts:operator:change_roles") == (f"operator:{admin.account}", "done")
    page = good(browser.post(where, roles=["auditor", "operations"], reviewed="yes"), 422)
    assert "同じ人が持つことはできません。" in page
    good(browser.post(where, roles=["king"]), 422)
