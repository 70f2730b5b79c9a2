"""Populations are read from files as they really are: widths, separators, blanks, encodings, lost zeros."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.tenants.registry.errors import FileUnreadable
from chukan.tenants.registry.organisations_file import SHIPPED, read_organisations, shipped
from chukan.tenants.registry.population_file import PopulationFile, read_population

KNOWN = frozenset(row.code for row in read_organisations(shipped(), SHIPPED))


def read(*lines: str, heading: str = "団体コード,人口") -> PopulationFile:
    return read_population("\n".join([heading, *lines]).encode(), "file.csv", KNOWN)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1975065", 1975065),
        ('"1,975,065"', 1975065),
        ("１９７５０６５", 1975065),
        ('"１，９７５，０６５"', 1975065),
        (" 1975065 ", 1975065),
        ("　1975065　", 1975065),
        ("0", 0),
        ("169", 169),
        ("0169", 169),
    ],
)
def test_a_number_is_taken_in_every_form_that_spreadsheets_give_it(written: str, value: int) -> None:
    assert read(f"011002,{written}").values == {"011002": value}


@pytest.mark.parametrize(
    "written",
    [
        '"1,97,5065"',
        '"1975,065"',
        "1975065.0",
        "-1",
        "1.9e6",
        "約200万",
        '"1,975,065人"',
        "200000001",
        "1 975 065",
        "abc",
    ],
)
def test_a_number_that_is_none_is_a_bad_row(written: str) -> None:
    found = read(f"011002,{written}", "141003,1")
    assert found.values == {"141003": 1}
    assert [(row.line, row.found) for row in found.bad] == [(2, "011002")]


@pytest.mark.parametrize("written", ["", " ", "-", "－", "―", "…", "***", "X"])
def test_a_blank_is_a_warning_and_no_value(written: str) -> None:
    found = read(f"011002,{written}")
    assert (found.values, found.bad) == ({}, [])
    assert [(row.line, row.found) for row in found.warnings] == [(2, "011002")]


def test_zero_is_a_value_with_a_warning() -> None:
    found = read("075451,0", "075469,1")
    assert found.values == {"075451": 0, "075469": 1}
    assert [row.found for row in found.warnings] == ["075451"]


@pytest.mark.parametrize("code", ["011002", "01100", "０１１００２", "０１１００", " 011002 "])
def test_a_code_is_taken_with_and_without_its_check_digit(code: str) -> None:
    assert read(f"{code},5").values == {"011002": 5}


@pytest.mark.parametrize(
    "code", ["011003", "1100", "99999", "0110020", "", "札幌市", "011011", "016951", "01100２5", "全国"]
)
def test_a_code_that_no_organisation_has_is_a_bad_row(code: str) -> None:
    found = read(f"{code},5")
    assert found.values == {}
    assert [row.line for row in found.bad] == [2]


def test_five_digits_among_codes_of_six_have_lost_their_zero() -> None:
    # 12203 is Ichikawa in Chiba, and 012203 is Shibetsu in Hokkaido without its zero.
    assert read("12203,5").values == {"122033": 5}
    found = read("122033,5", "12203,6")
    assert found.values == {"122033": 5}
    assert [row.line for row in found.bad] == [3]


def test_a_code_that_stands_there_twice_is_a_bad_row_even_with_the_same_number() -> None:
    found = read("011002,5", "011002,5")
    assert found.values == {"011002": 5}
    assert [row.line for row in found.bad] == [3]


@pytest.mark.parametrize(
    "heading", ["団体コード,人口", "code,population", "Ｃｏｄｅ , Population", "市区町村コード,総数"]
)
def test_the_columns_are_known_by_their_usual_headings(heading: str) -> None:
    assert read("011002,5", heading=heading).values == {"011002": 5}


def test_other_columns_and_empty_lines_do_not_matter() -> None:
    found = read("北海道,011002,札幌市,5", "", ",,,", heading="都道府県名,団体コード,市区町村名,人口")
    assert (found.values, found.bad) == ({"011002": 5}, [])


@pytest.mark.parametrize("heading", ["団体コード,世帯数", "人口", "団体コード,人口,総数", "011002,5"])
def test_a_heading_that_leaves_a_column_open_is_refused(heading: str) -> None:
    with pytest.raises(FileUnreadable):
        read("011002,5", heading=heading)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_and_line_ends_of_spreadsheets_are_read(encoding: str, newline: str) -> None:
    content = newline.join(["団体コード,団体名,人口", '011002,札幌市,"1,975,065"', ""]).encode(encoding)
    assert read_population(content, "file.csv", KNOWN).values == {"011002": 1975065}


@given(st.dictionaries(st.sampled_from(sorted(KNOWN)), st.integers(0, 20_000_000), max_size=30), st.booleans())
def test_what_is_written_is_what_is_read(populations: dict[str, int], separated: bool) -> None:
    lines = [f'{code},"{value:,}"' if separated else f"{code},{value}" for code, value in populations.items()]
    found = read(*lines)
    assert (found.values, found.bad) == (populations, [])
    assert len(found.warnings) == sum(value == 0 for value in populations.values())


@given(st.binary(max_size=200))
def test_whatever_a_file_holds_it_is_read_or_refused(content: bytes) -> None:
    try:
        found = read_population("団体コード,人口\n".encode() + content, "file.csv", KNOWN)
    except FileUnreadable:
        return
    assert set(found.values) <= KNOWN
