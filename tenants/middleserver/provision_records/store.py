"""Queries of provision records under the organisation's own log-in, and of cases outside; nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Connection, CursorResult, Row, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from chukan.platform.database.tables import Tenant, TenantState
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.provision_records.cases import CaseRow, StandingRow
from chukan.tenants.middleserver.provision_records.rules import (
    Difference,
    DifferenceKind,
    Fact,
    Key,
    Result,
    Side,
    to_second,
)
from chukan.tenants.middleserver.provision_records.tables import ProvisionRecordRow
from chukan.tenants.middleserver.transmission.exchange_hours import ExchangeHourRow

#: One statement for all that is ever written: what is fixed is written once, how it ended may follow.
_WRITE = text(
    """
    insert into provision_record (side, inquirer, serial, provider, affair, procedure, information, requested_at,
        answered_at, result, non_disclosure, reception, person)
    values (:side, :inquirer, :serial, :provider, :affair, :procedure, :information, :requested_at,
        :answered_at, :result, :non_disclosure, :reception, :person)
    on conflict on constraint provision_record_serial_key do update
        set answered_at = excluded.answered_at, result = excluded.result
    """
)
_WENT_ON = text(
    """
    update provision_record set answered_at = :answered_at, result = :result
    where inquirer = :inquirer and serial = :serial and side = :side
    """
)
_FACT = (
    ProvisionRecordRow.side,
    ProvisionRecordRow.inquirer,
    ProvisionRecordRow.serial,
    ProvisionRecordRow.provider,
    ProvisionRecordRow.affair,
    ProvisionRecordRow.procedure,
    ProvisionRecordRow.information,
    ProvisionRecordRow.requested_at,
    ProvisionRecordRow.answered_at,
    ProvisionRecordRow.result,
    ProvisionRecordRow.non_disclosure,
    ProvisionRecordRow.reception,
    ProvisionRecordRow.person,
)
#: As many records as one statement takes away.
_BATCH = 5_000


@dataclass(frozen=True)
class Case:
    """A difference that was found, and whether it was closed and by whom. Instants are UTC."""

    id: UUID
    tenant: TenantId
    key: Key
    kind: DifferenceKind
    fields: tuple[str, ...]
    requested_on: date
    opened_at: datetime
    seen_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    reason: str | None


@dataclass(frozen=True)
class Open:
    """What the check asks: open cases, at how many organisations, the oldest, and since when one was not compared."""

    cases: int
    organisations: int
    oldest_case: datetime | None
    oldest_reconciled: datetime | None
    now: datetime


# -- an organisation's records -----------------------------------------------------------------------


def write(connection: Connection, fact: Fact) -> None:
    """Write *fact* down, or how it went on if it is known."""
    connection.execute(
        _WRITE,
        {
            "side": fact.side.value,
            "inquirer": fact.inquirer,
            "serial": fact.serial,
            "provider": fact.provider,
            "affair": fact.affair,
            "procedure": fact.procedure,
            "information": fact.information,
            "requested_at": to_second(fact.requested_at),
            "answered_at": to_second(fact.answered_at) if fact.answered_at else None,
            "result": fact.result.value,
            "non_disclosure": fact.non_disclosure,
            "reception": fact.reception,
            "person": fact.person,
        },
    )


def went_on(connection: Connection, key: Key, result: Result, answered_at: datetime | None) -> None:
    """Write down how a known record went on."""
    values = {"inquirer": key.inquirer, "serial": key.serial, "side": key.side.value, "result": result.value}
    connection.execute(_WENT_ON, {**values, "answered_at": to_second(answered_at) if answered_at else None})


def of_serial(connection: Connection, serial: str) -> list[Fact]:
    """Return the records of a processing serial: each inquirer gives its own, so there may be several."""
    row = ProvisionRecordRow
    return [_fact(each) for each in connection.execute(select(*_FACT).where(row.serial == serial).order_by(row.id))]


def of_reception(connection: Connection, reception: str) -> list[Fact]:
    """Return the records of a reception number, in the order in which they were written."""
    row = ProvisionRecordRow
    return [
        _fact(each) for each in connection.execute(select(*_FACT).where(row.reception == reception).order_by(row.id))
    ]


def between(connection: Connection, since: datetime, until: datetime) -> list[Fact]:
    """Return the records of what was asked from *since* on and before *until*."""
    row = ProvisionRecordRow
    query = select(*_FACT).where(row.requested_at >= since, row.requested_at < until)
    return [_fact(each) for each in connection.execute(query)]


def forget(connection: Connection, before: datetime) -> int:
    """Delete up to some thousand records of what was asked before *before*; return how many."""
    row = ProvisionRecordRow
    some = select(row.id).where(row.requested_at < before).limit(_BATCH)
    return cast("CursorResult[Any]", connection.execute(delete(row).where(row.id.in_(some)))).rowcount


# -- cases, outside of the organisations' schemas ----------------------------------------------------


def organisations(connection: Connection) -> Sequence[TenantId]:
    """Return the tenants whose records are compared: those that are active, longest not compared first."""
    query = (
        select(Tenant.id)
        .outerjoin(StandingRow, StandingRow.tenant == Tenant.id)
        .where(Tenant.state == TenantState.ACTIVE.value)
        .order_by(StandingRow.reconciled_at.nulls_first(), Tenant.id)
    )
    return [TenantId(each) for each in connection.execute(query).scalars()]


def keep(
    connection: Connection, tenant: TenantId, found: Sequence[Difference], span: tuple[date, date], *, at: datetime
) -> tuple[int, int]:
    """Open a case for each difference that has none, close those of the *span* that agree again; return both counts."""
    row = CaseRow
    opened = 0
    for each in found:
        values = {
            "tenant": tenant,
            "side": each.key.side.value,
            "inquirer": each.key.inquirer,
            "serial": each.key.serial,
            "kind": each.kind.value,
            "fields": list(each.fields),
            "requested_on": each.requested_on,
            "opened_at": at,
            "seen_at": at,
        }
        made = upsert(row).values(**values)
        again = made.on_conflict_do_update(
            index_elements=[row.tenant, row.inquirer, row.serial, row.side],
            index_where=row.closed_at.is_(None),
            set_={"kind": made.excluded.kind, "fields": made.excluded.fields, "seen_at": at},
        ).returning(row.opened_at)
        opened += connection.execute(again).scalar_one() == at
    agreeing = (
        update(row)
        .where(
            row.tenant == tenant,
            row.closed_at.is_(None),
            row.requested_on.between(*span),
            row.seen_at < at,
        )
        .values(closed_at=at, closed_by="system:records-reconciliation", reason="agrees")
    )
    return opened, cast("CursorResult[Any]", connection.execute(agreeing)).rowcount


def compared_at(connection: Connection, tenant: TenantId) -> datetime | None:
    """Return when the records of *tenant* were compared last (UTC); None if they never were."""
    row = StandingRow
    return connection.execute(select(row.reconciled_at).where(row.tenant == tenant)).scalar_one_or_none()


def days_of_cases(connection: Connection, tenant: TenantId, *, before: date) -> Sequence[date]:
    """Return the days before *before* of inquiries that have an open case, oldest first."""
    row = CaseRow
    query = select(row.requested_on).distinct().where(row.tenant == tenant, row.closed_at.is_(None))
    return connection.execute(query.where(row.requested_on < before).order_by(row.requested_on)).scalars().all()


def stand(
    connection: Connection, tenant: TenantId, span: tuple[date, date], *, compared: int, differing: int, at: datetime
) -> None:
    """Tell until when the records of *tenant* have been compared, and what came of it."""
    values = {
        "from_day": span[0],
        "until_day": span[1],
        "compared": compared,
        "differing": differing,
        "reconciled_at": at,
    }
    made = upsert(StandingRow).values(tenant=tenant, **values)
    connection.execute(made.on_conflict_do_update(index_elements=[StandingRow.tenant], set_=values))


def cases(connection: Connection, *, open_only: bool = True, limit: int = 500) -> Sequence[Case]:
    """Return cases, oldest first."""
    row = CaseRow
    query = select(row.__table__).order_by(row.opened_at, row.id).limit(limit)
    if open_only:
        query = query.where(row.closed_at.is_(None))
    return [_case(each) for each in connection.execute(query)]


def close(connection: Connection, case: UUID, *, actor: str, reason: str, at: datetime) -> bool:
    """Close a case for *reason*; False if it is not open."""
    row = CaseRow
    change = update(row).where(row.id == case, row.closed_at.is_(None))
    made = change.values(closed_at=at, closed_by=actor, reason=reason).returning(row.id)
    return connection.execute(made).one_or_none() is not None


def standing(connection: Connection) -> Open:
    """Return what the check asks."""
    case, row = CaseRow, StandingRow
    counted = connection.execute(
        select(
            func.count().label("cases"),
            func.count(case.tenant.distinct()).label("organisations"),
            func.min(case.opened_at).label("oldest"),
            func.clock_timestamp().label("now"),
        ).where(case.closed_at.is_(None))
    ).one()
    is_active = Tenant.state == TenantState.ACTIVE.value
    reconciled = select(func.min(row.reconciled_at)).join(Tenant, Tenant.id == row.tenant).where(is_active)
    # Who was never compared has been waiting for it since its first inquiry.
    began = (
        select(func.min(ExchangeHourRow.hour))
        .join(Tenant, Tenant.id == ExchangeHourRow.tenant)
        .where(is_active, ~select(row.tenant).where(row.tenant == ExchangeHourRow.tenant).exists())
    )
    oldest = connection.execute(select(func.least(reconciled.scalar_subquery(), began.scalar_subquery()))).scalar_one()
    return Open(counted.cases, counted.organisations, counted.oldest, oldest, counted.now)


def _fact(row: Row[*tuple[Any, ...]]) -> Fact:
    return Fact(
        side=Side(row.side),
        inquirer=row.inquirer,
        serial=row.serial,
        provider=row.provider,
        affair=row.affair,
        procedure=row.procedure,
        information=row.information,
        requested_at=row.requested_at,
        answered_at=row.answered_at,
        result=Result(row.result),
        non_disclosure=row.non_disclosure,
        reception=row.reception,
        person=bytes(row.person) if row.person is not None else None,
    )


def _case(row: Row[*tuple[Any, ...]]) -> Case:
    return Case(
        id=row.id,
        tenant=TenantId(row.tenant),
        key=Key(row.inquirer, row.serial, Side(row.side)),
        kind=DifferenceKind(row.kind),
        fields=tuple(row.fields),
        requested_on=row.requested_on,
        opened_at=row.opened_at,
        seen_at=row.seen_at,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        reason=row.reason,
    )
