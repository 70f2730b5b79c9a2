"""Checking records: every incident of A1-017 is caught and told clearly, in both forms, quickly and thoroughly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.tenants.middleserver.duplicate_copies.files import opened
from chukan.tenants.middleserver.duplicate_copies.records import Fault, FileBroken, Right
from chukan.tenants.middleserver.duplicate_copies.reports import hinted, told
from chukan.tenants.middleserver.duplicate_copies.rules import FileForm, Reason
from chukan.tenants.middleserver.duplicate_copies.validator import Terms
from support.copies import (
    DATASET,
    INFORMATION,
    INSURER,
    ITEMS,
    REGION,
    RIGHT_ITEMS,
    TERMS,
    TODAY,
    Row,
    csv_columns,
    csv_file,
    deletion,
    file_of,
    in_blocks,
    layout,
    right_row,
)

BOTH = pytest.mark.parametrize("form", list(FileForm))


def checked(form: FileForm, rows: Sequence[Row], terms: Terms = TERMS) -> tuple[list[Right | None], list[list[Fault]]]:
    """Return what the quick check says of each record, and what the thorough one finds."""
    return checked_bytes(form, file_of(form, rows), terms)


def checked_bytes(form: FileForm, content: bytes, terms: Terms = TERMS) -> tuple[list[Right | None], list[list[Fault]]]:
    file = opened(form, lambda offset: in_blocks(content[offset:]), terms)
    quick: list[Right | None] = []
    found: list[list[Fault]] = []
    for batch in file.batches(None, None):
        first = batch.end.records - len(batch.rows)
        for place, raw in enumerate(batch.rows, first + 1):
            quick.append(file.quick(raw))
            record = file.record(raw, place=place, line=place + 1)
            found.append(file.check(record))
            if quick[-1] is not None:
                # What the quick check says is what the thorough one would have said.
                assert found[-1] == []
                assert quick[-1] == file.right(record)
    return quick, found


def reasons(form: FileForm, row: Row, terms: Terms = TERMS) -> list[tuple[Reason, str]]:
    quick, found = checked(form, [row], terms)
    assert (quick[0] is None) or not found[0]
    return [(fault.reason, fault.item) for fault in found[0]]


def with_items(**items: Sequence[str] | None) -> Mapping[str, Sequence[str]]:
    changed = {**RIGHT_ITEMS, **items}
    return {code: values for code, values in changed.items() if values is not None}


@BOTH
def test_right_records_take_the_quick_way(form: FileForm) -> None:
    quick, found = checked(form, [right_row(1), right_row(2, parent="2018", published_to="2020-03-31")])
    assert found == [[], []]
    assert [right is not None for right in quick] == [True, True]


@BOTH
def test_deletions_take_the_quick_way(form: FileForm) -> None:
    quick, found = checked(form, [deletion(1)])
    assert found == [[]]
    assert quick[0] is not None


#: The incidents of A1-017, and what the organisation is told.
INCIDENTS: dict[str, tuple[dict[str, Any], Reason, str]] = {
    "the card's number instead of the insurer's": (
        {"items": with_items(INSURER=["12-34567"])}, Reason.CHARACTERS, "INSURER"),
    "the card's number that happens to be eight digits": (
        {"items": with_items(INSURER=["12345678"])}, Reason.CHECK_DIGIT, "INSURER"),
    "the insurer's number without its check digit": (
        {"items": with_items(INSURER=[INSURER[:-1]])}, Reason.LENGTH, "INSURER"),
    "the wrong version of an item": ({"item_versions": {"INSURER": "3"}}, Reason.ITEM_VERSION, "INSURER"),
    "the days of several handbooks": (
        {"items": with_items(REISSUED=["2019-05-30", "2019-05-31"])}, Reason.OCCURRENCES, "REISSUED"),
    "the days of several handbooks in one": (
        {"items": with_items(REISSUED=["2019-05-302019-05-31"])}, Reason.LENGTH, "REISSUED"),
    "the undeclared without their mark": ({"items": with_items(DECLARED=None)}, Reason.REQUIRED, "DECLARED"),
}  # fmt: skip


@BOTH
@pytest.mark.parametrize("name", INCIDENTS)
def test_every_incident_is_caught(form: FileForm, name: str) -> None:
    changes, reason, item = INCIDENTS[name]
    if form is FileForm.CSV and reason is Reason.ITEM_VERSION:
        columns = [(code, "3" if code == "INSURER" else version) for code, version in csv_columns([right_row(1)])]
        with pytest.raises(FileBroken) as broken:
            checked_bytes(form, csv_file([right_row(1, **changes)], columns=columns))
        fault = broken.value.fault
    else:
        _, found = checked(form, [right_row(1, **changes)])
        fault = found[0][0]
        assert fault.name == next(each.name for each in ITEMS if each.code == item)
    assert (fault.reason, fault.item) == (reason, item)
    assert told(fault)
    assert hinted(fault)


WRONG = [
    ({"number": "0"}, Reason.FIELD, "RecordIdentificationNumber"),
    ({"segment": "3"}, Reason.FIELD, "SegmentOfRegistrationDelete"),
    ({"address": "12345678901234"}, Reason.FIELD, "IntegratedAddressNumber"),
    ({"address": "１２３４５６７８９０１２３４５"}, Reason.FIELD, "IntegratedAddressNumber"),
    ({"information": "TM00000000000004"}, Reason.INFORMATION, "SpecificPersonalInformationCode"),
    ({"information": "2"}, Reason.FIELD, "SpecificPersonalInformationCode"),
    ({"dataset": "0102"}, Reason.DATASET, "DataSetIdentificationItemCode"),
    ({"key": ""}, Reason.FIELD, "DataSetRecordKey"),
    ({"key": "2019 04"}, Reason.FIELD, "DataSetRecordKey"),
    ({"version": "5"}, Reason.VERSION, "SPIMajorVersion"),
    ({"version": "3"}, Reason.VERSION_ENDED, "SPIMajorVersion"),
    ({"version": "04"}, Reason.FIELD, "SPIMajorVersion"),
    ({"published_from": "2019-02-29"}, Reason.DATE, "PublicationDate"),
    ({"published_from": "20190617"}, Reason.DATE, "PublicationDate"),
    ({"published_from": ""}, Reason.DATE, "PublicationDate"),
    ({"published_to": "2019-06-31"}, Reason.DATE, "PublishedEndDate"),
    ({"published_to": "2019-06-16"}, Reason.PERIOD, "PublishedEndDate"),
    ({"region": "211"}, Reason.REGION, "AdministrativeRegionCode"),
    ({"items": {}}, Reason.CONTENT_MISSING, "DuplicateCopyData"),
    ({"segment": "2"}, Reason.CONTENT_UNEXPECTED, "DuplicateCopyData"),
    ({"items": with_items(YEAR=["219"])}, Reason.LENGTH, "YEAR"),
    ({"items": with_items(YEAR=["２０１９"])}, Reason.CHARACTERS, "YEAR"),
    ({"items": with_items(INCOME=["12345678901234"])}, Reason.NUMBER, "INCOME"),
    ({"items": with_items(INCOME=["1.5"])}, Reason.NUMBER, "INCOME"),
    ({"items": with_items(INCOME=["+5"])}, Reason.NUMBER, "INCOME"),
    ({"items": with_items(INCOME=["五"])}, Reason.NUMBER, "INCOME"),
    ({"items": with_items(INCOME=None)}, Reason.REQUIRED, "INCOME"),
    ({"items": with_items(DECLARED=["9"])}, Reason.FORBIDDEN, "INCOME"),
    ({"items": with_items(DECLARED=["3"])}, Reason.CODE, "DECLARED"),
    ({"items": with_items(DECLARED=["\\N:Unknown"])}, Reason.NULL_REASON, "DECLARED"),
    ({"items": with_items(SPOUSE=["1", "1", "2", "2"])}, Reason.OCCURRENCES, "SPOUSE"),
    ({"items": with_items(SPOUSE=["-"])}, Reason.CODE, "SPOUSE"),
    ({"items": with_items(ISSUED=["2019-13-01"])}, Reason.DATE, "ISSUED"),
    ({"items": with_items(ISSUED=["2019-06-01"])}, Reason.DATE_ORDER, "REISSUED"),
    ({"items": with_items(NAME=["half"])}, Reason.CHARACTERS, "NAME"),
    ({"items": with_items(NOTE=["x" * 41])}, Reason.LENGTH, "NOTE"),
    ({"items": with_items(NOTE=["番号 123456789018 です"])}, Reason.INDIVIDUAL_NUMBER, "NOTE"),
    ({"items": with_items(NOTE=["1234-5678-9018"])}, Reason.INDIVIDUAL_NUMBER, "NOTE"),
    ({"items": with_items(NOTE=["１２３４５６７８９０１８"])}, Reason.INDIVIDUAL_NUMBER, "NOTE"),
    ({"updated": "2019-06-00"}, Reason.DATE, "YEAR/TimeAndDateOfUpdate"),
]  # fmt: skip


@BOTH
@pytest.mark.parametrize(("changes", "reason", "item"), WRONG)
def test_what_is_wrong_is_found(form: FileForm, changes: dict[str, object], reason: Reason, item: str) -> None:
    assert (reason, item) in reasons(form, right_row(1, **changes))


ACCEPTED: list[dict[str, object]] = [
    {"items": with_items(INCOME=["0"])},
    {"items": with_items(INCOME=["-9999999999999"])},
    {"items": with_items(INCOME=["\\N:NotAcceptable"], DECLARED=["9"])},
    {"items": with_items(DECLARED=["\\N:NotConvered"], INCOME=None)},
    {"items": with_items(DECLARED=["2"], INCOME=None)},
    {"items": with_items(REISSUED=["2018-04-01"])},
    {"items": with_items(ISSUED=["2016-02-29"])},
    {"items": with_items(SPOUSE=["1", "2", "A"])},
    {"items": with_items(NOTE=['カンマ, と "引用" と <山括弧> & 記号'])},
    {"items": with_items(NOTE=["電話 03-1234-5678", "123456789012"])},
    {"items": with_items(NAME=["千代田区　甲"])},
    {"published_from": "2020-02-29", "published_to": "2020-02-29"},
    {"key": "A.b_c-1", "parent": "X"},
]  # fmt: skip


@BOTH
@pytest.mark.parametrize("changes", ACCEPTED)
def test_what_is_right_is_accepted(form: FileForm, changes: dict[str, object]) -> None:
    assert reasons(form, right_row(1, **changes)) == []


@BOTH
def test_an_abolished_dataset_takes_deletions_and_no_registrations(form: FileForm) -> None:
    abolished = layout(datasets=(replace(layout().datasets[0], abolished_on=TODAY),))
    terms = Terms(INFORMATION, DATASET, (abolished,), frozenset({REGION}), TODAY)
    assert reasons(form, right_row(1), terms) == [(Reason.DATASET_ABOLISHED, "DataSetIdentificationItemCode")]
    assert reasons(form, deletion(1), terms) == []


@BOTH
def test_an_ended_version_takes_deletions(form: FileForm) -> None:
    assert reasons(form, deletion(1, version="3")) == []


@BOTH
def test_a_version_ends_on_its_day(form: FileForm) -> None:
    terms = replace(TERMS, layouts=(layout(valid_to=date(2019, 6, 11)),))
    assert reasons(form, right_row(1), terms) == []
    later = replace(terms, today=date(2019, 6, 11))
    assert reasons(form, right_row(1), later) == [(Reason.VERSION_ENDED, "SPIMajorVersion")]


def test_the_order_of_the_items_is_that_of_the_layout_in_xml() -> None:
    content = file_of(FileForm.XML, [right_row(1)]).replace(b"<YEAR", b"<SWAP").replace(b"</YEAR", b"</SWAP")
    content = content.replace(b"DECLARED", b"YEAR").replace(b"SWAP", b"DECLARED")
    assert Reason.ITEM_ORDER in {fault.reason for fault in checked_bytes(FileForm.XML, content)[1][0]}


def test_no_fault_repeats_the_value() -> None:
    written = "1234-5678-9018"
    _, found = checked(
        FileForm.CSV, [right_row(1, items=with_items(NOTE=[written], INSURER=[written], CARD=[written * 3]))]
    )
    shown = [f"{told(fault)} {hinted(fault)} {fault}" for fault in found[0]]
    assert len(shown) == 3
    assert not any(written in line for line in shown)


VALUES = {
    "YEAR": ["2019", "20190", "", "２０１９"],
    "DECLARED": ["1", "2", "9", "3", "\\N:NotAcceptable", "\\N:No"],
    "INCOME": ["0", "-5", "12345678901234", "x", "\\N:NotConvered"],
    "INSURER": [INSURER, INSURER[:-1], "12345678", "\\N:NotAcceptable"],
    "CARD": ["記号・番号", "123456789018", "a,b", "\\N:x", "<&>"],
    "ISSUED": ["2018-04-01", "2016-02-29", "2019-06-01", "2018-4-1"],
    "REISSUED": ["2019-05-31", "2018-01-01", "\\N:NotAcceptable"],
    "SPOUSE": ["1", "Z", "あ"],
    "NOTE": ["普通の文", "1234 5678 9018", "123456789012345", "tab\there", '"'],
    "NAME": ["甲乙", "ab", "甲　乙丙丁戊己庚辛壬"],
    "UNKNOWN": ["1"],
}


@st.composite
def rows(draw: st.DrawFn) -> Row:
    items = dict(RIGHT_ITEMS)
    for code in draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=3, unique=True)):
        items[code] = draw(st.lists(st.sampled_from(VALUES[code]), max_size=4))
    for code in draw(st.lists(st.sampled_from(sorted(items)), max_size=1)):
        del items[code]
    return right_row(
        draw(st.integers(1, 3)),
        items={code: values for code, values in items.items() if values},
        key=draw(st.sampled_from(["2019", "x-1", "x 1"])),
        version=draw(st.sampled_from(["4", "4", "4", "3", "9"])),
        published_to=draw(st.sampled_from(["", "", "2019-06-17", "2019-06-01", "2020-02-29"])),
        updated=draw(st.sampled_from(["2019-06-01", "2019-06-01", "2020-02-29", "x"])),
        segment=draw(st.sampled_from(["1", "1", "1", "2"])),
    )


@given(rows())
def test_the_quick_check_never_contradicts_the_thorough_one_and_both_forms_agree(row: Row) -> None:
    # An empty or unknown item stands in a CSV as no cell, or in its header; the forms are compared without them.
    comparable = "" not in [value for values in row.items.values() for value in values] and "UNKNOWN" not in row.items
    if not comparable:
        checked(FileForm.XML, [row])
        return
    _, by_line = checked(FileForm.CSV, [row])
    _, by_element = checked(FileForm.XML, [row])
    assert {(fault.reason, fault.item) for fault in by_line[0]} == {
        (fault.reason, fault.item) for fault in by_element[0]
    } or "\t" in str(row.items)
