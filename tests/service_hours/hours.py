"""Short words for the tests of service hours."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from chukan.platform.clock import TOKYO
from chukan.platform.service_hours.outages.rules import Outage, Span
from chukan.platform.service_hours.services import STOPPED_BY_DEFAULT, Service


def tokyo(wall_clock: str) -> datetime:
    """Return the instant at which the clocks in Tokyo show *wall_clock*."""
    return datetime.fromisoformat(wall_clock).replace(tzinfo=TOKYO)


def span(start: str, end: str) -> Span:
    """Return the span between two times in Tokyo."""
    return Span(tokyo(start), tokyo(end))


def outage(
    start: str, end: str, *exceptions: tuple[str, str], services: Iterable[Service] = STOPPED_BY_DEFAULT
) -> Outage:
    """Return an outage with times in Tokyo."""
    return Outage(span(start, end), frozenset(services), tuple(span(*window) for window in exceptions), "maintenance")
