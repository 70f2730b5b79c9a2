"""Writing down what was asked and answered, finding it, and comparing it with the network's records each night.

Source: A0-156; rules C89.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol
from uuid import UUID

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import as_tokyo
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import get_logger
from chukan.platform.messages import text
from chukan.tenants.middleserver.formats.codes import tokyo_day_begins
from chukan.tenants.middleserver.formats.errors import (
    DocumentForbidden,
    DocumentMalformed,
    DocumentTooLarge,
    MessageRefused,
    MessageUnexpected,
)
from chukan.tenants.middleserver.formats.individual_number import refuse_in
from chukan.tenants.middleserver.formats.messages import Element, MessageMode, parse, value
from chukan.tenants.middleserver.provision_records import store
from chukan.tenants.middleserver.provision_records.errors import CaseNotOpen, CaseReasonTooLong, RecordListRefused
from chukan.tenants.middleserver.provision_records.rules import (
    SETTLES_IN,
    Fact,
    Key,
    Result,
    Side,
    compared,
    kept_from,
    spans,
)
from chukan.tenants.middleserver.provision_records.store import Case
from chukan.tenants.middleserver.provision_records.trail import RecordAction
from chukan.tenants.middleserver.security.errors import JoseRefused
from chukan.tenants.middleserver.security.jose import MAX_PACKAGE, PublicKeys, Window, verify
from chukan.tenants.middleserver.transmission.errors import NetworkAway

LIST = "IF_TKM_X0401_S01"
#: An inquiry may be open for thirty days, and end on the day after.
_LOOKS_BACK = timedelta(days=32)
_DAYS_AT_ONCE = 4
#: Characters of a reason that an operator gives.
MOST_REASON = 500
#: A list is of now.
_LIST_LASTS = timedelta(days=1)
_log = get_logger(__name__)


def write(connection: Connection, tenant: TenantId, fact: Fact, now: datetime) -> None:  # noqa: ARG001 - whose and when, the session and the fact say
    """Write *fact* down in the caller's transaction, in the organisation's own session.

    What is known already keeps what it said of the request; only result and instant of the answer follow.

    Source: A0-156.
    """
    store.write(connection, fact)


def went_on(connection: Connection, key: Key, result: Result, answered_at: datetime | None) -> None:
    """Write down how the record *key* went on, in the caller's transaction, where all that was asked is known already.

    *answered_at* belongs to a final result, and to no other.
    """
    store.went_on(connection, key, result, answered_at)


class RecordSource(Protocol):
    """Where the network gives its records: the answers are signed texts (compact JWS), as they came."""

    def records(self, institution: str, first: date, last: date, after: str = "") -> bytes:
        """Return the signed list (IF_TKM_X0401_S01) of what *institution* took part in on these days.

        *after* is what the list before said of more.

        Raises:
            NetworkAway, NetworkAnswerWrong: as the network's other doors.
        """
        ...


class Institutions(Protocol):
    """Which institution on the network an organisation is."""

    def __call__(self, tenant: TenantId, now: datetime) -> str | None:
        """Return its institution code; None if it has no certificate, and so does not exchange anything."""
        ...


@dataclass(frozen=True)
class Reconciled:
    """What one comparison found: records of both sides together, and cases."""

    compared: int
    differing: int
    opened: int
    closed: int


class Records:
    """The records of organisations, each in its own session."""

    def __init__(self, sessions: TenantSessions) -> None:
        self._sessions = sessions

    def find(self, tenant: TenantId, *, serial: str | None = None, reception: str | None = None) -> list[Fact]:
        """Return what is recorded under a processing serial or a reception number.

        Raises:
            ValueError: not exactly one of them is given.
        """
        if (serial is None) is (reception is None):
            raise ValueError("a record is found by its serial or by its reception number")
        with self._sessions.connection(tenant) as connection:
            if serial is not None:
                return store.of_serial(connection, serial)
            return store.of_reception(connection, reception or "")

    def forget(self, tenant: TenantId, *, now: datetime) -> int:
        """Delete what was kept for seven full years; return how many records. Source: rules C89."""
        before, count = tokyo_day_begins(kept_from(as_tokyo(now).date())), 0
        while True:
            with self._sessions.begin(tenant) as connection:
                gone = store.forget(connection, before)
            if not gone:
                return count
            count += gone


class Reconciliation:
    """Compares organisations' records with the network's, under the worker's log-in."""

    def __init__(
        self,
        actor: Actor,
        sessions: TenantSessions,
        source: RecordSource,
        keys: PublicKeys,
        institution: Institutions,
    ) -> None:
        self._actor = actor
        self._sessions = sessions
        self._source = source
        self._keys = keys
        self._institution = institution

    def run(self, *, now: datetime) -> int:
        """Compare all organisations; a failure at one keeps no other one waiting. Return at how many it failed.

        Raises:
            NetworkAway: the network cannot be reached; those that are left come first the next time.
        """
        with self._actor.engine.connect() as connection:
            tenants = store.organisations(connection)
        failed = 0
        for tenant in tenants:
            try:
                self.reconcile(tenant, now=now)
            except NetworkAway:
                raise
            except (ChukanError, SQLAlchemyError, psycopg.Error) as error:
                failed += 1
                _log.error("provision_records.reconciliation_failed", organisation=tenant, exc_info=error)
        return failed

    def reconcile(
        self, tenant: TenantId, *, now: datetime, since: date | None = None, settles_in: timedelta = SETTLES_IN
    ) -> Reconciled | None:
        """Compare the records of one organisation from the day *since* on, and those that have an open case.

        Without *since*: all that might have changed since the last comparison, however many nights were missed.

        What happened within *settles_in* may still be on its way and is left to the next time.

        None: it has no certificate, and so no part in the exchange.

        Raises:
            RecordListRefused: the network's list is not what was asked for, or not signed by it.
            NetworkAway, NetworkAnswerWrong: it could not be fetched.
        """
        institution = self._institution(tenant, now)
        if institution is None:
            return None
        today = as_tokyo(now).date()
        with self._actor.engine.connect() as connection:
            last = store.compared_at(connection, tenant) or now
            first = since or as_tokyo(min(last, now)).date() - _LOOKS_BACK
            # A case that is older is looked at until both agree, or somebody closes it.
            older = [(day, day) for day in store.days_of_cases(connection, tenant, before=first)]
        total = Reconciled(0, 0, 0, 0)
        for span in (*older, *spans(first, today, _DAYS_AT_ONCE)):
            total = self._span(tenant, institution, span, now, total, before=now - settles_in)
        with self._actor.engine.begin() as connection:
            counts = {"compared": total.compared, "differing": total.differing}
            store.stand(connection, tenant, (first, today), **counts, at=now)
        if total.differing:
            _log.error("provision_records.records_differ", organisation=tenant, count=total.differing)
        return total

    def cases(self, *, open_only: bool = True) -> Sequence[Case]:
        """Return cases, oldest first."""
        with self._actor.engine.connect() as connection:
            return store.cases(connection, open_only=open_only)

    def _span(
        self,
        tenant: TenantId,
        institution: str,
        span: tuple[date, date],
        now: datetime,
        so_far: Reconciled,
        *,
        before: datetime,
    ) -> Reconciled:
        theirs = self._theirs(institution, span, now)
        begins, ends = tokyo_day_begins(span[0]), tokyo_day_begins(span[1] + timedelta(days=1))
        # Ours after theirs: what came in between is too young to be compared.
        with self._sessions.connection(tenant) as connection:
            ours = store.between(connection, begins, ends)
        found = compared(ours, theirs, before=before)
        with self._actor.engine.begin() as connection:
            opened, closed = store.keep(connection, tenant, found, span, at=now)
        return Reconciled(
            so_far.compared + len({fact.key for fact in (*ours, *theirs)}),
            so_far.differing + len(found),
            so_far.opened + opened,
            so_far.closed + closed,
        )

    def _theirs(self, institution: str, span: tuple[date, date], now: datetime) -> list[Fact]:
        found: list[Fact] = []
        after = ""
        while True:
            facts, more = read_list(
                self._source.records(institution, *span, after), self._keys, institution, span, now=now
            )
            found += facts
            if not more or more == after:
                return found
            after = more


def close_case(actor: Actor, case: UUID, *, reason: str, now: datetime) -> None:
    """Close a case that was looked into, for a *reason* that the trail keeps; if it still differs it opens again.

    Raises:
        CaseNotOpen: there is no such case, or it is closed.
        CaseReasonTooLong: *reason* cannot be kept.
        IndividualNumberSuspected: it seems to hold an Individual Number.
    """
    if len(reason) > MOST_REASON:
        raise CaseReasonTooLong(limit=MOST_REASON)
    refuse_in(reason, field=text("Reason"))
    with actor.act(RecordAction.CLOSE_CASE, f"case:{case}", reason=reason) as unit:
        if not store.close(unit.connection, case, actor=actor.name, reason=reason, at=now):
            raise CaseNotOpen(case=case)


def read_list(
    token: bytes, keys: PublicKeys, institution: str, span: tuple[date, date], *, now: datetime
) -> tuple[list[Fact], str]:
    """Return what the network's signed list says, and what to ask for if there is more.

    Raises:
        RecordListRefused: the network did not sign it, or it is not for this institution and these days.
    """
    try:
        signed = verify(token, keys, types={LIST}, window=Window(now, max_age=_LIST_LASTS), max_bytes=MAX_PACKAGE)
        message = parse(signed.payload, {LIST})
        root = message.root
        told = (value(root, "Institution"), value(root, "From"), value(root, "To"))
        if (
            told != (institution, *(day.isoformat() for day in span))
            or message.header.mode is not MessageMode.PRODUCTION
        ):
            raise RecordListRefused(detail="it is for others, for other days, or a test")
        return [_fact(entry) for entry in root.iterfind("Entry")], value(root, "More")
    except (
        JoseRefused,
        MessageRefused,
        MessageUnexpected,
        DocumentForbidden,
        DocumentMalformed,
        DocumentTooLarge,
    ) as error:
        raise RecordListRefused(detail=f"{error.code} {error.detail}") from error
    except ValueError as error:
        raise RecordListRefused(detail="an entry contradicts itself") from error


def _fact(entry: Element) -> Fact:
    answered_at = value(entry, "AnsweredAt")
    return Fact(
        side=Side(value(entry, "Side")),
        inquirer=value(entry, "InquirerInstitution"),
        serial=value(entry, "ProcessingSerial"),
        provider=value(entry, "ProviderInstitution"),
        affair=value(entry, "Affair"),
        procedure=value(entry, "Procedure"),
        information=value(entry, "Information"),
        requested_at=datetime.fromisoformat(value(entry, "RequestedAt")),
        answered_at=datetime.fromisoformat(answered_at) if answered_at else None,
        result=Result(value(entry, "Result")),
        non_disclosure=value(entry, "NonDisclosure") == "1",
    )
