"""How an event becomes a line: declared fields only, cleaned, as one line of ASCII JSON."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

from typing_extensions import override

from chukan.platform.clock import Clock
from chukan.platform.errors import ChukanError
from chukan.platform.logs.context import merge_context
from chukan.platform.logs.fields import FIELDS
from chukan.platform.logs.rules import NotAllowed, cleaned

#: The innermost frames are the ones that tell; a recursion must not fill the disk.
MOST_FRAMES = 40
#: The part of a path that differs from one installation to the next.
_INSTALLED_AT = re.compile(r"^.*/(?:site-packages|src|lib/python3\.\d+)/")


class LineFormatter(logging.Formatter):
    """Formats our events and those of third parties as lines of the same form."""

    def __init__(self, process: str, clock: Clock) -> None:
        super().__init__()
        self._process = process
        self._clock = clock

    @override
    def format(self, record: logging.LogRecord) -> str:
        event = _event(record)
        exception = _exception(event.pop("exc_info", None) or record.exc_info)
        if exception is not None:
            event |= described(exception)
        merge_context(event)
        at = self._clock.now().isoformat(timespec="microseconds")
        head = {"at": at, "level": record.levelname.lower(), "process": self._process, "logger": record.name}
        return json.dumps(line({**event, **head}))


def line(event: Mapping[str, Any]) -> dict[str, object]:
    """Return what of *event* may be written, in the catalogue's order; ``dropped`` names the rest."""
    kept: dict[str, object] = {}
    dropped: list[str] = []
    for name, value in event.items():
        try:
            kept[name] = cleaned(name, value)
        except NotAllowed:
            dropped.append(name if name.isidentifier() else "?")
    if dropped:
        kept["dropped"] = cleaned("dropped", dropped)
    return {name: kept[name] for name in FIELDS if name in kept}


def described(error: BaseException) -> dict[str, object]:
    """Return the fields that tell of *error*: never the text of an error that is not ours.

    Other libraries' messages quote what they worked on (SQL parameters, parsed values), and a
    traceback's local variables hold the same.
    """
    fields: dict[str, object] = {
        "error_type": _name(error),
        "frames": [*_frames(error.__traceback__)][-MOST_FRAMES:],
    }
    if isinstance(error, ChukanError):
        fields |= {"error": error.code, "reference": error.reference}
        if error.detail and all(isinstance(cause, ChukanError) for cause in _causes(error)):
            fields["detail"] = error.detail  # behind it stands nothing whose text it may quote
    if causes := [_name(cause) for cause in _causes(error)]:
        fields["causes"] = causes
    if sqlstate := next((state for each in (error, *_causes(error)) if (state := _sqlstate(each))), None):
        fields["sqlstate"] = sqlstate
    return fields


def _event(record: logging.LogRecord) -> dict[str, Any]:
    if isinstance(record.msg, dict) and hasattr(record, "_logger"):  # structlog's mark: it is ours
        return dict(record.msg)
    # Of a third party's message only the template is taken: its arguments may hold anything.
    return {"event": record.msg if isinstance(record.msg, str) else type(record.msg).__qualname__}


def _exception(exc_info: Any) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        found = exc_info[1]
        return found if isinstance(found, BaseException) else None
    return sys.exception() if exc_info else None


def _name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _sqlstate(error: BaseException) -> str | None:
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None


def _frames(traceback: TracebackType | None) -> Iterator[str]:
    while traceback is not None:
        code = traceback.tb_frame.f_code
        yield f"{_INSTALLED_AT.sub('', code.co_filename)}:{traceback.tb_lineno} {code.co_qualname}"
        traceback = traceback.tb_next


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors behind *error*, nearest first; a ring of causes is walked once."""
    seen = {id(error)}
    following = _cause(error)
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = _cause(following)


def _cause(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)
