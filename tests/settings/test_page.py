"""``docs/settings.md`` says of every leaf what the program does."""

from __future__ import annotations

from pathlib import Path

from chukan.platform.settings.leaves import leaves
from chukan.platform.settings.page import page

DOCUMENT = Path(__file__).parents[2] / "docs/settings.md"


def test_the_page_is_what_the_model_says_now() -> None:
    assert DOCUMENT.read_text() == page(), "run: python -m chukan.platform.settings.page > docs/settings.md"


def test_the_page_names_every_leaf_with_its_variable_and_meaning() -> None:
    document = DOCUMENT.read_text()
    for leaf in leaves().values():
        assert f"### `{leaf.key}`" in document
        assert f"`{leaf.variable}`" in document
        assert leaf.meaning in document
