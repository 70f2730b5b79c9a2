"""Identifiers tell nothing and do not repeat."""

from __future__ import annotations

import pytest

from chukan.platform.identifiers import is_opaque_name, new_opaque_name, new_request_id


def test_a_new_opaque_name_has_the_opaque_form() -> None:
    names = {new_opaque_name() for _ in range(1000)}
    assert len(names) == 1000
    assert all(map(is_opaque_name, names))


@pytest.mark.parametrize(
    "name",
    ["", "a" * 15, "a" * 17, "A" * 16, "a" * 15 + "1", "a" * 15 + "\n", "a" * 16 + "\n", "a" * 15 + '"', "あ" * 16],
)
def test_what_could_break_out_of_a_name_is_not_opaque(name: str) -> None:
    assert not is_opaque_name(name)


def test_request_ids_do_not_repeat() -> None:
    assert len({new_request_id() for _ in range(1000)}) == 1000
