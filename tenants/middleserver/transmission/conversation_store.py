"""Queries of conversations, under the tenant's own log-in; nothing here commits.

Who begins or joins one keeps all others out of it until the commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text, update

from chukan.tenants.middleserver.transmission.tables import ConversationRow

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
# Of several conversations at once, each of which has one message that is claimed.
_TAKE_NUMBERS = text(
    """
    update conversation set next_out = next_out + 1, version = version + 1
    where id = any(:convs) returning id, next_out - 1 as number
    """
)
_CLOSE = text("update conversation set state = 'closed', version = version + 1 where id = :conv")
_COME = text("update conversation set next_in = :following, version = version + 1 where id = :conv")


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


def close(connection: Connection, conv: UUID) -> None:
    """End the conversation *conv*."""
    connection.execute(_CLOSE, {"conv": conv})


def come(connection: Connection, conv: UUID, following: int) -> None:
    """Let the number *following* be the next one that is taken in *conv*."""
    connection.execute(_COME, {"conv": conv, "following": following})


def take_numbers(connection: Connection, convs: Sequence[UUID]) -> Mapping[UUID, int]:
    """Return the next number of our direction of each of *convs*, which is used up by it."""
    if not convs:
        return {}
    return {row.id: row.number for row in connection.execute(_TAKE_NUMBERS, {"convs": [*convs]})}


def give_back_number(connection: Connection, conv: UUID, seq: int) -> None:
    """Let the next message of *conv* have the number *seq*, if it was the last one that was taken."""
    connection.execute(
        update(ConversationRow)
        .where(ConversationRow.id == conv, ConversationRow.next_out == seq + 1)
        .values(next_out=seq, version=ConversationRow.version + 1)
    )
