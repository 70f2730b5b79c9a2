"""Lists: order, pages, filters and CSV, as an address asks for them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from urllib.parse import parse_qs

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict
from wtforms import SelectField, StringField

from chukan.platform.messages import mark
from chukan.platform.web.cells import Link, Mark, Status
from chukan.platform.web.fields import DayField
from chukan.platform.web.listing import Column, FilterForm, Listing, ListingNotUnderstood, Order, csv_cell


@pytest.fixture(autouse=True)
def inside_the_application(app: Flask) -> Iterator[None]:
    with app.test_request_context("/"):
        yield


@dataclass(frozen=True)
class Row:
    place: int


COLUMNS: Sequence[Column[Row]] = [
    Column("place", mark("Count"), lambda row: row.place, sortable=True, numeric=True),
    Column("name", mark("Name"), lambda row: Link(f"={row.place}", "/x")),
    Column("note", mark("Reason"), lambda _: None, in_table=False),
]


class Filters(FilterForm):
    words = StringField(mark("Words"))
    kind = SelectField(mark("Kind"), choices={"": "-", "a": "A"})
    day = DayField(mark("First day"))


class Store:
    """Rows that remember what they were asked for."""

    def __init__(self, count: int, *, counted: bool = True) -> None:
        self.count, self.counted = count, counted
        self.asked: list[tuple[str, int, int]] = []

    def fetch(self, order: Order, limit: int, offset: int) -> tuple[Sequence[Row], int | None]:
        self.asked.append((order.token, limit, offset))
        places = sorted(range(self.count), reverse=order.descending)[offset : offset + limit]
        return [Row(place) for place in places], self.count if self.counted else None


def listing(query: str = "", store: Store | None = None, *, filtered: bool = True) -> Listing[Row]:
    args: MultiDict[str, str] = MultiDict(
        (name, value) for name, values in parse_qs(query, keep_blank_values=True).items() for value in values
    )
    return Listing(
        "rows",
        mark("A list"),
        COLUMNS,
        (store or Store(123)).fetch,
        query=args,
        order=Order("place"),
        filters=Filters(args) if filtered else None,
    )


def test_a_list_shows_its_first_page_in_its_ordinary_order() -> None:
    store = Store(123)
    found = listing(store=store)
    assert [row.place for row in found.rows] == list(range(50))
    assert found.told() == "全123件中 1～50件"
    assert (found.has_pages, found.has_next, found.status) == (True, True, 200)
    assert store.asked == [("place", 51, 0)]


def test_the_last_page_ends_where_the_rows_end() -> None:
    found = listing("page=3&sort=-place")
    assert [row.place for row in found.rows] == list(range(22, -1, -1))
    assert found.told() == "全123件中 101～123件"
    assert not found.has_next


def test_a_page_past_the_end_says_so() -> None:
    found = listing("page=4")
    assert found.rows == []
    assert found.told_empty() == "このページに表示するものはありません。"


@pytest.mark.parametrize(
    ("count", "pages", "following"), [(0, False, False), (50, False, False), (51, True, True), (100, True, True)]
)
def test_pages_follow_only_where_rows_do(count: int, pages: bool, following: bool) -> None:
    for counted in (True, False):
        found = listing(store=Store(count, counted=counted))
        assert (found.has_pages, found.has_next) == (pages, following)


def test_an_uncounted_list_knows_only_what_follows() -> None:
    found = listing("page=2", Store(500, counted=False))
    assert (len(found.rows), found.total, found.page_numbers) == (50, None, [2])
    assert found.told() == "51～100件"


@pytest.mark.parametrize(
    ("page", "numbers"),
    [
        (1, [1, 2, 3, None, 40]),
        (4, [1, 2, 3, 4, 5, 6, None, 40]),
        (5, [1, 2, 3, 4, 5, 6, 7, None, 40]),
        (6, [1, None, 4, 5, 6, 7, 8, None, 40]),
        (37, [1, None, 35, 36, 37, 38, 39, 40]),
        (40, [1, None, 38, 39, 40]),
    ],
)
def test_links_lead_to_the_near_pages_and_the_ends(page: int, numbers: list[int | None]) -> None:
    assert listing(f"page={page}", Store(2000)).page_numbers == numbers


@given(page=st.integers(1, 60), count=st.integers(0, 3000))
def test_the_page_numbers_rise_and_leave_out_at_least_two(page: int, count: int) -> None:
    numbers = listing(f"page={page}", Store(count), filtered=False).page_numbers
    shown = [each for each in numbers if each is not None]
    assert shown == sorted(set(shown))
    for place, each in enumerate(numbers):
        if each is None:
            assert (numbers[place + 1] or 0) - (numbers[place - 1] or 0) > 2


@pytest.mark.parametrize(
    "query",
    ["page=0", "page=-1", "page=x", "page=", "page=99999999999", "page=1.5", "sort=name", "sort=", "sort=--place",
     "sort=place;drop", "format=xml", "format="],
)  # fmt: skip
def test_what_a_list_does_not_have_is_refused_with_a_message(query: str) -> None:
    with pytest.raises(ListingNotUnderstood) as refused:
        listing(query)
    assert query in refused.value.told()
    assert refused.value.http_status == 400


def test_a_column_turns_its_order_round() -> None:
    place = COLUMNS[0]
    assert listing().sort_link(place) == "?sort=-place"
    assert listing().direction_of(place) == "ascending"
    assert listing("sort=-place").sort_link(place) == "?sort=place"
    assert listing("sort=-place").direction_of(place) == "descending"
    assert listing().direction_of(COLUMNS[1]) == ""


def test_links_keep_the_filter_and_nothing_else() -> None:
    found = listing("words=a%26b&kind=&page=2&sort=-place&other=1")
    assert found.is_narrowed
    assert found.page_link(1) == "?words=a%26b&sort=-place&page=1"
    assert found.sort_link(COLUMNS[0]) == "?words=a%26b&sort=place"
    assert found.csv_link() == "?words=a%26b&sort=-place&format=csv"
    assert not listing("page=2&kind=").is_narrowed


def test_a_link_keeps_the_empty_inputs_of_a_day_that_is_partly_typed() -> None:
    assert listing("day=&day=4&day=1").page_link(2) == "?day=&day=4&day=1&page=2"


def test_a_filter_that_an_address_does_not_mention_keeps_its_default() -> None:
    filters = Filters(MultiDict({"words": "x"}))
    assert filters.validate()
    assert (filters.words.data, filters.kind.data, filters.day.data) == ("x", "", None)


def test_a_filter_that_is_not_understood_says_so_and_lists_nothing() -> None:
    store = Store(123)
    found = listing("kind=zz&day=x&format=csv", store)
    assert (found.is_answered, found.status, found.rows, found.csv()) == (False, 422, [], None)
    assert found.filters is not None
    assert found.filters.errors.keys() == {"kind", "day"}
    assert store.asked == []


def test_an_empty_list_says_whether_it_was_narrowed() -> None:
    assert listing(store=Store(0)).told_empty() == "まだ何もありません。"
    assert listing("words=x", Store(0)).told_empty() == "条件に合うものはありません。"


def csv_rows(found: Listing[Row]) -> list[list[str]]:
    response = found.csv()
    assert response is not None
    content = response.get_data()
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_csv_holds_all_rows_of_the_filter_and_all_columns() -> None:
    store = Store(2345)
    head, *rows = csv_rows(listing("format=csv&page=2", store))
    assert head == ["件数", "名前", "理由"]
    assert [row[0] for row in rows] == [str(place) for place in range(2345)]
    assert rows[0] == ["0", "'=0", ""]
    assert [asked[1:] for asked in store.asked] == [(1000, 0), (1000, 1000), (1000, 2000)]


def test_csv_of_nothing_is_its_heading() -> None:
    assert csv_rows(listing("format=csv", Store(0))) == [["件数", "名前", "理由"]]


def test_csv_is_streamed_from_a_cursor_where_there_is_one() -> None:
    taken = 0

    def every(_order: Order) -> Iterator[Row]:
        nonlocal taken
        for place in range(1_000_000):
            taken += 1
            yield Row(place)

    found = Listing("rows", mark("A list"), COLUMNS, Store(0).fetch, query=MultiDict({"format": "csv"}),
                    order=Order("place"), every=every)  # fmt: skip
    response = found.csv()
    assert response is not None
    pieces = response.iter_encoded()
    assert [next(pieces) for _ in range(3)][2].startswith(b"1,")
    assert taken < 10
    assert response.headers["Content-Disposition"] == 'attachment; filename="rows.csv"'


def test_a_store_that_fails_does_so_before_the_file_begins() -> None:
    def fails(_order: Order, _limit: int, _offset: int) -> tuple[Sequence[Row], int]:
        raise ListingNotUnderstood(name="a", value="b")

    found = Listing("rows", mark("A list"), COLUMNS, fails, query=MultiDict({"format": "csv"}), order=Order("place"))
    with pytest.raises(ListingNotUnderstood):
        found.csv()


@pytest.mark.parametrize("start", "=+-@＝＋－＠\t\r\n")
def test_a_text_that_begins_like_a_formula_is_guarded(start: str) -> None:
    assert csv_cell(f"{start}1+1") == f"'{start}1+1"
    if start.strip():
        assert csv_cell(f" 　{start}1+1") == f"' 　{start}1+1"
    assert csv_cell(Link(f"{start}1", "/")) == f"'{start}1"
    assert csv_cell(Status(Mark.OK, f"{start}1")) == f"'{start}1"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""),
        (-5, "-5"),
        (-0.5, "-0.5"),
        (Decimal("-1.20"), "-1.20"),
        ("a=1", "a=1"),
        ("010006", "010006"),
        (True, "はい"),
        (False, "いいえ"),
        (date(2026, 4, 1), "2026-04-01"),
        (datetime(2026, 3, 31, 15, 0, 1, tzinfo=UTC), "2026-04-01 00:00:01"),
        ([Link("甲", "/"), "乙"], "甲、乙"),
        (Link(datetime(2026, 3, 31, 15, 0, 1, tzinfo=UTC), "/"), "2026-04-01 00:00:01"),
    ],
)
def test_values_are_written_as_they_are(value: object, written: str) -> None:
    assert csv_cell(value) == written


@given(st.text())
def test_no_text_reaches_a_spreadsheet_as_a_formula(words: str) -> None:
    written = csv_cell(words)
    assert not written.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))
    assert written.removeprefix("'") == words.removeprefix("'")
