"""Queries on which schema is at which revision. They take a connection and never commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg

from chukan.platform.database.tenants import Placement
from chukan.platform.identifiers import TenantId


@dataclass(frozen=True)
class Due:
    """A schema that is not yet at the release, and where it is."""

    placement: Placement
    revision: str


@dataclass(frozen=True)
class Standing:
    """How many schemas of a group (None: of no group) are at a revision, and how many failed to leave it."""

    group: int | None
    revision: str
    schemas: int
    failed: int


@dataclass(frozen=True)
class Failed:
    """A schema that could not be brought to a release, and why; ``at`` is in UTC."""

    tenant: UUID
    organisation: str | None
    revision: str
    failed_revision: str
    failure: str
    at: datetime


def due(connection: psycopg.Connection, group: int | None, target: str) -> Sequence[Due]:
    """Return the schemas of *group* that are not at *target*, those that failed before last."""
    rows = connection.execute(
        """
        select t.id, t.schema, t.role, t.cluster, t.state, r.revision
        from platform.tenant_release r
        join platform.tenant t on t.id = r.tenant
        left join platform.organisation o on o.tenant = t.id
        where r.revision <> %s and t.state <> 'closed' and o.release_group is not distinct from %s
        order by r.failed_at nulls first, t.id
        """,
        (target, group),
    )
    return [Due(Placement(TenantId(row[0]), *row[1:5]), row[5]) for row in rows]


def standings(connection: psycopg.Connection) -> Sequence[Standing]:
    """Return how many schemas of each group are at which revision."""
    rows = connection.execute(
        """
        select o.release_group, r.revision, count(*), count(r.failed_at)
        from platform.tenant_release r
        join platform.tenant t on t.id = r.tenant
        left join platform.organisation o on o.tenant = t.id
        where t.state <> 'closed'
        group by o.release_group, r.revision
        order by o.release_group nulls last, r.revision
        """
    )
    return [Standing(*row) for row in rows]


def failures(connection: psycopg.Connection, *, limit: int | None = None, offset: int = 0) -> Sequence[Failed]:
    """Return the schemas whose last release failed, newest first; *limit* of them after *offset*, or all."""
    rows = connection.execute(
        """
        select r.tenant, coalesce(o.code, o.name), r.revision, r.failed_revision, r.failure, r.failed_at
        from platform.tenant_release r
        left join platform.organisation o on o.tenant = r.tenant
        where r.failed_at is not null
        order by r.failed_at desc, r.tenant
        limit %s offset %s
        """,
        (limit, offset),
    )
    return [Failed(*row) for row in rows]


def record_failure(connection: psycopg.Connection, tenant: TenantId, old: str, new: str, failure: str) -> None:
    """Keep that the schema could not be brought from *old* to *new*, and why."""
    connection.execute(
        """
        update platform.tenant_release set failed_revision = %s, failure = %s, failed_at = clock_timestamp()
        where tenant = %s and revision = %s
        """,
        (new, failure, tenant, old),
    )
    connection.execute(
        """
        insert into platform.tenant_release_event (tenant, from_revision, to_revision, failure)
        values (%s, %s, %s, %s)
        """,
        (tenant, old, new, failure),
    )
