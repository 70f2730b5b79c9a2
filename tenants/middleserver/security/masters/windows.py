"""When changes may be applied for, version by version of the masters: pure rules over dated windows.

Source: A1-005.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class WindowState(StrEnum):
    """How a window stands on a day."""

    NOT_YET = "not_yet"
    OPEN = "open"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class ChangeWindow:
    """The days on which changes for *version* are taken: from ``opens_on``, before ``closes_on`` (Asia/Tokyo)."""

    version: str
    opens_on: date
    closes_on: date

    def state(self, day: date) -> WindowState:
        """Return how the window stands on *day*."""
        if day < self.opens_on:
            return WindowState.NOT_YET
        return WindowState.OPEN if day < self.closes_on else WindowState.OVER


@dataclass(frozen=True, slots=True)
class Application:
    """What becomes of a change for *version*: taken or not, and into which version it comes if it is taken later.

    ``instead`` is None where it is taken, and where no later window is known.
    """

    version: str
    state: WindowState
    instead: ChangeWindow | None

    @property
    def accepted(self) -> bool:
        """Whether it is taken on that day."""
        return self.state is WindowState.OPEN


def apply(windows: Sequence[ChangeWindow], version: str, day: date) -> Application:
    """Return what becomes of a change for *version* that is applied for on *day*.

    After its window it belongs to the next version whose window is not over. One that is too early waits for its own.

    Raises:
        KeyError: no window of *version* is known.
    """
    window = next((each for each in windows if each.version == version), None)
    if window is None:
        raise KeyError(version)
    state = window.state(day)
    if state is WindowState.OPEN:
        return Application(version, state, None)
    left = [each for each in windows if each.opens_on >= window.opens_on and each.state(day) is not WindowState.OVER]
    return Application(version, state, min(left, key=lambda each: each.opens_on, default=None))
