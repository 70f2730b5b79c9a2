"""How values look on every page: texts, instants, numbers, and what stands where there is none."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal

from flask import Flask
from markupsafe import Markup, escape

from chukan.platform.clock import as_tokyo
from chukan.platform.messages import text
from chukan.platform.web.cells import Link, Mark, Status
from chukan.platform.web.dates import (
    fiscal_year,
    japanese_day,
    japanese_instant,
    near_instant,
    short_day,
    short_instant,
)

_TICKED = re.compile(r"`([^`]+)`")


def install(app: Flask) -> None:
    """Give the templates of *app* the functions and types of this module."""
    app.jinja_env.globals.update(
        text=text,
        when=when,
        clock=clock,
        number=number,
        fiscal_year=fiscal_year,
        kind_of=kind_of,
        Mark=Mark,
        Status=Status,
        Link=Link,
    )
    app.jinja_env.filters.update(when=when, number=number, ticked=ticked)


def when(value: datetime | date, *, short: bool = False, near: datetime | None = None) -> Markup:
    """Return *value* as a ``<time>``: an instant as Tokyo's clock shows it, or a day.

    *short* is the form of dense tables, 2026/04/01 10:00, with the long one shown on hovering. With *near*, mostly the
    present, an instant leaves out what it shares with it: 10:00 on the same day, 4/1 10:00 on another one.

    Raises:
        NaiveInstant: an instant without UTC offset.
    """
    if isinstance(value, datetime):
        machine, long = as_tokyo(value).isoformat(timespec="seconds"), japanese_instant(value)
        brief = short_instant(value) if near is None else near_instant(value, near)
    else:
        machine, long, brief = value.isoformat(), japanese_day(value), short_day(value)
    if short or near is not None:
        return Markup('<time datetime="{}" title="{}">{}</time>').format(machine, long, brief)
    return Markup('<time datetime="{}">{}</time>').format(machine, long)


def clock(instant: datetime) -> Markup:
    """Return *instant* as the time of the day in Tokyo, to the second: for what refreshes itself.

    Raises:
        NaiveInstant: it has no UTC offset.
    """
    local = as_tokyo(instant)
    return Markup('<time datetime="{}">{}</time>').format(local.isoformat(timespec="seconds"), f"{local:%H:%M:%S}")


def number(value: float | Decimal) -> str:
    """Return *value* with its thousands parted, as in 1,788; fractions stay as they are given."""
    return f"{value:,}"


def ticked(words: str) -> Markup:
    """Return *words* with what stands between `ticks` as code."""
    return Markup(_TICKED.sub(r"<code>\1</code>", str(escape(words))))  # noqa: S704 - escaped first


def kind_of(value: object) -> str:
    """Return how a table draws *value*; the template asks, because it cannot ask for types."""
    if value is None or value == "":
        return "none"
    kind = next((kind for types, kind in _KINDS if isinstance(value, types)), "text")
    return "none" if kind == "many" and not value else kind


#: In this order: True is a number as well.
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (Status, "status"),
    (Link, "link"),
    (bool, "bool"),
    ((int, float, Decimal), "number"),
    (date, "when"),
    ((list, tuple), "many"),
)
