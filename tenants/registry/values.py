"""The words of the registry: what an organisation can be, where it can stand, and how people call it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum

from chukan.platform.messages import mark, text


class Kind(StrEnum):
    """What an organisation is."""

    PREFECTURE = "prefecture"
    DESIGNATED_CITY = "designated_city"
    CITY = "city"
    TOWN = "town"
    VILLAGE = "village"
    SPECIAL_WARD = "special_ward"
    PARTIAL_AFFAIRS_ASSOCIATION = "partial_affairs_association"
    WIDE_AREA_UNION = "wide_area_union"

    @property
    def is_union(self) -> bool:
        """Whether it is made of other organisations; a union has members, and no board of education."""
        return self in _UNIONS


_UNIONS = frozenset({Kind.PARTIAL_AFFAIRS_ASSOCIATION, Kind.WIDE_AREA_UNION})


class Department(StrEnum):
    """The two sides of an organisation that use the platform (A0-045)."""

    EXECUTIVE = "executive"
    BOARD_OF_EDUCATION = "board_of_education"


class Hosting(StrEnum):
    """Where its middle server stands: here, on hardware of its own, or on one built jointly (A2-006)."""

    PLATFORM = "platform"
    OWN = "own"
    JOINT = "joint"


class State(StrEnum):
    """Where an organisation stands in its life on the platform."""

    APPLIED = "applied"
    PROVISIONING = "provisioning"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSING = "closing"
    CLOSED = "closed"


class ReleaseGroup(IntEnum):
    """第一グループ and 第二グループ: the two stages of a release. Being in both cannot be said (A0-002)."""

    FIRST = 1
    SECOND = 2


class AddressClass(StrEnum):
    """How far an organisation's systems shared one address number before the number system (A2-005)."""

    ALL_UNIFIED = "all_unified"
    PARTLY_UNIFIED = "partly_unified"
    NOT_UNIFIED = "not_unified"


class AddressSystem(StrEnum):
    """How it came to have an integrated address number (A2-005)."""

    NUMBER_ADDED = "number_added"
    LARGEST_EXTENDED = "largest_extended"
    NEW_SYSTEM = "new_system"
    LINK_SERVER = "link_server"


class SuccessionKind(StrEnum):
    """How municipalities follow one another."""

    MERGER = "merger"
    DIVISION = "division"


class Concern(StrEnum):
    """What an organisation's entry makes somebody look at; none of them stops anything."""

    NO_RELEASE_GROUP = "no_release_group"
    NO_POPULATION = "no_population"
    ZERO_POPULATION = "zero_population"
    NO_MEMBERS = "no_members"
    NO_TENANT = "no_tenant"


_KINDS: Mapping[Kind, str] = {
    Kind.PREFECTURE: mark("prefecture"),
    Kind.DESIGNATED_CITY: mark("designated city"),
    Kind.CITY: mark("city"),
    Kind.TOWN: mark("town"),
    Kind.VILLAGE: mark("village"),
    Kind.SPECIAL_WARD: mark("special ward"),
    Kind.PARTIAL_AFFAIRS_ASSOCIATION: mark("partial-affairs association"),
    Kind.WIDE_AREA_UNION: mark("wide-area union"),
}
_DEPARTMENTS: Mapping[Department, str] = {
    Department.EXECUTIVE: mark("executive departments"),
    Department.BOARD_OF_EDUCATION: mark("board of education"),
}
_HOSTING: Mapping[Hosting, str] = {
    Hosting.PLATFORM: mark("on the platform"),
    Hosting.OWN: mark("on hardware of its own"),
    Hosting.JOINT: mark("on jointly built hardware"),
}
_STATES: Mapping[State, str] = {
    State.APPLIED: mark("applied for"),
    State.PROVISIONING: mark("being provisioned"),
    State.ACTIVE: mark("in operation"),
    State.SUSPENDED: mark("suspended"),
    State.CLOSING: mark("being closed"),
    State.CLOSED: mark("closed"),
}
_ADDRESSES: Mapping[AddressClass | AddressSystem, str] = {
    AddressClass.ALL_UNIFIED: mark("all systems shared one address number"),
    AddressClass.PARTLY_UNIFIED: mark("some systems shared one address number"),
    AddressClass.NOT_UNIFIED: mark("no systems shared an address number"),
    AddressSystem.NUMBER_ADDED: mark("the number was added to it"),
    AddressSystem.LARGEST_EXTENDED: mark("the largest system was extended"),
    AddressSystem.NEW_SYSTEM: mark("a new system"),
    AddressSystem.LINK_SERVER: mark("the link server"),
}
_SUCCESSIONS: Mapping[SuccessionKind, str] = {
    SuccessionKind.MERGER: mark("merger"),
    SuccessionKind.DIVISION: mark("division"),
}
_CONCERNS: Mapping[Concern, str] = {
    Concern.NO_RELEASE_GROUP: mark("belongs to no release group"),
    Concern.NO_POPULATION: mark("has no population"),
    Concern.ZERO_POPULATION: mark("its population is zero"),
    Concern.NO_MEMBERS: mark("a union without members has no population"),
    Concern.NO_TENANT: mark("is in operation, but has no tenant"),
}


def kind_label(kind: Kind) -> str:
    """Return how people call *kind*, in the reader's language."""
    return text(_KINDS[kind])


def department_label(department: Department) -> str:
    """Return how people call *department*, in the reader's language."""
    return text(_DEPARTMENTS[department])


def hosting_label(hosting: Hosting) -> str:
    """Return how people call *hosting*, in the reader's language."""
    return text(_HOSTING[hosting])


def state_label(state: State) -> str:
    """Return how people call *state*, in the reader's language."""
    return text(_STATES[state])


def address_label(value: AddressClass | AddressSystem) -> str:
    """Return how people call a class or kind of address system, in the reader's language."""
    return text(_ADDRESSES[value])


def succession_label(kind: SuccessionKind) -> str:
    """Return how people call *kind*, in the reader's language."""
    return text(_SUCCESSIONS[kind])


def concern_label(concern: Concern) -> str:
    """Return what *concern* says, in the reader's language."""
    return text(_CONCERNS[concern])
