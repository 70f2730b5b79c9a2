"""The only reader of the clock, and the two time zones that matter.

Instants are stored in UTC and decided upon in Asia/Tokyo; the machine's own zone is neither and is
never asked. Everything else takes ``now`` as an argument (ruff's banned-api rules keep it so).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark

TOKYO = ZoneInfo("Asia/Tokyo")


class NaiveInstant(ChukanError):
    """An instant came without its offset from UTC, so nobody can say when it is."""

    code = "clock.naive_instant"
    failure = Failure.BAD_INPUT
    message = mark("The instant {instant} has no UTC offset.")
    hint = mark("Add the offset, for example +09:00.")


class Clock(Protocol):
    """Where a unit of work gets its ``now`` from, once."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place


class FixedClock:
    """A clock that stands still until it is moved: for tests and rehearsals."""

    def __init__(self, instant: datetime) -> None:
        self._instant = as_utc(instant)

    def now(self) -> datetime:
        """Return the instant that the clock stands at, in UTC."""
        return self._instant

    def advance(self, by: timedelta) -> None:
        """Move the clock forward (or, with a negative *by*, back)."""
        self._instant += by


def as_utc(instant: datetime) -> datetime:
    """Return *instant* in UTC.

    Raises:
        NaiveInstant: it has no offset, and the machine's zone is no answer.
    """
    if instant.tzinfo is None:
        raise NaiveInstant(instant=instant.isoformat())
    return instant.astimezone(UTC)


def as_tokyo(instant: datetime) -> datetime:
    """Return *instant* as the wall clock in Tokyo shows it.

    Raises:
        NaiveInstant: it has no offset.
    """
    return as_utc(instant).astimezone(TOKYO)


def monotonic() -> float:
    """Return seconds of a clock that never goes back: for durations and timeouts, not for instants."""
    return time.monotonic()  # noqa: TID251 - the one place
