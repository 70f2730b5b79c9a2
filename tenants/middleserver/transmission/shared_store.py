"""Queries of what is due, stopped and told of the tenants' exchange, in the shared schema; nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Exists, bindparam, delete, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import InstrumentedAttribute

from chukan.platform.database.tables import Tenant, TenantState
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.security.certificates.tables import CertificateProjectionRow
from chukan.tenants.middleserver.transmission.outbox_store import Counts
from chukan.tenants.middleserver.transmission.rules import RELAY
from chukan.tenants.middleserver.transmission.tables import DueRow, ExchangeStandingRow, ExchangeStopRow


def _stopped_at(tenant: InstrumentedAttribute[UUID]) -> Exists:
    row = ExchangeStopRow
    return select(row.id).where(row.resumed_at.is_(None), or_(row.tenant.is_(None), row.tenant == tenant)).exists()


# Asked for every message, or at every look: composed once, for that takes longer than to run it.
_ADDRESSEE = select(
    CertificateProjectionRow.tenant, _stopped_at(CertificateProjectionRow.tenant).label("stopped")
).where(CertificateProjectionRow.kid == bindparam("kid"))
_STOPS = (
    select(ExchangeStopRow.tenant, ExchangeStopRow.reason, ExchangeStopRow.stopped_by, ExchangeStopRow.stopped_at)
    .where(ExchangeStopRow.resumed_at.is_(None))
    .order_by(ExchangeStopRow.id)
)
_DUE = (
    select(DueRow.tenant, func.array_agg(DueRow.id).label("marks"))
    .join(Tenant, Tenant.id == DueRow.tenant)
    .where(
        DueRow.kind == bindparam("kind"),
        DueRow.at <= func.clock_timestamp(),
        Tenant.state == TenantState.ACTIVE.value,
        ~_stopped_at(DueRow.tenant),
    )
    .group_by(DueRow.tenant)
    .order_by(func.min(DueRow.at), DueRow.tenant)
    .limit(bindparam("most"))
)
_MARKS = text(
    """
    select array(select id from platform.due where kind = :kind and tenant = :tenant) as marks, exists (
        select from platform.exchange_stop where resumed_at is null and (tenant is null or tenant = :tenant)
    ) as stopped
    """
)
_LOOKED = text(
    """
    with again as (
        insert into platform.due (tenant, kind, at)
        select :tenant, :kind, cast(:again_at as timestamptz) where cast(:again_at as timestamptz) is not null
    )
    delete from platform.due where id = any(:marks)
    """
)
_STAND = text(
    """
    insert into platform.exchange_standing
        (tenant, unsent, oldest_unsent_at, dead, refused, held, oldest_held_at, measured_at)
    values (:tenant, :unsent, :oldest_unsent_at, :dead, :refused, :held, :oldest_held_at, clock_timestamp())
    on conflict (tenant) do update set unsent = excluded.unsent, oldest_unsent_at = excluded.oldest_unsent_at,
        dead = excluded.dead, refused = excluded.refused, held = excluded.held,
        oldest_held_at = excluded.oldest_held_at, measured_at = excluded.measured_at
    """
)


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
    return [
        Due(TenantId(row.tenant), tuple(row.marks)) for row in connection.execute(_DUE, {"kind": kind, "most": limit})
    ]


def marks(connection: Connection, kind: str, tenant: TenantId) -> tuple[Due, bool]:
    """Return what says that *kind* is due at *tenant*, now or later, and whether its exchange is stopped."""
    row = connection.execute(_MARKS, {"kind": kind, "tenant": tenant}).one()
    return Due(tenant, tuple(row.marks)), row.stopped


def looked(connection: Connection, seen: Due, kind: str, again_at: datetime | None) -> None:
    """Take away the marks that were *seen* before the work was done, and set one for the next look, if there is one."""
    told = {"tenant": seen.tenant, "kind": kind, "again_at": again_at, "marks": [*seen.marks]}
    connection.execute(_LOOKED, told)


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
    connection.execute(_STAND, {"tenant": tenant, **asdict(counts)})


def stopped(connection: Connection, tenant: TenantId) -> Stop | None:
    """Return the stop that holds for *tenant*, if there is one: its own before that of all."""
    found = [stop for stop in stops(connection) if stop.tenant in {tenant, None}]
    return min(found, key=lambda stop: stop.tenant is None, default=None)


def stops(connection: Connection) -> Sequence[Stop]:
    """Return all stops in force, oldest first."""
    return [
        Stop(TenantId(each.tenant) if each.tenant else None, each.reason, each.stopped_by, each.stopped_at)
        for each in connection.execute(_STOPS)
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


def addressee(connection: Connection, kid: str) -> tuple[TenantId, bool] | None:
    """Return whose certificate *kid* is, and whether the exchange is stopped there."""
    row = connection.execute(_ADDRESSEE, {"kid": kid}).one_or_none()
    return None if row is None else (TenantId(row.tenant), row.stopped)


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
