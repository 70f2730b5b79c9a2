"""When a night is, and who comes first in it: pure decisions. Source: A0-035."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from uuid import UUID

from chukan.platform.clock import TOKYO, as_tokyo, as_utc


class Precedence(StrEnum):
    """By what organisations are told apart when they wait for their turn."""

    #: Who was carried over more often comes first.
    NIGHTS_CARRIED = "nights_carried"
    #: Who has waited longer comes first.
    WAITING_SINCE = "waiting_since"


@dataclass(frozen=True, slots=True)
class NightTerms:
    """When nights open and close (Asia/Tokyo), in force for nights from *valid_from* on."""

    opens: time
    closes: time
    turn: timedelta
    order: tuple[Precedence, ...]
    valid_from: date


@dataclass(frozen=True, slots=True)
class Window:
    """One night: the date on which it opens, and its instants (UTC), half open."""

    night: date
    opens_at: datetime
    closes_at: datetime
    terms: NightTerms


@dataclass(frozen=True, slots=True)
class Waiting:
    """An organisation with something to register: since when (UTC), and how many nights left it over."""

    tenant: UUID
    since: datetime
    nights_carried: int
    marks: tuple[UUID, ...] = ()


def window_of(terms: Iterable[NightTerms], night: date) -> Window | None:
    """Return the window that opens on *night*, or None if no terms hold."""
    held = [each for each in terms if each.valid_from <= night]
    if not held:
        return None
    newest = max(held, key=lambda each: each.valid_from)
    closing = night if newest.closes > newest.opens else night + timedelta(days=1)
    opens_at = datetime.combine(night, newest.opens, TOKYO)
    closes_at = datetime.combine(closing, newest.closes, TOKYO)
    return Window(night, as_utc(opens_at), as_utc(closes_at), newest)


def window_at(terms: Iterable[NightTerms], now: datetime) -> Window | None:
    """Return the window that is open at *now*, or None."""
    known = tuple(terms)
    today = as_tokyo(now).date()
    for night in (today, today - timedelta(days=1)):
        window = window_of(known, night)
        if window is not None and window.opens_at <= now < window.closes_at:
            return window
    return None


def in_turn(waiting: Iterable[Waiting], order: Sequence[Precedence]) -> list[Waiting]:
    """Return who waits in the order of their turns; what the order leaves open, the tenant's id decides."""

    def rank(each: Waiting) -> tuple[object, ...]:
        ranks: dict[Precedence, object] = {
            Precedence.NIGHTS_CARRIED: -each.nights_carried,
            Precedence.WAITING_SINCE: each.since,
        }
        return (*(ranks[by] for by in order), each.tenant)

    return sorted(waiting, key=rank)
