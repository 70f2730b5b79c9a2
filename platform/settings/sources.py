"""Where settings come from: files, environment variables and secret files, each read into one ``Source``.

A source that cannot be read, or says what nobody asked for, yields problems instead of stopping, so
that all of them are reported at once.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.resources.abc import Traversable
from pathlib import Path
from stat import S_IROTH, S_IWOTH
from typing import Any

from chukan.platform.messages import text
from chukan.platform.settings.errors import Problem
from chukan.platform.settings.leaves import FILE_SUFFIX, PREFIX, leaves, sections

#: The folder that relative paths start from.
HOME = "CHUKAN_HOME"
#: The folder of the operator's own files.
CONFIG_DIRECTORY = "CHUKAN_CONFIG_DIRECTORY"


class OriginKind(StrEnum):
    """What kind of place a value came from."""

    DEFAULT = "default"
    FILE = "file"
    VARIABLE = "variable"
    SECRET_FILE = "secret_file"  # noqa: S105 - names a kind of place
    ARGUMENT = "argument"


@dataclass(frozen=True)
class Origin:
    """Where one value came from: the file or variable's name, and the text that it was read from."""

    kind: OriginKind
    place: str = ""
    document: str = field(default="", repr=False, compare=False)

    def where(self, key: str) -> str:
        """Return the place in the words of an operator: ``file:line``, variable, or ``default``."""
        line = line_of(self.document, key) if self.document else None
        return f"{self.place}:{line}" if line else self.place or self.kind.value


@dataclass
class Source:
    """The leaves that one place sets (raw values by dotted key), and what was wrong with the place."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def put(self, key: str, value: Any, origin: Origin) -> None:
        """Set *key*, or note that there is no such key."""
        if key in leaves() or key in sections():
            self.values[key], self.origins[key] = value, origin
        else:
            self.problems.append(_unknown(key, origin.where(key), _closest_key(key)))


def read_file(path: Traversable, place: str) -> Source:
    """Return what the TOML file at *path* sets; *place* is how it is named to people."""
    source = Source()
    try:
        document = path.read_text(encoding="utf-8")
        tree = tomllib.loads(document)
    except (OSError, UnicodeDecodeError) as error:
        source.problems.append(_unreadable(place, "", error))
    except tomllib.TOMLDecodeError as error:
        source.problems.append(_not_toml(place, error))
    else:
        origin = Origin(OriginKind.FILE, place, document)
        for key, value in _flat(tree):
            source.put(key, value, origin)
        if isinstance(path, Path) and any(leaves()[key].secret for key in source.values if key in leaves()):
            source.problems.extend(_open_to_others(path, place, ""))
    return source


def read_folder(folder: Path) -> list[Source]:
    """Return what each ``*.toml`` file of the operator's *folder* sets, in the order of their names."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except OSError as error:
        return [Source(problems=[_unreadable(CONFIG_DIRECTORY, "", error, expected=text("a readable folder"))])]
    return [read_file(path, str(path)) for path in paths]


def read_variables(variables: Mapping[str, str], home: Path) -> tuple[Source, Source]:
    """Return what the ``CHUKAN_`` variables set, and what the files set that ``…_FILE`` variables name."""
    plain, from_files = Source(), Source()
    keys = {leaf.variable: leaf.key for leaf in leaves().values()}
    for name in sorted(variables):
        if not name.startswith(PREFIX) or name in {HOME, CONFIG_DIRECTORY}:
            continue
        if key := keys.get(name):
            plain.put(key, variables[name], Origin(OriginKind.VARIABLE, name))
        elif name.endswith(FILE_SUFFIX) and (key := keys.get(name.removesuffix(FILE_SUFFIX))):
            _put_content(from_files, key, name, home / variables[name])
        else:
            known = [*keys, HOME, CONFIG_DIRECTORY]
            plain.problems.append(_unknown("", name, next(iter(difflib.get_close_matches(name, known, n=1)), "")))
    return plain, from_files


def line_of(document: str, key: str) -> int | None:
    """Return the line (from 1) of the TOML *document* on which the statement begins that sets *key*.

    The parser names no lines, so statements are found as the shortest beginnings of the document
    that parse; multi-line values and quoted keys come out right by that.
    """
    lines, begun = document.splitlines(keepends=True), 0
    for end in range(1, len(lines) + 1):
        try:
            tree: Any = tomllib.loads("".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
        if _has(tree, key):
            return begun + 1
        begun = end
    return None


def _has(tree: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and (key in sections() or key not in leaves()):
            yield from _flat(value, f"{key}.") if value or key in sections() else ((key, value),)
        else:
            yield key, value


def _put_content(source: Source, key: str, variable: str, path: Path) -> None:
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        source.problems.append(_unreadable(f"{variable} → {path}", key, error))
        return
    if leaves()[key].secret:
        source.problems.extend(_open_to_others(path, f"{variable} → {path}", key))
    source.put(key, content.removesuffix("\n"), Origin(OriginKind.SECRET_FILE, f"{variable} → {path}"))


def _open_to_others(path: Path, place: str, key: str) -> Iterator[Problem]:
    mode = os.stat(path).st_mode  # noqa: PTH116 - follows the links that secret mounts are made of
    if mode & (S_IROTH | S_IWOTH):
        expected = text("a file that others can neither read nor write (chmod o-rw)")
        yield Problem(place, key, expected, text("mode {mode}", mode=f"{mode & 0o7777:04o}"))


def _unknown(key: str, where: str, closest: str) -> Problem:
    # The value is not shown: it may be the secret of a mistyped key.
    expected = text("a known setting; perhaps {closest}", closest=closest) if closest else text("a known setting")
    return Problem(where, key, expected, text("no such setting"))


def _closest_key(key: str) -> str:
    parent, _, name = key.rpartition(".")
    known = [*leaves(), *sections()]
    siblings = {other.rpartition(".")[2]: other for other in known if other.rpartition(".")[0] == parent}
    if close := difflib.get_close_matches(name, siblings, n=1):
        return siblings[close[0]]
    elsewhere = [other for other in leaves() if other.rpartition(".")[2] == name]
    return elsewhere[0] if elsewhere else next(iter(difflib.get_close_matches(key, known, n=1, cutoff=0.8)), "")


def _unreadable(where: str, key: str, error: OSError | UnicodeDecodeError, *, expected: str = "") -> Problem:
    found = error.strerror or type(error).__name__ if isinstance(error, OSError) else text("bytes that are not UTF-8")
    return Problem(where, key, expected or text("a readable file"), found)


def _not_toml(place: str, error: tomllib.TOMLDecodeError) -> Problem:
    # The parser's message ends with "(at line 3, column 7)" or "(at end of document)".
    message = str(error)
    if position := re.search(r" \(at line (\d+), column (\d+)\)$", message):
        line, column = position.groups()
        found = text(
            "{reason} at line {line}, column {column}",
            reason=message[: position.start()],
            line=line,
            column=column,
        )
        return Problem(f"{place}:{line}", "", text("TOML"), found)
    return Problem(place, "", text("TOML"), message)
