"""Invented information: what a hosted provider says of a person, by the layout in force."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from lxml import etree

from chukan_simulators.national_network.documents import add, add_all, text_of
from chukan_simulators.national_network.publishing import Publisher

_SINCE = "2019-04-01"
_YES = "true"


class Invention:
    """Records that nobody has, but that are as the masters want them."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def add_records(self, parent: etree._Element, information: str, on: date) -> list[tuple[str, str, int]]:
        """Add a record of every dataset of *information* as it is on the day *on*.

        Returns dataset, version and number of records of each.
        """
        package = self._publisher.in_force()
        layout = None if package is None else _layout(package, information, on.isoformat())
        if package is None or layout is None:
            return []
        version, counts = text_of(layout, "Version"), []
        for dataset in _datasets(layout, on.isoformat()):
            number = text_of(dataset, "Number")
            record = add(parent, "Record")
            fields = (("Dataset", number), ("Version", version), ("RecordKey", f"R{number}"), ("PublishedFrom", _SINCE))
            add_all(record, (*fields, ("RegionCode", "000")))
            for item in dataset.iterfind("Item"):
                if text_of(item, "Required") == _YES:
                    add_all(add(record, "Item"), (("Code", text_of(item, "Code")), ("Value", _value(package, item))))
            counts.append((number, version, 1))
        return counts


def _layout(package: etree._Element, information: str, today: str) -> etree._Element | None:
    found = [
        layout
        for layout in package.iterfind("Layouts/Layout")
        if text_of(layout, "InformationCode") == information and text_of(layout, "LinkedFrom") <= today
    ]
    return max(found, key=lambda layout: (int(text_of(layout, "Version")), int(text_of(layout, "Minor"))), default=None)


def _datasets(layout: etree._Element, today: str) -> Iterator[etree._Element]:
    for dataset in layout.iterfind("Dataset"):
        abolished = text_of(dataset, "AbolishedOn")
        if text_of(dataset, "AddedOn") <= today and not (abolished and abolished <= today):
            yield dataset


def _value(package: etree._Element, item: etree._Element) -> str:
    kind, form, length = (text_of(item, name) for name in ("Type", "Form", "Length"))
    if kind == "CD":
        return _first_code(package, text_of(item, "CodeList"))
    if kind == "S9" or form == "digits":
        digits = "1" * int(length)
        return _with_check_digit(digits) if text_of(item, "Check") else digits
    return _SINCE if form == "date" else "例"


def _first_code(package: etree._Element, name: str) -> str:
    lists = (each for each in package.iterfind("CodeLists/CodeList") if text_of(each, "Name") == name)
    return next((text_of(each, "Value/Code") for each in lists), "1")


def _with_check_digit(digits: str) -> str:
    """Return *digits* with the last one as modulus 10, weights 2 and 1 from the right, wants it."""
    weighted = (int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(digits[:-1])))
    total = sum(value // 10 + value % 10 for value in weighted)
    return digits[:-1] + str(-total % 10)
