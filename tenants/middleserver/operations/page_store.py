"""What the pages of the night and of the day's uploads ask for, in the shared schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from psycopg import sql
from psycopg.rows import class_row
from sqlalchemy import Connection

from chukan.platform.clock import TOKYO
from chukan.platform.database.engines import driver
from chukan.platform.errors import ChukanError
from chukan.tenants.limits.budget import limit_of
from chukan.tenants.limits.data import shipped_limits
from chukan.tenants.limits.exemptions import store as exemptions
from chukan.tenants.limits.exemptions.store import Base
from chukan.tenants.limits.rules import Amount
from chukan.tenants.middleserver.operations.store import Part


class PartKind(StrEnum):
    """Which organisations of a night are listed."""

    ALL = ""
    #: A file was refused, or the turn failed (A0-099).
    MARKED = "marked"
    RUNNING = "running"
    WAITING = "waiting"
    FINISHED = "finished"
    CARRIED_OVER = "carried_over"


_CONDITIONS: Mapping[PartKind, sql.SQL] = {
    PartKind.ALL: sql.SQL("true"),
    PartKind.MARKED: sql.SQL("(p.failure is not null or p.refused > 0)"),
    PartKind.RUNNING: sql.SQL("p.state = 'running'"),
    PartKind.WAITING: sql.SQL("p.state = 'waiting'"),
    PartKind.FINISHED: sql.SQL("p.state = 'finished'"),
    PartKind.CARRIED_OVER: sql.SQL("p.state = 'carried_over'"),
}


@dataclass(frozen=True)
class NamedPart(Part):
    """What a night has done for one organisation, with its name."""

    name: str | None


def parts(
    connection: Connection, night: date, kind: PartKind, *, limit: int, offset: int = 0
) -> tuple[Sequence[NamedPart], int]:
    """Return what *night* did for the organisations of *kind*, and how many they are: errors first, then who works."""
    query = sql.SQL(
        """
        select p.night, p.tenant, coalesce(o.code, o.id::text, p.tenant::text) as organisation, o.name, p.state,
            p.waiting_since, p.nights_carried, p.turns, p.registered, p.refused, p.remaining, p.records,
            p.current_records, p.current_expected, p.failure, p.updated_at
        from platform.batch_part p left join platform.organisation o on o.tenant = p.tenant
        where p.night = %s and {condition}
        order by (p.failure is null and p.refused = 0),
            array_position(array['failed', 'running', 'carried_over', 'waiting', 'finished'], p.state), organisation
        limit %s offset %s
        """
    ).format(condition=_CONDITIONS[kind])
    with driver(connection).cursor(row_factory=class_row(NamedPart)) as cursor:
        found = cursor.execute(query, (night, limit, offset)).fetchall()
    return found, part_counts(connection, night)[kind]


def part_counts(connection: Connection, night: date) -> Mapping[PartKind, int]:
    """Return how many organisations of each kind *night* has."""
    columns = [sql.SQL("(count(*) filter (where {}))::int").format(_CONDITIONS[kind]) for kind in PartKind]
    query = sql.SQL("select {} from platform.batch_part p where p.night = %s").format(sql.SQL(", ").join(columns))
    row = driver(connection).execute(query, (night,)).fetchone() or ()
    return dict(zip(PartKind, row, strict=True))


@dataclass(frozen=True)
class DayUse:
    """What an organisation sent on a day against its limit; without one it cannot be computed."""

    organisation: str
    name: str | None
    files: int
    records: int
    kb: int
    exempt: bool
    limit: Amount | None

    @property
    def records_share(self) -> float:
        """Records in percent of the limit."""
        return round(100 * self.records / self.limit.records, 1) if self.limit and self.limit.records else 0.0

    @property
    def size_share(self) -> float:
        """Size in percent of the limit."""
        return round(100 * self.kb / self.limit.kb, 1) if self.limit and self.limit.kb else 0.0

    @property
    def share(self) -> float:
        """The greater of both."""
        return max(self.records_share, self.size_share)


def uses(connection: Connection, day: date) -> Sequence[DayUse]:
    """Return what every organisation sent on *day* (Asia/Tokyo), by organisation."""
    begins = datetime.combine(day, time(), TOKYO)
    rows = driver(connection).execute(
        """
        select u.tenant, coalesce(o.code, o.id::text, u.tenant::text), o.name, count(*), sum(u.expected), sum(u.size),
            bool_or(u.exempt)
        from platform.upload_projection u left join platform.organisation o on o.tenant = u.tenant
        where u.received_at >= %s and u.received_at < %s
        group by u.tenant, o.id order by 2
        """,
        (begins, begins + timedelta(days=1)),
    )
    found = rows.fetchall()
    bases = exemptions.bases(connection, [row[0] for row in found], day)
    return [
        DayUse(
            organisation,
            name,
            files,
            int(records),
            shipped_limits().kilobytes(int(size)),
            exempt,
            _limit(bases.get(tenant), day),
        )
        for tenant, organisation, name, files, records, size, exempt in found
    ]


def _limit(base: Base | None, day: date) -> Amount | None:
    try:
        return limit_of(base, day) if base is not None else None
    except ChukanError:
        # The page says that it cannot be computed; the upload itself is refused with the reason.
        return None
