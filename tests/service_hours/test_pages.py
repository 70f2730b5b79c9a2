"""The pages of service hours: who may open them, what they show, and that their acts act."""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Mapping
from datetime import date, timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from chukan.platform.clock import FixedClock
from chukan.platform.component import Access
from chukan.platform.database.roles import ProcessKind
from chukan.platform.service_hours.component import component
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.outages.rules import Outage, OutageState, PlannedOutage
from chukan.platform.service_hours.outages.service import PlannedOutages
from chukan.platform.service_hours.rules import Generation
from chukan.platform.service_hours.services import Service
from chukan.platform.service_hours.web_forms import MOST_WINDOWS
from chukan.platform.service_hours.web_impact import MOST_ROWS
from chukan.platform.settings import Settings
from chukan.platform.web import Here
from chukan.platform.web.application import needs_of
from service_hours.hours import outage, tokyo
from support.database import Database
from support.html import check_page
from support.web import BASE, Visited, application_of

READ = "service_hours:calendar:read"
ANNOUNCE = "service_hours:outage:announce"
CANCEL = "service_hours:outage:cancel"
EVERYTHING = (READ, ANNOUNCE, CANCEL)
NOW = tokyo("2026-11-22 10:30")
#: Sunday, 6 December: from eight in the evening to noon of Monday.
RIGHT: dict[str, list[str]] = {
    "start": ["2026", "12", "6", "20:00"],
    "end": ["R8", "12", "7", "12:00"],
    "services": ["system", "self_information"],
    "description": ["機器の更改"],
    "window_1_start": ["2026年12月7日", "", "", "9:00"],
    "window_1_end": ["令和8年12月7日", "", "", "10時"],
    "announced_at": ["", "", "", ""],
    "late_reason": [""],
}


class Pages:
    """The pages over a database of their own, visited by somebody who may do everything."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = FixedClock(NOW)
        self.asked: list[date] = []
        engine = database.engine(ProcessKind.CONSOLE)
        self.desk = PlannedOutages(engine, shipped_schedule().outages, actor="operator:9", request="before")
        offered = component(Settings, affected=self._affected, named=lambda _here, actor: f"<{actor}>").pages
        self.site: Visited = application_of(offered, engine, clock=self.clock)
        self.site.enter(*EVERYTHING)
        self.site.app.config["WTF_CSRF_ENABLED"] = True
        self.client = self.site.client()
        form = self.client.get("/hours/outages/new", base_url=BASE).text
        (self.token,) = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', form)

    def open(self, method: str, path: str) -> TestResponse:
        """Open *path* with a proof of origin, but with nothing filled in."""
        sent = {"csrf_token": self.token} if method == "POST" else None
        return self.client.open(path, method=method, data=sent, base_url=BASE, headers={"Referer": BASE})

    def _affected(self, _here: Here, day: date) -> Mapping[Generation, int]:
        self.asked.append(day)
        return {Generation.CURRENT: 1204, Generation.NEXT: 584}

    def plan(self, start: str, end: str, *services: Service, words: str = "maintenance") -> PlannedOutage:
        stop = outage(start, end, services=services or (Service.SYSTEM,))
        wanted = Outage(stop.span, stop.services, stop.exceptions, words)
        return self.desk.plan(wanted, now=tokyo("2026-11-01 12:00"))

    def send(self, path: str, values: Mapping[str, list[str]], **more: str) -> TestResponse:
        sent = {name: list(value) for name, value in values.items()} | {name: [each] for name, each in more.items()}
        data = {**sent, "csrf_token": [self.token]}
        return self.client.post(path, data=data, base_url=BASE, headers={"Referer": BASE})

    def trail(self) -> list[dict[str, Any]]:
        with self.database.superuser() as superuser:
            rows = superuser.execute("select body from platform.audit_entry order by seq").fetchall()
        return [json.loads(body) for (body,) in rows]


@pytest.fixture
def pages(database: Database) -> Pages:
    return Pages(database)


def words(response: TestResponse, status: int = 200) -> str:
    """Return what the page says, marks and addresses left out; it must be a page as every page must be."""
    assert response.status_code == status, response.text[:2000]
    check_page(response.text)
    main = response.text.split("<main", 1)[1].split("</main>", 1)[0]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", main)))


def sentences(response: TestResponse) -> list[str]:
    """Return what the error summary says."""
    summary = re.search(r"<div class=\"error-summary.*?</div>", response.text, re.DOTALL)
    assert summary is not None
    return [html.unescape(re.sub(r"<[^>]+>", "", each)) for each in re.findall(r"<li>(.*?)</li>", summary[0])]


def row_of(response: TestResponse, day: str) -> str:
    """Return the calendar's row of *day* (11/22) as one line."""
    rows = re.findall(r"<tr class=\"day.*?</tr>", response.text, re.DOTALL)
    (found,) = [row for row in rows if f">{day}（" in row]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found)).strip()


# -- who may open what ----------------------------------------------------------------------------


def test_every_page_asks_for_its_own_permission(pages: Pages) -> None:
    planned = pages.plan("2026-11-29 09:00", "2026-11-29 12:00")
    one = f"/hours/outages/{planned.id}"
    wanted = {
        ("GET", "/hours"): READ,
        ("GET", "/hours/outages"): READ,
        ("GET", one): READ,
        ("GET", "/hours/outages/new"): ANNOUNCE,
        ("POST", "/hours/outages/new"): ANNOUNCE,
        ("GET", f"{one}/cancel"): CANCEL,
        ("POST", f"{one}/cancel"): CANCEL,
    }
    ours = {need for name, need in needs_of(pages.site.app).items() if name.startswith("service_hours.")}
    rules = [rule for rule in pages.site.app.url_map.iter_rules() if rule.endpoint.startswith("service_hours.")]
    assert len(rules) == len(wanted)
    assert ours == set(wanted.values())
    assert not ours & set(Access)
    for (method, path), need in wanted.items():
        pages.site.leave()
        assert pages.open(method, path).status_code == (303 if method == "GET" else 401)
        pages.site.enter(*(set(EVERYTHING) - {need}))
        assert pages.open(method, path).status_code == 403
        pages.site.enter(need)
        answer = pages.open(method, path)
        assert answer.status_code == (200 if method == "GET" else 422)
    assert pages.desk.listed() == [planned]


def test_without_somebody_who_counts_the_affected_there_are_no_pages() -> None:
    assert component(Settings).pages == ()


def test_what_a_visitor_may_not_do_is_not_offered(pages: Pages) -> None:
    planned = pages.plan("2026-11-29 09:00", "2026-11-29 12:00")
    for visitor, offered in ((EVERYTHING, True), ((READ,), False)):
        pages.site.enter(*visitor)
        for path in ("/hours", "/hours/outages"):
            assert ('href="/hours/outages/new"' in pages.site.get(path).text) is offered
        assert (
            f'href="/hours/outages/{planned.id}/cancel"' in pages.site.get(f"/hours/outages/{planned.id}").text
        ) is (offered)


# -- the calendar ---------------------------------------------------------------------------------


def test_the_calendar_shows_this_month_with_today_and_what_is_open_now(pages: Pages) -> None:
    planned = pages.plan("2026-11-22 09:00", "2026-11-22 12:00", words="盤の<交換>")
    pages.plan("2026-11-23 09:00", "2026-11-23 12:00")
    pages.desk.cancel(pages.desk.listed()[1].id, now=NOW)
    calendar = pages.site.get("/hours")
    told = words(calendar)
    assert "令和8年11月の提供時間（現行システム）" in told
    assert calendar.text.count('<tr class="day') == 30
    sunday = row_of(calendar, "11/22")
    assert "今日 土日 計画停止 09:00–12:00 08:00–09:00 、 12:00–17:00 通常 08:00–17:00" in sunday
    assert calendar.text.count("今日") == 1
    assert f'href="/hours/outages/{planned.id}"' in calendar.text
    assert row_of(calendar, "11/23") == (
        "11/23（月） 祝日（勤労感謝の日） 08:00–17:00 停止なし 01:30–24:30 利用不可 終日 終日 08:00–17:00"
    )
    assert row_of(calendar, "11/24").endswith(
        "平日 08:00–21:00 21:00–24:00 01:30–24:30 09:00–18:00 終日 終日 08:00–21:00"
    )
    # Each service has its state and its next change; the outage under way is told, and what comes next of all.
    panel = told[told.index("現在の提供状況") : told.index("最終更新")]
    assert "システムサービス 計画停止中 次の変更 12:00" in panel
    assert "ヘルプデスク（電話） 利用不可 次の変更 11/24 09:00" in panel
    assert "運用監視 利用可 2週間は変化なし" in panel
    assert "2026/11/22 09:00 – 2026/11/22 12:00 (盤の<交換>)" in panel
    assert "次の変化: 令和8年11月22日（日） 12:00 システムサービス 利用可" in panel
    assert 'data-live="60"' in calendar.text


def test_the_calendar_turns_its_pages_to_both_ends(pages: Pages) -> None:
    first, last = (pages.site.get(f"/hours?month={month}") for month in ("2019-01", "2027-12"))
    assert "翌月: 平成31年2月" in words(first)
    assert "前月:" not in words(first)
    assert "前月: 令和9年11月" in words(last)
    assert "翌月:" not in words(last)
    assert "年末年始（元日）" in row_of(first, "1/1")
    following = pages.site.get("/hours?month=2019-05&generation=next")
    told = words(following)
    assert "令和元年5月の提供時間（次期システム）" in told
    assert 'href="/hours?month=2019-06&amp;generation=next"' in following.text
    assert "08:00–23:00" in row_of(following, "5/7")
    shipped = pages.site.get("/hours?month=2019-06")
    assert "計画停止 6/15 17:00 – 6/17 08:00" in row_of(shipped, "6/16")
    assert "09:00–21:00 通常 09:00–18:00" in row_of(shipped, "6/4")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("month=2028-01", "令和10年1月1日（土）はカレンダーの範囲外です（平成31年1月1日（火）から"),
        ("month=2018-12", "平成30年12月1日（土）はカレンダーの範囲外です"),
        ("month=2026-13", "「2026-13」は月として読めません。"),
        ("month=", "「」は月として読めません。"),
        ("month=%3Cscript%3E", "「<script>」は月として読めません。"),
        ("generation=other", "対象のシステム"),
    ],
)  # fmt: skip
def test_what_the_calendar_does_not_know_is_told_on_the_page(pages: Pages, query: str, sentence: str) -> None:
    answer = pages.site.get(f"/hours?{query}")
    assert "サービス提供時間" in words(answer, 422)
    (told,) = sentences(answer)
    assert told.startswith(sentence)
    assert answer.text.count('<tr class="day') == 0
    assert "<title>エラー: " in answer.text
    assert "システムサービス" in answer.text  # what is open now is known all the same


def test_beyond_its_end_the_calendar_says_that_it_does_not_know_what_is_open(pages: Pages) -> None:
    pages.clock.advance(tokyo("2028-02-01 12:00") - NOW)
    answer = pages.site.get("/hours?month=2027-12")
    assert "令和10年2月1日（火）はカレンダーの範囲外です" in words(answer)
    assert answer.text.count('<tr class="day') == 31
    assert words(pages.site.get("/hours"), 422).count("カレンダーの範囲外") >= 2


# -- the list, and one outage ---------------------------------------------------------------------


def test_outages_are_listed_filtered_and_given_as_csv(pages: Pages) -> None:
    assert "計画停止はまだ登録されていません。" in words(pages.site.get("/hours/outages"))
    over = pages.plan("2026-11-10 09:00", "2026-11-10 12:00", words="電源設備の点検")
    running = pages.plan("2026-11-22 09:00", "2026-11-22 12:00", Service.SUPPORT_SITE, words="=1+1")
    off = pages.plan("2026-11-28 09:00", "2026-11-28 12:00")
    pages.desk.cancel(off.id, now=NOW)
    late = pages.desk.plan(outage("2026-11-22 10:00", "2026-11-22 11:00"), now=NOW, late_reason="障害")
    everything = pages.site.get("/hours/outages")
    told = words(everything)
    assert "全4件" in told
    assert "周知遅れ" in told
    listed = re.findall(r"/hours/outages/([0-9a-f-]{36})\"", everything.text)
    assert listed == [str(each.id) for each in (off, late, running, over)]
    for query, found in (
        ("phase=running", [late, running]),
        ("phase=coming", []),
        ("phase=called_off", [off]),
        ("phase=over&words=点検", [over]),
        ("service=support_site", [running]),
        ("sort=start", [over, running, late, off]),
        ("sort=-end&phase=running", [running, late]),
        ("sort=announced&phase=running", [running, late]),
    ):
        page = pages.site.get(f"/hours/outages?{query}")
        words(page)
        assert re.findall(r"/hours/outages/([0-9a-f-]{36})\"", page.text) == [str(each.id) for each in found], query
    assert words(pages.site.get("/hours/outages?phase=gone"), 422)
    file = pages.site.get("/hours/outages?format=csv&sort=start")
    rows = list(csv.DictReader(StringIO(file.text.removeprefix("\ufeff"))))
    assert [row["計画停止ID"] for row in rows] == [str(each.id) for each in (over, running, late, off)]
    assert [row["状態"] for row in rows] == ["終了", "停止中", "停止中、周知遅れ", "中止"]
    assert [row["周知が遅れた理由"] for row in rows] == ["", "", "障害", ""]
    assert rows[1]["作業内容"] == "'=1+1"


def test_an_outage_is_shown_with_its_hours_and_its_history(pages: Pages) -> None:
    planned = pages.plan("2026-11-22 09:00", "2026-11-22 17:00", words="盤の<交換>")
    path = f"/hours/outages/{planned.id}"
    told = words(pages.site.get(path))
    assert "停止中" in told
    assert "盤の<交換>" in told
    assert "2026/11/22 システムサービス 両方 08:00–17:00 08:00–09:00" in told
    assert "<operator:9>" in told
    pages.desk.cancel(planned.id, now=NOW, reason="完了した")
    told = words(pages.site.get(path))
    assert "繰り上げて終了した日時 2026/11/22 10:30" in told
    assert "2026/11/22 システムサービス 両方 08:00–17:00 08:00–09:00、10:30–17:00" in told
    assert "完了した" in told
    assert f"{path}/cancel" not in pages.site.get(path).text
    coming = pages.plan("2026-11-29 09:00", "2026-11-29 17:00")
    pages.desk.cancel(coming.id, now=NOW)
    assert "開始前に取り消されたため" in words(pages.site.get(f"/hours/outages/{coming.id}"))
    assert words(pages.site.get(f"/hours/outages/{uuid4()}"), 404)


def test_an_outage_is_cancelled_with_a_reason(pages: Pages) -> None:
    planned = pages.plan("2026-11-22 09:00", "2026-11-22 12:00")
    path = f"/hours/outages/{planned.id}/cancel"
    asked = words(pages.site.get(path))
    assert "計画停止は現在の時刻で終了します。" in asked
    assert "2026/11/22 システムサービス 両方 08:00–09:00、10:30–17:00 08:00–09:00、12:00–17:00" in asked
    for reason in ("", "  \n", "x" * 1001):
        assert words(pages.send(path, {}, reason=reason), 422)
    assert pages.desk.listed() == [planned]
    answer = pages.send(path, {}, reason=" 早く終わった ")
    assert (answer.status_code, answer.location) == (303, f"/hours/outages/{planned.id}")
    (cancelled,) = pages.desk.listed()
    assert (cancelled.state, cancelled.effective_end) == (OutageState.CANCELLED, NOW)
    entry = pages.trail()[-1]
    assert (entry["action"], entry["outcome"]) == ("service_hours:outage:cancel", "done")
    assert entry["subject"] == f"outage:{planned.id}"
    assert entry["actor"] == pages.site.enter(*EVERYTHING).name
    assert "早く終わった" in words(pages.site.get(f"/hours/outages/{planned.id}"))
    # Somebody else was faster, or it is over: that is told, and nothing changes.
    assert "取り消し済みです" in words(pages.send(path, {}, reason="again"), 422)
    assert words(pages.site.get(path), 409)
    later = pages.plan("2026-11-22 11:00", "2026-11-22 12:00")
    pages.clock.advance(timedelta(hours=2))
    assert words(pages.site.get(f"/hours/outages/{later.id}/cancel"), 409)
    assert words(pages.send(f"/hours/outages/{uuid4()}/cancel", {}, reason="x"), 404)


# -- planning -------------------------------------------------------------------------------------


def test_an_outage_is_planned_through_a_preview(pages: Pages) -> None:
    assert "計画停止を登録" in words(pages.site.get("/hours/outages/new"))
    preview = pages.send("/hours/outages/new", RIGHT, step="preview")
    told = words(preview)
    assert "1,788" in told
    assert "現行システム: 1,204、次期システム: 584" in told
    assert pages.asked == [date(2026, 12, 6)]
    # Both systems are shut on Sunday evening; on Monday the window leaves an hour.
    assert "2026/12/07 システムサービス 現行システム 08:00–21:00 09:00–10:00、12:00–21:00" in told
    assert "2026/12/07 システムサービス 次期システム 08:00–23:00 09:00–10:00、12:00–23:00" in told
    assert "2026/12/06 システムサービス" not in told
    assert "周知遅れ" not in told
    assert (pages.desk.listed(), pages.trail()) == ([], [])
    # What the preview sends along is what was typed, and nothing else.
    kept = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', preview.text)
    sent: dict[str, list[str]] = {}
    for name, value in kept:
        if name != "csrf_token":
            sent.setdefault(name, []).append(value)
    assert sent == RIGHT
    again = pages.send("/hours/outages/new", sent, step="edit")
    assert "機器の更改" in words(again)
    assert 'value="令和8年12月7日"' in again.text
    answer = pages.send("/hours/outages/new", sent, step="plan")
    (planned,) = pages.desk.listed()
    assert (answer.status_code, answer.location) == (303, f"/hours/outages/{planned.id}")
    window = ("2026-12-07 09:00", "2026-12-07 10:00")
    stop = outage("2026-12-06 20:00", "2026-12-07 12:00", window)
    assert planned.outage == Outage(stop.span, stop.services, stop.exceptions, "機器の更改")
    assert (planned.announced_at, planned.late_reason) == (NOW, None)
    (entry,) = pages.trail()
    assert (entry["action"], entry["actor"]) == ("service_hours:outage:plan", pages.site.enter(*EVERYTHING).name)


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"start": [""]}, "start", "停止開始"),
        ({"start": ["2026", "2", "30", "9:00"]}, "start", "停止開始"),
        ({"start": ["2026", "12", "6", "25:00"]}, "start", "停止開始"),
        ({"end": ["9998", "12", "31", "24:00"]}, "end", "カレンダーの範囲外です"),
        ({"end": ["9999", "12", "31", "24:00"]}, "end", "停止終了: この年は扱えません"),
        ({"end": ["2026", "12", "6", "20:00"]}, "end", "停止終了: 終了 令和8年12月6日（日） 20:00 が開始"),
        ({"end": ["2028", "1", "1", "0:01"]}, "end", "停止終了: 令和10年1月1日（土）はカレンダーの範囲外です"),
        (
            {"start": ["2028", "1", "1", "0:00"], "end": ["2028", "1", "1", "1:00"], "window_1_start": [""],
             "window_1_end": [""]},
            "start", "停止開始: 令和10年1月1日（土）はカレンダーの範囲外です",
        ),
        ({"services": []}, "services", "停止するサービス"),
        ({"services": ["data_stop"]}, "services", "停止するサービス"),
        ({"description": [" "]}, "description", "作業内容"),
        ({"description": ["x" * 1001]}, "description", "作業内容"),
        ({"late_reason": ["x" * 1001]}, "late_reason", "周知が遅れた理由"),
        ({"window_1_end": [""]}, "window_1_end", "開始と終了の両方"),
        ({"window_1_start": [""]}, "window_1_start", "開始と終了の両方"),
        ({"window_1_end": ["2026-12-7", "", "", "9:00"]}, "window_1_end", "より後ではありません"),
        ({"window_1_end": ["2026-12-7", "", "", "12:01"]}, "window_1_end", "計画停止の期間内にありません"),
        ({"window_1_start": ["2026-12-6", "", "", "19:59"]}, "window_1_start", "計画停止の期間内にありません"),
        ({"announced_at": ["2026-12-6", "", "", "20:00"]}, "late_reason", "周知は 令和8年12月6日（日） 20:00 です"),
        ({"announced_at": ["tomorrow", "", "", ""]}, "announced_at", "周知日時"),
        (
            {"start": ["2019", "6", "16", "9:00"], "end": ["2019", "6", "16", "10:00"], "window_1_start": [""],
             "window_1_end": [""], "late_reason": ["x"]},
            "start", "同じサービスの計画停止が 令和元年6月15日（土） 17:00 から",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_field(
    pages: Pages, changes: dict[str, list[str]], field: str, sentence: str
) -> None:
    for step in ("preview", "plan", ""):
        answer = pages.send("/hours/outages/new", {**RIGHT, **changes}, step=step)
        words(answer, 422)
        (told,) = sentences(answer)
        assert sentence in told
        assert re.search(rf'<li><a href="#{field}(-\d)?">', answer.text)
    assert pages.desk.listed() == []
    assert pages.asked == []


def test_a_late_announcement_is_planned_with_its_reason(pages: Pages) -> None:
    now = {"start": ["2026-11-22", "", "", "10:30"], "window_1_start": [""], "window_1_end": [""]}
    refused = pages.send("/hours/outages/new", {**RIGHT, **now})
    (told,) = sentences(refused)
    assert "周知が遅れた理由: 計画停止は 令和8年11月22日（日） 10:30 に始まりますが" in told
    late = {**RIGHT, **now, "late_reason": ["電話交換機の障害"]}
    assert "周知遅れとして記録されます" in words(pages.send("/hours/outages/new", late))
    assert pages.send("/hours/outages/new", late, step="plan").status_code == 303
    (planned,) = pages.desk.listed()
    assert (planned.late, planned.late_reason) == (True, "電話交換機の障害")
    assert "周知遅れ" in words(pages.site.get(f"/hours/outages/{planned.id}"))


def test_what_came_in_between_the_preview_and_the_act_is_refused_at_the_act(pages: Pages) -> None:
    words(pages.send("/hours/outages/new", RIGHT))
    other = pages.plan("2026-12-07 11:00", "2026-12-07 13:00")
    for step in ("plan", "preview"):
        answer = pages.send("/hours/outages/new", RIGHT, step=step)
        words(answer, 422)
        (told,) = sentences(answer)
        assert "令和8年12月7日（月） 11:00 から 令和8年12月7日（月） 13:00 まで" in told
    assert pages.desk.listed() == [other]


def test_there_is_room_for_some_exception_windows(pages: Pages) -> None:
    sent = dict(RIGHT)
    for count in range(2, MOST_WINDOWS + 2):
        answer = pages.send("/hours/outages/new", {**sent, "description": [""]}, step="more")
        words(answer)  # no word about what is not there yet
        shown = len(re.findall(r'id="window_\d_start"', answer.text))
        assert shown == min(count, MOST_WINDOWS)
        assert ('value="more"' in answer.text) is (shown < MOST_WINDOWS)
        sent |= {f"window_{shown}_start": ["", "", "", ""], f"window_{shown}_end": ["", "", "", ""]}
    sent["window_5_start"], sent["window_5_end"] = ["2026-12-6", "", "", "21:00"], ["2026-12-6", "", "", "24:00"]
    assert pages.send("/hours/outages/new", sent, step="plan").status_code == 303
    (planned,) = pages.desk.listed()
    assert [window.start for window in planned.outage.exceptions] == [
        tokyo("2026-12-06 21:00"),
        tokyo("2026-12-07 09:00"),
    ]


def test_a_stop_that_changes_no_hours_says_so_and_one_of_a_year_is_told_in_short(pages: Pages) -> None:
    night = {
        "start": ["2026-12-6", "", "", "2:00"],
        "end": ["2026-12-6", "", "", "5:00"],
        "services": ["system"],
        "window_1_start": [""],
        "window_1_end": [""],
    }
    assert "提供時間は変わりません。" in words(pages.send("/hours/outages/new", {**RIGHT, **night}))
    year = pages.send("/hours/outages/new", {**RIGHT, **night, "end": ["2027-12-6", "", "", "5:00"]})
    assert re.search(r"このほか、以降の日に\d+件あります。", words(year))
    assert len(re.findall(r"<tr>\s*<th scope=\"row\">", year.text)) == MOST_ROWS
