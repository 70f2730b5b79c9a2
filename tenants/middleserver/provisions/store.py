"""Queries of provisions and bars, under the organisation's own log-in; nothing here commits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Connection, CursorResult, Row, delete, func, insert, select, text, tuple_, update

from chukan.tenants.middleserver.provisions.rules import (
    TRANSITIONS,
    Bar,
    BarKind,
    Cause,
    Event,
    Reason,
    State,
)
from chukan.tenants.middleserver.provisions.tables import ProvisionBarRow, ProvisionEventRow, ProvisionRow

#: As many rows as one statement takes away.
_BATCH = 5_000


@dataclass(frozen=True, slots=True)
class Stored:
    """A provision as it is stored; ``address`` and ``request`` are sealed. Instants are UTC."""

    id: UUID
    inquirer: str
    serial: str
    conv: UUID
    permit: UUID
    information: int
    person: bytes | None = field(repr=False)
    link: UUID | None
    address: bytes | None = field(repr=False)
    request: bytes | None = field(repr=False)
    state: State
    cause: Cause | None
    reason: Reason | None
    expected_on: date | None
    requested_at: datetime
    valid_until: datetime
    answered_at: datetime | None
    provided: tuple[str, ...]
    message: UUID | None


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing that happened to a provision."""

    at: datetime
    event: Event
    state: State
    cause: Cause | None
    actor: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class StoredBar:
    """A bar or restriction in force; ``address`` is sealed."""

    id: UUID
    act: UUID
    bar: Bar
    address: bytes | None = field(repr=False)
    department: str | None
    reason: str
    set_by: str
    set_at: datetime


# -- provisions --------------------------------------------------------------------------------------

_BEGIN = text("select uuidv7(), exists (select from provision where inquirer = :inquirer and serial = :serial)")
_ADD = text(
    """
    insert into provision (id, inquirer, serial, conv, permit, information, person, link, address, request, state,
        cause, reason, expected_on, requested_at, valid_until, answered_at, provided, message)
    values (:id, :inquirer, :serial, :conv, :permit, :information, :person, :link, :address, :request, :state,
        :cause, :reason, :expected_on, :requested_at, :valid_until, :answered_at, :provided, :message)
    """
)
_NOTE = text(
    """
    insert into provision_event (provision, at, event, state, cause, actor, reason)
    values (:provision, :at, :event, :state, :cause, :actor, :reason)
    """
)
_CLOSE_SETTLED = text(
    """
    update conversation c set state = 'closed', version = c.version + 1
    from provision p
    where c.id = p.conv and c.state = 'open' and p.request is null and p.state in ('provided', 'refused')
        and p.answered_at < :before
    """
)
_LOCK_CONVERSATION = text(
    """
    select c.id from conversation c
    where c.id in (
        select p.conv from provision p
        where p.serial = :serial and (cast(:inquirer as text) is null or p.inquirer = :inquirer)
    )
    order by c.id for update of c
    """
)
_NEW_IDS = text("select uuidv7() from generate_series(1, :count)")
_HOLD = text("lock table provision_bar in share mode")
_CHANGE = text("lock table provision_bar in share row exclusive mode")
_BARS = text(
    """
    select kind, information, dataset, person from provision_bar
    where lifted_at is null and (person = :person or person is null)
        and (information is null or information = :information)
    """
)


def begin(connection: Connection, inquirer: str, serial: str) -> tuple[UUID, bool]:
    """Return the id for a new provision, and whether this request came before."""
    made, before = connection.execute(_BEGIN, {"inquirer": inquirer, "serial": serial}).one()
    return made, before


def add(connection: Connection, stored: Stored) -> None:
    """Insert a provision."""
    connection.execute(
        _ADD,
        {
            "id": stored.id,
            "inquirer": stored.inquirer,
            "serial": stored.serial,
            "conv": stored.conv,
            "permit": stored.permit,
            "information": stored.information,
            "person": stored.person,
            "link": stored.link,
            "address": stored.address,
            "request": stored.request,
            "state": stored.state.value,
            "cause": stored.cause,
            "reason": stored.reason,
            "expected_on": stored.expected_on,
            "requested_at": stored.requested_at,
            "valid_until": stored.valid_until,
            "answered_at": stored.answered_at,
            "provided": list(stored.provided) if stored.provided else None,
            "message": stored.message,
        },
    )


def note(
    connection: Connection,
    provision: UUID,
    event: Event,
    state: State,
    *,
    at: datetime,
    actor: str,
    cause: Cause | None = None,
    reason: str | None = None,
) -> None:
    """Write down one thing that happened."""
    values = {"provision": provision, "at": at, "event": event.value, "state": state.value, "actor": actor}
    connection.execute(_NOTE, {**values, "cause": cause, "reason": reason})


def move(connection: Connection, found: Stored, event: Event, **values: object) -> State | None:
    """Let *event* happen to *found* and set *values*; return its new state, None if nothing leads there from here."""
    to = TRANSITIONS.get((found.state, event))
    if to is None:
        return None
    row = ProvisionRow
    change = update(row).where(row.id == found.id, row.state == found.state.value).values(state=to.value, **values)
    return to if connection.execute(change.returning(row.id)).one_or_none() is not None else None


def lock(connection: Connection, serial: str, inquirer: str | None = None) -> Stored | None:
    """Return a provision, and keep others from changing it; None as well if several inquirers gave this serial.

    Its conversation is locked before it, in the order in which messages are taken: nobody waits for one another.
    """
    row = ProvisionRow
    connection.execute(_LOCK_CONVERSATION, {"serial": serial, "inquirer": inquirer})
    query = select(row.__table__).where(row.serial == serial).limit(2).with_for_update()
    if inquirer is not None:
        query = query.where(row.inquirer == inquirer)
    found = connection.execute(query).all()
    return _stored(found[0]) if len(found) == 1 else None


def of_message(connection: Connection, message: UUID, conv: UUID) -> Stored | None:
    """Return the unsettled provision whose last answer *message* was, and keep others from changing it."""
    row = ProvisionRow
    mine = (row.message == message, row.conv == conv, row.request.is_not(None))
    query = select(row.__table__).where(*mine).with_for_update()
    found = connection.execute(query).one_or_none()
    return _stored(found) if found else None


def settle(connection: Connection, provision: UUID) -> None:
    """Let go of what an answer would need: the network has it."""
    connection.execute(update(ProvisionRow).where(ProvisionRow.id == provision).values(request=None))


def rename(connection: Connection, renewed: Stored) -> None:
    """Write down whom a provision that waits is about, and why it waits."""
    row = ProvisionRow
    change = update(row).where(row.id == renewed.id, row.state == State.DEFERRED.value)
    whose = {"person": renewed.person, "link": renewed.link, "address": renewed.address}
    connection.execute(change.values(**whose, cause=renewed.cause.value if renewed.cause else None))


def waiting(
    connection: Connection, *, cause: Cause | None = None, after: Stored | None = None, limit: int = 1000
) -> Sequence[Stored]:
    """Return what waits for staff, that which ends first first; only what comes behind *after*."""
    row = ProvisionRow
    query = select(row.__table__).where(row.state == State.DEFERRED.value)
    if cause is not None:
        query = query.where(row.cause == cause.value)
    if after is not None:
        query = query.where(tuple_(row.valid_until, row.id) > (after.valid_until, after.id))
    return [_stored(each) for each in connection.execute(query.order_by(row.valid_until, row.id).limit(limit))]


def overdue(connection: Connection, before: datetime, limit: int = 500) -> Sequence[Stored]:
    """Return what waits for staff although its term was over before *before*, oldest first."""
    row = ProvisionRow
    query = select(row.__table__).where(row.state == State.DEFERRED.value, row.valid_until < before)
    return [_stored(each) for each in connection.execute(query.order_by(row.valid_until, row.id).limit(limit))]


def days_waiting(connection: Connection, information: int) -> Sequence[datetime]:
    """Return when those requests for *information* were made that still wait (UTC)."""
    row = ProvisionRow
    query = select(row.requested_at).where(row.state == State.DEFERRED.value, row.information == information)
    return connection.execute(query).scalars().all()


def given(
    connection: Connection,
    information: int,
    since: datetime,
    until: datetime,
    *,
    dataset: str | None = None,
    person: bytes | None = None,
) -> Sequence[Stored]:
    """Return what was provided of *information* from *since* on and before *until*, oldest first."""
    row = ProvisionRow
    query = select(row.__table__).where(
        row.state == State.PROVIDED.value,
        row.information == information,
        row.answered_at >= since,
        row.answered_at < until,
    )
    if person is not None:
        query = query.where(row.person == person)
    if dataset is not None:
        told = func.concat(" ", func.array_to_string(row.provided, " "))
        query = query.where(told.like(f"% {dataset}/%"))
    return [_stored(each) for each in connection.execute(query.order_by(row.answered_at, row.id))]


def received_under(
    connection: Connection, link: UUID, since: datetime, until: datetime | None
) -> Sequence[tuple[str, int, datetime]]:
    """Return inquirer, information and instant of what was provided under *link* in that time, oldest first."""
    row = ProvisionRow
    query = select(row.inquirer, row.information, row.answered_at).where(
        row.state == State.PROVIDED.value, row.link == link, row.answered_at >= since
    )
    if until is not None:
        query = query.where(row.answered_at <= until)
    return [(each.inquirer, each.information, each.answered_at) for each in connection.execute(query.order_by(row.id))]


def history(connection: Connection, provision: UUID) -> Sequence[Happened]:
    """Return what happened to a provision, oldest first."""
    row = ProvisionEventRow
    query = select(row.__table__).where(row.provision == provision).order_by(row.id)
    return [
        Happened(
            each.at,
            Event(each.event),
            State(each.state),
            Cause(each.cause) if each.cause else None,
            each.actor,
            each.reason,
        )
        for each in connection.execute(query)
    ]


def counts(connection: Connection) -> Mapping[State, int]:
    """Return how many provisions are in which state."""
    row = ProvisionRow
    return {
        State(state): count for state, count in connection.execute(select(row.state, func.count()).group_by(row.state))
    }


def happened_by_hour(connection: Connection, since: datetime | None) -> Mapping[tuple[datetime, str], int]:
    """Return how many provisions came into which state since *since*, by hour."""
    row = ProvisionEventRow
    hour = func.date_trunc("hour", row.at, "UTC")
    query = select(hour, row.state, func.count()).group_by(hour, row.state)
    if since is not None:
        # Ids are in the order of time: they tell where to begin without an index of their own.
        query = query.where(row.id >= UUID(int=int(since.timestamp() * 1000) << 80))
    return {(at, state): count for at, state, count in connection.execute(query)}


def waiting_by_state(connection: Connection) -> Mapping[str, int]:
    """Return how many provisions wait for staff: the one state that is not an end."""
    row = ProvisionRow
    query = select(func.count()).where(row.state == State.DEFERRED.value)
    return {State.DEFERRED.value: connection.execute(query).scalar_one()}


def close_settled(connection: Connection, before: datetime) -> int:
    """End the conversations of what the network has an answer to since before *before*; return how many."""
    return cast("CursorResult[Any]", connection.execute(_CLOSE_SETTLED, {"before": before})).rowcount


def forget(connection: Connection, before: datetime) -> int:
    """Delete some thousand provisions of what was asked before *before*, with their history; return how many."""
    row, event = ProvisionRow, ProvisionEventRow
    some = connection.execute(select(row.id).where(row.requested_at < before).limit(_BATCH)).scalars().all()
    if some:
        connection.execute(delete(event).where(event.provision.in_(some)))
        connection.execute(delete(row).where(row.id.in_(some)))
    return len(some)


# -- bars --------------------------------------------------------------------------------------------


def hold_bars(connection: Connection) -> None:
    """Let nothing become barred until this transaction ends: an answer and a bar never pass each other."""
    connection.execute(_HOLD)


def change_bars(connection: Connection) -> None:
    """Wait for the answers that are being given, and let no other begin before this transaction ends."""
    connection.execute(_CHANGE)


def bars(connection: Connection, information: int, person: bytes) -> list[Bar]:
    """Return the bars in force that may hold back an answer about *person*."""
    rows = connection.execute(_BARS, {"information": information, "person": person})
    return [_bar(row.kind, row.information, row.dataset, row.person) for row in rows]


def new_ids(connection: Connection, count: int) -> Sequence[UUID]:
    """Return so many new ids, in their order."""
    return connection.execute(_NEW_IDS, {"count": count}).scalars().all()


def add_bars(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert bars, many at once."""
    if rows:
        connection.execute(insert(ProvisionBarRow), list(rows))


def in_force(connection: Connection, kind: BarKind | None = None) -> list[StoredBar]:
    """Return all bars (or those of a *kind*) in force, oldest first."""
    row = ProvisionBarRow
    query = select(row.__table__).where(row.lifted_at.is_(None)).order_by(row.id)
    if kind is not None:
        query = query.where(row.kind == kind.value)
    return [
        StoredBar(
            each.id,
            each.act,
            _bar(each.kind, each.information, each.dataset, each.person),
            bytes(each.address) if each.address is not None else None,
            each.department,
            each.reason,
            each.set_by,
            each.set_at,
        )
        for each in connection.execute(query)
    ]


def lift(connection: Connection, ids: Collection[UUID], *, actor: str, at: datetime) -> int:
    """Lift these bars; return how many were in force."""
    row = ProvisionBarRow
    change = update(row).where(row.id.in_(ids), row.lifted_at.is_(None)).values(lifted_by=actor, lifted_at=at)
    return cast("CursorResult[Any]", connection.execute(change)).rowcount


def lift_act(connection: Connection, act: UUID, *, actor: str, at: datetime) -> int:
    """Lift all that the restriction *act* set; return how many were in force."""
    row = ProvisionBarRow
    mine = (row.act == act, row.kind == BarKind.RESTRICTION.value, row.lifted_at.is_(None))
    change = update(row).where(*mine).values(lifted_by=actor, lifted_at=at)
    return cast("CursorResult[Any]", connection.execute(change)).rowcount


def _bar(kind: str, information: int | None, dataset: int | None, person: bytes | None) -> Bar:
    return Bar(
        BarKind(kind),
        information,
        None if dataset is None else f"{dataset:04d}",
        None if person is None else bytes(person),
    )


def _stored(row: Row[*tuple[Any, ...]]) -> Stored:
    return Stored(
        id=row.id,
        inquirer=row.inquirer,
        serial=row.serial,
        conv=row.conv,
        permit=row.permit,
        information=row.information,
        person=None if row.person is None else bytes(row.person),
        link=row.link,
        address=None if row.address is None else bytes(row.address),
        request=None if row.request is None else bytes(row.request),
        state=State(row.state),
        cause=Cause(row.cause) if row.cause else None,
        reason=Reason(row.reason) if row.reason else None,
        expected_on=row.expected_on,
        requested_at=row.requested_at,
        valid_until=row.valid_until,
        answered_at=row.answered_at,
        provided=tuple(row.provided or ()),
        message=row.message,
    )
