"""Inquiries as others use them: registering, looking, taking back, and what the network says of them.

Source: A0-153, A0-166, A0-168, A1-015, A1-016.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection

from chukan.platform.audit.rules import AuditEntry
from chukan.platform.audit.service import UnitOfWork, audited
from chukan.platform.clock import as_tokyo
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.formats.codes import AddressNumber
from chukan.tenants.middleserver.inquiries import store
from chukan.tenants.middleserver.inquiries.answers import Answers
from chukan.tenants.middleserver.inquiries.data import InquiryData, shipped_data
from chukan.tenants.middleserver.inquiries.documents import CANCELLATION, cancellation_document
from chukan.tenants.middleserver.inquiries.errors import NothingToCancel, ReceptionUnknown
from chukan.tenants.middleserver.inquiries.pacing import Together
from chukan.tenants.middleserver.inquiries.people import LinkedPeople
from chukan.tenants.middleserver.inquiries.ports import Going, Hours, MastersInForce
from chukan.tenants.middleserver.inquiries.provided import Authority, ProvidedRecord, records_of
from chukan.tenants.middleserver.inquiries.records import record
from chukan.tenants.middleserver.inquiries.registration import Registered, Registration
from chukan.tenants.middleserver.inquiries.releasing import Left, Releasing
from chukan.tenants.middleserver.inquiries.rules import (
    ENDED,
    TRANSITIONS,
    Asked,
    InquiryEvent,
    InquiryState,
    Kind,
    expires_at,
    last_valid_day,
    to_the_second,
)
from chukan.tenants.middleserver.inquiries.sealed import Seals
from chukan.tenants.middleserver.inquiries.store import Inquiry, Reception
from chukan.tenants.middleserver.inquiries.trail import InquiryAction, InquiryCaller
from chukan.tenants.middleserver.transmission.ports import Features
from chukan.tenants.middleserver.transmission.service import Outbox

#: Results on one page, and the bytes of what was provided that it holds: an answer may be of megabytes.
PAGE, PAGE_BYTES = 100, 4 << 20
#: Why an inquirer takes an inquiry back, where it says nothing else.
_BY_INQUIRER = "inquirer"
_SILENCE = "network_silent"


@dataclass(frozen=True)
class ReceptionStatus:
    """How a request stands: how many of its inquiries are where, and when it is foretold to end (UTC)."""

    reception: Reception
    counts: Mapping[InquiryState, int]

    @property
    def ended(self) -> int:
        """How many inquiries have ended."""
        return sum(self.counts.get(state, 0) for state in ENDED)

    @property
    def is_complete(self) -> bool:
        """Whether all have ended."""
        return self.ended == self.reception.count


@dataclass(frozen=True)
class InquiryResult:
    """What became of one inquiry; ``address`` and ``records`` are content. Instants are UTC."""

    place: int
    serial: str
    state: InquiryState
    address: AddressNumber = field(repr=False)
    information: str
    affair: str
    procedure: str
    provider: str
    requested_at: datetime | None
    last_valid_day: date | None
    ended_at: datetime | None
    expected_on: date | None
    reason: str | None
    explanation: str | None
    permit: UUID | None
    records: Sequence[ProvidedRecord] = field(repr=False)
    #: Off once what was provided has been deleted.
    kept: bool = True


@dataclass(frozen=True)
class ResultPage:
    """Results of a request in their order, and the place from which on more follow, if they do."""

    status: ReceptionStatus
    results: Sequence[InquiryResult]
    following: int | None


@dataclass(frozen=True)
class Cancelled:
    """How many inquiries were taken back at once, and how many wait for the network's word."""

    at_once: int
    asked: int


class Inquiries:
    """The inquiries of organisations; one of these serves a whole process, for many threads."""

    def __init__(
        self,
        sessions: TenantSessions,
        vault: Vault,
        masters: MastersInForce,
        hours: Hours,
        authority: Authority,
        *,
        going: Going,
        data: InquiryData | None = None,
        limited: bool = True,
    ) -> None:
        """Work on tenants' sessions; *authority* is the national network's, *going* knows of stops.

        *limited* is off for measurements.
        """
        self._sessions = sessions
        self._vault = vault
        self._outbox = Outbox(vault)
        self._data = data or shipped_data()
        people = LinkedPeople(vault)
        self._releasing = Releasing(sessions, vault, people, hours, self._data, limited=limited)
        self._answers = Answers(vault, authority, self._releasing.institutions)
        self._registration = Registration(
            sessions,
            vault,
            masters=masters,
            people=people,
            hours=hours,
            going=going,
            releasing=self._releasing,
            data=self._data,
        )

    def register(
        self, caller: InquiryCaller, asked: Sequence[Asked], *, kind: Kind, now: datetime, key: str | None = None
    ) -> Registered:
        """Take the inquiries *asked*; under the same *key* they are registered once.

        See ``Registration.register`` for what is refused. Source: A0-166.
        """
        return self._registration.register(caller, asked, kind=kind, now=now, key=key)

    def features(self) -> Features:
        """Return what is done with messages about inquiries."""
        return self._answers.features()

    def pace(self, tenant: TenantId, *, now: datetime, actor: str, request: str, most: int | None = None) -> Left:
        """Let those leave whose turn it is; see ``Releasing.pace``."""
        return self._releasing.pace(tenant, now=now, actor=actor, request=request, most=most)

    @property
    def of_all_lists(self) -> Together:
        """The ceiling of what lists of all organisations have under way."""
        return self._data.of_all_lists

    # -- looking -------------------------------------------------------------------------------------

    def status(self, tenant: TenantId, number: str) -> ReceptionStatus:
        """Return how the request *number* stands; it holds no content. Raises ReceptionUnknown."""
        with self._sessions.begin(tenant) as connection:
            return _status(connection, number)

    def recent(self, tenant: TenantId, *, limit: int = 50, offset: int = 0) -> Sequence[ReceptionStatus]:
        """Return how requests stand, newest first; without content."""
        with self._sessions.begin(tenant) as connection:
            found = store.receptions(connection, limit, offset)
            counts = store.counts_of(connection, [each.number for each in found])
        return [ReceptionStatus(each, counts[each.number]) for each in found]

    def inquiries_of(self, tenant: TenantId, number: str, *, limit: int = PAGE, offset: int = 0) -> Sequence[Inquiry]:
        """Return the inquiries of the request *number* as they are stored; whom they are about stays sealed."""
        with self._sessions.begin(tenant) as connection:
            return store.of_reception(connection, number, limit=limit, offset=offset)

    def results(self, caller: InquiryCaller, number: str, *, first: int = 1) -> ResultPage:
        """Return what became of the request *number*, from the place *first* on; that it was read is recorded.

        It is a page: at most 100 results, and fewer if what was provided would be more than 4 MiB; but one at least.

        Raises:
            ReceptionUnknown: there is no such request, or another department's.

        Source: A0-166, A0-168.
        """
        act = AuditEntry(
            caller.actor, InquiryAction.RESULTS, f"reception:{number}", caller.request, detail={"first": first}
        )  # fmt: skip
        with audited(lambda: self._sessions.begin(caller.tenant), act) as unit:
            status = _status(unit.connection, number)
            _require_department(caller, status.reception)
            found = store.page_of(unit.connection, number, first=first, limit=PAGE, most_bytes=PAGE_BYTES)
            answered = [each.id for each in found if each.state is InquiryState.ANSWERED]
            answers = store.answers(unit.connection, answered) if answered else {}
        seals = Seals(self._vault, caller.tenant)
        results = [_result(seals, each, answers.get(each.id)) for each in found]
        following = found[-1].place + 1 if found and found[-1].place < status.reception.count else None
        return ResultPage(status, results, following)

    # -- taking back ---------------------------------------------------------------------------------

    def cancel(self, caller: InquiryCaller, number: str, *, now: datetime, reason: str = _BY_INQUIRER) -> Cancelled:
        """Take back what has not ended of the request, or the one inquiry (by its serial), *number*.

        What has not left is taken back at once; of the rest the network is asked, and until it answers, an answer
        of the provider may still come. *reason* is a word of the protocol.

        Raises:
            ReceptionUnknown: there is no such request or inquiry, or another department's.
            NothingToCancel: all of it has ended, or is being taken back.

        Source: A1-015.
        """
        act = AuditEntry(
            caller.actor, InquiryAction.CANCEL, f"reception:{number}", caller.request, detail={"reason": reason}
        )  # fmt: skip
        with audited(lambda: self._sessions.begin(caller.tenant), act) as unit:
            found = _named(unit.connection, caller, number)
            at_once = [each for each in found if each.state is InquiryState.QUEUED]
            under_way = [each for each in found if (each.state, InquiryEvent.ASK_CANCEL) in TRANSITIONS]
            if not at_once and not under_way:
                raise NothingToCancel(number=number)
            for each in at_once:
                store.move(unit.connection, each, InquiryState.CANCELLED, reason=reason, ended_at=to_the_second(now))
            for each in under_way:
                self._ask(unit.connection, caller.tenant, each, reason, now)
            _note_all(unit, at_once, InquiryEvent.CANCEL, caller.actor, reason)
            _note_all(unit, under_way, InquiryEvent.ASK_CANCEL, caller.actor, reason)
            unit.note(at_once=len(at_once), asked=len(under_way))
        return Cancelled(len(at_once), len(under_way))

    def _ask(self, connection: Connection, tenant: TenantId, found: Inquiry, reason: str, now: datetime) -> None:
        def write(message: UUID) -> bytes:
            return cancellation_document(message, found, reason=reason)

        store.move(connection, found, TRANSITIONS[found.state, InquiryEvent.ASK_CANCEL])
        self._outbox.enqueue(connection, tenant, found.id, CANCELLATION, write, now=now)

    # -- what comes to its end -----------------------------------------------------------------------

    def ending(self, tenant: TenantId, *, before: date, now: datetime) -> Mapping[date, int]:
        """Return how many inquiries under way have their last valid day before *before* (Tokyo), by that day."""
        with self._sessions.begin(tenant) as connection:
            found = store.expiring(connection, now)
        days = [last_valid_day(each.requested_at) for each in found if each.requested_at is not None]
        return {day: days.count(day) for day in sorted(set(days)) if day < before}

    def expire(self, tenant: TenantId, *, now: datetime, actor: str, request: str) -> int:
        """Take inquiries for expired of which the network said nothing, the grace after their last day over.

        Return how many.
        """
        with self._sessions.begin(tenant) as connection:
            if not self._overdue(connection, now):
                return 0
        act = AuditEntry(actor, InquiryAction.EXPIRE, f"tenant:{tenant}", request)
        institution = self._releasing.institutions.of(tenant, now)
        with audited(lambda: self._sessions.begin(tenant), act) as unit:
            count = 0
            for each in self._overdue(unit.connection, now):
                locked = store.lock(unit.connection, each.id)
                if locked is None or locked.state in ENDED or locked.requested_at is None:
                    continue
                at = expires_at(locked.requested_at)
                store.move(unit.connection, locked, InquiryState.EXPIRED, reason=_SILENCE, ended_at=at)
                _note_all(unit, [locked], InquiryEvent.EXPIRE, actor, _SILENCE)
                ended = replace(locked, state=InquiryState.EXPIRED, ended_at=at)
                record(unit.connection, tenant, institution, ended, now)
                count += 1
            unit.note(count=count)
        return count

    def _overdue(self, connection: Connection, now: datetime) -> list[Inquiry]:
        found = store.expiring(connection, now)
        return [each for each in found if each.requested_at and expires_at(each.requested_at) + self._data.grace <= now]


def _status(connection: Connection, number: str) -> ReceptionStatus:
    found = store.reception_of(connection, number)
    if found is None:
        raise ReceptionUnknown(number=number)
    return ReceptionStatus(found, store.counts_of(connection, [number])[number])


def _named(connection: Connection, caller: InquiryCaller, number: str) -> Sequence[Inquiry]:
    """Return, locked, the inquiries of a request, or the one of a serial."""
    one = store.of_serial(connection, number)
    reception = store.reception_of(connection, number if one is None else one.reception)
    if reception is None:
        raise ReceptionUnknown(number=number)
    _require_department(caller, reception)
    if one is None:
        return store.of_reception(connection, number, locked=True)
    locked = store.lock(connection, one.id)
    return [] if locked is None else [locked]


def _require_department(caller: InquiryCaller, found: Reception) -> None:
    """Do nothing if the request is the caller's department's, or the caller names none."""
    if caller.department and found.department and caller.department != found.department:
        raise ReceptionUnknown(number=found.number)


def _note_all(unit: UnitOfWork, found: Sequence[Inquiry], event: InquiryEvent, actor: str, reason: str) -> None:
    rows = [store.event(each.id, event, TRANSITIONS[each.state, event], actor, reason) for each in found]
    if rows:
        store.note(unit.connection, rows)


def _result(seals: Seals, found: Inquiry, sealed: bytes | None) -> InquiryResult:
    return InquiryResult(
        place=found.place,
        serial=found.serial,
        state=found.state,
        address=seals.address_of(found),
        information=found.information,
        affair=found.affair,
        procedure=found.procedure,
        provider=found.provider,
        requested_at=found.requested_at,
        last_valid_day=last_valid_day(found.requested_at) if found.requested_at is not None else None,
        ended_at=found.ended_at,
        expected_on=found.expected_on,
        reason=found.reason,
        explanation=found.explanation,
        permit=found.permit,
        records=() if sealed is None else records_of(seals.answer_of(found.id, sealed)),
        kept=found.state is not InquiryState.ANSWERED or sealed is not None,
    )


def shown_instant(instant: datetime | None) -> str:
    """Return *instant* by Tokyo's clock to the minute, or a dash."""
    return "-" if instant is None else f"{as_tokyo(instant):%Y-%m-%d %H:%M}"
