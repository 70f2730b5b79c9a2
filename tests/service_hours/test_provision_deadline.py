"""How long a request for a provision may be answered: the vectors of the rules (C.3), their boundaries, the command."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.service_hours.deadlines import (
    Answerable,
    LayoutChange,
    Validity,
    deadlines,
    provision_term,
    shipped_deadlines,
)
from chukan.platform.service_hours.errors import DeadlineUnknown
from chukan.tenants.middleserver.security.masters.standard import Standard

BY_CIVIL_CODE = Validity(
    deadline="provision", days=30, counts_first_day=False, valid_from=date(2017, 7, 18), source="a test"
)
FIRST_DAY_COUNTS = BY_CIVIL_CODE.model_copy(update={"counts_first_day": True})
YES, EXPIRED, CHANGED, NOT_YET = Answerable.YES, Answerable.EXPIRED, Answerable.LAYOUT_CHANGED, Answerable.NOT_YET


@pytest.mark.parametrize(
    ("spi", "requested", "answered", "expected"),
    [
        pytest.param(31, "2019-06-14", "2019-06-17", YES, id="C50 a dataset was abolished in between"),
        pytest.param(31, "2019-06-14", "2019-07-14", YES, id="C51 the last day"),
        pytest.param(31, "2019-06-14", "2019-07-15", EXPIRED, id="C52 the day after"),
        pytest.param(16, "2019-06-14", "2019-06-14", YES, id="C53 before a retroactive revision"),
        pytest.param(16, "2019-06-14", "2019-06-16", YES, id="the last day before a retroactive revision"),
        pytest.param(16, "2019-06-14", "2019-06-17", CHANGED, id="over a retroactive revision (A0-030)"),
        pytest.param(16, "2019-06-16", "2019-06-17", CHANGED, id="requested on the last day before it"),
        pytest.param(16, "2019-06-17", "2019-06-18", YES, id="C55 requested after it"),
        pytest.param(16, "2019-06-17", "2019-06-17", YES, id="requested and answered on its day"),
        pytest.param(8, "2018-06-30", "2018-07-01", YES, id="C57 over a revision that is not retroactive"),
        pytest.param(52, "2018-06-30", "2018-07-01", YES, id="C57 the same of 52"),
        pytest.param(2, "2018-06-30", "2018-07-01", CHANGED, id="A1-014 of 2"),
        pytest.param(21, "2018-06-30", "2018-07-01", CHANGED, id="A1-014 of 21"),
        pytest.param(21, "2018-06-29", "2018-06-30", YES, id="A1-014 before it"),
        pytest.param(16, "2019-06-14", "2019-07-15", EXPIRED, id="both: the term is told"),
        pytest.param(31, "2019-06-14", "2019-06-13", NOT_YET, id="before it was requested"),
    ],
)
def test_a_request_is_answerable_for_thirty_days_and_not_over_a_retroactive_revision(
    spi: int, requested: str, answered: str, expected: Answerable
) -> None:
    first, on = date.fromisoformat(requested), date.fromisoformat(answered)
    term = provision_term(first, on, BY_CIVIL_CODE, shipped_deadlines().changes_of(spi))
    assert term.answerable is expected
    assert term.last_valid == first + timedelta(days=30)


def test_where_the_first_day_counts_the_last_one_is_a_day_earlier() -> None:
    first = date(2019, 6, 14)
    assert FIRST_DAY_COUNTS.last_valid(first) == date(2019, 7, 13)
    assert provision_term(first, date(2019, 7, 13), FIRST_DAY_COUNTS).answerable is YES
    assert provision_term(first, date(2019, 7, 14), FIRST_DAY_COUNTS).answerable is EXPIRED


def test_the_shipped_term_counts_as_the_civil_code_and_holds_from_the_first_linkage_on() -> None:
    shipped = shipped_deadlines()
    assert shipped.validity_on(date(2019, 6, 14)).last_valid(date(2019, 6, 14)) == date(2019, 7, 14)
    with pytest.raises(DeadlineUnknown):
        shipped.validity_on(date(2017, 7, 17))


def test_the_retroactive_changes_of_the_calculator_are_those_of_the_masters() -> None:
    standard = Standard()
    told = {
        (int(layout.information[2:]), layout.linked_from)
        for head in standard.heads()
        for layout in standard.catalogue(head.sequence).all_layouts
        if layout.is_retroactive
    }
    known = {(each.information, each.linked_from) for each in shipped_deadlines().layout_changes if each.retroactive}
    assert known == told


DAYS = st.dates(date(2018, 1, 1), date(2026, 1, 1))


@given(DAYS, st.integers(0, 40), DAYS, st.booleans())
def test_only_term_and_retroactive_change_decide(requested: date, days: int, change: date, retroactive: bool) -> None:
    answered = requested + timedelta(days=days)
    changes = [LayoutChange(information=1, linked_from=change, retroactive=retroactive)]
    term = provision_term(requested, answered, BY_CIVIL_CODE, changes)
    crossed = retroactive and requested < change and answered >= change
    assert (term.answerable is YES) == (days <= 30 and not crossed)


# -- the command -------------------------------------------------------------------------------------


def run(*arguments: str) -> dict[str, object]:
    result = CliRunner().invoke(deadlines, ["provision", *arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    told: dict[str, object] = json.loads(result.stdout)
    return told


def test_the_command_answers_in_json() -> None:
    right = run("--spi", "31", "--requested", "2019-06-14", "--answered", "2019-07-14")
    assert right == {"accepted": True, "reason": None, "last_valid": "2019-07-14"}
    late = run("--spi", "31", "--requested", "2019-06-14", "--answered", "2019-07-15")
    assert (late["accepted"], late["last_valid"]) == (False, "2019-07-14")
    assert "2019-07-14" in str(late["reason"])


def test_the_command_takes_instants_by_the_clock_of_tokyo() -> None:
    told = run("--spi", "16", "--requested", "2019-06-16T15:00:00+00:00", "--answered", "2019-06-18")
    assert told["accepted"], "it is 17 June in Tokyo"
    assert not run("--spi", "16", "--requested", "2019-06-16T14:59:59+00:00", "--answered", "2019-06-18")["accepted"]


@pytest.mark.parametrize(("kind", "accepted"), [("--retroactive", False), ("--minor", True)])
def test_a_change_that_is_given_takes_the_place_of_the_known_ones(kind: str, accepted: bool) -> None:
    dates = ("--spi", "16", "--requested", "2019-06-14", "--answered", "2019-06-20")
    assert run(*dates, "--layout-change", "2019-06-17", kind)["accepted"] is accepted
    assert run(*dates, "--layout-change", "2019-06-21", kind)["accepted"] is True


@pytest.mark.parametrize("half", [("--layout-change", "2019-06-17"), ("--retroactive",)])
def test_half_a_change_is_no_question(half: tuple[str, ...]) -> None:
    arguments = ["provision", "--spi", "16", "--requested", "2019-06-14", "--answered", "2019-06-20", *half]
    assert CliRunner().invoke(deadlines, arguments).exit_code == 2
