"""Days, instants and typed words, as browsers send them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict
from wtforms import StringField
from wtforms.validators import DataRequired, InputRequired, Optional

from chukan.platform.clock import TOKYO
from chukan.platform.messages import mark
from chukan.platform.web.fields import DayField, InstantField, TypedField
from chukan.platform.web.listing import FilterForm


class Form(FilterForm):
    day = DayField(mark("First day"), [Optional()])
    needed = DayField(mark("First day"), [InputRequired()])
    at = InstantField(mark("Begin"), [Optional()])
    typed = TypedField(mark("Confirmation"))
    other = StringField(mark("Words"))


@pytest.fixture(autouse=True)
def inside_the_application(app: Flask) -> Iterator[None]:
    with app.test_request_context("/"):
        yield


def sent(name: str, *values: str) -> Form:
    form = Form(MultiDict([(name, value) for value in values]))
    form.validate()
    return form


@pytest.mark.parametrize(
    "values",
    [
        ("令和8", "4", "1"),
        ("R8", "４", "１"),
        ("2026", "04", "01"),
        ("令和8年", "4月", "1日"),
        ("令和8年4月1日", "", ""),
        ("2026-4-1",),
        (" 2026 ", " 4 ", " 1 "),
    ],
)
def test_a_day_is_read_from_its_inputs_or_from_the_first_alone(values: tuple[str, ...]) -> None:
    form = sent("day", *values)
    assert (form.day.data, list(form.day.errors)) == (date(2026, 4, 1), [])


@pytest.mark.parametrize(
    "values", [("令和8", "", "1"), ("", "4", ""), ("8", "4", "1"), ("x", "y", "z"), ("2026", "2", "29")]
)
def test_a_day_that_is_not_one_is_told_and_shown_again_as_it_was_typed(values: tuple[str, ...]) -> None:
    form = sent("day", *values)
    assert form.day.data is None
    assert "日付として読み取れません" in str(form.day.errors[0])
    assert form.day.parts == list(values)


@pytest.mark.parametrize(
    "values", [("9999", "12", "31", "24:00"), ("9999", "12", "31", "23:59"), ("1", "1", "1", "0:00")]
)
def test_an_instant_that_lies_too_far_is_told_at_its_field(values: tuple[str, ...]) -> None:
    year, *others = values
    form = sent("at", year.rjust(4, "0"), *others)
    assert form.at.data is None
    assert str(form.at.errors[0]).startswith(f"この年は扱えません: {year.rjust(4, '0')}-")


@given(st.dates(), st.times())
def test_no_instant_that_is_typed_ends_in_another_error(day: date, clock: time) -> None:
    form = sent("at", f"{day.year:04}", str(day.month), str(day.day), f"{clock:%H:%M}")
    assert (form.at.data is None) == bool(form.at.errors)


def test_a_day_that_was_left_out_is_none_or_missed() -> None:
    assert (sent("day", "", " ", "").day.data, list(sent("day", "", "", "").day.errors)) == (None, [])
    assert list(sent("needed", "", "", "").needed.errors) == ["入力してください。"]


def test_a_required_day_that_was_typed_wrongly_says_what_is_wrong_and_not_that_it_is_missing() -> None:
    class Needed(FilterForm):
        day = DayField(mark("First day"), [DataRequired()])

    form = Needed(MultiDict([("day", "x"), ("day", "4"), ("day", "1")]))
    form.validate()
    assert "読み取れません" in str(form.day.errors[0])


@pytest.mark.parametrize(
    ("values", "instant"),
    [
        (("令和8", "4", "1", "10:00"), datetime(2026, 4, 1, 1, 0, tzinfo=UTC)),
        (("R8.4.1", "", "", "24:00"), datetime(2026, 4, 1, 15, 0, tzinfo=UTC)),
        (("2026", "4", "1", "0時"), datetime(2026, 3, 31, 15, 0, tzinfo=UTC)),
        (("2026-04-01 10:00",), datetime(2026, 4, 1, 1, 0, tzinfo=UTC)),
        (("2026-04-01", "10:00"), datetime(2026, 4, 1, 1, 0, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_by_the_clock_of_tokyo(values: tuple[str, ...], instant: datetime) -> None:
    form = sent("at", *values)
    assert (form.at.data, list(form.at.errors)) == (instant, [])


@pytest.mark.parametrize(
    "values", [("令和8", "4", "1", ""), ("令和8", "4", "1", "25:00"), ("", "", "", "10:00"), ("x",)]
)
def test_an_instant_that_is_not_one_is_told(values: tuple[str, ...]) -> None:
    form = sent("at", *values)
    assert form.at.data is None
    assert form.at.errors


@given(st.lists(st.text(max_size=8), max_size=6))
def test_no_input_makes_a_day_or_an_instant_fall_over(values: list[str]) -> None:
    for name in ("day", "at"):
        form = Form(MultiDict([(name, value) for value in values]))
        form.validate()
        assert form[name].data is None or not form[name].errors


def test_a_day_and_an_instant_are_shown_in_the_inputs_that_read_them() -> None:
    form = Form()
    form.day.process(None, date(2019, 5, 1))
    form.at.process(None, datetime(2026, 4, 1, 9, 5, tzinfo=TOKYO))
    assert form.day.parts == ["令和元", "5", "1"]
    assert form.at.parts == ["令和8", "4", "1", "09:05"]
    assert sent("day", *form.day.parts).day.data == date(2019, 5, 1)
    assert sent("at", *form.at.parts).at.data == datetime(2026, 4, 1, 0, 5, tzinfo=UTC)
    assert Form().at.parts == ["", "", "", ""]


@pytest.mark.parametrize(
    ("expected", "typed", "right"),
    [
        ("010006", "010006", True),
        ("010006", " ０１０００６ ", True),
        ("神奈川県", "神奈川県", True),
        ("010006", "010007", False),
        ("010006", "", False),
        ("", "", False),
        ("", "x", False),
    ],
)
def test_a_word_is_typed_as_it_is_expected(expected: str, typed: str, right: bool) -> None:
    form = Form(MultiDict({"typed": typed}))
    form.typed.expected = expected
    form.validate()
    assert (not form.typed.errors) is right
