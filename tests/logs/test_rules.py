"""What may be written, and which files are too old."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import PurePosixPath
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.clock import TOKYO
from chukan.platform.logs.fields import FIELDS, Kind
from chukan.platform.logs.rules import (
    LONGEST,
    MASK,
    NotAllowed,
    canonical,
    cleaned,
    day_of,
    expired,
    file_name,
    masked,
)

NUMBER = "123456789018"
instants = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - bounds of a strategy
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001 - bounds of a strategy
    timezones=st.just(UTC),
)


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    "written",
    [
        NUMBER,
        "1234-5678-9018",
        "1234 5678 9018",
        "1234\u30005678\u30009018",
        "１２３４５６７８９０１８",
        "１２３４－５６７８－９０１８",
        "1234ー5678ー9018",
        "1234 - 5678 - 9018",
        "1234\u200b5678\u200b9018",
        "12345678901",
        "1 2 3 4 5 6 7 8 9 0 1 8",
        "१२३४५६७८९०१८",
    ],
)
def test_a_persons_number_is_masked_in_any_dress(written: str) -> None:
    assert masked(f"person {written} was found") == f"person {MASK} was found"


@pytest.mark.parametrize(
    "written",
    ["", "1234567890", "port 5432", "2026-04-01T09:00:00.123456+00:00", "192.168.100.101", "rows: 1234567"],
)
def test_shorter_numbers_dates_and_addresses_stay(written: str) -> None:
    assert masked(written) == written


@given(
    st.lists(st.sampled_from("0123456789０９१"), min_size=11, max_size=40),
    st.lists(st.sampled_from(["", "", "-", " ", "\u3000", "－", "ー", "\u200b", " - "]), min_size=40, max_size=40),
    st.sampled_from(["", "person ", "氏名:", "a-"]),
)
def test_no_digit_of_a_long_number_survives(digits: list[str], between: list[str], before: str) -> None:
    number = "".join(digit + gap for digit, gap in zip(digits, between, strict=False)).rstrip()
    written = masked(f"{before}{number}.")
    assert written.startswith(f"{before}{MASK}")
    assert not any(unicodedata.category(letter) == "Nd" for letter in written)


def test_a_long_value_is_cut_after_masking() -> None:
    assert len(masked("x" * 100_000)) == LONGEST
    assert not any(letter.isdigit() for letter in masked("x" * (LONGEST - 5) + NUMBER))


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("organisation", UUID(int=7), str(UUID(int=7))),
        ("organisation", "011002", "011002"),
        ("organisation", "0197A3F0-0000-7000-8000-000000000000", "0197a3f0-0000-7000-8000-000000000000"),
        ("request", "0011223344556677", "0011223344556677"),
        ("job", 12, "12"),
        ("count", 3, 3),
        ("count", True, True),
        ("duration_ms", 1.23456, 1.235),
        ("state", Colour.RED, "red"),
        ("path", PurePosixPath("/var/log"), "/var/log"),
        ("reason", datetime(2026, 4, 1, tzinfo=UTC), "2026-04-01T00:00:00+00:00"),
        ("reason", NUMBER, MASK),
        ("reason", int(NUMBER), MASK),
        ("frames", ["a.py:1 f", NUMBER], ["a.py:1 f", MASK]),
    ],
)
def test_what_a_field_takes_is_written(name: str, value: object, written: object) -> None:
    assert cleaned(name, value) == written


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "山田太郎"),
        ("password", "x"),
        ("organisation", NUMBER),
        ("organisation", "1234-5678-9018"),
        ("request", f"person:{NUMBER}"),
        ("request", "two words"),
        ("request", "line\nbreak"),
        ("request", "札幌市"),
        ("request", ""),
        ("request", "x" * 65),
        ("job", int(NUMBER)),
        ("job", True),
        ("count", "3"),
        ("count", int(NUMBER)),
        ("count", float("nan")),
        ("count", float("inf")),
        ("duration_ms", timedelta(seconds=1)),
        ("reason", None),
        ("reason", b"bytes"),
        ("reason", {"name": "山田太郎"}),
        ("reason", ["a list"]),
        ("reason", object()),
        ("frames", "a.py:1"),
        ("frames", [{"name": "山田太郎"}]),
    ],
)
def test_what_a_field_does_not_take_is_dropped(name: str, value: object) -> None:
    with pytest.raises(NotAllowed):
        cleaned(name, value)


@given(st.sampled_from(sorted(FIELDS)), st.integers(10**10, 10**13 - 1))
def test_a_persons_number_passes_through_no_field_in_no_form(name: str, number: int) -> None:
    for value in (number, str(number), float(number), [str(number)], f"{number:_}".replace("_", "-")):
        try:
            written = cleaned(name, value)
        except NotAllowed:
            continue
        assert str(number) not in str(written).replace("-", "")


@given(st.uuids())
def test_every_uuid_passes_as_it_is(identifier: UUID) -> None:
    assert cleaned("organisation", identifier) == cleaned("organisation", str(identifier).upper()) == str(identifier)


def test_a_canonical_id_stays_as_it_is() -> None:
    identifier = str(uuid4())
    assert canonical(identifier.upper()) == identifier
    assert [canonical(name) for name in ("011002", "a-b", "")] == ["011002", "a-b", ""]


def test_every_field_has_a_meaning_and_every_kind_is_used() -> None:
    assert all(field.meaning.endswith((".", "…")) for field in FIELDS.values())
    assert {field.kind for field in FIELDS.values()} == set(Kind)


@given(instants)
def test_the_file_of_an_instant_carries_its_day_in_tokyo(at: datetime) -> None:
    assert day_of(file_name("support-site", at)) == at.astimezone(TOKYO).date()


@pytest.mark.parametrize(
    "name",
    [
        "worker.jsonl",
        "worker.2026-13-01.jsonl",
        "worker.2026-04-01.jsonl.gz",
        "../w.2026-04-01.jsonl",
        ".2026-04-01.jsonl",
    ],
)
def test_other_files_are_no_log_files(name: str) -> None:
    assert day_of(name) is None
    assert expired([name], now=datetime(2999, 1, 1, tzinfo=UTC), retention=timedelta(days=1)) == []


def test_a_file_expires_when_the_end_of_its_day_in_tokyo_is_as_old_as_the_retention() -> None:
    name = "worker.2026-04-01.jsonl"  # ends 2026-04-01T15:00Z
    boundary = datetime(2026, 4, 4, 15, tzinfo=UTC)
    retention = timedelta(days=3)
    assert expired([name], now=boundary - timedelta(microseconds=1), retention=retention) == []
    assert expired([name], now=boundary, retention=retention) == [name]


@given(st.lists(st.dates(date(2000, 1, 1), date(2100, 1, 1))), instants, st.integers(1, 2000))
def test_what_expires_is_older_than_all_that_is_kept(days: list[date], now: datetime, kept_days: int) -> None:
    files = [f"worker.{day}.jsonl" for day in days]
    gone = expired(files, now=now, retention=timedelta(days=kept_days))
    kept = [name for name in files if name not in gone]
    assert not gone or not kept or max(gone) < min(kept)
    assert all(day_of(name) != now.astimezone(TOKYO).date() for name in gone)
