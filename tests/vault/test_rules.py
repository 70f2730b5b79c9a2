"""The codec of sealed values, and the ids of the provider's keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.identifiers import TenantId
from chukan.platform.vault.rules import (
    FORMAT,
    OVERHEAD_BYTES,
    KeyUse,
    column_context,
    created_at,
    framed,
    header,
    index_input,
    is_key_id,
    new_key_id,
    row_context,
    unpack,
)

VERSIONS = st.integers(0, 2**32 - 1)
ROWS = st.one_of(st.uuids(), st.integers(), st.text(max_size=40))
NAMES = st.text(max_size=20)


@given(VERSIONS, st.binary(min_size=12, max_size=12), st.binary(min_size=16, max_size=80))
def test_a_sealed_value_is_taken_apart_as_it_was_put_together(version: int, nonce: bytes, ciphertext: bytes) -> None:
    assert unpack(header(version) + nonce + ciphertext) == (version, nonce, ciphertext)


@given(st.binary(max_size=80))
def test_bytes_that_are_no_sealed_value_are_told_apart(noise: bytes) -> None:
    possible = len(noise) >= OVERHEAD_BYTES and noise[0] == FORMAT
    assert (unpack(noise) is not None) == possible


@given(st.lists(st.binary(max_size=8), max_size=5), st.lists(st.binary(max_size=8), max_size=5))
def test_no_two_lists_of_parts_share_an_encoding(some: list[bytes], others: list[bytes]) -> None:
    assert (framed(*some) == framed(*others)) == (some == others)


@given(
    st.tuples(st.uuids(), NAMES, NAMES, VERSIONS, ROWS),
    st.tuples(st.uuids(), NAMES, NAMES, VERSIONS, ROWS),
)
def test_no_two_places_share_their_additional_data(
    one: tuple[UUID, str, str, int, UUID | int | str], other: tuple[UUID, str, str, int, UUID | int | str]
) -> None:
    def additional(place: tuple[UUID, str, str, int, UUID | int | str]) -> bytes:
        tenant, table, column, version, row = place
        return column_context(TenantId(tenant), table, column, version) + row_context(row)

    same = (*one[:4], str(one[4])) == (*other[:4], str(other[4]))
    assert (additional(one) == additional(other)) == same


def test_moving_a_letter_from_the_table_to_the_column_changes_the_additional_data() -> None:
    tenant = TenantId(UUID(int=7))
    assert column_context(tenant, "ab", "c", 1) != column_context(tenant, "a", "bc", 1)


def test_a_version_that_does_not_fit_is_an_error_and_not_a_wrapped_number() -> None:
    with pytest.raises(OverflowError):
        header(2**32)


@given(st.lists(st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)), min_size=2))  # noqa: DTZ001 - hypothesis wants bounds without a zone
def test_the_newest_key_is_last_even_when_the_clock_goes_back(instants: list[datetime]) -> None:
    ids: list[str] = []
    for number, instant in enumerate(instants):
        after = ids[-1] if ids else None
        ids.append(new_key_id(KeyUse.WRAPPING, now=instant, after=after, random=f"{2**32 - 1 - number:08x}"))
    assert all(earlier < later for earlier, later in pairwise(ids))
    assert created_at(ids[0]) == instants[0]


def test_the_id_of_one_use_is_none_of_another() -> None:
    key_id = new_key_id(KeyUse.SIGNING, now=datetime(2026, 1, 1, tzinfo=UTC), after=None, random="0123abcd")
    assert is_key_id(key_id, KeyUse.SIGNING)
    assert not is_key_id(key_id, KeyUse.WRAPPING)
    assert not is_key_id(key_id + "0", KeyUse.SIGNING)


def test_an_instant_of_another_zone_is_written_in_utc() -> None:
    tokyo = datetime.fromisoformat("2026-04-01T08:00:00+09:00")
    key_id = new_key_id(KeyUse.WRAPPING, now=tokyo, after=None, random="00000000")
    assert created_at(key_id) == tokyo
    assert created_at(key_id).utcoffset() == timedelta()


def test_what_is_no_key_id_has_no_age() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        created_at("nonsense")


def test_the_index_takes_full_width_and_half_width_digits_for_the_same() -> None:
    assert index_input("address_number", "１２３４") == index_input("address_number", "1234")


def test_the_index_keeps_case_blanks_and_fields_apart() -> None:
    inputs = {
        index_input("a", "value"),
        index_input("a", "Value"),
        index_input("a", "value "),
        index_input("b", "value"),
        index_input("av", "alue"),
    }
    assert len(inputs) == 5
