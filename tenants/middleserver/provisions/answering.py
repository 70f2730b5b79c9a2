"""Automatic replies: from the request to the signed and encrypted answer, in the transaction that takes the request.

Four steps (A3-012), each logged: the permit is checked, the person and the copies are found, the answer is built, and
it is signed, encrypted and queued. Who or what is barred is never answered by itself.

Source: A0-030, A0-031, A0-159, A0-167, A1-016, A3-004, A3-012.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from chukan.platform.clock import as_tokyo, monotonic
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import get_logger
from chukan.platform.messages import text
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.deadlines import Answerable, shipped_deadlines
from chukan.platform.service_hours.errors import CalendarOutOfRange
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.duplicate_copies.copies import Copies
from chukan.tenants.middleserver.formats.codes import AddressNumber, InformationCode, information_number
from chukan.tenants.middleserver.linkage_codes.errors import CodeNotAcquired
from chukan.tenants.middleserver.linkage_codes.sealed import Seals
from chukan.tenants.middleserver.linkage_codes.service import LinkageCodes
from chukan.tenants.middleserver.provision_records.rules import Fact, Result, Side
from chukan.tenants.middleserver.provision_records.service import write as write_record
from chukan.tenants.middleserver.provisions import store
from chukan.tenants.middleserver.provisions.documents import (
    ANSWER,
    About,
    Deferral,
    Envelope,
    Given,
    Kept,
    Provision,
    Refusal,
    Requested,
    answer,
    information,
    sealed,
)
from chukan.tenants.middleserver.provisions.ports import Neighbours
from chukan.tenants.middleserver.provisions.rules import (
    Cause,
    Event,
    Reason,
    Stage,
    State,
    answerable,
    chosen,
    holding,
    linked_datasets,
    period,
)
from chukan.tenants.middleserver.provisions.store import Stored
from chukan.tenants.middleserver.provisions.tables import ADDRESS, PROVISION, REQUEST
from chukan.tenants.middleserver.security.certificates.service import Keys
from chukan.tenants.middleserver.security.jose import MAX_AHEAD
from chukan.tenants.middleserver.security.masters.rules import Layout
from chukan.tenants.middleserver.security.permits import Asked, Claims, Permit, PermitInvalid, verified
from chukan.tenants.middleserver.transmission.errors import ContentRefused
from chukan.tenants.middleserver.transmission.service import Outbox

_log = get_logger(__name__)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Office:
    """What answers are made with; for many threads."""

    vault: Vault
    outbox: Outbox
    copies: Copies
    linkage: LinkageCodes
    keys: Keys
    neighbours: Neighbours


@dataclass(frozen=True)
class Incoming:
    """A request that has just come, and where."""

    connection: Connection
    tenant: TenantId
    provider: str
    conv: UUID
    requested: Requested
    at: datetime
    actor: str


@dataclass(frozen=True)
class Found:
    """What may be given of a person to a request, after all rules, on one day."""

    records: Sequence[Given]
    datasets: frozenset[str]


@dataclass(frozen=True)
class Outcome:
    """What becomes of a request: what the inquirer is told, and what only staff know."""

    event: Event
    told: Provision | Deferral | Refusal
    cause: Cause | None = None

    @property
    def result(self) -> Result:
        """How it is recorded."""
        match self.told:
            case Provision():
                return Result.PROVIDED
            case Deferral():
                return Result.DEFERRED
            case Refusal():
                return Result.REFUSED

    @property
    def answered_at(self) -> datetime | None:
        """When it ended."""
        return None if isinstance(self.told, Deferral) else self.told.at


class Answering:
    """Replies to requests, by themselves or as staff decided."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def take(self, incoming: Incoming) -> None:
        """Answer a request that has just come.

        Raises:
            ContentRefused: it came before, or its permit cannot even be read.
        """
        connection, requested = incoming.connection, incoming.requested
        id_, before = store.begin(connection, requested.inquirer, requested.serial)
        if before:
            raise ContentRefused(reason=text("a request with this processing serial came before"))
        try:
            with stage(Stage.RECEIVE, incoming.tenant):
                permit = self._permit(incoming)
        except PermitInvalid as error:
            _log.error("provisions.permit_invalid", organisation=incoming.tenant, reason=error.fault.value)
            if error.claims is None:
                raise ContentRefused(reason=error.told()) from error
            refusal = Outcome(Event.REFUSE, Refusal(Reason.PERMIT, incoming.at))
            self._keep(incoming, _begun(id_, incoming, error.claims), refusal, _kept(incoming, error.claims))
            return
        begun, kept = _begun(id_, incoming, permit), _kept(incoming, permit)
        begun, outcome = self._judged(incoming, permit, begun, kept)
        self._keep(incoming, begun, outcome, kept)

    def found(
        self,
        connection: Connection,
        tenant: TenantId,
        stored: Stored,
        kept: Kept,
        *,
        address: AddressNumber,
        today: date,
    ) -> Found:
        """Return what may be given to a request on *today*; whether it may be answered at all is judged before."""
        layouts = self._office.neighbours.masters.layouts(tenant, kept.information)
        asked = period(kept.kind, *kept.days, kept.year, today)
        code = InformationCode(kept.information)
        datasets = linked_datasets(layouts, as_tokyo(stored.requested_at).date(), today)
        copies = self._office.copies.found_on(connection, tenant, address, code, first=asked.first, last=asked.last)
        given = chosen(copies, datasets)
        records = self.without_excluded(connection, tenant, code, [Given.of(copy, ()) for copy in given], today)
        return Found(records, frozenset(copy.dataset for copy in given))

    def without_excluded(
        self, connection: Connection, tenant: TenantId, code: InformationCode, records: Sequence[Given], today: date
    ) -> list[Given]:
        """Return *records* without what the organisation does not provide on *today*, wherever they come from.

        Source: A0-095.
        """
        excluded: Collection[tuple[str, str]] = ()
        if records:
            excluded = self._office.neighbours.excluded(connection, tenant, code, today)
        return [record.without(excluded) for record in records]

    def answerable(self, stored: Stored, layouts: Sequence[Layout], now: datetime) -> Answerable:
        """Return whether *stored* may be answered at *now*: by its permit, by the term, and by the layouts.

        Source: A0-030, A0-031, A1-014; rules C.3.
        """
        if now >= stored.valid_until:
            return Answerable.EXPIRED
        first = as_tokyo(stored.requested_at).date()
        return answerable(first, answering_day(stored, now), layouts, shipped_deadlines().validity_on(first))

    def has_changed_hands(self, connection: Connection, stored: Stored) -> bool:
        """Return whether the linkage code of *stored* was found to stand for another person since it came."""
        return stored.link is not None and bool(self._office.linkage.ended(connection, {stored.link}))

    def of_whom_it_is(self, connection: Connection, tenant: TenantId, stored: Sequence[Stored]) -> list[Stored]:
        """Return *stored*, each of the person for whom its code stands now: a wrong link may have been put right.

        Source: A1-019.
        """
        ended = self._office.linkage.ended(connection, {each.link for each in stored if each.link is not None})
        return [
            self._renewed(connection, tenant, each, each.link) if each.link is not None and each.link in ended else each
            for each in stored
        ]

    def held(
        self,
        connection: Connection,
        tenant: TenantId,
        stored: Stored,
        kept: Kept,
        *,
        address: AddressNumber,
        now: datetime,
    ) -> Found | Outcome:
        """Return what is given by itself, or why it is not.

        Bars come first, so that nothing at all is said of who is barred: not even that a layout has changed.
        """
        person, number = stored.person or b"", stored.information
        store.hold_bars(connection)
        bars = store.bars(connection, number, person)
        if held := holding(bars, information=number, person=person, datasets=()):
            return _deferred(held[0].cause, stored, now)
        if not self._is_permitted(tenant, stored, kept):
            return _deferred(Cause.NOT_PERMITTED, stored, now)
        layouts = self._office.neighbours.masters.layouts(tenant, kept.information)
        verdict = self.answerable(stored, layouts, now)
        if verdict is not Answerable.YES:
            reason = Reason.LAYOUT_CHANGED if verdict is Answerable.LAYOUT_CHANGED else Reason.OTHER
            return Outcome(Event.REFUSE, Refusal(reason, now))
        found = self.found(connection, tenant, stored, kept, address=address, today=answering_day(stored, now))
        if held := holding(bars, information=number, person=person, datasets=found.datasets):
            return _deferred(held[0].cause, stored, now)
        return found if found.records else _deferred(Cause.NO_RECORD, stored, now)

    def provision(
        self,
        connection: Connection,
        tenant: TenantId,
        stored: Stored,
        kept: Kept,
        *,
        records: Sequence[Given],
        now: datetime,
    ) -> Provision:
        """Return *records* as the inquirer alone can read them.

        Raises:
            NoActiveCertificate: nobody can sign for the organisation now.
        """
        about = _about(stored, kept.provider)
        with stage(Stage.BUILD, tenant):
            document = information(about, kept.information, records)
        with stage(Stage.SEND, tenant):
            signer = self._office.keys.signer_on(connection, tenant, now=now)
            return sealed(document, about, records, Envelope(signer, kept.kid, kept.key), now=now)

    def send(
        self,
        connection: Connection,
        tenant: TenantId,
        stored: Stored,
        provider: str,
        outcome: Outcome,
        *,
        now: datetime,
    ) -> UUID:
        """Queue the answer, and return its message."""
        about = _about(stored, provider)

        def write(message: UUID) -> bytes:
            return answer(message, about, outcome.told)

        return self._office.outbox.enqueue(connection, tenant, stored.conv, ANSWER, write, now=now)

    # -- how -----------------------------------------------------------------------------------------

    def _permit(self, incoming: Incoming) -> Permit:
        requested = incoming.requested
        asked = Asked(incoming.provider, requested.serial, requested.inquirer, requested.certificate)
        return verified(requested.permit.encode(), asked, self._office.neighbours.network_keys, now=incoming.at)

    def _judged(self, incoming: Incoming, permit: Permit, begun: Stored, kept: Kept) -> tuple[Stored, Outcome]:
        """Return the provision with its person, and what becomes of it.

        A failure that repeating would not mend is left to staff; any other one has the network repeat the request.
        """
        try:
            with stage(Stage.FETCH, incoming.tenant):
                link, address = self._office.linkage.held_by(incoming.connection, incoming.tenant, permit.code)
                begun = self._of_person(incoming.tenant, begun, link, address)
                held = self.held(
                    incoming.connection, incoming.tenant, begun, kept, address=address, now=incoming.at
                )  # fmt: skip
            if not isinstance(held, Found):
                return begun, held
            told = self.provision(
                incoming.connection, incoming.tenant, begun, kept, records=held.records, now=incoming.at
            )
            return begun, Outcome(Event.ANSWER, told)
        except CodeNotAcquired:
            return begun, Outcome(Event.REFUSE, Refusal(Reason.NO_RECORD, incoming.at))
        except ChukanError as error:
            if error.retryable:
                raise
            return begun, _deferred(Cause.FAULT, begun, incoming.at)

    def _is_permitted(self, tenant: TenantId, stored: Stored, kept: Kept) -> bool:
        """Return whether our own masters allow what the network has permitted: a second look at whoever made a mistake.

        Source: A0-159 (a permit for another item), A2-008.
        """
        return self._office.neighbours.masters.permits(
            tenant,
            inquirer=stored.inquirer,
            affair=kept.affair,
            procedure=kept.procedure,
            provider=kept.provider,
            information=kept.information,
        )

    def _renewed(self, connection: Connection, tenant: TenantId, stored: Stored, ended: UUID) -> Stored:
        try:
            link, address = self._office.linkage.now_held_by(connection, tenant, ended)
        except CodeNotAcquired:
            renewed = replace(stored, person=None, link=None, address=None)
        else:
            renewed = self._of_person(tenant, stored, link, address)
            person, number = renewed.person or b"", stored.information
            bars = holding(store.bars(connection, number, person), information=number, person=person, datasets=())
            if bars and bars[0].cause is Cause.BARRED_PERSON:
                renewed = replace(renewed, cause=Cause.BARRED_PERSON)
        store.rename(connection, renewed)
        return renewed

    def _of_person(self, tenant: TenantId, begun: Stored, link: UUID, address: AddressNumber) -> Stored:
        seals = Seals(self._office.vault, tenant)
        column = self._office.vault.column(tenant, PROVISION, ADDRESS)
        return replace(
            begun, person=seals.person(address), link=link, address=column.seal(begun.id, address.encode())
        )  # fmt: skip

    def _keep(self, incoming: Incoming, begun: Stored, outcome: Outcome, kept: Kept) -> None:
        """Store the provision with its history, its answer, and its record."""
        connection, tenant, told = incoming.connection, incoming.tenant, outcome.told
        message = self.send(connection, tenant, begun, incoming.provider, outcome, now=incoming.at)
        state = State(outcome.result.value)
        column = self._office.vault.column(tenant, PROVISION, REQUEST)
        stored = replace(
            begun,
            request=column.seal(begun.id, kept.written()),
            state=state,
            cause=outcome.cause,
            reason=None if isinstance(told, Provision) else told.reason,
            expected_on=told.expected_on if isinstance(told, Deferral) else None,
            answered_at=outcome.answered_at,
            provided=parts(told),
            message=message,
        )
        store.add(connection, stored)
        store.note(
            connection, stored.id, outcome.event, state, at=incoming.at, actor=incoming.actor, cause=outcome.cause
        )  # fmt: skip
        self._record(incoming, stored, outcome, kept)

    def _record(self, incoming: Incoming, stored: Stored, outcome: Outcome, kept: Kept) -> None:
        requested = incoming.requested
        fact = Fact(
            side=Side.PROVIDER,
            inquirer=stored.inquirer,
            serial=stored.serial,
            provider=incoming.provider,
            affair=kept.affair,
            procedure=kept.procedure,
            information=kept.information,
            requested_at=stored.requested_at,
            answered_at=outcome.answered_at,
            result=outcome.result,
            non_disclosure=requested.non_disclosure,
            person=stored.person,
        )
        write_record(incoming.connection, incoming.tenant, fact, incoming.at)


@contextmanager
def stage(which: Stage, tenant: TenantId) -> Iterator[None]:
    """Log how one step of a reply ended. Source: A3-012."""
    begun = monotonic()
    try:
        yield
    except Exception as error:
        _log.warning("provisions.stage_failed", organisation=tenant, stage=which.value, exc_info=error)
        raise
    took = round((monotonic() - begun) * 1000, 2)
    _log.info("provisions.stage_done", organisation=tenant, stage=which.value, duration_ms=took)


def parts(told: Provision | Deferral | Refusal) -> tuple[str, ...]:
    """Return what was given as it is stored: dataset, version and count."""
    counts = told.counts if isinstance(told, Provision) else ()
    return tuple(f"{dataset}/{version}/{count}" for dataset, version, count in counts)


def answering_day(stored: Stored, now: datetime) -> date:
    """Return the day (Asia/Tokyo) on which *stored* is answered at *now*.

    An inquirer's clock may be ahead by as much as everybody's: what it asked in the first minute of a day is not
    refused in the last one of the day before.
    """
    is_ahead = timedelta() < stored.requested_at - now <= MAX_AHEAD
    return as_tokyo(stored.requested_at if is_ahead else now).date()


def expected_on(now: datetime, valid_until: datetime) -> date | None:
    """Return by which day staff are expected to decide: within the term, and not behind the calendar's end."""
    try:
        day = shipped_deadlines().staff_provision(as_tokyo(now).date(), shipped_schedule().calendar)
    except CalendarOutOfRange:
        return None
    return min(day, as_tokyo(valid_until).date() - _DAY)


def _deferred(cause: Cause, begun: Stored, now: datetime) -> Outcome:
    """Return that staff decide; the inquirer is told the same for every cause: who is protected stays hidden."""
    day = expected_on(now, begun.valid_until)
    return Outcome(Event.DEFER, Deferral(Reason.STAFF_DECISION, day), cause)


def _about(stored: Stored, provider: str) -> About:
    return About(stored.serial, stored.inquirer, provider, stored.permit)


def _begun(id_: UUID, incoming: Incoming, claims: Permit | Claims) -> Stored:
    requested = incoming.requested
    return Stored(
        id=id_,
        inquirer=requested.inquirer,
        serial=requested.serial,
        conv=incoming.conv,
        permit=claims.id,
        information=information_number(claims.information),
        person=None,
        link=None,
        address=None,
        request=None,
        state=State.DEFERRED,
        cause=None,
        reason=None,
        expected_on=None,
        requested_at=requested.requested_at,
        valid_until=claims.valid_until,
        answered_at=None,
        provided=(),
        message=None,
    )


def _kept(incoming: Incoming, claims: Permit | Claims) -> Kept:
    """Return what is kept of a request; where its permit does not hold, what that claims."""
    requested = incoming.requested
    return Kept(
        provider=incoming.provider,
        inquirer_name=requested.inquirer_name,
        information=claims.information,
        affair=claims.affair,
        procedure=claims.procedure,
        kind=requested.kind,
        first=requested.first.isoformat() if requested.first else None,
        last=requested.last.isoformat() if requested.last else None,
        year=requested.year,
        kid=claims.kid if isinstance(claims, Permit) else "",
        certificate=requested.certificate,
    )
