"""Everything that a person reads has its Japanese, and the catalogue holds nothing else."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from chukan.cli import root
from chukan.platform.errors import ChukanError, error_types
from repository.catalogue import (
    Saying,
    entries,
    help_texts,
    library_texts,
    marked_constants,
    marked_fields,
    marked_names,
    obsolete,
    placeholders,
    sayings,
    sayings_in,
    tree_of,
)
from repository.tree import parsed, product_modules, shown

#: Modules that translate what their callers have marked.
TRANSLATORS = {
    "platform/messages.py",
    "platform/errors.py",
    "platform/command_line.py",
    "platform/web/forms.py",
    "platform/web/responses.py",
    "platform/web/templates/web/forms.html",
    "platform/web/templates/web/tables.html",
}


def said() -> set[str]:
    """Return every text that the product may show."""
    literals = {saying.literal for saying in sayings() if saying.literal}
    return literals | set(help_texts(root())) | set(filter(None, library_texts()))


def test_every_text_has_its_japanese() -> None:
    translated = {entry.id for _, entry in entries() if entry.string and not entry.fuzzy}
    assert sorted(said() - translated) == []


def test_no_entry_of_the_catalogue_is_unused() -> None:
    used = said()
    assert sorted(f"{name}: {entry.id}" for name, entry in entries() if entry.id not in used) == []
    assert list(obsolete()) == []


def test_no_text_is_translated_twice() -> None:
    counted = Counter(str(entry.id) for _, entry in entries())
    assert [message for message, times in counted.items() if times > 1] == []


def test_a_translation_has_the_places_of_its_text() -> None:
    different = [
        f"{name}: {entry.id}"
        for name, entry in entries()
        if placeholders(str(entry.id)) != placeholders(str(entry.string))
    ]
    assert different == []


def test_a_text_is_given_the_values_of_its_places() -> None:
    different = [
        f"{saying.where}: {saying.literal}"
        for saying in sayings()
        if saying.function == "text" and saying.literal and saying.values is not None
        if placeholders(saying.literal) != saying.values
    ]
    assert different == []


def test_only_marked_texts_are_translated_later() -> None:
    trees = [parsed(path) for path in product_modules()]
    fields, constants = marked_fields(trees), marked_constants(trees)
    unknown = [each.where for each in sayings() if not is_known(each, tree_of(each.path), fields, constants)]
    assert unknown == []


def is_known(saying: Saying, tree: ast.Module, fields: frozenset[str], constants: frozenset[str] = frozenset()) -> bool:
    """Return whether the catalogue can know what *saying* says: a literal, or something that was marked."""
    if saying.literal is not None:
        return True
    if saying.function == "mark":
        return False
    named = {node.id for node in ast.walk(saying.argument) if isinstance(node, ast.Name)}
    taken = {node.attr for node in ast.walk(saying.argument) if isinstance(node, ast.Attribute)}
    # Another module's constant is known by its attribute alone: a name of our own may mean something else.
    is_marked = bool((named | taken) & (marked_names(tree) | fields) or taken & constants)
    return is_marked or shown(saying.path) in TRANSLATORS


@pytest.mark.parametrize(
    ("code", "known"),
    [
        ('text("Ready.")', True),
        ("text(reason)", False),
        ('text(f"{count} left")', False),
        ('text("a" + word)', False),
        ('LABELS = {1: mark("One")}\ntext(LABELS[1])', True),
        ('LABELS = {1: "One"}\ntext(LABELS[1])', False),
        ("mark(word)", False),
        ("text(error.label)", False),
        ('class T:\n    label: str\nT(mark("One"))\ntext(each.label)', True),
        ('T(label=mark("One"))\ntext(each.label)', True),
        ('def bar(title): text(title)\nbar(mark("One"))', True),
        ('T(label="One")\ntext(each.label)', False),
    ],
)
def test_a_text_that_nobody_marked_would_be_noticed(code: str, known: bool) -> None:
    tree = ast.parse(f"from chukan.platform.messages import mark, text\n{code}\n")
    found = list(sayings_in(Path(__file__), tree))
    assert found
    assert all(is_known(saying, tree, marked_fields([tree])) for saying in found) is known


def test_the_text_of_sqlalchemy_is_not_taken_for_ours() -> None:
    tree = ast.parse('from sqlalchemy import text\ntext("SELECT 1")\n')
    assert list(sayings_in(Path(__file__), tree)) == []


def test_an_error_is_raised_with_the_values_that_it_shows() -> None:
    shows = {
        error.__name__: placeholders(error.message) | placeholders(error.hint)
        for error in error_types()
        if error.__module__.startswith("chukan.") and error.__init__ is ChukanError.__init__
    }
    lacking = []
    for path in product_modules():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in shows:
                given = {keyword.arg for keyword in node.keywords}
                if None not in given and (missing := shows[ast.unparse(node.func)] - given):
                    lacking.append(f"{shown(path)}:{node.lineno}: {', '.join(sorted(map(str, missing)))}")
    assert lacking == []


@pytest.mark.parametrize(("code", "known"), [("text(module.PURPOSE)", True), ("text(PURPOSE)", False)])
def test_another_modules_constant_is_known_by_its_attribute_alone(code: str, known: bool) -> None:
    constants = marked_constants([ast.parse('PURPOSE = mark("What for")')])
    tree = ast.parse(f"from chukan.platform.messages import mark, text\n{code}")
    (saying,) = sayings_in(Path(__file__), tree)
    assert is_known(saying, tree, frozenset(), constants) is known
