"""Records of XML that are written plainly: matched whole by one pattern, several times as fast as expat.

Only text that is a well-formed record with nothing in it but the published elements in their order, without
references, attributes and comments, matches; a file all of whose records match is what expat would have read. A test
compares both.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from chukan.tenants.middleserver.duplicate_copies.records import CONTENT_FIELD, Batch, Broken, Position
from chukan.tenants.middleserver.duplicate_copies.xml_names import FIELDS, RECORD

_END = f"</{RECORD}>"
_END_BYTES = _END.encode()
_BLANK = r"[ \t\n]*+"
_NOT_XML = r"\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff"
_ELEMENTS = "".join(rf"(?:{_BLANK}<{name}>([^<&\]{_NOT_XML}]*+)</{name}>)?+" for name in FIELDS[:-1])
_CONTENT = rf"(?:{_BLANK}<{CONTENT_FIELD}><!\[CDATA\[([^\]{_NOT_XML}]*+)\]\]></{CONTENT_FIELD}>)?+"
_PLAIN = re.compile(f"{_BLANK}<{RECORD}>{_ELEMENTS}{_CONTENT}{_BLANK}").fullmatch
#: More is not kept waiting for the end of a record: expat has its bounds.
_MAX_RECORD_BYTES = 4 << 20


class Element(NamedTuple):
    """A record as it was read: its line, the fields joined by commas, the content (None: no such element)."""

    line: int
    head: str
    fields: tuple[str, ...]
    content: str | None
    broken: Broken | None


class PlainRecords:
    """Takes the file's bytes behind a position, until something in it is not written plainly."""

    def __init__(self, segment: str, start: Position) -> None:
        self.position = start
        self.stopped = False
        self._segment = segment
        self._rest = b""

    def read(self, block: bytes) -> Batch[Element] | None:
        """Return the records that are complete with *block*; None if there are none, or one is not plain."""
        data = self._rest + block
        cut = data.rfind(_END_BYTES) + len(_END_BYTES)
        if cut < len(_END_BYTES):
            self._rest = data
            self.stopped = len(data) > _MAX_RECORD_BYTES
            return None
        self._rest = data[cut:]
        batch = self._records(data[:cut])
        if batch is None:
            self.stopped = True
        else:
            self.position = batch.end
        return batch

    def _records(self, data: bytes) -> Batch[Element] | None:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return None
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        line, rows = self.position.line, []
        for part in text.split(_END)[:-1]:
            found = _PLAIN(part)
            if found is None:
                return None
            begun = line + part.count("\n", 0, part.index("<"))
            line += part.count("\n")
            number, *others, content = found.groups()
            fields = tuple(field or "" for field in (number, self._segment, *others))
            rows.append(Element(begun, ",".join(fields), fields, content, None))
        before = self.position
        return Batch(Position(before.records + len(rows), before.offset + len(data), line), rows)
