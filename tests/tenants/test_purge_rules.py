"""Which word confirms that it is this organisation whose data are to be destroyed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.tenants.provisioning.rules import is_confirmed


@pytest.mark.parametrize(
    ("typed", "confirms"),
    [
        ("千代田区", True),
        (" 千代田区\t", True),
        ("131016", True),
        ("１３１０１６", True),
        ("", False),
        ("千代田", False),
        ("千代田区役所", False),
        ("東京都千代田区", False),
        ("13101", False),
        ("131024", False),
        ("中央区", False),
        ("yes", False),
        ("千代田区 131016", False),
    ],
)
def test_only_the_whole_name_or_code_confirms(typed: str, confirms: bool) -> None:
    assert is_confirmed(typed, name="千代田区", reference="131016") is confirms


@given(st.text(), st.text(min_size=1).filter(str.strip))
def test_nothing_but_the_name_itself_confirms(typed: str, name: str) -> None:
    assert is_confirmed(name, name=name, reference="131016")
    if is_confirmed(typed, name=name, reference=name):
        assert is_confirmed(name, name=typed, reference=typed)


@given(st.text(alphabet="0123456789", min_size=6, max_size=6), st.text(alphabet="0123456789"))
def test_of_codes_only_the_same_one_confirms(code: str, typed: str) -> None:
    assert is_confirmed(typed, name="千代田区", reference=code) is (typed == code)
