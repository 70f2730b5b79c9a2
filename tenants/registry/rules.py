"""What is true of organisations: their codes, kinds, lifecycle, generation and address systems.

Nothing here reads a clock or a database.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self
from uuid import UUID

from chukan.platform.messages import text
from chukan.platform.service_hours.rules import Generation, generation_on
from chukan.tenants.registry.errors import CodeInvalid, OrganisationRefused, TransitionRefused
from chukan.tenants.registry.values import (
    AddressClass,
    AddressSystem,
    Concern,
    Department,
    Hosting,
    Kind,
    ReleaseGroup,
    State,
    address_label,
    state_label,
)

_WEIGHTS = (6, 5, 4, 3, 2)
_DIGITS = re.compile(r"[0-9]+")


def check_digit(five: str) -> int:
    """Return the check digit of a code's first *five* digits (modulus 11, weights 6 to 2)."""
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, five, strict=True))
    return (11 - total % 11) % 10


class LocalGovernmentCode(str):
    """全国地方公共団体コード: six digits, of which the last one is the check digit."""

    __slots__ = ()

    @classmethod
    def parse(cls, written: str) -> Self:
        """Return the code that *written* stands for: five or six digits, full-width ones too.

        Raises:
            CodeInvalid: it has another form, names no prefecture, or its check digit is wrong.
        """
        digits = unicodedata.normalize("NFKC", written).strip()
        if _DIGITS.fullmatch(digits) is None:
            raise CodeInvalid(code=written, reason=text("it holds something else than digits"))
        if len(digits) not in {5, 6}:
            raise CodeInvalid(code=written, reason=text("it has {count} digits", count=len(digits)))
        if not "01" <= digits[:2] <= "47":
            raise CodeInvalid(code=written, reason=text("no prefecture has the number {number}", number=digits[:2]))
        check = str(check_digit(digits[:5]))
        if digits[5:] not in {"", check}:
            raise CodeInvalid(code=written, reason=text("its check digit would be {digit}", digit=check))
        return cls(digits[:5] + check)

    @property
    def prefecture(self) -> str:
        """The prefecture's number, ``01`` to ``47``."""
        return self[:2]


def require_prefecture(number: str) -> str:
    """Return the prefecture's number with its zero, ``01`` to ``47``.

    Raises:
        CodeInvalid: there is none with it.
    """
    digits = unicodedata.normalize("NFKC", number).strip().zfill(2)
    if re.fullmatch("[0-9]{2}", digits) is None or not "01" <= digits <= "47":
        raise CodeInvalid(code=number, reason=text("no prefecture has the number {number}", number=number))
    return digits


def departments_of(kind: Kind) -> tuple[Department, ...]:
    """Return the departments of an organisation of *kind*: a union has no board of education.

    Source: A0-045.
    """
    return (Department.EXECUTIVE,) if kind.is_union else tuple(Department)


#: What may follow each state. An applicant that never came to use the platform is closed at once.
TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.APPLIED: frozenset({State.PROVISIONING, State.CLOSED}),
    State.PROVISIONING: frozenset({State.ACTIVE}),
    State.ACTIVE: frozenset({State.SUSPENDED, State.CLOSING}),
    State.SUSPENDED: frozenset({State.ACTIVE, State.CLOSING}),
    State.CLOSING: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}


def require_transition(organisation: str, state: State, to: State, hosting: Hosting) -> None:
    """Refuse a move that *state* does not allow; only a platform user is ever provisioned (A2-006).

    Raises:
        TransitionRefused: *to* does not follow *state*.
        OrganisationRefused: its middle server stands elsewhere.
    """
    if to not in TRANSITIONS[state]:
        raise TransitionRefused(organisation=organisation, state=state_label(state), to=state_label(to))
    if to is State.PROVISIONING and hosting is not Hosting.PLATFORM:
        reason = text("its middle server does not stand on the platform")
        raise OrganisationRefused(organisation=organisation, reason=reason)


def after_dissolution(state: State) -> State | None:
    """Return the state that a dissolved organisation moves to now; None where nothing is to be done.

    One that is being provisioned is finished first: its half-made tenant needs an end of its own.
    """
    match state:
        case State.APPLIED:
            return State.CLOSED
        case State.ACTIVE | State.SUSPENDED:
            return State.CLOSING
        case _:
            return None


#: Organisations moved one by one in these months of 2021; from the last day on all are there (A0-110).
FIRST_MIGRATION = date(2021, 2, 1)
ALL_MIGRATED = date(2021, 8, 1)


def generation(migrates_on: date | None, day: date) -> Generation:
    """Return which generation serves an organisation on *day* (Asia/Tokyo).

    *migrates_on* is the organisation's own first day on the next system; None until it is known.
    Source: A0-110.
    """
    return generation_on(day, migrates_on or ALL_MIGRATED)


def require_migration_day(organisation: str, day: date) -> None:
    """Refuse a migration outside the months in which organisations moved.

    Raises:
        OrganisationRefused: *day* is outside; Source: A0-110.
    """
    if not FIRST_MIGRATION <= day <= ALL_MIGRATED:
        reason = text("migrations lie between {first} and {last}", first=FIRST_MIGRATION, last=ALL_MIGRATED)
        raise OrganisationRefused(organisation=organisation, reason=reason)


#: Which ways are open to each class.
ADDRESS_SYSTEMS: Mapping[AddressClass, frozenset[AddressSystem]] = {
    AddressClass.ALL_UNIFIED: frozenset({AddressSystem.NUMBER_ADDED}),
    AddressClass.PARTLY_UNIFIED: frozenset({AddressSystem.LARGEST_EXTENDED, AddressSystem.LINK_SERVER}),
    AddressClass.NOT_UNIFIED: frozenset({AddressSystem.NEW_SYSTEM, AddressSystem.LINK_SERVER}),
}


def require_address_system(organisation: str, kind: AddressClass, system: AddressSystem) -> None:
    """Refuse a way to the integrated address number that its class does not lead to.

    Raises:
        OrganisationRefused: they do not fit; Source: A2-005.
    """
    if system not in ADDRESS_SYSTEMS[kind]:
        reason = text("{system} is no way for {kind}", system=address_label(system), kind=address_label(kind))
        raise OrganisationRefused(organisation=organisation, reason=reason)


@dataclass(frozen=True, slots=True)
class Span:
    """Days from ``since`` up to but not including ``until``; None is open-ended. Asia/Tokyo."""

    since: date
    until: date | None = None

    def __contains__(self, day: date) -> bool:
        return self.since <= day and (self.until is None or day < self.until)

    def overlaps(self, other: Span) -> bool:
        """Return whether some day lies in both; an empty span shares a day with nothing."""
        start = max(self.since, other.since)
        ends = [end for end in (self.until, other.until) if end is not None]
        return not ends or start < min(ends)


#: 外部インターフェイス ids; ``X`` begins a number of our own, which no official one has.
_INTERFACE = re.compile(r"IF_[A-Z]{3}_[0-9X][0-9]{4}_[RS]01")


def interface_id(written: str) -> str:
    """Return the interface id in its plain form; documents print some letters in full width.

    Raises:
        OrganisationRefused: it is no interface id; Source: A0-101.
    """
    plain = unicodedata.normalize("NFKC", written).strip()
    if _INTERFACE.fullmatch(plain) is None:
        raise OrganisationRefused(organisation=written, reason=text("an interface id reads like IF_SKI_10734_R01"))
    return plain


@dataclass(frozen=True, slots=True)
class Standing:
    """What the warnings of an organisation follow from."""

    kind: Kind
    state: State
    hosting: Hosting
    group: ReleaseGroup | None
    population: int | None
    members: int
    tenant: UUID | None


def concerns_of(standing: Standing) -> tuple[Concern, ...]:
    """Return what somebody should look at; a dead organisation and one that is elsewhere have little.

    Source: A0-002 (an organisation in no group).
    """
    if standing.state in {State.CLOSING, State.CLOSED}:
        return ()
    found: list[Concern] = []
    if standing.hosting is Hosting.PLATFORM and standing.group is None:
        found.append(Concern.NO_RELEASE_GROUP)
    if standing.kind.is_union:
        found += [Concern.NO_MEMBERS] if standing.members == 0 else []
    elif not standing.population:
        found.append(Concern.NO_POPULATION if standing.population is None else Concern.ZERO_POPULATION)
    if standing.state is State.ACTIVE and standing.hosting is Hosting.PLATFORM and standing.tenant is None:
        found.append(Concern.NO_TENANT)
    return tuple(found)
