"""docs/requirements.md names every requirement that the code cites, and nothing that is not there."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache

import pytest

from repository.tree import ROOT, parsed, product_modules

PAGE = ROOT / "docs/requirements.md"
ROW_ID = re.compile(r"\b[A-Z]\d-\d{3}\b")
QUOTED = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Row:
    """One line of the page."""

    id: str
    words: str
    places: tuple[str, ...]
    tests: tuple[str, ...]


@cache
def rows() -> tuple[Row, ...]:
    """Return the lines of the page's table."""
    found = []
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and ROW_ID.fullmatch(cells[0]):
            row_id, words, places, tests = cells
            found.append(Row(row_id, words, tuple(QUOTED.findall(places)), tuple(QUOTED.findall(tests))))
    return tuple(found)


def cited() -> set[str]:
    """Return every row id that stands in the product's code or configuration."""
    files = [*product_modules(), *(path for path in (ROOT / "config").rglob("*.toml"))]
    return {row_id for path in files for row_id in ROW_ID.findall(path.read_text("utf-8"))}


def test_the_page_lists_exactly_the_requirements_that_the_code_cites() -> None:
    listed = {row.id for row in rows()}
    assert sorted(cited() - listed) == [], "cited in the code, but not on the page"
    assert sorted(listed - cited()) == [], "on the page, but cited nowhere in the code"
    assert len(listed) == len(rows()), "a row stands there twice"


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)
def test_a_requirement_is_told_in_words_and_shown_by_tests(row: Row) -> None:
    assert row.words
    assert row.places
    assert row.tests


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)
def test_a_place_named_for_a_requirement_exists(row: Row) -> None:
    assert [place for place in row.places if not (ROOT / place).exists()] == []


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)
def test_a_test_named_for_a_requirement_exists(row: Row) -> None:
    assert [name for name in row.tests if not is_a_test(name)] == []


def is_a_test(name: str) -> bool:
    """Return whether *name*, a folder, a file, or ``file::test``, stands for tests of ours."""
    path, _, function = name.partition("::")
    place = ROOT / path
    if place.is_dir():
        return path.startswith("tests/") and not function and any(place.rglob("test_*.py"))
    if not path.startswith("tests/") or not place.is_file():
        return False
    functions = {node.name for node in ast.walk(parsed(place)) if isinstance(node, ast.FunctionDef)}
    return function in functions if function else any(each.startswith("test_") for each in functions)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tests/repository", True),
        ("tests/repository/test_layout.py", True),
        ("tests/repository/test_layout.py::test_no_module_is_too_long_to_read", True),
        ("tests/repository/test_layout.py::test_of_something_else", False),
        ("tests/repository/tree.py", False),
        ("tests/nowhere", False),
        ("platform/database", False),
    ],
)
def test_a_name_that_stands_for_no_test_would_be_noticed(name: str, *, expected: bool) -> None:
    assert is_a_test(name) is expected
