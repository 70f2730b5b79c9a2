"""One uploaded file under check, whichever way it is written: its batches, and each record judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from chukan.tenants.middleserver.duplicate_copies.csv_reader import CsvReader, Line
from chukan.tenants.middleserver.duplicate_copies.fast_path import FastPath
from chukan.tenants.middleserver.duplicate_copies.records import Batch, Fault, Position, Record, Right, Source
from chukan.tenants.middleserver.duplicate_copies.rules import FileForm
from chukan.tenants.middleserver.duplicate_copies.validator import Terms, Validator
from chukan.tenants.middleserver.duplicate_copies.xml_plain import Element
from chukan.tenants.middleserver.duplicate_copies.xml_reader import XmlReader, record_of


class File(Protocol):
    """A file, ready to be read."""

    #: The first line of a CSV; None for XML.
    header: str | None

    @property
    def first(self) -> int | None:
        """The offset of the first record, as far as it is known: a later reading needs it to go on."""
        ...

    def batches(self, start: Position | None, first: int | None) -> Iterator[Batch[Any]]:
        """Yield the records from *start* on; raises ``FileBroken``."""
        ...

    def quick(self, raw: Any) -> Right | None:
        """Return the record if the quick check knows that it is right."""
        ...

    def record(self, raw: Any, *, place: int, line: int) -> Record:
        """Return what the record holds."""
        ...

    def check(self, record: Record) -> list[Fault]:
        """Return what is wrong with *record*."""
        ...

    def right(self, record: Record) -> Right:
        """Return *record*, which was found right, as it is staged."""
        ...


class _Checked:
    """What both forms share: the thorough check, and the quick one of the version that the file uses."""

    def __init__(self, terms: Terms, reader: CsvReader | None) -> None:
        self._terms = terms
        self._columns = None if reader is None else reader.columns
        self._validator = Validator(terms, ordered=reader is None)
        self._paths: dict[str, FastPath] = {}
        # Most files are of the newest version; another one takes its place when a record of it is found right.
        self._path = self._path_of(next(reversed(terms.versions))) if terms.versions else None

    def _path_of(self, version: str) -> FastPath:
        if version not in self._paths:
            self._paths[version] = FastPath(self._terms, version, self._columns)
        return self._paths[version]

    def check(self, record: Record) -> list[Fault]:
        return self._validator.check(record)

    def right(self, record: Record) -> Right:
        self._path = self._path_of(record.head.version)
        return self._validator.right(record)


class CsvFile(_Checked):
    """A CSV under check; raises ``FileBroken`` if its header is wrong."""

    def __init__(self, source: Source, terms: Terms) -> None:
        self._reader = CsvReader(source)
        self._reader.check_header(terms)
        super().__init__(terms, self._reader)
        self.header: str | None = self._reader.header
        self.first: int | None = None

    def batches(self, start: Position | None, first: int | None) -> Iterator[Batch[Line]]:
        """Yield the lines from *start* on; *first* is not needed."""
        del first
        return self._reader.batches(start)

    def quick(self, raw: Line) -> Right | None:
        """Return the record if the quick check knows that the line is right."""
        return self._path.line(raw) if self._path is not None and isinstance(raw, str) else None

    def record(self, raw: Line, *, place: int, line: int) -> Record:
        """Return what the line holds."""
        return self._reader.record(raw, place=place, number=line)


class XmlFile(_Checked):
    """An XML attachment under check."""

    def __init__(self, source: Source, terms: Terms) -> None:
        super().__init__(terms, None)
        self._reader = XmlReader(source)
        self.header: str | None = None

    @property
    def first(self) -> int | None:
        """The offset of the first record, once it was read."""
        return self._reader.first

    def batches(self, start: Position | None, first: int | None) -> Iterator[Batch[Element]]:
        """Yield the records from *start* on."""
        return self._reader.batches(start, first=first)

    def quick(self, raw: Element) -> Right | None:
        """Return the record if the quick check knows that the element is right."""
        if self._path is None or raw.broken is not None:
            return None
        return self._path.fields(raw.head, raw.content)

    def record(self, raw: Element, *, place: int, line: int) -> Record:
        """Return what the element holds; it knows its line itself."""
        del line
        return record_of(raw, place=place)


def opened(form: FileForm, source: Source, terms: Terms) -> File:
    """Return the file behind *source*, ready to be checked against *terms*; raises ``FileBroken``."""
    return CsvFile(source, terms) if form is FileForm.CSV else XmlFile(source, terms)
