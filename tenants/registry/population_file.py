"""Reading populations from CSV: which rows can be taken, which cannot, and which make one look twice.

Pure: what organisations there are is told by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from chukan.platform.messages import text
from chukan.tenants.registry.csv_files import Line, lines_of, plain
from chukan.tenants.registry.errors import BadRow, CodeInvalid
from chukan.tenants.registry.rules import LocalGovernmentCode

_COLUMNS: Mapping[str, Sequence[str]] = {
    "code": (
        *("code", "団体コード", "市区町村コード", "都道府県・市区町村コード"),
        *("地方公共団体コード", "全国地方公共団体コード"),
    ),
    "population": ("population", "人口", "総人口", "人口総数", "住民基本台帳人口", "総数"),
}  # fmt: skip
#: What statistics print where there is no number.
_BLANKS = frozenset({"", "-", "‐", "―", "−", "ー", "...", "…", "x", "*", "***"})
_NUMBER = re.compile(r"[0-9]+|[0-9]{1,3}(,[0-9]{3})+")
#: More people than the country has; a column of something else was taken.
_MAXIMUM = 200_000_000


@dataclass(frozen=True, slots=True)
class PopulationFile:
    """What a file says: values by code, the lines that cannot be taken, and those that need a second look."""

    values: Mapping[LocalGovernmentCode, int]
    bad: Sequence[BadRow]
    warnings: Sequence[BadRow]


def read_population(content: bytes, file: str, known: Collection[str]) -> PopulationFile:
    """Return what *content* says of the organisations whose codes are *known*.

    A blank is a warning and no value: it neither becomes zero nor replaces what is registered. Zero is a
    value, with a warning. Where six-digit codes stand, five digits are a code whose zero a spreadsheet took.

    Raises:
        FileUnreadable: the file as a whole makes no sense.
    """
    lines = lines_of(content, file, _COLUMNS)
    has_check_digits = any(len(plain(line.cells["code"])) == 6 for line in lines)
    values: dict[LocalGovernmentCode, int] = {}
    bad: list[BadRow] = []
    warnings: list[BadRow] = []
    seen: set[str] = set()
    for line in lines:
        code = _code(line, known, bad, has_check_digits=has_check_digits)
        if code is None:
            continue
        if code in seen:
            bad.append(_row(line, text("the code stands in the file twice")))
            continue
        seen.add(code)
        value = _value(line, bad, warnings)
        if value is not None:
            values[code] = value
    return PopulationFile(values, bad, warnings)


def _code(
    line: Line,
    known: Collection[str],
    bad: list[BadRow],
    *,
    has_check_digits: bool,
) -> LocalGovernmentCode | None:
    written = plain(line.cells["code"])
    if has_check_digits and len(written) == 5:
        bad.append(_row(line, text("other lines have six digits: a leading zero may be lost")))
        return None
    try:
        code = LocalGovernmentCode.parse(written)
    except CodeInvalid as error:
        bad.append(_row(line, str(error.values["reason"])))
        return None
    if code not in known:
        bad.append(_row(line, text("no prefecture or municipality has this code on that day")))
        return None
    return code


def _value(line: Line, bad: list[BadRow], warnings: list[BadRow]) -> int | None:
    written = plain(line.cells["population"])
    if written.lower() in _BLANKS:
        warnings.append(_row(line, text("the population is blank; what is registered stays")))
        return None
    if _NUMBER.fullmatch(written) is None:
        bad.append(_row(line, text("the population is no whole number: {written}", written=written)))
        return None
    value = int(written.replace(",", ""))
    if value > _MAXIMUM:
        bad.append(_row(line, text("the population is larger than the country's: {written}", written=written)))
        return None
    if value == 0:
        warnings.append(_row(line, text("the population is zero")))
    return value


def _row(line: Line, reason: str) -> BadRow:
    return BadRow(line.number, line.cells["code"].strip(), reason)
