"""Queries on requests that wait for a second person. Nothing here commits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, func, insert, select, text, update
from sqlalchemy.orm import InstrumentedAttribute, aliased

from chukan.platform.accounts.rules import AccountState, RequestState
from chukan.platform.accounts.tables import AccountRow, RequestEventRow, RequestRow

_FINISH = text("select platform_api.finish_four_eyes_request(:request, :kind)")
_EXPIRE = text("select request, kind from platform_api.expire_four_eyes_requests()")
_VOUCHED = text(
    """
    with recursive chain (person) as (
        select a.issued_by from platform.account a
        where a.person = :person and a.kind = 'operator' and a.issued_by is not null
        union
        select a.issued_by from chain c join platform.account a on a.person = c.person
        where a.kind = 'operator' and a.issued_by is not null
    )
    select person from chain
    """
)


@dataclass(frozen=True)
class Request:
    """A request as it is listed and decided; ``requested_by`` and ``decided_by`` are log-in names."""

    id: UUID
    kind: str
    payload: Mapping[str, Any]
    state: RequestState
    requester: UUID
    requester_active: bool
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    decided_by: str | None
    decider: UUID | None
    decided_at: datetime | None


def add_request(
    connection: Connection,
    *,
    kind: str,
    payload: str,
    account: UUID,
    person: UUID,
    requested_at: datetime,
    expires_at: datetime,
) -> UUID:
    """Add a request and return its id."""
    made = insert(RequestRow).values(
        kind=kind,
        payload=payload,
        requested_by=account,
        requester=person,
        requested_at=requested_at,
        expires_at=expires_at,
    )
    return connection.execute(made.returning(RequestRow.id)).scalar_one()


def add_event(connection: Connection, request: UUID, state: RequestState, actor: str, *, at: datetime) -> None:
    """Add a line to the request's history."""
    connection.execute(insert(RequestEventRow).values(request=request, at=at, state=state.value, actor=actor))


def lock_request(connection: Connection, request: UUID) -> Request | None:
    """Return the request and keep it from changing in this transaction."""
    connection.execute(select(RequestRow.id).where(RequestRow.id == request).with_for_update())
    rows = _requests(connection, _query().where(RequestRow.id == request))
    return rows[0] if rows else None


def open_requests(connection: Connection, now: datetime) -> Sequence[Request]:
    """Return what waits for a second person, or for being carried out, at *now*; oldest first."""
    states = (RequestState.REQUESTED.value, RequestState.APPROVED.value)
    query = _query().where(RequestRow.state.in_(states), RequestRow.expires_at > now)
    return _requests(connection, query.order_by(RequestRow.requested_at, RequestRow.id))


def request(connection: Connection, wanted: UUID) -> Request | None:
    """Return the request *wanted* as it stands."""
    rows = _requests(connection, _query().where(RequestRow.id == wanted))
    return rows[0] if rows else None


def page(
    connection: Connection,
    condition: ColumnElement[bool],
    *,
    order: Sequence[ColumnElement[Any] | InstrumentedAttribute[Any]],
    limit: int | None,
    offset: int,
) -> tuple[Sequence[Request], int]:
    """Return one page of the requests that meet *condition*, in *order*, and how many there are."""
    query = _query().where(condition).order_by(*order).limit(limit).offset(offset)
    return _requests(connection, query), count(connection, condition)


def count(connection: Connection, condition: ColumnElement[bool]) -> int:
    """Return how many requests meet *condition*."""
    return connection.execute(select(func.count()).select_from(RequestRow).where(condition)).scalar_one()


def vouched_for_by(connection: Connection, person: UUID) -> frozenset[UUID]:
    """Return who handed the operator *person* their way in, who handed it to them, and so on up."""
    return frozenset(connection.execute(_VOUCHED, {"person": person}).scalars())


def decide(
    connection: Connection,
    request: UUID,
    before: RequestState,
    after: RequestState,
    *,
    account: UUID,
    person: UUID,
    now: datetime,
) -> bool:
    """Move the request from *before* to *after* by the decision of *person*; False if it was not in *before*."""
    ended_at = None if after is RequestState.APPROVED else now
    change = update(RequestRow).where(RequestRow.id == request, RequestRow.state == before.value)
    values = {"state": after.value, "decided_by": account, "decider": person, "decided_at": now, "ended_at": ended_at}
    return connection.execute(change.values(**values)).rowcount == 1


def finish(connection: Connection, request: UUID, kind: str) -> Mapping[str, Any] | None:
    """Use up the approval of a request of *kind* and return its payload; None if there is none (any more)."""
    payload = connection.execute(_FINISH, {"request": request, "kind": kind}).scalar_one()
    return None if payload is None else _payload(payload)


def approved(connection: Connection, kind: str) -> Sequence[UUID]:
    """Return the requests of *kind* that wait for being carried out, oldest approval first (database time)."""
    query = (
        select(RequestRow.id)
        .where(
            RequestRow.kind == kind,
            RequestRow.state == RequestState.APPROVED.value,
            RequestRow.expires_at > func.clock_timestamp(),
        )
        .order_by(RequestRow.decided_at, RequestRow.id)
    )
    return connection.execute(query).scalars().all()


def expire(connection: Connection) -> Sequence[tuple[UUID, str]]:
    """Let every request whose time is over (database time) expire, and return ids and kinds."""
    return [(row.request, row.kind) for row in connection.execute(_EXPIRE)]


def _query() -> Select[RequestRow, str, str, str]:
    requester, decider = aliased(AccountRow), aliased(AccountRow)
    return (
        select(
            RequestRow,
            requester.login.label("requester_login"),
            requester.state.label("requester_state"),
            decider.login.label("decider_login"),
        )
        .join(requester, requester.id == RequestRow.requested_by)
        .outerjoin(decider, decider.id == RequestRow.decided_by)
    )


def _requests(connection: Connection, query: Select[RequestRow, str, str, str]) -> list[Request]:
    return [
        Request(
            id=row.id,
            kind=row.kind,
            payload=_payload(row.payload),
            state=RequestState(row.state),
            requester=row.requester,
            requester_active=row.requester_state == AccountState.ACTIVE.value,
            requested_by=row.requester_login,
            requested_at=row.requested_at,
            expires_at=row.expires_at,
            decided_by=row.decider_login,
            decider=row.decider,
            decided_at=row.decided_at,
        )
        for row in connection.execute(query)
    ]


def _payload(document: str) -> Mapping[str, Any]:
    found: dict[str, Any] = json.loads(document)
    return found
