"""What may be known of inquiries outside of their organisation's schema: notices of expiry, and what is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from chukan.platform.database.tables import Tenant, TenantState
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.inquiries.tables import ExpiryNoticeRow
from chukan.tenants.middleserver.transmission import shared_store
from chukan.tenants.middleserver.transmission.tables import DueRow, ExchangeStandingRow
from chukan.tenants.registry.people.rules import Role
from chukan.tenants.registry.people.tables import Contact, RoleAssignment
from chukan.tenants.registry.tables import Organisation

#: More than there will ever be organisations.
_ALL = 10_000


@dataclass(frozen=True)
class PaceOverview:
    """Since when (UTC) the inquiries that have waited longest are due, and the database's instant."""

    measured_at: datetime
    oldest_due: datetime | None


def exchanging(connection: Connection) -> Sequence[TenantId]:
    """Return the active tenants that ever exchanged anything."""
    query = select(ExchangeStandingRow.tenant).join(Tenant, Tenant.id == ExchangeStandingRow.tenant)
    found = connection.execute(query.where(Tenant.state == TenantState.ACTIVE.value).order_by(Tenant.id))
    return [TenantId(tenant) for tenant in found.scalars()]


def notice(connection: Connection, tenant: TenantId, day: date, count: int) -> bool:
    """Write down that *count* inquiries of *tenant* end with *day*; False if that was done before."""
    made = upsert(ExpiryNoticeRow).values(tenant=tenant, last_day=day, inquiries=count).on_conflict_do_nothing()
    return connection.execute(made.returning(ExpiryNoticeRow.tenant)).one_or_none() is not None


def mailed(connection: Connection, tenant: TenantId, day: date) -> None:
    """Write down that the notice of *day* is in the mail."""
    row = ExpiryNoticeRow
    change = update(row).where(row.tenant == tenant, row.last_day == day)
    connection.execute(change.values(mailed_at=func.clock_timestamp()))


def administrators(connection: Connection, tenant: TenantId, on: date) -> tuple[str, Sequence[str]]:
    """Return the name of the organisation of *tenant*, and the addresses of its system administrators on that day."""
    name: str = connection.execute(select(Organisation.name).where(Organisation.tenant == tenant)).scalar_one()
    held = (
        select(Contact.email)
        .join(RoleAssignment, RoleAssignment.contact == Contact.id)
        .join(Organisation, Organisation.id == RoleAssignment.organisation)
        .where(
            Organisation.tenant == tenant,
            RoleAssignment.role == Role.SYSTEM_ADMIN.value,
            RoleAssignment.since <= on,
            or_(RoleAssignment.until.is_(None), RoleAssignment.until > on),
        )
    )
    return name, connection.execute(held.distinct().order_by(Contact.email)).scalars().all()


def pace_overview(connection: Connection, kind: str) -> PaceOverview:
    """Return since when *kind* is due at organisations whose exchange goes on."""
    going = [each.tenant for each in shared_store.due(connection, kind, _ALL)]
    oldest = select(func.min(DueRow.at)).where(DueRow.kind == kind, DueRow.tenant.in_(going))
    now, at = connection.execute(select(func.clock_timestamp(), oldest.scalar_subquery())).one()
    return PaceOverview(now, at)
