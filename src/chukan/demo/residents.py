"""Invented residents, and files of duplicate copies about them, written by the layouts in force.

The values are made from the layout alone (type, length, form, code list, conditions), so that another layout brings
another file. What is wrong in the wrong files is what was wrong in the incidents of A1-017.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from io import StringIO
from xml.sax.saxutils import escape, quoteattr

from chukan.platform.messages import mark
from chukan.tenants.middleserver.duplicate_copies.csv_reader import FIXED
from chukan.tenants.middleserver.duplicate_copies.rules import FileForm
from chukan.tenants.middleserver.formats.codes import organisation_code, region_of
from chukan.tenants.middleserver.formats.individual_number import passes_check
from chukan.tenants.middleserver.security.masters.rules import (
    Catalogue,
    Dataset,
    Form,
    Item,
    ItemType,
    Layout,
    check_digit,
)

LOCAL_TAX, DISABILITY, MEDICAL = "TM00000000000002", "TM00000000000008", "TM00000000000031"
#: One resident in so many has declared no income.
_UNDECLARED = 10
#: So many right records stand before the wrong ones.
_RIGHT_BEFORE = 5
#: The mistakes of one file, and the residents that they are about.
Values = dict[str, list[str]]
Mistake = Callable[[Values, Dataset], None]


@dataclass(frozen=True)
class Resident:
    """An invented person: the address number at the municipality, the code of the resident record, and a number."""

    number: int
    address: str
    #: None: the register network does not know this one.
    record_code: str | None


@dataclass(frozen=True)
class File:
    """A file of duplicate copies: what is said of it, how it is announced, its bytes."""

    title: str
    name: str
    form: FileForm
    information: str
    dataset: str
    content: bytes
    #: As announced: counted from who should stand in it.
    records: int


@dataclass(frozen=True)
class _Record:
    """One record: whose, and the values of its items; *versions* names items whose version is written wrong."""

    resident: Resident
    values: Values
    versions: Mapping[str, int]


@dataclass(frozen=True)
class _Kind:
    """What a file is about."""

    layout: Layout
    dataset: Dataset
    region: str

    def records(self, residents: Sequence[Resident]) -> list[_Record]:
        """Return a right record of each resident."""
        return [_Record(each, _right(self, each), {}) for each in residents]

    def head(self, place: int, resident: Resident) -> tuple[str, ...]:
        """Return the fields before the items, the last day of publication (none) among them."""
        day = self.layout.linked_from
        return (
            str(place), "1", resident.address, self.layout.information, self.dataset.number, str(day.year),
            str(self.layout.version), "", day.isoformat(), "", self.region,
        )  # fmt: skip


def residents(first: int, count: int) -> list[Resident]:
    """Return *count* residents, numbered from *first*; the last one has no resident record."""
    made = [Resident(each, f"{each:015d}", f"9{each:010d}") for each in range(first, first + count)]
    return [*made[:-1], replace(made[-1], record_code=None)]


def moved_in(people: Sequence[Resident], earlier: Sequence[Resident], count: int) -> list[Resident]:
    """Return *people*, of whom the first *count* are the first of *earlier*: the same persons, at another address."""
    moved = [replace(each, record_code=other.record_code) for each, other in zip(people, earlier[:count], strict=False)]
    return [*moved, *people[count:]]


def right_file(catalogue: Catalogue, code: str, people: Sequence[Resident], form: FileForm, day: date) -> File:
    """Return the local-tax file of the municipality *code* about all of *people*, the undeclared marked as such."""
    kind = _kind(catalogue, LOCAL_TAX, "0101", code, day)
    title = mark("local tax (2), all of them, in the layout")
    return _file(title, kind, kind.records(people), form, place=1)


def wrong_files(catalogue: Catalogue, code: str, people: Sequence[Resident], day: date) -> list[File]:
    """Return files with every mistake of A1-017, each in the information in which it can happen.

    The local-tax layout knows no insurer's number and no handbook, so those mistakes are in files of their own.

    Source: A1-017.
    """
    tax, card, handbook = (
        _kind(catalogue, information, dataset, code, day)
        for information, dataset in ((LOCAL_TAX, "0101"), (MEDICAL, "0101"), (DISABILITY, "0102"))
    )
    named = (
        (mark("local tax (2), the undeclared without their mark"), tax, (_unmarked, _wrong_version)),
        (mark("medical care (31), mistaken insurers' numbers"), card, (_card, _eight_digits, _cut, _individual)),
        (mark("disability (8), misread days of reissue"), handbook, (_two_days, _two_days_in_one)),
    )
    made = [
        _file(title, kind, [*kind.records(people[:_RIGHT_BEFORE]), *_mistaken(kind, people[_RIGHT_BEFORE:], mistakes)],
              FileForm.XML, place=place)
        for place, (title, kind, mistakes) in enumerate(named, start=2)
    ]  # fmt: skip
    declared = [each for each in tax.records(people) if each.resident.number % _UNDECLARED]
    left_out = _file(mark("local tax (2), the undeclared left out"), tax, declared, FileForm.CSV, place=9)
    return [*made, replace(left_out, records=len(people))]


def _kind(catalogue: Catalogue, information: str, dataset: str, code: str, day: date) -> _Kind:
    layout = catalogue.current(information, day)
    found = layout.dataset(dataset) if layout is not None else None
    if layout is None or found is None:
        raise LookupError(f"{information} {dataset}")
    return _Kind(layout, found, region_of(organisation_code(code)))


# -- right values -----------------------------------------------------------------------------------------------------


def _right(kind: _Kind, resident: Resident) -> Values:
    values: Values = {}
    for item in kind.dataset.items:
        if item.absent_when is None or not _holds(item, values):
            values[item.code] = [_value(item, kind.layout, resident.number)]
    return values


def _holds(item: Item, values: Values) -> bool:
    condition = item.absent_when
    return condition is not None and bool(condition.values & set(values.get(condition.item, ())))


def _value(item: Item, layout: Layout, number: int) -> str:
    if item.type is ItemType.CODE:
        first, *_others, last = sorted(layout.code_lists[item.code_list or ""])
        return first if number % _UNDECLARED else last
    if item.type is ItemType.NUMBER:
        return str(number % 1000 * 1000)
    if item.form is Form.DATE:
        return layout.linked_from.isoformat()
    if item.form is Form.DIGITS:
        return _digits(item, layout, number)
    return f"架空{number}"[: item.length]


def _digits(item: Item, layout: Layout, number: int) -> str:
    if item.check is not None:
        body = str(number).zfill(item.length - 1)
        return body + check_digit(item.check, body)
    return str(layout.linked_from.year if item.length == len("YYYY") else number).zfill(item.length)


# -- the mistakes of A1-017 -------------------------------------------------------------------------------------------


def _mistaken(kind: _Kind, people: Sequence[Resident], mistakes: Sequence[Mistake]) -> Iterator[_Record]:
    for record, mistake in zip(kind.records(people), mistakes, strict=False):
        mistake(record.values, kind.dataset)
        versions = {kind.dataset.items[0].code: kind.dataset.items[0].version + 1} if mistake is _wrong_version else {}
        yield replace(record, versions=versions)


def _named(dataset: Dataset, name: str) -> str:
    return next(item.code for item in dataset.items if item.name == name)


def _unmarked(values: Values, dataset: Dataset) -> None:
    """Leave the mark out, and what somebody without a declaration has not got."""
    del values[_named(dataset, "未申告区分")]
    for item in dataset.items:
        if item.absent_when is not None:
            values.pop(item.code, None)


def _wrong_version(_values: Values, _dataset: Dataset) -> None:
    """The version of an item stands beside its value; it is written into the file."""


def _card(values: Values, dataset: Dataset) -> None:
    values[_named(dataset, "保険者番号")] = ["12-34567"]


def _eight_digits(values: Values, dataset: Dataset) -> None:
    values[_named(dataset, "保険者番号")] = ["12345678"]


def _cut(values: Values, dataset: Dataset) -> None:
    code = _named(dataset, "保険者番号")
    values[code] = [values[code][0][:-1]]


def _individual(values: Values, dataset: Dataset) -> None:
    """Write what could be an Individual Number where the card's number belongs; it is computed, and kept nowhere."""
    body = "".join(str(digit) for digit in range(1, 10)) + "01"
    values[_named(dataset, "被保険者証記号番号")] = [
        next(body + str(last) for last in range(10) if passes_check(body + str(last)))
    ]


def _two_days(values: Values, dataset: Dataset) -> None:
    code = _named(dataset, "再交付日")
    values[code] = values[code] * 2


def _two_days_in_one(values: Values, dataset: Dataset) -> None:
    code = _named(dataset, "再交付日")
    values[code] = [values[code][0] * 2]


# -- how a file is written --------------------------------------------------------------------------------------------


def _file(title: str, kind: _Kind, records: Sequence[_Record], form: FileForm, *, place: int) -> File:
    information, dataset = kind.layout.information, kind.dataset.number
    name = f"DBM_20113_ATTACH_{information}_A000000001_{dataset}_{place:03d}.{form.value}"
    content = _csv(kind, records) if form is FileForm.CSV else _xml(kind, records)
    return File(title, name, form, information, dataset, content.encode(), len(records))


def _csv(kind: _Kind, records: Sequence[_Record]) -> str:
    buffer = StringIO()
    writer = csv.writer(buffer)
    writer.writerow([*FIXED, *(f"{item.code}:{item.version}" for item in kind.dataset.items)])
    for place, record in enumerate(records, start=1):
        cells = (record.values.get(item.code, [""])[0] for item in kind.dataset.items)
        writer.writerow([*kind.head(place, record.resident), kind.layout.linked_from.isoformat(), *cells])
    return buffer.getvalue()


def _xml(kind: _Kind, records: Sequence[_Record]) -> str:
    told = "".join(_element(kind, place, record) for place, record in enumerate(records, start=1))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<SPIRegistrationDeleteList>\n'
        "   <SegmentOfRegistrationDelete>1</SegmentOfRegistrationDelete>\n"
        f"{told}</SPIRegistrationDeleteList>\n"
    )


def _element(kind: _Kind, place: int, record: _Record) -> str:
    named = zip(FIXED, kind.head(place, record.resident), strict=False)
    fields = "".join(
        f"      <{name}>{escape(value)}</{name}>\n"
        for name, value in named
        if value and name != "SegmentOfRegistrationDelete"
    )
    items = "".join(_item(kind, record, item, value) for item in kind.dataset.items
                    for value in record.values.get(item.code, ()))  # fmt: skip
    content = f"      <DuplicateCopyData><![CDATA[{items}]]></DuplicateCopyData>\n"
    name = "InformationOfSPIRegistrationDelete"
    return f"   <{name}>\n{fields}{content}   </{name}>\n"


def _item(kind: _Kind, record: _Record, item: Item, value: str) -> str:
    version = quoteattr(str(record.versions.get(item.code, item.version)))
    day = quoteattr(kind.layout.linked_from.isoformat())
    return f"<{item.code} Version={version} TimeAndDateOfUpdate={day}>{escape(value)}</{item.code}>"
