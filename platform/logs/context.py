"""To whom a line belongs: request, job and organisation are bound once, for all that happens inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from structlog.contextvars import bound_contextvars, get_contextvars

from chukan.platform.logs.rules import canonical

BOUND = ("request", "job", "organisation")


@contextmanager
def bind_log_context(
    *, request: str | None = None, job: str | int | None = None, organisation: UUID | str | None = None
) -> Iterator[None]:
    """Give every line written inside the block these ids; what is None stays as it is.

    The binding belongs to the thread or task that makes it: another one starts with none, so its
    lines can be missing from an organisation's extract but never stand in the wrong one. Source: A3-021.
    """
    given = {"request": request, "job": job, "organisation": organisation}
    with bound_contextvars(**{name: canonical(str(value)) for name, value in given.items() if value is not None}):
        yield


def merge_context(event: MutableMapping[str, Any]) -> None:
    """Put the bound ids into *event*.

    A line that names one organisation inside the block of another would be claimed by two; it then
    belongs to neither, and ``dropped`` says so. Source: A3-021.
    """
    bound: Mapping[str, Any] = get_contextvars()
    for name in BOUND:
        if name in bound and canonical(str(event.setdefault(name, bound[name]))) != bound[name]:
            event[name] = None
