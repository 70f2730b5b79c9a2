"""Acts that take two people: one asks, another approves, and the feature that knows the act carries it out.

A feature declares a ``FourEyesKind`` and hands it to ``component``. It asks with ``FourEyes.ask``; when it acts it
calls ``take`` in the transaction of the act, which uses the approval up: once, of this kind, before it expires.
The payload cannot be changed by anybody after it was asked for.

Source: A0-142 item 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine

from chukan.platform.accounts import request_store
from chukan.platform.accounts.actor import Actor
from chukan.platform.accounts.errors import (
    NotSecondPerson,
    RequestKindUnknown,
    RequestMalformed,
    RequestOver,
    RequestUnknown,
)
from chukan.platform.accounts.limits import Limits
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.request_store import Request
from chukan.platform.accounts.rules import Objection, RequestEvent, RequestState, Side, next_request_state, objection
from chukan.platform.accounts.trail import AccountAction, request_reference
from chukan.platform.audit.rules import AuditEntry, Scalar, canonical_json
from chukan.platform.audit.service import Chain, append, audited
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings

#: What a payload may hold: no floats, whose text is not one and the same everywhere.
Payload = Mapping[str, "PayloadValue"]
PayloadValue = Scalar | Sequence["PayloadValue"] | Payload

#: The database refuses longer ones; who approves has to read it.
MAX_PAYLOAD_BYTES = 16_384

_STATES = {
    RequestState.REQUESTED: mark("waiting for a second person"),
    RequestState.APPROVED: mark("approved"),
    RequestState.REJECTED: mark("rejected"),
    RequestState.EXPIRED: mark("expired"),
    RequestState.DONE: mark("carried out"),
}
_OBJECTIONS = {
    Objection.SAME_PERSON: mark("you asked for it yourself"),
    Objection.WAY_IN_FROM_THE_OTHER: mark("one of you two handed the other the way in"),
    Objection.REQUESTER_GONE: mark("who asked for it is no longer an active operator"),
}


def told_state(state: RequestState) -> str:
    """Return the word for *state* in the reader's language."""
    return text(_STATES[state])


@dataclass(frozen=True)
class Approved:
    """What ``FourEyesKind.run`` is told; it calls ``take`` itself, in its own transaction."""

    settings: Settings
    request: UUID
    actor: Actor


@dataclass(frozen=True)
class Label:
    """What people read in the place of *key*: ``words`` is a marked text."""

    key: str
    words: str


@dataclass(frozen=True)
class FourEyesKind:
    """A kind of act that takes two people, as the feature that carries it out declares it.

    ``name`` is ``<scope>:<resource>:<action>``; ``title`` is a marked text. ``run`` carries it out at once, in the
    process in which it was approved; without it the feature finds its approved requests by ``approved``.

    ``runs_in_console`` says that ``run`` needs no other log-in than the console's; what needs more is approved on the
    pages and carried out by ``chukan approve``. ``confirmed_by`` names the payload's key whose value has to be typed
    to decide on a page (without it: the log-in name of who asked). ``labels`` stand for the payload's keys, in the
    order in which they are told, ``values`` for those of its values that are words of the program.
    """

    name: str
    title: str
    ask: Permission
    approve: Permission
    run: Callable[[Approved], None] | None = None
    runs_in_console: bool = False
    confirmed_by: str | None = None
    labels: Sequence[Label] = ()
    values: Sequence[Label] = ()


class FourEyes:
    """The requests, under the console's log-in, for the kinds that this program carries out."""

    def __init__(self, engine: Engine, kinds: Iterable[FourEyesKind], limits: Limits) -> None:
        self._engine = engine
        self._kinds = {kind.name: kind for kind in kinds}
        self._limits = limits

    def kind(self, name: str) -> FourEyesKind:
        """Return the kind called *name*.

        Raises:
            RequestKindUnknown: no feature of this program declares it.
        """
        if name not in self._kinds:
            raise RequestKindUnknown(kind=name)
        return self._kinds[name]

    @property
    def kinds(self) -> Sequence[FourEyesKind]:
        """All kinds that this program carries out."""
        return tuple(self._kinds.values())

    def ask(self, actor: Actor, kind: str, payload: Payload, *, now: datetime, request: str) -> UUID:
        """Ask, on behalf of *actor*, for *payload* to be done; return the id by which it is approved.

        Raises:
            PersonNeeded: the machine cannot ask; it is nobody's person.
            PermissionLacking: the actor may not ask for this kind.
            RequestMalformed: *payload* has no canonical text or is too long.
        """
        declared = self.kind(kind)
        document = _document(payload)
        act = AuditEntry(actor.name, AccountAction.ASK, f"kind:{kind}", request)
        with audited(self._engine.begin, act, chain=Chain.PLATFORM) as unit:
            signed = actor.require_person()
            actor.require(declared.ask)
            made = request_store.add_request(
                unit.connection,
                kind=kind,
                payload=document,
                account=signed.account,
                person=signed.person,
                requested_at=now,
                expires_at=now + self._limits.four_eyes.valid,
            )
            request_store.add_event(unit.connection, made, RequestState.REQUESTED, actor.name, at=now)
            unit.note(asked_as=request_reference(made))
        return made

    def require_person(self, actor: Actor, kind: str, *, request: str) -> None:
        """Refuse the machine, and record that, before anybody is asked to confirm what it cannot ask for.

        Raises:
            PersonNeeded: the machine cannot ask; it is nobody's person.
        """
        if actor.signed is None:
            act = AuditEntry(actor.name, AccountAction.ASK, f"kind:{kind}", request)
            with audited(self._engine.begin, act, chain=Chain.PLATFORM):
                actor.require_person()

    def waiting(self, actor: Actor, *, now: datetime) -> Sequence[Request]:
        """Return what waits at *now*, oldest first; every operator who may see requests sees all of them.

        Raises:
            PermissionLacking: the actor may not see them.
        """
        actor.require(Permission.REQUEST_READ)
        with self._engine.connect() as connection:
            return request_store.open_requests(connection, now)

    def approve(self, actor: Actor, wanted: UUID, *, now: datetime, request: str) -> Request:
        """Approve a request as its second person, and return it as it then stands; nothing is carried out here.

        Whoever approved it may say so again while it waits for being carried out: an act that failed is tried again.

        Raises:
            RequestUnknown: there is none of this id.
            RequestOver: it was decided before, or has expired.
            PersonNeeded: the machine is no person.
            PermissionLacking: the actor may not approve this kind.
            NotSecondPerson: the actor is not another, independent person.
        """
        return self._decide(actor, wanted, RequestEvent.APPROVE, now=now, request=request)

    def reject(self, actor: Actor, wanted: UUID, *, now: datetime, request: str) -> Request:
        """Reject a request: whoever may approve its kind, and the one who asked for it; raises as ``approve``."""
        return self._decide(actor, wanted, RequestEvent.REJECT, now=now, request=request)

    def _decide(self, actor: Actor, wanted: UUID, event: RequestEvent, *, now: datetime, request: str) -> Request:
        action = AccountAction.APPROVE if event is RequestEvent.APPROVE else AccountAction.REJECT
        act = AuditEntry(actor.name, action, request_reference(wanted), request)
        with audited(self._engine.begin, act, chain=Chain.PLATFORM) as unit:
            signed = actor.require_person()
            found = request_store.lock_request(unit.connection, wanted)
            if found is None:
                raise RequestUnknown(request=wanted)
            unit.note(kind=found.kind)
            if _is_said_again(found, event, signed.person, now):
                return found
            after = next_request_state(found.state, event, now=now, expires_at=found.expires_at)
            if after is None:
                raise _over(found, now)
            if event is RequestEvent.APPROVE or signed.person != found.requester:
                actor.require(self.kind(found.kind).approve)
            if event is RequestEvent.APPROVE:
                _require_second_person(unit.connection, found, actor)
            moved = request_store.decide(
                unit.connection, wanted, found.state, after, account=signed.account, person=signed.person, now=now
            )
            if not moved:
                raise _over(found, now)
            request_store.add_event(unit.connection, wanted, after, actor.name, at=now)
            return request_store.lock_request(unit.connection, wanted) or found


def take(connection: Connection, request: UUID, kind: str) -> Mapping[str, Any]:
    """Use up the approval of *request* in the transaction of *connection*, and return what was approved.

    For the processes console, worker, scheduler and provisioner. If the transaction fails, the approval is there
    again. Whoever acts must act on what this returns, not on what it remembers.

    Raises:
        RequestOver: it is not approved (any more), has expired, was carried out, or is of another kind.
    """
    payload = request_store.finish(connection, request, kind)
    if payload is None:
        raise RequestOver(request=request, state=text("not approved, or over already"))
    return payload


def expire_requests(engine: Engine, *, actor: str, request: str) -> int:
    """Let every request whose time is over expire, recorded one by one, and return how many; worker only."""
    with engine.begin() as connection:
        expired = request_store.expire(connection)
        for one, kind in expired:
            act = AuditEntry(actor, AccountAction.EXPIRE, request_reference(one), request, detail={"kind": kind})
            append(connection, act, chain=Chain.PLATFORM)
    return len(expired)


def what_speaks_against(connection: Connection, found: Request, actor: Actor) -> Objection | None:
    """Return why *actor* is no second person for the request *found*, or None; raises PersonNeeded."""
    requester, decider = (
        Side(person, request_store.vouched_for_by(connection, person))
        for person in (found.requester, actor.require_person().person)
    )
    return objection(requester, decider, requester_active=found.requester_active)


def told_objection(against: Objection) -> str:
    """Return the words for *against* in the reader's language."""
    return text(_OBJECTIONS[against])


def _require_second_person(connection: Connection, found: Request, actor: Actor) -> None:
    against = what_speaks_against(connection, found, actor)
    if against is not None:
        raise NotSecondPerson(reason=told_objection(against))


def _is_said_again(found: Request, event: RequestEvent, person: UUID, now: datetime) -> bool:
    approved = event is RequestEvent.APPROVE and found.state is RequestState.APPROVED
    return approved and found.decider == person and now < found.expires_at


def _over(found: Request, now: datetime) -> RequestOver:
    open_ = found.state in {RequestState.REQUESTED, RequestState.APPROVED}
    state = RequestState.EXPIRED if open_ and now >= found.expires_at else found.state
    return RequestOver(request=found.id, state=told_state(state))


def _document(payload: Payload) -> str:
    _require_plain(payload)
    try:
        document = canonical_json(payload)
        size = len(document.encode())
    except (TypeError, ValueError) as error:
        raise RequestMalformed(detail=type(error).__name__) from error
    if "\\u0000" in document or size > MAX_PAYLOAD_BYTES:
        raise RequestMalformed(detail=f"{size} bytes")
    return document


def _require_plain(value: object) -> None:
    """Refuse what has no one text: floats, keys that are no strings, and whatever JSON does not know."""
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise RequestMalformed(detail="a key is no string")
        for item in value.values():
            _require_plain(item)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        for item in value:
            _require_plain(item)
    elif not (value is None or isinstance(value, str | int)):
        raise RequestMalformed(detail=f"it holds {type(value).__name__}")
