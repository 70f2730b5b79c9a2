"""Queries on exemptions, and on what a limit rests on. They take a connection and never commit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection

from chukan.platform.database.engines import driver


@dataclass(frozen=True)
class Exemption:
    """An approved exemption; it holds from ``first`` until the day before ``until`` (Asia/Tokyo)."""

    organisation: str
    first: date
    until: date
    reason: str
    approved_by: str
    approval: UUID
    recorded_at: datetime


@dataclass(frozen=True)
class Base:
    """What a limit rests on: the kind, its own or (of a union) its members' population, and the last day's end."""

    organisation: str
    kind: str
    dissolved_on: date | None
    population: int | None
    #: Members on the day, and how many of them have a population.
    members: int
    counted: int


def add(connection: Connection, exemption: Exemption, organisation: UUID) -> None:
    """Record an approved exemption of the *organisation*."""
    driver(connection).execute(
        """
        insert into platform.upload_exemption (approval, organisation, from_day, until_day, reason, approved_by)
        values (%s, %s, %s, %s, %s, %s)
        """,
        (
            exemption.approval,
            organisation,
            exemption.first,
            exemption.until,
            exemption.reason,
            exemption.approved_by,
        ),
    )


def exemptions(connection: Connection, day: date) -> Sequence[Exemption]:
    """Return the exemptions that hold on *day* or later, by first day."""
    rows = driver(connection).execute(
        """
        select coalesce(o.code, o.id::text), e.from_day, e.until_day, e.reason, e.approved_by, e.approval, e.recorded_at
        from platform.upload_exemption e join platform.organisation o on o.id = e.organisation
        where e.until_day > %s
        order by e.from_day, 1
        """,
        (day,),
    )
    return [Exemption(*row) for row in rows]


def is_exempt(connection: Connection, tenant: UUID, day: date) -> bool:
    """Return whether an exemption of the tenant's organisation holds on *day*."""
    row = (
        driver(connection)
        .execute(
            """
            select exists (
                select from platform.upload_exemption e join platform.organisation o on o.id = e.organisation
                where o.tenant = %s and e.from_day <= %s and e.until_day > %s
            )
            """,
            (tenant, day, day),
        )
        .fetchone()
    )
    return row is not None and bool(row[0])


def base(connection: Connection, tenant: UUID, day: date) -> Base | None:
    """Return what the limit of the tenant's organisation rests on, or None if it is nobody's tenant."""
    return bases(connection, [tenant], day).get(tenant)


def bases(connection: Connection, tenants: Collection[UUID], day: date) -> Mapping[UUID, Base]:
    """Return what the limits of the organisations of *tenants* rest on, in one query."""
    rows = driver(connection).execute(
        """
        with newest as (
            select distinct on (p.organisation) p.organisation, p.value
            from platform.population p
            where p.as_of <= %(day)s
              and p.organisation in (
                select o.id from platform.organisation o where o.tenant = any(%(tenants)s)
                union all
                select m.member from platform.union_member m
                join platform.organisation o on o.id = m.union_id
                where o.tenant = any(%(tenants)s)
              )
            order by p.organisation, p.as_of desc, p.recorded_at desc
        )
        select o.tenant, coalesce(o.code, o.id::text), o.kind, o.dissolved_on, own.value,
            count(m.member), count(theirs.value), sum(theirs.value)
        from platform.organisation o
        left join newest own on own.organisation = o.id
        left join platform.union_member m on m.union_id = o.id
            and m.since <= %(day)s and (m.until is null or m.until > %(day)s)
        left join newest theirs on theirs.organisation = m.member
        where o.tenant = any(%(tenants)s)
        group by o.id, own.value
        """,
        {"tenants": list(tenants), "day": day},
    )
    return {
        tenant: Base(organisation, kind, gone, int(together or 0) if members else own, members, counted)
        for tenant, organisation, kind, gone, own, members, counted, together in rows
    }
