"""What stands in a table, a list of facts or a map beside plain text: marks, links and how they read as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from chukan.platform.clock import as_tokyo
from chukan.platform.messages import text


class Mark(StrEnum):
    """The seven marks of a state; each has an icon of its own shape, and is always shown with a word."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    RUNNING = "running"
    WAITING = "waiting"
    OFF = "off"


@dataclass(frozen=True)
class Status:
    """A mark with its word, which is in the reader's language already."""

    mark: Mark
    word: str


@dataclass(frozen=True)
class Link:
    """Words, or an instant or a day as tables write it, that lead to *href*, a path of ours.

    ``about`` tells screen readers which row it is of, where the words are the same in each.
    """

    words: str | datetime | date
    href: str
    about: str = ""


def legend(states: Iterable[Status]) -> Sequence[Status]:
    """Return each of *states* once, in the order of the marks: what a picture has to explain."""
    return sorted(set(states), key=lambda state: (list(Mark).index(state.mark), state.word))


def plain(value: object) -> str:
    """Return *value* as text without looks: for CSV, and for whatever else reads it.

    Instants are told as Tokyo's wall clock shows them, to the second; what is not there is empty.
    """
    for types, told in _PLAIN:
        if isinstance(value, types):
            return told(value)
    return str(value)


#: In this order: an instant is a day as well, and a text is a sequence.
_PLAIN: Sequence[tuple[type, Callable[[Any], str]]] = (
    (type(None), lambda _: ""),
    (bool, lambda value: text("Yes") if value else text("No")),
    (datetime, lambda value: as_tokyo(value).strftime("%Y-%m-%d %H:%M:%S")),
    (date, date.isoformat),
    (Status, lambda value: value.word),
    (Link, lambda value: " ".join(filter(None, (plain(value.words), value.about)))),
    (str, str),
    (Sequence, lambda value: "、".join(plain(each) for each in value)),
)
