"""The thorough check of one record against the layout: every rule, each fault with its item and reason.

It is the truth; ``fast_path`` only says more quickly of most right records that they are right.

Source: A0-022 to A0-024, A1-017, A2-004, A3-006.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from chukan.tenants.middleserver.duplicate_copies import patterns
from chukan.tenants.middleserver.duplicate_copies.records import (
    DELETION,
    HEAD_FIELDS,
    NULL_MARK,
    NULL_REASONS,
    REGISTRATION,
    UPDATED_FIELD,
    Broken,
    Fault,
    Head,
    ItemValue,
    Record,
    Right,
)
from chukan.tenants.middleserver.duplicate_copies.rules import Reason
from chukan.tenants.middleserver.formats.individual_number import stands_in
from chukan.tenants.middleserver.security.masters.rules import Dataset, Form, Item, ItemType, Layout, satisfies

_CONTENT = "DuplicateCopyData"
_FORMS = {
    "RecordIdentificationNumber": re.compile(patterns.NUMBER),
    "SegmentOfRegistrationDelete": re.compile(f"{REGISTRATION}|{DELETION}"),
    "IntegratedAddressNumber": re.compile(patterns.ADDRESS),
    "SpecificPersonalInformationCode": re.compile(r"TM[0-9]{14}"),
    "DataSetIdentificationItemCode": re.compile(r"[0-9]{4}"),
    "DataSetRecordKey": re.compile(patterns.KEY),
    "SPIMajorVersion": re.compile(patterns.VERSION),
    "ParentDataSetRecordKey": re.compile(f"(?:{patterns.KEY})?"),
    "AdministrativeRegionCode": re.compile(r"[0-9]{3}"),
}


@dataclass(frozen=True)
class Terms:
    """What a file is checked against: what it was announced for, the masters of the day, and whose it is.

    ``layouts`` are those of the information, oldest first; ``regions`` the region codes that the organisation has;
    ``today`` is a day of Asia/Tokyo.
    """

    information: str
    dataset: str
    layouts: tuple[Layout, ...]
    regions: frozenset[str]
    today: date

    @cached_property
    def versions(self) -> dict[str, tuple[Layout, Dataset]]:
        """The newest minor revision of each version that has the dataset, by the text of the version."""
        found = ((layout, layout.dataset(self.dataset)) for layout in self.layouts)
        return {str(layout.version): (layout, dataset) for layout, dataset in found if dataset is not None}

    def ended(self, layout: Layout, dataset: Dataset) -> tuple[Reason, str, dict[str, str]] | None:
        """Return why nothing is registered any more by this version of the dataset; None if something is."""
        if layout.valid_to is not None and layout.valid_to <= self.today:
            return Reason.VERSION_ENDED, "SPIMajorVersion", {"found": str(layout.version)}
        if dataset.abolished_on is not None and dataset.abolished_on <= self.today:
            day = dataset.abolished_on.isoformat()
            return Reason.DATASET_ABOLISHED, "DataSetIdentificationItemCode", {"day": day}
        return None


class Validator:
    """Checks the records of one file; ``ordered`` for XML, whose items stand in the order of the layout."""

    def __init__(self, terms: Terms, *, ordered: bool) -> None:
        self._terms = terms
        self._ordered = ordered
        self._contents: dict[str, _Content] = {}

    def check(self, record: Record) -> list[Fault]:
        """Return everything that is wrong with *record*, in the order of the layout; nothing if it is right."""
        if record.broken is not None:
            found = [record.broken, *self._head(record)]
        else:
            found = [*self._head(record), *self._content(record)]
        return [self._fault(record, each) for each in found]

    def right(self, record: Record) -> Right:
        """Return *record*, which ``check`` found right, as it is staged."""
        head = record.head
        return Right(
            head.number, head.segment, head.address, head.key, head.version, head.parent,
            head.published_from, head.published_to, head.region, record.content,
        )  # fmt: skip

    def _fault(self, record: Record, broken: Broken) -> Fault:
        name = ""
        versioned = self._terms.versions.get(record.head.version)
        if versioned is not None:
            item = versioned[1].item(broken.item)
            name = item.name if item else ""
        return Fault(
            record.place, record.line, record.head.number[:20], broken.item, name, broken.reason, broken.values
        )

    def _head(self, record: Record) -> Iterator[Broken]:
        head, terms = record.head, self._terms
        if record.broken is not None and not any(head):
            return
        wrong = [field for field, value in zip(HEAD_FIELDS, head, strict=True) if not _is_formed(field, value)]
        yield from (Broken(Reason.FIELD, field, {"form": _FORMS[field].pattern}) for field in wrong)
        yield from _period(head)
        if "SpecificPersonalInformationCode" not in wrong and head.information != terms.information:
            values = {"expected": terms.information}
            yield Broken(Reason.INFORMATION, "SpecificPersonalInformationCode", values)
        if "DataSetIdentificationItemCode" not in wrong and head.dataset != terms.dataset:
            yield Broken(Reason.DATASET, "DataSetIdentificationItemCode", {"expected": terms.dataset})
        if "AdministrativeRegionCode" not in wrong and head.region not in terms.regions:
            values = {"expected": " ".join(sorted(terms.regions))}
            yield Broken(Reason.REGION, "AdministrativeRegionCode", values)
        if "SPIMajorVersion" not in wrong:
            yield from self._version(head)

    def _version(self, head: Head) -> Iterator[Broken]:
        versioned = self._terms.versions.get(head.version)
        if versioned is None:
            values = {"found": head.version, "expected": ", ".join(self._terms.versions)}
            yield Broken(Reason.VERSION, "SPIMajorVersion", values)
        elif head.segment == REGISTRATION and (ended := self._terms.ended(*versioned)) is not None:
            reason, field, values = ended
            yield Broken(reason, field, values)

    def _content(self, record: Record) -> Iterator[Broken]:
        if record.head.segment == DELETION:
            if record.items:
                yield Broken(Reason.CONTENT_UNEXPECTED, _CONTENT, {})
            return
        if not record.items:
            yield Broken(Reason.CONTENT_MISSING, _CONTENT, {})
            return
        versioned = self._terms.versions.get(record.head.version)
        if versioned is not None:
            content = self._contents.get(record.head.version)
            if content is None:
                content = self._contents[record.head.version] = _Content(*versioned, ordered=self._ordered)
            yield from content.check(record.items)


def _is_formed(field: str, value: str) -> bool:
    form = _FORMS.get(field)
    return form is None or form.fullmatch(value) is not None


def _period(head: Head) -> Iterator[Broken]:
    begins, ends = patterns.day(head.published_from), patterns.day(head.published_to)
    if begins is None:
        yield Broken(Reason.DATE, "PublicationDate", {})
    if head.published_to and ends is None:
        yield Broken(Reason.DATE, "PublishedEndDate", {})
    if begins is not None and ends is not None and ends < begins:
        yield Broken(Reason.PERIOD, "PublishedEndDate", {})


class _Content:
    """The items of one dataset in one version of its layout."""

    def __init__(self, layout: Layout, dataset: Dataset, *, ordered: bool) -> None:
        self._layout = layout
        self._items = {item.code: item for item in dataset.items}
        self._places = {item.code: place for place, item in enumerate(dataset.items)}
        self._ordered = ordered

    def check(self, values: Sequence[ItemValue]) -> Iterator[Broken]:
        given: dict[str, list[ItemValue]] = {}
        last = -1
        for each in values:
            place = self._places.get(each.code)
            if place is None:
                yield Broken(Reason.ITEM_UNKNOWN, each.code[:64], {"version": str(self._layout.version)})
                continue
            if self._ordered and place < last:
                yield Broken(Reason.ITEM_ORDER, each.code, {})
            last = max(last, place)
            given.setdefault(each.code, []).append(each)
        for item in self._items.values():
            yield from self._item(item, given.get(item.code, []), given)

    def _item(self, item: Item, values: Sequence[ItemValue], given: dict[str, list[ItemValue]]) -> Iterator[Broken]:
        yield from self._presence(item, values, given)
        if len(values) > item.occurs_max:
            found = {"found": str(len(values)), "expected": str(item.occurs_max)}
            yield Broken(Reason.OCCURRENCES, item.code, found)
        for each in values:
            if each.version != str(item.version):
                found = {"found": each.version[:8], "expected": str(item.version)}
                yield Broken(Reason.ITEM_VERSION, item.code, found)
            if patterns.day(each.updated) is None:
                yield Broken(Reason.DATE, f"{item.code}/{UPDATED_FIELD}", {})
            if each.value is not None:
                yield from self._value(item, each.value)
            elif each.reason not in NULL_REASONS:
                yield Broken(Reason.NULL_REASON, item.code, {"expected": ", ".join(NULL_REASONS)})
        yield from _order(item, values, given)

    @staticmethod
    def _presence(item: Item, values: Sequence[ItemValue], given: dict[str, list[ItemValue]]) -> Iterator[Broken]:
        when = item.required_when
        asked = item.required or (when is not None and _holds(when.item, when.values, given) is not None)
        if asked and not values:
            yield Broken(Reason.REQUIRED, item.code, {})
        forbidden = item.absent_when
        if forbidden is not None and any(each.value is not None for each in values):
            because = _holds(forbidden.item, forbidden.values, given)
            if because is not None:
                yield Broken(Reason.FORBIDDEN, item.code, {"item": forbidden.item, "value": because})

    def _value(self, item: Item, value: str) -> Iterator[Broken]:
        if item.type is ItemType.NUMBER:
            if not patterns.is_number(value, item):
                yield Broken(Reason.NUMBER, item.code, {"expected": str(item.length)})
            return
        if not value or len(value) > item.length or (item.fixed and len(value) != item.length):
            yield Broken(Reason.LENGTH, item.code, {"found": str(len(value)), "expected": _length(item)})
        elif item.type is ItemType.CODE:
            if not self._is_known(item, value):
                yield Broken(Reason.CODE, item.code, {"list": item.code_list or "0-9A-Za-z"})
        else:
            yield from _text(item, value)

    def _is_known(self, item: Item, value: str) -> bool:
        if item.code_list is None:
            return patterns.is_code(value)
        return value in self._layout.code_lists.get(item.code_list, {})


def _text(item: Item, value: str) -> Iterator[Broken]:
    if item.form is Form.DATE:
        if patterns.day(value) is None:
            yield Broken(Reason.DATE, item.code, {})
    elif not patterns.has_form(value, item.form) or value.startswith(NULL_MARK):
        yield Broken(Reason.CHARACTERS, item.code, {"form": item.form.value})
    elif item.check is not None:
        if not satisfies(item.check, value):
            yield Broken(Reason.CHECK_DIGIT, item.code, {})
    elif stands_in(value):
        yield Broken(Reason.INDIVIDUAL_NUMBER, item.code, {})


def _holds(code: str, values: frozenset[str], given: dict[str, list[ItemValue]]) -> str | None:
    """Return the value of *code* that is one of *values*, if it has one."""
    return next((each.value for each in given.get(code, ()) if each.value in values), None)


def _order(item: Item, values: Sequence[ItemValue], given: dict[str, list[ItemValue]]) -> Iterator[Broken]:
    if item.not_before is None:
        return
    mine = [day for each in values if (day := patterns.day(each.value or "")) is not None]
    others = [day for each in given.get(item.not_before, ()) if (day := patterns.day(each.value or "")) is not None]
    if mine and others and min(mine) < max(others):
        yield Broken(Reason.DATE_ORDER, item.code, {"item": item.not_before})


def _length(item: Item) -> str:
    return str(item.length) if item.fixed else f"1-{item.length}"
