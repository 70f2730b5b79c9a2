"""Letting inquiries leave: from their queue into the outbox, in one transaction.

Source: A0-057 to A0-060, A0-097.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from chukan.platform.audit.rules import AuditEntry
from chukan.platform.audit.service import audited
from chukan.platform.clock import as_tokyo
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.service_hours.services import Service
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.inquiries import store
from chukan.tenants.middleserver.inquiries.data import InquiryData
from chukan.tenants.middleserver.inquiries.documents import INQUIRY, inquiry_document
from chukan.tenants.middleserver.inquiries.pacing import Pacing, Turn, look_again, may_begin, turn
from chukan.tenants.middleserver.inquiries.ports import Hours, People
from chukan.tenants.middleserver.inquiries.records import record
from chukan.tenants.middleserver.inquiries.rules import InquiryEvent, InquiryState, Kind, to_the_second
from chukan.tenants.middleserver.inquiries.sealed import Seals
from chukan.tenants.middleserver.inquiries.store import Inquiry
from chukan.tenants.middleserver.inquiries.trail import InquiryAction
from chukan.tenants.middleserver.security.certificates.service import Keys
from chukan.tenants.middleserver.transmission.service import Outbox, identity

#: What ``platform.due`` calls inquiries that wait for their turn; and those of counters, which no list holds back.
PACE = "inquiries-pace"
COUNTERS = "inquiries-counters"
_GONE = "code_missing"
#: A service does not open more often than this within the minutes in which lists begin.
_MOST_OPENINGS = 16
#: While nothing leaves although something waits, it is looked at again after so long.
_IDLE = timedelta(seconds=5)


@dataclass(frozen=True)
class Left:
    """How many inquiries left, and when to look again (UTC); None: nothing waits.

    ``is_cut``: more of a list would have left, had there been room for it.
    """

    count: int
    again_at: datetime | None
    is_cut: bool = False


@dataclass(frozen=True)
class _Room:
    """Whether lists may leave now, and how many at most; None: as many as there are."""

    lists: bool
    most: int | None


@dataclass(frozen=True)
class _Mine:
    """Whose turn it is, the list that goes on, and whether it had to leave some of its turn to others."""

    turn: Turn
    head: str | None = None
    is_cut: bool = False


class Institutions:
    """The institution codes of tenants, which never change; for many threads."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._known: dict[TenantId, str] = {}
        self._lock = threading.Lock()

    def of(self, tenant: TenantId, now: datetime) -> str:
        """Return the institution code that stands in the certificate of *tenant*.

        Raises:
            NoActiveCertificate, NotHosted: as ``transmission.service.identity``.
        """
        with self._lock:
            known = self._known.get(tenant)
        if known is None:
            known = identity(self._keys, tenant, now).institution
            with self._lock:
                self._known[tenant] = known
        return known


class Releasing:
    """Lets inquiries of organisations leave, when their turn has come."""

    def __init__(
        self,
        sessions: TenantSessions,
        vault: Vault,
        people: People,
        hours: Hours,
        data: InquiryData,
        *,
        limited: bool = True,
    ) -> None:
        """Work on tenants' sessions; not *limited*, for measurements: as fast as it goes."""
        self._sessions = sessions
        self._vault = vault
        self._people = people
        self._hours = hours
        self._data = data
        self._limited = limited
        self._outbox = Outbox(vault)
        self.institutions = Institutions(Keys(sessions, vault))

    def pacing(self, now: datetime) -> Pacing:
        """Return the numbers by which inquiries leave at *now*."""
        stated = self._data.pacing_on(as_tokyo(now).date())
        return stated if self._limited else stated.without_limits()

    def release(
        self, connection: Connection, tenant: TenantId, found: Sequence[Inquiry], *, now: datetime, actor: str
    ) -> int:
        """Let the queued inquiries *found* leave in the caller's transaction; return how many did.

        Whose linkage code is gone since it was registered is refused, and nothing leaves for it.
        """
        seals = Seals(self._vault, tenant)
        addresses = {each.person: seals.address_of(each) for each in found}
        codes = self._people.codes(connection, tenant, addresses)
        institution = self.institutions.of(tenant, now)
        self.hand_over(connection, tenant, [(each, codes[each.person]) for each in found if each.person in codes],
                       institution=institution, now=now, actor=actor)  # fmt: skip
        gone = [each for each in found if each.person not in codes]
        for each in gone:
            store.move(connection, each, InquiryState.REFUSED, reason=_GONE, ended_at=to_the_second(now))
        if gone:
            store.note(
                connection,
                [store.event(each.id, InquiryEvent.REFUSE, InquiryState.REFUSED, actor, _GONE) for each in gone],
            )
        return len(found) - len(gone)

    def hand_over(
        self,
        connection: Connection,
        tenant: TenantId,
        found: Sequence[tuple[Inquiry, str]],
        *,
        institution: str,
        now: datetime,
        actor: str,
        moved: bool = False,
    ) -> None:
        """Put inquiries, each with its person's code, into the outbox; *moved*: they are stored as sent already."""
        if not found:
            return
        at = to_the_second(now)
        if not moved:
            store.release(connection, [each.id for each, _ in found], at)
        for each, code in found:
            self._outbox.enqueue(
                connection, tenant, each.id, INQUIRY, _writer(each, institution, code, at), now=now
            )  # fmt: skip
            record(connection, tenant, institution, replace(each, state=InquiryState.SENT, requested_at=at), now,
                   reception=each.reception)  # fmt: skip
        lists = [each.id for each, _ in found if each.kind is Kind.BULK]
        store.left(connection, now, window=len(found) - len(lists), bulk=len(lists))
        if lists:
            store.lists_left(connection, lists)
        store.note(
            connection,
            [store.event(each.id, InquiryEvent.RELEASE, InquiryState.SENT, actor) for each, _ in found],
        )

    # -- whose turn it is ----------------------------------------------------------------------------

    def pace(self, tenant: TenantId, *, now: datetime, actor: str, request: str, most: int | None = None) -> Left:
        """Let those leave whose turn it is, of lists no more than *most*; return how many, and when to look again.

        With no room for lists at all it is looked again for counters alone.

        Source: A0-040 (none while data are stopped, and not all at once when it opens), A0-058, A0-097.
        """
        closed = self._hours.closed(tenant, Service.SYSTEM, now)
        if closed is not None:
            return Left(0, closed.next_opening or now + timedelta(hours=1))
        pacing, lists_from = self.pacing(now), self.lists_from(tenant, now)
        room = _Room(lists=lists_from is None, most=most)
        with self._sessions.begin(tenant) as connection:
            mine = self._turn(connection, pacing, now, room)
            if not (mine.turn.window or mine.turn.bulk):
                if lists_from is not None and most != 0 and not store.waiting(connection, now, pacing.settle).window:
                    return Left(0, lists_from)
                return Left(0, self._again(connection, pacing, now, most, mine))
        act = AuditEntry(actor, InquiryAction.RELEASE, f"tenant:{tenant}", request)
        with audited(lambda: self._sessions.begin(tenant), act) as unit:
            store.lock_pace(unit.connection)
            mine = self._turn(unit.connection, pacing, now, room)
            found = self._next(unit.connection, mine)
            count = self.release(unit.connection, tenant, found, now=now, actor=actor)
            store.forget_pace(unit.connection, now)
            unit.note(released=count, refused=len(found) - count)
            return Left(count, self._again(unit.connection, pacing, now, most, mine), mine.is_cut)

    def _turn(self, connection: Connection, pacing: Pacing, now: datetime, room: _Room) -> _Mine:
        spent = store.room(connection, now, ids=0).spent
        mine = turn(pacing, spent, store.waiting(connection, now, pacing.settle))
        head = store.head_of_lists(connection) if mine.bulk and room.lists and room.most != 0 else None
        if head is None:
            return _Mine(replace(mine, bulk=0))
        unanswered, last = store.unanswered_before(connection, head, now - pacing.settle)
        if not may_begin(pacing, last, unanswered, now):
            return _Mine(replace(mine, bulk=0))
        if room.most is None or mine.bulk <= room.most:
            return _Mine(mine, head)
        return _Mine(replace(mine, bulk=room.most), head, is_cut=True)

    @staticmethod
    def _next(connection: Connection, mine: _Mine) -> Sequence[Inquiry]:
        """Lock and return those whose turn it is, those of counters first."""
        found: list[Inquiry] = []
        if mine.turn.window:
            found += store.next_queued(connection, Kind.WINDOW, mine.turn.window)
        if mine.turn.bulk and mine.head is not None:
            found += store.next_queued(connection, Kind.BULK, mine.turn.bulk, reception=mine.head)
        return found

    def _again(
        self, connection: Connection, pacing: Pacing, now: datetime, most: int | None, mine: _Mine
    ) -> datetime | None:  # fmt: skip
        if mine.is_cut:
            # Its turn comes again behind all others that wait by now, and that is by the clock of their marks.
            return store.database_now(connection)
        spent = store.room(connection, now, ids=0).spent
        waiting = store.waiting(connection, now, pacing.settle)
        at = look_again(pacing, spent, replace(waiting, bulk=0) if most == 0 else waiting, now)
        return max(at, now + _IDLE) if at is not None and self._limited else at

    def lists_from(self, tenant: TenantId, now: datetime) -> datetime | None:
        """Return from when on (UTC) lists of *tenant* leave after the last opening; None: they may now.

        The service is open to the organisation at *now*. However short it was closed: what waits at all organisations
        does not leave at the same moment. Source: A0-040.
        """
        warming = self._warming(tenant)
        at, opened = now - warming, None
        for _ in range(_MOST_OPENINGS):
            closed = self._hours.closed(tenant, Service.SYSTEM, at)
            changes = self._hours.closes_at(tenant, Service.SYSTEM, at) if closed is None else closed.next_opening
            if changes is None or not at < changes <= now:
                break
            at, opened = changes, opened if closed is None else changes
        return None if opened is None else opened + warming

    def _warming(self, tenant: TenantId) -> timedelta:
        """Return how long after an opening the lists of *tenant* begin: each at its own time within the bound."""
        bound = self._data.pacing.opening_minutes * 60
        return timedelta(seconds=tenant.int % (bound + 1))


def _writer(found: Inquiry, institution: str, code: str, at: datetime) -> Callable[[UUID], bytes]:
    return lambda message: inquiry_document(message, found, institution=institution, code=code, requested_at=at)
