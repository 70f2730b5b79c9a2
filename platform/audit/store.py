"""Queries of the audit trail. Appending goes through the database's functions; nothing here commits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, func, literal_column, select, text
from sqlalchemy.dialects.postgresql import JSONB

from chukan.platform.audit.rules import StoredEntry
from chukan.platform.audit.seals import Leaf, Seal
from chukan.platform.audit.tables import AuditChain, AuditEntryRow, AuditSeal, AuditSealLeaf

#: Rows that a streaming query holds at once, in the server's cursor and here.
_BATCH = 2_000

_APPEND_OWN = text("select platform_api.append_audit(:body)")
_APPEND_ALL_OWN = text(
    """
    select platform_api.append_audit(each.body)
    from unnest(cast(:bodies as text[])) with ordinality as each (body, place) order by each.place
    """
)
_APPEND_PLATFORM = text("select platform_api.append_platform_audit(:body)")
_MAY_APPEND = text("select has_function_privilege('platform_api.append_platform_audit(text)', 'execute')")
_LOCK_SEALER = text("select platform_api.lock_audit_sealer()")
_MOVED = text("select chain, seq, head, continuous from platform_api.audit_moved_chains()")
_NOW = text("select clock_timestamp()")
_APPEND_SEAL = text("select platform_api.append_audit_seal(:number, :checkpoint, :chains, :seqs, :heads)")
_ANCHOR = text("select platform_api.anchor_audit_seal(:number)")
_UNSEALED = text("select oldest, measured_at from platform_api.audit_unsealed_since()")

#: The instant as it was hashed; a text, because a tampered one may be none that Python can hold.
_HASHED_INSTANT = func.coalesce(
    func.to_char(
        func.timezone("UTC", AuditEntryRow.recorded_at), literal_column("""'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'""")
    ),
    "",
)


@dataclass(frozen=True, slots=True)
class MovedChain:
    """A chain with entries after its newest seal; ``continuous`` if it still holds what that seal says."""

    leaf: Leaf
    continuous: bool


@dataclass(frozen=True, slots=True)
class Unsealed:
    """When the oldest entry without an anchored seal was recorded (None: there is none), and when that was asked."""

    oldest: datetime | None
    measured_at: datetime


@dataclass(frozen=True, slots=True)
class SealState:
    """The number of the newest seal and of the newest anchored one; 0 where there is none."""

    last: int
    anchored: int


def append_own(connection: Connection, body: str) -> int:
    """Append *body* to the chain of the tenant whose log-in this is; return its seq."""
    return int(connection.execute(_APPEND_OWN, {"body": body}).scalar_one())


def append_all_own(connection: Connection, bodies: Sequence[str]) -> None:
    """Append *bodies* to the chain of the tenant whose log-in this is, one after the other."""
    connection.execute(_APPEND_ALL_OWN, {"bodies": [*bodies]})


def append_platform(connection: Connection, body: str) -> int:
    """Append *body* to the platform's chain; return its seq."""
    return int(connection.execute(_APPEND_PLATFORM, {"body": body}).scalar_one())


def may_append(connection: Connection) -> bool:
    """Return whether this log-in may record anything in the platform's chain; the auditor's may not."""
    return bool(connection.execute(_MAY_APPEND).scalar_one())


def lock_sealer(connection: Connection) -> None:
    """Take the right to seal until this transaction ends, or fail at once."""
    connection.execute(_LOCK_SEALER)


def moved_chains(connection: Connection) -> list[MovedChain]:
    """Return the chains that moved since their newest seal, in order; takes no lock that an appender waits for."""
    return [MovedChain(Leaf(row.chain, row.seq, bytes(row.head)), row.continuous) for row in connection.execute(_MOVED)]


def database_now(connection: Connection) -> datetime:
    """Return the database's clock at this moment."""
    now: datetime = connection.execute(_NOW).scalar_one()
    return now


def append_seal(connection: Connection, seal: Seal) -> None:
    """Store *seal* as the one after the last."""
    connection.execute(
        _APPEND_SEAL,
        {
            "number": seal.number,
            "checkpoint": seal.checkpoint,
            "chains": [leaf.chain for leaf in seal.leaves],
            "seqs": [leaf.seq for leaf in seal.leaves],
            "heads": [leaf.head for leaf in seal.leaves],
        },
    )


def anchor_seal(connection: Connection, number: int) -> None:
    """Note that the sink holds seal *number*."""
    connection.execute(_ANCHOR, {"number": number})


def unsealed(connection: Connection) -> Unsealed:
    """Return how long entries have gone without an anchored seal."""
    row = connection.execute(_UNSEALED).one()
    return Unsealed(row.oldest, row.measured_at)


def seal_state(connection: Connection) -> SealState:
    """Return how far the seals reach."""
    newest = select(func.coalesce(func.max(AuditSeal.number), 0))
    anchored = newest.where(AuditSeal.anchored_at.is_not(None))
    return SealState(connection.execute(newest).scalar_one(), connection.execute(anchored).scalar_one())


def checkpoint(connection: Connection, number: int) -> str | None:
    """Return the checkpoint of seal *number*, or None."""
    return connection.execute(select(AuditSeal.checkpoint).where(AuditSeal.number == number)).scalar_one_or_none()


def seals_after(connection: Connection, number: int) -> Iterator[Seal]:
    """Stream the seals after *number* with their leaves, in order."""
    return _seals(connection, AuditSeal.number > number)


def seals_of(connection: Connection, chain: UUID) -> Iterator[Seal]:
    """Stream the anchored seals that hold a leaf of *chain*, with all their leaves, in order."""
    own = select(AuditSealLeaf.seal).where(AuditSealLeaf.chain == chain)
    return _seals(connection, AuditSeal.number.in_(own) & AuditSeal.anchored_at.is_not(None))


def _seals(connection: Connection, wanted: ColumnElement[bool]) -> Iterator[Seal]:
    query = (
        select(AuditSeal.number, AuditSeal.checkpoint, AuditSeal.anchored_at.is_not(None).label("anchored"))
        .add_columns(AuditSealLeaf.chain, AuditSealLeaf.seq, AuditSealLeaf.head)
        .join_from(AuditSeal, AuditSealLeaf, AuditSealLeaf.seal == AuditSeal.number, isouter=True)
        .where(wanted)
        .order_by(AuditSeal.number, AuditSealLeaf.chain)
    )
    for number, rows in groupby(_stream(connection, query), key=lambda row: int(row.number)):
        group = list(rows)
        leaves = tuple(Leaf(row.chain, row.seq, bytes(row.head)) for row in group if row.chain is not None)
        yield Seal(number, group[0].checkpoint, leaves, group[0].anchored)


def entries(connection: Connection, chain: UUID | None = None, *, up_to: int | None = None) -> Iterator[StoredEntry]:
    """Stream the entries of all chains, or of one, up to a seq, as they were hashed, in order."""
    query = select(
        AuditEntryRow.chain,
        AuditEntryRow.seq,
        _HASHED_INSTANT.label("recorded_at"),
        AuditEntryRow.login,
        AuditEntryRow.body,
        AuditEntryRow.prev,
        AuditEntryRow.hash,
    ).order_by(AuditEntryRow.chain, AuditEntryRow.seq)
    if chain is not None:
        query = query.where(AuditEntryRow.chain == chain)
    if up_to is not None:
        query = query.where(AuditEntryRow.seq <= up_to)
    for row in _stream(connection, query):
        yield StoredEntry(row.chain, row.seq, row.recorded_at, row.login, row.body, bytes(row.prev), bytes(row.hash))


def heads(connection: Connection) -> Iterator[Leaf]:
    """Stream the chains' ends as appenders see them, in order."""
    query = select(AuditChain.chain, AuditChain.seq, AuditChain.head).order_by(AuditChain.chain)
    for row in _stream(connection, query):
        yield Leaf(row.chain, row.seq, bytes(row.head))


def search(
    connection: Connection,
    chain: UUID,
    *,
    action: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return the newest entries of *chain*, newest first; *since* is included, *until* is not.

    *action* is a whole action or the beginning of one that ends with a colon.
    """
    query = select(AuditEntryRow.seq, AuditEntryRow.recorded_at, AuditEntryRow.login, AuditEntryRow.body).where(
        AuditEntryRow.chain == chain
    )
    if action is not None:
        recorded = func.cast(AuditEntryRow.body, JSONB)["action"].astext
        query = query.where(
            recorded.startswith(action, autoescape=True) if action.endswith(":") else recorded == action
        )
    if since is not None:
        query = query.where(AuditEntryRow.recorded_at >= since)
    if until is not None:
        query = query.where(AuditEntryRow.recorded_at < until)
    return connection.execute(query.order_by(AuditEntryRow.seq.desc()).limit(limit)).all()


def _stream(connection: Connection, query: Select[*tuple[Any, ...]]) -> Iterator[Row[*tuple[Any, ...]]]:
    with connection.execute(query, execution_options={"yield_per": _BATCH}) as result:
        yield from result
