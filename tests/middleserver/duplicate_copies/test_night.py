"""The night's registration: whole files or nothing, told exactly why, found under their person, never twice."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import date, timedelta
from io import StringIO
from typing import Any

import pytest
from psycopg import sql

from chukan.platform.vault.errors import VaultTampered
from chukan.tenants.middleserver.duplicate_copies.errors import UploadClosed
from chukan.tenants.middleserver.duplicate_copies.night import Outcome
from chukan.tenants.middleserver.duplicate_copies.rules import FileForm, UploadState
from chukan.tenants.middleserver.duplicate_copies.staging import Staging
from support.copies import (
    INFORMATION,
    RIGHT_ITEMS,
    Organisation,
    csv_file,
    deletion,
    layout,
    right_row,
    xml_file,
)

BOTH = pytest.mark.parametrize("form", list(FileForm))


def income(value: int) -> dict[str, Sequence[str]]:
    return {**RIGHT_ITEMS, "INCOME": [str(value)]}


def report_of(text: str) -> list[list[str]]:
    return list(csv.reader(StringIO(text)))


@BOTH
def test_a_right_file_is_registered_and_found(place: Organisation, form: FileForm) -> None:
    rows = [right_row(1, items=income(5)), right_row(2, items={**income(6), "NOTE": ['引用 "あり", <&>', "二"]})]
    upload = place.send_rows(rows, form=form)
    report = place.register()
    assert [(each.outcome, each.expected, each.in_file, each.registered, each.refused) for each in report.files] == [
        (Outcome.REGISTERED, 2, 2, 2, 0)
    ]
    assert report.left == 0
    assert place.found(1)[0]["INCOME"] == ["5"]
    assert place.found(2)[0]["NOTE"] == ['引用 "あり", <&>', "二"]
    assert place.found(3) == []
    assert place.uploads.status(place.tenant, upload.id).state is UploadState.REGISTERED
    assert place.count("upload_piece") == 0


def test_both_forms_of_a_record_are_the_same_copy(place: Organisation) -> None:
    items = {**RIGHT_ITEMS, "DECLARED": ["9"], "INCOME": ["\\N:NotAcceptable"], "SPOUSE": ["1", "2"], "NAME": ["甲"]}
    place.send(csv_file([right_row(1, items=items, key="A")]), 1)
    place.send(xml_file([right_row(1, items=items, key="B")]), 1, form=FileForm.XML)
    place.register()
    copies = place.copies.find(place.tenant, f"{1:015d}", INFORMATION, at=date(2019, 7, 1))
    assert [copy.key for copy in copies] == ["A", "B"]
    assert copies[0].items == copies[1].items
    assert [item.reason for item in copies[0].items if item.code == "INCOME"] == ["NotAcceptable"]


@BOTH
def test_one_wrong_record_refuses_the_whole_file_and_is_reported(place: Organisation, form: FileForm) -> None:
    place.send_rows([right_row(9)], form=form)
    place.register()
    rows = [*(right_row(number) for number in range(1, 20)), right_row(20, items={**RIGHT_ITEMS, "YEAR": ["19"]})]
    upload = place.send_rows(rows, form=form)
    report = place.register()
    assert (report.files[0].outcome, report.files[0].refused, report.files[0].registered) == (Outcome.REFUSED, 20, 0)
    assert place.found(1) == []
    assert len(place.found(9)) == 1
    assert place.count("duplicate_copy") == 1
    lines = report_of(place.report(upload.id))
    line = "21" if form is FileForm.CSV else str(4 + 19 * 11)
    assert lines[1][:6] == ["20", "20", line, "YEAR", "相当年度", "length"]
    assert lines[1][6] == "値は 2 文字です。レイアウトでは 4 文字です。"
    assert len(lines) == 2


def test_the_report_is_bounded_and_says_how_many_more(place: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chukan.tenants.middleserver.duplicate_copies.staging.MAX_FAULTS", 3)
    upload = place.send_rows([right_row(number, region="999") for number in range(1, 11)])
    assert place.register().files[0].faults == 10
    lines = report_of(place.report(upload.id))
    assert [line[0] for line in lines[1:]] == ["1", "2", "3", ""]
    assert "7" in lines[-1][6]


def test_no_error_of_a_report_is_stored_unsealed(place: Organisation) -> None:
    place.send_rows([right_row(1, region="999")])
    place.register()
    with place.sessions.connection(place.tenant) as connection:
        stored = connection.exec_driver_sql("select content from upload_error").scalars().all()
    assert len(stored) == 1
    assert b"region" not in bytes(stored[0])


@BOTH
def test_a_newer_file_revises_and_a_deletion_deletes(place: Organisation, form: FileForm) -> None:
    place.send_rows([right_row(1, items=income(1)), right_row(2, items=income(1))], form=form)
    place.send_rows([right_row(1, items=income(2))], form=form)
    place.register()
    assert [found["INCOME"] for found in place.found(1)] == [["2"]]
    place.send_rows([deletion(1)], form=form)
    place.register()
    assert place.found(1) == []
    assert len(place.found(2)) == 1
    # Nothing of the superseded rows, nor of the deletion, is kept.
    assert place.count("duplicate_copy") == 1


def test_versions_of_a_layout_stand_side_by_side(place: Organisation) -> None:
    place.masters.known = (layout(3), layout(4))
    place.send_rows([right_row(1, version="3", items=income(3))])
    place.send_rows([right_row(1, version="4", items=income(4))])
    place.register()
    assert [found["INCOME"] for found in place.found(1, version=3)] == [["3"]]
    assert [found["INCOME"] for found in place.found(1, version=4)] == [["4"]]
    assert len(place.found(1)) == 2


@pytest.mark.parametrize(("at", "found"), [(16, 0), (17, 1), (18, 1), (19, 0)])
def test_a_copy_is_found_while_it_is_published(place: Organisation, at: int, found: int) -> None:
    place.send_rows([right_row(1, published_from="2019-06-17", published_to="2019-06-18")])
    place.register()
    assert len(place.found(1, at=date(2019, 6, at))) == found
    assert len(place.found(1, at=date(2019, 6, at), dataset="0101")) == found
    assert place.found(1, at=date(2019, 6, at), dataset="0102") == []


@BOTH
def test_the_same_person_and_key_twice_in_a_file_is_refused(place: Organisation, form: FileForm) -> None:
    same = right_row(1).address
    upload = place.send_rows([right_row(1), right_row(2), right_row(3, address=same)], form=form)
    assert place.register().files[0].outcome is Outcome.REFUSED
    lines = report_of(place.report(upload.id))
    assert [(line[0], line[1], line[5]) for line in lines[1:]] == [("3", "3", "duplicate_key")]
    assert "1" in lines[1][6]


@pytest.mark.parametrize("second", ["1", "2"])
def test_record_numbers_must_go_up(place: Organisation, second: str) -> None:
    upload = place.send_rows([right_row(1, number="2"), right_row(2, number=second)])
    assert place.register().files[0].outcome is Outcome.REFUSED
    assert report_of(place.report(upload.id))[1][5] == "record_number"


@pytest.mark.parametrize("announced", [1, 3])
def test_a_file_that_holds_more_or_fewer_records_than_announced_is_refused(place: Organisation, announced: int) -> None:
    """The undeclared that were left out of the file (A1-017, A0-027)."""
    upload = place.send(csv_file([right_row(1), right_row(2)]), announced)
    report = place.register().files[0]
    assert (report.outcome, report.expected, report.in_file) == (Outcome.REFUSED, announced, 2)
    assert report_of(place.report(upload.id))[1][5] == "count"
    assert place.count("duplicate_copy") == 0


def test_individual_numbers_in_the_place_of_address_numbers_are_refused(place: Organisation) -> None:
    # Twelve digits that pass the check, behind three zeros.
    numbers = [f"000{number}" for number in INDIVIDUAL_NUMBERS]
    upload = place.send_rows([right_row(place_, address=number) for place_, number in enumerate(numbers, 1)])
    assert place.register().files[0].outcome is Outcome.REFUSED
    assert report_of(place.report(upload.id))[1][5] == "individual_number_keys"


def _with_check_digit(first: int) -> str:
    digits = f"{first:011d}"
    weights = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
    rest = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True)) % 11
    return f"{digits}{0 if rest <= 1 else 11 - rest}"


INDIVIDUAL_NUMBERS = [_with_check_digit(12345678900 + number) for number in range(20)]

BROKEN = {
    "another encoding": (FileForm.CSV, csv_file([right_row(1)]).replace(b"\r\n", b"\r\n\x94\xf5", 1), "encoding"),
    "no header": (FileForm.CSV, b"1,2,3\r\n", "header"),
    "an unknown item": (FileForm.CSV, csv_file([right_row(1)]).replace(b"CARD:1", b"KARD:1"), "header"),
    "too few columns": (FileForm.CSV, csv_file([right_row(1)]).rstrip(b"\r\n,"), "columns"),
    "an open quotation": (FileForm.CSV, csv_file([right_row(1)]).replace(b",2019,", b',"2019,', 1),
                          "content_unreadable"),
    "a cut file": (FileForm.XML, xml_file([right_row(1)])[:-20], "unreadable"),
    "another root": (FileForm.XML, b"<x/>", "structure"),
    "no segment": (FileForm.XML, b"<SPIRegistrationDeleteList/>", "structure"),
    "an unknown element": (FileForm.XML, xml_file([right_row(1)]).replace(b"DataSetRecordKey", b"Key"), "structure"),
    # The DTD stands where the declaration was.
    "a DTD": (FileForm.XML, b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + xml_file([right_row(1)])[39:], "unreadable"),
    "another encoding of XML": (FileForm.XML, xml_file([right_row(1)]).replace(b"UTF-8", b"Shift_JIS"), "encoding"),
    "no XML inside": (FileForm.XML, xml_file([right_row(1)]).replace(b"<YEAR", b"<<YEAR"), "content_unreadable"),
    "an element in an item": (FileForm.XML, xml_file([right_row(1)]).replace(b">2019</YEAR", b"><a/></YEAR"),
                              "content_unreadable"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_read_is_refused_with_its_reason(place: Organisation, name: str) -> None:
    form, content, reason = BROKEN[name]
    upload = place.send(content, 1, form=form)
    assert place.register().files[0].outcome is Outcome.REFUSED
    assert report_of(place.report(upload.id))[1][5] == reason
    assert place.count("duplicate_copy") == 0


def test_an_identical_second_upload_changes_nothing(place: Organisation) -> None:
    content = csv_file([right_row(1)])
    first = place.send(content, 1)
    assert place.send(content, 1).id == first.id
    place.register()
    assert place.send(content, 1).id == first.id
    report = place.register()
    assert report.files == ()
    with place.sessions.connection(place.tenant) as connection:
        assert connection.exec_driver_sql("select records from copy_day").scalar_one() == 1


def test_the_same_bytes_after_a_revision_bring_the_old_content_back(place: Organisation) -> None:
    old, new = csv_file([right_row(1, items=income(1))]), csv_file([right_row(1, items=income(2))])
    first = place.send(old, 1)
    place.send(new, 1)
    # While the revision waits, and after it came.
    again = place.send(old, 1)
    assert again.id != first.id
    place.register()
    assert place.found(1)[0]["INCOME"] == ["1"]
    place.send(new, 1)
    place.register()
    assert place.found(1)[0]["INCOME"] == ["2"]


def test_the_same_deletion_after_a_new_registration_deletes_again(place: Organisation) -> None:
    gone, there = csv_file([deletion(1)]), csv_file([right_row(1)])
    for content in (there, gone, there, gone):
        place.send(content, 1)
        place.register()
    assert place.found(1) == []


def test_what_the_night_does_not_finish_is_carried_over_in_order(
    place: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chukan.tenants.middleserver.duplicate_copies.csv_reader._BLOCK", 2_000)
    big = place.send_rows([right_row(number) for number in range(1, 101)])
    small = place.send_rows([right_row(1, items=income(7))])
    deadline = place.clock.now() + timedelta(hours=1)
    chunks: list[int] = []

    def slow(progress: object) -> None:
        del progress
        chunks.append(1)
        place.clock.advance(timedelta(minutes=25))

    first = place.night.register(place.caller, deadline=deadline, progress=slow)
    assert [each.outcome for each in first.files] == [Outcome.CARRIED_OVER]
    assert (first.left, len(chunks)) == (2, 3)
    done = place.uploads.status(place.tenant, big.id).records
    assert 0 < done < 100
    assert place.found(1) == []
    with pytest.raises(UploadClosed):
        place.uploads.cancel(place.caller, big.id, now=place.clock.now())
    second = place.register()
    assert [(each.upload, each.outcome) for each in second.files] == [
        (big.id, Outcome.REGISTERED),
        (small.id, Outcome.REGISTERED),
    ]
    assert [found["INCOME"] for found in place.found(1)] == [["7"]]
    assert len(place.found(100)) == 1


def test_a_night_that_is_over_begins_nothing(place: Organisation) -> None:
    place.send_rows([right_row(1)])
    report = place.night.register(place.caller, deadline=place.clock.now())
    assert (report.files, report.left) == ((), 1)


@BOTH
def test_wrong_records_on_both_sides_of_a_night_stand_in_one_report(
    place: Organisation, form: FileForm, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_blocks(monkeypatch)
    rows = [right_row(number, region="999" if number in {2, 60} else "210") for number in range(1, 61)]
    upload = place.send_rows(rows, form=form)
    nights = 0
    while place.uploads.status(place.tenant, upload.id).state is not UploadState.REFUSED:
        place.night.register(
            place.caller,
            deadline=place.clock.now() + timedelta(hours=1),
            progress=lambda _progress: place.clock.advance(timedelta(hours=1)),
        )
        nights += 1
    assert nights > 2
    lines = report_of(place.report(upload.id))
    expected = [3, 61] if form is FileForm.CSV else [4 + 11, 4 + 59 * 11]
    assert [(line[0], line[2]) for line in lines[1:]] == [("2", str(expected[0])), ("60", str(expected[1]))]


def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "chukan.tenants.middleserver.duplicate_copies"
    monkeypatch.setattr(f"{module}.csv_reader._BLOCK", 2_000)
    monkeypatch.setattr(f"{module}.xml_reader._BLOCK", 4_000)
    monkeypatch.setattr(f"{module}.xml_reader._BATCH_ROWS", 1)


def test_management_information_names_what_is_registered_without_content(place: Organisation) -> None:
    place.send_rows([right_row(1), right_row(2, published_to="2020-03-31")])
    place.send_rows([right_row(3)])
    place.send_rows([deletion(3)])
    place.register()
    lines = report_of("".join(place.copies.management_information(place.caller, INFORMATION)))
    assert [line[:8] for line in lines[1:]] == [
        ["000000000000001", INFORMATION, "0101", "2019", "4", "2019-06-17", "", "210"],
        ["000000000000002", INFORMATION, "0101", "2019", "4", "2019-06-17", "2020-03-31", "210"],
    ]
    assert lines[1][8] == "2019-06-10T12:00:00+09:00"


def test_a_changed_column_of_a_row_is_found_out(place: Organisation) -> None:
    place.send_rows([right_row(1)])
    place.register()
    with place.safe.database.superuser() as superuser:
        row = superuser.execute("select schema from platform.tenant where id = %s", (place.tenant,)).fetchone()
        assert row is not None
        table = sql.Identifier(row[0], "duplicate_copy")
        superuser.execute(sql.SQL("update {} set published_to = '2030-01-01'").format(table))
    with pytest.raises(VaultTampered):
        place.found(1)


def test_another_process_that_takes_over_fences_the_first_off(
    place: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_blocks(monkeypatch)
    upload = place.send_rows([right_row(number) for number in range(1, 31)])
    commit = Staging._commit
    calls = 0

    def taken_over(self: Staging, chunk: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            monkeypatch.setattr(Staging, "_commit", commit)
            place.register()
        commit(self, chunk)

    monkeypatch.setattr(Staging, "_commit", taken_over)
    with pytest.raises(Exception, match="another process"):
        place.register()
    assert place.uploads.status(place.tenant, upload.id).state is UploadState.REGISTERED
    assert place.count("duplicate_copy") == 30


def test_every_step_of_an_upload_is_an_event(place: Organisation) -> None:
    place.send_rows([right_row(1)])
    place.register()
    events = place.uploads.events(place.tenant, place.uploads.recent(place.tenant)[0].id)
    assert [event.new.value for event in events] == ["receiving", "received", "staging", "validated", "registered"]
