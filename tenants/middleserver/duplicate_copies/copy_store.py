"""Queries on duplicate copies themselves, in the tenant's own session; nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, Row, text

from chukan.tenants.middleserver.duplicate_copies.rules import Target

#: Rows that one statement looks at: its locks are held for some tens of milliseconds.
BATCH = 20_000

_PATIENCE = text("set local statement_timeout = '15min'")
_REPEATED_KEYS = text(
    "select key from duplicate_copy where id >= :first and id < :after group by key having count(*) > 1 limit :limit"
)
_COUNT_REPEATED = text("select count(*) - count(distinct key) from duplicate_copy where id >= :first and id < :after")
_WITH_KEYS = text(
    "select id, key from duplicate_copy where id >= :first and id < :after and key = any(:keys) order by id"
)
_DELETE_RANGE = text(
    "delete from duplicate_copy where id in "
    "(select id from duplicate_copy where id >= :first and id < :after order by id limit :limit)"
)
_NEXT = text(
    "select max(id) from (select id from duplicate_copy where id > :last and id < :after order by id limit :limit) t"
)
_COMPACT = text(
    """
    with gone as (
        delete from duplicate_copy o
        using duplicate_copy n, upload u
        where n.id > :last and n.id <= :until
            and o.person = n.person and o.information = n.information and o.key = n.key and o.id < :first
            and u.number = (o.id >> 32)::int and u.state = 'registered'
        returning o.id
    ), counted as (
        update upload u set superseded = u.superseded + t.rows
        from (select (id >> 32)::int as number, count(*)::int as rows from gone group by 1) t
        where u.number = t.number
    )
    select count(*) from gone
    """
)
_DROP_DELETIONS = text("delete from duplicate_copy where id > :last and id <= :until and deleted")
_FIND = text(
    """
    select c.id, c.key, c.dataset, c.version, c.published_from, c.published_to, c.deleted, c.content,
        u.id as upload, u.form, u.header, u.finished_at
    from duplicate_copy c
    join upload u on u.number = (c.id >> 32)::int and u.state = 'registered'
    where c.person = :person and c.information = :information
        and (cast(:dataset as smallint) is null or c.dataset = :dataset)
        and (cast(:version as smallint) is null or c.version = :version)
    order by c.key, c.id desc
    """
)
_VISIBLE = text(
    """
    select c.id, c.information, c.dataset, c.version, c.published_from, c.published_to, c.content, u.form, u.finished_at
    from duplicate_copy c
    join upload u on u.number = (c.id >> 32)::int and u.state = 'registered'
    where c.id > :last and not c.deleted
        and (cast(:information as smallint) is null or c.information = :information)
        and not exists (
            select from duplicate_copy n
            join upload nu on nu.number = (n.id >> 32)::int and nu.state = 'registered'
            where n.person = c.person and n.information = c.information and n.key = c.key and n.id > c.id
        )
    order by c.id limit :limit
    """
)
_COUNT_BULK = text(
    """
    select count(*) from duplicate_copy c
    join upload u on u.number = (c.id >> 32)::int and u.state = 'registered'
    where c.id > :last and c.id <= :until and c.information = :information
        and (cast(:version as smallint) is null or c.version = :version)
        and (cast(:dataset as smallint) is null or c.dataset = :dataset)
    """
)
_BULK_DELETE = text(
    """
    with gone as (
        delete from duplicate_copy c
        using upload u
        where c.id > :last and c.id <= :until and u.number = (c.id >> 32)::int and u.state = 'registered'
            and c.information = :information
            and (cast(:version as smallint) is null or c.version = :version)
            and (cast(:dataset as smallint) is null or c.dataset = :dataset)
        returning c.id
    ), counted as (
        update upload u set superseded = u.superseded + t.rows
        from (select (id >> 32)::int as number, count(*)::int as rows from gone group by 1) t
        where u.number = t.number
    )
    select count(*) from gone
    """
)


def repeated_keys(connection: Connection, first: int, after: int, *, limit: int) -> tuple[dict[int, int], int]:
    """Return the rows of an upload whose key stands there before (id → id of the first), and how many there are.

    At most *limit* keys are followed up. The sort of a large file takes longer than a statement otherwise may.
    """
    connection.execute(_PATIENCE)
    bounds = {"first": first, "after": after}
    keys = [bytes(key) for (key,) in connection.execute(_REPEATED_KEYS, {**bounds, "limit": limit})]
    if not keys:
        return {}, 0
    first_of: dict[bytes, int] = {}
    repeated: dict[int, int] = {}
    for row, key in connection.execute(_WITH_KEYS, {**bounds, "keys": keys}):
        earlier = first_of.setdefault(bytes(key), row)
        if earlier != row and len(repeated) < limit:
            repeated[row] = earlier
    return repeated, int(connection.execute(_COUNT_REPEATED, bounds).scalar_one())


def delete_range(connection: Connection, first: int, after: int) -> int:
    """Remove up to ``BATCH`` rows of an upload; return how many."""
    values = {"first": first, "after": after, "limit": BATCH}
    return cast("CursorResult[Any]", connection.execute(_DELETE_RANGE, values)).rowcount


def next_row(connection: Connection, last: int, after: int) -> int | None:
    """Return the id of the last of the next ``BATCH`` rows behind *last* and before *after*; None at the end."""
    values = {"last": last, "after": after, "limit": BATCH}
    row: int | None = connection.execute(_NEXT, values).scalar_one()
    return row


def compact(connection: Connection, *, first: int, last: int, until: int) -> int:
    """Remove what the rows behind *last* up to *until*, of the upload that begins at *first*, have replaced.

    Deletions among them go too, for nothing is left that they delete. Returns how many older rows went.
    """
    gone = connection.execute(_COMPACT, {"first": first, "last": last, "until": until}).scalar_one()
    connection.execute(_DROP_DELETIONS, {"last": last, "until": until})
    return int(gone)


def candidates(
    connection: Connection, person: bytes, information: int, dataset: int | None, version: int | None
) -> Sequence[Row[Any]]:
    """Return the registered rows of *person*, by key, the newest of each key first."""
    values = {"person": person, "information": information, "dataset": dataset, "version": version}
    return connection.execute(_FIND, values).all()


def visible(connection: Connection, information: int | None, *, last: int, limit: int) -> Sequence[Row[Any]]:
    """Return the next *limit* newest registered rows behind *last*."""
    return connection.execute(_VISIBLE, {"information": information, "last": last, "limit": limit}).all()


def count(connection: Connection, information: int, target: Target, *, last: int, until: int) -> int:
    """Count the registered rows of *target* (of the number *information*) behind *last* up to *until*."""
    return int(connection.execute(_COUNT_BULK, _bulk(information, target, last, until)).scalar_one())


def bulk_delete(connection: Connection, information: int, target: Target, *, last: int, until: int) -> int:
    """Remove the registered rows of *target* (of the number *information*) behind *last* up to *until*."""
    return int(connection.execute(_BULK_DELETE, _bulk(information, target, last, until)).scalar_one())


def _bulk(information: int, target: Target, last: int, until: int) -> dict[str, int | None]:
    dataset = None if target.dataset is None else int(target.dataset)
    found = {"information": information, "version": target.version, "dataset": dataset}
    return {**found, "last": last, "until": until}
