"""Reading organisations from CSV, and the ones that are shipped: ``config/organisations.csv``.

Pure but for the shipped file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from chukan.platform.messages import text
from chukan.tenants.registry.csv_files import Line, lines_of, plain
from chukan.tenants.registry.errors import BadRow, CodeInvalid, FileRefused
from chukan.tenants.registry.rules import LocalGovernmentCode
from chukan.tenants.registry.search_keys import search_key
from chukan.tenants.registry.values import Kind

SHIPPED = "organisations.csv"
_COLUMNS: Mapping[str, Sequence[str]] = {name: (name,) for name in ("code", "kind", "prefecture", "name", "kana")}
_KANA = re.compile(r"[ぁ-ゖァ-ヺー・\s]+")
#: Longer than any name there is; a longer one is another column.
MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class SeedRow:
    """One organisation as a file tells it; ``prefecture`` is its number, and the name is kept as written."""

    code: LocalGovernmentCode
    kind: Kind
    prefecture: str
    name: str
    kana: str


def shipped() -> bytes:
    """Return the file of the 1,788 prefectures and municipalities that comes with the platform."""
    return (files("chukan") / "config" / SHIPPED).read_bytes()


def read_organisations(content: bytes, file: str) -> Sequence[SeedRow]:
    """Return the organisations that *content* tells of.

    Raises:
        FileUnreadable: the file as a whole makes no sense.
        FileRefused: with every line that cannot be taken; none is.
    """
    rows: list[SeedRow] = []
    bad: list[BadRow] = []
    seen: set[str] = set()
    for line in lines_of(content, file, _COLUMNS):
        row = _row(line)
        if isinstance(row, SeedRow) and row.code in seen:
            row = _bad(line, text("the code stands in the file twice"))
        if isinstance(row, BadRow):
            bad.append(row)
            continue
        seen.add(row.code)
        rows.append(row)
    if bad:
        raise FileRefused(file=file, rows=bad)
    return rows


def _row(line: Line) -> SeedRow | BadRow:
    try:
        code = LocalGovernmentCode.parse(line.cells["code"])
    except CodeInvalid as error:
        return _bad(line, str(error.values["reason"]))
    kind, name, kana = (line.cells[column].strip() for column in ("kind", "name", "kana"))
    if kind not in set(Kind) or Kind(kind).is_union:
        return _bad(line, text("{kind} is no kind of prefecture or municipality", kind=kind or "''"))
    if plain(line.cells["prefecture"]) != code.prefecture:
        return _bad(line, text("the code belongs to prefecture {number}", number=code.prefecture))
    if reason := name_fault(name, kana):
        return _bad(line, reason)
    return SeedRow(code, Kind(kind), code.prefecture, name, kana)


def name_fault(name: str, kana: str) -> str | None:
    """Return what is wrong with a name and its reading, or None."""
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        return text("the name is empty, too long, or holds signs that cannot be printed")
    if len(kana) > MAX_NAME or _KANA.fullmatch(kana) is None:
        return text("the reading is not kana")
    return None


def _bad(line: Line, reason: str) -> BadRow:
    return BadRow(line.number, line.cells["code"].strip(), reason)


@cache
def prefecture_names() -> Mapping[str, str]:
    """Return the 47 prefectures' names by their numbers, as they are shipped."""
    rows = read_organisations(shipped(), SHIPPED)
    return {row.prefecture: row.name for row in rows if row.kind is Kind.PREFECTURE}


@cache
def prefecture_readings() -> Mapping[str, str]:
    """Return the 47 prefectures' readings by their numbers, as they are shipped."""
    rows = read_organisations(shipped(), SHIPPED)
    return {row.prefecture: row.kana for row in rows if row.kind is Kind.PREFECTURE}


def key_of(prefecture: str, name: str, kana: str) -> str:
    """Return what is stored to find an organisation by: its own name and reading and its prefecture's."""
    return search_key(name, kana, prefecture_names()[prefecture], prefecture_readings()[prefecture])
