"""What staff see of the requests that were not answered by themselves, and what they decide.

Source: A0-030, A0-031, A0-167, A1-014, A1-016, A1-021; decision 32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from chukan.platform.clock import as_tokyo
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import get_logger
from chukan.platform.messages import mark, text
from chukan.platform.service_hours.deadlines import Answerable
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.formats.codes import AddressNumber, InformationCode
from chukan.tenants.middleserver.formats.individual_number import refuse_in
from chukan.tenants.middleserver.provision_records.rules import Key, Side
from chukan.tenants.middleserver.provision_records.service import went_on
from chukan.tenants.middleserver.provisions import decisions, store
from chukan.tenants.middleserver.provisions.answering import Answering, Found, Outcome, answering_day, parts
from chukan.tenants.middleserver.provisions.bars import MOST_REASON
from chukan.tenants.middleserver.provisions.decisions import (
    Decision,
    Defer,
    InputTerms,
    Provide,
    ProvideRecords,
    Refuse,
)
from chukan.tenants.middleserver.provisions.documents import Deferral, Given, Kept, Provision, Refusal
from chukan.tenants.middleserver.provisions.errors import (
    BarReasonNeeded,
    ExpectedDayWrong,
    NothingToProvide,
    ProvisionNotAllowed,
    ProvisionNotWaiting,
    ProvisionPersonChanged,
    ProvisionUnknown,
)
from chukan.tenants.middleserver.provisions.ports import MastersInForce
from chukan.tenants.middleserver.provisions.rules import (
    Cause,
    Event,
    Reason,
    State,
    linked_datasets,
    told_state,
)
from chukan.tenants.middleserver.provisions.store import Happened, Stored
from chukan.tenants.middleserver.provisions.tables import ADDRESS, PROVISION, REQUEST
from chukan.tenants.middleserver.provisions.trail import Caller, ProvisionAction

_DAY = timedelta(days=1)
_log = get_logger(__name__)
_NOT_ALLOWED = {
    Answerable.EXPIRED: mark("its term is over"),
    Answerable.LAYOUT_CHANGED: mark("the layout has changed retroactively since"),
    Answerable.NOT_YET: mark("it was not requested yet"),
}


@dataclass(frozen=True)
class Waiting:
    """A request that waits for staff, as they see it: for whom (``address``), of whom, why, and until when (UTC)."""

    serial: str
    inquirer: str
    inquirer_name: str
    address: AddressNumber | None = field(repr=False)
    information: InformationCode
    affair: str
    procedure: str
    cause: Cause
    requested_at: datetime
    valid_until: datetime
    expected_on: date | None


@dataclass(frozen=True)
class Case:
    """A request that waits, in the session in which it is decided on, now."""

    connection: Connection
    tenant: TenantId
    stored: Stored
    kept: Kept
    now: datetime


class Staff:
    """The staff of organisations at work, each in its own session."""

    def __init__(self, sessions: TenantSessions, vault: Vault, answering: Answering, masters: MastersInForce) -> None:
        self._sessions = sessions
        self._vault = vault
        self._answering = answering
        self._masters = masters

    def pending(self, caller: Caller, *, limit: int = 1000) -> list[Waiting]:
        """Return what waits for staff, that whose term ends first first; that it was read is recorded."""
        with caller.act(self._sessions, ProvisionAction.PENDING, f"tenant:{caller.tenant}") as unit:
            found = self._answering.of_whom_it_is(
                unit.connection, caller.tenant, store.waiting(unit.connection, limit=limit)
            )  # fmt: skip
            unit.note(count=len(found))
        return [self._waiting(caller.tenant, each) for each in found]

    def decide(
        self, caller: Caller, serial: str, decision: Decision, *, now: datetime, inquirer: str | None = None
    ) -> None:
        """Answer, defer or refuse a request that waits; *inquirer* tells it from others with the same *serial*.

        Raises:
            ProvisionUnknown: there is none; or several, and no *inquirer* is named.
            ProvisionNotWaiting: it waits no more.
            ProvisionPersonChanged: its linkage code stands for another person since it was listed.
            ProvisionNotAllowed: it may not be answered with information any more; refuse it. Source: A0-030, A1-014.
            NothingToProvide: nothing is registered for the person.
            TemporaryInputRefused: a record does not follow its layout.
            ExpectedDayWrong, BarReasonNeeded: a deferral or refusal is not whole.

        Source: A0-167, A1-016.
        """
        kind = type(decision).__name__.lower()
        with caller.act(self._sessions, ProvisionAction.DECIDE, f"provision:{serial}", decision=kind) as unit:
            found = store.lock(unit.connection, serial, inquirer)
            if found is None:
                raise ProvisionUnknown(serial=serial)
            unit.note(inquirer=found.inquirer)
            if found.state is not State.DEFERRED or found.request is None:
                raise ProvisionNotWaiting(serial=serial, state=told_state(found.state))
            case = Case(unit.connection, caller.tenant, found, self._kept(caller.tenant, found), now)
            internal = decision.internal if isinstance(decision, Refuse) else ""
            self._carry_out(case, self._decided(case, decision), actor=caller.actor, internal=internal)

    def history(self, tenant: TenantId, serial: str, inquirer: str | None = None) -> Sequence[Happened]:
        """Return what happened to a provision, oldest first; raises ProvisionUnknown."""
        with self._sessions.begin(tenant) as connection:
            found = store.lock(connection, serial, inquirer)
            if found is None:
                raise ProvisionUnknown(serial=serial)
            return store.history(connection, found.id)

    def again(self, caller: Caller, *, now: datetime) -> int:
        """Answer what a restriction held back, which has been lifted; return how many were answered.

        Each in a transaction of its own, under the same rules as when it came; one that fails is left to staff, and
        keeps no other one waiting.

        Source: A1-021.
        """
        count, last = 0, None
        while held := self._held_back(caller.tenant, last):
            count += sum(self._again_or_not(caller, each, now) for each in held)
            last = held[-1]
        return count

    # -- how -----------------------------------------------------------------------------------------

    def _held_back(self, tenant: TenantId, last: Stored | None) -> Sequence[Stored]:
        with self._sessions.connection(tenant) as connection:
            return store.waiting(connection, cause=Cause.RESTRICTED, after=last)

    def _again_or_not(self, caller: Caller, seen: Stored, now: datetime) -> bool:
        try:
            return self._again(caller, seen, now)
        except ChukanError as error:
            if error.retryable:
                raise
            _log.error("provisions.again_failed", organisation=caller.tenant, exc_info=error)
        with self._sessions.begin(caller.tenant) as connection:
            if (found := store.lock(connection, seen.serial, seen.inquirer)) is not None:
                store.move(connection, found, Event.DEFER, cause=Cause.FAULT.value)
        return False

    def _again(self, caller: Caller, seen: Stored, now: datetime) -> bool:
        tenant = caller.tenant
        with caller.act(self._sessions, ProvisionAction.DECIDE, f"provision:{seen.serial}", decision="again") as unit:
            unit.note(inquirer=seen.inquirer)
            found = store.lock(unit.connection, seen.serial, seen.inquirer)
            if found is None or (found.state, found.cause) != (State.DEFERRED, Cause.RESTRICTED):
                return False  # somebody was faster
            (found,) = self._answering.of_whom_it_is(unit.connection, tenant, [found])
            case = Case(unit.connection, tenant, found, self._kept(tenant, found), now)
            held = self._held_now(case)
            if isinstance(held, Found):
                self._carry_out(case, self._answer(case, held.records), actor=caller.actor)
            elif held.event is Event.DEFER:
                store.move(unit.connection, found, Event.DEFER, cause=held.cause.value if held.cause else None)
                unit.note(cause=held.cause.value if held.cause else None)
            elif now < found.valid_until:
                self._carry_out(case, held, actor=caller.actor)
            return isinstance(held, Found)

    def _held_now(self, case: Case) -> Found | Outcome:
        found, now = case.stored, case.now
        if found.address is None:
            return Outcome(Event.DEFER, Deferral(Reason.STAFF_DECISION, found.expected_on), Cause.NO_RECORD)
        address = self.address_of(case.tenant, found)
        return self._answering.held(case.connection, case.tenant, found, case.kept, address=address, now=now)

    def _decided(self, case_: Case, decision: Decision) -> Outcome:
        match decision:
            case Defer(expected_on, explanation):
                _require_day(expected_on, case_.stored, case_.now)
                _require_short(explanation)
                return Outcome(
                    Event.DEFER, Deferral(Reason.STAFF_DECISION, expected_on, explanation), case_.stored.cause
                )
            case Refuse(reason, explanation, internal):
                _require_short(explanation)
                _require_short(internal)
                if case_.now >= case_.stored.valid_until:
                    raise _not_allowed(case_, Answerable.EXPIRED)
                return Outcome(Event.REFUSE, Refusal(reason, case_.now, explanation))
            case Provide() | ProvideRecords():
                return self._answer(case_, self._records(case_, decision))

    def _records(self, case: Case, decision: Provide | ProvideRecords) -> Sequence[Given]:
        """Return what is given as staff decided; bars are theirs to see, term and layouts are not."""
        verdict = self._verdict(case)
        if verdict is not Answerable.YES:
            raise _not_allowed(case, verdict)
        if self._answering.has_changed_hands(case.connection, case.stored):
            raise ProvisionPersonChanged(serial=case.stored.serial)
        if not case.kept.kid or case.stored.address is None:
            raise NothingToProvide(serial=case.stored.serial)
        if isinstance(decision, ProvideRecords):
            return self._temporary(case, decision)
        records = self._registered(case)
        if not records:
            raise NothingToProvide(serial=case.stored.serial)
        return records

    def _temporary(self, case: Case, decision: ProvideRecords) -> Sequence[Given]:
        """Return what was put in, if it follows its layout; what is excluded is left out of it as well (A0-095)."""
        code, first = InformationCode(case.kept.information), as_tokyo(case.stored.requested_at).date()
        today, layouts = answering_day(case.stored, case.now), self._masters.layouts(case.tenant, case.kept.information)
        terms = InputTerms(code, layouts, linked_datasets(layouts, first, today), first)
        records = decisions.judged(decision.records, terms, self.address_of(case.tenant, case.stored))
        return self._answering.without_excluded(case.connection, case.tenant, code, records, today)

    def _verdict(self, case: Case) -> Answerable:
        layouts = self._masters.layouts(case.tenant, case.kept.information)
        return self._answering.answerable(case.stored, layouts, case.now)

    def _registered(self, case: Case) -> Sequence[Given]:
        address, today = self.address_of(case.tenant, case.stored), answering_day(case.stored, case.now)
        found = self._answering.found(
            case.connection, case.tenant, case.stored, case.kept, address=address, today=today
        )
        return found.records

    def _answer(self, case: Case, records: Sequence[Given]) -> Outcome:
        told = self._answering.provision(
            case.connection, case.tenant, case.stored, case.kept, records=records, now=case.now
        )
        return Outcome(Event.ANSWER, told)

    def _carry_out(self, case: Case, outcome: Outcome, *, actor: str, internal: str = "") -> None:
        """Queue the answer, and write down what became of the provision."""
        connection, found, told = case.connection, case.stored, outcome.told
        message = self._answering.send(connection, case.tenant, found, case.kept.provider, outcome, now=case.now)
        values = {
            "message": message,
            "cause": outcome.cause.value if outcome.cause else None,
            "reason": None if isinstance(told, Provision) else told.reason.value,
            "expected_on": told.expected_on if isinstance(told, Deferral) else None,
            "answered_at": outcome.answered_at,
            "provided": list(parts(told)) or None,
        }
        state = store.move(connection, found, outcome.event, **values)
        if state is None:
            raise ProvisionNotWaiting(serial=found.serial, state=told_state(found.state))
        reason = internal or None
        store.note(
            connection, found.id, outcome.event, state, at=case.now, actor=actor, cause=outcome.cause, reason=reason
        )
        went_on(connection, key_of(found), outcome.result, outcome.answered_at)

    def _waiting(self, tenant: TenantId, found: Stored) -> Waiting:
        kept = self._kept(tenant, found)
        return Waiting(
            serial=found.serial,
            inquirer=found.inquirer,
            inquirer_name=kept.inquirer_name,
            address=self.address_of(tenant, found) if found.address else None,
            information=InformationCode(kept.information),
            affair=kept.affair,
            procedure=kept.procedure,
            cause=found.cause or Cause.FAULT,
            requested_at=found.requested_at,
            valid_until=found.valid_until,
            expected_on=found.expected_on,
        )

    def _kept(self, tenant: TenantId, found: Stored) -> Kept:
        column = self._vault.column(tenant, PROVISION, REQUEST)
        return Kept.read(column.open(found.id, found.request or b""))

    def address_of(self, tenant: TenantId, found: Stored) -> AddressNumber:
        """Return whom a provision is about; raises VaultTampered."""
        column = self._vault.column(tenant, PROVISION, ADDRESS)
        return AddressNumber(column.open(found.id, found.address or b"").decode())


def key_of(found: Stored) -> Key:
    """Return under what the organisation's record of a provision is found."""
    return Key(found.inquirer, found.serial, Side.PROVIDER)


def _require_short(told: str) -> None:
    if len(told) > MOST_REASON:
        raise BarReasonNeeded(limit=MOST_REASON)
    refuse_in(told, field=text("Reason"))


def _require_day(day: date, found: Stored, now: datetime) -> None:
    first, last = as_tokyo(now).date(), as_tokyo(found.valid_until).date() - _DAY
    if not first <= day <= last:
        raise ExpectedDayWrong(first=first, last=last)


def _not_allowed(case: Case, verdict: Answerable) -> ProvisionNotAllowed:
    return ProvisionNotAllowed(serial=case.stored.serial, reason=text(_NOT_ALLOWED[verdict]))
