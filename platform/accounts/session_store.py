"""Queries on sessions. Nothing here commits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, func, insert, select, text, update

from chukan.platform.accounts.rules import SessionEnd, SessionKind
from chukan.platform.accounts.tables import SessionRow

_HOLDER = text("select * from platform_api.session_holder(:token)")


@dataclass(frozen=True)
class Holder:
    """A session that was not ended, and the active account that holds it; whether it is too old is not said."""

    session: UUID
    kind: SessionKind
    started_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    account: UUID
    person: UUID
    login: str
    roles: tuple[str, ...]


@dataclass(frozen=True)
class OpenSession:
    """A session as it is listed; never its token."""

    id: UUID
    kind: SessionKind
    address: str
    started_at: datetime
    last_seen_at: datetime
    expires_at: datetime


def holder(connection: Connection, hashed: bytes) -> Holder | None:
    """Return who holds the token with this hash, or None if nobody does."""
    row = connection.execute(_HOLDER, {"token": hashed}).one_or_none()
    if row is None:
        return None
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    return Holder(**{**values, "kind": SessionKind(row.kind), "roles": tuple(row.roles)})


def add_session(
    connection: Connection,
    *,
    account: UUID,
    kind: SessionKind,
    hashed: bytes,
    address: str,
    started_at: datetime,
    expires_at: datetime,
) -> UUID:
    """Add a session and return its id."""
    made = insert(SessionRow).values(
        account=account,
        kind=kind.value,
        hash=hashed,
        address=address,
        started_at=started_at,
        last_seen_at=started_at,
        expires_at=expires_at,
    )
    return connection.execute(made.returning(SessionRow.id)).scalar_one()


def touch(connection: Connection, session: UUID, before: datetime, now: datetime) -> None:
    """Note that the session was used at *now*, unless somebody else noted a later use."""
    change = update(SessionRow).where(SessionRow.id == session, SessionRow.last_seen_at == before)
    connection.execute(change.values(last_seen_at=now))


def address_of(connection: Connection, session: UUID) -> str:
    """Return where the session was opened."""
    return connection.execute(select(SessionRow.address).where(SessionRow.id == session)).scalar_one()


def end_session(connection: Connection, session: UUID, why: SessionEnd, *, now: datetime) -> bool:
    """End one session; False if it was ended before."""
    change = update(SessionRow).where(SessionRow.id == session, SessionRow.ended_at.is_(None))
    return connection.execute(change.values(ended_at=now, ended_by=why.value)).rowcount == 1


def end_sessions(
    connection: Connection, account: UUID, why: SessionEnd, *, now: datetime, keep: UUID | None = None
) -> int:
    """End all sessions of the account, but for *keep*, and return how many there were."""
    change = update(SessionRow).where(SessionRow.account == account, SessionRow.ended_at.is_(None))
    if keep is not None:
        change = change.where(SessionRow.id != keep)
    return connection.execute(change.values(ended_at=now, ended_by=why.value)).rowcount


def last_started(connection: Connection, accounts: Collection[UUID]) -> Mapping[UUID, datetime]:
    """Return when each of *accounts* last logged in, as far as sessions are kept."""
    newest = func.max(SessionRow.started_at).label("newest")
    query = select(SessionRow.account, newest).where(SessionRow.account.in_(accounts)).group_by(SessionRow.account)
    return {row.account: row.newest for row in connection.execute(query)}


def open_sessions(connection: Connection, account: UUID, now: datetime) -> Sequence[OpenSession]:
    """Return the account's sessions that were not ended and are not over at *now*, newest first."""
    query = (
        select(SessionRow)
        .where(SessionRow.account == account, SessionRow.ended_at.is_(None), SessionRow.expires_at > now)
        .order_by(SessionRow.started_at.desc(), SessionRow.id)
    )
    return [
        OpenSession(row.id, SessionKind(row.kind), row.address, row.started_at, row.last_seen_at, row.expires_at)
        for row in connection.execute(query)
    ]
