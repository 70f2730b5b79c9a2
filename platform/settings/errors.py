"""What is wrong with the settings: one error that carries every problem, never a secret's value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from typing_extensions import override

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


@dataclass(frozen=True)
class Problem:
    """One thing to put right: ``where`` is file:line or a variable; told in the reader's language."""

    where: str
    key: str
    expected: str
    found: str

    def line(self) -> str:
        """Return the problem on one line, for places that have no table."""
        return " | ".join(part for part in (self.where, self.key, self.expected, self.found) if part)


class SettingsInvalid(ChukanError):
    """The settings cannot be used; ``problems`` holds all that is wrong with them."""

    code = "settings.invalid"
    failure = Failure.CONFIGURATION
    message = mark("The settings have {count} problems.")
    hint = mark("Put them right and look again with: chukan config check")

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(count=len(self.problems))

    @override
    def told(self) -> str:
        return "\n  ".join((super().told(), *(problem.line() for problem in self.problems)))

    @override
    def as_json(self) -> dict[str, object]:
        return {
            **super().as_json(),
            "message": super().told(),
            "problems": [asdict(problem) for problem in self.problems],
        }
