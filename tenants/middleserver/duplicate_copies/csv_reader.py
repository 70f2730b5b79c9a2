"""Reading a CSV: UTF-8, a header, a record a line; no line breaks inside cells.

The header has the fixed columns, then one column for each occurrence of an item: ``<item code>:<item version>``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chukan.tenants.middleserver.duplicate_copies.content import (
    Column,
    ContentUnreadable,
    columns_of,
    csv_cells,
    csv_content,
    csv_items,
)
from chukan.tenants.middleserver.duplicate_copies.records import (
    HEAD_FIELDS,
    UPDATED_FIELD,
    Batch,
    Broken,
    FileBroken,
    Head,
    Position,
    Record,
    Source,
)
from chukan.tenants.middleserver.duplicate_copies.rules import Reason
from chukan.tenants.middleserver.duplicate_copies.validator import Terms

FIXED = (*HEAD_FIELDS, UPDATED_FIELD)
#: A line is no longer; longer ones are not held in memory.
MAX_LINE_BYTES = 1 << 20
_BLOCK = 4 << 20
_BOM = b"\xef\xbb\xbf"

#: A line as it stands, or its bytes where they are not UTF-8.
Line = str | bytes


class CsvReader:
    """One CSV file, read from its header on or, after an interruption, from a position on."""

    def __init__(self, source: Source) -> None:
        """Read the header.

        Raises:
            FileBroken: there is none, or it is too long or not UTF-8.
        """
        self._source = source
        raw = self._first_line()
        self._first = Position(offset=len(raw), line=2)
        try:
            self.header = raw.removeprefix(_BOM).decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise FileBroken(Reason.ENCODING, place=0, line=1) from None
        self.columns: tuple[Column, ...] = columns_of(self.header, len(FIXED))
        self._width = len(FIXED) + len(self.columns)

    def _first_line(self) -> bytes:
        head = b""
        for block in self._source(0):
            head += block[: MAX_LINE_BYTES + 1]
            if (end := head.find(b"\n")) >= 0:
                return head[: end + 1]
            if len(head) > MAX_LINE_BYTES:
                raise FileBroken(Reason.UNREADABLE, place=0, line=1, what=f"> {MAX_LINE_BYTES} bytes")
        if not head:
            raise FileBroken(Reason.UNREADABLE, place=0, line=1, what="0 bytes")
        return head

    def check_header(self, terms: Terms) -> None:
        """Do nothing if the header has every fixed column, and no column that no version of the layout has.

        Raises:
            FileBroken: it has not.
        """
        names = self.header.split(",")
        for place, expected in enumerate(FIXED):
            if place >= len(names) or names[place] != expected:
                raise FileBroken(Reason.HEADER, place=0, line=1, column=expected)
        items = [item for _, dataset in terms.versions.values() for item in dataset.items]
        known = {item.code for item in items}
        versions = {(item.code, str(item.version)): item.occurs_max for item in items}
        for code, version in self.columns:
            if code not in known:
                raise FileBroken(Reason.HEADER, place=0, line=1, item=code[:64], column=code[:64])
            if (code, version) not in versions:
                expected = ", ".join(sorted({known for of, known in versions if of == code}))
                raise FileBroken(Reason.ITEM_VERSION, place=0, line=1, item=code, found=version[:8], expected=expected)

    def batches(self, start: Position | None = None) -> Iterator[Batch[Line]]:
        """Yield the lines behind *start* (the header, if none is given).

        Raises:
            FileBroken: a line is too long.
        """
        position, rest = start or self._first, b""
        for block in self._source(position.offset):
            for begin in range(0, len(block), _BLOCK):
                data = rest + block[begin : begin + _BLOCK]
                cut = data.rfind(b"\n") + 1
                rest = data[cut:]
                if len(rest) > MAX_LINE_BYTES:
                    line = position.line + data.count(b"\n")
                    raise FileBroken(Reason.UNREADABLE, place=0, line=line, what=f"> {MAX_LINE_BYTES} bytes")
                if cut:
                    batch = _lines(data[:cut], position)
                    position = batch.end
                    yield batch
        if rest:
            yield _lines(rest, position)

    def record(self, line: Line, *, place: int, number: int) -> Record:
        """Return what *line*, the *place*-th record, in line *number* of the file, holds."""
        if isinstance(line, bytes):
            return _broken(place, number, Reason.ENCODING)
        try:
            cells = csv_cells(line)
        except ContentUnreadable as failure:
            return _broken(place, number, Reason.CONTENT_UNREADABLE, what=failure.what)
        if len(cells) != self._width:
            found, expected = str(len(cells)), str(self._width)
            return _broken(place, number, Reason.COLUMNS, found=found, expected=expected)
        head, updated, values = Head._make(cells[: len(HEAD_FIELDS)]), cells[len(HEAD_FIELDS)], cells[len(FIXED) :]
        items = csv_items(self.columns, updated, values)
        return Record(place, number, head, items, csv_content(updated, values) if items else "")


def _lines(data: bytes, start: Position) -> Batch[Line]:
    lines: Sequence[Line]
    try:
        text = data.decode()
    except UnicodeDecodeError:
        lines = [_decoded(line.removesuffix(b"\r")) for line in data.removesuffix(b"\n").split(b"\n")]
    else:
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        lines = text.removesuffix("\n").split("\n")
    end = Position(start.records + len(lines), start.offset + len(data), start.line + len(lines))
    return Batch(end, list(lines))


def _decoded(line: bytes) -> Line:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line


def _broken(place: int, line: int, reason: Reason, **values: str) -> Record:
    return Record(place, line, Head._make([""] * len(HEAD_FIELDS)), None, "", Broken(reason, "", values))
