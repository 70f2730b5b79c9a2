"""What the pages of the exchange ask for, in the shared schema: counts, ages and states, never any content."""

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
from chukan.tenants.middleserver.transmission.exchange_hours import Side, Traffic


class Selection(StrEnum):
    """Which organisations are listed."""

    ALL = ""
    UNSENT = "unsent"
    DEAD = "dead"
    REFUSED = "refused"
    HELD = "held"
    FAILED = "failed"
    STOPPED = "stopped"


_CONDITIONS: Mapping[Selection, sql.SQL] = {
    Selection.ALL: sql.SQL("true"),
    Selection.UNSENT: sql.SQL("coalesce(s.unsent, 0) > 0"),
    Selection.DEAD: sql.SQL("coalesce(s.dead, 0) > 0"),
    Selection.REFUSED: sql.SQL("coalesce(s.refused, 0) > 0"),
    Selection.HELD: sql.SQL("coalesce(s.held, 0) > 0"),
    Selection.FAILED: sql.SQL("coalesce(d.failed, 0) > 0"),
    Selection.STOPPED: sql.SQL("p.reason is not null"),
}
#: By which columns the list may be ordered; who says nothing comes last, and the code decides between equals.
_ORDERS: Mapping[tuple[str, bool], sql.SQL] = {
    ("organisation", False): sql.SQL("organisation"),
    ("organisation", True): sql.SQL("organisation desc"),
    ("sent", False): sql.SQL("sent, organisation"),
    ("sent", True): sql.SQL("sent desc, organisation"),
    ("answered", False): sql.SQL("answered, organisation"),
    ("answered", True): sql.SQL("answered desc, organisation"),
    ("failed", False): sql.SQL("failed, organisation"),
    ("failed", True): sql.SQL("failed desc, organisation"),
    ("provided", False): sql.SQL("provided, organisation"),
    ("provided", True): sql.SQL("provided desc, organisation"),
    ("waiting", False): sql.SQL("waiting, organisation"),
    ("waiting", True): sql.SQL("waiting desc, organisation"),
    ("unsent", False): sql.SQL("unsent, organisation"),
    ("unsent", True): sql.SQL("unsent desc, organisation"),
    ("oldest", False): sql.SQL("oldest nulls last, organisation"),
    ("oldest", True): sql.SQL("oldest desc nulls last, organisation"),
    ("dead", False): sql.SQL("dead, organisation"),
    ("dead", True): sql.SQL("dead desc, organisation"),
    ("held", False): sql.SQL("held, organisation"),
    ("held", True): sql.SQL("held desc, organisation"),
}


@dataclass(frozen=True)
class Standing:
    """How the exchange with an organisation stands, and what happened on the day that is shown."""

    tenant: TenantId
    organisation: str
    name: str
    sent: int
    answered: int
    failed: int
    provided: int
    waiting: int
    unsent: int
    oldest: datetime | None
    dead: int
    refused: int
    held: int
    stopped: str | None
    total: int


@dataclass(frozen=True)
class NamedStop:
    """A stop in force; without an organisation it is of all. Instants are UTC."""

    organisation: str | None
    name: str | None
    reason: str
    stopped_by: str
    stopped_at: datetime


@dataclass(frozen=True)
class NamedTrouble:
    """A message that somebody has to look at, and whose it is."""

    message: UUID
    tenant: TenantId
    organisation: str
    name: str
    state: str
    type: str
    conversation: UUID
    sequence: int | None
    awaited: int | None
    attempts: int | None
    reason: str | None
    since: datetime
    #: When somebody wanted it to be sent again, as long as no worker has done it.
    asked_at: datetime | None
    total: int


def standings(
    connection: Connection,
    day: date,
    selection: Selection,
    words: str,
    order: tuple[str, bool],
    *,
    limit: int,
    offset: int,
) -> tuple[Sequence[Standing], int]:
    """Return the organisations with a tenant whose code or name fits *words*, and how many they are.

    What happened is that of *day* (Asia/Tokyo); *order* is a column and whether it descends.
    """
    query = sql.SQL(
        """
        with happened as (
            select tenant,
                sum(count) filter (where side = 'inquirer' and event = 'release') as sent,
                sum(count) filter (where side = 'inquirer' and event = 'answer') as answered,
                sum(count) filter (where side = 'inquirer' and event in ('refuse', 'expire')) as failed,
                sum(count) filter (where side = 'provider' and event = 'provided') as provided
            from platform.exchange_day where day = %(day)s group by tenant
        ), standing as (
            select tenant, sum(count) as waiting from platform.exchange_open group by tenant
        )
        select o.tenant, coalesce(o.code, o.id::text) as organisation, o.name, coalesce(d.sent, 0)::int as sent,
            coalesce(d.answered, 0)::int as answered, coalesce(d.failed, 0)::int as failed,
            coalesce(d.provided, 0)::int as provided, coalesce(w.waiting, 0)::int as waiting,
            coalesce(s.unsent, 0) as unsent, s.oldest_unsent_at as oldest, coalesce(s.dead, 0) as dead,
            coalesce(s.refused, 0) as refused, coalesce(s.held, 0) as held, p.reason as stopped,
            (count(*) over ())::int as total
        from platform.organisation o
        left join happened d on d.tenant = o.tenant
        left join standing w on w.tenant = o.tenant
        left join platform.exchange_standing s on s.tenant = o.tenant
        left join platform.exchange_stop p on p.tenant = o.tenant and p.resumed_at is null
        where o.tenant is not null and {condition}
            and (%(words)s = '' or starts_with(o.code, %(words)s) or strpos(o.name, %(words)s) > 0)
        order by {order} limit %(limit)s offset %(offset)s
        """
    ).format(condition=_CONDITIONS[selection], order=_ORDERS[order])
    told = {"day": day, "words": words, "limit": limit, "offset": offset}
    with driver(connection).cursor(row_factory=class_row(Standing)) as cursor:
        found = cursor.execute(query, told).fetchall()
    return found, found[0].total if found else 0


def totals(connection: Connection, since: datetime, until: datetime) -> Sequence[Traffic]:
    """Return what happened at all organisations from *since* on and before *until*, by hour, side and event."""
    rows = driver(connection).execute(
        "select hour, side, event, count from platform.exchange_total where hour >= %s and hour < %s order by hour",
        (since, until),
    )
    return [Traffic(hour, Side(side), event, count) for hour, side, event, count in rows]


def open_states(connection: Connection) -> Mapping[tuple[Side, str], int]:
    """Return how many inquiries and provisions of all organisations stand in which state and have not ended."""
    rows = driver(connection).execute(
        "select side, state, sum(count)::int from platform.exchange_open group by side, state"
    )
    return {(Side(side), state): count for side, state, count in rows}


def sums(connection: Connection) -> tuple[int, int, int, int]:
    """Return how many messages of all organisations wait, were given up, were refused, and are held."""
    row = driver(connection).execute(
        "select coalesce(sum(unsent), 0)::int, coalesce(sum(dead), 0)::int, coalesce(sum(refused), 0)::int,"
        " coalesce(sum(held), 0)::int from platform.exchange_standing"
    )
    unsent, dead, refused, held = row.fetchone() or (0, 0, 0, 0)
    return unsent, dead, refused, held


def named_stops(connection: Connection) -> Sequence[NamedStop]:
    """Return the stops in force, that of all first."""
    with driver(connection).cursor(row_factory=class_row(NamedStop)) as cursor:
        return cursor.execute(
            """
            select coalesce(o.code, o.id::text, p.tenant::text) as organisation, o.name, p.reason, p.stopped_by,
                p.stopped_at
            from platform.exchange_stop p left join platform.organisation o on o.tenant = p.tenant
            where p.resumed_at is null order by p.tenant is not null, p.id
            """
        ).fetchall()


_TROUBLE = sql.SQL(
    """
    select t.message, t.tenant, coalesce(o.code, o.id::text, t.tenant::text) as organisation,
        coalesce(o.name, '') as name, t.state, t.type, t.conversation, t.sequence, t.awaited, t.attempts, t.reason,
        t.since, r.asked_at, (count(*) over ())::int as total
    from platform.exchange_trouble t
    left join platform.organisation o on o.tenant = t.tenant
    left join platform.message_retry r on r.tenant = t.tenant and r.message = t.message and r.done_at is null
    where {condition}
    """
)


def named_troubles(
    connection: Connection, state: str, words: str, *, descending: bool, limit: int, offset: int
) -> tuple[Sequence[NamedTrouble], int]:
    """Return the messages in *state* (empty: in any) of organisations that fit *words*, by age, and how many."""
    condition = sql.SQL(
        "(%(state)s = '' or t.state = %(state)s)"
        " and (%(words)s = '' or starts_with(o.code, %(words)s) or strpos(o.name, %(words)s) > 0)"
    )
    end = sql.SQL("order by t.since desc, t.message" if descending else "order by t.since, t.message")
    query = sql.SQL(" ").join([_TROUBLE.format(condition=condition), end, sql.SQL("limit %(limit)s offset %(offset)s")])
    told = {"state": state, "words": words, "limit": limit, "offset": offset}
    with driver(connection).cursor(row_factory=class_row(NamedTrouble)) as cursor:
        found = cursor.execute(query, told).fetchall()
    return found, found[0].total if found else 0


def named_trouble(connection: Connection, tenant: TenantId, message: UUID) -> NamedTrouble | None:
    """Return one message that somebody has to look at; None if nothing is told of it any more."""
    query = _TROUBLE.format(condition=sql.SQL("t.tenant = %s and t.message = %s"))
    with driver(connection).cursor(row_factory=class_row(NamedTrouble)) as cursor:
        return cursor.execute(query, (tenant, message)).fetchone()
