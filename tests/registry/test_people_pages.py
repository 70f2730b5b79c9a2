"""The pages on people: contacts, roles, leaving and hand-overs; that acts act, and leave their entry."""

from __future__ import annotations

import re
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest

from chukan.tenants.registry.people import store as people_store
from chukan.tenants.registry.people.rules import ChangeState, Role, Task, TaskState
from chukan.tenants.registry.values import Department
from registry.given import DAY, NOW, entries
from registry.site import CHANGE, READ, SAPPORO, SINCE, YOKOHAMA, Office, last_entry, site_at
from support.html import check_page

# -- contacts and roles ----------------------------------------------------------------------------


def test_a_contact_is_added_corrected_and_given_a_role(office: Office) -> None:
    add = f"/organisations/{YOKOHAMA}/contacts/new"
    office.get(add, READ, CHANGE)
    told = {
        "department": "executive",
        "name": "架空 太郎",
        "email": "ｔａｒｏ@city.example.jp",
        "telephone": "０４５-1",
    }
    assert "error-summary" in office.post(add, 422, **told).text
    office.post(add, 303, **{**told, "telephone": "０４５－０００－００００"})
    with office.actor.engine.connect() as connection:
        (person,) = people_store.contacts(connection, office.organisation(YOKOHAMA).id)
    assert (person.email, person.telephone) == ("taro@city.example.jp", "045-000-0000")
    change = f"/organisations/contacts/{person.id}/change"
    assert "架空 太郎" in office.get(change, READ, CHANGE)
    office.post(change, 422, name="架空 太郎", email="nobody", telephone="045-000-0000")
    office.post(change, 303, name="架空 太郎", email="t@city.example.jp", telephone="045-000-0000")
    assert last_entry(office)["detail"] == {"changed": ["email"]}
    assert "example.jp" not in str(entries(office.database))
    role = f"/organisations/contacts/{person.id}/role"
    office.get(role, READ, CHANGE)
    for status in (303, 422):
        office.post(role, status, role="vpn_admin_primary", since="2026-04-01")
    assert (last_entry(office)["action"], last_entry(office)["outcome"]) == ("registry:role:appoint", "refused")
    assert "架空 太郎" in office.get(f"/organisations/{YOKOHAMA}")


def test_roles_that_a_department_cannot_hold_are_not_offered(office: Office) -> None:
    board = office.person(SAPPORO, "教育 委子", Department.BOARD_OF_EDUCATION)
    path = f"/organisations/contacts/{board.id}/role"
    offered = re.findall(r'<option value="(\w+)"', office.get(path, READ, CHANGE))
    assert offered == ["system_admin", "business_operator", "support_site_manager", "support_site_staff"]
    office.post(path, 422, role="contact_manager", since="2026-04-01")


def test_who_leaves_hands_over_every_role_after_a_preview_that_does_nothing(office: Office) -> None:
    person, first = office.holder(SAPPORO, "退任 次郎", Role.SYSTEM_ADMIN)
    second = office.people.appoint(person.id, Role.CONTACT_STAFF, since=SINCE).id
    later = office.people.appoint(person.id, Role.SUPPORT_SITE_STAFF, since=DAY + timedelta(days=30)).id
    follower = office.person(SAPPORO, "後任 三郎")
    path = f"/organisations/contacts/{person.id}/leave"
    asked = office.get(path, READ, CHANGE)
    assert asked.count("<select") == 3
    sent = {"on": "2026-07-10", f"successor_{first.hex}": str(follower.id), f"successor_{second.hex}": ""}
    before = len(entries(office.database))
    preview = office.post(path, 200, **sent, **{f"successor_{later.hex}": ""}).text
    assert len(entries(office.database)) == before
    assert re.findall("後任は ?(.*?) ?です。", preview) == ["後任 三郎", "未定"]
    shown = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', preview)
    confirmed = {name: value for name, value in shown if name != "csrf_token"}
    assert confirmed == {"on": "2026-07-10", f"successor_{first.hex}": str(follower.id), "step": "confirm"}
    office.post(path, 303, **confirmed)
    act = last_entry(office)
    assert (act["action"], act["subject"]) == ("registry:contact:leave", f"contact:{person.id}")
    opened = [office.change(UUID(id_)) for id_ in act["detail"]["handovers"]]  # type: ignore[index]
    assert {each.role for each in opened} == {Role.SYSTEM_ADMIN, Role.CONTACT_STAFF}
    assert {each.role: each.accounts_due_on for each in opened} == {
        Role.SYSTEM_ADMIN: date(2026, 7, 17),
        Role.CONTACT_STAFF: None,
    }
    with office.actor.engine.connect() as connection:
        ended = people_store.assignment(connection, later).held.span
        assert people_store.contact(connection, person.id).left_on == date(2026, 7, 10)
    assert ended.since == ended.until
    assert "error-summary" in office.post(path, 422, on="2026-07-10").text
    office.post(f"/organisations/contacts/{person.id}/role", 422, role="contact_staff", since="2026-07-01")
    whole = office.get(f"/organisations/{SAPPORO}", READ, CHANGE)
    assert "2026/07/10" in whole
    assert path not in whole


def test_who_stays_after_all_has_not_left(office: Office) -> None:
    person, _ = office.holder(SAPPORO, "残留 四郎", Role.CONTACT_STAFF)
    (opened,) = office.people.leave(person.id, on=DAY, successors={}, now=NOW)
    page = office.get(f"/organisations/{SAPPORO}")
    assert "残留 四郎" not in page.split('id="contacts"')[1].split("<h2")[0]
    ask = f"/organisations/hand-overs/{opened.change.id}/cancel"
    office.get(ask, READ, CHANGE)
    office.post(ask, 303)
    assert last_entry(office)["detail"] == {"stays": True}
    assert "残留 四郎" in office.get(f"/organisations/{SAPPORO}").split('id="contacts"')[1].split("<h2")[0]
    assert "error-summary" in office.post(ask, 422).text


# -- hand-overs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.VPN_ADMIN_DEPUTY, Role.CLERICAL_CONTACT, Role.SUPPORT_SITE_MANAGER])
def test_a_hand_over_opens_exactly_what_its_preview_showed(office: Office, role: Role) -> None:
    _, assignment = office.holder(SAPPORO, f"前任 {role.value}", role)
    follower = office.person(SAPPORO, f"後任 {role.value}")
    path = f"/organisations/roles/{assignment}/hand-over"
    assert ('name="leaves"' in office.get(path, READ, CHANGE)) is (role is Role.SUPPORT_SITE_MANAGER)
    sent = {"on": ["令和8", "7", "10"], "successor": str(follower.id)}
    before = len(entries(office.database))
    preview = office.post(path, 200, **sent).text
    assert len(entries(office.database)) == before
    tasks = re.findall(r'<th scope="row">(.*?)</th>', preview)
    office.post(path, 303, on="2026-07-10", successor=str(follower.id), step="confirm")
    act = last_entry(office)
    assert act["action"] == "registry:handover:open"
    change = office.change(UUID(act["detail"]["handover"]))  # type: ignore[index]
    page = office.get(f"/organisations/hand-overs/{change.id}", READ, CHANGE)
    assert tasks == re.findall(r'<th scope="row">(.*?)</th>', page.split("<h2>履歴</h2>")[0])
    assert len(tasks) == len(change.tasks)
    assert f"後任 {role.value}" in page


@pytest.mark.parametrize("wrong", [{"on": "2026-04-01"}, {"on": ""}, {"on": "7月"}, {"successor": str(UUID(int=3))}])
def test_a_hand_over_that_cannot_be_says_why(office: Office, wrong: dict[str, str]) -> None:
    _, assignment = office.holder(SAPPORO, "前任 五郎", Role.BUSINESS_OPERATOR)
    path = f"/organisations/roles/{assignment}/hand-over"
    response = office.post(path, 422, **{"on": "2026-07-10", "successor": "", "step": "confirm", **wrong})
    assert "error-summary" in response.text


def test_somebody_of_another_organisation_is_no_successor(office: Office) -> None:
    _, assignment = office.holder(SAPPORO, "前任 六郎", Role.BUSINESS_OPERATOR)
    stranger = office.person(YOKOHAMA, "他所 七郎")
    path = f"/organisations/roles/{assignment}/hand-over"
    assert str(stranger.id) not in office.get(path, READ, CHANGE)
    office.post(path, 422, on="2026-07-10", successor=str(stranger.id), step="confirm")


def test_tasks_are_worked_off_to_the_end(office: Office) -> None:
    change = office.opened(SAPPORO, Role.SYSTEM_ADMIN, leaves=True)
    path = f"/organisations/hand-overs/{change.id}"
    assert "完了にする" in office.get(path, READ, CHANGE)
    office.post(f"{path}/tasks/system_admin_account", 303)
    assert last_entry(office)["action"] == "registry:handover:finish_task"
    assert office.change(change.id).tasks[0].state is TaskState.DONE
    office.post(f"{path}/tasks/system_admin_account", 409)
    office.post(f"{path}/tasks/{Task.VPN_HANDLING.value}", 404)
    office.post(f"{path}/tasks/nothing", 404)
    office.post(f"{path}/accounts", 303)
    assert office.change(change.id).state is ChangeState.COMPLETED
    finished = office.get(path, READ, CHANGE)
    assert "完了にする" not in finished
    assert "アカウントを廃止" in finished
    office.post(f"{path}/accounts", 409)
    office.site.enter(READ)
    assert office.site.get(f"/organisations/hand-overs/{uuid4()}").status_code == 404


def test_the_work_lists_show_what_waits_and_what_is_wrong(office: Office) -> None:
    change = office.opened(YOKOHAMA, Role.BUSINESS_OPERATOR, leaves=True)
    office.site.enter(READ)
    day_after = site_at(office.actor.engine, NOW + timedelta(days=1))
    day_after.enter(READ)
    for site, mark in ((office.site, "期限前"), (day_after, "期限超過")):
        response = site.get("/organisations/tasks?words=横浜&role=business_operator")
        check_page(response.text)
        assert str(change.id) in response.text
        assert mark in response.text.split("<tbody>")[1]
    late = day_after.get("/organisations/tasks?overdue=yes&words=横浜").text
    assert late.count(str(change.id)) == 1
    check_page(day_after.get(f"/organisations/hand-overs/{change.id}").text)
    check_page(day_after.get("/organisations/tasks?words=nowhere").text)
    warned = office.get("/organisations/warnings?prefecture=14")
    assert "横浜市" in warned
    assert "札幌市" not in warned
    assert "梼原町" in office.get("/organisations/warnings?state=applied&role=system_admin&gap=missing")
    rows = day_after.get("/organisations/tasks?format=csv").text
    assert "横浜市" in rows
    assert "前任" not in rows
