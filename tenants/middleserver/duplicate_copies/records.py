"""What a file holds, whichever way it is written: the same records, each with its place and line.

``Head`` fields are the same in both forms and are compared by one pattern (``HEAD_FIELDS``, joined by commas).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from chukan.tenants.middleserver.duplicate_copies.rules import Reason

#: The elements of one record, in the order of the file; the CSV has them as columns.
HEAD_FIELDS = (
    "RecordIdentificationNumber",
    "SegmentOfRegistrationDelete",
    "IntegratedAddressNumber",
    "SpecificPersonalInformationCode",
    "DataSetIdentificationItemCode",
    "DataSetRecordKey",
    "SPIMajorVersion",
    "ParentDataSetRecordKey",
    "PublicationDate",
    "PublishedEndDate",
    "AdministrativeRegionCode",
)
UPDATED_FIELD = "TimeAndDateOfUpdate"
CONTENT_FIELD = "DuplicateCopyData"
REGISTRATION, DELETION = "1", "2"
NULL_REASONS = ("NotAcceptable", "NotConvered")
#: How a CSV cell says that an item has no value: this, and the reason.
NULL_MARK = "\\N:"

Raw = TypeVar("Raw")

#: Returns the file's bytes from an offset on, in blocks.
Source = Callable[[int], Iterator[bytes]]


class Head(NamedTuple):
    """The fields of a record beside its items, as they were written; a missing one is empty."""

    number: str
    segment: str
    address: str
    information: str
    dataset: str
    key: str
    version: str
    parent: str
    published_from: str
    published_to: str
    region: str


class ItemValue(NamedTuple):
    """One occurrence of an item, as it was written; without a value it has a reason instead."""

    code: str
    version: str
    updated: str
    value: str | None
    reason: str | None


class Broken(NamedTuple):
    """Why a record could not be taken apart."""

    reason: Reason
    item: str
    values: dict[str, str]


class Record(NamedTuple):
    """One record: its place in the file (from 1), its line (from 1), and what it says."""

    place: int
    line: int
    head: Head
    #: None for a record without any content.
    items: tuple[ItemValue, ...] | None
    #: The content as it is kept: what ``content.items_of`` reads.
    content: str
    broken: Broken | None = None


class Right(NamedTuple):
    """A record found right, as it is staged."""

    number: str
    segment: str
    address: str
    key: str
    version: str
    parent: str
    published_from: str
    published_to: str
    region: str
    content: str


class Fault(NamedTuple):
    """One thing wrong with one record (place 0: with the file); never with the value itself."""

    place: int
    line: int
    number: str
    item: str
    name: str
    reason: Reason
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Position:
    """Between two records: how many came before, the offset of the next in bytes, and its line."""

    records: int = 0
    offset: int = 0
    line: int = 1


class FileBroken(Exception):
    """The file cannot be read beyond a place; becomes a fault of the file."""

    def __init__(self, reason: Reason, *, place: int, line: int, item: str = "", **values: str) -> None:
        super().__init__(reason.value)
        self.fault = Fault(place, line, "", item, "", reason, values)


@dataclass(slots=True)
class Batch(Generic[Raw]):
    """Some records of a file, not yet taken apart, and the position after them."""

    end: Position
    rows: list[Raw] = field(default_factory=list)
