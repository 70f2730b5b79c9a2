"""How many inquiries an organisation may make, and when they end: pure decisions over counts and instants.

There are two ways (A0-058, A0-059). By *requests* of at most 3,000, of which the next begins when the one before is
complete; or *at once*, up to 10,000 in an hour. An hour is any sixty minutes, not one of the clock's: 6,000 at ten to
ten and 6,000 at ten past are 12,000. From 4,000 in an hour on, the middle server may be short of resources (A0-057);
that is a risk, no refusal.

Source: A0-057 to A0-061; rules C33 to C43.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from chukan.tenants.limits.errors import InquiryLimitUnknown

HOUR = timedelta(hours=1)
_THOUSAND = 1_000
_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
#: More rows, or minutes, than anybody means.
MOST_ROWS, MOST_MINUTES = 10_000_000, 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class InquiryTerms:
    """The terms of inquiries, in force from *valid_from* on; minutes are those that a thousand rows take."""

    rows_per_request: int
    overload_per_hour: int
    most_per_hour: int
    best_minutes_per_thousand: int
    worst_minutes_per_thousand: int
    valid_from: date

    @property
    def is_ordered(self) -> bool:
        """Whether the line of overload and the best case lie below the ceiling and the worst case."""
        return (
            self.overload_per_hour <= self.most_per_hour
            and self.best_minutes_per_thousand <= self.worst_minutes_per_thousand
        )

    def best(self, rows: int) -> timedelta:
        """Return how long *rows* take at best, in whole seconds, begun ones counted."""
        return _duration(rows, self.best_minutes_per_thousand)

    def worst(self, rows: int) -> timedelta:
        """Return how long *rows* take at worst, in whole seconds, begun ones counted."""
        return _duration(rows, self.worst_minutes_per_thousand)


class Mode(StrEnum):
    """The two ways: requests one after the other, or all at once."""

    REQUESTS = "a"
    AT_ONCE = "b"


class InquiryVerdict(StrEnum):
    """Why inquiries may, or may not, be registered."""

    ACCEPTED = "accepted"
    CLOSED = "closed"
    STILL_RUNNING = "still_running"
    TOO_MANY_IN_AN_HOUR = "too_many_in_an_hour"
    NOT_BEFORE_CLOSE = "not_before_close"
    TOO_CLOSE_TOGETHER = "too_close_together"


class Spacing(StrEnum):
    """What is to be said of thousands that are registered by a clock."""

    TOO_CLOSE = "too_close"
    #: Accepted, though not recommended.
    CLOSE = "close"
    RECOMMENDED = "recommended"


@dataclass(frozen=True, slots=True)
class AskedRows:
    """What somebody wants to register, and what went before; *closes* (UTC) is None while the service is closed."""

    rows: int
    at: datetime
    closes: datetime | None
    recent_hour: int = 0
    running: bool = False
    mode: Mode = Mode.REQUESTS
    #: Minutes between thousands that are registered by a clock, if they are.
    every_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class InquiryDecision:
    """What became of it: in how many requests, from when to when it ends, and how many could end before the close.

    Of the sixty minutes before *room* inquiries of *most_per_hour* are left. If a clock registers the rows, they are
    to be *least_minutes* apart, and better *better_minutes*.
    """

    verdict: InquiryVerdict
    batches: int
    finish_best: datetime
    finish_worst: datetime
    risk: bool
    most: int
    #: Whether *line* inquiries come together in an hour; the risk may lie in a clock that registers too quickly, too.
    is_overload: bool
    line: int
    most_per_hour: int
    room: int
    least_minutes: int
    better_minutes: int
    spacing: Spacing | None = None

    @property
    def accepted(self) -> bool:
        """Whether the rows may be registered."""
        return self.verdict is InquiryVerdict.ACCEPTED


def inquiry_terms_on(terms: Iterable[InquiryTerms], day: date) -> InquiryTerms:
    """Return the terms that hold on *day*.

    Raises:
        InquiryLimitUnknown: none do.
    """
    held = [each for each in terms if each.valid_from <= day]
    if not held:
        raise InquiryLimitUnknown(day=day)
    return max(held, key=lambda each: each.valid_from)


def batches(terms: InquiryTerms, rows: int) -> int:
    """Return how many requests *rows* need. Source: A0-058."""
    return -(-rows // terms.rows_per_request)


def spacing(terms: InquiryTerms, rows: int, minutes: int) -> Spacing:
    """Return what is to be said of registering *rows* every *minutes*. Source: A0-058, C33."""
    gap = timedelta(minutes=minutes)
    if gap < terms.best(rows):
        return Spacing.TOO_CLOSE
    return Spacing.CLOSE if gap < terms.worst(rows) else Spacing.RECOMMENDED


def is_overload(terms: InquiryTerms, in_an_hour: int) -> bool:
    """Return whether so many inquiries within sixty minutes are at risk. Source: A0-057, C35."""
    return in_an_hour >= terms.overload_per_hour


def most_before(terms: InquiryTerms, at: datetime, closes: datetime) -> int:
    """Return how many rows end before *closes* even at worst; above a thousand in whole thousands. Source: C38."""
    left = (closes - at - _SECOND) / timedelta(minutes=terms.worst_minutes_per_thousand)
    most = max(0, int(left * _THOUSAND))
    return most - most % _THOUSAND if most > _THOUSAND else most


def decide_inquiries(terms: InquiryTerms, asked: AskedRows) -> InquiryDecision:
    """Return whether *asked* may be registered. Source: A0-058 to A0-060, C33 to C43."""
    within = asked.recent_hour + _begun_within_an_hour(terms, asked)
    every = asked.every_minutes
    return InquiryDecision(
        verdict=_verdict(terms, asked, within),
        batches=batches(terms, asked.rows) if asked.mode is Mode.REQUESTS else 1,
        finish_best=asked.at + terms.best(asked.rows),
        finish_worst=asked.at + terms.worst(asked.rows),
        risk=is_overload(terms, within) or _is_close(terms, asked),
        most=0 if asked.closes is None else most_before(terms, asked.at, asked.closes),
        is_overload=is_overload(terms, within),
        line=terms.overload_per_hour,
        most_per_hour=terms.most_per_hour,
        room=max(0, terms.most_per_hour - asked.recent_hour),
        least_minutes=-(-terms.best(asked.rows) // _MINUTE),
        better_minutes=-(-terms.worst(asked.rows) // _MINUTE),
        spacing=None if every is None else spacing(terms, asked.rows, every),
    )


def _verdict(terms: InquiryTerms, asked: AskedRows, within: int) -> InquiryVerdict:
    if asked.closes is None:
        return InquiryVerdict.CLOSED
    if asked.running:
        return InquiryVerdict.STILL_RUNNING
    if asked.every_minutes is not None and spacing(terms, asked.rows, asked.every_minutes) is Spacing.TOO_CLOSE:
        return InquiryVerdict.TOO_CLOSE_TOGETHER
    if within > terms.most_per_hour:
        return InquiryVerdict.TOO_MANY_IN_AN_HOUR
    # The close itself is not before it: at 21:00:00 nothing is exchanged any more.
    if asked.at + terms.worst(asked.rows) >= asked.closes:
        return InquiryVerdict.NOT_BEFORE_CLOSE
    return InquiryVerdict.ACCEPTED


def _begun_within_an_hour(terms: InquiryTerms, asked: AskedRows) -> int:
    """Return how many rows are registered within an hour from now on: of requests, those that begin in it at best."""
    if asked.mode is Mode.AT_ONCE:
        return asked.rows
    begun = -(-HOUR // terms.best(terms.rows_per_request))
    return min(asked.rows, begun * terms.rows_per_request)


def _is_close(terms: InquiryTerms, asked: AskedRows) -> bool:
    return (
        asked.every_minutes is not None and spacing(terms, asked.rows, asked.every_minutes) is not Spacing.RECOMMENDED
    )


def _duration(rows: int, minutes_per_thousand: int) -> timedelta:
    return timedelta(seconds=-(-rows * minutes_per_thousand * 60 // _THOUSAND))
