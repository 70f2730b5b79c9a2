"""How people are told where a mail stands and what happened to it, by commands and pages alike."""

from __future__ import annotations

from chukan.platform.mail.rules import MailEvent, MailState
from chukan.platform.messages import mark, text

STATES = {
    MailState.QUEUED: mark("waiting"),
    MailState.SENDING: mark("being sent"),
    MailState.SENT: mark("sent"),
    MailState.BOUNCED: mark("bounced"),
    MailState.DEAD: mark("given up"),
}
EVENTS = {
    MailEvent.QUEUED: mark("put into the outbox"),
    MailEvent.CLAIMED: mark("taken up by a relay"),
    MailEvent.RECLAIMED: mark("taken over from a relay that is gone"),
    MailEvent.RELEASED: mark("put back untried"),
    MailEvent.SENT: mark("accepted by the server"),
    MailEvent.DEFERRED: mark("put off by the server"),
    MailEvent.BOUNCED: mark("refused, or came back"),
    MailEvent.BURIED: mark("given up after the last attempt"),
    MailEvent.RETRIED: mark("queued again by an operator"),
    MailEvent.DELAYED: mark("reported as delayed"),
}


def told_state(state: MailState) -> str:
    """Return how a person is told where a mail stands."""
    return text(STATES[state])


def told_event(event: MailEvent) -> str:
    """Return how a person is told what happened to a mail."""
    return text(EVENTS[event])
