"""Codes are read as they are on the wire, and refused without being repeated."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.messages import language
from chukan.tenants.middleserver.formats import codes
from chukan.tenants.middleserver.formats.errors import CodeMalformed

GOOD: list[tuple[Callable[[str], object], str, object]] = [
    (codes.information_code, "TM00000000000002", "TM00000000000002"),
    (codes.affair_code, "JM01000000121000", "JM01000000121000"),
    (codes.procedure_code, "JT01010000000214", "JT01010000000214"),
    (codes.institution_code, "0220113112101700", "0220113112101700"),
    (codes.organisation_code, "112101", "112101"),
    (codes.address_number, "000000000012345", "000000000012345"),
    (codes.department_code, "3595115400          ", "3595115400"),
    (codes.user_code, "t.sato", "t.sato"),
    (codes.region_code, "210", "210"),
    (codes.dataset_number, "0101", "0101"),
    (codes.layout_version, "0004", 4),
    (codes.layout_version, "4", 4),
    (codes.system_id, "A123456789", "A123456789"),
    (codes.processing_serial, "2019-a", "2019-a"),
    (codes.item_code, "X02_0101_010", "X02_0101_010"),
    (codes.compact_date, "20200229", date(2020, 2, 29)),
    (codes.hyphenated_date, "2019-06-17", date(2019, 6, 17)),
    (codes.request_instant, "20190617080000123", datetime(2019, 6, 16, 23, 0, 0, 123_000, UTC)),
]
BAD: list[tuple[Callable[[str], object], str]] = [
    (codes.information_code, "TM0000000000002"),
    (codes.information_code, "tm00000000000002"),
    (codes.information_code, "TM0000000000000２"),
    (codes.information_code, "TM00000000000002\n"),
    (codes.affair_code, "JT01000000121000"),
    (codes.procedure_code, "JM01010000000214"),
    (codes.institution_code, "022011311210170"),
    (codes.organisation_code, "1121018"),
    (codes.address_number, "00000000012345"),
    (codes.address_number, "0000000000123456"),
    (codes.department_code, "x" * 21),
    (codes.department_code, ""),
    (codes.user_code, "a b"),
    (codes.layout_version, "0"),
    (codes.layout_version, "10000"),
    (codes.layout_version, "-1"),
    (codes.system_id, "1123456789"),
    (codes.item_code, "1x"),
    (codes.item_code, "x" * 41),
    (codes.compact_date, "20190229"),
    (codes.compact_date, "2019-6-1"),
    (codes.hyphenated_date, "2019-02-30"),
    (codes.hyphenated_date, "20190230"),
    (codes.request_instant, "20190617240000000"),
    (codes.request_instant, "2019061708000012"),
]


@pytest.mark.parametrize(("read", "written", "meant"), GOOD)
def test_a_code_is_read(read: Callable[[str], object], written: str, meant: object) -> None:
    assert read(written) == meant


@pytest.mark.parametrize(("read", "written"), BAD)
def test_another_form_is_refused_and_not_repeated(read: Callable[[str], object], written: str) -> None:
    with pytest.raises(CodeMalformed) as refused, language("ja"):
        read(written)
    assert not written or written not in refused.value.told()


def test_an_information_code_is_its_number() -> None:
    assert codes.information_code_of(16) == "TM00000000000016"
    assert codes.information_number(codes.information_code("TM00000000000089")) == 89


def test_a_region_is_cut_out_of_the_organisations_code() -> None:
    assert codes.region_of(codes.organisation_code("112101")) == "210"


@given(st.datetimes(timezones=st.just(UTC)).filter(lambda instant: 1951 < instant.year < 9999))
def test_an_instant_survives_its_seventeen_digits(instant: datetime) -> None:
    told = codes.compact_instant(instant)
    assert len(told) == 17
    assert timedelta(0) <= instant - codes.request_instant(told) < timedelta(milliseconds=1)


def test_a_day_begins_in_tokyo() -> None:
    assert codes.tokyo_day_begins(date(2019, 6, 17)) == datetime(2019, 6, 16, 15, tzinfo=UTC)


def test_people_read_digits_in_full_width() -> None:
    assert codes.full_width("TM0123456789") == "TM０１２３４５６７８９"
