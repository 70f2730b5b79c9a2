"""Reading the attachment of IF_DBM_20113: XML by expat as it streams, bounded, without DTD and entities.

To go on at a record the parser is given the beginning of the file, up to its first record, and then the file from
that record on.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.parsers import expat

from chukan.tenants.middleserver.duplicate_copies.content import (
    MAX_CONTENT_CHARACTERS,
    ContentUnreadable,
    xml_items,
)
from chukan.tenants.middleserver.duplicate_copies.records import (
    CONTENT_FIELD,
    Batch,
    Broken,
    FileBroken,
    Head,
    ItemValue,
    Position,
    Record,
    Source,
)
from chukan.tenants.middleserver.duplicate_copies.rules import Reason
from chukan.tenants.middleserver.duplicate_copies.xml_names import FIELDS, RECORD, ROOT, SEGMENT
from chukan.tenants.middleserver.duplicate_copies.xml_plain import Element, PlainRecords

_PLACES = {field: place for place, field in enumerate(FIELDS)}
_CONTENT_PLACE = len(FIELDS) - 1
#: What comes before the first record.
MAX_HEAD_BYTES = 1 << 16
#: One tag or text is no longer; longer ones are not held in memory.
_MAX_TOKEN_BYTES = 4 << 20
_BLOCK = 4 << 20
_BATCH_ROWS = 4_000
_TEXT_BUFFER = 1 << 16


class _Parser:
    """One reading; its handlers are called by expat."""

    def __init__(self, *, skipped_bytes: int, skipped_lines: int) -> None:
        self.rows: list[Element] = []
        #: How many rows are followed by the start of the next record (or the end), and where that is.
        self.settled = 0
        self.offset = 0
        self.line = 1
        self.first: int | None = None
        self.first_line = 1
        self.fed = 0
        self._skipped_bytes, self._skipped_lines = skipped_bytes, skipped_lines
        self.segment: str | None = None
        self._depth = 0
        self._in_record = False
        self._current = -1
        self._last = -1
        self._length = 0
        self._texts: list[str] = []
        self._fields: list[str] = []
        self._content: str | None = None
        self._broken: Broken | None = None
        self._begun = 1
        self._expat = parser = expat.ParserCreate("UTF-8")
        parser.buffer_size = _TEXT_BUFFER
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._characters
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._forbidden
        parser.EntityDeclHandler = self._forbidden
        parser.ProcessingInstructionHandler = self._forbidden

    def feed(self, data: bytes, *, last: bool = False) -> None:
        try:
            self._expat.Parse(data, last)
        except expat.ExpatError as failure:
            what = expat.ErrorString(failure.code)
            raise FileBroken(Reason.UNREADABLE, place=0, line=self._here(), what=what) from None
        self.fed += len(data)
        if self.fed - self._expat.CurrentByteIndex > _MAX_TOKEN_BYTES and not last:
            raise FileBroken(Reason.UNREADABLE, place=0, line=self._here(), what=f"> {_MAX_TOKEN_BYTES} bytes")

    def _here(self) -> int:
        return self._expat.CurrentLineNumber + self._skipped_lines

    def _settle(self) -> None:
        self.settled = len(self.rows)
        self.offset = self._expat.CurrentByteIndex + self._skipped_bytes
        self.line = self._here()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        depth = self._depth
        if depth == 3:
            if not self._in_record:
                raise self._misplaced(name)
            place = _PLACES.get(name, -1)
            if place <= self._last or attributes:
                self._wrong(name)
            self._current = self._last = place
            self._texts, self._length = [], 0
        elif depth == 2:
            self._open(name, attributes)
        elif depth == 1:
            if name != ROOT:
                raise self._misplaced(name)
        else:
            self._wrong(name)

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        if name == RECORD and self.segment is not None and not attributes:
            self._settle()
            if self.first is None:
                self.first, self.first_line = self.offset, self.line
            self._fields, self._content, self._broken = [""] * _CONTENT_PLACE, None, None
            self._last, self._begun, self._in_record = -1, self.line, True
        elif name == SEGMENT and self.segment is None and not attributes:
            self._texts, self._length, self._current, self._in_record = [], 0, 0, False
        else:
            raise self._misplaced(name)

    def _misplaced(self, name: str) -> FileBroken:
        return FileBroken(Reason.STRUCTURE, place=0, line=self._here(), item=name[:64], element=name[:64])

    def _end(self, name: str) -> None:
        self._depth -= 1
        depth = self._depth
        if depth == 2:
            if self._current == _CONTENT_PLACE:
                self._content = "".join(self._texts)
            elif self._current >= 0:
                self._fields[self._current] = "".join(self._texts)
            self._current = -1
        elif depth == 1:
            self._close(name)
        elif depth == 0:
            if self.segment is None:
                raise self._misplaced(SEGMENT)
            self._settle()

    def _close(self, name: str) -> None:
        if name == SEGMENT:
            self.segment, self._current = "".join(self._texts), -1
            return
        number, *others = self._fields
        fields = (number, self.segment or "", *others)
        self.rows.append(Element(self._begun, ",".join(fields), fields, self._content, self._broken))

    def _characters(self, data: str) -> None:
        if self._current >= 0:
            self._length += len(data)
            if self._length > MAX_CONTENT_CHARACTERS:
                raise FileBroken(
                    Reason.UNREADABLE, place=0, line=self._here(), what=f"> {MAX_CONTENT_CHARACTERS} characters"
                )
            self._texts.append(data)
        elif not data.isspace() or data.strip(" \t\r\n"):
            if self._depth < 2:
                raise FileBroken(Reason.STRUCTURE, place=0, line=self._here(), element="#text")
            self._wrong("#text")

    def _wrong(self, name: str) -> None:
        self._broken = self._broken or Broken(Reason.STRUCTURE, name[:64], {"element": name[:64]})

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.upper() not in {"UTF-8", "UTF8"}:
            raise FileBroken(Reason.ENCODING, place=0, line=1)

    def _forbidden(self, *_arguments: object) -> None:
        raise FileBroken(Reason.UNREADABLE, place=0, line=self._here(), what="DOCTYPE / <?")


class XmlReader:
    """One XML file, read from its beginning or, after an interruption, from a position on.

    Records that are written plainly are matched by a pattern that only well-formed ones match; from the first that
    is not on, expat reads the rest.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        #: The offset of the first record; a position is of use only together with it.
        self.first: int | None = None

    def batches(self, start: Position | None = None, *, first: int | None = None) -> Iterator[Batch[Element]]:
        """Yield the records from *start* on, where an earlier reading told *first*; else from the beginning.

        Raises:
            FileBroken: the file is not well-formed, or is none of these.
        """
        if start is None or first is None:
            parser = self._beginning()
            self.first = first = parser.first
            # The parser stands at the end of what it was fed: the line of the first record is its own.
            start = Position(offset=parser.first or 0, line=parser.first_line)
        else:
            self.first = first
            parser = _Parser(skipped_bytes=0, skipped_lines=0)
            parser.feed(self._head(first))
        if first is None:
            return
        plain = PlainRecords(parser.segment or "", start)
        for block in self._source(start.offset):
            for begin in range(0, len(block), _BLOCK):
                batch = plain.read(block[begin : begin + _BLOCK])
                if batch is not None:
                    yield batch
                if plain.stopped:
                    break
            if plain.stopped:
                break
        yield from self._rest(plain.position, first)

    def _beginning(self) -> _Parser:
        """Return a parser that has seen the first record begin, or the whole of a file without any."""
        parser = _Parser(skipped_bytes=0, skipped_lines=0)
        for block in self._source(0):
            for begin in range(0, len(block), MAX_HEAD_BYTES):
                parser.feed(block[begin : begin + MAX_HEAD_BYTES])
                if parser.first is None and parser.fed <= MAX_HEAD_BYTES:
                    continue
                if parser.first is None or parser.first > MAX_HEAD_BYTES:
                    raise FileBroken(Reason.UNREADABLE, place=0, line=1, what=f"> {MAX_HEAD_BYTES} bytes")
                return parser
            if parser.first is not None:
                return parser
        parser.feed(b"", last=True)
        return parser

    def _rest(self, start: Position, first: int) -> Iterator[Batch[Element]]:
        """Read on by expat, which is given the file's beginning and then the file from *start* on."""
        head = self._head(first)
        begun = start.records
        parser = _Parser(skipped_bytes=start.offset - first, skipped_lines=start.line - 1 - head.count(b"\n"))
        parser.feed(head)
        for block in self._source(start.offset):
            for begin in range(0, len(block), _BLOCK):
                parser.feed(block[begin : begin + _BLOCK])
                if parser.settled >= _BATCH_ROWS:
                    batch = _taken(parser, begun)
                    begun = batch.end.records
                    yield batch
        parser.feed(b"", last=True)
        # An empty last batch would have a night that ends behind it begin at it for ever.
        if parser.settled:
            yield _taken(parser, begun)

    def _head(self, first: int) -> bytes:
        head = b""
        for block in self._source(0):
            head += block[: first - len(head)]
            if len(head) >= first:
                break
        return head


def _taken(parser: _Parser, begun: int) -> Batch[Element]:
    rows = parser.rows[: parser.settled]
    del parser.rows[: parser.settled]
    parser.settled = 0
    return Batch(Position(begun + len(rows), parser.offset, parser.line), rows)


def record_of(element: Element, *, place: int) -> Record:
    """Return what *element*, the *place*-th record of the file, holds."""
    items: tuple[ItemValue, ...] | None = None
    broken = element.broken
    if element.content is not None and broken is None:
        try:
            items = xml_items(element.content)
        except ContentUnreadable as failure:
            broken = Broken(Reason.CONTENT_UNREADABLE, CONTENT_FIELD, {"what": failure.what})
    content = element.content if items else ""
    return Record(place, element.line, Head._make(element.fields), items, content or "", broken)
