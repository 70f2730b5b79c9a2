"""The tile map: every prefecture once, near its neighbours, and the same places in the style sheet."""

from __future__ import annotations

import csv
import re

import pytest

from chukan.platform.web import assets
from chukan.platform.web.cells import Mark, Status
from chukan.platform.web.tilemap import PREFECTURES, Tile, TileMap
from repository.tree import ROOT

OK = Status(Mark.OK, "正常")
LATE = Status(Mark.WARNING, "遅延")


def tile(code: str, state: Status = OK) -> Tile:
    return Tile(code, "/x", 1, state, "1団体 正常")


def test_every_prefecture_has_its_own_place() -> None:
    assert list(PREFECTURES) == [f"{number:02}" for number in range(1, 48)]
    assert len({(place.row, place.column) for place in PREFECTURES.values()}) == 47
    assert max(place.column for place in PREFECTURES.values()) == 14


def test_the_names_are_those_of_the_register() -> None:
    with (ROOT / "config/organisations.csv").open(encoding="utf-8") as file:
        registered = {row["prefecture"]: row["name"] for row in csv.DictReader(file) if row["kind"] == "prefecture"}
    assert {code: place.name for code, place in PREFECTURES.items()} == registered


def test_the_style_sheet_puts_each_where_the_table_does() -> None:
    style = (assets.ROOT / "static/app.css").read_text("utf-8")
    placed = re.findall(r"\.at-(\d\d) \{ grid-area: (\d+) / (\d+); \}", style)
    assert {code: (int(row), int(column)) for code, row, column in placed} == {
        code: (place.row, place.column) for code, place in PREFECTURES.items()
    }
    assert len(placed) == 47


@pytest.mark.parametrize(
    ("north", "south"),
    [("01", "02"), ("02", "03"), ("07", "09"), ("13", "14"), ("26", "27"), ("15", "20"), ("35", "40"), ("46", "47")],
)
def test_what_lies_north_is_above(north: str, south: str) -> None:
    assert PREFECTURES[north].row < PREFECTURES[south].row


@pytest.mark.parametrize(
    ("west", "east"),
    [("05", "03"), ("27", "29"), ("28", "26"), ("42", "41"), ("38", "37"), ("35", "34"), ("11", "12"), ("47", "40")],
)
def test_what_lies_west_is_left(west: str, east: str) -> None:
    assert PREFECTURES[west].column < PREFECTURES[east].column


@pytest.mark.parametrize(
    ("code", "short"),
    [("01", "北海道"), ("13", "東京"), ("26", "京都"), ("27", "大阪"), ("14", "神奈川"), ("30", "和歌山")],
)
def test_short_names_leave_out_the_kind(code: str, short: str) -> None:
    assert PREFECTURES[code].short == short


def test_the_tiles_come_in_the_order_of_the_numbers_with_those_that_are_missing() -> None:
    ordered = TileMap("map", "題", [tile("13"), tile("01")]).ordered
    assert [code for code, _, _ in ordered] == list(PREFECTURES)
    assert [code for code, _, each in ordered if each is not None] == ["01", "13"]


def test_the_legend_explains_each_state_once_in_the_order_of_the_marks() -> None:
    legend = TileMap("map", "題", [tile("01", LATE), tile("02"), tile("03", LATE)]).legend
    assert legend == [OK, LATE]


@pytest.mark.parametrize("codes", [("01", "01"), ("00",), ("48",), ("1",)])
def test_a_tile_that_is_no_prefectures_or_a_second_one_is_refused(codes: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="one tile"):
        TileMap("map", "題", [tile(code) for code in codes])
