"""The words of the pages for roles, events, sessions and what a request asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # the stubs are of the version before it

from chukan.platform.accounts.four_eyes import FourEyesKind
from chukan.platform.accounts.request_store import Request
from chukan.platform.accounts.rules import AccountEvent, AccountState, RequestState, Role, SessionKind
from chukan.platform.messages import mark, text
from chukan.platform.web.cells import Mark

#: Marked texts, for choices that a form translates by itself.
ROLES: Mapping[Role, str] = MappingProxyType(
    {
        Role.MONITORING: mark("Monitoring"),
        Role.OPERATIONS: mark("Operations"),
        Role.HELPDESK: mark("Helpdesk"),
        Role.SECURITY: mark("Security"),
        Role.AUDITOR: mark("Auditor"),
        Role.ADMINISTRATOR: mark("Administrator"),
    }
)
_EVENTS = {
    AccountEvent.INVITE.value: mark("An invitation was handed out"),
    AccountEvent.ENROL.value: mark("Password and authenticator were set up"),
    AccountEvent.DISABLE.value: mark("The account was disabled"),
    "roles": mark("Roles were changed"),
}
_SESSIONS = {SessionKind.CONSOLE: mark("Console"), SessionKind.COMMAND_LINE: mark("Command line")}
ACCOUNT_MARKS: Mapping[AccountState, Mark] = MappingProxyType(
    {AccountState.INVITED: Mark.WAITING, AccountState.ACTIVE: Mark.OK, AccountState.DISABLED: Mark.OFF}
)
REQUEST_MARKS: Mapping[RequestState, Mark] = MappingProxyType(
    {
        RequestState.REQUESTED: Mark.WAITING,
        RequestState.APPROVED: Mark.RUNNING,
        RequestState.REJECTED: Mark.ERROR,
        RequestState.EXPIRED: Mark.OFF,
        RequestState.DONE: Mark.OK,
    }
)


def choice(value: str, words: str) -> Any:
    """Return a form's choice of *value* under *words*, a marked text."""
    return SelectChoice(value, words)


def told_role(role: Role) -> str:
    """Return the word for *role* in the reader's language."""
    return text(ROLES[role])


def told_roles(roles: Iterable[Role]) -> list[str]:
    """Return the words for *roles*, in the order in which roles are always told."""
    held = frozenset(roles)
    return [told_role(role) for role in Role if role in held]


def told_event(event: str) -> str:
    """Return the words for an account's *event*; one of another version is shown by its name."""
    return text(_EVENTS[event]) if event in _EVENTS else event


def told_session(kind: SessionKind) -> str:
    """Return where a session of *kind* is used."""
    return text(_SESSIONS[kind])


def told_kind(kind: FourEyesKind | None, name: str) -> str:
    """Return the title of a kind of request; one that no part of the program declares is shown by its *name*."""
    return text(kind.title) if kind is not None else name


def told_payload(request: Request, kind: FourEyesKind | None) -> list[tuple[str, str]]:
    """Return what *request* asks for as pairs of words: nothing is left out, and nothing is added.

    Keys come in the order in which the kind labels them, then all others under their own names.
    """
    labels = {label.key: text(label.words) for label in (kind.labels if kind else ())}
    values = {value.key: text(value.words) for value in (kind.values if kind else ())}
    keys = [key for key in labels if key in request.payload] + sorted(request.payload.keys() - labels.keys())
    return [(labels.get(key, key), _told(request.payload[key], values)) for key in keys]


def told_subject(request: Request, kind: FourEyesKind | None) -> str | None:
    """Return what *request* is about, as its kind names it; None where the kind names nothing."""
    chosen = request.payload.get(kind.confirmed_by) if kind is not None and kind.confirmed_by else None
    return chosen if isinstance(chosen, str) and chosen.strip() else None


def word_to_type(request: Request, kind: FourEyesKind | None) -> str:
    """Return what has to be typed to decide *request*: what it is about, else who asked for it."""
    return told_subject(request, kind) or request.requested_by


def _told(value: object, values: Mapping[str, str]) -> str:
    match value:
        case None:
            return text("(none)")
        case bool():
            return text("Yes") if value else text("No")
        case Mapping():
            return "、".join(f"{key}: {_told(item, values)}" for key, item in sorted(value.items())) or text("(none)")
        case list() | tuple():
            return "、".join(_told(item, values) for item in value) or text("(none)")
    return values.get(value, value) if isinstance(value, str) else str(value)
