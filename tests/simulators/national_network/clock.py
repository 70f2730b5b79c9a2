"""The only place of the simulator that asks for the time: it may not import the platform's clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


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
