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

#: What ``platform.due`` calls inquiries that wait for their turn.
PACE = "inquiries-pace"
_GONE = "code_missing"
#: While nothing leaves although something waits, it is looked at again after so long.
_IDLE = timedelta(seconds=5)


@dataclass(frozen=True)
class Left:
    """How many inquiries left, and when to look again (UTC); None: nothing waits."""

    count: int
    again_at: datetime | None


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
        windows = sum(each.kind is Kind.WINDOW for each, _ in found)
        store.left(connection, now, window=windows, bulk=len(found) - windows)
        store.note(
            connection,
            [store.event(each.id, InquiryEvent.RELEASE, InquiryState.SENT, actor) for each, _ in found],
        )

    # -- whose turn it is ----------------------------------------------------------------------------

    def pace(self, tenant: TenantId, *, now: datetime, actor: str, request: str) -> Left:
        """Let those leave whose turn it is; return how many, and when to look again.

        Source: A0-040 (none while data are stopped, and not all at once when it opens), A0-058, A0-097.
        """
        closed = self._hours.closed(tenant, Service.SYSTEM, now)
        if closed is not None:
            return Left(0, closed.next_opening or now + timedelta(hours=1))
        pacing, warming = self.pacing(now), self._warming(tenant)
        cold = self._hours.closed(tenant, Service.SYSTEM, now - warming)
        is_warm = cold is None
        with self._sessions.begin(tenant) as connection:
            mine, head = self._turn(connection, pacing, now, lists=is_warm)
            if not (mine.window or mine.bulk):
                if cold is not None and not store.waiting(connection, now, pacing.settle).window:
                    return Left(0, (cold.next_opening or now) + warming)
                return Left(0, self._again(connection, pacing, now))
        act = AuditEntry(actor, InquiryAction.RELEASE, f"tenant:{tenant}", request)
        with audited(lambda: self._sessions.begin(tenant), act) as unit:
            store.lock_pace(unit.connection)
            mine, head = self._turn(unit.connection, pacing, now, lists=is_warm)
            found = [*store.next_queued(unit.connection, Kind.WINDOW, mine.window)] if mine.window else []
            if mine.bulk and head is not None:
                found += store.next_queued(unit.connection, Kind.BULK, mine.bulk, reception=head)
            count = self.release(unit.connection, tenant, found, now=now, actor=actor)
            store.forget_pace(unit.connection, now)
            unit.note(released=count, refused=len(found) - count)
            return Left(count, self._again(unit.connection, pacing, now))

    def _turn(
        self, connection: Connection, pacing: Pacing, now: datetime, *, lists: bool
    ) -> tuple[Turn, str | None]:  # fmt: skip
        spent = store.room(connection, now, ids=0).spent
        mine = turn(pacing, spent, store.waiting(connection, now, pacing.settle))
        head = store.head_of_lists(connection) if mine.bulk and lists else None
        if head is None:
            return replace(mine, bulk=0), None
        unanswered, last = store.unanswered_before(connection, head, now - pacing.settle)
        return (mine, head) if may_begin(pacing, last, unanswered, now) else (replace(mine, bulk=0), None)

    def _again(self, connection: Connection, pacing: Pacing, now: datetime) -> datetime | None:
        spent = store.room(connection, now, ids=0).spent
        at = look_again(pacing, spent, store.waiting(connection, now, pacing.settle), now)
        return max(at, now + _IDLE) if at is not None and self._limited else at

    def _warming(self, tenant: TenantId) -> timedelta:
        """Return how long after an opening the lists of *tenant* begin: each at its own time within the bound."""
        bound = self._data.pacing.opening_minutes * 60
        return timedelta(seconds=tenant.int % (bound + 1))


def _writer(found: Inquiry, institution: str, code: str, at: datetime) -> Callable[[UUID], bytes]:
    return lambda message: inquiry_document(message, found, institution=institution, code=code, requested_at=at)
