"""The error tree: what people, machines and the log are told of a failure."""

from __future__ import annotations

import re
import secrets
from collections import Counter

import pytest

from chukan.platform.clock import NaiveInstant
from chukan.platform.errors import EXIT_CODE, HTTP_STATUS, ChukanError, Failure, error_types
from chukan.platform.messages import language
from chukan.wiring import components


@pytest.fixture
def tree() -> list[type[ChukanError]]:
    components()  # imports all that is plugged in, and with it every error
    return [error for error in error_types() if error.__module__.startswith("chukan.")]


def test_every_failure_has_a_status_and_an_exit_code() -> None:
    assert set(HTTP_STATUS) == set(EXIT_CODE) == set(Failure)
    assert all(400 <= status < 600 for status in HTTP_STATUS.values())
    assert all(0 < code < 126 for code in EXIT_CODE.values())


def test_codes_are_unique_and_name_their_feature(tree: list[type[ChukanError]]) -> None:
    codes = Counter(error.code for error in tree)
    assert [code for code, times in codes.items() if times > 1] == []
    strange = [code for code in codes if not re.fullmatch(r"fault|[a-z_]+\.[a-z0-9_]+", code)]
    assert strange == []


def test_an_error_is_told_with_its_values_in_the_readers_language() -> None:
    error = NaiveInstant(instant="2026-04-01T09:00")
    with language("en"):
        assert error.told() == "The instant 2026-04-01T09:00 has no UTC offset."
    with language("ja"):
        assert error.told() == "日時 2026-04-01T09:00 にUTCとの時差がありません。"
    assert str(error) == "The instant 2026-04-01T09:00 has no UTC offset."


def test_machines_are_told_code_hint_and_reference_but_no_detail() -> None:
    error = NaiveInstant(instant="x", detail="only for the log")
    with language("en"):
        told = error.as_json()
    assert told == {
        "error": "clock.naive_instant",
        "message": "The instant x has no UTC offset.",
        "hint": "Add the offset, for example +09:00.",
        "retryable": False,
        "reference": error.reference,
    }
    assert (error.http_status, error.exit_code) == (400, 2)


def test_no_reference_looks_like_a_number_that_logs_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "choice", min)
    monkeypatch.setattr(secrets, "token_hex", lambda count: "0" * (2 * count))
    assert re.fullmatch("[a-z]{12}", ChukanError().reference)


def test_two_errors_have_different_references() -> None:
    assert ChukanError().reference != ChukanError().reference
