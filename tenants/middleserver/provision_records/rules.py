"""The pure part of provision records: what is recorded, and how two parties' records are compared.

Three parties record one inquiry: inquirer, provider and network. What the two sides have in common with the network is
compared with its list; so all three agree if both sides do. Instants are to the second: that is how they travel.

Source: A0-156; rules C89.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from enum import StrEnum

from chukan.platform.clock import as_tokyo
from chukan.platform.messages import mark, text
from chukan.platform.service_hours.deadlines import after_years

#: A record is kept for seven full years (C89).
YEARS_KEPT = 7
#: What happened within this time may still be on its way to one of the parties.
SETTLES_IN = timedelta(hours=1)
_DAY = timedelta(days=1)


class Side(StrEnum):
    """Which part an organisation had."""

    INQUIRER = "inquirer"
    PROVIDER = "provider"


class Result(StrEnum):
    """How it stands, or how it ended."""

    REQUESTED = "requested"
    DEFERRED = "deferred"
    PROVIDED = "provided"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """Whether nothing follows; only then there is an instant of the answer."""
        return self not in {Result.REQUESTED, Result.DEFERRED}


@dataclass(frozen=True)
class Fact:
    """What is recorded of one inquiry; codes as they are on the wire, instants aware.

    ``reception`` (the inquirer's reception number) and ``person`` (blind index of the address number) are this
    organisation's own and are not compared.
    """

    side: Side
    inquirer: str
    serial: str
    provider: str
    affair: str
    procedure: str
    information: str
    requested_at: datetime
    answered_at: datetime | None
    result: Result
    non_disclosure: bool
    reception: str | None = field(default=None, compare=False)
    person: bytes | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.result.is_final is (self.answered_at is None):
            raise ValueError("an instant of the answer belongs to a final result, and to no other")

    @property
    def key(self) -> Key:
        """By what it is known to all three."""
        return Key(self.inquirer, self.serial, self.side)

    def is_settled(self, before: datetime) -> bool:
        """Return whether nothing of it happened since *before*."""
        return (self.answered_at or self.requested_at) < before


@dataclass(frozen=True, order=True)
class Key:
    """An inquiry, and from which side an organisation sees it: it may inquire of itself."""

    inquirer: str
    serial: str
    side: Side


class DifferenceKind(StrEnum):
    """How two parties' records differ."""

    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    DIFFERS = "differs"


KIND_WORDS: Mapping[DifferenceKind, str] = {
    DifferenceKind.MISSING_HERE: mark("the organisation lacks the record"),
    DifferenceKind.MISSING_THERE: mark("the network lacks the record"),
    DifferenceKind.DIFFERS: mark("the records differ"),
}


@dataclass(frozen=True)
class Difference:
    """That the records of an inquiry differ, and in which fields; never what they say."""

    key: Key
    kind: DifferenceKind
    fields: tuple[str, ...]
    requested_on: date


def to_second(instant: datetime) -> datetime:
    """Return *instant* as it is recorded and told: cut to the second."""
    return instant.replace(microsecond=0)


_ENDING = frozenset({"answered_at", "result"})
_COMPARED = tuple(each.name for each in fields(Fact) if each.compare)


def differing(ours: Fact, theirs: Fact, *, before: datetime) -> tuple[str, ...]:
    """Return the names of the fields in which two records of one inquiry differ.

    How it ended is left to the next time if one of them has just seen it end, or if nothing has ended for either.
    """
    open_for_both = not ours.result.is_final and not theirs.result.is_final
    young = any(each.result.is_final and not each.is_settled(before) for each in (ours, theirs))
    left = _ENDING if open_for_both or (young and ours.result.is_final is not theirs.result.is_final) else frozenset()
    return tuple(name for name in _COMPARED if name not in left and _said(ours, name) != _said(theirs, name))


def compared(ours: Iterable[Fact], theirs: Iterable[Fact], *, before: datetime) -> list[Difference]:
    """Return all differences between two parties' records, by key; what was asked since *before* waits.

    Source: A0-156.
    """
    here, there = ({fact.key: fact for fact in facts} for facts in (ours, theirs))
    found = []
    for key in sorted(here.keys() | there.keys()):
        mine, other = here.get(key), there.get(key)
        known = mine or other
        if known is None or known.requested_at >= before:
            continue
        day = as_tokyo(known.requested_at).date()
        if mine is None or other is None:
            kind = DifferenceKind.MISSING_HERE if mine is None else DifferenceKind.MISSING_THERE
            found.append(Difference(key, kind, (), day))
        elif names := differing(mine, other, before=before):
            found.append(Difference(key, DifferenceKind.DIFFERS, names, day))
    return found


def told_kind(kind: DifferenceKind) -> str:
    """Return the words for *kind* in the reader's language."""
    return text(KIND_WORDS[kind])


def deletable_on(requested: date) -> date:
    """Return the first day on which a record of that day may be deleted: the day after seven full years.

    Source: rules C89.
    """
    return after_years(requested, YEARS_KEPT) + _DAY


def kept_from(today: date) -> date:
    """Return the first day whose records are kept on *today*."""
    day = after_years(today, -YEARS_KEPT)
    # A record of 29 February ends with 28 February; days are tried from the one before on.
    return next(each for each in (day - _DAY, day, day + _DAY) if deletable_on(each) > today)


def spans(first: date, last: date, days: int) -> Sequence[tuple[date, date]]:
    """Return the days from *first* to *last* in spans of so many *days*; both ends belong to a span."""
    found, begin = [], first
    while begin <= last:
        end = min(begin + (days - 1) * _DAY, last)
        found.append((begin, end))
        begin = end + _DAY
    return found


def _said(fact: Fact, name: str) -> object:
    said = getattr(fact, name)
    return to_second(said) if isinstance(said, datetime) else said
