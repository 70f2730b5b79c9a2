"""Queries on systems, rates and stored answers. They take a connection and never commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from chukan.platform.database.tables import Tenant, TenantState
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.connections.rules import Allowed, System
from chukan.tenants.middleserver.connections.tables import ConnectedSystem, StoredAnswer

_COLUMNS: tuple[Any, ...] = (
    ConnectedSystem.id,
    ConnectedSystem.fingerprint,
    ConnectedSystem.tenant,
    ConnectedSystem.department,
    ConnectedSystem.system_id,
    ConnectedSystem.allowed,
    ConnectedSystem.valid_from,
    ConnectedSystem.valid_until,
    ConnectedSystem.registered_at,
    ConnectedSystem.revoked_at,
)


# Asked at every request: composed once, for that takes longer than to run it.
_FIND = select(*_COLUMNS).where(ConnectedSystem.fingerprint == bindparam("fingerprint"))
_COUNT = text(
    """
    insert into platform.request_rate as r (tenant, kind, begins, used) values (:tenant, :kind, :now, 1)
    on conflict (tenant, kind) do update set
        begins = case when r.begins <= :over then :now else r.begins end,
        used = case when r.begins <= :over then 1 else r.used + 1 end
    returning used, begins
    """
)
_CLAIM = text(
    """
    insert into stored_answer as a (key, digest, at, claim) values (:key, :digest, :now, :claim)
    on conflict (key) do update set at = :now, claim = :claim, digest = :digest, content = null
    where a.at < :over or (a.content is null and a.at < :stale and a.digest = :digest)
    returning key
    """
)
_CLAIMED = select(StoredAnswer.digest, StoredAnswer.content).where(StoredAnswer.key == bindparam("key"))
_KEEP = text("update stored_answer set content = :content where key = :key and claim = :claim")


def insert_system(connection: Connection, values: dict[str, object]) -> System | None:
    """Register a system and return it; None where the certificate was registered before."""
    query = insert(ConnectedSystem).values(values).on_conflict_do_nothing(index_elements=["fingerprint"])
    row = connection.execute(query.returning(*_COLUMNS)).one_or_none()
    return None if row is None else _system(row)


def find(connection: Connection, fingerprint: str) -> System | None:
    """Return the system of a certificate, revoked or not."""
    row = connection.execute(_FIND, {"fingerprint": fingerprint}).one_or_none()
    return None if row is None else _system(row)


def systems(connection: Connection, tenant: TenantId | None = None) -> Sequence[System]:
    """Return the systems of *tenant*, or of all, in the order of their registration."""
    query = select(*_COLUMNS).order_by(ConnectedSystem.registered_at, ConnectedSystem.id)
    if tenant is not None:
        query = query.where(ConnectedSystem.tenant == tenant)
    return [_system(row) for row in connection.execute(query)]


def revoke(connection: Connection, system: UUID, *, actor: str, reason: str, now: datetime) -> bool:
    """Revoke a system's certificate; False where it is revoked already."""
    query = update(ConnectedSystem).where(ConnectedSystem.id == system, ConnectedSystem.revoked_at.is_(None))
    done = connection.execute(query.values(revoked_at=now, revoked_by=actor, revocation_reason=reason))
    return done.rowcount == 1


def count_request(
    connection: Connection, tenant: TenantId, kind: str, span: timedelta, *, now: datetime
) -> tuple[int, datetime]:
    """Count a request and return how many there were in the present *span*, and since when (UTC).

    One row an organisation and kind: it begins anew when its span is over.
    """
    told = {"tenant": tenant, "kind": kind, "now": now, "over": now - span}
    used, begins = connection.execute(_COUNT, told).one()
    return used, begins


def claim_answer(
    connection: Connection, key: str, digest: bytes, claim: UUID, *, now: datetime, stale: datetime, over: datetime
) -> tuple[bytes, bytes | None] | None:
    """Begin the request of *key* and return None; else the digest of the one that had it, and its answer if it has one.

    One without an answer that was begun before *stale* was left by a gateway that died; it is taken over. What was
    begun before *over* is not kept any more, whether it was removed or not: the key is as if it had never come.
    """
    told = {"key": key, "digest": digest, "claim": claim, "now": now, "stale": stale, "over": over}
    if connection.execute(_CLAIM, told).one_or_none() is not None:
        return None
    row = connection.execute(_CLAIMED, {"key": key}).one()
    return bytes(row.digest), None if row.content is None else bytes(row.content)


def keep_answer(connection: Connection, key: str, claim: UUID, content: bytes) -> None:
    """Store the answer of the request of *key*, unless somebody else has taken it over."""
    connection.execute(_KEEP, {"key": key, "claim": claim, "content": content})


def forget_answer(connection: Connection, key: str, claim: UUID) -> None:
    """Let the request of *key* be tried again: nothing was done."""
    connection.execute(delete(StoredAnswer).where(StoredAnswer.key == key, StoredAnswer.claim == claim))


def put_answer(connection: Connection, key: str, digest: bytes, content: bytes, *, now: datetime) -> None:
    """Store an answer that nobody asked for under *key*, in place of an earlier one."""
    values = {"digest": digest, "at": now, "claim": func.gen_random_uuid(), "content": content}
    made = insert(StoredAnswer).values(key=key, **values)
    connection.execute(made.on_conflict_do_update(index_elements=["key"], set_=values))


def answer(connection: Connection, key: str) -> bytes | None:
    """Return the answer that is stored under *key*."""
    query = select(StoredAnswer.content).where(StoredAnswer.key == key)
    content = connection.execute(query).scalar_one_or_none()
    return None if content is None else bytes(content)


def forget_before(connection: Connection, instant: datetime, *, limit: int) -> int:
    """Remove up to *limit* of what was begun before *instant*; return how many."""
    some = select(StoredAnswer.key).where(StoredAnswer.at < instant).limit(limit)
    gone = delete(StoredAnswer).where(StoredAnswer.key.in_(some), StoredAnswer.at < instant).returning(StoredAnswer.key)
    return len(connection.execute(gone).all())


def calling(connection: Connection) -> Sequence[TenantId]:
    """Return the active tenants that have, or had, a connected system."""
    query = select(ConnectedSystem.tenant).join(Tenant, Tenant.id == ConnectedSystem.tenant)
    active = query.where(Tenant.state == TenantState.ACTIVE.value).distinct().order_by(ConnectedSystem.tenant)
    return [TenantId(tenant) for tenant in connection.execute(active).scalars()]


def _system(row: Row[Any]) -> System:
    return System(
        id=row.id,
        fingerprint=row.fingerprint,
        tenant=TenantId(row.tenant),
        department=row.department,
        system_id=row.system_id,
        allowed=frozenset(map(Allowed, row.allowed)),
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        registered_at=row.registered_at,
        revoked_at=row.revoked_at,
    )
