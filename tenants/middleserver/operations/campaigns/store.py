"""Queries on campaigns, slots and progress, in the shared schema; nothing here commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID

from psycopg.rows import class_row
from sqlalchemy import Connection

from chukan.platform.clock import TOKYO
from chukan.platform.database.engines import driver
from chukan.tenants.middleserver.operations.campaigns.rules import Campaign, Number, Scope, Standing, asked_of


@dataclass(frozen=True)
class Slot:
    """A booked slot: which organisation registers how many records of which number in which night."""

    id: UUID
    organisation: str
    information: int
    night: date
    records: int
    booked_by: str


@dataclass(frozen=True)
class Progress:
    """How far one organisation is with each number of a campaign, in the campaign's order."""

    organisation: str
    name: str
    prefecture: str
    standings: Sequence[Standing]


@dataclass(frozen=True)
class NumberCount:
    """At how many active organisations a number of a campaign is registered, waits, or was refused and no more.

    ``taken_over`` tells at how many a number is asked that only delegations add; 0 where it is asked of all.
    """

    revision: str
    information: int
    taken_over: int
    done: int
    waiting: int
    refused: int


def add(connection: Connection, campaign: Campaign, *, actor: str) -> bool:
    """Make a campaign; False if there is one for its revision."""
    made = driver(connection).execute(
        "insert into platform.campaign (revision, title, opens_on, due_on, night_capacity, created_by) "
        "values (%s, %s, %s, %s, %s, %s) on conflict do nothing",
        (campaign.revision, campaign.title, campaign.opens_on, campaign.due_on, campaign.night_capacity, actor),
    )
    if not made.rowcount:
        return False
    with driver(connection).cursor() as cursor:
        cursor.executemany(
            "insert into platform.campaign_number (revision, information, mandatory, scope, large) "
            "values (%s, %s, %s, %s, %s)",
            [
                (campaign.revision, each.information, each.mandatory, each.scope.value, each.large)
                for each in campaign.numbers
            ],
        )
    return True


def campaigns(connection: Connection) -> Sequence[Campaign]:
    """Return all campaigns, the latest to open first."""
    found = driver(connection).execute(
        "select revision, title, opens_on, due_on, night_capacity from platform.campaign order by opens_on desc, 1"
    )
    rows = found.fetchall()
    numbers: dict[str, list[Number]] = {}
    for revision, information, mandatory, scope, large in driver(connection).execute(
        "select revision, information, mandatory, scope, large from platform.campaign_number order by information"
    ):
        numbers.setdefault(revision, []).append(Number(information, mandatory, Scope(scope), large))
    return [
        Campaign(revision, title, opens_on, due_on, capacity, tuple(numbers.get(revision, ())))
        for revision, title, opens_on, due_on, capacity in rows
    ]


def lock(connection: Connection, revision: str) -> bool:
    """Let nobody else book in the campaign until the transaction ends; False if there is none."""
    row = driver(connection).execute("select from platform.campaign where revision = %s for update", (revision,))
    return row.fetchone() is not None


def booked(connection: Connection, revision: str, night: date) -> int:
    """Return the records that are booked for *night*."""
    row = (
        driver(connection)
        .execute(
            "select coalesce(sum(records), 0) from platform.campaign_slot "
            "where revision = %s and night = %s and released_at is null",
            (revision, night),
        )
        .fetchone()
    )
    return int(row[0]) if row else 0


def book(
    connection: Connection,
    revision: str,
    *,
    information: int,
    organisation: UUID,
    night: date,
    records: int,
    actor: str,
) -> UUID | None:
    """Book a slot; None if the organisation has one of that number in that night."""
    row = (
        driver(connection)
        .execute(
            """
            insert into platform.campaign_slot (revision, information, organisation, night, records, booked_by)
            values (%s, %s, %s, %s, %s, %s) on conflict do nothing returning id
            """,
            (revision, information, organisation, night, records, actor),
        )
        .fetchone()
    )
    return None if row is None else row[0]


def release(connection: Connection, slot: UUID, *, actor: str) -> bool:
    """Give a slot back; False if it is not booked."""
    changed = driver(connection).execute(
        "update platform.campaign_slot set released_by = %s, released_at = clock_timestamp() "
        "where id = %s and released_at is null",
        (actor, slot),
    )
    return changed.rowcount == 1


def slots(connection: Connection, revision: str) -> Sequence[Slot]:
    """Return the booked slots, by night."""
    with driver(connection).cursor(row_factory=class_row(Slot)) as cursor:
        cursor.execute(
            """
            select s.id, coalesce(o.code, o.id::text) as organisation, s.information, s.night, s.records, s.booked_by
            from platform.campaign_slot s join platform.organisation o on o.id = s.organisation
            where s.revision = %s and s.released_at is null
            order by s.night, organisation
            """,
            (revision,),
        )
        return cursor.fetchall()


def take_over(
    connection: Connection, revision: str, *, information: int, organisation: UUID, from_day: date, actor: str
) -> None:
    """Let a number count for an organisation from a day on; an earlier entry of it is corrected."""
    driver(connection).execute(
        """
        insert into platform.campaign_delegation (revision, organisation, information, from_day, recorded_by)
        values (%s, %s, %s, %s, %s) on conflict (revision, organisation, information) do update
        set from_day = excluded.from_day, recorded_by = excluded.recorded_by, recorded_at = clock_timestamp()
        """,
        (revision, organisation, information, from_day, actor),
    )


def withdraw(connection: Connection, revision: str, *, information: int, organisation: UUID) -> bool:
    """Take back that a number counts for an organisation; False if it does not."""
    gone = driver(connection).execute(
        "delete from platform.campaign_delegation where revision = %s and organisation = %s and information = %s",
        (revision, organisation, information),
    )
    return gone.rowcount == 1


def progress(connection: Connection, campaign: Campaign, today: date) -> Sequence[Progress]:
    """Return how far every active organisation is, by prefecture and code, in one query with a row for each.

    Of a number that it took over by *today* (Asia/Tokyo), what it sent from the delegation's first day on counts: what
    was sent before does not hold the delegator's persons.
    """
    cursor = driver(connection).cursor(binary=True)
    rows = cursor.execute(
        """
        with taken as (
            select o.tenant, d.information, d.from_day::timestamp at time zone 'Asia/Tokyo' as at
            from platform.campaign_delegation d
            join platform.organisation o on o.id = d.organisation and o.state = 'active'
            where d.revision = %s and d.from_day <= %s
        ), sent as (
            select u.tenant, u.information,
                count(*) filter (where u.state = 'registered') as registered,
                count(*) filter (where u.state in ('received', 'staging', 'validated')) as waiting,
                count(*) filter (where u.state = 'refused') as refused,
                coalesce(sum(u.registered) filter (where u.state = 'registered'), 0)::bigint as records
            from platform.upload_projection u
            left join taken t on t.tenant = u.tenant and t.information = u.information
            where u.received_at >= %s and (t.at is null or u.received_at >= t.at)
                and (u.information = any(%s) or t.at is not null)
            group by u.tenant, u.information
        ), standing as (
            select tenant, array_agg(information) as informations, array_agg(registered) as registered,
                array_agg(waiting) as waiting, array_agg(refused) as refused, array_agg(records) as records
            from sent group by tenant
        )
        select coalesce(o.code, o.id::text), o.name, o.prefecture,
            coalesce(d.informations, '{}'),
            coalesce(s.informations, '{}'), s.registered, s.waiting, s.refused, s.records
        from platform.organisation o left join standing s on s.tenant = o.tenant
        left join (select tenant, array_agg(information) as informations from taken group by tenant) d
            on d.tenant = o.tenant
        where o.state = 'active' and o.tenant is not null
        order by o.prefecture, o.code nulls last, o.name, o.id
        """,
        (
            campaign.revision,
            today,
            datetime.combine(campaign.opens_on, time(), TOKYO),
            [number.information for number in campaign.numbers],
        ),
    )
    numbers = {number.information: number.mandatory for number in campaign.numbers}
    # Whoever sent nothing of a number shares one value: there are thousands of them.
    none_sent = _nothing(numbers)
    found = []
    for organisation, name, prefecture, taken, informations, *counts in rows:
        asked = asked_of(numbers, taken) if taken else numbers
        sent = _nothing(asked) if taken else dict(none_sent)
        if informations:
            musts = map(asked.__getitem__, informations)
            sent.update(zip(informations, map(Standing, informations, musts, *counts), strict=True))
        found.append(Progress(organisation, name, prefecture, list(sent.values())))
    return found


def _nothing(asked: Mapping[int, bool]) -> dict[int, Standing]:
    return {each: Standing(each, must, 0, 0, 0, 0) for each, must in asked.items()}


def number_counts(connection: Connection, shown: Sequence[Campaign], today: date) -> Sequence[NumberCount]:
    """Return where the numbers of the campaigns *shown* stand; ``done`` is what ``rules.is_done`` says.

    Numbers that were taken over by *today* (Asia/Tokyo) are counted as ``progress`` counts them.
    """
    if not shown:
        return []
    first = datetime.combine(min(each.opens_on for each in shown), time(), TOKYO)
    with driver(connection).cursor(row_factory=class_row(NumberCount)) as cursor:
        cursor.execute(
            """
            with opened as (
                select revision, opens_on::timestamp at time zone 'Asia/Tokyo' as at
                from platform.campaign where revision = any(%s)
            ), newest as (
                select u.information, u.tenant,
                    max(u.received_at) filter (where u.state = 'registered') as registered,
                    max(u.received_at) filter (where u.state in ('received', 'staging', 'validated')) as waiting,
                    max(u.received_at) filter (where u.state = 'refused') as refused
                from platform.upload_projection u
                join platform.organisation o on o.tenant = u.tenant and o.state = 'active'
                where u.received_at >= %s
                group by u.information, u.tenant
            ), taken as (
                select d.revision, d.information, o.tenant, d.from_day::timestamp at time zone 'Asia/Tokyo' as at,
                    n.information is null as added
                from opened c join platform.campaign_delegation d on d.revision = c.revision and d.from_day <= %s
                join platform.organisation o on o.id = d.organisation and o.state = 'active' and o.tenant is not null
                left join platform.campaign_number n on n.revision = d.revision and n.information = d.information
            ), asked as (
                select n.revision, n.information, false as added, greatest(c.at, t.at) as at,
                    e.registered, e.waiting, e.refused
                from platform.campaign_number n join opened c on c.revision = n.revision
                left join newest e on e.information = n.information
                left join taken t
                    on t.revision = n.revision and t.information = n.information and t.tenant = e.tenant
                union all
                select t.revision, t.information, true, greatest(c.at, t.at), e.registered, e.waiting, e.refused
                from taken t join opened c on c.revision = t.revision
                left join newest e on e.information = t.information and e.tenant = t.tenant
                where t.added
            ), since as (
                select revision, information, added, coalesce(registered >= at, false) as registered,
                    coalesce(waiting >= at, false) as waiting, coalesce(refused >= at, false) as refused
                from asked
            )
            select revision, information, (count(*) filter (where added))::int as taken_over,
                (count(*) filter (where registered and not waiting))::int as done,
                (count(*) filter (where waiting))::int as waiting,
                (count(*) filter (where refused and not registered and not waiting))::int as refused
            from since group by revision, information order by revision, information
            """,
            ([each.revision for each in shown], first, today),
        )
        return cursor.fetchall()


def active_organisations(connection: Connection) -> int:
    """Return how many organisations a campaign waits for."""
    row = (
        driver(connection)
        .execute("select count(*) from platform.organisation where state = 'active' and tenant is not null")
        .fetchone()
    )
    return int(row[0]) if row else 0
