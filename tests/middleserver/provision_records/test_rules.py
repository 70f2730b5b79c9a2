"""How two parties' records are compared, and how long they are kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.tenants.middleserver.provision_records.rules import (
    KIND_WORDS,
    DifferenceKind,
    Fact,
    Result,
    Side,
    compared,
    deletable_on,
    kept_from,
    spans,
)

ASKED = datetime(2026, 7, 1, 3, 0, 0, tzinfo=UTC)
BEFORE = ASKED + timedelta(days=1)
FACT = Fact(
    side=Side.PROVIDER,
    inquirer="0113010111234567",
    serial="S0000000000000000001",
    provider="0220113112101701",
    affair="JM00000000000001",
    procedure="JT00000000000001",
    information="TM00000000000002",
    requested_at=ASKED,
    answered_at=ASKED + timedelta(seconds=2),
    result=Result.PROVIDED,
    non_disclosure=False,
)
OPEN = replace(FACT, answered_at=None, result=Result.REQUESTED)


def names(ours: Fact | None, theirs: Fact | None, before: datetime = BEFORE) -> list[tuple[str, ...]]:
    found = compared([ours] if ours else [], [theirs] if theirs else [], before=before)
    return [(each.kind.value, *each.fields) for each in found]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"provider": "1" * 16}, "provider"),
        ({"affair": "JM00000000000002"}, "affair"),
        ({"procedure": "JT00000000000002"}, "procedure"),
        ({"information": "TM00000000000016"}, "information"),
        ({"requested_at": ASKED + timedelta(seconds=1)}, "requested_at"),
        ({"answered_at": ASKED + timedelta(seconds=3)}, "answered_at"),
        ({"result": Result.REFUSED}, "result"),
        ({"non_disclosure": True}, "non_disclosure"),
    ],
)
def test_each_field_that_differs_is_named(change: dict[str, object], field: str) -> None:
    assert names(FACT, replace(FACT, **change)) == [("differs", field)]  # type: ignore[arg-type]
    assert names(FACT, FACT) == []


@pytest.mark.parametrize(
    "change", [{"reception": "1"}, {"person": b"x"}, {"requested_at": ASKED.replace(microsecond=9)}]
)
def test_what_only_one_party_has_is_not_compared(change: dict[str, object]) -> None:
    assert names(FACT, replace(FACT, **change)) == []  # type: ignore[arg-type]


def test_a_record_that_one_party_lacks_is_found() -> None:
    assert names(None, FACT) == [("missing_here",)]
    assert names(FACT, None) == [("missing_there",)]


def test_what_has_just_happened_may_be_on_its_way() -> None:
    assert names(None, FACT, before=ASKED) == [], "asked just now"
    ended = FACT.answered_at
    assert ended is not None
    assert names(OPEN, FACT, before=ended) == [], "ended just now"
    assert names(OPEN, FACT, before=ended + timedelta(seconds=1)) == [("differs", "answered_at", "result")]
    assert names(replace(OPEN, provider="1" * 16), FACT, before=ended) == [("differs", "provider")]


def test_whether_it_is_deferred_is_no_difference_as_long_as_nothing_is_final() -> None:
    assert names(OPEN, replace(OPEN, result=Result.DEFERRED)) == []


def test_two_final_results_are_compared_however_young_they_are() -> None:
    other = replace(FACT, result=Result.CANCELLED)
    assert names(FACT, other, before=ASKED + timedelta(seconds=1)) == [("differs", "result")]


def test_an_instant_of_the_answer_belongs_to_a_final_result() -> None:
    with pytest.raises(ValueError, match="final"):
        replace(FACT, answered_at=None)
    with pytest.raises(ValueError, match="final"):
        replace(FACT, result=Result.DEFERRED)


FACTS = st.builds(
    replace,
    st.just(FACT),
    serial=st.sampled_from([f"S{n:019d}" for n in range(4)]),
    side=st.sampled_from(Side),
    information=st.sampled_from(["TM00000000000002", "TM00000000000016"]),
)


@given(st.lists(FACTS, max_size=8), st.lists(FACTS, max_size=8))
def test_a_difference_is_found_from_either_side(ours: list[Fact], theirs: list[Fact]) -> None:
    mirrored = {
        DifferenceKind.MISSING_HERE: DifferenceKind.MISSING_THERE,
        DifferenceKind.MISSING_THERE: DifferenceKind.MISSING_HERE,
        DifferenceKind.DIFFERS: DifferenceKind.DIFFERS,
    }
    found = [(each.key, each.kind, each.fields) for each in compared(ours, theirs, before=BEFORE)]
    back = [(each.key, mirrored[each.kind], each.fields) for each in compared(theirs, ours, before=BEFORE)]
    assert found == back
    assert compared(ours, ours, before=BEFORE) == []


def test_every_kind_of_difference_has_its_words() -> None:
    assert set(KIND_WORDS) == set(DifferenceKind)


# -- how long they are kept --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recorded", "deletable"),
    [
        pytest.param(date(2019, 6, 17), date(2026, 6, 18), id="C89"),
        pytest.param(date(2016, 2, 29), date(2023, 3, 1), id="a leap day"),
        pytest.param(date(2017, 2, 28), date(2024, 2, 29), id="into a leap year"),
    ],
)
def test_a_record_is_kept_for_seven_full_years(recorded: date, deletable: date) -> None:
    assert deletable_on(recorded) == deletable


@given(st.dates(date(2017, 7, 18), date(2040, 1, 1)))
def test_what_is_kept_on_a_day_is_just_what_is_not_deletable_then(today: date) -> None:
    first = kept_from(today)
    assert deletable_on(first) > today
    assert deletable_on(first - timedelta(days=1)) <= today


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(0, 70), st.integers(1, 10))
def test_spans_cover_each_day_once(first: date, days: int, size: int) -> None:
    last = first + timedelta(days=days)
    covered = [
        begin + timedelta(days=n) for begin, end in spans(first, last, size) for n in range((end - begin).days + 1)
    ]
    assert covered == [first + timedelta(days=n) for n in range(days + 1)]
