"""How many inquiries and until when: every vector of rules C.2, every boundary, and what always holds."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.clock import TOKYO
from chukan.platform.messages import language
from chukan.platform.service_hours.rules import Generation
from chukan.tenants.limits.cli import closing_after
from chukan.tenants.limits.component import component
from chukan.tenants.limits.data import limits_of, shipped_limits
from chukan.tenants.limits.errors import InquiryLimitUnknown, LimitsMalformed
from chukan.tenants.limits.inquiries import (
    AskedRows,
    InquiryDecision,
    InquiryVerdict,
    Mode,
    Spacing,
    batches,
    decide_inquiries,
    inquiry_terms_on,
    is_overload,
    most_before,
    spacing,
)

TERMS = inquiry_terms_on(shipped_limits().inquiries, date(2019, 6, 10))
A, B = Mode.REQUESTS, Mode.AT_ONCE


def at(clock: str, day: int = 10) -> datetime:
    """Return an instant of June 2019; the 8th is a Saturday, the 10th a Monday."""
    hour, minute, second = (int(part) for part in f"{clock}:00".split(":")[:3])
    return datetime(2019, 6, day, hour, minute, second, tzinfo=TOKYO)


def judged(clock: str, rows: int, *, recent: int = 0, running: bool = False, mode: Mode = A, day: int = 10,
           every: int | None = None) -> InquiryDecision:  # fmt: skip
    instant = at(clock, day)
    closes = closing_after(instant, Generation.CURRENT)
    return decide_inquiries(TERMS, AskedRows(rows, instant, closes, recent, running, mode, every))


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (14, Spacing.TOO_CLOSE), (15, Spacing.CLOSE), (19, Spacing.CLOSE), (20, Spacing.RECOMMENDED),
    ],
)  # fmt: skip
def test_c33_thousands_by_a_clock_stand_fifteen_minutes_apart_and_better_twenty(
    minutes: int, expected: Spacing
) -> None:
    assert spacing(TERMS, 1_000, minutes) is expected
    told = judged("10:00", 1_000, every=minutes)
    assert told.accepted is (expected is not Spacing.TOO_CLOSE)
    assert told.risk is (expected is not Spacing.RECOMMENDED)


@pytest.mark.parametrize(("rows", "requests"), [(1, 1), (2_999, 1), (3_000, 1), (3_001, 2), (6_000, 2), (6_001, 3)])
def test_c34_more_than_three_thousand_are_several_requests(rows: int, requests: int) -> None:
    assert batches(TERMS, rows) == requests
    assert judged("10:00", rows).batches == requests


OK, CLOSED, HOUR_FULL = InquiryVerdict.ACCEPTED, InquiryVerdict.CLOSED, InquiryVerdict.TOO_MANY_IN_AN_HOUR
LATE, RUNNING = InquiryVerdict.NOT_BEFORE_CLOSE, InquiryVerdict.STILL_RUNNING


@pytest.mark.parametrize(
    ("clock", "rows", "recent", "mode", "verdict", "risk"),
    [
        pytest.param("10:00", 1_000, 2_999, B, OK, False, id="C35 3,999 in an hour"),
        pytest.param("10:00", 1_000, 3_000, B, OK, True, id="C35 4,000 are a risk"),
        pytest.param("10:00", 1_000, 2_999, A, OK, False, id="C35 by requests"),
        pytest.param("10:00", 1_000, 3_000, A, OK, True, id="C35 by requests, a risk"),
        pytest.param("10:00", 10_000, 0, B, OK, True, id="C36 10,000 at once"),
        pytest.param("10:00", 10_001, 0, B, HOUR_FULL, True, id="C36 one more"),
        pytest.param("10:00", 3_000, 7_000, B, OK, True, id="C36 the tenth thousand"),
        pytest.param("10:00", 3_001, 7_000, B, HOUR_FULL, True, id="C36 one above"),
        pytest.param("10:10", 6_000, 6_000, B, HOUR_FULL, True, id="C37 twelve thousand in twenty minutes"),
        pytest.param("10:10", 6_000, 6_000, A, HOUR_FULL, True, id="C37 by requests"),
        pytest.param("17:15", 11_000, 0, A, OK, True, id="C38 what fits"),
        pytest.param("17:15", 11_250, 0, A, LATE, True, id="C38 ends as it closes"),
        pytest.param("18:30", 10_000, 0, A, LATE, True, id="C39"),
        pytest.param("18:30", 10_000, 0, B, LATE, True, id="C39 at once"),
        pytest.param("17:30", 10_000, 0, A, OK, True, id="C40"),
        pytest.param("17:30", 10_000, 0, B, OK, True, id="C40 at once"),
        pytest.param("20:59", 1, 0, A, OK, False, id="C42 one a minute before"),
        pytest.param("21:00", 1, 0, A, CLOSED, False, id="C42 closed"),
        pytest.param("08:00", 1, 0, A, OK, False, id="as it opens"),
        pytest.param("07:59:59", 1, 0, A, CLOSED, False, id="before it opens"),
    ],
)
def test_the_vectors(clock: str, rows: int, recent: int, mode: Mode, verdict: InquiryVerdict, *, risk: bool) -> None:
    told = judged(clock, rows, recent=recent, mode=mode)
    assert (told.verdict, told.risk) == (verdict, risk)


def test_c38_the_largest_number_is_told_in_whole_thousands() -> None:
    assert judged("17:15", 12_000).most == 11_000
    assert most_before(TERMS, at("17:15"), at("21:00")) == 11_000
    assert most_before(TERMS, at("20:59"), at("21:00")) == 49
    assert most_before(TERMS, at("20:59:59"), at("21:00")) == 0


def test_c39_and_c40_their_ends() -> None:
    late, early = judged("18:30", 10_000), judged("17:30", 10_000)
    assert (late.finish_best, late.finish_worst) == (at("21:00"), at("21:50"))
    assert (early.finish_best, early.finish_worst) == (at("20:00"), at("20:50"))


def test_the_next_request_waits_for_the_one_before() -> None:
    assert judged("10:00", 1, running=True).verdict is RUNNING


def test_on_a_saturday_it_closes_at_five() -> None:
    assert judged("15:00", 5_000, day=8).accepted
    assert judged("15:00", 6_000, day=8).verdict is LATE


@pytest.mark.parametrize(("count", "risk"), [(3_999, False), (4_000, True)])
def test_the_line_of_overload(count: int, *, risk: bool) -> None:
    assert is_overload(TERMS, count) is risk


ROWS = st.integers(1, 30_000)
MINUTES = st.integers(0, 24 * 60 - 1)


@given(ROWS, MINUTES, st.integers(0, 12_000), st.sampled_from(Mode))
def test_what_is_accepted_ends_before_the_close_and_stays_below_the_ceiling(
    rows: int, minute: int, recent: int, mode: Mode
) -> None:
    told = judged(f"{minute // 60:02}:{minute % 60:02}", rows, recent=recent, mode=mode)
    assert told.finish_best <= told.finish_worst
    if told.accepted:
        closes = closing_after(at(f"{minute // 60:02}:{minute % 60:02}"), Generation.CURRENT)
        assert closes is not None
        assert told.finish_worst < closes
        assert recent + min(rows, 6_000) <= TERMS.most_per_hour


@given(ROWS, st.integers(8 * 60, 21 * 60 - 1))
def test_the_largest_number_that_is_told_would_end_in_time(rows: int, minute: int) -> None:
    clock = f"{minute // 60:02}:{minute % 60:02}"
    told = judged(clock, rows)
    if told.most:
        assert judged(clock, told.most).verdict is not LATE
    if told.verdict is LATE:
        assert told.most < rows


def test_before_the_first_terms_nothing_is_guessed() -> None:
    with pytest.raises(InquiryLimitUnknown):
        inquiry_terms_on(shipped_limits().inquiries, date(2018, 12, 30))


STATED: dict[str, Any] = {
    "rows_per_request": 3_000, "overload_per_hour": 4_000, "most_per_hour": 10_000, "best_minutes_per_thousand": 15,
    "worst_minutes_per_thousand": 20, "valid_from": date(2019, 1, 1), "source": "here",
}  # fmt: skip


def test_terms_that_are_eased_later_hold_from_their_day_on() -> None:
    eased = {**STATED, "valid_from": date(2019, 10, 1), "most_per_hour": 20_000}
    terms = limits_of({"sizes": {"bytes_per_kb": 1024}, "upload": [], "inquiries": [eased, STATED]}).inquiries
    assert inquiry_terms_on(terms, date(2019, 9, 30)).most_per_hour == 10_000
    assert inquiry_terms_on(terms, date(2019, 10, 1)).most_per_hour == 20_000
    assert replace(TERMS, valid_from=date(2019, 1, 1)) == terms[1]


@pytest.mark.parametrize(
    "inquiries",
    [[STATED, STATED], [{**STATED, "overload_per_hour": 10_001}], [{**STATED, "best_minutes_per_thousand": 21}]],
)
def test_terms_that_contradict_themselves_are_refused(inquiries: list[dict[str, Any]]) -> None:
    with pytest.raises(LimitsMalformed):
        limits_of({"sizes": {"bytes_per_kb": 1024}, "upload": [], "inquiries": inquiries})


# -- the command ----------------------------------------------------------------------------------


def answer(*args: str) -> Any:
    result = CliRunner().invoke(component().commands[0].command, ["inquiries", *args, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_command_answers_with_ends_in_tokyo() -> None:
    assert answer("--at", "2019-06-10T17:30:00+09:00", "--rows", "10000") == {
        "accepted": True,
        "reason": None,
        "batches": 4,
        "finish_best": "2019-06-10T20:00:00+09:00",
        "finish_worst": "2019-06-10T20:50:00+09:00",
        "risk": True,
    }


def test_the_command_says_how_many_would_end_in_time() -> None:
    told = answer("--at", "2019-06-10T17:15:00+09:00", "--rows", "12000")
    assert told["accepted"] is False
    assert "11,000" in told["reason"]


def test_what_is_refused_at_a_closed_service_has_no_end() -> None:
    told = answer("--at", "2019-06-10T21:00:00+09:00", "--rows", "1")
    assert (told["accepted"], told["finish_best"], told["finish_worst"]) == (False, None, None)


def test_in_the_next_system_it_closes_later() -> None:
    late = ("--at", "2021-08-11T21:30:00+09:00", "--rows", "1000")
    assert answer(*late)["accepted"] is False
    assert answer(*late, "--generation", "next")["accepted"] is True


def test_the_command_takes_what_ran_before_and_the_mode() -> None:
    asked = ("--at", "2019-06-10T10:10:00+09:00", "--rows", "6000", "--recent-hour", "6000")
    assert answer(*asked, "--mode", "b")["accepted"] is False
    assert answer("--at", "2019-06-10T10:10:00+09:00", "--rows", "1", "--running")["accepted"] is False


@pytest.mark.parametrize("wrong", [["--rows", "0"], ["--rows", "1", "--mode", "c"], ["--rows", "x"]])
def test_bad_input_is_bad_input(wrong: list[str]) -> None:
    command = component().commands[0].command
    result = CliRunner().invoke(command, ["inquiries", "--at", "2019-06-10T10:00:00+09:00", *wrong])
    assert result.exit_code == 2


def test_the_command_tells_people_in_words() -> None:
    command = component().commands[0].command
    told = CliRunner().invoke(command, ["inquiries", "--at", "2019-06-10T10:00:00+09:00", "--rows", "4000"])
    assert "2019-06-10T11:20:00+09:00" in told.output
    assert timedelta(hours=1) == TERMS.best(4_000)


# -- what is said of it -----------------------------------------------------------------------------


def said(*args: str) -> str:
    """Return what people are told in Japanese."""
    with language("ja"):
        result = CliRunner().invoke(component().commands[0].command, ["inquiries", *args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


TEN = "2019-06-10T10:00:00+09:00"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("--at", TEN, "--rows", "6000", "--recent-hour", "6000", "--mode", "b"), ("10,000 件", "残りは 4,000 件")),
        (("--at", TEN, "--rows", "1", "--recent-hour", "10000"), ("10,000 件", "残りは 0 件")),
        (("--at", TEN, "--rows", "1000", "--every", "14"), ("15 分以上", "推奨 20 分以上")),
        (("--at", TEN, "--rows", "2500", "--every", "37"), ("38 分以上", "推奨 50 分以上")),
        (("--at", TEN, "--rows", "1000", "--every", "19"), ("登録できます", "20 分以上の間隔を推奨")),
        (("--at", "2019-06-10T20:59:59+09:00", "--rows", "1"), ("完了できる照会はありません", "開始時刻以降")),
        (("--at", "2019-06-10T21:00:00+09:00", "--rows", "1"), ("サービス時間外", "サービス時間内に登録")),
        (("--at", TEN, "--rows", "4000"), ("自治体中間サーバー", "リソース不足")),
    ],
)
def test_people_are_told_the_numbers_and_what_to_do(asked: tuple[str, ...], expected: tuple[str, ...]) -> None:
    told = said(*asked)
    assert [each for each in expected if each not in told] == []


def test_at_the_recommended_distance_there_is_nothing_to_note() -> None:
    assert "推奨" not in said("--at", TEN, "--rows", "1000", "--every", "20")


@pytest.mark.parametrize("huge", [("--rows", "99999999999999"), ("--rows", "1", "--every", "999999999999999")])
def test_numbers_beyond_all_reason_are_bad_input(huge: tuple[str, ...]) -> None:
    result = CliRunner().invoke(component().commands[0].command, ["inquiries", "--at", TEN, *huge, "--json"])
    assert result.exit_code == 2, result.output
