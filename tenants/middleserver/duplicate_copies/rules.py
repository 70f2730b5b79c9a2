"""What an upload may become, what repeats another, what a wrong record is told as, and when old copies may go.

States of an upload::

    receiving ─► received ─► staging ─► validated ─► registered
        │            │          ├──────────┴───────► refused
        └────────────┴─► cancelled

A file is registered whole or not at all. Files of one organisation are registered in the order in which they were
complete, so that the newest record is the one of the highest number.

Source: A0-022 to A0-033, A0-091, A1-017.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from types import MappingProxyType

from chukan.platform.messages import mark
from chukan.tenants.middleserver.formats.codes import InformationCode

#: A piece of a file is no larger (decision 31).
MAX_PIECE_BYTES = 8 << 20
#: One file; the largest daily limit of an organisation is 37 GB, which it may split.
MAX_FILE_BYTES = 16 << 30
MAX_RECORDS = 5_000_000
#: What one error report holds; the rest is counted.
MAX_FAULTS = 1_000
#: A request is valid until this many days after its day, the first not counted (rules C.3).
REQUEST_VALID_DAYS = 30

#: The upper bits of a copy's id are its upload's number.
RECORD_BITS = 32
_UPLOADS_A_DAY_BITS = 14
_DAY_ZERO = date(2000, 1, 1)


class UploadState(StrEnum):
    """Where an upload stands."""

    RECEIVING = "receiving"
    RECEIVED = "received"
    STAGING = "staging"
    VALIDATED = "validated"
    REGISTERED = "registered"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class FileForm(StrEnum):
    """How a file is written."""

    CSV = "csv"
    XML = "xml"


TRANSITIONS: Mapping[UploadState, frozenset[UploadState]] = MappingProxyType(
    {
        UploadState.RECEIVING: frozenset({UploadState.RECEIVED, UploadState.CANCELLED}),
        UploadState.RECEIVED: frozenset({UploadState.STAGING, UploadState.CANCELLED}),
        UploadState.STAGING: frozenset({UploadState.VALIDATED, UploadState.REFUSED}),
        UploadState.VALIDATED: frozenset({UploadState.REGISTERED, UploadState.REFUSED}),
        UploadState.REGISTERED: frozenset(),
        UploadState.REFUSED: frozenset(),
        UploadState.CANCELLED: frozenset(),
    }
)
#: Complete, and not yet decided upon.
PENDING = frozenset({UploadState.RECEIVED, UploadState.STAGING, UploadState.VALIDATED})
FINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)


def may_become(old: UploadState, new: UploadState) -> bool:
    """Return whether an upload may go from *old* to *new*."""
    return new in TRANSITIONS[old]


def upload_number(day: date, nth: int) -> int:
    """Return the number (31 bits) of the *nth* upload (from 1) that was complete on *day*; later ones are greater.

    Raises:
        ValueError: there are more than 16,383 in one day.
    """
    if not 1 <= nth < 1 << _UPLOADS_A_DAY_BITS:
        raise ValueError(nth)
    return (day - _DAY_ZERO).days << _UPLOADS_A_DAY_BITS | nth


def copy_ids(number: int) -> tuple[int, int]:
    """Return the first id that belongs to the upload of *number*, and the first after them."""
    return number << RECORD_BITS, (number + 1) << RECORD_BITS


@dataclass(frozen=True, slots=True)
class Standing:
    """An upload of the past, as far as a second one of the same bytes is concerned.

    ``superseded`` is how many of its rows later files replaced, ``deleted`` how many deletions it brought.
    """

    state: UploadState
    number: int | None
    superseded: int = 0
    deleted: int = 0


def is_repeated(earlier: Standing, *, pending: Collection[int], registered: Collection[int]) -> bool:
    """Return whether the same bytes once more would change nothing: what *earlier* brought is, or will be, in force.

    It is not when a later file has replaced some of it, or waits to be registered and may: then the organisation
    means to bring the old content back. *pending* and *registered* are the numbers of the other uploads. What was
    deleted may have been registered again without a trace on the deletion, so there any later file counts.
    """
    if earlier.state is UploadState.RECEIVING:
        return True
    if earlier.number is None or any(number > earlier.number for number in pending):
        return False
    if earlier.state is not UploadState.REGISTERED:
        return earlier.state in PENDING
    later = any(number > earlier.number for number in registered)
    return earlier.superseded == 0 and not (earlier.deleted and later)


class Reason(StrEnum):
    """What is wrong with a record; the code stands in error reports, for machines."""

    UNREADABLE = "unreadable"
    ENCODING = "encoding"
    COLUMNS = "columns"
    HEADER = "header"
    STRUCTURE = "structure"
    FIELD = "field"
    RECORD_NUMBER = "record_number"
    INFORMATION = "information"
    DATASET = "dataset"
    VERSION = "version"
    VERSION_ENDED = "version_ended"
    DATASET_ABOLISHED = "dataset_abolished"
    REGION = "region"
    DATE = "date"
    PERIOD = "period"
    CONTENT_MISSING = "content_missing"
    CONTENT_UNEXPECTED = "content_unexpected"
    CONTENT_UNREADABLE = "content_unreadable"
    ITEM_UNKNOWN = "item_unknown"
    ITEM_ORDER = "item_order"
    ITEM_VERSION = "item_version"
    REQUIRED = "required"
    FORBIDDEN = "forbidden"
    OCCURRENCES = "occurrences"
    LENGTH = "length"
    CHARACTERS = "characters"
    NUMBER = "number"
    CODE = "code"
    CHECK_DIGIT = "check_digit"
    NULL_REASON = "null_reason"
    DATE_ORDER = "date_order"
    INDIVIDUAL_NUMBER = "individual_number"
    INDIVIDUAL_NUMBER_KEYS = "individual_number_keys"
    DUPLICATE_KEY = "duplicate_key"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Wording:
    """What a reason is told as, and what to do about it; ``{named}`` places are filled with the fault's values."""

    message: str
    hint: str


_CORRECT = mark("Correct it in the system that made the file, and send the whole file again.")
_LAYOUT = mark("Compare the item with the data layout of this version.")

WORDINGS: Mapping[Reason, Wording] = MappingProxyType(
    {
        Reason.UNREADABLE: Wording(mark("The file cannot be read from here on: {what}."), _CORRECT),
        Reason.ENCODING: Wording(mark("The line is not written in UTF-8."), mark("Write the file in UTF-8.")),
        Reason.COLUMNS: Wording(
            mark("The line has {found} columns; the header has {expected}."),
            mark("Look for commas and quotation marks inside values."),
        ),
        Reason.HEADER: Wording(
            mark("The column {column} of the header is missing, twice there, or not known."),
            mark("Write the header as the interface document says."),
        ),
        Reason.STRUCTURE: Wording(mark("The element {element} does not belong here."), _CORRECT),
        Reason.FIELD: Wording(mark("The value is not of the form {form}."), _CORRECT),
        Reason.RECORD_NUMBER: Wording(
            mark("The record identification number exists already, or is less than the one before it."),
            mark("Number the records of a file upwards."),
        ),
        Reason.INFORMATION: Wording(
            mark("The file was announced for {expected}, and the record is for another."), _CORRECT
        ),
        Reason.DATASET: Wording(
            mark("The file was announced for the dataset {expected}, and the record is for another."), _CORRECT
        ),
        Reason.VERSION: Wording(
            mark("This dataset has no layout version {found}; it has {expected}."), _LAYOUT
        ),
        Reason.VERSION_ENDED: Wording(
            mark("The layout version {found} has ended; nothing is registered by it any more."), _LAYOUT
        ),
        Reason.DATASET_ABOLISHED: Wording(
            mark("The dataset was abolished on {day}; nothing is registered in it any more."), _LAYOUT
        ),
        Reason.REGION: Wording(
            mark("The administrative region code is none of this organisation's: {expected}."), _CORRECT
        ),
        Reason.DATE: Wording(mark("The value is no day of the calendar in the form YYYY-MM-DD."), _CORRECT),
        Reason.PERIOD: Wording(mark("The publication ends before it begins."), _CORRECT),
        Reason.CONTENT_MISSING: Wording(
            mark("A registration needs its duplicate copy data."), mark("A deletion has the segment 2.")
        ),
        Reason.CONTENT_UNEXPECTED: Wording(
            mark("A deletion has no duplicate copy data."), mark("A registration has the segment 1.")
        ),
        Reason.CONTENT_UNREADABLE: Wording(mark("The duplicate copy data cannot be read: {what}."), _CORRECT),
        Reason.ITEM_UNKNOWN: Wording(mark("The layout version {version} of the dataset has no such item."), _LAYOUT),
        Reason.ITEM_ORDER: Wording(mark("The item does not stand in the order of the layout."), _LAYOUT),
        Reason.ITEM_VERSION: Wording(
            mark("The item has the version {found}; in this layout it has {expected}."), _LAYOUT
        ),
        Reason.REQUIRED: Wording(
            mark("The item is required and is missing."),
            mark("Give its value; where there is none, give the reason (ReasonOfNull)."),
        ),
        Reason.FORBIDDEN: Wording(
            mark("The item must be left out, because {item} is {value}."), _LAYOUT
        ),
        Reason.OCCURRENCES: Wording(
            mark("The item stands there {found} times; at most {expected} are allowed."),
            mark("Give the one that the layout asks for, not all of them."),
        ),
        Reason.LENGTH: Wording(mark("The value has {found} characters; the layout asks for {expected}."), _LAYOUT),
        Reason.CHARACTERS: Wording(mark("The value holds characters that the item does not allow ({form})."), _LAYOUT),
        Reason.NUMBER: Wording(mark("The value is no whole number of at most {expected} digits."), _LAYOUT),
        Reason.CODE: Wording(mark("The value is not in the code list {list}."), _LAYOUT),
        Reason.CHECK_DIGIT: Wording(
            mark("The check digit is wrong or missing."),
            mark("Check that the right item was put in, with its check digit."),
        ),
        Reason.NULL_REASON: Wording(
            mark("An item without a value needs one of these reasons: {expected}."),
            mark("Give ReasonOfNull."),
        ),
        Reason.DATE_ORDER: Wording(mark("The day is before {item}."), _CORRECT),
        Reason.INDIVIDUAL_NUMBER: Wording(
            mark("The text seems to hold an Individual Number, which the middle server must not be given."),
            mark("Take it out; if it is another number, tell the helpdesk."),
        ),
        Reason.INDIVIDUAL_NUMBER_KEYS: Wording(
            mark("{suspects} of {values} values of this key seem to be Individual Numbers."),
            mark("Send integrated address numbers, not Individual Numbers."),
        ),
        Reason.DUPLICATE_KEY: Wording(
            mark("Person, dataset record key and version are the same as those of record {other}."), _CORRECT
        ),
        Reason.COUNT: Wording(
            mark("{expected} records were announced, and the file holds {found}."),
            mark("Compare with the number of originals: persons without a record, such as the undeclared, are missed."),
        ),
    }
)  # fmt: skip


def last_valid_day(requested_on: date, *, days: int = REQUEST_VALID_DAYS) -> date:
    """Return the last day (Asia/Tokyo) on which a request of *requested_on* may be answered."""
    return requested_on + timedelta(days=days)


@dataclass(frozen=True, slots=True)
class Target:
    """What a bulk deletion removes of everybody: a version of an information, a dataset (four digits) of it, or both.

    Source: A0-032.
    """

    information: InformationCode
    version: int | None = None
    dataset: str | None = None

    def __post_init__(self) -> None:
        if self.version is None and self.dataset is None:
            raise ValueError("a bulk deletion names a version or a dataset")

    def meets(self, version: int, dataset: str) -> bool:
        """Return whether copies of that version and dataset belong to it."""
        return self.version in {None, version} and self.dataset in {None, dataset}


def deletable_from(open_requests: Sequence[date], *, days: int = REQUEST_VALID_DAYS) -> date | None:
    """Return the first day on which what *open_requests* still need may be deleted; None: at once.

    *open_requests* are the days of the requests that were made for it and are not answered.

    Source: A0-031, A0-032, rules C.3.
    """
    if not open_requests:
        return None
    return last_valid_day(max(open_requests), days=days) + timedelta(days=1)
