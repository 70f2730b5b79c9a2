"""The content of a record as it is kept, and taken apart into items: XML fragments and rows of CSV cells.

What was uploaded is kept as it was written: a fragment of XML, or the cells of the row behind its fixed columns.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from xml.parsers import expat

from chukan.tenants.middleserver.duplicate_copies.records import NULL_MARK, ItemValue

#: One record's content; the largest datasets known have some hundred items.
MAX_CONTENT_CHARACTERS = 1 << 20
_ROOT = "<_ xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>"
_NIL, _REASON = "xsi:nil", "ReasonOfNull"
_ATTRIBUTES = frozenset({"Version", "TimeAndDateOfUpdate", _NIL, _REASON})

#: A column of a CSV: item code and item version.
Column = tuple[str, str]


class ContentUnreadable(Exception):
    """The content cannot be taken apart; ``what`` says why, without repeating any of it."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class _Fragment:
    """Reads one fragment: elements without children, each an item."""

    def __init__(self) -> None:
        self.items: list[ItemValue] = []
        self._depth = 0
        self._text: list[str] = []
        self._attributes: dict[str, str] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > 2:
            raise ContentUnreadable(f"element in element {name[:64]}")
        if self._depth == 2:
            if attributes.keys() - _ATTRIBUTES:
                raise ContentUnreadable(f"unknown attribute of {name[:64]}")
            self._attributes, self._text = attributes, []

    def characters(self, data: str) -> None:
        if self._depth == 2:
            self._text.append(data)
        elif not _is_blank(data):
            raise ContentUnreadable("text between elements")

    def end(self, name: str) -> None:
        self._depth -= 1
        if self._depth == 1:
            self.items.append(_item(name, self._attributes, "".join(self._text)))


def _item(name: str, attributes: dict[str, str], text: str) -> ItemValue:
    nil, reason = attributes.get(_NIL, "false"), attributes.get(_REASON)
    if nil not in {"true", "false", "1", "0"}:
        raise ContentUnreadable(f"xsi:nil of {name[:64]}")
    is_nil = nil in {"true", "1"}
    if is_nil and text:
        raise ContentUnreadable(f"text in the nil element {name[:64]}")
    if not is_nil and reason is not None:
        raise ContentUnreadable(f"ReasonOfNull beside a value of {name[:64]}")
    version, updated = attributes.get("Version", ""), attributes.get("TimeAndDateOfUpdate", "")
    return ItemValue(name, version, updated, None if is_nil else text, reason if is_nil else None)


def _is_blank(text: str) -> bool:
    return not text.strip(" \t\r\n")


def _refuse(*_arguments: object) -> None:
    raise ContentUnreadable("declaration, comment or processing instruction")


def xml_items(content: str) -> tuple[ItemValue, ...]:
    """Return the items of a fragment of XML.

    Raises:
        ContentUnreadable: it is not well-formed, nested, or has what is not accepted (comments, declarations).
    """
    fragment, parser = _Fragment(), expat.ParserCreate("UTF-8")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = fragment.start, fragment.end
    parser.CharacterDataHandler = fragment.characters
    parser.StartDoctypeDeclHandler = parser.ProcessingInstructionHandler = parser.CommentHandler = _refuse
    try:
        parser.Parse(f"{_ROOT}{content}</_>".encode(), True)  # noqa: FBT003 - expat takes it by place alone
    except (expat.ExpatError, UnicodeEncodeError) as failure:
        raise ContentUnreadable(expat.ErrorString(getattr(failure, "code", 0) or 4)) from None
    return tuple(fragment.items)


def csv_cells(line: str) -> list[str]:
    """Return the cells of one line of a CSV (RFC 4180, without line breaks inside cells).

    Raises:
        ContentUnreadable: a quotation mark is not closed, or stands where none belongs.
    """
    try:
        rows = list(csv.reader([line], strict=True))
    except csv.Error:
        raise ContentUnreadable("quotation marks") from None
    return rows[0] if rows else []


def csv_items(columns: Sequence[Column], updated: str, cells: Sequence[str]) -> tuple[ItemValue, ...]:
    """Return the items of the cells of one row; an empty cell is no item."""
    items = []
    for (code, version), cell in zip(columns, cells, strict=True):
        if cell.startswith(NULL_MARK):
            items.append(ItemValue(code, version, updated, None, cell[len(NULL_MARK) :]))
        elif cell:
            items.append(ItemValue(code, version, updated, cell, None))
    return tuple(items)


def csv_content(updated: str, cells: Sequence[str]) -> str:
    """Return how the cells of a row are kept: quoted where they must be."""
    return ",".join(_quoted(cell) for cell in (updated, *cells))


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if any(mark in cell for mark in ',"\r\n') else cell


def columns_of(header: str, fixed: int) -> tuple[Column, ...]:
    """Return the item columns of a checked *header*, whose first *fixed* columns are the same for all."""
    return tuple((code, version) for code, _, version in (name.partition(":") for name in header.split(",")[fixed:]))


def kept_items(content: str, columns: Sequence[Column] | None) -> tuple[ItemValue, ...]:
    """Return the items of a kept content: of CSV cells if *columns* are given, else of XML.

    Raises:
        ContentUnreadable: it is none.
    """
    if columns is None:
        return xml_items(content)
    cells = csv_cells(content)
    return csv_items(columns, cells[0], cells[1:])
