"""No template says anything that the catalogue does not know, or that the content policy would refuse."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from repository.templates import loose_words, templates, text_calls, without_jinja
from repository.tree import shown

INLINE = re.compile(r"""\s(style|on[a-z]+)\s*=|<style|<script(?![^>]*\ssrc=)|(?:https?:)?//[a-z]""")


@pytest.mark.parametrize("path", list(templates()), ids=shown)
def test_a_template_holds_no_words_outside_the_catalogue(path: Path) -> None:
    assert loose_words(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", list(templates()), ids=shown)
def test_a_template_has_no_inline_code_or_style_and_no_address_outside(path: Path) -> None:
    assert INLINE.findall(without_jinja(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('<p>{{ text("Ready.") }}</p>', []),
        ("<p>Ready.</p>", ["Ready."]),
        ("<p>準備完了</p>", ["準備完了"]),
        ('<p class="lead">{{ number(3) }} – 3 ›</p>', []),
        ('<nav aria-label="Menu"></nav>', ["Menu"]),
        ('<nav aria-label="{{ text("Menu") }}"></nav>', []),
        ('<img alt="{{ name }}の図">', ["{}の図"]),
        ('{{ forms.button("Save") }}', ["Save"]),
        ('{{ forms.button(text("Save"), "primary") }}', []),
        ('{% call forms.form(form, url, "保存する") %}{% endcall %}', ["保存する"]),
        ('{% set words = "Not this" %}', ["Not this"]),
        ('<p>{{ "ready" }}</p>', ["ready"]),
        ('<p class="{{ "active" if current }}">{# Words of ours. #}</p>', []),
        ('<a{% if current %} aria-current="page"{% endif %} href="{{ url_for("registry.index") }}"></a>', []),
        ('<path d="{{ SHAPES[mark] }}"/>{% set SHAPES = {"a": "M8 1.5a6 6"} %}', []),
    ],
)
def test_words_that_went_past_the_catalogue_would_be_noticed(source: str, found: list[str]) -> None:
    assert sorted(set(loose_words(source))) == sorted(found)


def test_the_calls_of_the_catalogue_are_found_wherever_they_stand() -> None:
    source = '{% set a = text("One", n=1) %}<p title="{{ text("Two") }}">{{ f(text(b.c)) or text("Four", **v) }}</p>'
    calls = {call.literal: call.values for call in text_calls(source)}
    assert calls == {"One": {"n"}, "Two": set(), None: set(), "Four": None}


@pytest.mark.parametrize(
    "source",
    ['<p style="x">', '<a onclick="x">', "<style>", "<script>", '<img src="//host/x">', '<a href="https://host">'],
)
def test_what_the_content_policy_refuses_would_be_noticed(source: str) -> None:
    assert INLINE.findall(without_jinja(source))


def test_what_the_content_policy_allows_is_left_alone() -> None:
    source = '{% set one = 1 %}<script type="module" src="{{ asset("app.js") }}"></script><a href="/x//">'
    assert not INLINE.findall(without_jinja(source))
