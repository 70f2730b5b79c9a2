"""The shipped organisations are the real ones, and a file that is not right is refused line by line."""

from __future__ import annotations

import csv
from collections import Counter

import pytest

from chukan.tenants.registry.errors import FileRefused, FileUnreadable
from chukan.tenants.registry.organisations_file import (
    SHIPPED,
    prefecture_names,
    prefecture_readings,
    read_organisations,
    shipped,
)
from chukan.tenants.registry.values import Kind

HEADING = "code,kind,prefecture,name,kana"
SAPPORO = "011002,designated_city,01,札幌市,さっぽろし"


def rows() -> list[dict[str, str]]:
    return list(csv.DictReader(shipped().decode("utf-8").splitlines()))


def is_right(code: str) -> bool:
    """Check a code as the ministry words it: weights 6 to 2, 11 minus the remainder, its last digit."""
    products = [6 * int(code[0]), 5 * int(code[1]), 4 * int(code[2]), 3 * int(code[3]), 2 * int(code[4])]
    remainder = sum(products) % 11
    return str(11 - remainder)[-1] == code[5]


def test_there_are_as_many_of_each_kind_as_japan_has() -> None:
    kinds = Counter(row["kind"] for row in rows())
    assert kinds == {
        "prefecture": 47,
        "designated_city": 20,
        "city": 772,
        "town": 743,
        "village": 183,
        "special_ward": 23,
    }
    assert kinds["city"] + kinds["designated_city"] == 792
    assert sum(kinds.values()) == 1788


def test_the_kind_is_what_the_name_ends_in() -> None:
    endings = {"city": "市", "designated_city": "市", "town": "町", "village": "村", "special_ward": "区"}
    wrong = [row["code"] for row in rows() if not row["name"].endswith(endings.get(row["kind"], ""))]
    assert wrong == []
    assert {row["name"][-1] for row in rows() if row["kind"] == "prefecture"} == set("道都府県")


def test_every_code_is_six_digits_with_the_right_check_digit_and_stands_there_once() -> None:
    codes = [row["code"] for row in rows()]
    assert [code for code in codes if not (len(code) == 6 and code.isdigit() and is_right(code))] == []
    assert len(set(codes)) == len(codes)
    assert codes == sorted(codes)


def test_every_row_belongs_to_the_prefecture_that_its_code_begins_with() -> None:
    assert [row["code"] for row in rows() if row["code"][:2] != row["prefecture"]] == []
    assert sorted(prefecture_names()) == [f"{number:02}" for number in range(1, 48)]
    assert prefecture_names()["13"] == "東京都"
    assert prefecture_readings()["47"] == "おきなわけん"


def test_the_villages_of_the_northern_territories_take_no_part() -> None:
    absent = {"016951", "016969", "016977", "016985", "016993", "017001"}
    assert absent & {row["code"] for row in rows()} == set()
    assert "蘂取村" not in {row["name"] for row in rows()}


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("池田町", 4),
        ("南部町", 3),
        ("美里町", 3),
        ("美郷町", 3),
        ("朝日町", 3),
        ("美浜町", 3),
        ("府中市", 2),
        ("伊達市", 2),
    ],
)
def test_names_that_several_bear_are_there_for_each(name: str, times: int) -> None:
    found = [row for row in rows() if row["name"] == name]
    assert len(found) == times
    assert len({row["prefecture"] for row in found}) == times


def test_as_many_names_are_borne_by_several_as_are_known() -> None:
    names = Counter(row["name"] for row in rows())
    assert len([name for name, times in names.items() if times > 1]) == 25


@pytest.mark.parametrize(
    ("code", "name", "kana"),
    [
        ("394050", "梼原町", "ゆすはらちょう"),
        ("042030", "塩竈市", "しおがまし"),
        ("082082", "龍ケ崎市", "りゅうがさきし"),
        ("142077", "茅ヶ崎市", "ちがさきし"),
        ("122246", "鎌ケ谷市", "かまがやし"),
        ("134023", "青ヶ島村", "あおがしまむら"),
        ("112101", "加須市", "かぞし"),
    ],
)
def test_names_with_traps_are_kept_as_they_are_written(code: str, name: str, kana: str) -> None:
    assert {"name": name, "kana": kana}.items() <= next(row for row in rows() if row["code"] == code).items()


def test_the_designated_cities_are_the_twenty() -> None:
    names = (
        "札幌 仙台 さいたま 千葉 横浜 川崎 相模原 新潟 静岡 浜松 名古屋 京都 大阪 堺 神戸 岡山 広島 北九州 福岡 熊本"
    )
    found = {row["name"] for row in rows() if row["kind"] == "designated_city"}
    assert found == {f"{name}市" for name in names.split()}


def test_the_shipped_file_is_one_that_the_import_takes() -> None:
    assert len(read_organisations(shipped(), SHIPPED)) == 1788


@pytest.mark.parametrize(
    "line",
    [
        "011003,designated_city,01,札幌市,さっぽろし",
        "1002,designated_city,01,札幌市,さっぽろし",
        "011002,designated_city,02,札幌市,さっぽろし",
        "011002,metropolis,01,札幌市,さっぽろし",
        "011002,,01,札幌市,さっぽろし",
        "011002,wide_area_union,01,札幌市,さっぽろし",
        "011002,designated_city,01,,さっぽろし",
        "011002,designated_city,01,札幌市,",
        "011002,designated_city,01,札幌市,Sapporo",
        '011002,designated_city,01,"札幌\n市",さっぽろし',
        f"011002,designated_city,01,{'長' * 101},さっぽろし",
        "011002,designated_city",
    ],
)
def test_a_line_that_cannot_be_is_refused(line: str) -> None:
    with pytest.raises(FileRefused) as refused:
        read_organisations(f"{HEADING}\n{line}\n".encode(), "file.csv")
    assert len(refused.value.rows) == 1


def test_every_wrong_line_is_told_with_its_number_and_reason(english: None) -> None:  # noqa: ARG001 - speaks English
    content = f"{HEADING}\n\n{SAPPORO}\n{SAPPORO}\n99999,city,99,無い市,ないし\n"
    with pytest.raises(FileRefused) as refused:
        read_organisations(content.encode(), "file.csv")
    assert refused.value.told().splitlines() == [
        "2 lines of file.csv cannot be taken; nothing was imported.",
        "line 4: 011002: the code stands in the file twice",
        "line 5: 99999: no prefecture has the number 99",
    ]
    rows_told = refused.value.as_json()["rows"]
    assert rows_told == [
        {"line": 4, "found": "011002", "reason": "the code stands in the file twice"},
        {"line": 5, "found": "99999", "reason": "no prefecture has the number 99"},
    ]


def test_of_many_wrong_lines_a_person_is_told_the_first_twenty(english: None) -> None:  # noqa: ARG001 - as above
    content = "\n".join([HEADING, *["x,city,01,名,な"] * 25])
    with pytest.raises(FileRefused) as refused:
        read_organisations(content.encode(), "file.csv")
    told = refused.value.told().splitlines()
    assert len(told) == 22
    assert told[-1] == "… and 5 more"
    assert len(refused.value.rows) == 25


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"code,kind,prefecture,name\n",
        b"code,code,kind,prefecture,name,kana\n",
        b"\xff\xfe" + "code".encode("utf-16-le"),
        b"PK\x03\x04\x00\x00",
        b"\x81",
        f'{HEADING}\n"unclosed'.encode(),
        b"a" * (16 * 1024 * 1024 + 1),
    ],
    ids=["empty", "blank", "lacking", "twice", "utf-16", "spreadsheet", "half", "quote", "large"],
)
def test_what_is_no_such_file_is_refused_as_a_whole(content: bytes) -> None:
    with pytest.raises(FileUnreadable):
        read_organisations(content, "file.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_a_file_is_read_in_the_encodings_of_spreadsheets(encoding: str) -> None:
    content = f"{HEADING}\r\n{SAPPORO}\r\n".encode(encoding)
    (row,) = read_organisations(content, "file.csv")
    assert (row.code, row.kind, row.name, row.kana) == ("011002", Kind.DESIGNATED_CITY, "札幌市", "さっぽろし")
