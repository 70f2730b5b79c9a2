"""Queries on wrapped keys and sealed credentials. They take a psycopg connection and never commit.

Provisioning works on a psycopg connection, so these do too; ``driver`` gives the one below SQLAlchemy's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import args_row

from chukan.platform.identifiers import TenantId
from chukan.platform.vault.rules import KeyState, Purpose


@dataclass(frozen=True)
class StoredKey:
    """A row of ``data_key``. The last three are None once it is destroyed."""

    owner: TenantId
    purpose: Purpose
    version: int
    state: KeyState
    wrapping_key: str | None
    wrapped: bytes | None
    binding: bytes | None


def read_keys(connection: psycopg.Connection, owner: TenantId, purpose: Purpose) -> Sequence[StoredKey]:
    """Return all versions of a key, oldest first."""
    return _keys(connection).execute(
        "select owner, purpose, version, state, wrapping_key, wrapped, binding from platform.data_key"
        " where owner = %s and purpose = %s order by version",
        (owner, purpose.value),
    ).fetchall()  # fmt: skip


def lock_out_destruction(connection: psycopg.Connection) -> None:
    """Hold, until the transaction ends, the lock that ``forbid_new_keys`` waits for."""
    connection.execute("lock table platform.data_key in row exclusive mode")


def forbid_new_keys(connection: psycopg.Connection) -> None:
    """Wait for all transactions that make or change keys, and keep new ones out until this one ends."""
    connection.execute("lock table platform.data_key in share mode")


def insert_key(connection: psycopg.Connection, key: StoredKey) -> None:
    """Add a version of a key."""
    connection.execute(
        "insert into platform.data_key (owner, purpose, version, state, wrapping_key, wrapped, binding)"
        " values (%s, %s, %s, %s, %s, %s, %s)",
        (
            key.owner,
            key.purpose.value,
            key.version,
            key.state.value,
            key.wrapping_key,
            key.wrapped,
            key.binding,
        ),
    )


def claim_for_rewrapping(
    connection: psycopg.Connection, target: str, *, after: StoredKey | None, limit: int
) -> Sequence[StoredKey]:
    """Lock and return up to *limit* keys behind *after*, in order, that another key than *target* wraps."""
    owner, purpose, version = (after.owner, after.purpose.value, after.version) if after else (UUID(int=0), "", 0)
    return _keys(connection).execute(
        "select owner, purpose, version, state, wrapping_key, wrapped, binding from platform.data_key"
        " where wrapping_key <> %s and (owner, purpose, version) > (%s, %s, %s)"
        " order by owner, purpose, version limit %s for update",
        (target, owner, purpose, version, limit),
    ).fetchall()  # fmt: skip


def rewrap(connection: psycopg.Connection, target: str, keys: Iterable[tuple[StoredKey, bytes]]) -> None:
    """Store each key as wrapped anew by *target*."""
    connection.cursor().executemany(
        "update platform.data_key set wrapping_key = %s, wrapped = %s"
        " where owner = %s and purpose = %s and version = %s",
        [(target, wrapped, key.owner, key.purpose.value, key.version) for key, wrapped in keys],
    )


def count_by_wrapping_key(connection: psycopg.Connection) -> dict[str, int]:
    """Return how many data keys each wrapping key wraps."""
    rows = connection.execute(
        "select wrapping_key, count(*) from platform.data_key where wrapping_key is not null group by 1 order by 1"
    )
    return dict(rows.fetchall())


def count_by_state(connection: psycopg.Connection) -> dict[KeyState, int]:
    """Return how many data keys stand in each state, zeros included."""
    rows = connection.execute("select state, count(*) from platform.data_key group by 1").fetchall()
    return dict.fromkeys(KeyState, 0) | {KeyState(state): count for state, count in rows}


def lock_key(connection: psycopg.Connection, owner: TenantId, purpose: Purpose) -> Sequence[StoredKey]:
    """Lock and return all versions of a key, oldest first: one rotation of it at a time."""
    return _keys(connection).execute(
        "select owner, purpose, version, state, wrapping_key, wrapped, binding from platform.data_key"
        " where owner = %s and purpose = %s order by version for update",
        (owner, purpose.value),
    ).fetchall()  # fmt: skip


def move_keys(
    connection: psycopg.Connection, owner: TenantId, purpose: Purpose, before: KeyState, after: KeyState
) -> int:
    """Move every version of a key from the state *before* to *after*, and return how many there were."""
    return connection.execute(
        "update platform.data_key set state = %s, changed_at = now() where owner = %s and purpose = %s and state = %s",
        (after.value, owner, purpose.value, before.value),
    ).rowcount


def destroy_keys(connection: psycopg.Connection, owner: TenantId) -> int:
    """Empty every key of *owner* for ever, and return how many there were."""
    return connection.execute(
        "update platform.data_key set state = 'destroyed', changed_at = now(),"
        " wrapping_key = null, wrapped = null, binding = null where owner = %s and state <> 'destroyed'",
        (owner,),
    ).rowcount


def retiring_since(connection: psycopg.Connection, owner: TenantId) -> timedelta | None:
    """Return since how long (database time) the content key of *owner* is being replaced, or None."""
    row = connection.execute(
        "select now() - max(changed_at) from platform.data_key"
        " where owner = %s and purpose = 'content' and state = 'retiring'",
        (owner,),
    ).fetchone()
    return row[0] if row else None


def owners_with_retiring_keys(connection: psycopg.Connection) -> Sequence[TenantId]:
    """Return the owners whose data key is being replaced."""
    rows = connection.execute("select distinct owner from platform.data_key where state = 'retiring' order by owner")
    return [TenantId(owner) for (owner,) in rows]


def read_credential(connection: psycopg.Connection, tenant: TenantId) -> bytes | None:
    """Return the sealed password of the tenant's log-in, or None if there is none."""
    return _one(connection, "select sealed from platform.tenant_credential where tenant = %s", tenant)


def lock_credential(connection: psycopg.Connection, tenant: TenantId) -> bytes | None:
    """Return the sealed password like ``read_credential``, and keep it from changing in this transaction."""
    return _one(connection, "select sealed from platform.tenant_credential where tenant = %s for update", tenant)


def write_credential(connection: psycopg.Connection, tenant: TenantId, sealed: bytes) -> None:
    """Store a new password of the tenant's log-in, sealed; its version counts up."""
    connection.execute(
        "insert into platform.tenant_credential as known (tenant, version, sealed) values (%s, 1, %s)"
        " on conflict (tenant) do update"
        " set version = known.version + 1, sealed = excluded.sealed, created_at = now()",
        (tenant, sealed),
    )


def reseal_credential(connection: psycopg.Connection, tenant: TenantId, sealed: bytes) -> None:
    """Store the same password sealed anew."""
    connection.execute("update platform.tenant_credential set sealed = %s where tenant = %s", (sealed, tenant))


def _one(connection: psycopg.Connection, query: LiteralString, tenant: TenantId) -> bytes | None:
    row = connection.execute(query, (tenant,)).fetchone()
    return row[0] if row else None


def _keys(connection: psycopg.Connection) -> psycopg.Cursor[StoredKey]:
    return connection.cursor(row_factory=args_row(_stored))


def _stored(  # noqa: PLR0917 - psycopg gives a row's columns by position
    owner: UUID,
    purpose: str,
    version: int,
    state: str,
    wrapping_key: str | None,
    wrapped: bytes | None,
    binding: bytes | None,
) -> StoredKey:
    return StoredKey(TenantId(owner), Purpose(purpose), version, KeyState(state), wrapping_key, wrapped, binding)
