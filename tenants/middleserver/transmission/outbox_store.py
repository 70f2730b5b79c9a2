"""Queries of the outbox, under the tenant's own log-in; nothing here commits.

Leases and waits are compared with the database's clock alone (decision 23).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Connection,
    Row,
    delete,
    func,
    insert,
    null,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import aliased

from chukan.tenants.middleserver.transmission.rules import OPEN, RELAY, Move, OutEvent, OutState
from chukan.tenants.middleserver.transmission.tables import ConversationRow, InboxRow, OutboxEventRow, OutboxRow

# The first open message of each conversation, if its time has come. Nobody else holds it: relays share the outbox
# without waiting for one another. What is dead or in somebody's hand keeps those behind it back.
_HEADS = text(
    """
    with head as (
        select distinct on (o.conv) o.id
        from outbox o where o.state in ('queued', 'sending', 'dead')
        order by o.conv, o.seq nulls last, o.id
    )
    select o.id, o.conv, o.seq, o.type, o.to_org, o.payload, o.message, o.sha256, o.signed_at, o.state, o.attempts,
        o.lease_epoch
    from outbox o join head using (id)
    where (o.state = 'queued' and o.next_at <= clock_timestamp())
        or (o.state = 'sending' and o.lease_until <= clock_timestamp())
    order by o.next_at, o.id limit :limit for update of o skip locked
    """
)
# The same of one conversation alone.
_HEAD_OF = text(
    """
    with head as (
        select o.id from outbox o where o.conv = :conv and o.state in ('queued', 'sending', 'dead')
        order by o.seq nulls last, o.id limit 1
    )
    select o.id, o.conv, o.seq, o.type, o.to_org, o.payload, o.message, o.sha256, o.signed_at, o.state, o.attempts,
        o.lease_epoch
    from outbox o join head using (id)
    where o.state = 'queued' and o.next_at <= clock_timestamp() for update of o skip locked
    """
)
_QUEUE = text(
    """
    with message as (
        insert into outbox (id, conv, to_org, type, payload) values (:id, :conv, :to_org, :type, :payload) returning id
    ), noted as (
        insert into outbox_event (message, event, state) select id, 'queued', 'queued' from message
    )
    select platform_api.mark_due(:due, null) from message
    """
)
_CLAIM = text(
    """
    with told as (
        select * from unnest(
            cast(:ids as uuid[]), cast(:seqs as integer[]), cast(:epochs as integer[]), cast(:events as text[]),
            cast(:messages as bytea[]), cast(:digests as bytea[]), cast(:kids as text[]), cast(:signed as timestamptz[])
        ) as each (id, seq, epoch, event, message, sha256, kid, signed_at)
    ), claimed as (
        update outbox o set seq = t.seq, state = 'sending', lease_until = clock_timestamp() + :lease,
            lease_epoch = t.epoch, changed_at = clock_timestamp(), message = coalesce(t.message, o.message),
            sha256 = coalesce(t.sha256, o.sha256), kid = coalesce(t.kid, o.kid),
            signed_at = coalesce(t.signed_at, o.signed_at)
        from told t where o.id = t.id returning o.id, t.event
    )
    insert into outbox_event (message, event, state) select id, event, 'sending' from claimed
    """
)
_SETTLE = text(
    """
    with told as (
        select * from unnest(
            cast(:ids as uuid[]), cast(:epochs as integer[]), cast(:events as text[]), cast(:states as text[]),
            cast(:attempts as integer[]), cast(:waits as interval[]), cast(:reasons as text[]),
            cast(:receipts as bytea[])
        ) as each (id, epoch, event, state, attempts, wait, reason, receipt)
    ), settled as (
        update outbox o set state = t.state, attempts = t.attempts, next_at = clock_timestamp() + t.wait,
            lease_until = null, reason = t.reason, changed_at = clock_timestamp(),
            receipt = coalesce(t.receipt, o.receipt), seq = case when t.state = 'refused' then null else o.seq end
        from told t where o.id = t.id and o.state = 'sending' and o.lease_epoch = t.epoch
        returning o.id, t.event, t.state, t.reason
    )
    insert into outbox_event (message, event, state, reason)
    select id, event, state, reason from settled returning message
    """
)
_NEXT_LOOK = text(
    """
    with head as (
        select distinct on (o.conv) o.state, o.next_at, o.lease_until
        from outbox o where o.state in ('queued', 'sending', 'dead')
        order by o.conv, o.seq nulls last, o.id
    )
    select min(case state when 'queued' then next_at else lease_until end) from head where state <> 'dead'
    """
)


_COUNTS = text(
    """
    select count(*) filter (where o.state in ('queued', 'sending')),
        min(o.queued_at) filter (where o.state in ('queued', 'sending')),
        count(*) filter (where o.state = 'dead'), count(*) filter (where o.state = 'refused'),
        (select count(*) from inbox where state = 'held'), (select min(received_at) from inbox where state = 'held')
    from outbox o where o.state <> 'done'
    """
)
_MARK = text("select platform_api.mark_due(:kind, :at)")


@dataclass(frozen=True, slots=True)
class Message:
    """A message that leaves, as it is stored; ``payload`` and ``message`` are sealed."""

    id: UUID
    conv: UUID
    seq: int | None
    type: str
    to_org: str
    payload: bytes
    message: bytes | None
    sha256: bytes | None
    signed_at: datetime | None
    state: OutState
    attempts: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Signature:
    """What was signed: the sealed bytes, the digest of the bytes themselves, by which key and when (UTC)."""

    sealed: bytes
    sha256: bytes
    kid: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that is taken to be sent: its number, and its signature if it was made just now."""

    message: Message
    seq: int
    signature: Signature | None

    @property
    def epoch(self) -> int:
        """Under what it is taken: a relay that took it before records nothing any more."""
        return self.message.epoch + 1

    @property
    def event(self) -> OutEvent:
        """What is written down of it."""
        return OutEvent.CLAIMED if self.message.state is OutState.QUEUED else OutEvent.RECLAIMED


@dataclass(frozen=True, slots=True)
class Settling:
    """What became of a message that was claimed under *epoch*."""

    message: UUID
    epoch: int
    becomes: Move
    receipt: bytes | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A message that is not settled, as an operator is shown it."""

    id: UUID
    type: str
    conv: UUID
    seq: int | None
    state: OutState
    attempts: int
    queued_at: datetime
    next_at: datetime
    reason: str | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How an organisation's exchange stands: messages that wait, since when, given up, refused and held."""

    unsent: int
    oldest_unsent_at: datetime | None
    dead: int
    refused: int
    held: int
    oldest_held_at: datetime | None


def new_id(connection: Connection) -> UUID:
    """Return a new id in the order of time."""
    made: UUID = connection.execute(select(func.uuidv7())).scalar_one()
    return made


def mark_due(connection: Connection, kind: str, at: datetime | None = None) -> None:
    """Let *kind* be due at this tenant, now or from *at* on, once the transaction is committed."""
    connection.execute(_MARK, {"kind": kind, "at": at})


# -- the outbox --------------------------------------------------------------------------------------


def queue(connection: Connection, message: UUID, conv: UUID, *, to_org: str, kind: str, payload: bytes) -> None:
    """Queue the message *message* of the type *kind*, write that down, and let the relay be due.

    Its *payload* is sealed.
    """
    values = {"id": message, "conv": conv, "to_org": to_org, "type": kind, "payload": payload, "due": RELAY}
    connection.execute(_QUEUE, values)


def heads(connection: Connection, limit: int) -> Sequence[Message]:
    """Lock and return up to *limit* messages whose turn and time it is; those of relays that are gone among them."""
    return [_message(row) for row in connection.execute(_HEADS, {"limit": limit})]


def head_of(connection: Connection, conv: UUID) -> Sequence[Message]:
    """Lock and return the first message of *conv*, if it waits and its time has come; what is in hand is not."""
    return [_message(row) for row in connection.execute(_HEAD_OF, {"conv": conv})]


def claim(connection: Connection, taken: Sequence[Taken], lease: timedelta) -> None:
    """Take messages for the time of *lease*, each under its new epoch; with its signature if that is new."""
    signatures = [each.signature for each in taken]
    connection.execute(
        _CLAIM,
        {
            "lease": lease,
            "ids": [each.message.id for each in taken],
            "seqs": [each.seq for each in taken],
            "epochs": [each.epoch for each in taken],
            "events": [each.event.value for each in taken],
            "messages": [signature.sealed if signature else None for signature in signatures],
            "digests": [signature.sha256 if signature else None for signature in signatures],
            "kids": [signature.kid if signature else None for signature in signatures],
            "signed": [signature.at if signature else None for signature in signatures],
        },
    )


def settle(connection: Connection, settled: Sequence[Settling]) -> frozenset[UUID]:
    """Write down what became of claimed messages; return those of them that no other relay has claimed since."""
    rows = connection.execute(
        _SETTLE,
        {
            "ids": [each.message for each in settled],
            "epochs": [each.epoch for each in settled],
            "events": [each.becomes.event.value for each in settled],
            "states": [each.becomes.state.value for each in settled],
            "attempts": [each.becomes.attempts for each in settled],
            "waits": [each.becomes.wait for each in settled],
            "reasons": [each.reason for each in settled],
            "receipts": [each.receipt for each in settled],
        },
    )
    return frozenset(rows.scalars())


def resend(connection: Connection, conv: UUID, *, first: int, below: int) -> int:
    """Queue again, byte for byte, what was received of *conv* from number *first* on; return how many."""
    change = (
        update(OutboxRow)
        .where(
            OutboxRow.conv == conv,
            OutboxRow.seq >= first,
            OutboxRow.seq < below,
            OutboxRow.state == OutState.DONE.value,
        )
        .values(state=OutState.QUEUED.value, next_at=func.clock_timestamp(), changed_at=func.clock_timestamp())
    )
    again = connection.execute(change.returning(OutboxRow.id)).scalars().all()
    for message in again:
        note(connection, message, OutEvent.RESENT, OutState.QUEUED)
    return len(again)


def retry(connection: Connection, message: UUID, *, keep_signed_after: datetime) -> bool:
    """Queue a message again that was given up; its bytes stay if they were signed after that instant.

    What was refused is not: whose it was has been told, and has gone on from there.
    """
    values = {
        "state": OutState.QUEUED.value,
        "attempts": 0,
        "next_at": func.clock_timestamp(),
        "changed_at": func.clock_timestamp(),
    }
    unsigned: dict[str, Any] = {"message": null(), "sha256": null(), "kid": null(), "signed_at": null()}
    is_dead, is_young = OutboxRow.state == OutState.DEAD.value, OutboxRow.signed_at > keep_signed_after
    is_stale = OutboxRow.signed_at.is_(None) | (OutboxRow.signed_at <= keep_signed_after)
    for condition, further in ((is_dead & is_young, {}), (is_dead & is_stale, unsigned)):
        change = update(OutboxRow).where(OutboxRow.id == message, condition).values(**values, **further)
        if connection.execute(change.returning(OutboxRow.id)).one_or_none() is not None:
            note(connection, message, OutEvent.RETRIED, OutState.QUEUED)
            return True
    return False


def note(connection: Connection, message: UUID, event: OutEvent, state: OutState, reason: str | None = None) -> None:
    """Write down that *event* happened to a message."""
    connection.execute(
        insert(OutboxEventRow).values(message=message, event=event.value, state=state.value, reason=reason)
    )


# -- looking -----------------------------------------------------------------------------------------


def next_look(connection: Connection) -> datetime | None:
    """Return when a message's time comes next, or None if none waits for its time."""
    at: datetime | None = connection.execute(_NEXT_LOOK).scalar_one()
    return at


def unsettled(connection: Connection, states: Collection[OutState], limit: int = 200) -> Sequence[Unsettled]:
    """Return the messages in *states*, oldest first."""
    query = (
        select(
            OutboxRow.id,
            OutboxRow.type,
            OutboxRow.conv,
            OutboxRow.seq,
            OutboxRow.state,
            OutboxRow.attempts,
            OutboxRow.queued_at,
            OutboxRow.next_at,
            OutboxRow.reason,
        )
        .where(OutboxRow.state.in_([state.value for state in states]))
        .order_by(OutboxRow.id)
        .limit(limit)
    )
    return [
        Unsettled(
            id=row.id,
            type=row.type,
            conv=row.conv,
            seq=row.seq,
            state=OutState(row.state),
            attempts=row.attempts,
            queued_at=row.queued_at,
            next_at=row.next_at,
            reason=row.reason,
        )
        for row in connection.execute(query)
    ]


def counts(connection: Connection) -> Counts:
    """Return how the exchange stands."""
    return Counts(*connection.execute(_COUNTS).one())


def open_under(connection: Connection, kid: str) -> int:
    """Return how many conversations need the key *kid*: unsent bytes are signed by it, or it opens what comes.

    Of a key for encryption it is those whose last message came under it and that are not ended.
    """
    signed = select(OutboxRow.conv).where(OutboxRow.kid == kid, OutboxRow.state.in_([state.value for state in OPEN]))
    later = aliased(InboxRow)
    newest = select(func.max(later.seq)).where(later.conv == InboxRow.conv).scalar_subquery()
    opened = (
        select(InboxRow.conv)
        .join(ConversationRow, ConversationRow.id == InboxRow.conv)
        .where(
            InboxRow.kid == kid,
            or_(ConversationRow.state == "open", InboxRow.state == "held"),
            InboxRow.seq == newest,
        )
    )
    both = signed.union(opened).subquery()
    return connection.execute(select(func.count()).select_from(both)).scalar_one()


def forget(connection: Connection, before: datetime) -> int:
    """Delete what was settled with the network, and what came and was applied, before *before*; return how many."""
    settled = OutboxRow.state.in_([OutState.DONE.value, OutState.REFUSED.value])
    done = settled & (OutboxRow.changed_at < before)
    gone = select(OutboxRow.id).where(done)
    connection.execute(delete(OutboxEventRow).where(OutboxEventRow.message.in_(gone)))
    out = connection.execute(delete(OutboxRow).where(done)).rowcount
    came = connection.execute(delete(InboxRow).where(InboxRow.state != "held", InboxRow.received_at < before)).rowcount
    return int(out) + int(came)


def _message(row: Row[*tuple[Any, ...]]) -> Message:
    return Message(
        id=row.id,
        conv=row.conv,
        seq=row.seq,
        type=row.type,
        to_org=row.to_org,
        payload=bytes(row.payload),
        message=bytes(row.message) if row.message is not None else None,
        sha256=bytes(row.sha256) if row.sha256 is not None else None,
        signed_at=row.signed_at,
        state=OutState(row.state),
        attempts=row.attempts,
        epoch=row.lease_epoch,
    )


def history(connection: Connection, message: UUID) -> Sequence[tuple[str, str, str | None]]:
    """Return what happened to *message*, oldest first: event, the state after it, and why."""
    query = select(OutboxEventRow.event, OutboxEventRow.state, OutboxEventRow.reason)
    rows = connection.execute(query.where(OutboxEventRow.message == message).order_by(OutboxEventRow.id))
    return [(row.event, row.state, row.reason) for row in rows]
