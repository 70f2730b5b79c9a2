"""The pure part of linkage codes: the states of a request, and what an answer of the network means.

A request goes like this (W1)::

    requested → announced → acquired          the code is linked to the person
        │           │    ├→ unknown_person    the register network has no such person, or no code of the register
        │           │    ├→ refused           the network gives no code; or the announcement was refused
        │           │    └→ conflicting       another person has this code: nothing is linked, and a case is opened
        └───────────┴→ overdue                seven business days are over; every answer is still taken

Invariant: a person has at most one request under way and at most one code, and a code belongs to one person.

Source: A0-152, A0-164, A0-165; W1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from chukan.platform.messages import mark, text

#: As many entries as one message may announce.
MOST_ENTRIES = 1000
#: What ``platform.due`` calls the look at requests whose time is over.
OVERDUE = "code-overdue"


class RequestState(StrEnum):
    """Where a request for a code stands."""

    REQUESTED = "requested"
    ANNOUNCED = "announced"
    OVERDUE = "overdue"
    ACQUIRED = "acquired"
    UNKNOWN_PERSON = "unknown_person"
    REFUSED = "refused"
    CONFLICTING = "conflicting"


class RequestEvent(StrEnum):
    """What happens to a request."""

    ANNOUNCE = "announce"
    EXPIRE = "expire"
    ACQUIRE = "acquire"
    UNKNOWN = "unknown"
    REFUSE = "refuse"
    CONFLICT = "conflict"
    RELINK = "relink"


_ANSWERS = {
    RequestEvent.ACQUIRE: RequestState.ACQUIRED,
    RequestEvent.UNKNOWN: RequestState.UNKNOWN_PERSON,
    RequestEvent.REFUSE: RequestState.REFUSED,
    RequestEvent.CONFLICT: RequestState.CONFLICTING,
}
#: A request that waits for its answer.
UNDER_WAY = (RequestState.REQUESTED, RequestState.ANNOUNCED, RequestState.OVERDUE)
#: Which event leads from where to where. The network's answer may come before its receipt has been written down.
TRANSITIONS: Mapping[tuple[RequestState, RequestEvent], RequestState] = MappingProxyType(
    {
        (RequestState.REQUESTED, RequestEvent.ANNOUNCE): RequestState.ANNOUNCED,
        (RequestState.REQUESTED, RequestEvent.EXPIRE): RequestState.OVERDUE,
        (RequestState.ANNOUNCED, RequestEvent.EXPIRE): RequestState.OVERDUE,
        **{(state, event): after for state in UNDER_WAY for event, after in _ANSWERS.items()},
        (RequestState.CONFLICTING, RequestEvent.RELINK): RequestState.ACQUIRED,
    }
)

STATE_WORDS: Mapping[RequestState, str] = {
    RequestState.REQUESTED: mark("requested"),
    RequestState.ANNOUNCED: mark("announced to the network"),
    RequestState.OVERDUE: mark("overdue"),
    RequestState.ACQUIRED: mark("code acquired"),
    RequestState.UNKNOWN_PERSON: mark("unknown to the register network"),
    RequestState.REFUSED: mark("refused"),
    RequestState.CONFLICTING: mark("another person has the code"),
}


class Result(StrEnum):
    """What the network says of one serial."""

    ISSUED = "issued"
    ALREADY_ISSUED = "already_issued"
    UNKNOWN_PERSON = "unknown_person"
    REFUSED = "refused"


class LinkEvent(StrEnum):
    """What happens to the link of a person and a code."""

    REQUESTED = "requested"
    LINKED = "linked"
    CONFIRMED = "confirmed"
    CHANGED = "changed"
    CONFLICTING = "conflicting"
    UNKNOWN_PERSON = "unknown_person"
    REFUSED = "refused"
    OVERDUE = "overdue"
    SWAPPED = "swapped"
    RELINKED = "relinked"
    UNLINKED = "unlinked"


EVENT_WORDS: Mapping[LinkEvent, str] = {
    LinkEvent.REQUESTED: mark("code requested"),
    LinkEvent.LINKED: mark("linked to a code"),
    LinkEvent.CONFIRMED: mark("the same code came again"),
    LinkEvent.CHANGED: mark("another code replaced the one before"),
    LinkEvent.CONFLICTING: mark("the code that came is another person's"),
    LinkEvent.UNKNOWN_PERSON: mark("unknown to the register network"),
    LinkEvent.REFUSED: mark("refused"),
    LinkEvent.OVERDUE: mark("overdue"),
    LinkEvent.SWAPPED: mark("codes of two persons swapped"),
    LinkEvent.RELINKED: mark("the code was moved here from another person"),
    LinkEvent.UNLINKED: mark("the code was moved to another person"),
}


class CaseKind(StrEnum):
    """Why somebody has to look."""

    ONE_CODE_OF_TWO = "one_code_of_two"
    CODE_CHANGED = "code_changed"


CASE_WORDS: Mapping[CaseKind, str] = {
    CaseKind.ONE_CODE_OF_TWO: mark("two persons, one code"),
    CaseKind.CODE_CHANGED: mark("a person's code has changed"),
}


@dataclass(frozen=True)
class Verdict:
    """What an answer means: the request's event, the link's, and whether somebody has to look."""

    request: RequestEvent
    link: LinkEvent
    case: CaseKind | None = None


def is_whole(result: Result, code: str, reason: str) -> bool:
    """Return whether an entry has a code if and only if there is one, and a reason if and only if it is refused."""
    return bool(code) == (result in {Result.ISSUED, Result.ALREADY_ISSUED}) and bool(reason) == (
        result is Result.REFUSED
    )


def judge(result: Result, *, held_by_another: bool, has_code: bool, has_this_code: bool) -> Verdict:
    """Return what *result* means for a person.

    *held_by_another*: another person is linked to the code that came. *has_code*: this person is linked to one,
    *has_this_code*: to this very one. Source: A0-152 (two persons with one code), A0-164.
    """
    if result is Result.UNKNOWN_PERSON:
        return Verdict(RequestEvent.UNKNOWN, LinkEvent.UNKNOWN_PERSON)
    if result is Result.REFUSED:
        return Verdict(RequestEvent.REFUSE, LinkEvent.REFUSED)
    if held_by_another:
        return Verdict(RequestEvent.CONFLICT, LinkEvent.CONFLICTING, CaseKind.ONE_CODE_OF_TWO)
    if has_this_code:
        return Verdict(RequestEvent.ACQUIRE, LinkEvent.CONFIRMED)
    if has_code:
        return Verdict(RequestEvent.ACQUIRE, LinkEvent.CHANGED, CaseKind.CODE_CHANGED)
    return Verdict(RequestEvent.ACQUIRE, LinkEvent.LINKED)


def told_state(state: RequestState) -> str:
    """Return the word for *state* in the reader's language."""
    return text(STATE_WORDS[state])


def told_event(event: LinkEvent) -> str:
    """Return the words for *event* in the reader's language."""
    return text(EVENT_WORDS[event])


def told_case(kind: CaseKind) -> str:
    """Return the words for *kind* in the reader's language."""
    return text(CASE_WORDS[kind])
