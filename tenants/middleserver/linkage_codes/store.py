"""Queries of requests, links, their history and cases, under the organisation's own log-in; nothing here commits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, insert, select, text, update

from chukan.tenants.middleserver.linkage_codes.rules import (
    UNDER_WAY,
    CaseKind,
    LinkEvent,
    RequestState,
)
from chukan.tenants.middleserver.linkage_codes.tables import CodeCaseRow, CodeRequestRow, LinkageCodeRow, LinkEventRow

_UNDER_WAY = tuple(state.value for state in UNDER_WAY)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it is stored; ``address`` is sealed. Instants are UTC."""

    id: UUID
    serial: str
    person: bytes
    address: bytes
    state: RequestState
    conv: UUID
    message: UUID
    requested_at: datetime
    due_on: date
    answered_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Link:
    """That a person has a code; ``code`` and ``address`` are sealed. Instants are UTC."""

    id: UUID
    person: bytes
    code_index: bytes
    code: bytes
    address: bytes
    request: UUID
    linked_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing that happened to the code of a person."""

    at: datetime
    event: LinkEvent
    request: UUID | None
    link: UUID | None
    actor: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Case:
    """What somebody has to look at."""

    id: UUID
    kind: CaseKind
    request: UUID
    link: UUID
    opened_at: datetime


_REQUEST = (
    CodeRequestRow.id,
    CodeRequestRow.serial,
    CodeRequestRow.person,
    CodeRequestRow.address,
    CodeRequestRow.state,
    CodeRequestRow.conv,
    CodeRequestRow.message,
    CodeRequestRow.requested_at,
    CodeRequestRow.due_on,
    CodeRequestRow.answered_at,
    CodeRequestRow.reason,
)
_LINK = (
    LinkageCodeRow.id,
    LinkageCodeRow.person,
    LinkageCodeRow.code_index,
    LinkageCodeRow.code,
    LinkageCodeRow.address,
    LinkageCodeRow.request,
    LinkageCodeRow.linked_at,
    LinkageCodeRow.ended_at,
)


def new_ids(connection: Connection, count: int) -> Sequence[UUID]:
    """Return *count* new ids in the order of time."""
    return connection.execute(select(func.uuidv7()).select_from(func.generate_series(1, count))).scalars().all()


# -- requests ----------------------------------------------------------------------------------------


def lock_requesting(connection: Connection) -> None:
    """Let nobody else of this organisation request codes until the transaction ends."""
    connection.execute(text("lock table code_request in share row exclusive mode"))


def add_requests(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert new requests."""
    connection.execute(insert(CodeRequestRow), list(rows))


def under_way(connection: Connection, people: Collection[bytes]) -> Mapping[bytes, Request]:
    """Return the requests under way of *people*, by person."""
    query = select(*_REQUEST).where(CodeRequestRow.person.in_(people), CodeRequestRow.state.in_(_UNDER_WAY))
    return {bytes(row.person): _request(row) for row in connection.execute(query)}


def last_request(connection: Connection, person: bytes) -> Request | None:
    """Return the last request (最終符号取得要求) of *person*."""
    query = select(*_REQUEST).where(CodeRequestRow.person == person).order_by(CodeRequestRow.id.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return _request(row) if row else None


def request_of(connection: Connection, serial: str) -> Request | None:
    """Return the request of *serial*."""
    row = connection.execute(select(*_REQUEST).where(CodeRequestRow.serial == serial)).one_or_none()
    return _request(row) if row else None


def request(connection: Connection, id_: UUID) -> Request | None:
    """Return the request of that id, and keep others from changing it."""
    row = connection.execute(select(*_REQUEST).where(CodeRequestRow.id == id_).with_for_update()).one_or_none()
    return _request(row) if row else None


def lock_serials(connection: Connection, serials: Collection[str]) -> Mapping[str, Request]:
    """Return the requests of *serials* by serial, and keep others from changing them."""
    query = select(*_REQUEST).where(CodeRequestRow.serial.in_(serials)).order_by(CodeRequestRow.id).with_for_update()
    return {row.serial: _request(row) for row in connection.execute(query)}


def of_message(connection: Connection, message: UUID, conv: UUID) -> Sequence[Request]:
    """Return the requests under way that *message* announced, and keep others from changing them."""
    query = select(*_REQUEST).where(
        CodeRequestRow.conv == conv, CodeRequestRow.message == message, CodeRequestRow.state.in_(_UNDER_WAY)
    )
    return [_request(row) for row in connection.execute(query.order_by(CodeRequestRow.id).with_for_update())]


def awaited(connection: Connection, conv: UUID) -> int:
    """Return how many requests of the conversation *conv* are under way."""
    query = select(func.count()).where(CodeRequestRow.conv == conv, CodeRequestRow.state.in_(_UNDER_WAY))
    return connection.execute(query).scalar_one()


def late(connection: Connection, today: date) -> Sequence[Request]:
    """Return the requests that ought to have been answered before *today*, and keep others from changing them."""
    states = (RequestState.REQUESTED.value, RequestState.ANNOUNCED.value)
    query = select(*_REQUEST).where(CodeRequestRow.state.in_(states), CodeRequestRow.due_on < today)
    return [_request(row) for row in connection.execute(query.order_by(CodeRequestRow.id).with_for_update())]


def next_due(connection: Connection) -> date | None:
    """Return the first day by which a request that is not overdue has to be answered."""
    states = (RequestState.REQUESTED.value, RequestState.ANNOUNCED.value)
    day: date | None = connection.execute(
        select(func.min(CodeRequestRow.due_on)).where(CodeRequestRow.state.in_(states))
    ).scalar_one()
    return day


def move(
    connection: Connection,
    found: Request,
    to: RequestState,
    *,
    reason: str | None = None,
    answered_at: datetime | None = None,
) -> bool:
    """Move a request to the state *to*; False if it is in another one by now."""
    change = (
        update(CodeRequestRow)
        .where(CodeRequestRow.id == found.id, CodeRequestRow.state == found.state.value)
        .values(state=to.value, reason=reason, answered_at=answered_at)
    )
    return connection.execute(change.returning(CodeRequestRow.id)).one_or_none() is not None


def counts(connection: Connection) -> Mapping[RequestState, int]:
    """Return how many requests are in which state."""
    rows = connection.execute(select(CodeRequestRow.state, func.count()).group_by(CodeRequestRow.state))
    found = {RequestState(state): count for state, count in rows}
    return {state: found.get(state, 0) for state in RequestState}


# -- links -------------------------------------------------------------------------------------------


def links(connection: Connection, people: Collection[bytes]) -> Mapping[bytes, Link]:
    """Return the links that hold, of *people*, by person."""
    query = select(*_LINK).where(LinkageCodeRow.person.in_(people), LinkageCodeRow.ended_at.is_(None))
    return {bytes(row.person): _link(row) for row in connection.execute(query)}


def link_of_code(connection: Connection, code_index: bytes) -> Link | None:
    """Return the link that holds for a code."""
    query = select(*_LINK).where(LinkageCodeRow.code_index == code_index, LinkageCodeRow.ended_at.is_(None))
    row = connection.execute(query).one_or_none()
    return _link(row) if row else None


def link(connection: Connection, id_: UUID) -> Link | None:
    """Return a link, whether it holds or not."""
    row = connection.execute(select(*_LINK).where(LinkageCodeRow.id == id_)).one_or_none()
    return _link(row) if row else None


def ended(connection: Connection, ids: Collection[UUID]) -> frozenset[UUID]:
    """Return those of the links *ids* that have ended."""
    query = select(LinkageCodeRow.id).where(LinkageCodeRow.id.in_(ids), LinkageCodeRow.ended_at.is_not(None))
    return frozenset(connection.execute(query).scalars())


def all_links(connection: Connection, person: bytes) -> Sequence[Link]:
    """Return all links that *person* ever had, oldest first; there is no index for it, and it is seldom asked."""
    query = select(*_LINK).where(LinkageCodeRow.person == person).order_by(LinkageCodeRow.id)
    return [_link(row) for row in connection.execute(query)]


def lock_links(connection: Connection, ids: Collection[UUID]) -> Mapping[UUID, Link]:
    """Return the links of these *ids* that hold, and keep others from changing them."""
    query = select(*_LINK).where(LinkageCodeRow.id.in_(ids), LinkageCodeRow.ended_at.is_(None))
    return {row.id: _link(row) for row in connection.execute(query.order_by(LinkageCodeRow.id).with_for_update())}


def living(connection: Connection) -> int:
    """Return how many persons have a code."""
    return connection.execute(select(func.count()).where(LinkageCodeRow.ended_at.is_(None))).scalar_one()


def add_link(connection: Connection, link: Link) -> None:
    """Insert a link."""
    values = {column.key: getattr(link, column.key) for column in _LINK}
    connection.execute(insert(LinkageCodeRow).values(**values))


def end_link(connection: Connection, link: UUID, at: datetime) -> None:
    """End a link."""
    change = update(LinkageCodeRow).where(LinkageCodeRow.id == link, LinkageCodeRow.ended_at.is_(None))
    connection.execute(change.values(ended_at=at))


# -- history and cases -------------------------------------------------------------------------------


def note(connection: Connection, **event: Any) -> None:
    """Write down one thing that happened; the names are the columns of ``link_event``."""
    connection.execute(insert(LinkEventRow).values(**event))


def note_all(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    """Write down many things that happened."""
    connection.execute(insert(LinkEventRow), list(events))


def is_carried_out(connection: Connection, approval: UUID) -> bool:
    """Return whether the act that *approval* allows has been carried out."""
    return connection.execute(select(LinkEventRow.id).where(LinkEventRow.approval == approval)).first() is not None


def history(connection: Connection, person: bytes) -> Sequence[Happened]:
    """Return what happened to the code of *person*, oldest first."""
    row = LinkEventRow
    query = select(row.at, row.event, row.request, row.link, row.actor, row.reason).where(row.person == person)
    return [
        Happened(each.at, LinkEvent(each.event), each.request, each.link, each.actor, each.reason)
        for each in connection.execute(query.order_by(row.id))
    ]


def open_case(connection: Connection, kind: CaseKind, *, request: UUID, link: UUID, at: datetime) -> None:
    """Let somebody look."""
    connection.execute(insert(CodeCaseRow).values(kind=kind.value, request=request, link=link, opened_at=at))


def open_cases(connection: Connection) -> Sequence[Case]:
    """Return what somebody has to look at, oldest first."""
    row = CodeCaseRow
    query = select(row.id, row.kind, row.request, row.link, row.opened_at).where(row.closed_at.is_(None))
    return [
        Case(each.id, CaseKind(each.kind), each.request, each.link, each.opened_at)
        for each in connection.execute(query.order_by(row.id))
    ]


def lock_case(connection: Connection, case: UUID) -> Case | None:
    """Return an open case, and keep others from closing it."""
    row = CodeCaseRow
    query = select(row.id, row.kind, row.request, row.link, row.opened_at).where(row.id == case)
    found = connection.execute(query.where(row.closed_at.is_(None)).with_for_update()).one_or_none()
    return Case(found.id, CaseKind(found.kind), found.request, found.link, found.opened_at) if found else None


def close_case(connection: Connection, case: UUID, *, actor: str, reason: str, at: datetime) -> None:
    """Close a case."""
    change = update(CodeCaseRow).where(CodeCaseRow.id == case, CodeCaseRow.closed_at.is_(None))
    connection.execute(change.values(closed_at=at, actor=actor, reason=reason))


def _request(row: Row[*tuple[Any, ...]]) -> Request:
    return Request(
        id=row.id,
        serial=row.serial,
        person=bytes(row.person),
        address=bytes(row.address),
        state=RequestState(row.state),
        conv=row.conv,
        message=row.message,
        requested_at=row.requested_at,
        due_on=row.due_on,
        answered_at=row.answered_at,
        reason=row.reason,
    )


def _link(row: Row[*tuple[Any, ...]]) -> Link:
    return Link(
        id=row.id,
        person=bytes(row.person),
        code_index=bytes(row.code_index),
        code=bytes(row.code),
        address=bytes(row.address),
        request=row.request,
        linked_at=row.linked_at,
        ended_at=row.ended_at,
    )
