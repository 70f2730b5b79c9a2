"""The pure part of the exchange: states of a message that leaves, places in a conversation, waits, and receipts' words.

A message leaves like this; nothing is ever dropped::

    queued → sending → done
      ↑         ├────→ refused   it is as if it had never come: the next message takes its place
      ├─────────┤
      │         └────→ dead      after its last attempt; it keeps its place, and those behind it wait
      └──── retry ←──────┘

What was refused is not sent again: the feature was told, and what was asked has ended or waits for people. Sent after
all, it would have its effect at the other side and none here. Who still wants it, asks anew.

Invariant: of a conversation at most one message is ``sending``, and it is the first of those that are neither done
nor refused. A message that has a signature keeps its bytes for every attempt.

Source: A0-164.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from types import MappingProxyType

from chukan.platform.messages import mark, text

#: The institution code of the network itself.
NETWORK = "9999000000000001"
#: Named as the receiver of a receipt when nobody can say who sent the message.
NOBODY = "0" * 16
#: What ``platform.due`` calls the work of the relay.
RELAY = "network-relay"
#: How long a signature is accepted, and with it how long the same bytes may be repeated.
SIGNATURE_LASTS = timedelta(days=14)
#: Ids of messages are remembered for so long; longer than anybody may repeat one.
REMEMBERED = timedelta(days=30)
#: Bytes of one message.
LARGEST = 8 << 20
#: So many messages that came too early are kept in one conversation; beyond, the sender is asked for the missing one.
MOST_HELD = 64


class OutState(StrEnum):
    """Where a message that leaves stands."""

    QUEUED = "queued"
    SENDING = "sending"
    DONE = "done"
    REFUSED = "refused"
    DEAD = "dead"


class OutEvent(StrEnum):
    """What happens to a message that leaves."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    RECLAIMED = "reclaimed"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    RELEASED = "released"
    REFUSED = "refused"
    BURIED = "buried"
    RETRIED = "retried"
    RESENT = "resent"


#: Which event leads from where to where.
TRANSITIONS: Mapping[tuple[OutState, OutEvent], OutState] = MappingProxyType(
    {
        (OutState.QUEUED, OutEvent.CLAIMED): OutState.SENDING,
        (OutState.SENDING, OutEvent.RECLAIMED): OutState.SENDING,
        (OutState.SENDING, OutEvent.ACCEPTED): OutState.DONE,
        (OutState.SENDING, OutEvent.DEFERRED): OutState.QUEUED,
        (OutState.SENDING, OutEvent.RELEASED): OutState.QUEUED,
        (OutState.SENDING, OutEvent.REFUSED): OutState.REFUSED,
        (OutState.SENDING, OutEvent.BURIED): OutState.DEAD,
        (OutState.DEAD, OutEvent.RETRIED): OutState.QUEUED,
        # The network lost what it had taken, and asks for it again.
        (OutState.DONE, OutEvent.RESENT): OutState.QUEUED,
    }
)
#: What has not been settled with the network.
OPEN = frozenset({OutState.QUEUED, OutState.SENDING, OutState.DEAD})

STATE_WORDS: Mapping[OutState, str] = {
    OutState.QUEUED: mark("waits to be sent"),
    OutState.SENDING: mark("is being sent"),
    OutState.DONE: mark("received by the network"),
    OutState.REFUSED: mark("refused by the network"),
    OutState.DEAD: mark("given up"),
}


def told_state(state: OutState) -> str:
    """Return the word for *state* in the reader's language."""
    return text(STATE_WORDS[state])


class InState(StrEnum):
    """Where a message that came stands."""

    HELD = "held"
    APPLIED = "applied"
    #: It was held, and when its turn came its effect was refused.
    REFUSED = "refused"


class Result(StrEnum):
    """What a receipt says became of a message."""

    ACCEPTED = "accepted"
    HELD = "held"
    REFUSED = "refused"


class Reason(StrEnum):
    """Why a message is refused; the words of the protocol."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    SIGNATURE = "signature"
    KEY = "key"
    ENCRYPTION = "encryption"
    STALE = "stale"
    SENDER = "sender"
    MESSAGE_TYPE = "message_type"
    SCHEMA = "schema"
    CONTENT = "content"
    CONFLICT = "conflict"
    SEQUENCE = "sequence"
    CLOSED = "closed"


#: With which status of HTTP a refusal is answered.
STATUS: Mapping[Reason, int] = MappingProxyType(
    {
        Reason.MALFORMED: 400,
        Reason.TOO_LARGE: 413,
        Reason.SIGNATURE: 400,
        Reason.KEY: 403,
        Reason.ENCRYPTION: 400,
        Reason.STALE: 400,
        Reason.SENDER: 403,
        Reason.MESSAGE_TYPE: 422,
        Reason.SCHEMA: 422,
        Reason.CONTENT: 422,
        Reason.CONFLICT: 409,
        Reason.SEQUENCE: 409,
        Reason.CLOSED: 409,
    }
)
#: For these nobody knows who signed, so the receipt is addressed to nobody.
UNSIGNED = frozenset({Reason.MALFORMED, Reason.TOO_LARGE, Reason.SIGNATURE, Reason.KEY, Reason.ENCRYPTION})
#: These say that somebody tried something, or that two sides remember differently: somebody has to look.
ALARMING = frozenset(
    {Reason.SIGNATURE, Reason.KEY, Reason.ENCRYPTION, Reason.SENDER, Reason.CONFLICT, Reason.STALE, Reason.MALFORMED}
)


@dataclass(frozen=True)
class RetryPolicy:
    """How often a message is tried, and how long the waits between are."""

    max_attempts: int
    first: timedelta
    longest: timedelta

    def wait(self, attempts: int, draw: float) -> timedelta:
        """Return the wait after *attempts* attempts; *draw* (0 to 1) spreads it over the upper half."""
        # More doublings than this only overflow.
        base = min(self.first * (1 << min(attempts - 1, 30)), self.longest)
        return base / 2 + base / 2 * draw


@dataclass(frozen=True)
class Move:
    """What becomes of a message after an attempt: event, the state after it, attempts spent, and the wait."""

    event: OutEvent
    state: OutState
    attempts: int
    wait: timedelta = timedelta(0)


def move(state: OutState, event: OutEvent, attempts: int, wait: timedelta = timedelta(0)) -> Move:
    """Return the move that *event* makes from *state*.

    Raises:
        KeyError: there is no such transition.
    """
    return Move(event, TRANSITIONS[state, event], attempts, wait)


def without_receipt(attempts: int, policy: RetryPolicy, draw: float) -> Move:
    """Return what becomes of a message that was sent for the *attempts*-th time and has no valid receipt."""
    if attempts >= policy.max_attempts:
        return move(OutState.SENDING, OutEvent.BURIED, attempts)
    return move(OutState.SENDING, OutEvent.DEFERRED, attempts, policy.wait(attempts, draw))


def released(attempts: int) -> Move:
    """Return what becomes of a message that was claimed and not tried: no attempt is spent."""
    return move(OutState.SENDING, OutEvent.RELEASED, attempts)


def signature_holds(signed_at: datetime, now: datetime) -> bool:
    """Return whether bytes that were signed at *signed_at* may still be sent as they are."""
    return now - signed_at < SIGNATURE_LASTS


class Turn(Enum):
    """What a message's number says about its turn."""

    NOW = "now"
    EARLY = "early"
    #: So early that it is not kept.
    FAR_TOO_EARLY = "far_too_early"
    #: Another message had this number.
    TAKEN = "taken"
    CLOSED = "closed"


def turn(seq: int, *, expected: int, taken: bool, closed: bool, most_held: int = MOST_HELD) -> Turn:
    """Return whose turn it is when number *seq* comes and *expected* is next; *taken*: another message has *seq*."""
    if closed:
        return Turn.CLOSED
    if taken or seq < expected:
        return Turn.TAKEN
    if seq == expected:
        return Turn.NOW
    return Turn.EARLY if seq - expected <= most_held else Turn.FAR_TOO_EARLY


def is_closed(state: str, deadline: datetime | None, now: datetime) -> bool:
    """Return whether a conversation takes no message any more: it was closed, or its deadline is over."""
    return state == "closed" or (deadline is not None and now >= deadline)
