"""What the exchange needs from outside: the network itself, and what features do with messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import Connection

from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.formats.messages import Message
from chukan.tenants.middleserver.gate import Closed
from chukan.tenants.middleserver.transmission.rules import Reason


@dataclass(frozen=True)
class Answer:
    """What came back for a request: the status of HTTP, and the body."""

    status: int
    content: bytes = field(repr=False)


class NetworkPort(Protocol):
    """The network's door for messages."""

    def send(self, message: bytes) -> Answer:
        """Hand over *message* (a compact JWS) and return the answer, whatever it is.

        Raises:
            NetworkAway: nobody answers, or the network says that it will be back later. Nothing is known of the
                message, and there is no point in trying the next one now.
            NetworkAnswerWrong: the connection broke, or took too long; the message may have arrived.
        """
        ...


@dataclass(frozen=True)
class Received:
    """A message from the network whose turn it is, verified and valid by its schema."""

    tenant: TenantId
    institution: str
    conversation: UUID
    message: Message
    #: When it was received (UTC).
    at: datetime
    #: Who took it, and in which request, for the audit trail.
    actor: str
    request: str


@dataclass(frozen=True)
class Settled:
    """What the network said of a message of ours: with a *reason* it was refused, and never came."""

    tenant: TenantId
    message: UUID
    conversation: UUID
    reason: Reason | None
    detail: str


#: Tells why nothing is taken for a tenant at an instant (UTC), or None: the gate, asked for the network's messages.
Shut = Callable[[TenantId, datetime], Closed | None]
#: Has the effect of a message, in the transaction that takes it; raises ContentRefused before it has any.
Handler = Callable[[Connection, Received], None]
#: Is told what became of a message that left, in the transaction that writes the receipt down.
Outcome = Callable[[Connection, Settled], None]


@dataclass(frozen=True)
class Features:
    """What the features above do: with messages that come, and with the outcome of those that leave, by type."""

    handlers: Mapping[str, Handler] = field(default_factory=dict)
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)

    def __or__(self, other: Features) -> Features:
        """Return what both do.

        Raises:
            ValueError: both want the same type of message.
        """
        if self.handlers.keys() & other.handlers.keys() or self.outcomes.keys() & other.outcomes.keys():
            raise ValueError("two features handle one type of message")
        return Features({**self.handlers, **other.handlers}, {**self.outcomes, **other.outcomes})
