"""Queries on nights and on what is shown of uploads, in the shared schema; nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from sqlalchemy import Connection

from chukan.platform.database.engines import driver
from chukan.tenants.middleserver.duplicate_copies.store import Upload
from chukan.tenants.middleserver.operations.rules import Waiting, Window

#: The kinds of marks that uploads leave by themselves (the triggers of the tenants' schemas).
REGISTRATION, ABANDONED = "registration", "abandoned-uploads"


@dataclass(frozen=True)
class Run:
    """A night as a whole; instants are UTC. ``silent`` is how long nobody has been heard of who works on it."""

    night: date
    state: str
    closes_at: datetime
    epoch: int
    worker: str
    started_at: datetime
    silent: timedelta
    ended_at: datetime | None


@dataclass(frozen=True)
class Part:
    """What a night has done for one organisation, by its reference; ``failure`` is the code of an error."""

    night: date
    tenant: UUID
    organisation: str
    state: str
    waiting_since: datetime
    nights_carried: int
    turns: int
    registered: int
    refused: int
    remaining: int
    records: int
    current_records: int
    current_expected: int
    failure: str | None
    updated_at: datetime

    @property
    def is_marked(self) -> bool:
        """Whether the list shows an error without the details being opened (A0-099)."""
        return self.refused > 0 or self.failure is not None


@dataclass(frozen=True)
class Turn:
    """What one turn did: files registered, refused and left, records registered or deleted."""

    registered: int
    refused: int
    remaining: int
    records: int


def waiting(connection: Connection, night: date) -> Sequence[Waiting]:
    """Return the active organisations with something to register, without those that failed or ended in *night*."""
    rows = driver(connection).execute(
        """
        select d.tenant, min(d.at), array_agg(d.id), coalesce(max(l.carried), 0)
        from platform.due d
        join platform.tenant t on t.id = d.tenant and t.state = 'active'
        left join lateral (
            select case when p.state in ('carried_over', 'failed') then p.nights_carried + 1 else 0 end as carried
            from platform.batch_part p where p.tenant = d.tenant and p.night < %(night)s
            order by p.night desc limit 1
        ) l on true
        where d.kind = %(kind)s and d.at <= clock_timestamp() and not exists (
            select from platform.batch_part f
            where f.night = %(night)s and f.tenant = d.tenant and f.state in ('failed', 'carried_over')
        )
        group by d.tenant
        """,
        {"kind": REGISTRATION, "night": night},
    )
    return [Waiting(tenant, since, carried, tuple(marks)) for tenant, since, marks, carried in rows]


def drop_marks(connection: Connection, marks: Sequence[UUID]) -> None:
    """Take away the marks that were seen before the work was done."""
    driver(connection).execute("delete from platform.due where id = any(%s)", (list(marks),))


def take_run(connection: Connection, window: Window, worker: str, lease: timedelta) -> int | None:
    """Take the night, new or from one who was silent for *lease*; return the epoch, None if another has it."""
    row = (
        driver(connection)
        .execute(
            """
            insert into platform.batch_run (night, state, closes_at, worker)
            values (%(night)s, 'running', %(closes)s, %(worker)s)
            on conflict (night) do update
            set state = 'running', ended_at = null, worker = excluded.worker, closes_at = excluded.closes_at,
                epoch = batch_run.epoch + 1, heartbeat_at = clock_timestamp()
            where batch_run.state = 'finished' or batch_run.heartbeat_at <= clock_timestamp() - %(lease)s
            returning epoch
            """,
            {"night": window.night, "closes": window.closes_at, "worker": worker, "lease": lease},
        )
        .fetchone()
    )
    return None if row is None else int(row[0])


def beat(connection: Connection, night: date, epoch: int) -> bool:
    """Say that the night is worked on, and return whether it still is this *epoch* that does."""
    changed = driver(connection).execute(
        "update platform.batch_run set heartbeat_at = clock_timestamp() "
        "where night = %s and epoch = %s and state = 'running'",
        (night, epoch),
    )
    return changed.rowcount == 1


def end_run(connection: Connection, night: date, epoch: int | None = None) -> None:
    """End the night (of this *epoch*, if one is given); whoever still waits is carried over."""
    ended = driver(connection).execute(
        "update platform.batch_run set state = 'finished', ended_at = clock_timestamp() "
        "where night = %(night)s and state = 'running' and epoch = coalesce(%(epoch)s, epoch)",
        {"night": night, "epoch": epoch},
    )
    if ended.rowcount:
        driver(connection).execute(
            "update platform.batch_part set state = 'carried_over', updated_at = clock_timestamp() "
            "where night = %s and state in ('waiting', 'running')",
            (night,),
        )


def over(connection: Connection, now: datetime) -> Sequence[date]:
    """Return the nights that are said to run although their time was over at *now*: their worker died."""
    rows = driver(connection).execute(
        "select night from platform.batch_run where state = 'running' and closes_at <= %s", (now,)
    )
    return [row[0] for row in rows]


def expect(connection: Connection, night: date, waiting: Sequence[Waiting]) -> None:
    """Show who waits for a turn in *night*; who had been finished waits again."""
    with driver(connection).cursor() as cursor:
        cursor.executemany(
            """
            insert into platform.batch_part (night, tenant, state, waiting_since, nights_carried)
            values (%s, %s, 'waiting', %s, %s)
            on conflict (night, tenant) do update set state = 'waiting', updated_at = clock_timestamp()
            """,
            [(night, each.tenant, each.since, each.nights_carried) for each in waiting],
        )


def begin_turn(connection: Connection, night: date, tenant: UUID) -> None:
    """Show that the organisation has its turn."""
    driver(connection).execute(
        "update platform.batch_part set state = 'running', turns = turns + 1, updated_at = clock_timestamp() "
        "where night = %s and tenant = %s",
        (night, tenant),
    )


def show_progress(connection: Connection, night: date, tenant: UUID, records: int, expected: int) -> None:
    """Show how far the file under way is."""
    driver(connection).execute(
        "update platform.batch_part set current_records = %s, current_expected = %s, updated_at = clock_timestamp() "
        "where night = %s and tenant = %s",
        (records, expected, night, tenant),
    )


def end_turn(connection: Connection, night: date, tenant: UUID, turn: Turn) -> None:
    """Add what a turn did; an organisation with files left waits for its next turn."""
    driver(connection).execute(
        """
        update platform.batch_part
        set state = case when %(remaining)s > 0 then 'waiting' else 'finished' end,
            registered = registered + %(registered)s, refused = refused + %(refused)s, remaining = %(remaining)s,
            records = records + %(records)s, current_records = 0, current_expected = 0, updated_at = clock_timestamp()
        where night = %(night)s and tenant = %(tenant)s
        """,
        {**turn.__dict__, "night": night, "tenant": tenant},
    )


def fail(connection: Connection, night: date, tenant: UUID, failure: str) -> None:
    """Show that the organisation's turn failed with the error *failure* (a code)."""
    driver(connection).execute(
        "update platform.batch_part set state = 'failed', failure = %s, updated_at = clock_timestamp() "
        "where night = %s and tenant = %s",
        (failure, night, tenant),
    )


def runs(connection: Connection, *, limit: int) -> Sequence[Run]:
    """Return the newest nights, newest first."""
    with driver(connection).cursor(row_factory=class_row(Run)) as cursor:
        cursor.execute(
            """
            select night, state, closes_at, epoch, worker, started_at,
                clock_timestamp() - heartbeat_at as silent, ended_at
            from platform.batch_run order by night desc limit %s
            """,
            (limit,),
        )
        return cursor.fetchall()


def parts(connection: Connection, night: date, *, limit: int, offset: int = 0) -> Sequence[Part]:
    """Return what *night* did by organisation: errors first, then who works, who waits, and who is done."""
    with driver(connection).cursor(row_factory=class_row(Part)) as cursor:
        cursor.execute(
            """
            select p.night, p.tenant, coalesce(o.code, o.id::text, p.tenant::text) as organisation, p.state,
                p.waiting_since, p.nights_carried, p.turns, p.registered, p.refused, p.remaining, p.records,
                p.current_records, p.current_expected, p.failure, p.updated_at
            from platform.batch_part p left join platform.organisation o on o.tenant = p.tenant
            where p.night = %s
            order by (p.failure is null and p.refused = 0),
                array_position(array['failed', 'running', 'carried_over', 'waiting', 'finished'], p.state), organisation
            limit %s offset %s
            """,
            (night, limit, offset),
        )
        return cursor.fetchall()


def project(connection: Connection, tenant: UUID, uploads: Sequence[Upload], measured_at: datetime) -> None:
    """Show how *uploads* of the tenant stood at *measured_at* (UTC): counts, never a name or a content."""
    rows: list[dict[str, Any]] = [
        {
            "upload": each.id,
            "tenant": tenant,
            "information": each.information,
            "state": each.state.value,
            "size": each.size,
            "expected": each.expected,
            "registered": each.registered,
            "deleted": each.deleted,
            "faults": each.faults,
            "exempt": each.exempt,
            "received_at": each.received_at,
            "finished_at": each.finished_at,
            "measured_at": measured_at,
        }
        for each in uploads
        if each.received_at is not None
    ]
    with driver(connection).cursor() as cursor:
        cursor.executemany(
            """
            insert into platform.upload_projection (upload, tenant, information, state, size, expected, registered,
                deleted, faults, exempt, received_at, finished_at, measured_at)
            values (%(upload)s, %(tenant)s, %(information)s, %(state)s, %(size)s, %(expected)s, %(registered)s,
                %(deleted)s, %(faults)s, %(exempt)s, %(received_at)s, %(finished_at)s, %(measured_at)s)
            on conflict (upload) do update
            set state = excluded.state, registered = excluded.registered, deleted = excluded.deleted,
                faults = excluded.faults, finished_at = excluded.finished_at,
                measured_at = excluded.measured_at
            """,
            rows,
        )


def unfinished(connection: Connection, tenant: UUID) -> Sequence[UUID]:
    """Return the tenant's uploads that waited when they were last measured."""
    rows = driver(connection).execute(
        "select upload from platform.upload_projection where tenant = %s and finished_at is null", (tenant,)
    )
    return [row[0] for row in rows]


def unmeasured(connection: Connection) -> Sequence[UUID]:
    """Return the active tenants where something was completed that is not shown yet."""
    rows = driver(connection).execute(
        """
        select d.tenant from platform.due d join platform.tenant t on t.id = d.tenant and t.state = 'active'
        where d.kind = %s
        group by d.tenant
        having max(d.at) > coalesce(
            (select max(u.measured_at) from platform.upload_projection u where u.tenant = d.tenant), '-infinity'
        )
        """,
        (REGISTRATION,),
    )
    return [row[0] for row in rows]


def oldest_waiting(connection: Connection) -> tuple[datetime | None, int]:
    """Return since when (UTC) something waits to be registered, and at how many active organisations."""
    row = (
        driver(connection)
        .execute(
            """
            select min(d.at), count(distinct d.tenant) from platform.due d
            join platform.tenant t on t.id = d.tenant and t.state = 'active' where d.kind = %s
            """,
            (REGISTRATION,),
        )
        .fetchone()
    )
    return (None, 0) if row is None else (row[0], int(row[1]))


def database_now(connection: Connection) -> datetime:
    """Return the database's own instant (UTC)."""
    row = driver(connection).execute("select clock_timestamp()").fetchone()
    if row is None:
        raise LookupError("the database tells no time")
    now: datetime = row[0]
    return now


def to_sweep(connection: Connection, before: datetime) -> Sequence[tuple[UUID, UUID]]:
    """Return tenant and upload of the refused files whose error reports are older than *before*."""
    rows = driver(connection).execute(
        "select u.tenant, u.upload from platform.upload_projection u "
        "join platform.tenant t on t.id = u.tenant and t.state = 'active' "
        "where u.finished_at < %s and u.faults > 0 and u.swept_at is null order by u.tenant",
        (before,),
    )
    return [(row[0], row[1]) for row in rows]


def swept(connection: Connection, upload: UUID, now: datetime) -> None:
    """Note that the error report of the upload was removed."""
    driver(connection).execute("update platform.upload_projection set swept_at = %s where upload = %s", (now, upload))


def abandoned(connection: Connection, before: datetime) -> Sequence[Waiting]:
    """Return the active tenants where an upload was begun before *before*, with the marks of that."""
    rows = driver(connection).execute(
        """
        select d.tenant, min(d.at), array_agg(d.id) from platform.due d
        join platform.tenant t on t.id = d.tenant and t.state = 'active'
        where d.kind = %s and d.at < %s group by d.tenant
        """,
        (ABANDONED, before),
    )
    return [Waiting(tenant, since, 0, tuple(marks)) for tenant, since, marks in rows]


def prune_projections(connection: Connection, before: datetime) -> int:
    """Forget uploads that were finished before *before*; return how many."""
    gone = driver(connection).execute("delete from platform.upload_projection where finished_at < %s", (before,))
    return gone.rowcount
