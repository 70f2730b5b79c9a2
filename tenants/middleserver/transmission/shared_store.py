"""Queries of what is due, stopped and told of the tenants' exchange, in the shared schema; nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Exists, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import InstrumentedAttribute

from chukan.platform.database.tables import Tenant, TenantState
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.security.certificates.tables import CertificateProjectionRow
from chukan.tenants.middleserver.transmission.outbox_store import Counts
from chukan.tenants.middleserver.transmission.rules import RELAY
from chukan.tenants.middleserver.transmission.tables import DueRow, ExchangeStandingRow, ExchangeStopRow


@dataclass(frozen=True)
class Due:
    """A tenant at which something is due, and the rows that say so."""

    tenant: TenantId
    marks: tuple[UUID, ...]


@dataclass(frozen=True)
class Stop:
    """A stop in force; without a tenant it is of all. *stopped_at* is UTC."""

    tenant: TenantId | None
    reason: str
    stopped_by: str
    stopped_at: datetime


@dataclass(frozen=True)
class Overview:
    """What the checks ask: ages of what waits, counts of what somebody has to look at, and stops. Instants are UTC."""

    measured_at: datetime
    oldest_due: datetime | None
    oldest_unsent: datetime | None
    oldest_held: datetime | None
    dead: int
    organisations_with_dead: int
    stops: int


def due(connection: Connection, kind: str, limit: int) -> Sequence[Due]:
    """Return active tenants at which *kind* is due, that which waits longest first, and that are not stopped."""
    query = (
        select(DueRow.tenant, func.array_agg(DueRow.id).label("marks"))
        .join(Tenant, Tenant.id == DueRow.tenant)
        .where(
            DueRow.kind == kind,
            DueRow.at <= func.clock_timestamp(),
            Tenant.state == TenantState.ACTIVE.value,
            ~_stopped_at(DueRow.tenant),
        )
        .group_by(DueRow.tenant)
        .order_by(func.min(DueRow.at), DueRow.tenant)
        .limit(limit)
    )
    return [Due(TenantId(row.tenant), tuple(row.marks)) for row in connection.execute(query)]


def marks(connection: Connection, kind: str, tenant: TenantId) -> Due:
    """Return what says that *kind* is due at *tenant*, now or later."""
    query = select(DueRow.id).where(DueRow.kind == kind, DueRow.tenant == tenant)
    return Due(tenant, tuple(connection.execute(query).scalars()))


def looked(connection: Connection, seen: Due, kind: str, again_at: datetime | None) -> None:
    """Take away the marks that were *seen* before the work was done, and set one for the next look, if there is one."""
    if again_at is not None:
        connection.execute(insert(DueRow).values(tenant=seen.tenant, kind=kind, at=again_at))
    connection.execute(delete(DueRow).where(DueRow.id.in_(seen.marks)))


def look_later(connection: Connection, seen: Due, kind: str, after: timedelta) -> None:
    """Take away the marks that were *seen*, and look again after so long."""
    connection.execute(insert(DueRow).values(tenant=seen.tenant, kind=kind, at=func.clock_timestamp() + after))
    connection.execute(delete(DueRow).where(DueRow.id.in_(seen.marks)))


def exchanging(connection: Connection) -> Sequence[TenantId]:
    """Return the active tenants that have exchanged messages: those of whose exchange something was ever told."""
    query = (
        select(ExchangeStandingRow.tenant)
        .join(Tenant, Tenant.id == ExchangeStandingRow.tenant)
        .where(Tenant.state == TenantState.ACTIVE.value)
        .order_by(ExchangeStandingRow.tenant)
    )
    return [TenantId(tenant) for tenant in connection.execute(query).scalars()]


def stand(connection: Connection, tenant: TenantId, counts: Counts) -> None:
    """Tell how the exchange with *tenant* stands."""
    values = {
        "unsent": counts.unsent,
        "oldest_unsent_at": counts.oldest_unsent_at,
        "dead": counts.dead,
        "refused": counts.refused,
        "held": counts.held,
        "oldest_held_at": counts.oldest_held_at,
        "measured_at": func.clock_timestamp(),
    }
    made = upsert(ExchangeStandingRow).values(tenant=tenant, **values)
    connection.execute(made.on_conflict_do_update(index_elements=[ExchangeStandingRow.tenant], set_=values))


def stopped(connection: Connection, tenant: TenantId) -> Stop | None:
    """Return the stop that holds for *tenant*, if there is one: its own before that of all."""
    found = [stop for stop in stops(connection) if stop.tenant in {tenant, None}]
    return min(found, key=lambda stop: stop.tenant is None, default=None)


def stops(connection: Connection) -> Sequence[Stop]:
    """Return all stops in force, oldest first."""
    row = ExchangeStopRow
    query = select(row.tenant, row.reason, row.stopped_by, row.stopped_at).where(row.resumed_at.is_(None))
    return [
        Stop(TenantId(each.tenant) if each.tenant else None, each.reason, each.stopped_by, each.stopped_at)
        for each in connection.execute(query.order_by(row.id))
    ]


def stop(connection: Connection, tenant: TenantId | None, *, reason: str, actor: str) -> bool:
    """Stop the exchange of *tenant*, or of all; False if it is stopped already."""
    made = upsert(ExchangeStopRow).values(tenant=tenant, reason=reason, stopped_by=actor).on_conflict_do_nothing()
    return connection.execute(made.returning(ExchangeStopRow.id)).one_or_none() is not None


def resume(connection: Connection, tenant: TenantId | None, *, actor: str) -> bool:
    """Lift the stop of *tenant*, or that of all; False if there is none."""
    where = ExchangeStopRow.tenant.is_(None) if tenant is None else ExchangeStopRow.tenant == tenant
    change = (
        update(ExchangeStopRow)
        .where(where, ExchangeStopRow.resumed_at.is_(None))
        .values(resumed_at=func.clock_timestamp(), resumed_by=actor)
    )
    return connection.execute(change.returning(ExchangeStopRow.id)).one_or_none() is not None


def holder_of(connection: Connection, kid: str) -> TenantId | None:
    """Return whose certificate *kid* is."""
    query = select(CertificateProjectionRow.tenant).where(CertificateProjectionRow.kid == kid)
    tenant: UUID | None = connection.execute(query).scalar_one_or_none()
    return TenantId(tenant) if tenant is not None else None


def overview(connection: Connection) -> Overview:
    """Return what the checks ask; tenants whose exchange is stopped on purpose do not count as waiting."""
    oldest_due = (
        select(func.min(DueRow.at))
        .join(Tenant, Tenant.id == DueRow.tenant)
        .where(DueRow.kind == RELAY, Tenant.state == TenantState.ACTIVE.value, ~_stopped_at(DueRow.tenant))
    )
    row, going = ExchangeStandingRow, ~_stopped_at(ExchangeStandingRow.tenant)
    standing = connection.execute(
        select(
            func.min(row.oldest_unsent_at).filter(going).label("unsent"),
            func.min(row.oldest_held_at).filter(going).label("held"),
            func.coalesce(func.sum(row.dead), 0).label("dead"),
            func.count().filter(row.dead > 0).label("with_dead"),
            func.clock_timestamp().label("now"),
        )
    ).one()
    return Overview(
        measured_at=standing.now,
        oldest_due=connection.execute(oldest_due).scalar_one(),
        oldest_unsent=standing.unsent,
        oldest_held=standing.held,
        dead=int(standing.dead),
        organisations_with_dead=standing.with_dead,
        stops=len(stops(connection)),
    )


def _stopped_at(tenant: InstrumentedAttribute[UUID]) -> Exists:
    row = ExchangeStopRow
    return select(row.id).where(row.resumed_at.is_(None), or_(row.tenant.is_(None), row.tenant == tenant)).exists()
