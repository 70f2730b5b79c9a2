"""Every route of the console, tried by everybody: nothing is open because somebody forgot it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from werkzeug.routing import Rule

from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.rules import Role
from chukan.platform.component import Access
from chukan.platform.web import assets
from chukan.platform.web.application import needs_of
from console.conftest import Whole
from support.html import check_page

BASE = "https://console.test/"
NOBODY = "00000000-0000-7000-8000-000000000000"
#: What stands for the places of a path; a new kind of place needs a line here.
PLACES: dict[str, object] = {
    "assignment": NOBODY,
    "case": NOBODY,
    "chain": "00000000-0000-0000-0000-000000000000",
    "change": NOBODY,
    "contact": NOBODY,
    "fingerprint": "0",
    "login": "whole",
    "mail": NOBODY,
    "message": NOBODY,
    "name": "audit-seal",
    "outage": NOBODY,
    "path": "app.css",
    "reference": "131016",
    "revision": "R1.6",
    "run_id": NOBODY,
    "seq": 1,
    "session": NOBODY,
    "shelf": "open",
    "task": "T1",
    "tenant": NOBODY,
    "trace": NOBODY,
    "wanted": NOBODY,
}
PUBLIC = {"accounts.login", "accounts.log_in", "accounts.enrol", "accounts.prepare_enrolment"}
PUBLIC |= {"accounts.confirm_enrolment", "accounts.log_out", "probes.healthz", "probes.readyz", "probes.metrics"}


def rules(whole: Whole, method: str) -> Iterator[tuple[Rule, str]]:
    """Yield the routes of *method* with a path that stands for each."""
    with whole.app.test_request_context(base_url=BASE):
        adapter = whole.app.url_map.bind("console.test", url_scheme="https")
        for rule in whole.app.url_map.iter_rules():
            if method in (rule.methods or ()):
                values = {place: PLACES[place] for place in rule.arguments}
                yield rule, adapter.build(rule.endpoint, values, method=method)


def test_what_is_public_is_the_log_in_and_what_machines_ask(whole: Whole) -> None:
    public = {endpoint for endpoint, need in needs_of(whole.app).items() if need is Access.PUBLIC}
    assert public == {*PUBLIC, assets.ENDPOINT}


def test_every_page_needs_a_permission_that_a_role_can_hold(whole: Whole) -> None:
    known = {permission.value for permission in Permission}
    named = {str(need) for need in needs_of(whole.app).values() if isinstance(need, str)}
    assert named <= known


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_who_is_not_logged_in_gets_further_than_the_log_in(whole: Whole, method: str) -> None:
    whole.door.leave()
    client = whole.app.test_client()
    for rule, path in rules(whole, method):
        if needs_of(whole.app)[rule.endpoint] is Access.PUBLIC:
            continue
        answer = client.open(path, method=method, base_url=BASE)
        assert (answer.status_code, rule.endpoint) == (303 if method == "GET" else 401, rule.endpoint) or (
            method == "POST" and answer.status_code == 400
        ), rule.endpoint


@pytest.mark.parametrize("role", list(Role))
def test_a_role_opens_what_it_may_and_nothing_else(whole: Whole, role: Role) -> None:
    whole.door.enter_as(role)
    client = whole.app.test_client()
    for rule, path in rules(whole, "GET"):
        need = needs_of(whole.app)[rule.endpoint]
        if need is Access.PUBLIC:
            continue
        may = need is Access.SIGNED_IN or Permission(str(need)) in (whole.door.actor or whole.door).permissions  # type: ignore[union-attr]
        answer = client.get(path, base_url=BASE)
        assert (answer.status_code != 403) == may, (rule.endpoint, answer.status_code)
        assert answer.status_code < 500, rule.endpoint
        if answer.content_type.startswith("text/html"):
            check_page(answer.text)


def test_a_refused_page_stands_in_the_trail(whole: Whole) -> None:
    whole.door.enter()
    assert whole.app.test_client().get("/audit", base_url=BASE).status_code == 403
    whole.door.enter(Permission.AUDIT_READ)
    found = whole.app.test_client().get("/audit?action=console:page:refuse", base_url=BASE)
    assert "audit:entry:read" in found.text


@pytest.mark.parametrize("role", list(Role))
def test_the_menu_holds_what_the_role_may_open(whole: Whole, role: Role) -> None:
    whole.door.enter_as(role)
    client = whole.app.test_client()
    menu = client.get("/me", base_url=BASE).text.split('<nav class="menu"')[1].split("</nav>")[0]
    for path in [part.split('"')[0] for part in menu.split('href="')[1:]]:
        assert client.get(path, base_url=BASE).status_code == 200, path


@pytest.mark.parametrize(
    ("path", "entry", "current"),
    [
        ("/organisations", "/organisations", "page"),
        ("/organisations/131016", "/organisations", "true"),
        ("/organisations/tasks", "/organisations/tasks", "page"),
        ("/jobs/runs", "/jobs", "true"),
    ],
)
def test_the_menu_tells_where_the_visitor_is(whole: Whole, path: str, entry: str, current: str) -> None:
    whole.door.enter_as(Role.OPERATIONS)
    page = whole.app.test_client().get(path, base_url=BASE).text
    menu = page.split('<nav class="menu"')[1].split("</nav>")[0]
    assert f'<a href="{entry}" aria-current="{current}">' in menu
    assert menu.count("aria-current") == 1
    assert menu.index("自治体") < menu.index(">団体<") < menu.index("サービス提供時間") < menu.index("ジョブ一覧")


def test_an_address_that_is_no_page_is_told_to_those_who_are_logged_in_alone(whole: Whole) -> None:
    client = whole.app.test_client()
    whole.door.leave()
    assert client.get("/no-such-page", base_url=BASE).status_code == 303
    whole.door.enter()
    answer = client.get("/no-such-page", base_url=BASE)
    assert answer.status_code == 404
    check_page(answer.text)
