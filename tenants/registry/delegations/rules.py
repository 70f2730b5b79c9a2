"""Delegations: what both ends declare, whether they agree, and who does an affair on a day.

An application that said "all" instead of "some", or an accepting end that was forgotten, once made provision
impossible (A1-018). So each end declares for itself, and what they do not both say does not hold.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from chukan.platform.messages import text
from chukan.tenants.registry.delegations.errors import DeclarationRefused
from chukan.tenants.registry.rules import Span
from chukan.tenants.registry.values import Department

#: 事務コード: JM and fourteen digits.
_AFFAIR = re.compile(r"JM[0-9]{14}")


def affair_code(written: str) -> str:
    """Return the code of an affair in its plain form (documents print full-width letters).

    Raises:
        DeclarationRefused: it is none.
    """
    plain = unicodedata.normalize("NFKC", written).strip().upper()
    if _AFFAIR.fullmatch(plain) is None:
        raise DeclarationRefused(reason=text("{written} is no code of an affair (JM and 14 digits)", written=written))
    return plain


class End(StrEnum):
    """Whose word a declaration is."""

    DELEGATOR = "delegator"
    DELEGATE = "delegate"


class Extent(StrEnum):
    """全部委任 or 一部委任."""

    FULL = "full"
    PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class Party:
    """A department of an organisation, as an end of a delegation."""

    organisation: UUID
    department: Department


@dataclass(frozen=True, slots=True)
class Pair:
    """Who delegates to whom; both may be departments of one organisation."""

    delegator: Party
    delegate: Party


@dataclass(frozen=True, slots=True)
class Declaration:
    """One end's word: all affairs of the delegator, or these, for a span of days."""

    id: UUID
    pair: Pair
    by: End
    extent: Extent
    affairs: frozenset[str]
    span: Span

    def covers(self, affair: str, day: date) -> bool:
        """Return whether it says that *affair* is delegated on *day*."""
        return day in self.span and (self.extent is Extent.FULL or affair in self.affairs)


def require_declarable(
    pair: Pair, by: End, extent: Extent, *, affairs: Collection[str], span: Span, others: Iterable[Declaration]
) -> None:
    """Refuse a declaration that says nothing, or that another word of the same end contradicts.

    Raises:
        DeclarationRefused: see above.
    """
    if pair.delegator == pair.delegate:
        raise DeclarationRefused(reason=text("nobody delegates to themselves"))
    if (extent is Extent.PARTIAL) != bool(affairs):
        reason = text("a partial delegation names affairs, a full one names none")
        raise DeclarationRefused(reason=reason)
    if span.until is not None and span.until <= span.since:
        raise DeclarationRefused(reason=text("it would end before it begins"))
    if any(other.pair == pair and other.by is by and other.span.overlaps(span) for other in others):
        raise DeclarationRefused(reason=text("this end has declared it already for some of these days"))


class Finding(StrEnum):
    """In what the two ends of a delegation do not agree (A1-018)."""

    NOT_ACCEPTED = "not_accepted"
    NOT_DELEGATED = "not_delegated"
    EXTENT_DIFFERS = "extent_differs"
    AFFAIRS_DIFFER = "affairs_differ"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One such thing; ``affairs`` are those that only one end names, where affairs are named."""

    pair: Pair
    finding: Finding
    affairs: tuple[str, ...] = ()


def disagreements(declared: Sequence[Declaration], day: date) -> tuple[Disagreement, ...]:
    """Return in what the ends of all delegations of *day* do not agree. Source: A1-018."""
    holding = [each for each in declared if day in each.span]
    pairs = dict.fromkeys(each.pair for each in holding)
    return tuple(found for pair in pairs if (found := _compared(pair, holding)) is not None)


def _compared(pair: Pair, holding: Sequence[Declaration]) -> Disagreement | None:
    said = {each.by: each for each in holding if each.pair == pair}
    if End.DELEGATE not in said:
        return Disagreement(pair, Finding.NOT_ACCEPTED, tuple(sorted(said[End.DELEGATOR].affairs)))
    if End.DELEGATOR not in said:
        return Disagreement(pair, Finding.NOT_DELEGATED, tuple(sorted(said[End.DELEGATE].affairs)))
    given, accepted = said[End.DELEGATOR], said[End.DELEGATE]
    if given.extent is not accepted.extent:
        return Disagreement(pair, Finding.EXTENT_DIFFERS, tuple(sorted(given.affairs | accepted.affairs)))
    if given.affairs != accepted.affairs:
        return Disagreement(pair, Finding.AFFAIRS_DIFFER, tuple(sorted(given.affairs ^ accepted.affairs)))
    return None


class Unclear(StrEnum):
    """Why nobody may answer for an affair."""

    ONE_END = "one_end"
    TWO_DELEGATES = "two_delegates"


def answering(delegator: Party, affair: str, declared: Iterable[Declaration], day: date) -> Party | Unclear:
    """Return who does *affair* of *delegator* on *day*: itself, or the one delegate on whom both ends agree.

    What only one end declares is unclear, even where another delegate is agreed on: one of them is wrong.
    Source: A1-018.
    """
    ends: dict[Party, set[End]] = {}
    for each in declared:
        if each.pair.delegator == delegator and each.covers(affair, day):
            ends.setdefault(each.pair.delegate, set()).add(each.by)
    if any(len(said) == 1 for said in ends.values()):
        return Unclear.ONE_END
    if len(ends) > 1:
        return Unclear.TWO_DELEGATES
    return next(iter(ends), delegator)
