"""The one error tree: code, message in the reader's language, hint, and whether a retry may help.

A subclass is a kind of failure that somebody can act on. Its ``message`` and ``hint`` are texts of
the message catalogue with ``{named}`` places; the values are given when it is raised, and never hold
personal data. ``detail`` is for the log alone. ``HTTP_STATUS`` and ``EXIT_CODE`` are the only places
that know how a failure looks from outside.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from enum import StrEnum
from typing import ClassVar

from chukan.platform.messages import mark, text


class Failure(StrEnum):
    """What kind of failure it is, seen from the one who asked."""

    BAD_INPUT = "bad_input"
    UNAUTHENTICATED = "unauthenticated"
    REFUSED = "refused"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    UNAVAILABLE = "unavailable"
    TAMPERED = "tampered"
    CONFIGURATION = "configuration"
    FAULT = "fault"


HTTP_STATUS: dict[Failure, int] = {
    Failure.BAD_INPUT: 400,
    Failure.UNAUTHENTICATED: 401,
    Failure.REFUSED: 403,
    Failure.NOT_FOUND: 404,
    Failure.CONFLICT: 409,
    Failure.UNAVAILABLE: 503,
    Failure.TAMPERED: 500,
    Failure.CONFIGURATION: 500,
    Failure.FAULT: 500,
}

#: Bad input is 2, as for every Unix command that was called wrongly; the others are sysexits.
EXIT_CODE: dict[Failure, int] = {
    Failure.BAD_INPUT: 2,
    Failure.UNAUTHENTICATED: os.EX_NOPERM,
    Failure.REFUSED: os.EX_NOPERM,
    Failure.NOT_FOUND: os.EX_NOINPUT,
    Failure.CONFLICT: os.EX_CANTCREAT,
    Failure.UNAVAILABLE: os.EX_TEMPFAIL,
    Failure.TAMPERED: os.EX_DATAERR,
    Failure.CONFIGURATION: os.EX_CONFIG,
    Failure.FAULT: os.EX_SOFTWARE,
}

#: Letters alone, so that no reference id looks like a person's number, and no vowels, so that none is a word.
REFERENCE_LETTERS = "bcdfghjkmnpqrstvwxyz"


class ChukanError(Exception):
    """The root of the tree, and what an unforeseen failure is shown as."""

    code: ClassVar[str] = "fault"
    failure: ClassVar[Failure] = Failure.FAULT
    retryable: ClassVar[bool] = False
    message: ClassVar[str] = mark("Something went wrong inside the platform.")
    hint: ClassVar[str] = mark("Tell the helpdesk the reference id.")

    def __init__(self, *, detail: str = "", **values: object) -> None:
        self.detail = detail
        self.values = values
        #: Ties what the reader sees to what the log says; random, so that it tells nothing else.
        self.reference = "".join(secrets.choice(REFERENCE_LETTERS) for _ in range(12))
        super().__init__(self.message.format(**values))

    @property
    def http_status(self) -> int:
        """The HTTP status that this failure is answered with."""
        return HTTP_STATUS[self.failure]

    @property
    def exit_code(self) -> int:
        """The exit code of a command that ends with this failure."""
        return EXIT_CODE[self.failure]

    def told(self) -> str:
        """Return the message in the reader's language."""
        return text(self.message, **self.values)

    def hinted(self) -> str:
        """Return what to do about it, in the reader's language."""
        return text(self.hint, **self.values)

    def as_json(self) -> dict[str, object]:
        """Return the shape in which machines are told of a failure."""
        return {
            "error": self.code,
            "message": self.told(),
            "hint": self.hinted(),
            "retryable": self.retryable,
            "reference": self.reference,
        }


def error_types(root: type[ChukanError] = ChukanError) -> Iterator[type[ChukanError]]:
    """Yield *root* and every error below it that has been imported."""
    yield root
    for child in root.__subclasses__():
        yield from error_types(child)
