"""The one way to show a list: columns, filter, order, pages and CSV, with the rows cut by whoever holds them.

A view makes a ``Listing`` of the request's arguments and returns ``listing.csv() or page(…, listing.status,
listing=listing)``; its template says ``{{ tables.listing(listing) }}``. docs/areas/web.md shows one whole.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from itertools import chain, islice
from numbers import Number
from typing import Generic, TypeVar
from urllib.parse import urlencode

from flask import Response, stream_with_context
from werkzeug.datastructures import MultiDict
from wtforms import SelectField, SelectMultipleField

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark, text
from chukan.platform.web.cells import plain
from chukan.platform.web.forms import BaseForm
from chukan.platform.web.values import number

Row = TypeVar("Row")

PAGE_SIZE = 50
#: How many rows a CSV file takes at once.
_PIECE = 1000
_PAGE = re.compile(r"[0-9]{1,7}")
#: What makes a spreadsheet take a text for a formula, in the widths that Japanese versions accept.
_FORMULA_STARTS = tuple("=+-@＝＋－＠\t\r\n")
_NOTHING_FOUND = mark("Nothing matches what you asked for.")
_NOTHING_YET = mark("There is nothing here yet.")
_NOT_THIS_FAR = mark("The list does not go this far.")


class ListingNotUnderstood(ChukanError):
    """The address asks for an order, a page or a format that the list does not have."""

    code = "web.listing_not_understood"
    failure = Failure.BAD_INPUT
    message = mark("The address asks for something that this list does not have: {name}={value}.")
    hint = mark("Open the list from the menu and use its links.")


class FilterForm(BaseForm):
    """What narrows a list: sent by GET, so that the address of a result can be kept; it changes nothing."""

    class Meta(BaseForm.Meta):
        """A search needs no proof of where it came from."""

        csrf = False

    def __init__(self, formdata: MultiDict[str, str] | None = None) -> None:
        super().__init__(formdata=None)
        # A link that says nothing of a filter leaves it as it is at first, rather than emptying it.
        for field in self:
            # A form on the same page may have a field of the same name.
            field.id = field.label.field_id = f"filter-{field.name}"
            if formdata is not None and field.name in formdata:
                field.process(formdata)
            elif isinstance(field, SelectField) and not isinstance(field, SelectMultipleField) and field.data is None:
                field.data = next(iter(field.iter_choices()))[0]


@dataclass(frozen=True)
class Order:
    """By which column a list is ordered."""

    key: str
    descending: bool = False

    @property
    def token(self) -> str:
        """How an address says it: ``name`` or ``-name``."""
        return f"-{self.key}" if self.descending else self.key


@dataclass(frozen=True)
class Column(Generic[Row]):
    """A column: *title* is marked, *value* gives what a cell shows (text, number, instant, Status, Link, None).

    ``in_table`` false leaves it to the CSV file.
    """

    key: str
    title: str
    value: Callable[[Row], object]
    sortable: bool = False
    numeric: bool = False
    in_table: bool = True


#: Given order, limit and offset: the rows, and how many there are in all (None: too many to count).
Fetch = Callable[[Order, int, int], tuple[Sequence[Row], int | None]]


class Listing(Generic[Row]):
    """A list as one request asks for it; the rows are fetched when they are first looked at.

    *query* is the request's arguments: the filters' names, and ``sort``, ``page``, ``format``. *every* gives all rows
    in an order for CSV, where fetching them page by page would be slow.

    Raises:
        ListingNotUnderstood: order, page or format are not of this list.
    """

    def __init__(
        self,
        name: str,
        caption: str,
        columns: Sequence[Column[Row]],
        fetch: Fetch[Row],
        *,
        query: MultiDict[str, str],
        order: Order,
        filters: FilterForm | None = None,
        size: int = PAGE_SIZE,
        every: Callable[[Order], Iterable[Row]] | None = None,
        empty: str = _NOTHING_YET,
    ) -> None:
        self.name, self.caption, self.columns, self.filters, self.empty = name, caption, columns, filters, empty
        self._fetch, self._query, self._size, self._every = fetch, query, size, every
        self.is_sorted = "sort" in query
        self.order = self._asked_order(query.get("sort"), order)
        self.page = self._asked_page(query.get("page", "1"))
        self.wants_csv = self._asked_format(query.get("format", "html")) == "csv"

    @cached_property
    def is_answered(self) -> bool:
        """Whether the filters could be understood: if not, they say why, and nothing is listed."""
        return self.filters is None or self.filters.validate()

    @property
    def status(self) -> int:
        """The HTTP status of the page that shows the list."""
        return 200 if self.is_answered else 422

    @property
    def rows(self) -> Sequence[Row]:
        """The rows of this page; none where the filters were not understood."""
        return self._found[0][: self._size]

    @property
    def total(self) -> int | None:
        """How many rows there are in all, or None where nobody counted."""
        return self._found[1]

    @property
    def has_next(self) -> bool:
        """Whether a page follows."""
        rows, total = self._found
        return len(rows) > self._size if total is None else self.page * self._size < total

    @property
    def has_pages(self) -> bool:
        """Whether there is more than this page."""
        return self.page > 1 or self.has_next

    @property
    def is_narrowed(self) -> bool:
        """Whether the address narrows the list."""
        return bool(self._kept())

    @property
    def shown_columns(self) -> Sequence[Column[Row]]:
        """The columns of the table; the CSV file has them all."""
        return [column for column in self.columns if column.in_table]

    @property
    def page_numbers(self) -> Sequence[int | None]:
        """The pages to link to; None stands for those left out. Only this one where nobody counted."""
        if self.total is None:
            return [self.page]
        last = max(1, -(-self.total // self._size))
        near = sorted({1, last, *range(max(1, self.page - 2), min(last, self.page + 2) + 1)})
        numbers: list[int | None] = []
        for before, each in zip([0, *near], near, strict=False):
            numbers += [each] if each == before + 1 else [before + 1 if each == before + 2 else None, each]
        return numbers

    def told(self) -> str:
        """Return how many rows there are and which of them are shown, in the reader's language."""
        first = (self.page - 1) * self._size + 1
        last = first + len(self.rows) - 1
        if self.total is None:
            return text("{first} to {last}", first=number(first), last=number(last)) if self.rows else ""
        if not self.rows or not self.has_pages:
            return text("{total} in all", total=number(self.total))
        return text(
            "{total} in all, {first} to {last}", total=number(self.total), first=number(first), last=number(last)
        )

    def told_empty(self) -> str:
        """Return why there are no rows, in the reader's language."""
        if self.page > 1:
            return text(_NOT_THIS_FAR)
        return text(_NOTHING_FOUND) if self.is_narrowed else text(self.empty)

    def direction_of(self, column: Column[Row]) -> str:
        """Return ``aria-sort`` of *column*, empty where the list is not ordered by it."""
        if column.key != self.order.key:
            return ""
        return "descending" if self.order.descending else "ascending"

    def sort_link(self, column: Column[Row]) -> str:
        """Return the address of the list ordered by *column*; turned round if it is so already."""
        is_ascending = self.direction_of(column) == "ascending"
        return self._link(sort=Order(column.key, descending=is_ascending).token)

    def page_link(self, page: int) -> str:
        """Return the address of *page*, the first being 1."""
        return self._link(**self._order_kept(), page=str(page))

    def csv_link(self) -> str:
        """Return the address of the whole list as CSV."""
        return self._link(**self._order_kept(), format="csv")

    def csv(self) -> Response | None:
        """Return the list as a CSV file, or None if a page was asked for or the filters were not understood."""
        if not self.wants_csv or not self.is_answered:
            return None
        rows = iter(self._every(self.order) if self._every else self._pieces())
        # The first row is fetched before the answer begins, so that a failure is still told as one.
        first = list(islice(rows, 1))
        lines = _csv_lines(self.columns, chain(first, rows))
        return Response(
            stream_with_context(lines),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{self.name}.csv"'},
        )

    @cached_property
    def _found(self) -> tuple[Sequence[Row], int | None]:
        if not self.is_answered:
            return [], 0
        offset = (self.page - 1) * self._size
        rows, total = self._fetch(self.order, self._size + 1, offset)
        return rows, total

    def _pieces(self) -> Iterator[Row]:
        offset = 0
        while True:
            rows, _ = self._fetch(self.order, _PIECE, offset)
            yield from rows
            if len(rows) < _PIECE:
                return
            offset += _PIECE

    def _kept(self) -> list[tuple[str, str]]:
        """Return what the address narrows the list by, without what is empty or none of the filters' names."""
        names = [field.name for field in self.filters or ()]
        found = [(name, value) for name in names for value in self._query.getlist(name)]
        is_set = {name for name, value in found if value.strip()}
        # A day's inputs share a name and are read by their places: its empty ones stay.
        return [(name, value) for name, value in found if name in is_set]

    def _order_kept(self) -> Mapping[str, str]:
        return {"sort": self.order.token} if self.is_sorted else {}

    def _link(self, **asked: str) -> str:
        return f"?{urlencode([*self._kept(), *asked.items()])}"

    def _asked_order(self, token: str | None, ordinary: Order) -> Order:
        if token is None:
            return ordinary
        asked = Order(token.removeprefix("-"), descending=token.startswith("-"))
        if asked.key not in {column.key for column in self.columns if column.sortable}:
            raise ListingNotUnderstood(name="sort", value=token)
        return asked

    def _asked_page(self, asked: str) -> int:
        if not _PAGE.fullmatch(asked) or int(asked) < 1:
            raise ListingNotUnderstood(name="page", value=asked)
        return int(asked)

    def _asked_format(self, asked: str) -> str:
        if asked not in {"html", "csv"}:
            raise ListingNotUnderstood(name="format", value=asked)
        return asked


def csv_cell(value: object) -> str:
    """Return *value* as a CSV cell that no spreadsheet runs: texts that begin like a formula get an apostrophe."""
    written = plain(value)
    is_number = isinstance(value, Number) and not isinstance(value, bool)
    if not is_number and (written.startswith(_FORMULA_STARTS) or written.lstrip().startswith(_FORMULA_STARTS)):
        return f"'{written}"
    return written


def _csv_lines(columns: Sequence[Column[Row]], rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of the file; the byte order mark tells spreadsheets that it is UTF-8."""
    yield "\ufeff" + _csv_line(text(column.title) for column in columns)
    for row in rows:
        yield _csv_line(csv_cell(column.value(row)) for column in columns)


def _csv_line(cells: Iterable[str]) -> str:
    buffer = StringIO(newline="")
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()
