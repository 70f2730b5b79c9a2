"""How values look: instants, numbers, cells and marks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from flask import Flask
from jinja2 import UndefinedError
from jinja2.environment import TemplateModule

from chukan.platform.clock import NaiveInstant
from chukan.platform.web.cells import Link, Mark, Status
from chukan.platform.web.dates import japanese_instant
from chukan.platform.web.values import clock, kind_of, number, ticked, when

INSTANT = datetime(2026, 4, 1, 1, 2, 3, tzinfo=UTC)


@pytest.fixture
def tables(app: Flask) -> Iterator[TemplateModule]:
    with app.test_request_context("/"):
        yield app.jinja_env.get_template("web/tables.html").module


@pytest.mark.parametrize(
    ("value", "short", "html"),
    [
        (INSTANT, False, '<time datetime="2026-04-01T10:02:03+09:00">令和8年4月1日（水） 10:02</time>'),
        (INSTANT, True,
         '<time datetime="2026-04-01T10:02:03+09:00" title="令和8年4月1日（水） 10:02">2026/04/01 10:02</time>'),
        (date(2019, 5, 1), False, '<time datetime="2019-05-01">令和元年5月1日（水）</time>'),
        (date(2019, 5, 1), True, '<time datetime="2019-05-01" title="令和元年5月1日（水）">2019/05/01</time>'),
    ],
)  # fmt: skip
def test_an_instant_is_told_to_people_and_to_machines(value: datetime | date, short: bool, html: str) -> None:
    assert when(value, short=short) == html


def test_an_instant_without_offset_is_refused() -> None:
    for told in (when, clock):
        with pytest.raises(NaiveInstant):
            told(datetime(2026, 4, 1))  # noqa: DTZ001 - the point


def test_the_time_of_a_refresh_is_told_to_the_second() -> None:
    assert clock(INSTANT) == '<time datetime="2026-04-01T10:02:03+09:00">10:02:03</time>'


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (1788, "1,788"), (-1234567, "-1,234,567"), (1234.5, "1,234.5"), (Decimal("0.10"), "0.10")],
)
def test_thousands_are_parted(value: float | Decimal, written: str) -> None:
    assert number(value) == written


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "none"),
        ("", "none"),
        ([], "none"),
        (False, "bool"),
        (0, "number"),
        (INSTANT, "when"),
        (date(2026, 4, 1), "when"),
        (Link("甲", "/"), "link"),
        (Status(Mark.OK, "甲"), "status"),
        (["甲"], "many"),
        ("甲", "text"),
    ],
)
def test_a_cell_is_drawn_by_what_it_is(value: object, kind: str) -> None:
    assert kind_of(value) == kind


@pytest.mark.parametrize(
    ("value", "html"),
    [
        ("<b>", "&lt;b&gt;"),
        (
            Link(date(2026, 4, 1), "/"),
            '<a href="/"><time datetime="2026-04-01" title="令和8年4月1日（水）">2026/04/01</time></a>',
        ),
        (Link("<b>", '/"'), '<a href="/&#34;">&lt;b&gt;</a>'),
        (Link("実行", "/", about="甲"), '<a href="/">実行<span class="visually-hidden"> 甲</span></a>'),
        (1788, "1,788"),
        (True, "はい"),
        (["甲", Link("乙", "/")], '<ul class="many"><li>甲</li><li><a href="/">乙</a></li></ul>'),
    ],
)
def test_a_cell_is_html_without_gaps(tables: TemplateModule, value: object, html: str) -> None:
    assert str(tables.cell(value)) == html  # type: ignore[attr-defined]  # a macro


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (datetime(2026, 4, 1, 14, 59, tzinfo=UTC), "23:59"),
        (datetime(2026, 4, 1, 15, 0, tzinfo=UTC), "4/2 00:00"),
        (datetime(2026, 3, 31, 14, 59, tzinfo=UTC), "3/31 23:59"),
        (datetime(2026, 12, 31, 15, 0, tzinfo=UTC), "2027/01/01 00:00"),
    ],
)
def test_an_instant_near_the_present_leaves_out_what_it_shares_with_it(value: datetime, written: str) -> None:
    assert f">{written}</time>" in when(value, near=INSTANT)
    assert f'title="{japanese_instant(value)}"' in when(value, near=INSTANT)


def test_what_stands_between_ticks_is_code_and_everything_else_is_text() -> None:
    assert ticked("`a<b` & `c`, d`") == "<code>a&lt;b</code> &amp; <code>c</code>, d`"


@pytest.mark.parametrize("mark", list(Mark))
def test_each_mark_has_an_icon_of_its_own_shape_and_a_word(app: Flask, mark: Mark) -> None:
    marks = app.jinja_env.get_template("web/status.html").module
    shapes = marks.SHAPES  # type: ignore[attr-defined]  # set in the template
    assert len(set(shapes.values())) == len(Mark)
    html = str(marks.status(mark, "状態"))  # type: ignore[attr-defined]  # a macro
    assert shapes[mark] in html
    assert "<span>状態</span>" in html


def test_a_mark_that_does_not_exist_is_noticed(app: Flask) -> None:
    marks = app.jinja_env.get_template("web/status.html").module
    with pytest.raises(UndefinedError):
        marks.status("fine", "状態")  # type: ignore[attr-defined]  # a macro
