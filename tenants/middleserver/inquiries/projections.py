"""What may be known of inquiries outside of their organisation's schema: notices of expiry, and what is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, func, or_, select, text, update
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
#: What the check takes for lately.
_LATELY = timedelta(seconds=30)


#: The one who may let lists leave now. It holds until the transaction ends, however that comes about.
_ALONE = text("select one from platform.list_pacer for update skip locked")
_UNDER_WAY = text(
    """
    select count(*) filter (where ended_at is null and left_at > clock_timestamp() - :silent) as under_way,
        count(*) filter (where ended_at > clock_timestamp() - :silent) as answered
    from platform.list_inquiry
    """
)
_FORGET = text(
    """
    delete from platform.list_inquiry where inquiry in (
        select inquiry from platform.list_inquiry where left_at <= clock_timestamp() - 2 * :silent
        for update skip locked
    )
    """
)


@dataclass(frozen=True)
class PaceOverview:
    """Since when (UTC) the inquiries that have waited longest are due, and the database's instant.

    *answered*: how many of lists had their answer within the last seconds.
    """

    measured_at: datetime
    oldest_due: datetime | None
    answered: int = 0


@dataclass(frozen=True)
class Line:
    """What lists of all organisations have under way, and how many had their answer within the last seconds."""

    under_way: int
    answered: int


def alone(connection: Connection) -> bool:
    """Return whether nobody else lets inquiries leave; until the transaction ends nobody will."""
    return connection.execute(_ALONE).one_or_none() is not None


def line(connection: Connection, silent: timedelta) -> Line:
    """Return how all lists together stand; what has been silent for *silent* is under way no more."""
    found = connection.execute(_UNDER_WAY, {"silent": silent}).one()
    return Line(found.under_way, found.answered)


def forget_line(connection: Connection, silent: timedelta) -> None:
    """Delete what counts for nothing any more; what is being changed just now comes another time."""
    connection.execute(_FORGET, {"silent": silent})


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
    return PaceOverview(now, at, line(connection, _LATELY).answered)
