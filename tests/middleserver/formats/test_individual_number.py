"""The guard finds Individual Numbers where they can stand, and tells columns of them from chance (decision 28)."""

from __future__ import annotations

import random
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.tenants.middleserver.formats.errors import IndividualNumberSuspected
from chukan.tenants.middleserver.formats.individual_number import (
    WINDOW,
    ColumnGuard,
    ColumnVerdict,
    column_verdict,
    is_suspect_key,
    passes_check,
    refuse_in,
    stands_in,
)

#: The example that the public explanations of the check digit compute: 12345678901 is followed by 8.
GOOD = "123456789018"


def with_check(digits: str) -> str:
    """Compute the digit as the order writes it down: P1 is the lowest, Qn is n + 1, from the seventh on n - 5."""
    total = sum(int(digits[-n]) * (n + 1 if n <= 6 else n - 5) for n in range(1, 12))
    rest = total % 11
    return f"{digits}{0 if rest <= 1 else 11 - rest}"


def test_the_check_digit_of_a_known_number_passes() -> None:
    assert passes_check(GOOD)


@given(st.text("0123456789", min_size=11, max_size=11))
def test_exactly_one_last_digit_passes(digits: str) -> None:
    good = with_check(digits)
    assert [last for last in "0123456789" if passes_check(digits + last)] == [good[-1]]


@pytest.mark.parametrize(
    "written", ["", "12345678901", "1234567890180", "12345678901８", "1234567890 8", "abcdefghijkl"]
)
def test_what_is_no_twelve_digits_does_not_pass(written: str) -> None:
    assert not passes_check(written)


@pytest.mark.parametrize(
    "written",
    [
        GOOD,
        f"番号は{GOOD}です",
        "1234-5678-9018",
        "1234 5678 9018",
        "1234\u30005678\u30009018",
        "１２３４５６７８９０１８",
        "１２３４－５６７８－９０１８",
        f"a{GOOD}b",
    ],
)
def test_a_free_text_with_a_number_is_found_out(written: str) -> None:
    assert stands_in(written)
    with pytest.raises(IndividualNumberSuspected) as refused:
        refuse_in(written, field="備考")
    shown = "".join(traceback.format_exception_only(refused.value)) + refused.value.told() + refused.value.detail
    assert "9018" not in shown
    assert "９０１８" not in shown


@pytest.mark.parametrize(
    "written",
    [
        "",
        "税額 1,234,567 円",
        "123456789017",
        f"0{GOOD}",
        f"{GOOD}0",
        f"03-{GOOD}",
        f"{GOOD}-1",
        "1234-5678 9018",
        "000000000012345",
        "2019-06-17",
    ],
)
def test_other_numbers_are_let_through(written: str) -> None:
    assert not stands_in(written)
    refuse_in(written, field="備考")


@pytest.mark.parametrize(
    ("key", "suspect"),
    [(GOOD, True), (f"000{GOOD}", True), (f"001{GOOD}", False), (f"00{GOOD}", True), ("000123456789017", False)],
)
def test_a_key_is_suspect_bare_or_padded_with_zeros(key: str, *, suspect: bool) -> None:
    assert is_suspect_key(key) is suspect


@pytest.mark.parametrize(
    ("values", "suspects", "verdict"),
    [
        (0, 0, ColumnVerdict.CLEAN),
        (19, 19, ColumnVerdict.NOTED),
        (20, 9, ColumnVerdict.NOTED),
        (20, 10, ColumnVerdict.REFUSED),
        (21, 10, ColumnVerdict.NOTED),
        (21, 11, ColumnVerdict.REFUSED),
        (1_000_000, 0, ColumnVerdict.CLEAN),
        (1_000_000, 1, ColumnVerdict.NOTED),
        (1_000_000, 500_000, ColumnVerdict.REFUSED),
    ],
)
def test_a_column_is_refused_from_half_of_twenty_on(values: int, suspects: int, verdict: ColumnVerdict) -> None:
    assert column_verdict(values=values, suspects=suspects) is verdict


def test_address_numbers_that_pass_by_chance_are_noted_and_no_more() -> None:
    chance = random.Random(7)  # noqa: S311 - the same numbers each time
    guard = ColumnGuard()
    for _ in range(5_000):
        guard.see(f"000{chance.randrange(10**12):012d}")
    assert guard.verdict() is ColumnVerdict.NOTED


def test_a_column_of_individual_numbers_is_refused() -> None:
    chance = random.Random(7)  # noqa: S311 - the same numbers each time
    guard = ColumnGuard()
    for _ in range(20):
        guard.see(f"000{with_check(f'{chance.randrange(10**11):011d}')}")
    assert guard.verdict() is ColumnVerdict.REFUSED


def test_one_persons_many_records_do_not_condemn_a_file() -> None:
    guard = ColumnGuard()
    for _ in range(1_000):
        guard.see(f"000{GOOD}")
    assert guard.verdict() is ColumnVerdict.NOTED


def test_a_bad_window_is_remembered_after_a_long_clean_rest() -> None:
    guard = ColumnGuard()
    for number in range(WINDOW):
        guard.see(f"000{with_check(f'{number:011d}')}")
    for number in range(WINDOW * 2):
        guard.see(f"{number:06d}")
    assert guard.verdict() is ColumnVerdict.REFUSED
