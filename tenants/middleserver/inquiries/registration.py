"""Taking inquiries in: all of a request is judged before anything of it is stored, and stored in one transaction.

Source: A0-040, A0-058, A0-060, A0-166, A0-168, A2-008.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from chukan.platform.audit.rules import AuditEntry
from chukan.platform.audit.service import audited
from chukan.platform.clock import as_tokyo
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import TenantId
from chukan.platform.service_hours.services import Service
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.formats.codes import AddressNumber
from chukan.tenants.middleserver.gate import Closed, Reason, ServiceClosed
from chukan.tenants.middleserver.inquiries import store
from chukan.tenants.middleserver.inquiries.data import InquiryData, WhenClosed
from chukan.tenants.middleserver.inquiries.errors import (
    ConditionMalformed,
    InquiriesRefused,
    InquiryNotPermitted,
    LinkageCodeMissing,
    NotBeforeClose,
    ProviderItself,
    ProviderUnknown,
    RowFault,
    TooManyInquiries,
)
from chukan.tenants.middleserver.inquiries.pacing import Forecast, Spent, forecast, window_room
from chukan.tenants.middleserver.inquiries.ports import Going, Hours, MastersInForce, People
from chukan.tenants.middleserver.inquiries.releasing import COUNTERS, PACE, Releasing
from chukan.tenants.middleserver.inquiries.rules import (
    MOST_ROWS,
    Asked,
    ConditionKind,
    InquiryState,
    Kind,
    to_the_second,
)
from chukan.tenants.middleserver.inquiries.sealed import Seals
from chukan.tenants.middleserver.inquiries.store import Inquiry
from chukan.tenants.middleserver.inquiries.trail import InquiryAction, InquiryCaller
from chukan.tenants.middleserver.security.masters.errors import InstitutionUnknown
from chukan.tenants.middleserver.security.masters.rules import Catalogue
from chukan.tenants.middleserver.transmission.outbox_store import mark_due

_DIGITS = string.digits + string.ascii_uppercase
_SERIAL = 20
#: Five digits of chance behind the instant's seventeen.
_CHANCE = 100_000
#: A service that is closed for one of these opens again by itself; for the others nothing is held.
_PASSING = frozenset({Reason.HOURS, Reason.OUTAGE, Reason.DATA_STOP})


@dataclass(frozen=True)
class Registered:
    """That a request was taken: its number, the serials in its order, and the end that is foretold (UTC)."""

    number: str
    serials: tuple[str, ...]
    #: How many left at once; the others wait for their turn.
    left: int
    best: datetime | None = None
    worst: datetime | None = None
    #: The conversations of those that left just now: what waits in them may be sent.
    left_now: tuple[UUID, ...] = ()


@dataclass(frozen=True)
class _Wish:
    """A request that was found to be right, under examination for its time."""

    caller: InquiryCaller
    kind: Kind
    asked: Sequence[Asked]
    institution: str
    now: datetime
    begins: datetime
    closes: datetime | None
    #: What the request is known by when it comes again.
    key: str | None
    #: By what each person is found.
    people: Sequence[bytes] = field(repr=False)


class Registration:
    """Takes requests of organisations' systems."""

    def __init__(
        self,
        sessions: TenantSessions,
        vault: Vault,
        *,
        masters: MastersInForce,
        people: People,
        hours: Hours,
        going: Going,
        releasing: Releasing,
        data: InquiryData,
    ) -> None:
        self._sessions = sessions
        self._vault = vault
        self._masters = masters
        self._people = people
        self._hours = hours
        self._going = going
        self._releasing = releasing
        self._data = data

    def register(
        self, caller: InquiryCaller, asked: Sequence[Asked], *, kind: Kind, now: datetime, key: str | None = None
    ) -> Registered:
        """Take the inquiries *asked*; what is asked at a counter leaves at once, lists leave at their pace.

        A *key* names the request for as long as it is known: the second time nothing is registered, and what was
        told of the first is told again, whatever would be said of it today.

        Raises:
            ServiceClosed: the service is closed now (of lists, where they are not held).
            StoppedByOperators: the operators have stopped the exchange; the reason is told.
            TooManyInquiries: more than one request holds, or none.
            LinkageCodeMissing, InquiryNotPermitted, ProviderUnknown, ConditionMalformed: the one inquiry is wrong.
            InquiriesRefused: some of several are.
            NotBeforeClose: it would not end before the service closes; the largest number that would is told.
            MastersMissing, NoActiveCertificate: the organisation cannot exchange yet.

        Source: A0-166.
        """
        try:
            return self._register(caller, asked, kind, now, key)
        except ChukanError:
            earlier = self._earlier(caller.tenant, key) if key is not None else None
            if earlier is None:
                raise
            return earlier

    def _register(
        self, caller: InquiryCaller, asked: Sequence[Asked], kind: Kind, now: datetime, key: str | None
    ) -> Registered:
        if not 0 < len(asked) <= (1 if kind is Kind.WINDOW else MOST_ROWS):
            raise TooManyInquiries(limit=1 if kind is Kind.WINDOW else MOST_ROWS)
        begins, closes = self._opening(caller, kind, now)
        self._going.require_going(caller.tenant)
        institution = self._releasing.institutions.of(caller.tenant, now)
        faults = self._judged(self._masters.catalogue(caller.tenant), asked, institution)
        people = self._people.found_by(caller.tenant, [each.address for each in asked])
        wish = _Wish(caller, kind, asked, institution, now, begins, closes, key, people)
        act = AuditEntry(caller.actor, InquiryAction.REGISTER, f"tenant:{caller.tenant}", caller.request)
        with audited(lambda: self._sessions.begin(caller.tenant), act) as unit:
            by_person = dict(zip(people, (each.address for each in asked), strict=True))
            codes = self._people.codes(unit.connection, caller.tenant, by_person)
            _require(_without_code(asked, people, codes) | faults, len(asked))
            told = self._stored(unit.connection, wish, codes)
            if told is None:
                unit.note(again=True)
            else:
                unit.note(reception=told.number, kind=kind.value, rows=len(asked), left=told.left)
        if told is None:
            told = self._earlier(caller.tenant, key or "")
        if told is None:
            raise RuntimeError("a request whose key was taken a moment ago is gone")
        return told

    def _earlier(self, tenant: TenantId, key: str) -> Registered | None:
        """Return what was told of the request of *key*, if there was one."""
        with self._sessions.begin(tenant) as connection:
            found = store.reception_under(connection, key)
        if found is None:
            return None
        reception, inquiries = found
        left = sum(state is not InquiryState.QUEUED for _, state in inquiries)
        serials = tuple(serial for serial, _ in inquiries)
        return Registered(reception.number, serials, left, reception.best, reception.worst)

    # -- judging -------------------------------------------------------------------------------------

    def _opening(self, caller: InquiryCaller, kind: Kind, now: datetime) -> tuple[datetime, datetime | None]:
        """Return from when on the inquiries may leave, and when the service closes after that.

        Raises:
            ServiceClosed: they may not be taken now.
        """
        begins = now
        closed = self._hours.closed(caller.tenant, Service.SYSTEM, now)
        if closed is not None:
            begins = self._held_until(closed, kind)
        # Only of a list it matters when the service closes: it has to end before.
        closes = self._hours.closes_at(caller.tenant, Service.SYSTEM, begins) if kind is Kind.BULK else None
        return begins, closes

    def _held_until(self, closed: Closed, kind: Kind) -> datetime:
        is_held = kind is Kind.BULK and self._data.pacing.when_closed is WhenClosed.HELD
        if not is_held or closed.reason not in _PASSING or closed.next_opening is None:
            raise ServiceClosed(closed)
        return closed.next_opening

    @staticmethod
    def _judged(catalogue: Catalogue, asked: Sequence[Asked], institution: str) -> dict[int, ChukanError]:
        """Return what is wrong with which inquiry (by place), as far as the masters tell."""
        faults: dict[int, ChukanError] = {}
        for place, each in enumerate(asked):
            if not each.condition.is_whole:
                faults[place] = ConditionMalformed()
                continue
            if each.provider == institution:
                faults[place] = ProviderItself()
                continue
            try:
                catalogue.organisation(each.provider)
            except InstitutionUnknown:
                faults[place] = ProviderUnknown(institution=each.provider)
                continue
            if not catalogue.permits(
                inquirer=institution,
                affair=each.affair,
                procedure=each.procedure,
                provider=each.provider,
                information=each.information,
            ):
                faults[place] = InquiryNotPermitted(each.information)
        return faults

    # -- storing -------------------------------------------------------------------------------------

    def _stored(self, connection: Connection, wish: _Wish, codes: Mapping[bytes, str]) -> Registered | None:
        """Store the request and return what is told of it; None, and nothing is stored, if its key is taken."""
        if wish.kind is Kind.WINDOW:
            store.lock_pace(connection)
        else:
            # Lists are long to store, and counters shall not wait for them.
            store.lock_lists(connection)
        room = store.room(connection, wish.now, ids=len(wish.asked))
        end = self._foretold(connection, wish) if wish.kind is Kind.BULK else None
        number = _number(wish.now)
        goes = wish.kind is Kind.WINDOW and self._has_room(room.spent, wish.now) and not room.window_waits
        if not _add_reception(connection, wish, number, end):
            return None
        found = self._inquiries(wish, number, room.ids, goes=goes)
        store.add_inquiries(connection, [_row(each) for each in found])
        if goes:
            self._releasing.hand_over(
                connection, wish.caller.tenant, [(each, codes[each.person]) for each in found],
                institution=wish.institution, now=wish.now, actor=wish.caller.actor, moved=True,
            )  # fmt: skip
        else:
            kind = COUNTERS if wish.kind is Kind.WINDOW else PACE
            mark_due(connection, kind, wish.begins if wish.begins > wish.now else None)
        serials = tuple(each.serial for each in found)
        ends = (end.best, end.worst) if end is not None else (None, None)
        left_now = tuple(each.id for each in found) if goes else ()
        return Registered(number, serials, len(left_now), *ends, left_now)

    def _has_room(self, spent: Spent, now: datetime) -> bool:
        return window_room(self._releasing.pacing(now), spent) > 0

    def _foretold(self, connection: Connection, wish: _Wish) -> Forecast:
        """Return when the list ends.

        Raises:
            NotBeforeClose: that is not before the service closes.
        """
        pacing = self._releasing.pacing(wish.now)
        waiting = store.waiting(connection, wish.now, pacing.settle)
        recent = store.recent(connection, wish.now) if wish.begins == wish.now else ()
        end = forecast(
            pacing,
            ahead=waiting.bulk + waiting.in_hand,
            rows=len(wish.asked),
            recent=recent,
            begins=self._lists_from(wish),
            closes=wish.closes,
        )
        if not end.ends_before(wish.closes):
            raise NotBeforeClose(rows=len(wish.asked), most=min(end.most, MOST_ROWS))
        return end

    def _lists_from(self, wish: _Wish) -> datetime:
        """Return when a list begins to leave: now, or at the organisation's own time after the opening."""
        if wish.begins > wish.now:
            # Of an opening to come, the latest time.
            return wish.begins + timedelta(minutes=self._data.pacing.opening_minutes)
        return self._releasing.lists_from(wish.caller.tenant, wish.now) or wish.now

    def _inquiries(self, wish: _Wish, number: str, ids: Sequence[UUID], *, goes: bool) -> list[Inquiry]:
        seals = Seals(self._vault, wish.caller.tenant)
        at = to_the_second(wish.now) if goes else None
        state = InquiryState.SENT if goes else InquiryState.QUEUED
        return [
            Inquiry(
                id=id_,
                reception=number,
                place=place,
                kind=wish.kind,
                serial=_serial(),
                state=state,
                person=person,
                address=seals.address(id_, each.address),
                information=each.information,
                affair=each.affair,
                procedure=each.procedure,
                provider=each.provider,
                period=each.condition.kind is ConditionKind.PERIOD,
                begins=each.condition.begins,
                ends=each.condition.ends,
                year=each.condition.year,
                undisclosed=each.undisclosed,
                delegated=each.delegated,
                requested_at=at,
                received_at=None,
                expected_on=None,
                reason=None,
                explanation=None,
                ended_at=None,
                permit=None,
            )
            for place, (id_, each, person) in enumerate(zip(ids, wish.asked, wish.people, strict=True), start=1)
        ]


def _without_code(
    asked: Sequence[Asked], people: Sequence[bytes], codes: Mapping[bytes, str]
) -> dict[int, ChukanError]:  # fmt: skip
    return {
        place: LinkageCodeMissing(AddressNumber(each.address))
        for place, (each, person) in enumerate(zip(asked, people, strict=True))
        if person not in codes
    }


def _require(faults: Mapping[int, ChukanError], rows: int) -> None:
    """Do nothing if there are no *faults*; the one inquiry is refused for its own, several for all of theirs."""
    if faults and rows == 1:
        raise faults[0]
    if faults:
        raise InquiriesRefused([RowFault(place + 1, faults[place]) for place in sorted(faults)])


def _add_reception(connection: Connection, wish: _Wish, number: str, end: Forecast | None) -> bool:
    return store.add_reception(
        connection,
        {
            "number": number,
            "kind": wish.kind.value,
            "count": len(wish.asked),
            "department": wish.caller.department,
            "actor": wish.caller.actor,
            "registered_at": wish.now,
            "best": end.best if end else None,
            "worst": end.worst if end else None,
            "key": wish.key,
            "source_user": wish.caller.user or None,
        },
    )


def _row(found: Inquiry) -> dict[str, Any]:
    told = {name: getattr(found, name) for name in Inquiry.__slots__}
    return {**told, "kind": found.kind.value, "state": found.state.value}


def _number(now: datetime) -> str:
    """Return a new reception number: the instant by Tokyo's clock to the millisecond, and five digits of chance."""
    instant = as_tokyo(now).strftime("%Y%m%d%H%M%S%f")[:17]
    return f"{instant}{secrets.randbelow(_CHANCE):05d}"


def _serial() -> str:
    """Return a new processing serial: of 36 to the power of 20, so that none comes twice for ever."""
    left, digits = secrets.randbelow(36**_SERIAL), []
    for _ in range(_SERIAL):
        left, digit = divmod(left, 36)
        digits.append(_DIGITS[digit])
    return "".join(digits)
