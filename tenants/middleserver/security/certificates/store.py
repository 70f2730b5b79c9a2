"""Queries of an organisation's keys, under its own log-in; nothing here commits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from chukan.tenants.middleserver.security.certificates.rules import ACCEPTED, OPENING, KeyState, KeyUse
from chukan.tenants.middleserver.security.certificates.tables import (
    CertificateProjectionRow,
    OrgKeyEventRow,
    OrgKeyRow,
)
from chukan.tenants.middleserver.security.certificates.x509 import Certified


@dataclass(frozen=True)
class StoredKey:
    """A key as it is stored; ``private_key`` is sealed. Instants are UTC."""

    id: UUID
    use: KeyUse
    state: KeyState
    kid: str | None
    certificate: bytes | None
    private_key: bytes
    not_before: datetime | None
    not_after: datetime | None
    changed_at: datetime


_COLUMNS = (
    OrgKeyRow.id,
    OrgKeyRow.use,
    OrgKeyRow.state,
    OrgKeyRow.kid,
    OrgKeyRow.certificate,
    OrgKeyRow.private_key,
    OrgKeyRow.not_before,
    OrgKeyRow.not_after,
    OrgKeyRow.changed_at,
)


# Asked for every message: composed once, for that takes longer than to run it.
_IN_STATES = (
    select(*_COLUMNS).where(OrgKeyRow.state.in_(bindparam("states", expanding=True))).order_by(OrgKeyRow.id)
)  # fmt: skip
_LIVING = tuple(sorted(OPENING | ACCEPTED))


def living_keys(connection: Connection) -> Sequence[StoredKey]:
    """Return the keys that sign, open or verify anything now, oldest first."""
    return keys(connection, states=_LIVING)


def keys(connection: Connection, *, states: Collection[KeyState] = tuple(KeyState)) -> Sequence[StoredKey]:
    """Return the keys that are in one of *states*, oldest first."""
    rows = connection.execute(_IN_STATES, {"states": [state.value for state in states]})
    return [_stored(row) for row in rows]


def lock_key(connection: Connection, kid: str) -> StoredKey | None:
    """Return the key of *kid*, and keep others from changing it in this transaction."""
    query = select(*_COLUMNS).where(OrgKeyRow.kid == kid).with_for_update()
    row = connection.execute(query).one_or_none()
    return _stored(row) if row else None


def key_of(connection: Connection, kid: str) -> StoredKey | None:
    """Return the key of *kid*."""
    row = connection.execute(select(*_COLUMNS).where(OrgKeyRow.kid == kid)).one_or_none()
    return _stored(row) if row else None


def lock_use(connection: Connection, use: KeyUse) -> None:
    """Wait until nobody else changes the keys of *use* of this organisation, and keep them out."""
    query = select(OrgKeyRow.id).where(OrgKeyRow.use == use.value).order_by(OrgKeyRow.id)
    connection.execute(query.with_for_update())


def insert_key(connection: Connection, key: UUID, use: KeyUse, sealed: bytes, now: datetime) -> bool:
    """Insert a key that has no certificate yet; False if one of its use waits by now."""
    values = {"id": key, "use": use.value, "state": KeyState.PENDING.value, "private_key": sealed}
    made = upsert(OrgKeyRow).values(**values, requested_at=now, changed_at=now).on_conflict_do_nothing()
    return connection.execute(made.returning(OrgKeyRow.id)).one_or_none() is not None


def certify(connection: Connection, key: UUID, certified: Certified, now: datetime) -> bool:
    """Give a pending key its certificate; False if it has one by now."""
    change = (
        update(OrgKeyRow)
        .where(OrgKeyRow.id == key, OrgKeyRow.kid.is_(None), OrgKeyRow.state == KeyState.PENDING.value)
        .values(
            kid=certified.kid,
            certificate=certified.der,
            not_before=certified.not_before,
            not_after=certified.not_after,
            changed_at=now,
        )
    )
    return connection.execute(change.returning(OrgKeyRow.id)).one_or_none() is not None


def move(connection: Connection, key: StoredKey, to: KeyState, *, reason: str, now: datetime) -> bool:
    """Move *key* to the state *to*, with its event; False if it is in another state by now."""
    change = (
        update(OrgKeyRow)
        .where(OrgKeyRow.id == key.id, OrgKeyRow.state == key.state.value)
        .values(state=to.value, changed_at=now)
    )
    if connection.execute(change.returning(OrgKeyRow.id)).one_or_none() is None:
        return False
    note(connection, key.id, to, reason=reason, now=now)
    return True


def note(connection: Connection, key: UUID, state: KeyState, *, reason: str, now: datetime) -> None:
    """Write down that a key came into *state*."""
    connection.execute(insert(OrgKeyEventRow).values(org_key=key, state=state.value, reason=reason, at=now))


def project(connection: Connection, key: StoredKey, state: KeyState) -> None:
    """Tell the console and the checks where *key* stands; the database knows whose log-in this is."""
    connection.execute(
        select(
            func.platform_api.project_certificate(key.kid, key.use.value, state.value, key.not_before, key.not_after)
        )
    )  # fmt: skip


def projections(connection: Connection, states: Collection[KeyState]) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return tenant, kid, use, state and end of the certificates in *states*, soonest end first (shared schema)."""
    row = CertificateProjectionRow
    query = select(row.tenant, row.kid, row.use, row.state, row.not_after)
    return connection.execute(query.where(row.state.in_([one.value for one in states])).order_by(row.not_after)).all()


def _stored(row: Row[*tuple[Any, ...]]) -> StoredKey:
    return StoredKey(
        id=row.id,
        use=KeyUse(row.use),
        state=KeyState(row.state),
        kid=row.kid,
        certificate=bytes(row.certificate) if row.certificate is not None else None,
        private_key=bytes(row.private_key),
        not_before=row.not_before,
        not_after=row.not_after,
        changed_at=row.changed_at,
    )
