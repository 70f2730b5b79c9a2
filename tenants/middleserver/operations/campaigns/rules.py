"""Who is ready for a revision, who is late, and whether a night has room: pure decisions.

Source: A0-008, A0-010, A0-025, A1-010 to A1-012.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple


class Scope(StrEnum):
    """How much is registered: the newest alone, or all of the past in the new layout."""

    LATEST_ONLY = "latest_only"
    FULL_HISTORY = "full_history"


@dataclass(frozen=True, slots=True)
class Number:
    """An information number of a campaign; a large one is registered in booked nights."""

    information: int
    mandatory: bool
    scope: Scope
    large: bool


@dataclass(frozen=True, slots=True)
class Campaign:
    """A revision's campaign: registered from ``opens_on`` until the day before ``due_on``, the linkage start."""

    revision: str
    title: str
    opens_on: date
    due_on: date
    #: Records that booked slots may bring in one night, of all organisations together.
    night_capacity: int
    numbers: tuple[Number, ...]

    def number(self, information: int) -> Number | None:
        """Return the campaign's number *information*, or None if it is not in it."""
        return next((each for each in self.numbers if each.information == information), None)


class Standing(NamedTuple):
    """How far an organisation is with one number: files and records since the campaign opened.

    A tuple, because a page makes fourteen thousand of them.
    """

    information: int
    mandatory: bool
    registered: int
    waiting: int
    refused: int
    records: int


class Readiness(StrEnum):
    """How far an organisation is with a campaign."""

    READY = "ready"
    UNDER_WAY = "under_way"
    NOT_BEGUN = "not_begun"
    #: The linkage has started, and a mandatory number is missing.
    OVERDUE = "overdue"


def is_done(standing: Standing) -> bool:
    """Return whether a number is registered, and nothing of it waits."""
    return standing.registered > 0 and standing.waiting == 0


def missing(standings: Iterable[Standing]) -> list[int]:
    """Return the mandatory numbers that are not registered, in order."""
    return sorted([each.information for each in standings if each.mandatory and not is_done(each)])


def readiness(standings: Sequence[Standing], due_on: date, today: date) -> Readiness:
    """Return how far an organisation with *standings* is on *today*; partial registration is not ready."""
    if not missing(standings):
        return Readiness.READY
    if today >= due_on:
        return Readiness.OVERDUE
    begun = any(each.registered or each.waiting or each.refused for each in standings)
    return Readiness.UNDER_WAY if begun else Readiness.NOT_BEGUN


def asked_of(numbers: Mapping[int, bool], taken_over: Iterable[int]) -> dict[int, bool]:
    """Return which numbers are asked of an organisation, and whether they are mandatory.

    *numbers* are the campaign's; those that the organisation has taken over are mandatory for it, and may be no numbers
    of the campaign. Source: A1-010.
    """
    return {**numbers, **dict.fromkeys(sorted(taken_over), True)}


class DelegationObjection(StrEnum):
    """Why a number that was taken over does not count in a campaign."""

    MANDATORY = "mandatory"
    OVER = "over"


def delegation_objection(campaign: Campaign, information: int, from_day: date) -> DelegationObjection | None:
    """Return why a number that is taken over from *from_day* on does not count, or None.

    A delegation may begin before the campaign or inside it: it counts from its first day. Source: A1-010.
    """
    number = campaign.number(information)
    if number is not None and number.mandatory:
        return DelegationObjection.MANDATORY
    return DelegationObjection.OVER if from_day >= campaign.due_on else None


class Lack(StrEnum):
    """How much is not registered."""

    EVERY_NUMBER = "every_number"
    ANY_NUMBER = "any_number"


@dataclass(frozen=True, slots=True)
class EscalationStep:
    """From so many days before the linkage start on, who lacks so much is behind."""

    days_before_due: int
    lacks: Lack


def is_behind(standings: Sequence[Standing], due_on: date, on: date, steps: Iterable[EscalationStep]) -> bool:
    """Return whether an organisation with *standings* is told of on the day *on*. Source: A1-012."""
    if not missing(standings):
        return False
    nothing = not any(each.registered for each in standings if each.mandatory)
    return any(
        on >= due_on - timedelta(days=step.days_before_due) and (nothing or step.lacks is Lack.ANY_NUMBER)
        for step in steps
    )


class SlotObjection(StrEnum):
    """Why a slot cannot be booked."""

    NOT_IN_CAMPAIGN = "not_in_campaign"
    NOT_LARGE = "not_large"
    OUTSIDE = "outside"
    PAST = "past"
    FULL = "full"


def objection(
    campaign: Campaign, information: int, night: date, *, records: int, booked: int, today: date
) -> SlotObjection | None:
    """Return why *records* of *information* cannot have a slot in *night*, of which *booked* are taken, or None.

    Source: A0-025.
    """
    number = campaign.number(information)
    if number is None:
        return SlotObjection.NOT_IN_CAMPAIGN
    if not number.large:
        return SlotObjection.NOT_LARGE
    if not campaign.opens_on <= night < campaign.due_on:
        return SlotObjection.OUTSIDE
    if night < today:
        return SlotObjection.PAST
    return SlotObjection.FULL if booked + records > campaign.night_capacity else None
