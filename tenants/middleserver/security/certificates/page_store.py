"""What the page of certificates asks for, in the shared schema: states and dates, never a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from psycopg import sql
from psycopg.rows import class_row
from sqlalchemy import Connection

from chukan.platform.clock import TOKYO, as_tokyo
from chukan.platform.database.engines import driver
from chukan.tenants.middleserver.security.certificates.rules import LADDER, OVERLAP


class Selection(StrEnum):
    """Which certificates are listed."""

    #: Two at once, or an end that somebody has to do something about.
    ATTENTION = ""
    OVERLAP = "overlap"
    SOON = "soon"
    URGENT = "urgent"
    EXPIRED = "expired"
    PENDING = "pending"
    ALL = "all"


@dataclass(frozen=True)
class Holding:
    """The living certificates of an organisation for one use: the one in force, those it replaces, those that wait."""

    organisation: str
    name: str | None
    use: str
    #: In force, and until when (UTC); None where there is none.
    active: str | None
    active_until: datetime | None
    #: Being replaced: the newest of them, since when, and how many there are.
    retiring: str | None
    retiring_since: datetime | None
    retirings: int
    pendings: int
    #: How many holdings the selection has in all.
    total: int

    @property
    def overlaps_until(self) -> datetime | None:
        """When the one that is being replaced may retire at the earliest (UTC)."""
        return self.retiring_since + OVERLAP if self.retiring_since is not None else None


_HOLDINGS = """
    select coalesce(o.code, o.id::text, c.tenant::text) as organisation, o.name, c.use,
        max(c.kid) filter (where c.state = 'active') as active,
        max(c.not_after) filter (where c.state = 'active') as active_until,
        (array_agg(c.kid order by c.changed_at desc) filter (where c.state = 'retiring'))[1] as retiring,
        max(c.changed_at) filter (where c.state = 'retiring') as retiring_since,
        (count(*) filter (where c.state = 'retiring'))::int as retirings,
        (count(*) filter (where c.state = 'pending'))::int as pendings
    from platform.certificate_projection c
    left join platform.organisation o on o.tenant = c.tenant
    where c.state in ('pending', 'active', 'retiring')
    group by c.tenant, o.id, c.use
"""
#: In the words of ``_HOLDINGS``; the ladder's days end at midnight in Tokyo, as in ``rules.rung``.
_CONDITIONS: Mapping[Selection, sql.SQL] = {
    Selection.ATTENTION: sql.SQL("(active is not null and retirings > 0 or active_until < %(soon)s)"),
    Selection.OVERLAP: sql.SQL("active is not null and retirings > 0"),
    Selection.SOON: sql.SQL("active_until < %(soon)s and active_until > %(now)s"),
    Selection.URGENT: sql.SQL("active_until < %(urgent)s and active_until > %(now)s"),
    Selection.EXPIRED: sql.SQL("active_until <= %(now)s"),
    Selection.PENDING: sql.SQL("pendings > 0"),
    Selection.ALL: sql.SQL("true"),
}


def holdings(
    connection: Connection, selection: Selection, now: datetime, *, limit: int, offset: int
) -> tuple[Sequence[Holding], int]:
    """Return the holdings of *selection* at *now*, the soonest end first, and how many there are in all."""
    query = sql.SQL(
        "select *, (count(*) over ())::int as total from ({holdings}) as holding where {condition} "
        "order by active_until nulls first, organisation, use limit %(limit)s offset %(offset)s"
    ).format(holdings=sql.SQL(_HOLDINGS), condition=_CONDITIONS[selection])
    with driver(connection).cursor(row_factory=class_row(Holding)) as cursor:
        found = cursor.execute(query, {**_instants(now), "limit": limit, "offset": offset}).fetchall()
    # Past the last page there is no row that could tell.
    return found, found[0].total if found else counts(connection, now)[selection] if offset else 0


def counts(connection: Connection, now: datetime) -> Mapping[Selection, int]:
    """Return how many holdings each selection has at *now*."""
    columns = [sql.SQL("(count(*) filter (where {}))::int").format(_CONDITIONS[each]) for each in Selection]
    query = sql.SQL("select {columns} from ({holdings}) as holding").format(
        columns=sql.SQL(", ").join(columns), holdings=sql.SQL(_HOLDINGS)
    )
    row = driver(connection).execute(query, _instants(now)).fetchone() or ()
    return dict(zip(Selection, row, strict=True))


def _instants(now: datetime) -> Mapping[str, datetime]:
    midnight = datetime.combine(as_tokyo(now).date(), time(), TOKYO)
    return {
        "now": now,
        "soon": midnight + timedelta(days=LADDER[0] + 1),
        "urgent": midnight + OVERLAP + timedelta(days=1),
    }
