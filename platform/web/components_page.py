"""``/-/components``: every component in every state, for those who make pages, for axe, and for the screenshots.

What it shows is invented and touches nothing; its instants stand still, so that pictures of it can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from flask import request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, RadioField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from chukan.platform.clock import TOKYO
from chukan.platform.component import Access, Pages
from chukan.platform.messages import mark, text
from chukan.platform.web.cells import Link, Mark, Status
from chukan.platform.web.charts import BarChart, Chart, LineChart, Series
from chukan.platform.web.fields import ChoicesField, DayField, InstantField, TypedField
from chukan.platform.web.forms import BaseForm
from chukan.platform.web.here import here
from chukan.platform.web.listing import Column, FilterForm, Listing, Order
from chukan.platform.web.pages import PageSet
from chukan.platform.web.responses import done, page
from chukan.platform.web.tilemap import PREFECTURES, Tile, TileMap
from chukan.platform.web.timeline import Span, Timeline

_DAY = datetime(2026, 4, 1, tzinfo=TOKYO)
_WORDS = {
    Mark.OK: mark("In order"),
    Mark.INFO: mark("For information"),
    Mark.WARNING: mark("Look at it"),
    Mark.ERROR: mark("Act now"),
    Mark.RUNNING: mark("Running"),
    Mark.WAITING: mark("Waiting"),
    Mark.OFF: mark("Switched off"),
}
_KINDS = {"a": mark("The first kind"), "b": mark("The second kind")}
_ANY_KIND = {"": mark("All kinds"), **_KINDS}


class SampleForm(BaseForm):
    """Each kind of field once."""

    name = StringField(mark("Name"), [InputRequired()], description=mark("As it stands in the register."))
    kind = RadioField(mark("Kind"), [InputRequired()], choices=_KINDS)
    many = ChoicesField(mark("Roles"), choices=_KINDS)
    chosen = SelectField(mark("State"), choices=_ANY_KIND)
    day = DayField(mark("First day"), [InputRequired()], description=mark("For example 令和8, 4, 1."))
    at = InstantField(mark("Begin"), [Optional()])
    reason = TextAreaField(mark("Reason"), [Length(max=200)])
    agreed = BooleanField(mark("I have checked this"))


class SampleConfirmForm(BaseForm):
    """What an act that cannot be undone asks for."""

    reason = StringField(mark("Reason"), [InputRequired()])
    typed = TypedField(mark("Confirmation"), [InputRequired()])


class SampleFilters(FilterForm):
    """Each kind of filter that lists use."""

    words = StringField(mark("Words"))
    kind = SelectField(mark("Kind"), choices=_ANY_KIND)
    day = DayField(mark("First day"))


@dataclass(frozen=True)
class SampleRow:
    """A row of the sample list."""

    code: str
    state: Mark
    count: int
    at: datetime

    @property
    def kind(self) -> str:
        """The kind by which the list is narrowed."""
        return "ab"[self.count % 2]


_ROWS = [
    SampleRow(f"{place:06}", list(Mark)[place % 7], place * 37, _DAY + timedelta(hours=place)) for place in range(123)
]
_COLUMNS: Sequence[Column[SampleRow]] = [
    Column("code", mark("Sample"), lambda row: Link(row.code, url_for("components.confirm")), sortable=True),
    Column("state", mark("State"), lambda row: _state(row.state)),
    Column("count", mark("Count"), lambda row: row.count, sortable=True, numeric=True),
    Column("at", mark("At"), lambda row: row.at),
    Column("note", mark("Reason"), lambda _: None),
]


def component_pages() -> Pages:
    """Return the page of all components and those that it leads to."""
    pages = PageSet("components", __name__)
    pages.get("/-/components", needs=Access.SIGNED_IN)(index)
    pages.post("/-/components", needs=Access.SIGNED_IN)(send)
    pages.get("/-/components/confirm", needs=Access.SIGNED_IN)(confirm)
    pages.post("/-/components/confirm", needs=Access.SIGNED_IN)(act)
    return pages.done()


def index() -> ResponseReturnValue:
    """Show every component; the list takes filter, order, page and format from the address."""
    listing = _listing()
    return listing.csv() or _shown(SampleForm(formdata=None), listing, listing.status)


def send() -> ResponseReturnValue:
    """Show the form again with what is wrong in it, or say that it was right."""
    form = SampleForm()
    if form.validate():
        return done("components.index", mark("Everything was filled in rightly; nothing was saved."))
    return _shown(form, _listing(), 422)


def confirm() -> ResponseReturnValue:
    """Show the page that asks before an act."""
    return _confirm(SampleConfirmForm(formdata=None), 200)


def act() -> ResponseReturnValue:
    """Ask again, or say that it was confirmed."""
    form = SampleConfirmForm()
    form.typed.expected = _ROWS[0].code
    if form.validate():
        return done("components.index", mark("It was confirmed; nothing was done."))
    return _confirm(form, 422)


def _shown(form: SampleForm, listing: Listing[SampleRow], status: int) -> ResponseReturnValue:
    return page(
        "web/components.html",
        status,
        form=form,
        listing=listing,
        states=[_state(each) for each in Mark],
        now=here().now,
        instant=_DAY + timedelta(hours=10),
        day=date(2026, 4, 1),
        map=_tile_map(),
        charts_shown=_charts(),
        timelines_shown=_timelines(),
    )


def _confirm(form: SampleConfirmForm, status: int) -> ResponseReturnValue:
    form.typed.expected = _ROWS[0].code
    return page(
        "web/confirm.html",
        status,
        title=text("Switch it off?"),
        warning=text("This cannot be undone."),
        facts=[(text("Sample"), _ROWS[0].code), (text("State"), _state(Mark.OK)), (text("At"), _DAY)],
        targets=[Link(row.code, url_for("components.index")) for row in _ROWS[:12]],
        action=url_for("components.act"),
        form=form,
        button=text("Switch off"),
        cancel=url_for("components.index"),
        danger=True,
        crumbs=[(text("Components"), url_for("components.index"))],
    )


def _state(state: Mark) -> Status:
    return Status(state, text(_WORDS[state]))


def _listing() -> Listing[SampleRow]:
    filters = SampleFilters(request.args)
    return Listing(
        "samples",
        mark("A list"),
        _COLUMNS,
        lambda order, limit, offset: _found(filters, order, limit, offset),
        query=request.args,
        order=Order("code"),
        filters=filters,
        size=20,
    )


def _found(filters: SampleFilters, order: Order, limit: int, offset: int) -> tuple[Sequence[SampleRow], int]:
    words, kind, day = filters.words.data or "", filters.kind.data, filters.day.data
    found = [row for row in _ROWS if words in row.code and kind in {"", row.kind}]
    found = [row for row in found if day is None or row.at.date() >= day]
    found.sort(key=lambda row: row.count if order.key == "count" else row.code, reverse=order.descending)
    return found[offset : offset + limit], len(found)


def _tile_map() -> TileMap:
    marks = [Mark.OK, Mark.OK, Mark.OK, Mark.WARNING, Mark.OK, Mark.OK, Mark.RUNNING, Mark.OK, Mark.OFF]
    tiles = [
        Tile(code, f"?words={code}", int(code) * 7 % 61 + 15, state := _state(marks[int(code) % 9]), state.word)
        for code in PREFECTURES
        if code not in {"13", "47"}
    ]
    capital = Tile("13", "?words=13", 62, _state(Mark.ERROR), text("Act now"))
    return TileMap("map", text("By prefecture"), [*tiles, capital])


def _charts() -> Sequence[Chart]:
    hours = [f"{hour}:00" for hour in range(24)]
    days = [f"4/{day}" for day in range(1, 15)]
    one = [max(0, 40 - (hour - 13) ** 2 / 3) * 31 // 1 for hour in range(24)]
    summary = text("Invented figures.")
    names = [text("The first kind"), text("The second kind"), text("All kinds"), text("Running")]
    many = [
        Series(name, [(place * 13 + turn * 29) % 47 + turn for place in range(5)]) for turn, name in enumerate(names)
    ]
    lines = [
        Series(name, [None if day == 5 else (day * 7 + turn * 11) % 23 + turn * 9 for day in range(14)])
        for turn, name in enumerate(names)
    ]
    return [
        BarChart("bars", text("Bars"), summary, hours, [Series(text("Count"), one)]),
        BarChart("groups", text("Bars of several series"), summary, days[:5], many),
        LineChart("lines", text("Lines"), summary, days, lines),
        BarChart("no-bars", text("A chart without figures"), summary, days, [Series(names[0], [None] * 14)]),
    ]


def _timelines() -> Sequence[Timeline]:
    def span(lane: str, begin: float, hours: float | None, state: Mark) -> Span:
        start = _DAY + timedelta(hours=begin)
        end = None if hours is None else start + timedelta(hours=hours)
        return Span(lane, lane, start, end, _state(state), url_for("components.confirm"))

    spans = [
        *(span(text("Jobs"), place * 2, 0.6, Mark.OK if place % 5 else Mark.WARNING) for place in range(11)),
        span(text("Outgoing mail"), 3, 5, Mark.ERROR),
        span(text("Outgoing mail"), 5, 4, Mark.INFO),
        span(text("Planned outages"), 12, 6, Mark.OFF),
        span(text("Planned outages"), 21, 2, Mark.WAITING),
        span(text("Releasing"), 19.5, None, Mark.RUNNING),
    ]
    until, now = _DAY + timedelta(days=1), _DAY + timedelta(hours=20, minutes=40)
    summary = text("Invented figures.")
    return [
        Timeline("timeline", text("A day"), summary, _DAY, until, now, spans),
        Timeline("empty-timeline", text("A day without anything"), summary, _DAY, until, now, []),
    ]
