"""What was counted of the traffic, added up for the pages: by hour of all, by day of each, and what has not ended.

The worker adds up in the job that counts, so that a page is as fast with 1,788 organisations as with two.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection

from chukan.platform.clock import as_tokyo
from chukan.platform.database.engines import driver
from chukan.platform.identifiers import TenantId

#: Added up again each time, whatever was counted: a run that died in between is made good by the next one.
_ALWAYS = 3
_HOUR = timedelta(hours=1)
_DAYS = """
    insert into platform.exchange_day (day, tenant, side, event, count)
    select (h.hour at time zone 'Asia/Tokyo')::date, h.tenant, h.side, h.event, sum(h.count)
    from platform.exchange_hour h
    where h.tenant = %(tenant)s and h.side = %(side)s
        and h.hour >= (%(first)s::date)::timestamp at time zone 'Asia/Tokyo'
        and h.hour < (%(last)s::date + 1)::timestamp at time zone 'Asia/Tokyo'
    group by 1, 2, 3, 4
    on conflict on constraint exchange_day_pk do update set count = excluded.count
"""
_HOURS = """
    insert into platform.exchange_total (hour, side, event, count)
    select h.hour, h.side, h.event, sum(h.count) from platform.exchange_hour h
    where h.side = %(side)s and h.hour = any(%(hours)s)
    group by 1, 2, 3
    on conflict on constraint exchange_total_pk do update set count = excluded.count
"""


def add_up_days(connection: Connection, tenant: TenantId, side: str, hours: Collection[datetime]) -> None:
    """Add up the days (Asia/Tokyo) to which *hours* belong, of one organisation and *side*."""
    if hours:
        days = [as_tokyo(hour).date() for hour in hours]
        told = {"tenant": tenant, "side": side, "first": min(days), "last": max(days)}
        driver(connection).execute(_DAYS, told)


def keep_open(connection: Connection, tenant: TenantId, side: str, states: Mapping[str, int]) -> None:
    """Write down how many of an organisation's inquiries or provisions stand in which of the *states* without end."""
    below = driver(connection)
    below.execute("delete from platform.exchange_open where tenant = %s and side = %s", (tenant, side))
    with below.cursor() as cursor:
        cursor.executemany(
            "insert into platform.exchange_open (tenant, side, state, count) values (%s, %s, %s, %s)"
            " on conflict on constraint exchange_open_pk do update set count = excluded.count",
            [(tenant, side, state, count) for state, count in states.items() if count],
        )


def add_up_hours(connection: Connection, side: str, hours: Collection[datetime], now: datetime) -> None:
    """Add up *hours* and the last few before *now* over all organisations, of one *side*."""
    this = now.replace(minute=0, second=0, microsecond=0)
    wanted = {*hours, *(this - place * _HOUR for place in range(_ALWAYS))}
    driver(connection).execute(_HOURS, {"side": side, "hours": sorted(wanted)})
