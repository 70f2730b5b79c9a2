"""The only place of the simulator that asks for the time: it may not import the platform's clock."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta, timezone

_JAPAN = timezone(timedelta(hours=9))


def now() -> datetime:
    """Return the present instant, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - this module is the simulator's clock


def seconds() -> float:
    """Return the seconds since 1970."""
    return time.time()  # noqa: TID251 - this module is the simulator's clock


def instant(moment: float) -> str:
    """Return *moment*, in seconds since 1970, as the documents write it: with the offset of Japan."""
    text = (datetime.fromtimestamp(moment, UTC) + timedelta(hours=9)).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "+09:00")


def second(moment: float) -> str:
    """Return *moment*, in seconds since 1970, as what is recorded: cut to the second, with the offset of Japan."""
    return datetime.fromtimestamp(int(moment), _JAPAN).isoformat()


def moment(written: str) -> float:
    """Return the seconds since 1970 of what ``second`` wrote."""
    return datetime.fromisoformat(written).timestamp()


def day(moment: float) -> date:
    """Return the day that *moment* is in Japan."""
    return datetime.fromtimestamp(moment, _JAPAN).date()


def start_of(day: date) -> float:
    """Return the moment at which *day* begins in Japan."""
    return datetime(day.year, day.month, day.day, tzinfo=_JAPAN).timestamp()
