"""Queries of requests and inquiries, under the organisation's own log-in; nothing here commits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Row, Uuid, bindparam, delete, func, insert, or_, select, text, update

from chukan.tenants.middleserver.inquiries.pacing import MINUTE, Spent, Waiting
from chukan.tenants.middleserver.inquiries.rules import UNDER_WAY, InquiryEvent, InquiryState, Kind
from chukan.tenants.middleserver.inquiries.tables import (
    InquiryAnswerRow,
    InquiryEventRow,
    InquiryPaceRow,
    InquiryReceptionRow,
    InquiryRow,
)

_HOUR = 60 * MINUTE
_QUARTER = 15 * MINUTE
_UNDER_WAY = tuple(state.value for state in UNDER_WAY)


@dataclass(frozen=True, slots=True)
class Reception:
    """A request as it was registered, and the end that was foretold. Instants are UTC."""

    number: str
    kind: Kind
    count: int
    department: str
    registered_at: datetime
    best: datetime | None
    worst: datetime | None


@dataclass(frozen=True, slots=True)
class Inquiry:
    """An inquiry as it is stored; ``address`` is sealed. Instants are UTC."""

    id: UUID
    reception: str
    place: int
    kind: Kind
    serial: str
    state: InquiryState
    person: bytes
    address: bytes
    information: str
    affair: str
    procedure: str
    provider: str
    period: bool
    begins: date | None
    ends: date | None
    year: int | None
    undisclosed: bool
    delegated: str | None
    requested_at: datetime | None
    received_at: datetime | None
    expected_on: date | None
    reason: str | None
    explanation: str | None
    ended_at: datetime | None
    permit: UUID | None


@dataclass(frozen=True, slots=True)
class Room:
    """New ids, what left within the hour, and whether an inquiry of a counter waits already."""

    ids: Sequence[UUID]
    spent: Spent
    window_waits: bool


_INQUIRY = (
    InquiryRow.id,
    InquiryRow.reception,
    InquiryRow.place,
    InquiryRow.kind,
    InquiryRow.serial,
    InquiryRow.state,
    InquiryRow.person,
    InquiryRow.address,
    InquiryRow.information,
    InquiryRow.affair,
    InquiryRow.procedure,
    InquiryRow.provider,
    InquiryRow.period,
    InquiryRow.begins,
    InquiryRow.ends,
    InquiryRow.year,
    InquiryRow.undisclosed,
    InquiryRow.delegated,
    InquiryRow.requested_at,
    InquiryRow.received_at,
    InquiryRow.expected_on,
    InquiryRow.reason,
    InquiryRow.explanation,
    InquiryRow.ended_at,
    InquiryRow.permit,
)
_RECEPTION = (
    InquiryReceptionRow.number,
    InquiryReceptionRow.kind,
    InquiryReceptionRow.count.label("count_"),
    InquiryReceptionRow.department,
    InquiryReceptionRow.registered_at,
    InquiryReceptionRow.best,
    InquiryReceptionRow.worst,
)

# Asked at every inquiry of a counter, so made once: to compose a statement takes longer than to run it.
_LOCK = text("lock table inquiry_pace in share row exclusive mode")
# Conflicts with itself and with no change of a row.
_LOCK_LISTS = text("lock table inquiry in share update exclusive mode")
_ROOM = text(
    """
    select coalesce(sum(p."window"), 0) as "window", coalesce(sum(p.bulk), 0) as bulk,
        coalesce(sum(p.bulk) filter (where p.minute >= :quarter), 0) as quarter,
        array(select uuidv7() from generate_series(1, :ids)) as ids,
        exists (select from inquiry i where i.state = 'queued' and i.kind = 'window') as waits
    from inquiry_pace p where p.minute >= :hour
    """
)
_LEFT = text(
    """
    insert into inquiry_pace (minute, "window", bulk) values (:minute, :window, :bulk)
    on conflict (minute) do update
        set "window" = inquiry_pace."window" + excluded."window", bulk = inquiry_pace.bulk + excluded.bulk
    """
)
# Who comes with the same key at the same moment waits here for the other one's commit.
_ADD_RECEPTION = text(
    """
    insert into inquiry_reception
        (number, kind, count, department, actor, registered_at, best, worst, key, source_user)
    values (:number, :kind, :count, :department, :actor, :registered_at, :best, :worst, :key, :source_user)
    on conflict (key) where key is not null do nothing returning number
    """
)
_ADD_INQUIRY = insert(InquiryRow)
_NOTE, _KEEP = insert(InquiryEventRow), insert(InquiryAnswerRow)
_LOCKED = select(*_INQUIRY).where(InquiryRow.id == bindparam("inquiry")).with_for_update()
# What lists of all organisations have under way is told in the shared schema, in the same transaction.
_LISTS_LEFT = text("select platform_api.lists_left(:inquiries)").bindparams(bindparam("inquiries", type_=ARRAY(Uuid)))
_LIST_ENDED = text("select platform_api.list_ended(:inquiry)")
_RECEIVED = text("update inquiry set received_at = clock_timestamp() where id = :inquiry and received_at is null")

# -- registering -------------------------------------------------------------------------------------


def lock_pace(connection: Connection) -> None:
    """Let nobody else of this organisation let inquiries leave until the transaction ends; reading goes on."""
    connection.execute(_LOCK)


def lock_lists(connection: Connection) -> None:
    """Let nobody else of this organisation register a list until the transaction ends; counters do not wait."""
    connection.execute(_LOCK_LISTS)


def room(connection: Connection, now: datetime, *, ids: int) -> Room:
    """Return what left lately, with as many new *ids*, in one question."""
    this = _minute(now)
    found = connection.execute(_ROOM, {"hour": this - _HOUR, "quarter": this - _QUARTER, "ids": ids}).one()
    return Room(found.ids, Spent(int(found.window), int(found.bulk), int(found.quarter)), found.waits)


def add_reception(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Insert a request; False if there is one of its key."""
    return connection.execute(_ADD_RECEPTION, values).one_or_none() is not None


def reception_under(connection: Connection, key: str) -> tuple[Reception, Sequence[tuple[str, InquiryState]]] | None:
    """Return the request that was registered under *key*, and serial and state of its inquiries in their order."""
    found = connection.execute(select(*_RECEPTION).where(InquiryReceptionRow.key == key)).one_or_none()
    if found is None:
        return None
    row = InquiryRow
    query = select(row.serial, row.state).where(row.reception == found.number).order_by(row.place)
    return _reception(found), [(serial, InquiryState(state)) for serial, state in connection.execute(query)]


def add_inquiries(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert inquiries."""
    connection.execute(_ADD_INQUIRY, rows)


def left(connection: Connection, now: datetime, *, window: int = 0, bulk: int = 0) -> None:
    """Count what leaves in the minute of *now*."""
    connection.execute(_LEFT, {"minute": _minute(now), "window": window, "bulk": bulk})


def forget_pace(connection: Connection, now: datetime) -> None:
    """Delete counts that no rolling hour touches any more."""
    connection.execute(delete(InquiryPaceRow).where(InquiryPaceRow.minute < _minute(now) - 2 * _HOUR))


def recent(connection: Connection, now: datetime) -> Sequence[int]:
    """Return what left in each of the last sixty begun minutes, oldest first."""
    this = _minute(now)
    row = InquiryPaceRow
    query = select(row.minute, row.window + row.bulk).where(row.minute >= this - _HOUR)
    by_minute = dict(connection.execute(query).all())
    return [by_minute.get(this - place * MINUTE, 0) for place in range(60, -1, -1)]


# -- the queues --------------------------------------------------------------------------------------


def waiting(connection: Connection, now: datetime, settle: timedelta) -> Waiting:
    """Return what waits, and what of lists is handed over and not yet with the network.

    What was handed over longer than *settle* ago is not in hand any more: whatever became of it, lists go on.
    """
    row = InquiryRow
    queued = select(row.kind, func.count()).where(row.state == InquiryState.QUEUED.value).group_by(row.kind)
    counts = dict(connection.execute(queued).all())
    in_hand = connection.execute(
        select(func.count()).where(
            row.state == InquiryState.SENT.value,
            row.kind == Kind.BULK.value,
            row.received_at.is_(None),
            row.requested_at > now - settle,
        )
    ).scalar_one()
    return Waiting(counts.get(Kind.WINDOW.value, 0), counts.get(Kind.BULK.value, 0), in_hand)


def next_queued(
    connection: Connection, kind: Kind, limit: int, *, reception: str | None = None
) -> Sequence[Inquiry]:  # fmt: skip
    """Lock and return the next inquiries of a queue in the order in which they were registered."""
    query = select(*_INQUIRY).where(InquiryRow.state == InquiryState.QUEUED.value, InquiryRow.kind == kind.value)
    if reception is not None:
        query = query.where(InquiryRow.reception == reception)
    ordered = query.order_by(InquiryRow.reception, InquiryRow.place).limit(limit).with_for_update()
    return [_inquiry(row) for row in connection.execute(ordered)]


def head_of_lists(connection: Connection) -> str | None:
    """Return the oldest list of which something waits."""
    query = (
        select(InquiryRow.reception)
        .where(InquiryRow.state == InquiryState.QUEUED.value, InquiryRow.kind == Kind.BULK.value)
        .order_by(InquiryRow.reception, InquiryRow.place)
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none()


def unanswered_before(connection: Connection, reception: str, since: datetime) -> tuple[int, datetime | None]:
    """Return how much of other lists that left after *since* has no answer, and when the last of it left."""
    row = InquiryRow
    query = select(func.count(), func.max(row.requested_at)).where(
        row.state == InquiryState.SENT.value,
        row.kind == Kind.BULK.value,
        row.reception != reception,
        row.requested_at > since,
    )
    count, last = connection.execute(query).one()
    return count, last


# -- one inquiry -------------------------------------------------------------------------------------


def lock(connection: Connection, inquiry: UUID) -> Inquiry | None:
    """Return the inquiry of that id (its conversation's), and keep others from changing it."""
    row = connection.execute(_LOCKED, {"inquiry": inquiry}).one_or_none()
    return _inquiry(row) if row else None


def release(connection: Connection, inquiries: Collection[UUID], requested_at: datetime) -> None:
    """Move inquiries that are locked out of their queue."""
    change = update(InquiryRow).where(InquiryRow.id.in_(inquiries), InquiryRow.state == InquiryState.QUEUED.value)
    connection.execute(change.values(state=InquiryState.SENT.value, requested_at=requested_at))


def lists_left(connection: Connection, inquiries: Collection[UUID]) -> None:
    """Tell that inquiries of a list leave: they are under way from the commit on."""
    connection.execute(_LISTS_LEFT, {"inquiries": list(inquiries)})


def list_ended(connection: Connection, inquiry: UUID) -> None:
    """Tell that an inquiry of a list is under way no more: it is answered, deferred or refused."""
    connection.execute(_LIST_ENDED, {"inquiry": inquiry})


def move(connection: Connection, found: Inquiry, to: InquiryState, **values: Any) -> bool:
    """Move an inquiry to the state *to*, with further *values*; False if it is in another one by now."""
    change = (
        update(InquiryRow)
        .where(InquiryRow.id == found.id, InquiryRow.state == found.state.value)
        .values(state=to.value, **values)
    )
    return connection.execute(change.returning(InquiryRow.id)).one_or_none() is not None


def received(connection: Connection, inquiry: UUID) -> None:
    """Write down that the network has it; its result may have been here before."""
    connection.execute(_RECEIVED, {"inquiry": inquiry})


def database_now(connection: Connection) -> datetime:
    """Return the database's instant (UTC)."""
    at: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return at


def note(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    """Write down what happened; the names are the columns of ``inquiry_event``."""
    connection.execute(_NOTE, events)


def event(
    inquiry: UUID, happened: InquiryEvent, state: InquiryState, actor: str, reason: str | None = None
) -> dict[str, Any]:  # fmt: skip
    """Return the row that tells that *happened*, and that the inquiry is in *state* since."""
    return {"inquiry": inquiry, "event": happened.value, "state": state.value, "actor": actor, "reason": reason}


def history(connection: Connection, inquiry: UUID) -> Sequence[Row[datetime, str, str, str, str | None]]:
    """Return instant, event, state, actor and reason of what happened to an inquiry, oldest first."""
    row = InquiryEventRow
    query = select(row.at, row.event, row.state, row.actor, row.reason).where(row.inquiry == inquiry)
    return connection.execute(query.order_by(row.id)).all()


def keep_answer(connection: Connection, inquiry: UUID, *, signed: bytes, kid: str, at: datetime) -> None:
    """Keep what the provider signed, sealed."""
    connection.execute(_KEEP, {"inquiry": inquiry, "signed": signed, "kid": kid, "received_at": at})


# -- looking -----------------------------------------------------------------------------------------


def reception_of(connection: Connection, number: str) -> Reception | None:
    """Return the request of the reception number *number*."""
    row = connection.execute(select(*_RECEPTION).where(InquiryReceptionRow.number == number)).one_or_none()
    return _reception(row) if row else None


def receptions(connection: Connection, limit: int, offset: int) -> Sequence[Reception]:
    """Return requests, newest first."""
    query = select(*_RECEPTION).order_by(InquiryReceptionRow.number.desc()).limit(limit).offset(offset)
    return [_reception(row) for row in connection.execute(query)]


def of_serial(connection: Connection, serial: str) -> Inquiry | None:
    """Return the inquiry of the processing serial *serial*."""
    row = connection.execute(select(*_INQUIRY).where(InquiryRow.serial == serial)).one_or_none()
    return _inquiry(row) if row else None


def of_reception(
    connection: Connection, number: str, *, limit: int | None = None, offset: int = 0, locked: bool = False
) -> Sequence[Inquiry]:
    """Return the inquiries of a request in their order."""
    query = (
        select(*_INQUIRY).where(InquiryRow.reception == number).order_by(InquiryRow.place).limit(limit).offset(offset)
    )
    return [_inquiry(row) for row in connection.execute(query.with_for_update() if locked else query)]


def page_of(
    connection: Connection, number: str, *, first: int, limit: int, most_bytes: int
) -> Sequence[Inquiry]:  # fmt: skip
    """Return the inquiries of a request from the place *first* on: so many that their answers stay within the bytes.

    One whose answer is larger by itself comes alone.
    """
    size = func.coalesce(func.octet_length(InquiryAnswerRow.signed), 0)
    total = func.sum(size).over(order_by=InquiryRow.place)
    sized = (
        select(InquiryRow.id, total.label("total"), (total - size).label("before"))
        .outerjoin(InquiryAnswerRow, InquiryAnswerRow.inquiry == InquiryRow.id)
        .where(InquiryRow.reception == number, InquiryRow.place >= first, InquiryRow.place < first + limit)
        .subquery()
    )
    query = (
        select(*_INQUIRY)
        .join(sized, sized.c.id == InquiryRow.id)
        .where(or_(sized.c.total <= most_bytes, sized.c.before == 0))
        .order_by(InquiryRow.place)
    )
    return [_inquiry(row) for row in connection.execute(query)]


def counts_of(connection: Connection, receptions: Collection[str]) -> Mapping[str, Mapping[InquiryState, int]]:
    """Return how many inquiries of each request are in which state."""
    row = InquiryRow
    query = select(row.reception, row.state, func.count()).where(row.reception.in_(receptions))
    found: dict[str, dict[InquiryState, int]] = {each: {} for each in receptions}
    for number, state, count in connection.execute(query.group_by(row.reception, row.state)):
        found[number][InquiryState(state)] = count
    return found


def answers(connection: Connection, inquiries: Collection[UUID]) -> Mapping[UUID, bytes]:
    """Return the sealed answers that there are, by inquiry."""
    row = InquiryAnswerRow
    query = select(row.inquiry, row.signed).where(row.inquiry.in_(inquiries))
    return {inquiry: bytes(signed) for inquiry, signed in connection.execute(query)}


def expiring(connection: Connection, before: datetime) -> Sequence[Inquiry]:
    """Return the inquiries under way that left before *before*, oldest first."""
    query = select(*_INQUIRY).where(InquiryRow.state.in_(_UNDER_WAY), InquiryRow.requested_at < before)
    return [_inquiry(row) for row in connection.execute(query.order_by(InquiryRow.requested_at, InquiryRow.id))]


def happened_by_hour(connection: Connection, since: datetime | None) -> Mapping[tuple[datetime, str], int]:
    """Return how often what happened since *since*, by hour (the database's clock) and event."""
    row = InquiryEventRow
    hour = func.date_trunc("hour", row.at, "UTC")
    query = select(hour, row.event, func.count())
    if since is not None:
        # Ids are in the order of time: they tell where to begin without an index of their own.
        query = query.where(row.id >= _first_id(since))
    return {(at, event): count for at, event, count in connection.execute(query.group_by(hour, row.event))}


def standing_by_state(connection: Connection) -> Mapping[str, int]:
    """Return how many inquiries that have not ended stand in which state."""
    row = InquiryRow
    states = (InquiryState.QUEUED.value, *_UNDER_WAY)
    query = select(row.state, func.count()).where(row.state.in_(states)).group_by(row.state)
    return dict(connection.execute(query).all())


def _first_id(at: datetime) -> UUID:
    """Return an id before all ids (UUIDv7) of *at* and later."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


def _minute(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0)


def _reception(row: Row[*tuple[Any, ...]]) -> Reception:
    return Reception(
        row.number, Kind(row.kind), row.count_, row.department, row.registered_at, row.best, row.worst
    )  # fmt: skip


def _inquiry(row: Row[*tuple[Any, ...]]) -> Inquiry:
    told = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name
    return Inquiry(
        **{
            **told,
            "kind": Kind(told["kind"]),
            "state": InquiryState(told["state"]),
            "person": bytes(told["person"]),
            "address": bytes(told["address"]),
        }
    )
