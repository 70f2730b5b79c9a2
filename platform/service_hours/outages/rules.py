"""What a planned outage is, what it stops, and what may become of it.

States: ``planned`` → ``cancelled``. Invariant: an outage stops its services from its start to its *effective
end*, which is its end unless it was cancelled; cancelled before the start it stops nothing, cancelled
while it runs it ends there, and what is over stays as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from chukan.platform.clock import as_tokyo, as_utc
from chukan.platform.service_hours.errors import (
    AnnouncedLate,
    ExceptionOutside,
    OutageCancelledAlready,
    OutageOver,
    OutageOverlaps,
    ServicesNotStoppable,
    SpanEmpty,
)
from chukan.platform.service_hours.services import STOPPABLE, Service


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open stretch of time, kept in UTC.

    Raises:
        NaiveInstant: start or end has no offset.
        SpanEmpty: the end is not after the start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", as_utc(self.start))
        object.__setattr__(self, "end", as_utc(self.end))
        if self.end <= self.start:
            raise SpanEmpty(start=told(self.start), end=told(self.end))

    def holds(self, instant: datetime) -> bool:
        """Return whether *instant* lies in it; its end does not."""
        return self.start <= instant < self.end

    def overlaps(self, other: Span) -> bool:
        """Return whether some instant lies in both; spans that only touch do not overlap."""
        return self.start < other.end and other.start < self.end

    def within(self, other: Span) -> bool:
        """Return whether all of it lies in *other*."""
        return other.start <= self.start and self.end <= other.end

    def until(self, end: datetime) -> Span | None:
        """Return the part of it before *end*, or None if there is none."""
        return Span(self.start, min(self.end, end)) if end > self.start else None


@dataclass(frozen=True, slots=True)
class Outage:
    """A stop of *services* in *span*; inside the *exceptions* the ordinary hours hold.

    Exception windows that overlap or touch are joined.

    Raises:
        ServicesNotStoppable: no service, or one that an outage cannot stop.
        ExceptionOutside: an exception window reaches beyond the span.
    """

    span: Span
    services: frozenset[Service]
    exceptions: tuple[Span, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        if not self.services or (wrong := self.services - set(STOPPABLE)):
            named = ", ".join(sorted(wrong)) if self.services else "-"
            raise ServicesNotStoppable(services=named, stoppable=", ".join(STOPPABLE))
        for window in self.exceptions:
            if not window.within(self.span):
                raise ExceptionOutside(start=told(window.start), end=told(window.end))
        object.__setattr__(self, "exceptions", tuple(_joined(self.exceptions)))

    def stops(self, service: Service, instant: datetime) -> bool:
        """Return whether *service* stands still at *instant* because of it."""
        return (
            service in self.services
            and self.span.holds(instant)
            and not any(window.holds(instant) for window in self.exceptions)
        )

    def edges(self) -> Iterator[datetime]:
        """Yield every instant (UTC) at which it begins, ends, or is lifted for a while."""
        for span in (self.span, *self.exceptions):
            yield span.start
            yield span.end

    def closures(self) -> Iterator[Span]:
        """Yield, in order, the stretches in which its services stand still: all of it but the exceptions."""
        start = self.span.start
        for window in self.exceptions:
            if start < window.start:
                yield Span(start, window.start)
            start = window.end
        if start < self.span.end:
            yield Span(start, self.span.end)

    def clashes(self, other: Outage) -> bool:
        """Return whether both stop one service in one time."""
        return self.span.overlaps(other.span) and bool(self.services & other.services)

    def until(self, end: datetime) -> Outage | None:
        """Return what is left of it when it ends at *end*, or None if nothing is."""
        if (span := self.span.until(end)) is None:
            return None
        windows = (window.until(end) for window in self.exceptions)
        return Outage(span, self.services, tuple(window for window in windows if window), self.description)

    def since(self, start: datetime) -> Outage | None:
        """Return what is left of it from *start* on, or None if nothing is."""
        if start >= self.span.end:
            return None
        span = Span(max(self.span.start, start), self.span.end)
        windows = (Span(max(each.start, start), each.end) for each in self.exceptions if each.end > start)
        return Outage(span, self.services, tuple(windows), self.description)


class OutageState(StrEnum):
    """Where a planned outage stands."""

    PLANNED = "planned"
    CANCELLED = "cancelled"


#: From each state, the states that may follow.
TRANSITIONS: dict[OutageState, frozenset[OutageState]] = {
    OutageState.PLANNED: frozenset({OutageState.CANCELLED}),
    OutageState.CANCELLED: frozenset(),
}


class Phase(StrEnum):
    """Where an outage stands in time."""

    COMING = "coming"
    RUNNING = "running"
    OVER = "over"
    #: Cancelled before it began, so it stops nothing.
    CALLED_OFF = "called_off"


@dataclass(frozen=True, slots=True)
class PlannedOutage:
    """An outage that an operator planned, as it is stored; instants are UTC."""

    id: UUID
    outage: Outage
    announced_at: datetime
    late_reason: str | None
    state: OutageState
    effective_end: datetime
    cancelled_at: datetime | None

    @property
    def late(self) -> bool:
        """Whether it was announced late (A0-138)."""
        return announced_late(self.outage.span.start, self.announced_at)

    def phase(self, now: datetime) -> Phase:
        """Return where it stands at *now*; one cancelled while it ran is over."""
        if self.effective_end <= self.outage.span.start:
            return Phase.CALLED_OFF
        if now < self.outage.span.start:
            return Phase.COMING
        return Phase.RUNNING if now < self.effective_end else Phase.OVER

    def effective(self) -> Outage | None:
        """Return what of it holds, or None if it was called off before it began."""
        return self.outage.until(self.effective_end)


def announced_late(start: datetime, announced_at: datetime) -> bool:
    """Return whether an outage from *start* was not announced beforehand; at its start is late.

    Source: A0-138.
    """
    return announced_at >= start


def require_announced(start: datetime, announced_at: datetime, late_reason: str | None) -> None:
    """Let an outage pass that was announced before its *start*, or that says why it was not.

    Raises:
        AnnouncedLate: it was not, and *late_reason* is missing or blank.
    Source: A0-138.
    """
    if announced_late(start, announced_at) and not (late_reason or "").strip():
        raise AnnouncedLate(start=told(start), announced_at=told(announced_at))


def require_free(outage: Outage, others: Iterable[Outage]) -> None:
    """Let *outage* pass if none of *others* stops one of its services in its time.

    Raises:
        OutageOverlaps: one does; the error names its time.
    """
    for other in others:
        if outage.clashes(other):
            raise OutageOverlaps(start=told(other.span.start), end=told(other.span.end))


def end_if_cancelled(planned: PlannedOutage, now: datetime) -> datetime:
    """Return the effective end that *planned* gets when it is cancelled at *now*.

    Raises:
        OutageCancelledAlready: it has been cancelled before.
        OutageOver: it has ended.
    """
    if OutageState.CANCELLED not in TRANSITIONS[planned.state]:
        raise OutageCancelledAlready(outage=planned.id)
    span = planned.outage.span
    if now >= span.end:
        raise OutageOver(outage=planned.id, end=told(span.end))
    return max(span.start, now)


def told(instant: datetime) -> str:
    """Return *instant* as messages show it: the wall clock in Tokyo, with its offset."""
    return as_tokyo(instant).isoformat()


def _joined(spans: Collection[Span]) -> Iterator[Span]:
    ordered = sorted(spans)
    while ordered:
        first, *ordered = ordered
        while ordered and ordered[0].start <= first.end:
            first = Span(first.start, max(first.end, ordered.pop(0).end))
        yield first
