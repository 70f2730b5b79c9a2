"""Reading CSV as it comes from spreadsheets and statistics: UTF-8 with or without a mark, or Shift_JIS."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO

from chukan.platform.messages import text
from chukan.tenants.registry.errors import FileUnreadable

#: A hundred times all organisations; whoever sends more has sent something else.
MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a file: the number of its line (the first is 1), and its cells by column."""

    number: int
    cells: Mapping[str, str]


def decoded(content: bytes, file: str) -> str:
    """Return the text of *content*: UTF-8, or Windows' Shift_JIS where it is not UTF-8.

    Raises:
        FileUnreadable: it is neither, or too large.
    """
    if len(content) > MAX_BYTES:
        raise FileUnreadable(file=file, reason=text("it is larger than {limit} MiB", limit=MAX_BYTES // 2**20))
    # UTF-16 and spreadsheets hold NUL bytes, and cp932 would take some of them for text.
    if b"\x00" in content:
        raise FileUnreadable(file=file, reason=text("it is no text in UTF-8 or Shift_JIS"))
    for encoding in ("utf-8-sig", "cp932"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise FileUnreadable(file=file, reason=text("it is no text in UTF-8 or Shift_JIS"))


def lines_of(content: bytes, file: str, columns: Mapping[str, Sequence[str]]) -> list[Line]:
    """Return the rows of *content* by its heading; empty lines and other columns are left out.

    *columns* are the columns that are needed, each with the headings under which it is known.

    Raises:
        FileUnreadable: it cannot be decoded, is no CSV, or its first line lacks a column or names it twice.
    """
    reader = csv.reader(StringIO(decoded(content, file), newline=""), strict=True)
    lines: list[Line] = []
    places: dict[str, int] | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if places is None:
                places = _places(cells, file, columns)
            else:
                taken = {name: cells[place] if place < len(cells) else "" for name, place in places.items()}
                lines.append(Line(reader.line_num, taken))
    except csv.Error as error:
        reason = text("line {line} is no CSV", line=reader.line_num)
        raise FileUnreadable(file=file, reason=reason, detail=str(error)) from error
    if places is None:
        raise FileUnreadable(file=file, reason=text("it is empty"))
    return lines


def _places(heading: Sequence[str], file: str, columns: Mapping[str, Sequence[str]]) -> dict[str, int]:
    found = [plain(cell).lower() for cell in heading]
    places = {}
    for name, headings in columns.items():
        matching = [place for place, cell in enumerate(found) if cell in headings]
        if len(matching) != 1:
            known = ", ".join(headings)
            raise FileUnreadable(file=file, reason=text("its first line needs one column of: {names}", names=known))
        places[name] = matching[0]
    return places


def plain(cell: str) -> str:
    """Return *cell* with full-width signs made plain and without the spaces around it."""
    return unicodedata.normalize("NFKC", cell).strip()
