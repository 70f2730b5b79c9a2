"""The leaves of the settings tree, read from the model: key, variable, what is expected, how secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, Literal, get_args, get_origin

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from chukan.platform.messages import mark, text
from chukan.platform.settings.model import Settings

PREFIX = "CHUKAN_"
#: Ends the name of a variable that names a file which holds the value.
FILE_SUFFIX = "_FILE"


class Kind(StrEnum):
    """What sort of value a leaf takes."""

    SWITCH = "switch"
    CHOICE = "choice"
    WHOLE_NUMBER = "whole number"
    NUMBER = "number"
    PATH = "path"
    TEXT = "text"
    SECRET = "secret"  # noqa: S105 - names a kind of value


EXPECTED = {
    Kind.SWITCH: mark("true or false"),
    Kind.CHOICE: mark("one of these:"),
    Kind.WHOLE_NUMBER: mark("a whole number"),
    Kind.NUMBER: mark("a number"),
    Kind.PATH: mark("a path"),
    Kind.TEXT: mark("text"),
    Kind.SECRET: mark("secret text"),
}


@dataclass(frozen=True)
class Leaf:
    """One setting: ``key`` is dotted (``database.tenant_sessions.max_open``), ``default`` of its type."""

    key: str
    kind: Kind
    default: Any
    meaning: str
    choices: tuple[str, ...] = ()
    #: Bounds and patterns, as one reads them: ``≥ 1``, ``≤ 2000``.
    bounds: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + self.key.upper().replace(".", "__")

    @property
    def secret(self) -> bool:
        """Whether its value is never printed."""
        return self.kind is Kind.SECRET

    def expected(self) -> str:
        """Return what may stand there, in the reader's language."""
        details = ", ".join((*self.choices, *self.bounds))
        return " ".join((text(EXPECTED[self.kind]), details)).strip()


@cache
def leaves() -> Mapping[str, Leaf]:
    """Return every leaf of the tree by its key, in the order of the model."""
    return MappingProxyType({leaf.key: leaf for leaf in _below(Settings())})


@cache
def sections() -> frozenset[str]:
    """Return the dotted keys of the tree that hold other keys."""
    return frozenset(key.rsplit(".", maxsplit=depth)[0] for key in leaves() for depth in range(1, key.count(".") + 1))


def value_of(settings: Settings, key: str) -> Any:
    """Return the value that *settings* hold for the dotted *key*."""
    value: Any = settings
    for part in key.split("."):
        value = getattr(value, part)
    return value


def _below(section: BaseModel, prefix: str = "") -> Iterator[Leaf]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _below(value, f"{prefix}{name}.")
        else:
            yield _leaf(f"{prefix}{name}", field, value)


def _leaf(key: str, field: FieldInfo, default: Any) -> Leaf:
    kind, choices = _kind(field.annotation)
    return Leaf(key, kind, default, field.description or "", choices, tuple(_bounds(field)))


def _kind(annotation: Any) -> tuple[Kind, tuple[str, ...]]:
    if get_origin(annotation) is Literal:
        return Kind.CHOICE, tuple(get_args(annotation))
    if isinstance(annotation, UnionType):
        return _kind(next(part for part in get_args(annotation) if part is not type(None)))
    if issubclass(annotation, StrEnum):
        return Kind.CHOICE, tuple(annotation)
    kinds = {bool: Kind.SWITCH, int: Kind.WHOLE_NUMBER, float: Kind.NUMBER, Path: Kind.PATH, str: Kind.TEXT}
    return {**kinds, SecretStr: Kind.SECRET}[annotation], ()


def _bounds(field: FieldInfo) -> Iterator[str]:
    for rule in field.metadata:
        match rule:
            case annotated_types.Ge():
                yield f"≥ {rule.ge}"
            case annotated_types.Gt():
                yield f"> {rule.gt}"
            case annotated_types.Le():
                yield f"≤ {rule.le}"
            case annotated_types.Lt():
                yield f"< {rule.lt}"
            case _ if pattern := getattr(rule, "pattern", None):
                yield str(pattern)
