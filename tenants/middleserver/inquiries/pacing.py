"""How inquiries leave: which queue, how many, and when the last one has its answer. Pure.

An organisation's inquiries leave through two queues (A0-097). What somebody waits for at a counter goes at once, past
everything that waits; it waits for no more than the few of a list that are in hand. A list goes in small portions, at
the pace of the sources (a thousand in fifteen minutes), below the line of overload, and after the list before it. So
that lists are never starved, the counter may use most of an hour's ceiling and not all of it.

An hour is any sixty minutes. Counted is by begun minutes, which errs to the safe side alone.

What lists of all organisations have under way together is bounded as well, by what is answered lately: the answers of
a counter stand in one line with theirs at the network and at the providers, and nobody there knows who waits.

Source: A0-040, A0-057 to A0-060, A0-085, A0-097; rules C33 to C43; decision 29.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chukan.tenants.limits.inquiries import InquiryTerms

MINUTE = timedelta(minutes=1)
#: Begun minutes that an hour may touch.
_TOUCHED = 61
_THOUSAND = 1_000
#: A forecast looks no further than this: beyond, nothing of a day is left.
_HORIZON = 24 * 60
_UNBOUNDED = 1 << 40
#: Such a part of the ceiling is worth a look.
_WORTH = 4


@dataclass(frozen=True, slots=True)
class Pacing:
    """The numbers by which inquiries leave; they follow from the limits, and from config/inquiries.toml."""

    #: Of all inquiries, in any sixty minutes.
    most_per_hour: int
    #: Of those at the counter, in any sixty minutes: what is left belongs to lists.
    most_window: int
    #: A list goes on as long as no more than this went in sixty minutes.
    line: int
    #: Of lists, in a quarter of an hour.
    bulk_per_quarter: int
    #: Of lists, handed over and not yet with the network.
    portion: int
    best_minutes: int
    worst_minutes: int
    #: A list that is not answered holds the next one back for so long.
    settle: timedelta

    @classmethod
    def of(cls, terms: InquiryTerms, *, window_share: int, portion: int, settle_minutes: int) -> Pacing:
        """Return the pacing that keeps *terms*: of *window_share* + 1 inquiries one is kept for lists."""
        return cls(
            most_per_hour=terms.most_per_hour,
            most_window=terms.most_per_hour * window_share // (window_share + 1),
            line=terms.overload_per_hour - 1,
            bulk_per_quarter=_THOUSAND * 15 // terms.best_minutes_per_thousand,
            portion=portion,
            best_minutes=terms.best_minutes_per_thousand,
            worst_minutes=terms.worst_minutes_per_thousand,
            settle=timedelta(minutes=settle_minutes),
        )

    def without_limits(self) -> Pacing:
        """Return the pacing of a measurement: as fast as it goes, and a counter still waits for one portion alone."""
        return replace(
            self,
            most_per_hour=_UNBOUNDED,
            most_window=_UNBOUNDED,
            line=_UNBOUNDED,
            bulk_per_quarter=_UNBOUNDED,
        )

    @property
    def reserve(self) -> int:
        """What an hour keeps for lists, whatever is asked at the counters."""
        return self.most_per_hour - self.most_window


@dataclass(frozen=True, slots=True)
class Together:
    """The ceiling of what lists of all organisations have under way: left, and neither answered, deferred nor refused.

    It follows the rate of answers: no more is under way than is answered in ``line``, but always ``least``, and
    never more than ``most``. What has been without an answer for ``silent`` stands in no line any more. Rates are
    those of the last ``silent``.
    """

    line: timedelta
    least: int
    most: int
    silent: timedelta

    def ceiling(self, answered: int) -> int:
        """Return how many may be under way, *answered* within the last ``silent``."""
        return min(self.most, max(self.least, int(answered * (self.line / self.silent))))

    def room(self, under_way: int, answered: int) -> int:
        """Return how many may leave now: none until a quarter of the ceiling is free, so that a look is worth it."""
        ceiling = self.ceiling(answered)
        free = ceiling - under_way
        return free if free > 0 and _WORTH * free >= ceiling else 0


@dataclass(frozen=True, slots=True)
class Spent:
    """What left within the last sixty minutes (fifteen, for ``bulk_quarter``), begun minutes counted whole."""

    window: int = 0
    bulk: int = 0
    bulk_quarter: int = 0

    @property
    def total(self) -> int:
        """Both queues together."""
        return self.window + self.bulk


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits: at the counters, of lists, and what of lists is handed over and not yet with the network."""

    window: int = 0
    bulk: int = 0
    in_hand: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """How many may leave now, those of the counters first."""

    window: int
    bulk: int


def window_room(pacing: Pacing, spent: Spent) -> int:
    """Return how many inquiries of counters may leave now."""
    return max(0, min(pacing.most_window - spent.window, pacing.most_per_hour - spent.total))


def turn(pacing: Pacing, spent: Spent, waiting: Waiting) -> Turn:
    """Return how many of each queue may leave now. Source: A0-057, A0-059, A0-097."""
    window = min(waiting.window, window_room(pacing, spent))
    after = replace(spent, window=spent.window + window)
    room = min(
        # Below the line of overload; and, above it, what an hour keeps for lists.
        max(pacing.line - after.total, pacing.reserve - after.bulk),
        pacing.most_per_hour - after.total,
        pacing.bulk_per_quarter - after.bulk_quarter,
        pacing.portion - waiting.in_hand,
    )
    return Turn(window, max(0, min(waiting.bulk, room)))


def look_again(pacing: Pacing, spent: Spent, waiting: Waiting, now: datetime) -> datetime | None:
    """Return when to look again at who has *waiting* inquiries; None: nothing waits."""
    if not waiting.window and not waiting.bulk:
        return None
    # Room comes with a minute that is over; a portion leaves within moments.
    is_full = not window_room(pacing, spent) or spent.bulk_quarter >= pacing.bulk_per_quarter
    if is_full and not waiting.in_hand:
        return now.replace(second=0, microsecond=0) + MINUTE
    return now


def may_begin(pacing: Pacing, last_left_at: datetime | None, unanswered: int, now: datetime) -> bool:
    """Return whether the next list may begin: the one before is complete, or silent for too long. Source: A0-058."""
    return unanswered == 0 or last_left_at is None or now - last_left_at >= pacing.settle


# -- when it ends ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the last one of a list will have left and been answered, and how many would be before the close.

    ``best`` and ``worst`` are None beyond a day. ``most`` is counted at worst; above a thousand in whole thousands.
    """

    best: datetime | None
    worst: datetime | None
    most: int

    def ends_before(self, closes: datetime | None) -> bool:
        """Return whether it ends before *closes* even at worst; None: nothing is known of a close."""
        return self.worst is not None and (closes is None or self.worst < closes)


def forecast(
    pacing: Pacing, *, ahead: int, rows: int, recent: Sequence[int], begins: datetime, closes: datetime | None
) -> Forecast:
    """Return when *rows* end behind *ahead* others that begin with them at *begins*.

    *recent* are the numbers that left in each of the last sixty begun minutes, oldest first. Source: A0-060, C38-C40.
    """
    best = _after(begins, _minutes(pacing, pacing.best_minutes, ahead + rows, recent))
    worst = _after(begins, _minutes(pacing, pacing.worst_minutes, ahead + rows, recent))
    if closes is None or (worst is not None and worst < closes):
        return Forecast(best, worst, rows)
    most = max(0, _carried(pacing, recent, (closes - begins) / MINUTE) - ahead)
    return Forecast(best, worst, most - most % _THOUSAND if most > _THOUSAND else most)


def _minutes(pacing: Pacing, per_thousand: int, rows: int, recent: Sequence[int]) -> float | None:
    """Return after how many minutes *rows* are through; None: not within a day."""
    hour = deque([0] * _TOUCHED + list(recent), maxlen=_TOUCHED)
    through, in_hour, held_up = 0, sum(hour), False
    for minute in range(1, _HORIZON + 1):
        by_pace = minute * _THOUSAND // per_thousand - through
        in_hour -= hour[0]
        now = max(0, min(by_pace, pacing.line - in_hour))
        held_up = held_up or now < by_pace
        if through + now >= rows:
            # If nothing held them up, the pace tells it to the second.
            return float(minute) if held_up else rows * per_thousand / _THOUSAND
        hour.append(now)
        through, in_hour = through + now, in_hour + now
    return None


def _carried(pacing: Pacing, recent: Sequence[int], minutes: float) -> int:
    """Return the largest number that is through within fewer than *minutes*, at worst."""
    low, high = 0, max(0, int(minutes * _THOUSAND / pacing.worst_minutes))
    while low < high:
        middle = (low + high + 1) // 2
        taken = _minutes(pacing, pacing.worst_minutes, middle, recent)
        if taken is not None and taken < minutes:
            low = middle
        else:
            high = middle - 1
    return low


def _after(begins: datetime, minutes: float | None) -> datetime | None:
    if minutes is None:
        return None
    end = begins + timedelta(minutes=minutes)
    whole = end.replace(microsecond=0)
    return whole if whole == end else whole + timedelta(seconds=1)
