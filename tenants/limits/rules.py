"""How much an organisation may upload in a day, and whether a file still fits: pure decisions over counts.

Source: A0-033, A0-034, A0-036, A0-037.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from chukan.tenants.limits.errors import LimitUnknown, PopulationMissing


class LimitKind(StrEnum):
    """The kinds of organisation that limits tell apart; special wards are municipalities."""

    MUNICIPALITY = "municipality"
    PREFECTURE = "prefecture"
    UNION = "union"


@dataclass(frozen=True, slots=True)
class UploadTerms:
    """The terms of one kind of organisation, in force from *valid_from* on."""

    kind: LimitKind
    flat_records: int
    #: From this population on, the count is the population; None: the count is flat for everybody.
    large_population: int | None
    share_percent: int
    kb_per_record: int
    valid_from: date


@dataclass(frozen=True, slots=True)
class Amount:
    """Records (registrations and deletions together) and kilobytes."""

    records: int
    kb: int

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.records + other.records, self.kb + other.kb)


class Verdict(StrEnum):
    """Why a file may, or may not, be taken."""

    ACCEPTED = "accepted"
    #: Over the limit, but an exemption for the day was approved.
    EXEMPTED = "exempted"
    NOTHING_IN_IT = "nothing_in_it"
    TOO_MANY_RECORDS = "too_many_records"
    TOO_LARGE = "too_large"
    TOO_MANY_AND_TOO_LARGE = "too_many_and_too_large"


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a file, and what was left of the day before it (never negative)."""

    verdict: Verdict
    left: Amount

    @property
    def accepted(self) -> bool:
        """Whether the whole file is taken; a part of a file never is."""
        return self.verdict in {Verdict.ACCEPTED, Verdict.EXEMPTED}


def terms_on(terms: Iterable[UploadTerms], kind: LimitKind, day: date) -> UploadTerms:
    """Return the terms of *kind* that hold on *day*.

    Raises:
        LimitUnknown: none do.
    """
    held = [each for each in terms if each.kind is kind and each.valid_from <= day]
    if not held:
        raise LimitUnknown(day=day)
    return max(held, key=lambda each: each.valid_from)


def daily_limit(terms: UploadTerms, population: int | None) -> Amount:
    """Return what an organisation of *population* (a union: of its members together) may send in a day.

    Raises:
        PopulationMissing: it is not known, or nobody: a limit of nothing would refuse everything without saying why.
    """
    if not population or population < 0:
        raise PopulationMissing
    is_large = terms.large_population is not None and population >= terms.large_population
    records = population if is_large else terms.flat_records
    return Amount(records, population * terms.share_percent * terms.kb_per_record // 100)


def decide(limit: Amount, used: Amount, asked: Amount, *, exempted: bool = False) -> Decision:
    """Return whether *asked* still fits into a day with *limit* of which *used* is spent: both counts have to."""
    left = Amount(max(0, limit.records - used.records), max(0, limit.kb - used.kb))
    return Decision(_verdict(left, asked, exempted=exempted), left)


def _verdict(left: Amount, asked: Amount, *, exempted: bool) -> Verdict:
    if asked.records <= 0 or asked.kb <= 0:
        return Verdict.NOTHING_IN_IT
    too_many, too_large = asked.records > left.records, asked.kb > left.kb
    if not (too_many or too_large):
        return Verdict.ACCEPTED
    if exempted:
        return Verdict.EXEMPTED
    if too_many and too_large:
        return Verdict.TOO_MANY_AND_TOO_LARGE
    return Verdict.TOO_MANY_RECORDS if too_many else Verdict.TOO_LARGE
