"""Acquiring codes: announcing serials to the network, and taking what it answers.

Source: A0-152, A0-164, A0-165; W1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Connection

from chukan.platform.audit.rules import AuditEntry
from chukan.platform.audit.service import audited
from chukan.platform.clock import as_tokyo
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.messages import mark, text
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.deadlines import shipped_deadlines
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.formats.codes import AddressNumber, tokyo_day_begins
from chukan.tenants.middleserver.formats.messages import MessageHeader, MessageMode, add, new_message, render, value
from chukan.tenants.middleserver.linkage_codes import store
from chukan.tenants.middleserver.linkage_codes.rules import (
    MOST_ENTRIES,
    OVERDUE,
    TRANSITIONS,
    UNDER_WAY,
    LinkEvent,
    RequestEvent,
    RequestState,
    Result,
    Verdict,
    is_whole,
    judge,
)
from chukan.tenants.middleserver.linkage_codes.sealed import Seals
from chukan.tenants.middleserver.linkage_codes.store import Link, Request
from chukan.tenants.middleserver.linkage_codes.trail import LinkageAction
from chukan.tenants.middleserver.security.masters.package import NETWORK_SYSTEM, PLATFORM_SYSTEM
from chukan.tenants.middleserver.transmission.errors import ContentRefused
from chukan.tenants.middleserver.transmission.outbox_store import mark_due
from chukan.tenants.middleserver.transmission.ports import Features, Received, Settled
from chukan.tenants.middleserver.transmission.service import Outbox

CODE_REQUEST = "IF_FGU_X0001_R01"
CODE_NOTIFICATION = "IF_FGU_X0002_S01"
#: When a message to the network was refused, this stands before its reason.
_ANNOUNCEMENT = "announcement_"


@dataclass(frozen=True)
class Caller:
    """For which organisation, by whom, and in which request something is done."""

    tenant: TenantId
    actor: str
    request: str


@dataclass
class Requested:
    """What became of a wish for codes, person by person. The serials are what the register terminal needs."""

    serials: dict[AddressNumber, str] = field(default_factory=dict, repr=False)
    #: Asked for before and still under way: nothing is sent again.
    under_way: dict[AddressNumber, str] = field(default_factory=dict, repr=False)
    #: These have a code.
    acquired: list[AddressNumber] = field(default_factory=list, repr=False)


@dataclass(frozen=True)
class _Asking:
    caller: Caller
    institution: str
    seals: Seals
    now: datetime


class Acquisition:
    """Requests of organisations for codes."""

    def __init__(
        self,
        sessions: TenantSessions,
        vault: Vault,
        *,
        due_on: Callable[[date], date] | None = None,
        new_serial: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        """Work on tenants' sessions; *due_on* returns by which day a request of a day is answered."""
        self._sessions = sessions
        self._vault = vault
        self._outbox = Outbox(vault)
        self._due_on = due_on or _due_on
        self._new_serial = new_serial

    def request(
        self,
        caller: Caller,
        institution: str,
        addresses: Sequence[AddressNumber],
        *,
        now: datetime,
        again: bool = False,
    ) -> Requested:
        """Ask the network for the codes of the persons *addresses*, in one transaction; return their serials.

        *institution* is the organisation's institution code on the network.

        Who has a request under way is not asked for twice. Who has a code is only with *again*: when the resident
        record code was changed. Source: A0-164 (request sent twice).
        """
        asking = _Asking(caller, institution, Seals(self._vault, caller.tenant), now)
        people = {asking.seals.person(address): address for address in addresses}
        act = AuditEntry(caller.actor, LinkageAction.REQUEST, f"tenant:{caller.tenant}", caller.request)
        with audited(lambda: self._sessions.begin(caller.tenant), act) as unit:
            connection = unit.connection
            store.lock_requesting(connection)
            waiting = store.under_way(connection, people)
            linked = {} if again else store.links(connection, people)
            told = Requested(
                under_way={people[person]: found.serial for person, found in waiting.items()},
                acquired=[people[person] for person in linked if person not in waiting],
            )
            wanted = [person for person in people if person not in waiting and person not in linked]
            for start in range(0, len(wanted), MOST_ENTRIES):
                chunk = {person: people[person] for person in wanted[start : start + MOST_ENTRIES]}
                told.serials |= self._announce(connection, asking, chunk)
            unit.note(requested=len(told.serials), under_way=len(told.under_way), acquired=len(told.acquired))
        return told

    def expire(self, tenant: TenantId, *, now: datetime, actor: str, request: str) -> tuple[int, datetime | None]:
        """Mark requests as overdue whose day is over; return how many, and from when on to look again (UTC).

        Source: A0-164 (seven business days).
        """
        today = as_tokyo(now).date()
        with self._sessions.begin(tenant) as connection:
            if not store.late(connection, today):
                return 0, _day_after(store.next_due(connection))
        act = AuditEntry(actor, LinkageAction.OVERDUE, f"tenant:{tenant}", request)
        with audited(lambda: self._sessions.begin(tenant), act) as unit:
            found = store.late(unit.connection, today)
            for one in found:
                store.move(unit.connection, one, TRANSITIONS[one.state, RequestEvent.EXPIRE])
                _note(unit.connection, one, LinkEvent.OVERDUE, at=now, actor=actor)
            unit.note(count=len(found))
            return len(found), _day_after(store.next_due(unit.connection))

    def features(self) -> Features:
        """Return what is done with messages about codes."""
        return Features({CODE_NOTIFICATION: self.answered}, {CODE_REQUEST: self.announced})

    # -- to the network ------------------------------------------------------------------------------

    def _announce(
        self, connection: Connection, asking: _Asking, people: dict[bytes, AddressNumber]
    ) -> dict[AddressNumber, str]:
        """Queue one message for *people*, with their requests."""
        caller, now = asking.caller, asking.now
        serials = {person: self._new_serial() for person in people}

        def write(message: UUID) -> bytes:
            return _document(message, asking.institution, list(serials.values()), now)

        conv = uuid4()
        message = self._outbox.enqueue(connection, caller.tenant, conv, CODE_REQUEST, write, now=now)
        due_on = self._due_on(as_tokyo(now).date())
        ids = store.new_ids(connection, len(people))
        rows = [
            {
                "id": id_,
                "serial": serials[person],
                "person": person,
                "address": asking.seals.request_address(id_, address),
                "state": RequestState.REQUESTED.value,
                "conv": conv,
                "message": message,
                "requested_at": now,
                "due_on": due_on,
            }
            for id_, (person, address) in zip(ids, people.items(), strict=True)
        ]
        store.add_requests(connection, rows)
        events = [
            {"at": now, "event": LinkEvent.REQUESTED.value, "person": row["person"], "request": row["id"],
             "actor": caller.actor}
            for row in rows
        ]  # fmt: skip
        store.note_all(connection, events)
        mark_due(connection, OVERDUE, _day_after(due_on))
        return {people[person]: serial for person, serial in serials.items()}

    def announced(self, connection: Connection, settled: Settled) -> None:
        """Write down what the network's receipt says of an announcement."""
        for one in store.of_message(connection, settled.message, settled.conversation):
            if settled.reason is not None:
                reason = _ANNOUNCEMENT + settled.reason.value
                store.move(connection, one, RequestState.REFUSED, reason=reason)
                store.note(
                    connection,
                    **_event(one, LinkEvent.REFUSED, at=one.requested_at, actor="system:network-relay", reason=reason),
                )
            elif (to := TRANSITIONS.get((one.state, RequestEvent.ANNOUNCE))) is not None:
                store.move(connection, one, to)

    # -- from the network ----------------------------------------------------------------------------

    def answered(self, connection: Connection, received: Received) -> None:
        """Take a notification: all of its entries, or none.

        Raises:
            ContentRefused: it is for another institution or in test mode, an entry is not whole, or is about a serial
                that was not asked for, or was answered before.
        """
        root = received.message.root
        if value(root, "InstitutionCode") != received.institution:
            raise _refused(mark("it is for another institution"))
        if received.message.header.mode is not MessageMode.PRODUCTION:
            raise _refused(mark("it is in test mode"))
        entries = [_Entry.of(element) for element in root.iterfind("Entry")]
        requests = store.lock_serials(connection, [entry.serial for entry in entries])
        for entry in entries:
            found = requests.get(entry.serial)
            if found is None or found.conv != received.conversation:
                raise _refused(mark("a processing serial was not asked for in this conversation"))
            if found.state not in UNDER_WAY:
                raise _refused(mark("a processing serial was answered before"))
        seals = Seals(self._vault, received.tenant)
        answer = _Answer(connection, seals, received.actor, received.at)
        for entry in entries:
            answer.take(requests[entry.serial], entry)
        if not store.awaited(connection, received.conversation):
            self._outbox.close(connection, received.conversation)


@dataclass(frozen=True)
class _Entry:
    serial: str
    result: Result
    code: str = field(repr=False)
    reason: str

    @classmethod
    def of(cls, element: object) -> _Entry:
        names = ("ProcessingSerial", "Result", "LinkageCode", "Reason")
        serial, result, code, reason = (value(element, name) for name in names)  # type: ignore[arg-type]  # lxml's own
        entry = cls(serial, Result(result), code, reason)
        if not is_whole(entry.result, code, reason):
            raise _refused(mark("a code is missing, or stands where there is none"))
        return entry


@dataclass(frozen=True)
class _Answer:
    """A notification that is being taken."""

    connection: Connection
    seals: Seals
    actor: str
    at: datetime

    def take(self, request: Request, entry: _Entry) -> None:
        """Let *entry* have its effect on *request* and on the person's link."""
        own = holder = None
        index = self.seals.code_index(entry.code) if entry.code else b""
        if entry.code:
            own = store.links(self.connection, [request.person]).get(request.person)
            holder = store.link_of_code(self.connection, index)
        verdict = judge(
            entry.result,
            held_by_another=holder is not None and holder.person != request.person,
            has_code=own is not None,
            has_this_code=own is not None and own.code_index == index,
        )
        store.move(
            self.connection,
            request,
            TRANSITIONS[request.state, verdict.request],
            reason=entry.reason or None,
            answered_at=self.at,
        )
        link = self._linked(request, entry.code, index, own, verdict)
        self._noted(request, entry, verdict, link, (holder or own))

    def _linked(self, request: Request, code: str, index: bytes, own: Link | None, verdict: Verdict) -> UUID | None:
        """Link the person to the code if the verdict says so, and return the link."""
        if verdict.link not in {LinkEvent.LINKED, LinkEvent.CHANGED}:
            return own.id if own else None
        if own is not None:
            store.end_link(self.connection, own.id, self.at)
        address = self.seals.address_of(request)
        return new_link(self.connection, self.seals, request, address, code, index=index, at=self.at)

    def _noted(
        self, request: Request, entry: _Entry, verdict: Verdict, link: UUID | None, concerned: Link | None
    ) -> None:
        event = _event(request, verdict.link, at=self.at, actor=self.actor, reason=entry.reason or None, link=link)
        store.note(self.connection, **event)
        if verdict.case is not None and concerned is not None:
            store.open_case(
                self.connection, verdict.case, request=request.id, link=concerned.id, at=self.at
            )  # fmt: skip


def new_link(
    connection: Connection,
    seals: Seals,
    request: Request,
    address: AddressNumber,
    code: str,
    *,
    index: bytes,
    at: datetime,
) -> UUID:
    """Link the person of *request* to *code* from *at* on, and return the link's id."""
    (id_,) = store.new_ids(connection, 1)
    sealed_address, sealed_code = seals.link(id_, address, code)
    store.add_link(
        connection, Link(id_, request.person, index, sealed_code, sealed_address, request.id, at, None)
    )  # fmt: skip
    return id_


def _event(
    request: Request,
    event: LinkEvent,
    *,
    at: datetime,
    actor: str,
    reason: str | None = None,
    link: UUID | None = None,
) -> dict[str, object]:
    told = {"at": at, "event": event.value, "person": request.person, "request": request.id, "actor": actor}
    return {**told, "reason": reason, "link": link}


def _note(connection: Connection, request: Request, event: LinkEvent, *, at: datetime, actor: str) -> None:
    store.note(connection, **_event(request, event, at=at, actor=actor))


def _document(message: UUID, institution: str, serials: Sequence[str], now: datetime) -> bytes:
    header = MessageHeader(message, CODE_REQUEST, MessageMode.PRODUCTION, PLATFORM_SYSTEM, NETWORK_SYSTEM)
    root = new_message("CodeAcquisitionRequest", header)
    add(root, "InstitutionCode", institution)
    for serial in serials:
        entry = add(root, "Entry")
        add(entry, "ProcessingSerial", serial)
        add(entry, "RequestedAt", as_tokyo(now).isoformat(timespec="seconds"))
    return render(root)


def _due_on(day: date) -> date:
    return shipped_deadlines().code_acquisition(day, shipped_schedule().calendar)


def _day_after(day: date | None) -> datetime | None:
    """Return the instant at which *day* is over in Tokyo (UTC)."""
    return tokyo_day_begins(day + timedelta(days=1)) if day is not None else None


def _refused(reason: str) -> ContentRefused:
    return ContentRefused(reason=text(reason))
