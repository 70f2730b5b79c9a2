"""What the demonstration decides: which Sunday, which organisations, who belongs to which group, which night."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from chukan.platform.clock import as_tokyo
from chukan.tenants.middleserver.operations.rules import NightTerms
from chukan.tenants.registry.values import ReleaseGroup

_SUNDAY = 6
_HOUR = timedelta(hours=1)
#: The prefectures up to this number are served by the data centre in the east.
_LAST_IN_THE_EAST = "23"


def next_sunday(day: date) -> date:
    """Return the first Sunday after *day* (both in Tokyo); on a Sunday the one a week later."""
    return day + timedelta(days=(_SUNDAY - day.weekday() - 1) % 7 + 1)


def chosen(codes: Sequence[str], needed: Collection[str], count: int) -> list[str]:
    """Return *count* of *codes* in their order: those that are *needed*, then the first of the others.

    Those that are needed are all there, even if they are more than *count*.
    """
    room = count - sum(code in needed for code in codes)
    others = [code for code in codes if code not in needed][: max(room, 0)]
    taken = {*needed, *others}
    return [code for code in codes if code in taken]


def brought_forward(night: NightTerms, now: datetime) -> NightTerms:
    """Return the terms of a *night* like the ordinary one that is open for an hour from *now* on."""
    opens = as_tokyo(now).replace(second=0, microsecond=0, tzinfo=None)
    return replace(night, opens=opens.time(), closes=(opens + _HOUR).time())


def group_of(prefecture: str) -> ReleaseGroup:
    """Return the release group of an organisation: the east goes first.

    Who really was in which group is not known; A0-002 knows two.
    """
    return ReleaseGroup.FIRST if prefecture <= _LAST_IN_THE_EAST else ReleaseGroup.SECOND
