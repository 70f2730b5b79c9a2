"""The rules: every step of an upload, what repeats another, and until when requests keep old copies."""

from __future__ import annotations

from datetime import date
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.tenants.middleserver.duplicate_copies.rules import (
    FINAL,
    PENDING,
    WORDINGS,
    Reason,
    Standing,
    UploadState,
    copy_ids,
    deletable_from,
    is_repeated,
    last_valid_day,
    may_become,
    upload_number,
)

STEPS = {
    ("receiving", "received"), ("receiving", "cancelled"), ("received", "staging"), ("received", "cancelled"),
    ("staging", "validated"), ("staging", "refused"), ("validated", "registered"), ("validated", "refused"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), list(product(UploadState, UploadState)))
def test_an_upload_takes_the_steps_that_are_drawn_and_no_others(old: UploadState, new: UploadState) -> None:
    assert may_become(old, new) == ((old.value, new.value) in STEPS)


def test_every_state_is_receiving_pending_or_final() -> None:
    assert {UploadState.RECEIVING} | PENDING | FINAL == set(UploadState)


def test_every_reason_is_worded() -> None:
    assert set(WORDINGS) == set(Reason)


@given(st.dates(date(2015, 10, 5), date(2099, 12, 31)), st.integers(1, 16383), st.data())
def test_numbers_go_up_with_the_day_and_fit_into_31_bits(day: date, nth: int, data: st.DataObject) -> None:
    number = upload_number(day, nth)
    assert 0 < number < 1 << 31
    other_day = data.draw(st.dates(date(2015, 10, 5), date(2099, 12, 31)))
    other = data.draw(st.integers(1, 16383))
    assert (upload_number(other_day, other) < number) == ((other_day, other) < (day, nth))
    first, after = copy_ids(number)
    assert after - first == 1 << 32
    assert after < 1 << 63


@pytest.mark.parametrize("nth", [0, 16384])
def test_a_day_has_a_last_upload(nth: int) -> None:
    with pytest.raises(ValueError, match=str(nth)):
        upload_number(date(2019, 6, 1), nth)


REGISTERED = Standing(UploadState.REGISTERED, 5)


@pytest.mark.parametrize(
    ("earlier", "pending", "registered", "repeated"),
    [
        (Standing(UploadState.RECEIVING, None), [9], [9], True),
        (Standing(UploadState.RECEIVED, 5), [5], [], True),
        (Standing(UploadState.RECEIVED, 5), [5, 6], [], False),
        (Standing(UploadState.STAGING, 5), [5], [4], True),
        (Standing(UploadState.VALIDATED, 5), [5], [], True),
        (REGISTERED, [], [5], True),
        (REGISTERED, [], [6], True),
        (REGISTERED, [6], [5], False),
        (Standing(UploadState.REGISTERED, 5, superseded=1), [], [6], False),
        (Standing(UploadState.REGISTERED, 5, deleted=1), [], [5], True),
        (Standing(UploadState.REGISTERED, 5, deleted=1), [], [6], False),
        (Standing(UploadState.REFUSED, 5), [], [], False),
        (Standing(UploadState.CANCELLED, None), [], [], False),
        (Standing(UploadState.CANCELLED, 5), [], [], False),
    ],
)
def test_the_same_bytes_are_a_repetition_while_what_they_brought_is_in_force(
    earlier: Standing, pending: list[int], registered: list[int], repeated: bool
) -> None:
    assert is_repeated(earlier, pending=pending, registered=registered) is repeated


@pytest.mark.parametrize(
    ("requests", "first_day"),
    [
        ([], None),
        # C51 and C52: the request of 06-14 is valid through 07-14, so its dataset goes on 07-15 at the earliest.
        ([date(2019, 6, 14)], date(2019, 7, 15)),
        ([date(2019, 6, 16), date(2019, 5, 1)], date(2019, 7, 17)),
    ],
)
def test_copies_stay_until_the_last_request_is_no_longer_valid(requests: list[date], first_day: date | None) -> None:
    assert deletable_from(requests) == first_day


def test_the_first_day_of_a_request_is_not_counted() -> None:
    assert last_valid_day(date(2019, 6, 14)) == date(2019, 7, 14)
    assert last_valid_day(date(2019, 6, 14), days=29) == date(2019, 7, 13)
