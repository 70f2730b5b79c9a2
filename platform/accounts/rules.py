"""The pure part of accounts: states, delays, sessions, the last administrators, and the second person.

Source: A0-142 item 1.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

_LOGIN = re.compile(r"[a-z][a-z0-9._-]{1,39}")

#: How many administrators there always are, once there were as many.
LEAST_ADMINISTRATORS = 2


class Role(StrEnum):
    """The roles of the platform's operators; what each may do is data (``config/roles.toml``)."""

    MONITORING = "monitoring"
    OPERATIONS = "operations"
    HELPDESK = "helpdesk"
    SECURITY = "security"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


class AccountKind(StrEnum):
    """Whose people an account is for; an organisation's account names the organisation."""

    OPERATOR = "operator"
    ORGANISATION = "organisation"


class AccountState(StrEnum):
    """Where an account stands; only an active one is let in."""

    INVITED = "invited"
    ACTIVE = "active"
    DISABLED = "disabled"


class AccountEvent(StrEnum):
    """What happens to an account."""

    INVITE = "invite"
    ENROL = "enrol"
    DISABLE = "disable"


#: A new way in (``INVITE``) leaves an active account as it is until it is used; a disabled one it opens again.
ACCOUNT_TRANSITIONS: Mapping[tuple[AccountState, AccountEvent], AccountState] = MappingProxyType(
    {
        (AccountState.INVITED, AccountEvent.INVITE): AccountState.INVITED,
        (AccountState.INVITED, AccountEvent.ENROL): AccountState.ACTIVE,
        (AccountState.INVITED, AccountEvent.DISABLE): AccountState.DISABLED,
        (AccountState.ACTIVE, AccountEvent.INVITE): AccountState.ACTIVE,
        (AccountState.ACTIVE, AccountEvent.ENROL): AccountState.ACTIVE,
        (AccountState.ACTIVE, AccountEvent.DISABLE): AccountState.DISABLED,
        (AccountState.DISABLED, AccountEvent.INVITE): AccountState.INVITED,
    }
)


def is_login(name: str) -> bool:
    """Return whether *name* can be a log-in name: 2 to 40 small letters, digits, dots, hyphens."""
    return _LOGIN.fullmatch(name) is not None


def normal_password(password: str) -> str:
    """Return *password* as it is hashed: one form (NFC) for what looks and is typed alike."""
    return unicodedata.normalize("NFC", password)


# -- delays ---------------------------------------------------------------------------------------


class DelayKind(StrEnum):
    """What failures are counted against; ``DEVICE`` are those that came with a right code."""

    ACCOUNT = "account"
    DEVICE = "device"
    ADDRESS = "address"


@dataclass(frozen=True)
class DelayPolicy:
    """How failures slow down the next attempt: ``free`` of them do not, then ``first`` doubles up to ``longest``."""

    free: int
    first: timedelta
    longest: timedelta
    forget_after: timedelta


@dataclass(frozen=True)
class Failures:
    """The failures of one subject: how many, and when the last one was."""

    count: int
    last_at: datetime


def delay(policy: DelayPolicy, count: int) -> timedelta:
    """Return how long the next attempt waits after *count* failures in a row."""
    if count <= policy.free:
        return timedelta(0)
    unit = timedelta(microseconds=1)
    # In whole numbers, which never outgrow their type as a duration would.
    doubled = (policy.first // unit) << min(count - policy.free - 1, 64)
    return unit * min(doubled, policy.longest // unit)


def opens_at(policy: DelayPolicy, failures: Failures | None) -> datetime | None:
    """Return from when on the next attempt is heard, or None if it never has to wait."""
    waits = delay(policy, failures.count) if failures else timedelta(0)
    return failures.last_at + waits if failures and waits else None


def must_wait(policy: DelayPolicy, failures: Failures | None, now: datetime) -> timedelta:
    """Return how much longer an attempt at *now* has to wait; zero lets it pass."""
    opens = opens_at(policy, failures)
    return max(opens - now, timedelta(0)) if opens else timedelta(0)


def one_more(policy: DelayPolicy, failures: Failures | None, now: datetime) -> Failures:
    """Return *failures* with one at *now*; what is older than ``forget_after`` no longer counts."""
    old = failures.count if failures and now - failures.last_at < policy.forget_after else 0
    return Failures(old + 1, now)


# -- sessions -------------------------------------------------------------------------------------


class SessionKind(StrEnum):
    """Where a session is used."""

    CONSOLE = "console"
    COMMAND_LINE = "command_line"


class SessionEnd(StrEnum):
    """Why a session was ended before its time."""

    LOGOUT = "logout"
    RENEWED = "renewed"
    REVOKED = "revoked"
    CREDENTIALS = "credentials"
    ROLES = "roles"
    DISABLED = "disabled"


@dataclass(frozen=True)
class SessionPolicy:
    """How long a session lives without being used, and at all."""

    idle: timedelta
    absolute: timedelta


def is_alive(policy: SessionPolicy, *, last_seen_at: datetime, expires_at: datetime, now: datetime) -> bool:
    """Return whether a session may still be used at *now*: both ends are half-open."""
    return now < expires_at and now < last_seen_at + policy.idle


# -- administrators -------------------------------------------------------------------------------


def leaves_enough_administrators(before: Mapping[UUID, UUID], without: UUID) -> bool:
    """Return whether the account *without* may cease to be an active administrator.

    *before* gives the person of each active administrator's account: people are counted, not accounts. Once there
    are two there are always two; the only one cannot go. More may become fewer, down to two.
    """
    people = len(set(before.values()))
    after = len({person for account, person in before.items() if account != without})
    return after >= min(people, LEAST_ADMINISTRATORS)


def forbidden_pairs(roles: Iterable[Role], excludes: Mapping[Role, frozenset[Role]]) -> list[tuple[Role, Role]]:
    """Return the pairs in *roles* that are never held together, each once, in the roles' order."""
    held = sorted(set(roles))
    return [(role, other) for role in held for other in sorted(excludes.get(role, frozenset())) if other in held]


# -- requests that a second person decides --------------------------------------------------------


class RequestState(StrEnum):
    """Where a request stands."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    DONE = "done"


class RequestEvent(StrEnum):
    """What happens to a request."""

    APPROVE = "approve"
    REJECT = "reject"
    EXPIRE = "expire"
    FINISH = "finish"


#: Invariant: nothing is done that was not approved, nothing is done twice, and what has ended stays so.
REQUEST_TRANSITIONS: Mapping[tuple[RequestState, RequestEvent], RequestState] = MappingProxyType(
    {
        (RequestState.REQUESTED, RequestEvent.APPROVE): RequestState.APPROVED,
        (RequestState.REQUESTED, RequestEvent.REJECT): RequestState.REJECTED,
        (RequestState.REQUESTED, RequestEvent.EXPIRE): RequestState.EXPIRED,
        (RequestState.APPROVED, RequestEvent.FINISH): RequestState.DONE,
        (RequestState.APPROVED, RequestEvent.EXPIRE): RequestState.EXPIRED,
    }
)


def next_request_state(
    state: RequestState, event: RequestEvent, *, now: datetime, expires_at: datetime
) -> RequestState | None:
    """Return the state after *event* at *now*, or None if it cannot happen; from ``expires_at`` on only expiry can."""
    if (now >= expires_at) is not (event is RequestEvent.EXPIRE):
        return None
    return REQUEST_TRANSITIONS.get((state, event))


class Objection(StrEnum):
    """Why somebody is no second person for a request."""

    SAME_PERSON = "same_person"
    WAY_IN_FROM_THE_OTHER = "way_in_from_the_other"
    REQUESTER_GONE = "requester_gone"


@dataclass(frozen=True)
class Side:
    """One side of a request: the person, and whoever handed out their way in, all the way up.

    What the machine's administrator handed out came from nobody.
    """

    person: UUID
    vouched_for_by: frozenset[UUID] = frozenset()


def objection(requester: Side, decider: Side, *, requester_active: bool) -> Objection | None:
    """Return what speaks against *decider* approving what *requester* asked for.

    Who can make an account, or renew its way in, could otherwise be both sides: so neither may have handed the
    other their way in.
    """
    if decider.person == requester.person:
        return Objection.SAME_PERSON
    if requester.person in decider.vouched_for_by or decider.person in requester.vouched_for_by:
        return Objection.WAY_IN_FROM_THE_OTHER
    return None if requester_active else Objection.REQUESTER_GONE
