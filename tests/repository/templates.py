"""What Jinja templates say: the calls of the catalogue in them, and words that went past it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from jinja2 import Environment, nodes
from typing_extensions import override

from repository.tree import AREAS, ROOT

#: Attributes that people see or hear.
_SPOKEN = {"alt", "aria-description", "aria-label", "aria-roledescription", "label", "placeholder", "title"}
#: Stands for an expression while the HTML around it is read.
_PLACE = "\ue000"
_WORDS = re.compile(r"[^\W\d_]{3}")
#: The name of a class: StringField.
_CLASS = re.compile(r"([A-Z]+[a-z]+){2,}")


@dataclass(frozen=True)
class TextCall:
    """A call of ``text`` in a template; ``literal`` is None where the argument is worked out."""

    line: int
    literal: str | None
    argument: ast.expr
    values: frozenset[str] | None


def templates() -> Iterator[Path]:
    """Yield every template of the product by its real path, sorted."""
    for folder in (*(ROOT / area for area in AREAS), ROOT / "src/chukan"):
        yield from sorted(folder.rglob("templates/**/*.html"))


def text_calls(source: str) -> Iterator[TextCall]:
    """Yield every call of ``text`` in the template *source*."""
    for call in Environment(autoescape=True).parse(source).find_all(nodes.Call):
        if _is_text(call) and call.args:
            argument = call.args[0]
            literal = argument.value if isinstance(argument, nodes.Const) and isinstance(argument.value, str) else None
            values = None if call.dyn_kwargs else frozenset(word.key for word in call.kwargs)
            yield TextCall(call.lineno, literal, _as_python(argument), values)


def loose_words(source: str) -> list[str]:
    """Return what the template *source* shows to people without asking the catalogue."""
    reader = _Reader()
    reader.feed(without_jinja(source))
    reader.close()
    tree = Environment(autoescape=True).parse(source)
    constants = [node.value for node in _outside_text(tree) if isinstance(node, nodes.Const)]
    written = [value for value in constants if isinstance(value, str) and _is_words(value)]
    return [*reader.found, *written, *_shown_as_it_is(tree)]


class _Reader(HTMLParser):
    """Collects letters in texts and in spoken attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    @override
    def handle_data(self, data: str) -> None:
        self._look(data)

    @override
    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in _SPOKEN:
                self._look(value or "")

    def _look(self, words: str) -> None:
        if any(letter.isalpha() for letter in words.replace(_PLACE, "")):
            self.found.append(words.replace(_PLACE, "{}").strip())


def without_jinja(source: str) -> str:
    """Return the HTML of *source* with a mark in the place of each expression."""
    kept, is_expression = [], False
    for _, kind, value in Environment(autoescape=True).lex(source):
        if kind in {"data", "raw_data"}:
            kept.append(value)
        elif kind == "variable_begin":
            is_expression = True
        elif kind == "variable_end" and is_expression:
            is_expression = False
            kept.append(_PLACE)
    return "".join(kept)


def _outside_text(node: nodes.Node) -> Iterator[nodes.Node]:
    """Yield *node* and what is below it, without the arguments of ``text``."""
    yield node
    for child in node.iter_child_nodes():
        if not (isinstance(child, nodes.Call) and _is_text(child)):
            yield from _outside_text(child)


def _shown_as_it_is(tree: nodes.Template) -> Iterator[str]:
    """Yield string constants that an expression shows, in whichever branch."""
    for output in tree.find_all(nodes.Output):
        for shown in output.nodes:
            if isinstance(shown, nodes.Const) and isinstance(shown.value, str) and _WORDS.search(shown.value):
                yield shown.value


def _is_words(value: str) -> bool:
    """Return whether *value* is for people, not for machines: it is no key, class, path or number format."""
    if not _WORDS.search(value) or _CLASS.fullmatch(value):
        return False
    return not value.isascii() or value[0].isupper() or " " in value.strip()


def _is_text(call: nodes.Call) -> bool:
    return isinstance(call.node, nodes.Name) and call.node.name == "text"


def _as_python(node: nodes.Node) -> ast.expr:
    """Return *node* as Python would have it, as far as names and attributes go."""
    if isinstance(node, nodes.Name):
        return ast.Name(node.name)
    if isinstance(node, nodes.Getattr):
        return ast.Attribute(_as_python(node.node), node.attr)
    if isinstance(node, nodes.Const):
        return ast.Constant(node.value)
    return ast.Tuple([_as_python(child) for child in node.iter_child_nodes()])
