"""The rules of provisions: the table of C.3, bars at every level, what is given, and the states."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.service_hours.deadlines import Answerable, Validity
from chukan.tenants.middleserver.duplicate_copies.copies import Copy
from chukan.tenants.middleserver.provisions.rules import (
    CAUSE_WORDS,
    STATE_WORDS,
    TRANSITIONS,
    Bar,
    BarKind,
    Cause,
    Event,
    Period,
    State,
    answerable,
    chosen,
    counted,
    holding,
    linked_datasets,
    linked_versions,
    period,
)
from chukan.tenants.middleserver.security.masters.rules import Dataset, Layout, RevisionKind
from support.copies import NOW

VALIDITY = Validity(
    deadline="provision", days=30, counts_first_day=False, valid_from=date(2017, 7, 18), source="a test"
)
DAY = timedelta(days=1)
JUNE_14, JUNE_17, JULY_14 = date(2019, 6, 14), date(2019, 6, 17), date(2019, 7, 14)


def layout(
    information: int, version: int, linked_from: date, kind: RevisionKind, *datasets: Dataset, minor: int = 0
) -> Layout:
    return Layout(
        information=f"TM{information:014d}",
        version=version,
        valid_from=date(2017, 7, 18),
        linked_from=linked_from,
        datasets=datasets,
        revisions=frozenset({kind}),
        minor=minor,
    )


ONE, TWO = Dataset("0101", "one", ()), Dataset("0102", "two", ())
#: 16: version 3 gives way to version 4 retroactively on 2019-06-17.
CHILD_REARING = (
    layout(16, 3, date(2017, 7, 18), RevisionKind.MAJOR, ONE),
    layout(16, 4, JUNE_17, RevisionKind.MAJOR_RETROACTIVE, ONE),
)
#: 31: a minor revision abolishes the dataset 0103 on 2019-06-17.
ABOLISHED = replace(Dataset("0103", "three", ()), abolished_on=JUNE_17)
MEDICAL = (
    layout(31, 1, date(2017, 7, 18), RevisionKind.MAJOR, ONE, replace(ABOLISHED, abolished_on=None)),
    layout(31, 1, JUNE_17, RevisionKind.DATASET_ABOLISHED, ONE, ABOLISHED, minor=1),
)
#: 8: a revision that is not retroactive on 2018-07-01.
DISABILITY = (
    layout(8, 1, date(2017, 7, 18), RevisionKind.MAJOR, ONE),
    layout(8, 2, date(2018, 7, 1), RevisionKind.MAJOR, ONE),
)


@pytest.mark.parametrize(
    ("layouts", "requested", "today", "expected", "versions", "datasets"),
    [
        pytest.param(MEDICAL, JUNE_14, JUNE_17, "yes", {1}, {(1, "0101"), (1, "0103")}, id="C50"),
        pytest.param(MEDICAL, JUNE_14, JULY_14, "yes", {1}, {(1, "0101"), (1, "0103")}, id="C51"),
        pytest.param(MEDICAL, JUNE_14, JULY_14 + DAY, "expired", {1}, {(1, "0101"), (1, "0103")}, id="C52"),
        pytest.param(MEDICAL, JUNE_17, JUNE_17, "yes", {1}, {(1, "0101")}, id="abolished for a later request"),
        pytest.param(CHILD_REARING, JUNE_14, JUNE_14, "yes", {3}, {(3, "0101")}, id="C53"),
        pytest.param(CHILD_REARING, JUNE_14, JUNE_17, "layout_changed", {4}, {(4, "0101")}, id="A0-030"),
        pytest.param(CHILD_REARING, JUNE_17, JUNE_17 + DAY, "yes", {4}, {(4, "0101")}, id="C55"),
        pytest.param(
            DISABILITY, date(2018, 6, 30), date(2018, 7, 1), "yes", {1, 2}, {(1, "0101"), (2, "0101")}, id="C57"
        ),
        pytest.param((), JUNE_14, JUNE_14, "yes", set(), set(), id="an information that is not known"),
    ],
)
def test_the_layout_decides_with_the_days_of_request_and_answer(  # noqa: PLR0917 - one row of a table
    layouts: tuple[Layout, ...],
    requested: date,
    today: date,
    expected: str,
    versions: set[int],
    datasets: set[tuple[int, str]],
) -> None:
    assert answerable(requested, today, layouts, VALIDITY) is Answerable(expected)
    assert linked_versions(layouts, today) == versions
    assert linked_datasets(layouts, requested, today) == datasets


def test_a_dataset_that_was_added_later_does_not_serve_a_request_from_before() -> None:
    added = replace(TWO, added_on=JUNE_17)
    layouts = (
        layout(2, 1, date(2017, 7, 18), RevisionKind.MAJOR, ONE),
        layout(2, 1, JUNE_17, RevisionKind.DATASET_ADDED, ONE, added, minor=1),
    )
    assert linked_datasets(layouts, JUNE_14, JUNE_17) == {(1, "0101")}
    assert linked_datasets(layouts, JUNE_17, JUNE_17) == {(1, "0101"), (1, "0102")}


# -- bars --------------------------------------------------------------------------------------------

ALICE, BOB = b"alice", b"bob"


@pytest.mark.parametrize(
    ("bar", "holds", "cause"),
    [
        (Bar(BarKind.BAR), True, Cause.BARRED_ORGANISATION),
        (Bar(BarKind.BAR, 2), True, Cause.BARRED_INFORMATION),
        (Bar(BarKind.BAR, 16), False, None),
        (Bar(BarKind.BAR, 2, "0101"), True, Cause.BARRED_DATASET),
        (Bar(BarKind.BAR, 2, "0102"), False, None),
        (Bar(BarKind.BAR, person=ALICE), True, Cause.BARRED_PERSON),
        (Bar(BarKind.BAR, person=BOB), False, None),
        (Bar(BarKind.BAR, 2, person=ALICE), True, Cause.BARRED_PERSON),
        (Bar(BarKind.BAR, 16, person=ALICE), False, None),
        (Bar(BarKind.BAR, 2, "0101", ALICE), True, Cause.BARRED_PERSON),
        (Bar(BarKind.BAR, 2, "0102", ALICE), False, None),
        (Bar(BarKind.RESTRICTION, 2), True, Cause.RESTRICTED),
        (Bar(BarKind.RESTRICTION, 2, "0101", ALICE), True, Cause.RESTRICTED),
        (Bar(BarKind.RESTRICTION, 16), False, None),
    ],
)
def test_a_bar_holds_at_its_level(bar: Bar, holds: bool, cause: Cause | None) -> None:
    found = holding([bar], information=2, person=ALICE, datasets={"0101"})
    assert bool(found) is holds
    assert [each.cause for each in found] == ([cause] if cause else [])


def test_a_bar_of_a_dataset_holds_only_where_the_answer_tells_of_it() -> None:
    bar = Bar(BarKind.BAR, 2, "0101")
    assert holding([bar], information=2, person=ALICE, datasets=()) == []


BARS = st.builds(
    Bar,
    st.sampled_from(BarKind),
    st.none() | st.sampled_from([2, 16]),
    st.none(),
    st.none() | st.sampled_from([ALICE, BOB]),
)


@given(st.lists(BARS, max_size=6), st.sampled_from([2, 16]), st.sets(st.sampled_from(["0101", "0102"])))
def test_who_is_barred_as_a_person_is_held_back_whatever_else_is_set(
    bars: list[Bar], information: int, datasets: set[str]
) -> None:
    protected = Bar(BarKind.BAR, person=ALICE)
    found = holding([*bars, protected], information=information, person=ALICE, datasets=datasets)
    assert protected in found
    assert found[0].cause is Cause.BARRED_PERSON


# -- what is given -----------------------------------------------------------------------------------


def copy(dataset: str, key: str, version: int) -> Copy:
    return Copy(
        upload=None,  # type: ignore[arg-type]  # the rules do not look at it
        address="0" * 15,
        information="TM00000000000002",
        dataset=dataset,
        key=key,
        version=version,
        parent="",
        region="210",
        published_from=JUNE_14,
        published_to=None,
        registered_at=NOW,
        items=(),
    )


def test_each_record_is_given_once_in_its_newest_linked_version() -> None:
    copies = [
        copy("0102", "b", 1),
        copy("0101", "a", 1),
        copy("0101", "a", 2),
        copy("0101", "a", 3),
        copy("0103", "c", 2),
    ]
    found = chosen(copies, {(1, "0101"), (2, "0101"), (1, "0102")})
    assert [(each.dataset, each.key, each.version) for each in found] == [("0101", "a", 2), ("0102", "b", 1)]


def test_what_is_given_is_counted_by_dataset_and_version() -> None:
    assert counted([("0102", 1), ("0101", 2), ("0102", 1)]) == [("0101", 2, 1), ("0102", 1, 2)]


@pytest.mark.parametrize(
    ("kind", "first", "last", "year", "expected"),
    [
        ("0", None, None, None, Period(JULY_14, JULY_14)),
        ("1", JUNE_14, JUNE_17, None, Period(JUNE_14, JUNE_17)),
        ("1", JUNE_14, None, None, Period(JUNE_14, None)),
        ("1", None, JUNE_17, None, Period(None, JUNE_17)),
        ("1", None, None, 2019, Period(date(2019, 4, 1), date(2020, 3, 31))),
        ("1", JUNE_14, date(2021, 1, 1), 2019, Period(JUNE_14, date(2020, 3, 31))),
    ],
)
def test_a_condition_names_days(
    kind: str, first: date | None, last: date | None, year: int | None, expected: Period
) -> None:
    assert period(kind, first, last, year, JULY_14) == expected


# -- states ------------------------------------------------------------------------------------------


def test_the_states_are_those_of_the_table_and_what_has_ended_by_the_network_stays() -> None:
    assert {state for _, state in TRANSITIONS.items()} == set(State)
    ended = {State.CANCELLED, State.EXPIRED}
    assert not any(state in ended for state, _ in TRANSITIONS)
    for state in (State.DEFERRED, State.PROVIDED, State.REFUSED):
        assert TRANSITIONS[state, Event.CANCEL] is State.CANCELLED
        assert TRANSITIONS[state, Event.EXPIRE] is State.EXPIRED
    assert (State.PROVIDED, Event.ANSWER) not in TRANSITIONS, "nothing is answered twice"


def test_every_cause_and_state_has_its_words() -> None:
    assert set(CAUSE_WORDS) == set(Cause)
    assert set(STATE_WORDS) == set(State)
