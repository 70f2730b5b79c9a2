"""Where an organisation's tenant stands, as far as the platform's own tables say it: state and release, no content."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Column, Connection, MetaData, Table, Text, Uuid, select
from sqlalchemy.dialects.postgresql import TIMESTAMP

from chukan.platform.database.tables import SHARED_SCHEMA, Tenant, TenantState
from chukan.platform.identifiers import TenantId

#: What is read of the releases' table, which belongs to a feature above this one.
_RELEASE = Table(
    "tenant_release",
    MetaData(schema=SHARED_SCHEMA),
    Column("tenant", Uuid),
    Column("revision", Text),
    Column("failed_at", TIMESTAMP(timezone=True)),
)


@dataclass(frozen=True, slots=True)
class TenantStanding:
    """The tenant's state, the revision of its schema (None: not recorded), and whether the last release failed."""

    state: TenantState
    revision: str | None
    failed: bool


def standing_of(connection: Connection, tenant: TenantId | None) -> TenantStanding | None:
    """Return where *tenant* stands; None where there is none."""
    if tenant is None:
        return None
    query = select(Tenant.state, _RELEASE.c.revision, _RELEASE.c.failed_at)
    row = connection.execute(query.outerjoin(_RELEASE, _RELEASE.c.tenant == Tenant.id).where(Tenant.id == tenant)).one()
    return TenantStanding(TenantState(row.state), row.revision, row.failed_at is not None)
