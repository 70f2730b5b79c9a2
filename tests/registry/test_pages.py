"""The registry's pages: who may open them, and what lists and the page of one organisation show in every state."""

from __future__ import annotations

import csv
import re
from datetime import timedelta
from io import StringIO
from uuid import UUID

import pytest

from chukan.platform.accounts.permissions import Permission
from chukan.platform.component import Access
from chukan.platform.web.application import needs_of
from chukan.tenants.registry.people.rules import Role
from chukan.tenants.registry.people.words import role_label
from chukan.tenants.registry.store import Filter, find
from chukan.tenants.registry.web import PAGES
from registry.given import DAY, FEW, NOW
from registry.site import CHANGE, HAKODATE, READ, SAPPORO, Office, last_entry
from support.html import check_page
from support.web import BASE, application_of

# -- who may open them -----------------------------------------------------------------------------


def addresses() -> list[tuple[str, str, str]]:
    """Return endpoint, method and a path of every page."""
    site = application_of([PAGES], None)  # type: ignore[arg-type]  # nobody gets as far as the database
    nobody = UUID(int=9)
    some = {"reference": SAPPORO, "contact": nobody, "assignment": nobody, "change": nobody, "task": "change_form"}
    found = []
    with site.app.test_request_context(base_url=BASE):
        adapter = site.app.create_url_adapter(None) or site.app.url_map.bind("console.test")
        for rule in site.app.url_map.iter_rules():
            if rule.endpoint.startswith("registry."):
                method = "POST" if "POST" in (rule.methods or ()) else "GET"
                path = adapter.build(rule.endpoint, {name: some[name] for name in rule.arguments}, method=method)
                found.append((rule.endpoint, method, path))
    return found


@pytest.mark.parametrize(("endpoint", "method", "path"), addresses())
def test_a_page_opens_to_those_alone_who_may(office: Office, endpoint: str, method: str, path: str) -> None:
    needed = needs_of(office.site.app)[endpoint]
    assert not isinstance(needed, Access)
    office.site.leave()
    anonymous = office.site.client().open(path, method=method, base_url=BASE)
    assert anonymous.status_code == (303 if method == "GET" else 401)
    for other in Permission:
        if other != needed:
            office.site.enter(other)
            assert office.site.client().open(path, method=method, base_url=BASE).status_code == 403
    assert needed == (READ if method == "GET" and ".ask_" not in endpoint else CHANGE)
    office.site.enter(READ, CHANGE)
    assert office.site.client().open(path, method=method, base_url=BASE).status_code not in {303, 401, 403, 500}


def test_who_only_reads_is_offered_no_act(office: Office) -> None:
    _, assignment = office.holder(HAKODATE, "見る 花子", Role.BUSINESS_OPERATOR)
    change = office.opened(HAKODATE, Role.BUSINESS_OPERATOR)
    acts = ("/population", "/unions/new", "/contacts/", f"/roles/{assignment}", "/cancel", f"{change.id}/tasks")
    for path in ("/organisations", f"/organisations/{HAKODATE}", f"/organisations/hand-overs/{change.id}"):
        seen = office.get(path)
        assert [act for act in acts if act in seen] == [], path
    offered = "".join(
        office.get(path, READ, CHANGE)
        for path in ("/organisations", f"/organisations/{HAKODATE}", f"/organisations/hand-overs/{change.id}")
    )
    assert [act for act in acts if act not in offered] == []


# -- the list --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("words=さっぽろ", {"札幌市"}),
        ("words=ｻｯﾎﾟﾛ", {"札幌市"}),
        ("words=檮原", {"梼原町"}),
        ("words=011002", {"札幌市"}),
        ("words=０１１００２", {"札幌市"}),
        ("words=池田&kind=town", {"池田町"}),
        ("prefecture=14", {"横浜市"}),
        ("state=active", {"札幌市", "横浜市"}),
        ("words=nowhere", set()),
    ],
)
def test_organisations_are_found(office: Office, query: str, expected: set[str]) -> None:
    seen = office.get(f"/organisations?{query}")
    rows = re.findall(r'<td><a href="/organisations/\w+">(.*?)</a></td>', seen)
    assert set(rows) == expected
    assert ("見つかりません" in seen or "条件に合う" in seen or "ありません" in seen) is not bool(expected)


def test_the_list_says_who_needs_attention(office: Office) -> None:
    with office.actor.engine.connect() as connection:
        everybody = find(connection, Filter(), DAY)
    seen = office.get("/organisations?need=roles")
    assert "札幌市" in seen
    assert "梼原町" not in seen
    assert 'class="status status-warning"' in seen
    assert len(everybody) > seen.count('<th scope="row">') == 2


def test_the_list_is_ordered_and_as_csv_it_is_whole(office: Office) -> None:
    office.site.enter(READ)
    response = office.site.get("/organisations?sort=-kana&format=csv")
    assert response.status_code == 200
    rows = list(csv.DictReader(StringIO(response.text.removeprefix("\ufeff"))))
    readings = [row["よみ"] for row in rows]
    assert readings == sorted(readings, reverse=True)
    assert {row["団体コード"] for row in rows} == {*FEW}
    assert all(row["ID"] for row in rows)


@pytest.mark.parametrize("query", ["sort=colour", "page=0", "format=pdf"])
def test_an_address_that_asks_for_what_is_not_there_is_told_so(office: Office, query: str) -> None:
    for path in ("/organisations", "/organisations/tasks", "/organisations/warnings"):
        office.site.enter(READ)
        response = office.site.get(f"{path}?{query}")
        assert response.status_code == 400
        check_page(response.text)


@pytest.mark.parametrize("query", ["kind=republic", "prefecture=48", "state=gone", "need=money"])
def test_a_filter_that_is_not_understood_says_so(office: Office, query: str) -> None:
    office.site.enter(READ)
    response = office.site.get(f"/organisations?{query}")
    assert response.status_code == 422
    check_page(response.text)
    assert "<tbody>" not in response.text


# -- one organisation ------------------------------------------------------------------------------


def test_the_page_of_one_says_what_is_missing_and_who_is_there(office: Office) -> None:
    empty = office.get("/organisations/394050", READ, CHANGE)
    assert "VPN装置管理者" in empty
    assert "担当者はまだ登録されていません" in empty
    person, _ = office.holder(SAPPORO, "中島 葛󠄀子", Role.CONTACT_MANAGER)
    seen = office.get(f"/organisations/{SAPPORO}", READ, CHANGE)
    assert "中島 葛󠄀子" in seen
    assert f"/organisations/contacts/{person.id}/leave" in seen


def test_an_organisation_without_a_code_has_a_page_and_delegations_name_both_ends(office: Office) -> None:
    made = office.post(
        "/organisations/unions/new",
        303,
        name="架空広域連合",
        kana="かくうこういきれんごう",
        kind="wide_area_union",
        prefecture="01",
        members="011002 012025",
        since="2026-04-01",
        code="",
    )
    assert last_entry(office)["action"] == "registry:union:add"
    seen = office.get(made.headers["Location"])
    assert "札幌市" in seen
    assert "教育委員会" not in seen
    assert made.headers["Location"].rsplit("/")[-1] not in re.sub(r'(href|action)="[^"]*"', "", seen)
    assert "架空広域連合" in office.get(f"/organisations/{SAPPORO}")


def test_the_course_of_an_organisation_is_drawn_with_the_holders_of_its_roles(office: Office) -> None:
    before, assignment = office.holder(HAKODATE, "経過 一子", Role.CLERICAL_CONTACT)
    after = office.person(HAKODATE, "経過 二郎")
    office.people.open_change(
        assignment, effective_on=DAY + timedelta(days=9), successor=after.id, leaves=False, now=NOW
    )
    course = office.get(f"/organisations/{HAKODATE}").split('id="course"')[1].split("</figure>")[0]
    spans = dict(re.findall(r"<title>(\S+ \S+) (\S+ [\d/]+ [\d:]+-[\d/: ]*)</title>", course))
    assert spans[before.name] == "引継ぎ中 4/1 00:00-7/10 00:00"
    assert spans[after.name] == "就任予定 7/10 00:00-"
    assert "申請中 7/1 12:00-" in course
    lanes = re.findall(r'class="lane-name"[^>]*>([^<]+)<', course)
    assert lanes == ["状態", *(role_label(role) for role in Role)]


def test_histories_call_an_operator_by_the_log_in_name(office: Office) -> None:
    account = UUID(int=77)
    with office.database.superuser() as superuser:
        superuser.execute("insert into platform.person (id, number, created_at) values (%s, 'n-77', now())", (account,))
        superuser.execute(
            "insert into platform.account (id, person, kind, login, name, state, created_at)"
            " values (%s, %s, 'operator', 'hanako', '架空 花子', 'invited', now())",
            (account, account),
        )
        superuser.execute(
            "insert into platform.organisation_event (organisation, at, from_state, to_state, actor, reason)"
            " select id, now(), 'active', 'active', %s, '' from platform.organisation where code = '141003'",
            (f"operator:{account}",),
        )
    history = office.get("/organisations/141003").split('id="history"')[1]
    assert "<td>hanako</td>" in history
    assert str(account) not in history
    assert "<td>operator:7</td>" in history


@pytest.mark.parametrize(
    "wrong",
    [{"members": "011002"}, {"members": "011002 999999"}, {"kana": "KANJI"}, {"kind": ""}, {"since": "tomorrow"}],
)
def test_a_union_that_cannot_be_is_refused_with_its_reason(office: Office, wrong: dict[str, str]) -> None:
    office.get("/organisations/unions/new", READ, CHANGE)
    right = {"name": "架空組合", "kana": "かくう", "kind": "wide_area_union", "prefecture": "01", "since": "2026-04-01"}
    response = office.post("/organisations/unions/new", 422, **{**right, "members": "011002 012025", **wrong})
    assert "error-summary" in response.text


@pytest.mark.parametrize("reference", ["131008", str(UUID(int=1))])
def test_who_is_not_registered_has_no_page(office: Office, reference: str) -> None:
    office.site.enter(READ)
    assert office.site.get(f"/organisations/{reference}").status_code == 404
    assert office.site.get("/organisations/123").status_code == 400
