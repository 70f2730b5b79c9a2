"""The published schemas and the streaming validator agree on everything that a schema can say."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from chukan.tenants.middleserver.duplicate_copies.content import ContentUnreadable, xml_items
from chukan.tenants.middleserver.duplicate_copies.files import opened
from chukan.tenants.middleserver.duplicate_copies.records import Fault, FileBroken
from chukan.tenants.middleserver.duplicate_copies.rules import FileForm, Reason
from chukan.tenants.middleserver.duplicate_copies.schemas import CONTENT_ROOT, content_schema
from chukan.tenants.middleserver.duplicate_copies.xml_names import RECORD
from chukan.tenants.middleserver.formats.messages import parse
from support.copies import (
    DATASET,
    INSURER,
    ITEMS,
    RIGHT_ITEMS,
    TERMS,
    Row,
    deletion,
    fragment,
    in_blocks,
    layout,
    right_row,
    xml_file,
)

LIST = etree.XMLSchema(
    etree.fromstring((files("chukan") / "config/protocols/SPIRegistrationDeleteList.xsd").read_bytes())
)
CONTENT = etree.XMLSchema(etree.fromstring(content_schema(layout(), DATASET).encode()))
XSI = "http://www.w3.org/2001/XMLSchema-instance"
#: What no schema of ours says.
BEYOND = {Reason.CHECK_DIGIT, Reason.FORBIDDEN, Reason.DATE_ORDER, Reason.INDIVIDUAL_NUMBER, Reason.PERIOD}
BY_CONDITION = {item.code for item in ITEMS if item.required_when is not None}
IN_FULL_WIDTH = {item.code for item in ITEMS if item.form.value in {"full_width", "any"}}


def faults_of(content: bytes) -> list[Fault]:
    found: list[Fault] = []
    try:
        file = opened(FileForm.XML, lambda offset: in_blocks(content[offset:]), TERMS)
        for batch in file.batches(None, None):
            for place, raw in enumerate(batch.rows, 1):
                found += file.check(file.record(raw, place=place, line=1))
    except FileBroken as broken:
        return [broken.fault]
    return found


def sayable(fault: Fault) -> bool:
    """Return whether a schema could have found *fault*."""
    if fault.reason is Reason.REQUIRED:
        return fault.item not in BY_CONDITION
    if fault.reason is Reason.CHARACTERS:
        return fault.item not in IN_FULL_WIDTH
    return fault.reason not in BEYOND


VALUES = {
    "YEAR": ["2019", "20190", "２０１９"],
    "DECLARED": ["1", "9", "3", "\\N:NotAcceptable", "\\N:No"],
    "INCOME": ["0", "-5", "-", "12345678901234", "x", "\\N:NotConvered"],
    "INSURER": [INSURER, INSURER[:-1], "12345678", "1234567x", "\\N:NotAcceptable"],
    "CARD": ["記号・番号", "123456789018", " ", "x" * 21],
    "ISSUED": ["2018-04-01", "2016-02-29", "2018-02-29", "2018-4-1", "0000-01-01"],
    "SPOUSE": ["1", "Z", "あ", "12"],
    "NAME": ["甲乙", "ab", "甲乙丙丁戊己庚辛壬癸子"],
    "UNKNOWN": ["1"],
}


@st.composite
def rows(draw: st.DrawFn) -> Row:
    items = dict(RIGHT_ITEMS)
    for code in draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=2, unique=True)):
        items[code] = draw(st.lists(st.sampled_from(VALUES[code]), min_size=1, max_size=4))
    for code in draw(st.lists(st.sampled_from(sorted(items)), max_size=1)):
        del items[code]
    versions = draw(st.sampled_from([{}, {}, {"YEAR": "9"}, {"INSURER": ""}]))
    updated = draw(st.sampled_from(["2019-06-01", "2019-06-01", "2019-06-31", ""]))
    return right_row(1, items=items, item_versions=versions, updated=updated)


@given(rows(), st.booleans())
def test_the_content_schema_and_the_validator_agree(row: Row, swapped: bool) -> None:
    items = dict(reversed(list(row.items.items()))) if swapped else row.items
    text = "".join(fragment(Row("1", row.address, {code: items[code]}, item_versions=row.item_versions,
                                updated=row.updated)) for code in items) if swapped else fragment(row)  # fmt: skip
    content = xml_file([right_row(1)]).replace(fragment(right_row(1)).encode(), text.encode())
    tree = etree.fromstring(f"<{CONTENT_ROOT} xmlns:xsi='{XSI}'>{text}</{CONTENT_ROOT}>")
    found = [fault for fault in faults_of(content) if sayable(fault)]
    assert CONTENT.validate(tree) == (not found), (found, CONTENT.error_log)


HEADS = {
    "RecordIdentificationNumber": ["1", "0", "01", "12345678901", "x", ""],
    "SegmentOfRegistrationDelete": ["1", "3", ""],
    "IntegratedAddressNumber": ["000000000000001", "1", "x", ""],
    "SpecificPersonalInformationCode": ["TM00000000000002", "TM2", ""],
    "DataSetIdentificationItemCode": ["0101", "101", ""],
    "DataSetRecordKey": ["a-b_c.9", "a b", "", "x" * 41],
    "SPIMajorVersion": ["4", "04", ""],
    "ParentDataSetRecordKey": ["", "P", "a b"],
    "PublicationDate": ["2019-06-17", "2019-06-31", "2019-6-1", "", "2019-06-17Z"],
    "PublishedEndDate": ["", "2020-02-29", "2021-02-29", "x"],
    "AdministrativeRegionCode": ["210", "21", ""],
}


@pytest.mark.parametrize(("element", "value"), [(name, value) for name, values in HEADS.items() for value in values])
def test_the_list_schema_and_the_validator_agree_on_every_field(element: str, value: str) -> None:
    row = right_row(1, parent="P", published_to="2019-07-01")
    content = xml_file([row])
    start, end = content.index(f"<{element}>".encode()), content.index(f"</{element}>".encode())
    content = content[:start] + f"<{element}>{value}".encode() + content[end:]
    assert LIST.validate(etree.fromstring(content)) == (not faults_of(content))


@given(st.lists(st.sampled_from(sorted(HEADS)), max_size=3), st.booleans())
def test_the_list_schema_and_the_validator_agree_on_the_structure(names: list[str], doubled: bool) -> None:
    tree = etree.fromstring(xml_file([right_row(1, parent="P"), right_row(2)]))
    record = tree.find(RECORD)
    assert record is not None
    for name in names:
        found = record.find(name)
        if found is not None and doubled:
            record.append(etree.fromstring(etree.tostring(found)))
        elif found is not None:
            record.remove(found)
    assert LIST.validate(tree) == (not faults_of(etree.tostring(tree)))


def test_a_deletion_follows_the_list_schema() -> None:
    content = xml_file([deletion(1)])
    assert LIST.validate(etree.fromstring(content))
    assert faults_of(content) == []


def test_an_unreadable_content_is_no_document_either() -> None:
    for text in ("<a>", "<a/></_><_>", "x", "<a b='1'/>", "<!DOCTYPE x>", "&lt;"):
        with pytest.raises(ContentUnreadable):
            xml_items(text)


SAMPLES = Path(__file__).parents[3] / "docs" / "interfaces" / "samples"


@pytest.mark.parametrize("name", ["0101_001.csv", "0101_001.xml", "0101_002.xml"])
def test_every_sample_is_right(name: str) -> None:
    content = (SAMPLES / f"DBM_20113_ATTACH_TM00000000000002_A000000001_{name}").read_bytes()
    form = FileForm(name[-3:])
    file = opened(form, lambda offset: in_blocks(content[offset:]), TERMS)
    records = [file.record(raw, place=1, line=1) for batch in file.batches(None, None) for raw in batch.rows]
    assert records
    assert [fault for record in records for fault in file.check(record)] == []
    if form is FileForm.XML:
        assert LIST.validate(etree.fromstring(content))


def test_the_sample_of_the_request_follows_its_schema() -> None:
    document = (SAMPLES / "IF_DBM_20113_R01.xml").read_bytes()
    message = parse(document, ["IF_DBM_20113_R01"])
    assert message.value("AttachmentID") == "019f3d2c-8a51-7c31-b1f0-6f0f5a1f2c3d"
