"""Queries on campaigns, slots and progress, in the shared schema; nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID

from psycopg.rows import class_row
from sqlalchemy import Connection

from chukan.platform.clock import TOKYO
from chukan.platform.database.engines import driver
from chukan.tenants.middleserver.operations.campaigns.rules import Campaign, Number, Scope, Standing


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
    """How far one organisation is with one number of a campaign."""

    organisation: str
    name: str
    prefecture: str
    information: int
    mandatory: bool
    registered: int
    waiting: int
    refused: int
    records: int

    @property
    def standing(self) -> Standing:
        """What its readiness follows from."""
        return Standing(
            self.information, self.mandatory, self.registered, self.waiting, self.refused, self.records
        )  # fmt: skip


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


def progress(connection: Connection, campaign: Campaign) -> Sequence[Progress]:
    """Return how far every active organisation is with every number, by prefecture, organisation and number."""
    opens_at: datetime = datetime.combine(campaign.opens_on, time(), TOKYO)
    with driver(connection).cursor(row_factory=class_row(Progress)) as cursor:
        cursor.execute(
            """
            select coalesce(o.code, o.id::text) as organisation, o.name, o.prefecture, n.information, n.mandatory,
                (count(*) filter (where u.state = 'registered'))::int as registered,
                (count(*) filter (where u.state in ('received', 'staging', 'validated')))::int as waiting,
                (count(*) filter (where u.state = 'refused'))::int as refused,
                coalesce(sum(u.registered) filter (where u.state = 'registered'), 0)::bigint as records
            from platform.organisation o
            cross join platform.campaign_number n
            left join platform.upload_projection u
                on u.tenant = o.tenant and u.information = n.information and u.received_at >= %(opens)s
            where n.revision = %(revision)s and o.state = 'active' and o.tenant is not null
            group by o.id, n.information, n.mandatory
            order by o.prefecture, o.code nulls last, o.name, n.information
            """,
            {"opens": opens_at, "revision": campaign.revision},
        )
        return cursor.fetchall()
