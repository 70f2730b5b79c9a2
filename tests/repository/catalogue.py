"""What code and templates say to people, and what the Japanese catalogue holds of it."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import click
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from repository.templates import templates, text_calls
from repository.tree import ROOT, parsed, product_modules, shown

MESSAGES = "chukan.platform.messages"
FOLDER = ROOT / "config/messages/ja"


@dataclass(frozen=True)
class Saying:
    """A call of ``text`` or ``mark``; ``literal`` is None where the argument is worked out."""

    path: Path
    line: int
    function: str
    literal: str | None
    argument: ast.expr
    values: frozenset[str] | None

    @property
    def where(self) -> str:
        """The place as an editor opens it."""
        return f"{shown(self.path)}:{self.line}"


def sayings() -> Iterator[Saying]:
    """Yield every call of ``text`` and ``mark`` in the product: in its modules and in its templates."""
    for path in product_modules():
        yield from sayings_in(path, parsed(path))
    for path in templates():
        for call in text_calls(path.read_text("utf-8")):
            yield Saying(path, call.line, "text", call.literal, call.argument, call.values)


def tree_of(path: Path) -> ast.Module:
    """Return the syntax tree of *path*; a template has none of Python's."""
    return parsed(path) if path.suffix == ".py" else ast.Module(body=[], type_ignores=[])


def library_texts() -> Iterator[str]:
    """Yield the messages with which WTForms' validators answer; its forms ask our catalogue for them."""
    with (files("wtforms") / "locale" / "wtforms.pot").open("rb") as source:
        for entry in read_po(source):
            yield from [entry.id] if isinstance(entry.id, str) else entry.id


def sayings_in(path: Path, tree: ast.Module) -> Iterator[Saying]:
    """Yield every call of ``text`` and ``mark`` of the message catalogue in *tree*."""
    names = _bound_names(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        function = names.get(ast.unparse(node.func))
        if function is None:
            continue
        argument = node.args[0]
        is_literal = isinstance(argument, ast.Constant) and isinstance(argument.value, str)
        yield Saying(
            path=path,
            line=node.lineno,
            function=function,
            literal=str(argument.value) if is_literal and isinstance(argument, ast.Constant) else None,
            argument=argument,
            values=_keywords(node),
        )


def _bound_names(tree: ast.Module) -> dict[str, str]:
    """Return the names under which *tree* calls the catalogue; sqlalchemy has a ``text`` of its own."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == MESSAGES:
            names.update({alias.asname or alias.name: alias.name for alias in node.names})
        elif isinstance(node, ast.ImportFrom) and node.module == "chukan.platform":
            modules = [alias.asname or alias.name for alias in node.names if alias.name == "messages"]
            names.update({f"{module}.{name}": name for module in modules for name in ("text", "mark")})
    return {name: function for name, function in names.items() if function in {"text", "mark"}}


def _keywords(call: ast.Call) -> frozenset[str] | None:
    """Return the names of the values given to *call*, or None where ``**`` hides them."""
    names = [keyword.arg for keyword in call.keywords]
    return None if None in names else frozenset(name for name in names if name)


def placeholders(message: str) -> frozenset[str]:
    """Return the ``{named}`` places of *message*."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(message) if name is not None)


def marked_names(tree: ast.Module) -> frozenset[str]:
    """Return the names that *tree* assigns, in a module or a class, from something that holds ``mark(…)``."""
    found: set[str] = set()
    for body in [tree.body, *(node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]:
        for statement in body:
            if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
                targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                calls = [node for node in ast.walk(statement.value) if isinstance(node, ast.Call)]
                if any(ast.unparse(call.func).rsplit(".", maxsplit=1)[-1] == "mark" for call in calls):
                    found.update(target.id for target in targets if isinstance(target, ast.Name))
    return frozenset(found)


def marked_fields(trees: Iterable[ast.Module]) -> frozenset[str]:
    """Return the names of fields and parameters that are somewhere given ``mark(…)`` directly."""
    calls, parameters = [], {}
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Call):
            calls.append(node)
        elif isinstance(node, ast.ClassDef):
            own = [each.target for each in node.body if isinstance(each, ast.AnnAssign)]
            parameters[node.name] = [target.id for target in own if isinstance(target, ast.Name)]
        elif isinstance(node, ast.FunctionDef):
            parameters[node.name] = [each.arg for each in node.args.args]
    found: set[str] = set()
    for call in calls:
        names = parameters.get(ast.unparse(call.func), [])
        found.update(name for name, value in zip(names, call.args, strict=False) if _is_mark(value))
        found.update(word.arg for word in call.keywords if word.arg and _is_mark(word.value))
    return frozenset(found)


def marked_constants(trees: Iterable[ast.Module]) -> frozenset[str]:
    """Return the names of modules' constants that are ``mark(…)`` itself: known where they are asked of a module."""
    return frozenset(
        target.id
        for tree in trees
        for statement in tree.body
        if isinstance(statement, ast.Assign) and _is_mark(statement.value)
        for target in statement.targets
        if isinstance(target, ast.Name)
    )


def _is_mark(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in {"mark", "messages.mark"}


def help_texts(command: click.Command) -> Iterator[str]:
    """Yield what the help of *command* and of everything below it shows: a docstring's first line."""
    for text in (command.short_help, command.help):
        if text:
            yield text.strip().split("\n", maxsplit=1)[0]
    for parameter in command.params:
        if own := getattr(parameter, "help", None):
            yield own
    if isinstance(command, click.Group):
        for child in command.commands.values():
            yield from help_texts(child)


def entries() -> Iterator[tuple[str, Message]]:
    """Yield every entry of the Japanese catalogue with the file that holds it."""
    for path in sorted(FOLDER.glob("*.po")):
        with path.open("rb") as source:
            yield from ((path.name, entry) for entry in read_po(source, locale="ja") if entry.id)


def obsolete() -> Iterator[str]:
    """Yield the files with commented-out entries, which tools leave behind."""
    for path in sorted(FOLDER.glob("*.po")):
        if any(line.startswith("#~") for line in path.read_text("utf-8").splitlines()):
            yield path.name
