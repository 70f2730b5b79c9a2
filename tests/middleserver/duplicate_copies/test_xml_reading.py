"""Reading XML: plain records by their pattern, all others by expat, and never a difference between the two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.tenants.middleserver.duplicate_copies import xml_reader
from chukan.tenants.middleserver.duplicate_copies.records import FileBroken, Position
from chukan.tenants.middleserver.duplicate_copies.xml_plain import Element, PlainRecords
from chukan.tenants.middleserver.duplicate_copies.xml_reader import XmlReader
from support.copies import deletion, in_blocks, right_row, xml_file

FILE = xml_file([right_row(1, parent="P"), right_row(2, published_to="2020-01-01"), right_row(3)])
FRAGMENTS = [
    b"<", b">", b"&", b"&amp;", b"]", b"]]>", b"<![CDATA[", b"\r\n", b"\r", b"\t", b" ", b"\x00", b"\x0b", b"\xff",
    b"x", b"<!-- -->", b"<?x?>", b"</InformationOfSPIRegistrationDelete>", b"<a/>",
    b"<DataSetRecordKey>1</DataSetRecordKey>", "備考".encode(), "\ufffe".encode(),
]  # fmt: skip


def read(content: bytes) -> tuple[list[Element], tuple[Any, ...] | None]:
    """Return the records of *content* and, if it breaks, why and at which line."""
    rows: list[Element] = []
    try:
        for batch in XmlReader(lambda offset: in_blocks(content[offset:], 512)).batches():
            rows += batch.rows
    except FileBroken as broken:
        return rows, (broken.fault.reason, broken.fault.line)
    return rows, None


def by_expat(content: bytes) -> tuple[list[Element], tuple[Any, ...] | None]:
    def stop(self: PlainRecords, _block: bytes) -> None:
        self.stopped = True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlainRecords, "read", stop)
        return read(content)


def agree(content: bytes) -> None:
    rows, broken = read(content)
    expected, expected_broken = by_expat(content)
    # A broken file is refused whole. How many records were read before, and which of two faults was met first, hangs on
    # where its blocks end.
    assert (broken is None) == (expected_broken is None)
    shared = len(rows) if broken is None else min(len(rows), len(expected))
    # Lines are counted by line feeds: a carriage return that stands alone is one to expat.
    begin = 1 if b"\r" in content.replace(b"\r\n", b"") else 0
    assert [row[begin:] for row in rows[:shared]] == [row[begin:] for row in expected[:shared]]
    assert broken is not None or len(rows) == len(expected)


def test_a_plain_file_is_read_without_expat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_reader, "_taken", None)
    rows, broken = read(FILE)
    assert (len(rows), broken) == (3, None)
    assert [row.line for row in rows] == [4, 16, 28]


@given(st.integers(0, len(FILE)), st.integers(0, 40), st.sampled_from([b"", *FRAGMENTS]))
def test_whatever_is_changed_both_readings_agree(place: int, removed: int, put: bytes) -> None:
    agree(FILE[:place] + put + FILE[place + removed :])


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.replace(b"\n", b"\r\n"),
        lambda file: file.replace(b"<![CDATA[", b"").replace(b"]]>", b"").replace(b"<YEAR", b"&lt;YEAR"),
        lambda file: file.replace(b"<InformationOf", b"<!-- note --><InformationOf"),
        lambda file: file.replace(b"</InformationOfSPIRegistrationDelete>", b"</InformationOfSPIRegistrationDelete >"),
        lambda file: file.replace(b"   ", b""),
        lambda file: file + b"<!-- the end -->",
        lambda file: file + b"x",
        lambda file: file.replace(b"Delete>1<", b"Delete>1<DataSetRecordKey>1</DataSetRecordKey><"),
    ],
)
def test_other_ways_of_writing_are_read_alike(change: Callable[[bytes], bytes]) -> None:
    agree(change(FILE))


@pytest.mark.parametrize("plain", [True, False])
def test_reading_goes_on_at_every_record(plain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_reader, "_BLOCK", 300)
    monkeypatch.setattr(xml_reader, "_BATCH_ROWS", 1)
    content = FILE if plain else FILE.replace(b"<DataSetRecordKey>", b"<DataSetRecordKey >")
    reader = XmlReader(lambda offset: in_blocks(content[offset:]))
    batches = list(reader.batches())
    whole = [row for batch in batches for row in batch.rows]
    assert len(batches) == len(whole) == 3
    for done, batch in enumerate(batches, 1):
        again = XmlReader(lambda offset: in_blocks(content[offset:])).batches(batch.end, first=reader.first)
        assert [row for each in again for row in each.rows] == whole[done:]


def test_a_file_without_records_has_none() -> None:
    assert read(xml_file([])) == ([], None)
    assert read(xml_file([deletion(1)]))[0][0].content is None


def test_a_token_without_end_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_reader, "_MAX_TOKEN_BYTES", 1_000)
    endless = FILE.replace(b"<DataSetRecordKey>", b"<DataSetRecordKey x='" + b"x" * 5_000)
    assert read(endless)[1] is not None
    head = b"<SPIRegistrationDeleteList>" + b" " * (1 << 17)
    assert read(head + FILE[66:])[1] is not None


def test_a_position_is_that_of_the_next_record() -> None:
    batches = list(XmlReader(lambda offset: in_blocks(FILE[offset:])).batches())
    end = FILE.rindex(b"\n</SPI")
    assert batches[-1].end == Position(3, end, FILE.count(b"\n", 0, end) + 1)
