"""Does the night keep up? Source: A0-035."""

from __future__ import annotations

from datetime import datetime, timedelta

from chukan.platform.component import CheckResult, Health
from chukan.platform.messages import text

#: One night and the day before it: what was sent in the morning is registered by then.
_LATE, _STUCK = timedelta(hours=36), timedelta(hours=60)


def judge_backlog(oldest: datetime | None, organisations: int, now: datetime) -> CheckResult:
    """Return the verdict of ``night-batch-backlog`` on the oldest upload that waits since *oldest* (UTC).

    Amber when one night was not enough for it, red when two were not: then the backlog grows day by day.
    """
    if oldest is None:
        return CheckResult(Health.GREEN, text("No upload waits to be registered."))
    age = now - oldest
    told = text("Uploads of {organisations} organisations wait to be registered, the oldest for {hours} hours.",
                organisations=organisations, hours=age // timedelta(hours=1))  # fmt: skip
    if age >= _STUCK:
        return CheckResult(Health.RED, told)
    return CheckResult(Health.AMBER if age >= _LATE else Health.GREEN, told)
