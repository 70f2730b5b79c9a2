"""``docs/logs.md`` lists every field that a line may hold."""

from __future__ import annotations

from pathlib import Path

from chukan.platform.logs.fields import FIELDS
from chukan.platform.logs.page import page

DOCUMENT = Path(__file__).parents[2] / "docs/logs.md"


def test_the_page_is_what_the_catalogue_says_now() -> None:
    assert DOCUMENT.read_text() == page(), "run: python -m chukan.platform.logs.page > docs/logs.md"


def test_the_page_names_every_field_with_its_kind_and_meaning() -> None:
    document = DOCUMENT.read_text()
    for field in FIELDS.values():
        assert f"| `{field.name}` | {field.kind} | {field.meaning} |" in document
