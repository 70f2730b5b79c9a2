"""The day's upload limits: every vector of the rules, every boundary, and what always holds."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from chukan.tenants.limits.component import component
from chukan.tenants.limits.data import limits_of, shipped_limits
from chukan.tenants.limits.errors import LimitsMalformed, LimitUnknown, PopulationMissing
from chukan.tenants.limits.rules import Amount, Decision, LimitKind, Verdict, daily_limit, decide, terms_on

DAY = date(2026, 11, 21)
CITY, PREFECTURE, UNION = LimitKind.MUNICIPALITY, LimitKind.PREFECTURE, LimitKind.UNION
NOTHING = Amount(0, 0)


def limit(kind: LimitKind, population: int | None) -> Amount:
    return daily_limit(terms_on(shipped_limits().upload, kind, DAY), population)


@pytest.mark.parametrize(
    ("kind", "population", "expected", "at_5_kb", "at_10_kb"),
    [
        pytest.param(CITY, 200_000, Amount(2_000_000, 2_000_000), 400_000, 200_000, id="C01, the sources' own example"),
        pytest.param(CITY, 3_778_318, Amount(3_778_318, 37_783_180), 3_778_318, 3_778_318, id="C02 Yokohama"),
        pytest.param(CITY, 2_333_406, Amount(2_333_406, 23_334_060), 2_333_406, 2_333_406, id="C04 Nagoya"),
        pytest.param(CITY, 1_975_065, Amount(2_000_000, 19_750_650), 2_000_000, 1_975_065, id="C05 Sapporo"),
        pytest.param(CITY, 1_999_999, Amount(2_000_000, 19_999_990), 2_000_000, 1_999_999, id="C06 one below"),
        pytest.param(CITY, 2_000_000, Amount(2_000_000, 20_000_000), 2_000_000, 2_000_000, id="C07 at it"),
        pytest.param(CITY, 2_000_001, Amount(2_000_001, 20_000_010), 2_000_001, 2_000_001, id="C08 one above"),
        pytest.param(CITY, 948_147, Amount(2_000_000, 9_481_470), 1_896_294, 948_147, id="C09 Setagaya, a ward"),
        pytest.param(CITY, 169, Amount(2_000_000, 1_690), 338, 169, id="C11 Aogashima"),
        pytest.param(PREFECTURE, 14_064_696, Amount(2_000_000, 14_064_696), 2_000_000, 1_406_469, id="C13 Tokyo"),
        pytest.param(
            PREFECTURE, 2_000_000, Amount(2_000_000, 2_000_000), 400_000, 200_000, id="C24 flat for a prefecture"
        ),
        pytest.param(UNION, 33_951, Amount(2_000_000, 101_853), 20_370, 10_185, id="C16 three towns"),
    ],
)
def test_the_limits_of_the_day_are_the_sources(
    kind: LimitKind, population: int, expected: Amount, at_5_kb: int, at_10_kb: int
) -> None:
    day = limit(kind, population)
    assert day == expected
    for size, most in ((5, at_5_kb), (10, at_10_kb)):
        assert decide(day, NOTHING, Amount(most, most * size)).verdict is Verdict.ACCEPTED
        assert not decide(day, NOTHING, Amount(most + 1, (most + 1) * size)).accepted


LARGE = Amount(2_000_000, 2_000_000)


@pytest.mark.parametrize(
    ("used", "asked", "verdict"),
    [
        pytest.param(NOTHING, Amount(2_100_000, 1), Verdict.TOO_MANY_RECORDS, id="C17 together too many"),
        pytest.param(NOTHING, Amount(2_000_000, 2_000_000), Verdict.ACCEPTED, id="C18 exactly at both"),
        pytest.param(NOTHING, Amount(300_000, 2_100_000), Verdict.TOO_LARGE, id="C19 size binds"),
        pytest.param(Amount(1_999_990, 1), Amount(11, 11), Verdict.TOO_MANY_RECORDS, id="C20 one too many of the day"),
        pytest.param(Amount(1_999_990, 1), Amount(10, 10), Verdict.ACCEPTED, id="C20 exactly the rest"),
        pytest.param(LARGE, Amount(1, 1), Verdict.TOO_MANY_AND_TOO_LARGE, id="a day used up"),
        pytest.param(Amount(3_000_000, 3_000_000), Amount(1, 1), Verdict.TOO_MANY_AND_TOO_LARGE, id="a day overdrawn"),
        pytest.param(NOTHING, Amount(0, 5), Verdict.NOTHING_IN_IT, id="C23 no record"),
        pytest.param(NOTHING, Amount(5, 0), Verdict.NOTHING_IN_IT, id="C23 no byte"),
        pytest.param(NOTHING, Amount(5, -1), Verdict.NOTHING_IN_IT, id="C23 less than nothing"),
    ],
)
def test_a_file_is_taken_whole_or_not_at_all(used: Amount, asked: Amount, verdict: Verdict) -> None:
    assert decide(LARGE, used, asked).verdict is verdict


def test_an_exempted_organisation_may_go_over_and_it_shows() -> None:
    over = decide(LARGE, LARGE, Amount(500_000, 1), exempted=True)
    assert over == Decision(Verdict.EXEMPTED, NOTHING)
    assert over.accepted
    assert decide(LARGE, NOTHING, Amount(1, 1), exempted=True).verdict is Verdict.ACCEPTED
    assert decide(LARGE, NOTHING, NOTHING, exempted=True).verdict is Verdict.NOTHING_IN_IT


@pytest.mark.parametrize("population", [None, 0, -1])
def test_without_a_population_there_is_no_limit_to_compute(population: int | None) -> None:
    with pytest.raises(PopulationMissing):
        limit(UNION, population)


def test_before_the_first_terms_nothing_is_guessed() -> None:
    with pytest.raises(LimitUnknown):
        terms_on(shipped_limits().upload, CITY, date(2018, 12, 30))


def test_of_several_terms_the_newest_that_began_holds() -> None:
    old, new = ({**TERMS, "valid_from": date(2019, 1, 1)}, {**TERMS, "valid_from": DAY, "flat_records": 7})
    terms = limits_of({"sizes": {"bytes_per_kb": 1024}, "upload": [new, old]}).upload
    assert terms_on(terms, CITY, date(2026, 11, 20)).flat_records == 5
    assert terms_on(terms, CITY, DAY).flat_records == 7


TERMS = {
    "kind": "municipality",
    "flat_records": 5,
    "share_percent": 100,
    "kb_per_record": 10,
    "valid_from": DAY,
    "source": "here",
}


@pytest.mark.parametrize(
    ("upload", "part"),
    [
        ([TERMS, TERMS], "twice"),
        ([{**TERMS, "flat_records": 0}], "upload.0.flat_records"),
        ([{**TERMS, "kind": "village"}], "upload.0.kind"),
        ([{**TERMS, "wrong": 1}], "upload.0.wrong"),
    ],
)
def test_limits_that_make_no_sense_are_named(upload: list[dict[str, Any]], part: str) -> None:
    with pytest.raises(LimitsMalformed) as caught:
        limits_of({"sizes": {"bytes_per_kb": 1024}, "upload": upload})
    assert part in caught.value.told()


@pytest.mark.parametrize(("size", "kb"), [(1, 1), (1023, 1), (1024, 1), (1025, 2), (10_240, 10)])
def test_a_begun_kilobyte_is_a_whole_one(size: int, kb: int) -> None:
    assert shipped_limits().kilobytes(size) == kb


AMOUNTS = st.builds(Amount, st.integers(0, 5_000_000), st.integers(0, 50_000_000))


@given(AMOUNTS, st.lists(AMOUNTS, max_size=8))
def test_what_was_taken_in_a_day_never_passes_either_limit(day: Amount, files: list[Amount]) -> None:
    used = NOTHING
    for file in files:
        if decide(day, used, file).accepted:
            used = used + file
    assert used.records <= day.records
    assert used.kb <= day.kb


# -- the command ----------------------------------------------------------------------------------


def answer(*args: str) -> Any:
    result = CliRunner().invoke(component().commands[0].command, ["upload", *args, "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    return json.loads(result.stdout)


def test_the_command_answers_with_the_limits_and_no_reason_for_what_fits() -> None:
    asked = answer("--kind", "municipality", "--population", "200000", "--records", "400000", "--size-kb", "2000000")
    assert asked == {"max_records": 2_000_000, "max_kb": 2_000_000, "accepted": True, "reason": None}
    assert answer("--kind", "union", "--population", "33951")["max_kb"] == 101_853


def test_the_command_says_what_is_left_of_the_day() -> None:
    asked = answer("--kind", "municipality", "--population", "200000", "--records", "11", "--size-kb", "11",
                   "--used-records", "1999990", "--used-kb", "5")  # fmt: skip
    assert asked["accepted"] is False
    assert "10" in asked["reason"]
    assert "1,999,995" in asked["reason"]


def test_the_command_answers_that_nobody_is_no_base() -> None:
    asked = answer("--kind", "union", "--population", "0", "--records", "1")
    assert (asked["max_records"], asked["max_kb"], asked["accepted"]) == (None, None, False)
    assert asked["reason"]


def test_the_command_tells_people_in_words() -> None:
    command = component().commands[0].command
    told = CliRunner().invoke(command, ["upload", "--kind", "prefecture", "--population", "14064696"])
    assert "14064696 KB" in told.output
