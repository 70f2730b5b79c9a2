"""Provisions of organisations: taking requests, what waits for staff and what they decide, and who received what.

Source: A0-030 to A0-032, A0-092, A0-094, A0-154, A0-167, A1-014, A1-016, A1-021, A3-004, A3-012.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from chukan.platform.clock import as_tokyo
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import get_logger
from chukan.platform.messages import text
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.duplicate_copies.copies import Copies
from chukan.tenants.middleserver.duplicate_copies.rules import Target
from chukan.tenants.middleserver.formats.codes import (
    AddressNumber,
    DatasetNumber,
    InformationCode,
    information_code_of,
    information_number,
    tokyo_day_begins,
)
from chukan.tenants.middleserver.formats.messages import MessageMode
from chukan.tenants.middleserver.linkage_codes.ports import Recipient
from chukan.tenants.middleserver.linkage_codes.sealed import Seals
from chukan.tenants.middleserver.linkage_codes.service import LinkageCodes
from chukan.tenants.middleserver.provision_records.rules import Result
from chukan.tenants.middleserver.provision_records.service import went_on
from chukan.tenants.middleserver.provisions import store
from chukan.tenants.middleserver.provisions.answering import Answering, Incoming, Office
from chukan.tenants.middleserver.provisions.bars import Bars, Scope
from chukan.tenants.middleserver.provisions.decisions import Decision
from chukan.tenants.middleserver.provisions.documents import (
    ANSWER,
    CANCELLATION,
    REQUEST,
    read_request,
)
from chukan.tenants.middleserver.provisions.ports import Neighbours
from chukan.tenants.middleserver.provisions.rules import (
    Cause,
    Event,
    State,
    changes_of,
    linked_datasets,
)
from chukan.tenants.middleserver.provisions.staff import Staff, Waiting, key_of
from chukan.tenants.middleserver.provisions.store import Stored
from chukan.tenants.middleserver.provisions.trail import Caller, ProvisionAction
from chukan.tenants.middleserver.security.certificates.service import Keys
from chukan.tenants.middleserver.security.permits import instant
from chukan.tenants.middleserver.transmission.errors import ContentRefused
from chukan.tenants.middleserver.transmission.ports import Features, Received, Settled
from chukan.tenants.middleserver.transmission.rules import Reason as Refused
from chukan.tenants.middleserver.transmission.service import Outbox

_DAY = timedelta(days=1)
_log = get_logger(__name__)


@dataclass(frozen=True)
class Given:
    """That an institution was given something of a person: dataset, version and count of each part. Instants: UTC."""

    serial: str
    inquirer: str
    address: AddressNumber = field(repr=False)
    information: InformationCode
    given: Sequence[tuple[str, int, int]]
    requested_at: datetime
    provided_at: datetime


class Provisions:
    """The provisions of organisations, each in its own session; for many threads."""

    def __init__(
        self,
        sessions: TenantSessions,
        vault: Vault,
        copies: Copies,
        linkage: LinkageCodes,
        neighbours: Neighbours,
    ) -> None:
        self._sessions = sessions
        self._vault = vault
        self._neighbours = neighbours
        self._outbox = Outbox(vault)
        office = Office(vault, self._outbox, copies, linkage, Keys(sessions, vault), neighbours)
        self._answering = Answering(office)
        #: What waits for staff, and what they decide.
        self.staff = Staff(sessions, vault, self._answering, neighbours.masters)
        #: What is barred and restricted.
        self.bars = Bars(sessions, vault)

    def features(self) -> Features:
        """Return what is done with requests, their end, and the outcome of answers."""
        handlers = {REQUEST: self.requested, CANCELLATION: self.over}
        return Features(handlers, {ANSWER: self.settled})

    # -- for the organisations' systems ----------------------------------------------------------------

    def pending(self, caller: Caller, *, limit: int = 1000) -> list[Waiting]:
        """Return what waits for staff; see ``Staff.pending``."""
        return self.staff.pending(caller, limit=limit)

    def decide(
        self, caller: Caller, serial: str, decision: Decision, *, now: datetime, inquirer: str | None = None
    ) -> None:
        """Let staff decide on what waits; see ``Staff.decide``."""
        self.staff.decide(caller, serial, decision, now=now, inquirer=inquirer)

    def bar(self, caller: Caller, scopes: Sequence[Scope], reason: str, *, now: datetime) -> int:
        """Have nothing answered by itself within *scopes*; see ``Bars.bar``."""
        return self.bars.bar(caller, scopes, reason, now=now)

    def lift(self, caller: Caller, scopes: Sequence[Scope], *, now: datetime) -> int:
        """Lift what the caller's department has barred; see ``Bars.lift``."""
        return self.bars.lift(caller, scopes, now=now)

    # -- from the network ----------------------------------------------------------------------------

    def requested(self, connection: Connection, received: Received) -> None:
        """Answer a request, by itself if nothing stands against it.

        Raises:
            ContentRefused: it is in test mode, came before, or its permit cannot be read.
        """
        _require_production(received)
        incoming = Incoming(
            connection,
            received.tenant,
            received.institution,
            received.conversation,
            read_request(received.message),
            received.at,
            received.actor,
        )
        self._answering.take(incoming)

    def over(self, connection: Connection, received: Received) -> None:
        """Take the network's word that a request was taken back or has expired, also over an answer that crossed it.

        Raises:
            ContentRefused: it is not about a request of this conversation.
        """
        _require_production(received)
        told = received.message.value
        found = store.lock(connection, told("ProcessingSerial"), told("InquirerInstitution"))
        if found is None or found.conv != received.conversation or str(found.permit) != told("PermitID"):
            raise ContentRefused(reason=text("it is not about a request of this conversation"))
        event, result = _OVER[told("Kind")]
        at = instant(told("At"))
        values = {"answered_at": at, "request": None, "expected_on": None, "provided": None}
        state = store.move(connection, found, event, **values)
        if state is None:
            raise ContentRefused(reason=text("the request was over before"))
        self._noted(connection, found, event, state, at=received.at, actor=received.actor)
        went_on(connection, key_of(found), result, at)
        self._outbox.close(connection, received.conversation)

    def settled(self, connection: Connection, settled: Settled) -> None:
        """Write down what the network's receipt says of an answer: if it was not taken, staff have to look."""
        found = store.of_message(connection, settled.message, settled.conversation)
        if found is None or found.state not in {State.PROVIDED, State.REFUSED}:
            return
        if settled.reason is None:
            store.settle(connection, found.id)
        elif settled.reason is not Refused.CLOSED:
            # Closed: the request is over, and that is said by a message of its own.
            _log.error("provisions.answer_rejected", organisation=settled.tenant, reason=settled.reason.value)
            values = {"cause": Cause.ANSWER_REJECTED.value, "reason": None, "answered_at": None, "provided": None}
            state = store.move(connection, found, Event.REJECT, **values)
            if state is not None and found.answered_at is not None:
                at, actor = found.answered_at, "system:network-relay"
                self._noted(connection, found, Event.REJECT, state, at=at, actor=actor, cause=Cause.ANSWER_REJECTED)
                went_on(connection, key_of(found), Result.DEFERRED, None)

    # -- after an error ------------------------------------------------------------------------------

    def erroneous(
        self,
        caller: Caller,
        information: InformationCode,
        since: date,
        until: date,
        *,
        dataset: DatasetNumber | None = None,
        address: AddressNumber | None = None,
    ) -> list[Given]:
        """Return who was given what of *information* on the days from *since* to *until* (both belong to it).

        Without an *address* of every person. That it was searched for is recorded.

        Source: A0-092 (過誤情報提供先機関の確認).
        """
        person = Seals(self._vault, caller.tenant).person(address) if address else None
        begins, ends = tokyo_day_begins(since), tokyo_day_begins(until + _DAY)
        told = {"information": information, "dataset": dataset, "of_one_person": address is not None}
        with caller.act(self._sessions, ProvisionAction.ERRONEOUS, f"tenant:{caller.tenant}", **told) as unit:
            found = store.given(
                unit.connection, information_number(information), begins, ends, dataset=dataset, person=person
            )
            unit.note(count=len(found))
        given = [self._given(caller.tenant, each) for each in found]
        # Two numbers may share an index by chance.
        return [each for each in given if address in {None, each.address}]

    def counts(self, tenant: TenantId) -> Mapping[State, int]:
        """Return how many provisions are in which state."""
        with self._sessions.connection(tenant) as connection:
            return store.counts(connection)

    def received(
        self, tenant: TenantId, link: UUID, since: datetime, until: datetime | None
    ) -> Sequence[Recipient] | None:
        """Return who was given something under a linkage code while it held (``linkage_codes.ports.Recipients``).

        Source: A1-019.
        """
        with self._sessions.connection(tenant) as connection:
            rows = store.received_under(connection, link, since, until)
        return [Recipient(inquirer, information_code_of(number), at) for inquirer, number, at in rows]

    def days(self, tenant: TenantId, target: Target, today: date) -> Sequence[date]:
        """Return the days (Asia/Tokyo) of the requests that wait and are answered from *target* on *today*.

        With ``is_linked`` this is ``duplicate_copies.ports.OpenRequests``. Raises as the masters.

        Source: A0-031, A0-032.
        """
        with self._sessions.connection(tenant) as connection:
            found = store.days_waiting(connection, information_number(target.information))
        layouts = self._neighbours.masters.layouts(tenant, target.information)
        days = sorted({as_tokyo(each).date() for each in found})
        return [day for day in days if _meets(target, linked_datasets(layouts, day, today))]

    def is_linked(self, tenant: TenantId, target: Target, today: date) -> bool:
        """Return whether a request of *today* or later is answered from *target*, by the masters that are in force.

        Raises as the masters.

        Source: A0-032.
        """
        layouts = self._neighbours.masters.layouts(tenant, target.information)
        days = {today, *(day for day in changes_of(layouts) if day > today)}
        return any(_meets(target, linked_datasets(layouts, day, day)) for day in days)

    def expire(self, caller: Caller, *, before: datetime, now: datetime) -> int:
        """End what waits although its term was over before *before*, where the network stayed silent; return how many.

        It is recorded as the network records it: it ended when the term did.
        """
        with self._sessions.connection(caller.tenant) as connection:
            silent = store.overdue(connection, before)
        count = 0
        for seen in silent:
            with caller.act(self._sessions, ProvisionAction.EXPIRE, f"provision:{seen.serial}") as unit:
                unit.note(inquirer=seen.inquirer)
                found = store.lock(unit.connection, seen.serial, seen.inquirer)
                if found is None or found.state is not State.DEFERRED:
                    continue
                values = {"answered_at": found.valid_until, "request": None, "expected_on": None}
                state = store.move(unit.connection, found, Event.EXPIRE, **values)
                if state is not None:
                    self._noted(unit.connection, found, Event.EXPIRE, state, at=now, actor=caller.actor)
                    went_on(unit.connection, key_of(found), Result.EXPIRED, found.valid_until)
                    self._outbox.close(unit.connection, found.conv)
                    count += 1
        return count

    def tidy(self, tenant: TenantId, *, settled_before: datetime, asked_before: datetime) -> int:
        """End conversations that nothing comes in any more; forget what is kept no longer. Return how many ended."""
        with self._sessions.begin(tenant) as connection:
            ended = store.close_settled(connection, settled_before)
        while True:
            with self._sessions.begin(tenant) as connection:
                if not store.forget(connection, asked_before):
                    return ended

    # -- how -----------------------------------------------------------------------------------------

    @staticmethod
    def _noted(
        connection: Connection,
        found: Stored,
        event: Event,
        state: State,
        *,
        at: datetime,
        actor: str,
        cause: Cause | None = None,
        reason: str = "",
    ) -> None:
        store.note(connection, found.id, event, state, at=at, actor=actor, cause=cause, reason=reason or None)

    def _given(self, tenant: TenantId, found: Stored) -> Given:
        counts = [part.split("/") for part in found.provided]
        return Given(
            serial=found.serial,
            inquirer=found.inquirer,
            address=self.staff.address_of(tenant, found),
            information=information_code_of(found.information),
            given=[(dataset, int(version), int(count)) for dataset, version, count in counts],
            requested_at=found.requested_at,
            provided_at=found.answered_at or found.requested_at,
        )


_OVER = {
    "cancelled": (Event.CANCEL, Result.CANCELLED),
    "expired": (Event.EXPIRE, Result.EXPIRED),
}


def _meets(target: Target, datasets: Collection[tuple[int, str]]) -> bool:
    return any(target.meets(version, dataset) for version, dataset in datasets)


def _require_production(received: Received) -> None:
    if received.message.header.mode is not MessageMode.PRODUCTION:
        raise ContentRefused(reason=text("it is in test mode"))
