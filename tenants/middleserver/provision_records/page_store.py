"""What the pages of cases ask for, in the shared schema: which records differ, and in which fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row
from sqlalchemy import Connection

from chukan.platform.database.engines import driver
from chukan.platform.identifiers import TenantId


class Selection(StrEnum):
    """Which cases are listed."""

    OPEN = ""
    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    DIFFERS = "differs"
    CLOSED = "closed"
    ALL = "all"


_CONDITIONS: Mapping[Selection, sql.SQL] = {
    Selection.OPEN: sql.SQL("c.closed_at is null"),
    Selection.MISSING_HERE: sql.SQL("c.closed_at is null and c.kind = 'missing_here'"),
    Selection.MISSING_THERE: sql.SQL("c.closed_at is null and c.kind = 'missing_there'"),
    Selection.DIFFERS: sql.SQL("c.closed_at is null and c.kind = 'differs'"),
    Selection.CLOSED: sql.SQL("c.closed_at is not null"),
    Selection.ALL: sql.SQL("true"),
}


@dataclass(frozen=True)
class NamedCase:
    """A case, and whose records differ from the network's. Instants are UTC."""

    id: UUID
    tenant: TenantId
    organisation: str
    name: str
    side: str
    inquirer: str
    serial: str
    kind: str
    fields: Sequence[str]
    requested_on: date
    opened_at: datetime
    seen_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    reason: str | None
    total: int


@dataclass(frozen=True)
class Compared:
    """How the last comparisons went: organisations, oldest and newest, records compared and differing."""

    organisations: int
    oldest: datetime | None
    newest: datetime | None
    compared: int
    differing: int


_CASE = sql.SQL(
    """
    select c.id, c.tenant, coalesce(o.code, o.id::text, c.tenant::text) as organisation, coalesce(o.name, '') as name,
        c.side, c.inquirer, c.serial, c.kind, c.fields, c.requested_on, c.opened_at, c.seen_at, c.closed_at,
        c.closed_by, c.reason, (count(*) over ())::int as total
    from platform.reconciliation_case c left join platform.organisation o on o.tenant = c.tenant
    where {condition}
    """
)
_OLDEST, _NEWEST = sql.SQL("order by c.opened_at, c.id"), sql.SQL("order by c.opened_at desc, c.id desc")


def named_cases(
    connection: Connection, selection: Selection, words: str, *, descending: bool, limit: int, offset: int
) -> tuple[Sequence[NamedCase], int]:
    """Return cases of the *selection* by age, and how many: of an organisation or a serial that fits *words*."""
    fits = sql.SQL(
        "(%(words)s = '' or c.serial = %(words)s or starts_with(o.code, %(words)s) or strpos(o.name, %(words)s) > 0)"
    )
    condition = sql.SQL("{} and {}").format(_CONDITIONS[selection], fits)
    end = _NEWEST if descending else _OLDEST
    query = sql.SQL(" ").join([_CASE.format(condition=condition), end, sql.SQL("limit %(limit)s offset %(offset)s")])
    with driver(connection).cursor(row_factory=class_row(NamedCase)) as cursor:
        found = cursor.execute(query, {"words": words, "limit": limit, "offset": offset}).fetchall()
    return found, found[0].total if found else 0


def named_case(connection: Connection, case: UUID) -> NamedCase | None:
    """Return one case, or None."""
    with driver(connection).cursor(row_factory=class_row(NamedCase)) as cursor:
        return cursor.execute(_CASE.format(condition=sql.SQL("c.id = %s")), (case,)).fetchone()


def case_counts(connection: Connection) -> Mapping[Selection, int]:
    """Return how many cases there are of each selection."""
    columns = [sql.SQL("(count(*) filter (where {}))::int").format(_CONDITIONS[each]) for each in Selection]
    query = sql.SQL("select {} from platform.reconciliation_case c").format(sql.SQL(", ").join(columns))
    row = driver(connection).execute(query).fetchone() or ()
    return dict(zip(Selection, row, strict=True))


def last_comparisons(connection: Connection) -> Compared:
    """Return how the last comparison of every active organisation went."""
    with driver(connection).cursor(row_factory=class_row(Compared)) as cursor:
        found = cursor.execute(
            """
            select count(*)::int as organisations, min(s.reconciled_at) as oldest, max(s.reconciled_at) as newest,
                coalesce(sum(s.compared), 0)::int as compared, coalesce(sum(s.differing), 0)::int as differing
            from platform.reconciliation_standing s join platform.tenant t on t.id = s.tenant
            where t.state = 'active'
            """
        ).fetchone()
    return found or Compared(0, None, None, 0, 0)
