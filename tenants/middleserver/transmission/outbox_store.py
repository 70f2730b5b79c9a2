"""Queries of conversations and of the outbox, under the tenant's own log-in; nothing here commits.

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
    LargeBinary,
    Row,
    bindparam,
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
# Begins the conversation, or waits until nobody else works in it: either way it is ours until the commit. The id is
# made after that, so that ids of one conversation are in the order in which they are queued.
_BEGIN = text(
    """
    insert into conversation (id, deadline) values (:conv, :deadline)
    on conflict (id) do update set version = conversation.version
    returning state, deadline, uuidv7() as message
    """
)
# The same for a message that comes.
_JOIN = text(
    """
    insert into conversation (id) values (:conv)
    on conflict (id) do update set version = conversation.version
    returning next_in, state, deadline
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
    with claimed as (
        update outbox set seq = :seq, state = 'sending', lease_until = clock_timestamp() + :lease, lease_epoch = :epoch,
            changed_at = clock_timestamp(), message = coalesce(:message, message), sha256 = coalesce(:sha256, sha256),
            kid = coalesce(:kid, kid), signed_at = coalesce(:signed_at, signed_at)
        where id = :id returning id
    )
    insert into outbox_event (message, event, state) select id, :event, 'sending' from claimed
    """
).bindparams(bindparam("message", type_=LargeBinary), bindparam("sha256", type_=LargeBinary))
_SETTLE = text(
    """
    with settled as (
        update outbox set state = :state, attempts = :attempts, next_at = clock_timestamp() + :wait,
            lease_until = null, reason = :reason, changed_at = clock_timestamp(), receipt = coalesce(:receipt, receipt),
            seq = case when :state = 'refused' then null else seq end
        where id = :id and state = 'sending' and lease_epoch = :epoch returning id
    )
    insert into outbox_event (message, event, state, reason)
    select id, :event, :state, :reason from settled returning message
    """
).bindparams(bindparam("receipt", type_=LargeBinary))
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


def synchronous(connection: Connection) -> None:
    """Let the commit of this transaction wait until it cannot be lost: a receipt may rest on it."""
    connection.execute(text("set local synchronous_commit = on"))


def new_id(connection: Connection) -> UUID:
    """Return a new id in the order of time."""
    made: UUID = connection.execute(select(func.uuidv7())).scalar_one()
    return made


def mark_due(connection: Connection, kind: str, at: datetime | None = None) -> None:
    """Let *kind* be due at this tenant, now or from *at* on, once the transaction is committed."""
    connection.execute(select(func.platform_api.mark_due(kind, at)))


# -- conversations -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begun:
    """A conversation that is ours until the commit, and the id of the message that is to be queued in it."""

    state: str
    deadline: datetime | None
    message: UUID


def begin_message(connection: Connection, conv: UUID, deadline: datetime | None = None) -> Begun:
    """Begin the conversation *conv*, if there is none of that id, and keep others from queueing in it."""
    row = connection.execute(_BEGIN, {"conv": conv, "deadline": deadline}).one()
    return Begun(row.state, row.deadline, row.message)


def joined(connection: Connection, conv: UUID) -> Row[*tuple[Any, ...]]:
    """Begin the conversation *conv*, if there is none of that id; until the commit nobody else changes it.

    Return which number comes next in our direction, its state, and its deadline.
    """
    return connection.execute(_JOIN, {"conv": conv}).one()


def change_conversation(connection: Connection, conv: UUID, **values: object) -> None:
    """Set *values* of the conversation *conv*."""
    change = update(ConversationRow).where(ConversationRow.id == conv)
    connection.execute(change.values(**values, version=ConversationRow.version + 1))


def take_number(connection: Connection, conv: UUID) -> int:
    """Return the next number of our direction of *conv*, which is used up by it."""
    change = (
        update(ConversationRow)
        .where(ConversationRow.id == conv)
        .values(next_out=ConversationRow.next_out + 1, version=ConversationRow.version + 1)
        .returning(ConversationRow.next_out - 1)
    )
    number: int = connection.execute(change).scalar_one()
    return number


def give_back_number(connection: Connection, conv: UUID, seq: int) -> None:
    """Let the next message of *conv* have the number *seq*, if it was the last one that was taken."""
    connection.execute(
        update(ConversationRow)
        .where(ConversationRow.id == conv, ConversationRow.next_out == seq + 1)
        .values(next_out=seq, version=ConversationRow.version + 1)
    )


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


def head_of(connection: Connection, conv: UUID) -> Message | None:
    """Lock and return the first message of *conv*, if it waits and its time has come; what is in hand is not."""
    row = connection.execute(_HEAD_OF, {"conv": conv}).one_or_none()
    return None if row is None else _message(row)


def claim(connection: Connection, message: Message, seq: int, signature: Signature | None, lease: timedelta) -> int:
    """Take *message* for the time of *lease*, under a new epoch that is returned; with its *signature* if it is new."""
    event = OutEvent.CLAIMED if message.state is OutState.QUEUED else OutEvent.RECLAIMED
    epoch = message.epoch + 1
    connection.execute(
        _CLAIM,
        {
            "id": message.id,
            "seq": seq,
            "lease": lease,
            "epoch": epoch,
            "event": event.value,
            "message": signature.sealed if signature else None,
            "sha256": signature.sha256 if signature else None,
            "kid": signature.kid if signature else None,
            "signed_at": signature.at if signature else None,
        },
    )
    return epoch


def settle(
    connection: Connection, message: UUID, epoch: int, move: Move, *, receipt: bytes | None, reason: str | None
) -> bool:
    """Write down what became of a claimed message; False if another relay has claimed it since (fencing)."""
    told = {
        "id": message,
        "epoch": epoch,
        "state": move.state.value,
        "attempts": move.attempts,
        "wait": move.wait,
        "reason": reason,
        "receipt": receipt,
        "event": move.event.value,
    }
    return connection.execute(_SETTLE, told).one_or_none() is not None


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
    """Queue a message again that was given up or refused; its bytes stay if they were signed after that instant.

    What was refused is signed anew in any case: it is as if it had never come.
    """
    values = {
        "state": OutState.QUEUED.value,
        "attempts": 0,
        "next_at": func.clock_timestamp(),
        "changed_at": func.clock_timestamp(),
    }
    unsigned: dict[str, Any] = {"message": null(), "sha256": null(), "kid": null(), "signed_at": null()}
    is_dead = OutboxRow.state == OutState.DEAD.value
    dead_and_signed = is_dead & (OutboxRow.signed_at > keep_signed_after)
    anew = (OutboxRow.state == OutState.REFUSED.value) | (
        is_dead & (OutboxRow.signed_at.is_(None) | (OutboxRow.signed_at <= keep_signed_after))
    )
    for condition, further in ((dead_and_signed, {}), (anew, unsigned)):
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
    waiting = OutboxRow.state.in_([OutState.QUEUED.value, OutState.SENDING.value])
    out = connection.execute(
        select(
            func.count().filter(waiting).label("unsent"),
            func.min(OutboxRow.queued_at).filter(waiting).label("oldest"),
            func.count().filter(OutboxRow.state == OutState.DEAD.value).label("dead"),
            func.count().filter(OutboxRow.state == OutState.REFUSED.value).label("refused"),
        ).where(OutboxRow.state != OutState.DONE.value)
    ).one()
    held = connection.execute(
        select(func.count().label("held"), func.min(InboxRow.received_at).label("oldest")).where(
            InboxRow.state == "held"
        )
    ).one()
    return Counts(out.unsent, out.oldest, out.dead, out.refused, held.held, held.oldest)


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
    """Delete what was received by the network, and what came and was applied, before *before*; return how many."""
    done = (OutboxRow.state == OutState.DONE.value) & (OutboxRow.changed_at < before)
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
