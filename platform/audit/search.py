"""Searching the trail: by who, what, whom, which request, whose chain and when, newest first.

Each condition that is given has an index of its own (migration 0010), so a page of a million entries costs what a page
of a thousand does. Beside an actor or a subject the other conditions are answered by the same index; an action that
never stands in the chain that it is sought in costs a reading of all that is in either. Nobody counts them all.
Source: A0-142 item 2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, cast, select
from sqlalchemy.dialects.postgresql import JSONB

from chukan.platform.audit.rules import Outcome
from chukan.platform.audit.tables import AuditEntryRow

_BODY = cast(AuditEntryRow.body, JSONB)
_COLUMNS = (
    AuditEntryRow.chain,
    AuditEntryRow.seq,
    AuditEntryRow.recorded_at,
    AuditEntryRow.login,
    AuditEntryRow.body,
    AuditEntryRow.prev,
    AuditEntryRow.hash,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is searched for; what is None does not narrow. *since* is included, *until* is not; both are aware.

    *action* is a whole action, or the beginning of one that ends with a colon.
    """

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    request: str | None = None
    chain: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One entry as a page shows it; ``recorded_at`` is UTC, the hashes are hexadecimal."""

    chain: UUID
    seq: int
    recorded_at: datetime
    login: str
    actor: str
    action: str
    subject: str
    request: str
    outcome: Outcome
    detail: Mapping[str, Any]
    previous: str
    hash: str


def search(
    connection: Connection, asked: Asked, *, limit: int, offset: int = 0, descending: bool = True
) -> Sequence[Found]:
    """Return the entries that *asked* describes, newest first, or oldest first when not *descending*."""
    order = (AuditEntryRow.recorded_at, AuditEntryRow.chain, AuditEntryRow.seq)
    query = select(*_COLUMNS).where(*_conditions(asked)).limit(limit).offset(offset)
    query = query.order_by(*(column.desc() if descending else column for column in order))
    return [_found(row) for row in connection.execute(query)]


def entry(connection: Connection, chain: UUID, seq: int) -> Found | None:
    """Return one entry, or None."""
    query: Select[*tuple[Any, ...]] = select(*_COLUMNS).where(AuditEntryRow.chain == chain, AuditEntryRow.seq == seq)
    row = connection.execute(query).one_or_none()
    return _found(row) if row else None


def _conditions(asked: Asked) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for name in ("actor", "action", "subject", "request"):
        value = getattr(asked, name)
        if value is None:
            continue
        recorded = _BODY[name].astext
        is_beginning = name == "action" and value.endswith(":")
        conditions.append(recorded.startswith(value, autoescape=True) if is_beginning else recorded == value)
    if asked.chain is not None:
        conditions.append(AuditEntryRow.chain == asked.chain)
    if asked.since is not None:
        conditions.append(AuditEntryRow.recorded_at >= asked.since)
    if asked.until is not None:
        conditions.append(AuditEntryRow.recorded_at < asked.until)
    return conditions


def _found(row: Row[*tuple[Any, ...]]) -> Found:
    body = json.loads(row.body)
    return Found(
        chain=row.chain,
        seq=row.seq,
        recorded_at=row.recorded_at,
        login=row.login,
        actor=body["actor"],
        action=body["action"],
        subject=body["subject"],
        request=body["request"],
        outcome=Outcome(body["outcome"]),
        detail=body["detail"],
        previous=bytes(row.prev).hex(),
        hash=bytes(row.hash).hex(),
    )
