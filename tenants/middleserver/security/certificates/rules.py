"""The life of an organisation's certificate, and how urgent its end is: pure rules.

A new key overlaps with the old one: from its activation on everything new is signed with and encrypted to the new
key, while the old one still opens and repeats what is under way. Invariant: of each use at most one key is active.

    pending -> active -> retiring -> retired
    any of the first three -> revoked

Source: A0-070 to A0-072, rules C83. How long one is valid stands in ``platform/service_hours/deadlines.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chukan.platform.clock import as_tokyo

#: As long as a message may be repeated, byte by byte, under the key that it was first signed with.
OVERLAP = timedelta(days=14)
#: How many days before the end somebody is told, each time more urgently.
LADDER = (60, 30, 14, 7, 1)


class KeyUse(StrEnum):
    """What a key is for."""

    SIGN = "sign"
    ENCRYPT = "enc"


class KeyState(StrEnum):
    """Where a key stands in its life."""

    PENDING = "pending"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"
    REVOKED = "revoked"


#: Which states follow which.
TRANSITIONS: Mapping[KeyState, frozenset[KeyState]] = {
    KeyState.PENDING: frozenset({KeyState.ACTIVE, KeyState.REVOKED}),
    KeyState.ACTIVE: frozenset({KeyState.RETIRING, KeyState.REVOKED}),
    KeyState.RETIRING: frozenset({KeyState.RETIRED, KeyState.REVOKED}),
    KeyState.RETIRED: frozenset(),
    KeyState.REVOKED: frozenset(),
}
#: Whose certificates others may rely on, and whose end somebody has to watch.
LIVING = frozenset({KeyState.PENDING, KeyState.ACTIVE, KeyState.RETIRING})
#: Keys that open what comes: also a pending one's, which the network may know before it is activated here.
OPENING = LIVING
#: Keys whose signatures are accepted when they come.
ACCEPTED = frozenset({KeyState.ACTIVE, KeyState.RETIRING})


class Rung(StrEnum):
    """How urgent the end of a certificate is."""

    FINE = "fine"
    #: At most 60 days: time to request a new one.
    SOON = "soon"
    #: At most 14 days: a full overlap is hardly possible any more.
    URGENT = "urgent"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Retirement:
    """Whether an old key may retire now, and what stands against it."""

    allowed: bool
    open_count: int = 0
    not_before: datetime | None = None


def may_follow(state: KeyState, wanted: KeyState) -> bool:
    """Return whether *wanted* follows *state*."""
    return wanted in TRANSITIONS[state]


def retirement(*, retiring_since: datetime, open_count: int, now: datetime) -> Retirement:
    """Return whether a key that is being replaced since *retiring_since* may retire at *now*.

    What is open is told first, because it is what somebody can do something about. Source: A0-071, rules C83.
    """
    over = retiring_since + OVERLAP
    if open_count:
        return Retirement(allowed=False, open_count=open_count, not_before=over)
    return Retirement(allowed=now >= over, not_before=over)


def rung(not_after: datetime, now: datetime) -> Rung:
    """Return how urgent it is that a certificate ends at *not_after*."""
    if now >= not_after:
        return Rung.EXPIRED
    days = days_left(not_after, now)
    if days <= OVERLAP.days:
        return Rung.URGENT
    return Rung.SOON if days <= LADDER[0] else Rung.FINE


def days_left(not_after: datetime, now: datetime) -> int:
    """Return on how many days, by Tokyo's calendar, a certificate is still valid after today."""
    return (as_tokyo(not_after).date() - as_tokyo(now).date()).days


def step_of(days: int) -> int | None:
    """Return the step of the ladder that *days* have reached: the smallest of 60, 30, 14, 7, 1 that covers them."""
    reached = [step for step in LADDER if days <= step]
    return min(reached) if reached else None
