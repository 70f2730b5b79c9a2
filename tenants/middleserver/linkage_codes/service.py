"""Codes as others use them, what became of requests, and putting wrong links right.

Source: A0-152, A0-164, A1-019.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from chukan.platform.audit.rules import AuditEntry
from chukan.platform.audit.service import UnitOfWork, audited
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.formats.codes import AddressNumber
from chukan.tenants.middleserver.linkage_codes import store
from chukan.tenants.middleserver.linkage_codes.acquisition import Caller, new_link
from chukan.tenants.middleserver.linkage_codes.errors import (
    CaseUnknown,
    CodeNotAcquired,
    LinkUnknown,
    ReasonTooLong,
    SameLink,
    SerialUnknown,
)
from chukan.tenants.middleserver.linkage_codes.ports import Recipient, Recipients
from chukan.tenants.middleserver.linkage_codes.rules import TRANSITIONS, CaseKind, LinkEvent, RequestEvent, RequestState
from chukan.tenants.middleserver.linkage_codes.sealed import Seals
from chukan.tenants.middleserver.linkage_codes.store import Case, Happened, Link, Request
from chukan.tenants.middleserver.linkage_codes.trail import LinkageAction

#: Characters of a reason that an operator gives.
MOST_REASON = 500


@dataclass(frozen=True)
class Overview:
    """How many requests are where, how many persons have a code, and what somebody has to look at."""

    requests: Mapping[RequestState, int]
    linked: int
    cases: Sequence[Case]


@dataclass(frozen=True)
class Held:
    """A link with those who received something under it while it held; None if that is not recorded yet."""

    link: UUID
    linked_at: datetime
    ended_at: datetime | None
    recipients: Sequence[Recipient] | None


@dataclass(frozen=True)
class History:
    """All that happened to the code of a person, and all links that the person had."""

    request: Request
    events: Sequence[Happened]
    links: Sequence[Held]


@dataclass(frozen=True)
class ApprovedAct:
    """What two operators want done to links: for whom, why, by which approval, and when."""

    caller: Caller
    reason: str
    approval: UUID
    now: datetime

    def event(self, event: LinkEvent, person: bytes, link: UUID, request: UUID) -> dict[str, object]:
        """Return the row that tells of it in a person's history."""
        told = {"event": event.value, "person": person, "link": link, "request": request, "reason": self.reason}
        return {**told, "actor": self.caller.actor, "approval": self.approval, "at": self.now}


def require_short(reason: str) -> None:
    """Do nothing if *reason* can be kept; raises ReasonTooLong."""
    if len(reason) > MOST_REASON:
        raise ReasonTooLong(limit=MOST_REASON)


class LinkageCodes:
    """The linkage codes of organisations."""

    def __init__(self, sessions: TenantSessions, vault: Vault, recipients: Recipients) -> None:
        self._sessions = sessions
        self._vault = vault
        self._recipients = recipients

    # -- for what is exchanged -----------------------------------------------------------------------

    def code_of(self, connection: Connection, tenant: TenantId, address: AddressNumber) -> str:
        """Return the code of the person *address* of *tenant*.

        Raises:
            CodeNotAcquired: there is none (yet).
            VaultTampered: what is stored was changed.
        """
        seals = Seals(self._vault, tenant)
        person = seals.person(address)
        link = store.links(connection, [person]).get(person)
        if link is None:
            raise CodeNotAcquired
        found, code = seals.opened(link)
        if found != address:
            # Two numbers share an index by chance or were moved: neither is this person's.
            raise CodeNotAcquired(detail="the blind index led to another number")
        return code

    def person_of(self, connection: Connection, tenant: TenantId, code: str) -> AddressNumber:
        """Return the address number of the person that *code* stands for at *tenant*; raises as ``code_of``."""
        return self.held_by(connection, tenant, code)[1]

    def held_by(self, connection: Connection, tenant: TenantId, code: str) -> tuple[UUID, AddressNumber]:
        """Return the link under which *code* is held at *tenant*, and by whom; raises as ``code_of``."""
        seals = Seals(self._vault, tenant)
        link = store.link_of_code(connection, seals.code_index(code))
        if link is None:
            raise CodeNotAcquired
        address, found = seals.opened(link)
        if found != code:
            raise CodeNotAcquired(detail="the blind index led to another code")
        return link.id, address

    def ended(self, connection: Connection, links: Collection[UUID]) -> frozenset[UUID]:
        """Return which of these *links* hold no longer: they were put right. Source: A1-019."""
        return store.ended(connection, links)

    def now_held_by(self, connection: Connection, tenant: TenantId, link: UUID) -> tuple[UUID, AddressNumber]:
        """Return as ``held_by`` for the code that *link* gave to somebody, whether that link holds or not."""
        found = store.link(connection, link)
        if found is None:
            raise CodeNotAcquired
        return self.held_by(connection, tenant, Seals(self._vault, tenant).opened(found)[1])

    def last_request(self, tenant: TenantId, address: AddressNumber) -> Request | None:
        """Return the last request (最終符号取得要求) of the person *address*. Source: A0-164."""
        person = Seals(self._vault, tenant).person(address)
        with self._sessions.begin(tenant) as connection:
            return store.last_request(connection, person)

    # -- for operators -------------------------------------------------------------------------------

    def overview(self, tenant: TenantId) -> Overview:
        """Return how the acquisition of *tenant* stands; it names no person."""
        with self._sessions.begin(tenant) as connection:
            return Overview(store.counts(connection), store.living(connection), store.open_cases(connection))

    def request(self, tenant: TenantId, serial: str) -> Request:
        """Return the request of *serial*; raises SerialUnknown."""
        with self._sessions.begin(tenant) as connection:
            found = store.request_of(connection, serial)
        if found is None:
            raise SerialUnknown(serial=serial)
        return found

    def history(self, caller: Caller, serial: str) -> History:
        """Return what happened to the code of the person that *serial* was about; that it was read is recorded.

        Raises:
            SerialUnknown: there is no such request.

        Source: A1-019 (who received it).
        """
        act = AuditEntry(caller.actor, LinkageAction.HISTORY, f"serial:{serial}", caller.request)
        with audited(lambda: self._sessions.begin(caller.tenant), act) as unit:
            found = store.request_of(unit.connection, serial)
            if found is None:
                raise SerialUnknown(serial=serial)
            events = store.history(unit.connection, found.person)
            links = store.all_links(unit.connection, found.person)
        return History(found, events, [self._held(caller.tenant, link) for link in links])

    def swap(self, act: ApprovedAct, first: UUID, second: UUID) -> Sequence[Held]:
        """Give two persons each other's code: their numbers had been taken for one another.

        Return the links that were wrong, with those who received something under them. The same approval is
        carried out once, however often it is asked for.

        Raises:
            SameLink: both are one.
            LinkUnknown: one of them does not hold (any more).

        Source: A1-019 (swap of two persons).
        """
        if first == second:
            raise SameLink
        with self._carrying_out(act, LinkageAction.SWAP, f"link:{first}", other=str(second)) as unit:
            if unit is None:
                return []
            links = store.lock_links(unit.connection, [first, second])
            for id_ in (first, second):
                if id_ not in links:
                    raise LinkUnknown(link=id_)
            self._exchange(unit.connection, act, links[first], links[second])
        return [self._held(act.caller.tenant, links[id_], until=act.now) for id_ in (first, second)]

    def relink(self, act: ApprovedAct, case: UUID) -> Sequence[Held]:
        """Move the code of a case of two persons to the one whose request brought it; returns as ``swap``.

        Raises:
            CaseUnknown: there is no such case, or it is closed.
            LinkUnknown: the link of the case does not hold any more.
        """
        with self._carrying_out(act, LinkageAction.RELINK, f"case:{case}") as unit:
            if unit is None:
                return []
            found = store.lock_case(unit.connection, case)
            request = store.request(unit.connection, found.request) if found else None
            if found is None or request is None or found.kind is not CaseKind.ONE_CODE_OF_TWO:
                raise CaseUnknown(case=case)
            wrong = store.lock_links(unit.connection, [found.link]).get(found.link)
            if wrong is None:
                raise LinkUnknown(link=found.link)
            self._move(unit.connection, act, request, wrong)
            store.close_case(unit.connection, case, actor=act.caller.actor, reason=act.reason, at=act.now)
        return [self._held(act.caller.tenant, wrong, until=act.now)]

    def close_case(self, caller: Caller, case: UUID, *, reason: str, now: datetime) -> None:
        """Close a case that needs nothing done; raises CaseUnknown, ReasonTooLong."""
        require_short(reason)
        act = AuditEntry(
            caller.actor, LinkageAction.CLOSE_CASE, f"case:{case}", caller.request, detail={"reason": reason}
        )  # fmt: skip
        with audited(lambda: self._sessions.begin(caller.tenant), act) as unit:
            if store.lock_case(unit.connection, case) is None:
                raise CaseUnknown(case=case)
            store.close_case(unit.connection, case, actor=caller.actor, reason=reason, at=now)

    # -- how -----------------------------------------------------------------------------------------

    @contextmanager
    def _carrying_out(
        self, act: ApprovedAct, action: LinkageAction, subject: str, **detail: str
    ) -> Iterator[UnitOfWork | None]:
        """Begin what was approved; nothing is lent if it has been carried out before."""
        told = {"reason": act.reason, "approval": str(act.approval), **detail}
        entry = AuditEntry(act.caller.actor, action, subject, act.caller.request, detail=told)
        with audited(lambda: self._sessions.begin(act.caller.tenant), entry) as unit:
            done = store.is_carried_out(unit.connection, act.approval)
            if done:
                unit.note(already=True)
            yield None if done else unit

    def _exchange(self, connection: Connection, act: ApprovedAct, one: Link, other: Link) -> None:
        seals = Seals(self._vault, act.caller.tenant)
        (address, code), (other_address, other_code) = seals.opened(one), seals.opened(other)
        for link in (one, other):
            store.end_link(connection, link.id, act.now)
        for link, whose, gets, index in (
            (one, address, other_code, other.code_index),
            (other, other_address, code, one.code_index),
        ):
            request = store.request(connection, link.request)
            if request is None:
                raise LinkUnknown(link=link.id)
            made = new_link(connection, seals, request, whose, gets, index=index, at=act.now)
            store.note(connection, **act.event(LinkEvent.SWAPPED, link.person, made, request.id))

    def _move(self, connection: Connection, act: ApprovedAct, request: Request, wrong: Link) -> None:
        seals = Seals(self._vault, act.caller.tenant)
        _, code = seals.opened(wrong)
        store.end_link(connection, wrong.id, act.now)
        own = store.links(connection, [request.person]).get(request.person)
        if own is not None:
            store.end_link(connection, own.id, act.now)
        address = seals.address_of(request)
        made = new_link(connection, seals, request, address, code, index=wrong.code_index, at=act.now)
        store.move(connection, request, TRANSITIONS[request.state, RequestEvent.RELINK], answered_at=act.now)
        for event, person, link in (
            (LinkEvent.UNLINKED, wrong.person, wrong.id),
            (LinkEvent.RELINKED, request.person, made),
        ):
            store.note(connection, **act.event(event, person, link, request.id))

    def _held(self, tenant: TenantId, link: Link, *, until: datetime | None = None) -> Held:
        ended = link.ended_at or until
        recipients = self._recipients.received(tenant, link.id, link.linked_at, ended)
        return Held(link.id, link.linked_at, ended, recipients)
