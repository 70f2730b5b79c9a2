"""Queries of the inbox, under the tenant's own log-in; nothing here commits."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, select, text, update

from chukan.tenants.middleserver.transmission.rules import InState
from chukan.tenants.middleserver.transmission.tables import InboxRow


@dataclass(frozen=True, slots=True)
class Incoming:
    """What is kept of a message that comes; ``sealed`` is the JWS, sealed, ``kid`` the key it was encrypted to."""

    from_org: str
    id: UUID
    conv: UUID
    seq: int
    type: str
    sha256: bytes
    sealed: bytes
    kid: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A message that was taken before: the digest of its bytes, and the receipt that they have."""

    sha256: bytes
    receipt: bytes


@dataclass(frozen=True, slots=True)
class Look:
    """What is there when a message comes: itself, another one at its place, one that waits for it."""

    kept: Kept | None
    taken: bool
    followed: bool


_LOOK = text(
    """
    select kept.sha256, kept.receipt,
        exists (select from inbox where from_org = :from_org and conv = :conv and seq = :seq) as taken,
        exists (
            select from inbox where from_org = :from_org and conv = :conv and seq = :seq + 1 and state = 'held'
        ) as followed
    from (select) as nothing left join inbox kept on kept.from_org = :from_org and kept.id = :id
    """
)
_KEEP = text(
    """
    with kept as (
        insert into inbox (from_org, id, conv, seq, type, sha256, message, kid, state, receipt)
        values (:from_org, :id, :conv, :seq, :type, :sha256, :message, :kid, :state, :receipt)
        on conflict do nothing returning id
    ), moved as (
        update conversation set next_in = cast(:following as integer), version = version + 1
        where id = :conv and cast(:following as integer) is not null and exists (select from kept)
    )
    select id from kept
    """
)


def look(connection: Connection, from_org: str, message: UUID, conv: UUID, seq: int) -> Look:
    """Return what is there already of *from_org* under the id *message*, at its place, and at the next one."""
    row = connection.execute(_LOOK, {"from_org": from_org, "id": message, "conv": conv, "seq": seq}).one()
    kept = Kept(bytes(row.sha256), bytes(row.receipt)) if row.sha256 is not None else None
    return Look(kept, taken=row.taken, followed=row.followed)


def keep(connection: Connection, incoming: Incoming, state: InState, receipt: bytes, *, following: int | None) -> bool:
    """Keep *incoming* with its receipt; False if a message of its id or place is there by now.

    With *following* that is the number which comes next in its conversation from now on.
    """
    told = {
        "from_org": incoming.from_org,
        "id": incoming.id,
        "conv": incoming.conv,
        "seq": incoming.seq,
        "type": incoming.type,
        "sha256": incoming.sha256,
        "message": incoming.sealed,
        "kid": incoming.kid,
        "state": state.value,
        "receipt": receipt,
        "following": following,
    }
    return connection.execute(_KEEP, told).one_or_none() is not None


def held(connection: Connection, from_org: str, conv: UUID, seq: int) -> tuple[UUID, str, bytes] | None:
    """Return id, type and sealed JWS of the message that was held for the place *seq*."""
    query = select(InboxRow.id, InboxRow.type, InboxRow.message).where(
        InboxRow.from_org == from_org,
        InboxRow.conv == conv,
        InboxRow.seq == seq,
        InboxRow.state == InState.HELD.value,
    )
    row = connection.execute(query).one_or_none()
    return (row.id, row.type, bytes(row.message)) if row else None


def finish(connection: Connection, from_org: str, message: UUID, state: InState, reason: str | None = None) -> None:
    """Write down what became of a message that was held."""
    change = update(InboxRow).where(
        InboxRow.from_org == from_org, InboxRow.id == message, InboxRow.state == InState.HELD.value
    )
    connection.execute(change.values(state=state.value, reason=reason))
