"""What can be wrong with what is asked of the registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark, text


class CodeInvalid(ChukanError):
    """A local government code has another form, or its check digit is wrong."""

    code = "registry.code_invalid"
    failure = Failure.BAD_INPUT
    message = mark("{code} is no local government code: {reason}.")
    hint = mark("A code has five digits, or six with the check digit; 011002 is Sapporo's.")


class OrganisationUnknown(ChukanError):
    """There is no such organisation."""

    code = "registry.organisation_unknown"
    failure = Failure.NOT_FOUND
    message = mark("There is no organisation {organisation}.")
    hint = mark("Look for it by name, reading or code: chukan organisations list NAME")


class OrganisationRefused(ChukanError):
    """What was told of an organisation cannot be true of one of its kind."""

    code = "registry.organisation_refused"
    failure = Failure.BAD_INPUT
    message = mark("This cannot be registered for {organisation}: {reason}.")
    hint = mark("Compare it with the organisation's application, then try again.")


class TransitionRefused(ChukanError):
    """An organisation was to be moved to a state that does not follow its own."""

    code = "registry.transition_refused"
    failure = Failure.CONFLICT
    message = mark("{organisation} is {state} and cannot become {to}.")
    hint = mark("Look at its history: chukan organisations show {organisation}")


class SuccessionRefused(ChukanError):
    """A merger or division contradicts what is registered."""

    code = "registry.succession_refused"
    failure = Failure.CONFLICT
    message = mark("The succession cannot be registered: {reason}.")
    hint = mark("Look at both sides with `chukan organisations show`; successors are registered first.")


class CatalogueInvalid(ChukanError):
    """A file below ``config/`` that the registry works by is not as it must be."""

    code = "registry.catalogue_invalid"
    failure = Failure.CONFIGURATION
    message = mark("{file} cannot be used: {reason}.")
    hint = mark("Restore the file as it was shipped, or correct what was changed in it.")


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line of a file that cannot be taken: its number (the first line is 1), what stands there, and why."""

    line: int
    found: str
    reason: str


class FileRefused(ChukanError):
    """A file has lines that cannot be taken, so nothing of it was."""

    code = "registry.file_refused"
    failure = Failure.BAD_INPUT
    message = mark("{count} lines of {file} cannot be taken; nothing was imported.")
    hint = mark("Correct these lines and import the file again.")

    def __init__(self, *, file: str, rows: Sequence[BadRow], detail: str = "") -> None:
        self.rows = tuple(rows)
        super().__init__(detail=detail, file=file, count=len(rows))

    @override
    def told(self) -> str:
        """Return the message with the first twenty lines that it is about, each with its reason."""
        lines = [text("line {line}: {found}: {reason}", line=r.line, found=r.found, reason=r.reason) for r in self.rows]
        if len(lines) > _LISTED:
            lines[_LISTED:] = [text("… and {count} more", count=len(lines) - _LISTED)]
        return "\n".join((super().told(), *lines))

    @override
    def as_json(self) -> dict[str, object]:
        """Return the shape in which machines are told of it, with every line."""
        rows = [{"line": row.line, "found": row.found, "reason": row.reason} for row in self.rows]
        return {**super().as_json(), "rows": rows}


_LISTED = 20


class FileUnreadable(ChukanError):
    """A file is no CSV in a known encoding, or lacks a column."""

    code = "registry.file_unreadable"
    failure = Failure.BAD_INPUT
    message = mark("{file} cannot be read: {reason}.")
    hint = mark("Save it as CSV, in UTF-8 or Shift_JIS, with its heading in the first line.")
