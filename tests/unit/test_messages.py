"""Messages speak the reader's language."""

from __future__ import annotations

import threading

import pytest

from chukan.platform.messages import (
    available_languages,
    language,
    language_of_environment,
    mark,
    text,
)

KNOWN = mark("Something went wrong inside the platform.")
JAPANESE = "システム内部で問題が発生しました。"


def test_japanese_is_spoken_where_nobody_said_otherwise() -> None:
    assert text(KNOWN) == JAPANESE


def test_english_needs_no_catalogue() -> None:
    with language("en"):
        assert text(KNOWN) == KNOWN


def test_an_unknown_language_is_answered_in_japanese() -> None:
    with language("en"), language("tlh"):
        assert text(KNOWN) == JAPANESE


def test_the_language_ends_with_its_block_also_when_it_fails() -> None:
    with pytest.raises(RuntimeError), language("en"):
        raise RuntimeError
    assert text(KNOWN) == JAPANESE


def test_another_thread_does_not_hear_this_ones_language() -> None:
    heard: list[str] = []
    with language("en"):
        listener = threading.Thread(target=lambda: heard.append(text(KNOWN)))
        listener.start()
        listener.join()
    assert heard == [JAPANESE]


def test_places_are_filled_after_translation() -> None:
    assert "2026" in text("The instant {instant} has no UTC offset.", instant="2026")


def test_braces_in_a_value_are_left_alone() -> None:
    with language("en"):
        told = text("The instant {instant} has no UTC offset.", instant="{0} {secret}")
    assert told == "The instant {0} {secret} has no UTC offset."


def test_a_text_without_translation_is_better_than_an_error() -> None:
    untranslated = "Nobody has ever said this."
    assert text(untranslated) == untranslated


def test_an_empty_text_stays_empty() -> None:
    assert text("") == ""


@pytest.mark.parametrize(
    ("environment", "spoken"),
    [
        ({}, "ja"),
        ({"LANG": "C"}, "ja"),
        ({"LANG": "C.UTF-8"}, "ja"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": ""}, "en"),
    ],
)
def test_a_terminal_asks_for_a_language_by_its_locale(environment: dict[str, str], spoken: str) -> None:
    assert language_of_environment(environment) == spoken


def test_japanese_and_english_can_be_spoken() -> None:
    assert {"ja", "en"} <= available_languages()
