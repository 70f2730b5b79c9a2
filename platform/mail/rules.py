"""What a mail goes through, what a server's answer means for it, and how long it waits.

Invariant: the content and the Message-ID of a mail never change, so that whatever is sent twice can be told
to be one mail (decision 34); and no state is left but by one of ``TRANSITIONS``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

from chukan.platform.mail.errors import AddressInvalid

#: Longer answers of servers are cut; they are kept for people.
LONGEST_WORDS = 300

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?=\s|$)")
_UNSEEN = re.compile(r"[^\x20-\x7e]+")


class MailState(StrEnum):
    """Where a mail stands."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    BOUNCED = "bounced"
    DEAD = "dead"


class MailEvent(StrEnum):
    """What happens to a mail."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    RECLAIMED = "reclaimed"
    RELEASED = "released"
    SENT = "sent"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    BURIED = "buried"
    RETRIED = "retried"
    DELAYED = "delayed"


#: Where a mail goes; what is not here cannot happen. A new mail begins with QUEUED, in the state QUEUED.
TRANSITIONS: Mapping[tuple[MailState, MailEvent], MailState] = MappingProxyType(
    {
        (MailState.QUEUED, MailEvent.CLAIMED): MailState.SENDING,
        # A relay that claimed it is gone: whether the server has it nobody knows, so it is sent again.
        (MailState.SENDING, MailEvent.RECLAIMED): MailState.SENDING,
        (MailState.SENDING, MailEvent.RELEASED): MailState.QUEUED,
        (MailState.SENDING, MailEvent.SENT): MailState.SENT,
        (MailState.SENDING, MailEvent.DEFERRED): MailState.QUEUED,
        (MailState.SENDING, MailEvent.BOUNCED): MailState.BOUNCED,
        (MailState.SENDING, MailEvent.BURIED): MailState.DEAD,
        # A report may come for a mail whose "yes" we never recorded.
        (MailState.QUEUED, MailEvent.BOUNCED): MailState.BOUNCED,
        (MailState.SENT, MailEvent.BOUNCED): MailState.BOUNCED,
        (MailState.DEAD, MailEvent.BOUNCED): MailState.BOUNCED,
        (MailState.DEAD, MailEvent.RETRIED): MailState.QUEUED,
        (MailState.BOUNCED, MailEvent.RETRIED): MailState.QUEUED,
    }
)


def states_before(event: MailEvent) -> tuple[MailState, ...]:
    """Return the states in which *event* may happen, in their order."""
    return tuple(before for before, happens in TRANSITIONS if happens is event)


class Stage(StrEnum):
    """How far a mail's dialogue came: what the answer was about."""

    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said of one mail: SMTP code (0: it said nothing), enhanced status or "", its words."""

    code: int
    stage: Stage
    status: str = ""
    words: str = ""


def answer(code: int, stage: Stage, words: bytes | str) -> Answer:
    """Return the answer that a server's *words* are, with the enhanced status (RFC 3463) that they begin with."""
    said = words.decode("ascii", "replace") if isinstance(words, bytes) else words
    found = _STATUS.match(said)
    return Answer(code, stage, found.group(1) if found else "", _UNSEEN.sub(" ", said)[:LONGEST_WORDS])


class Verdict(StrEnum):
    """What an answer means: for the mail, or for all mail at this server."""

    TAKEN = "taken"
    LATER = "later"
    NEVER = "never"
    #: It is us that the server does not serve: no mail is to blame, and none is tried further.
    NOT_US = "not_us"


def verdict(given: Answer) -> Verdict:
    """Return what *given* means.

    What is said of the sender is said of us, except that a mail is too large (552). 530 asks for a log-in or
    for TLS, at whatever stage. An answer that is no SMTP code is no refusal either: the mail is tried again.
    """
    if 200 <= given.code < 300:
        return Verdict.TAKEN
    if given.code == 530 or (given.stage is Stage.SENDER and given.code != 552):
        return Verdict.NOT_US
    return Verdict.NEVER if 500 <= given.code < 600 else Verdict.LATER


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a mail is tried, and the longest waits before the second attempt and between any two."""

    max_attempts: int
    first: timedelta
    longest: timedelta


def wait_before_retry(attempts: int, policy: RetryPolicy, draw: float) -> timedelta:
    """Return the wait after the *attempts*-th attempt: doubling, and by *draw* (0 to 1) between half and whole.

    The jitter keeps 1,788 mails that failed together from coming back together.
    """
    # Beyond 2^30 the longest wait holds anyway, and no timedelta overflows.
    longest = min(policy.first * (1 << min(attempts - 1, 30)), policy.longest)
    return longest * (0.5 + draw / 2)


@dataclass(frozen=True, slots=True)
class Move:
    """What happens to a mail that was claimed: the event, the state after it, attempts, and the wait if it waits."""

    event: MailEvent
    state: MailState
    attempts: int
    wait: timedelta = timedelta(0)


def after(given: Answer, attempts: int, policy: RetryPolicy, draw: float) -> Move:
    """Return what the server's answer does to a mail that had been tried *attempts* times before."""
    match verdict(given):
        case Verdict.TAKEN:
            return _move(MailEvent.SENT, attempts + 1)
        case Verdict.NEVER:
            return _move(MailEvent.BOUNCED, attempts + 1)
        case Verdict.NOT_US:
            return _move(MailEvent.RELEASED, attempts)
    if attempts + 1 >= policy.max_attempts:
        return _move(MailEvent.BURIED, attempts + 1)
    return _move(MailEvent.DEFERRED, attempts + 1, wait_before_retry(attempts + 1, policy, draw))


def released(attempts: int) -> Move:
    """Return what happens to a mail that was claimed and not tried."""
    return _move(MailEvent.RELEASED, attempts)


def _move(event: MailEvent, attempts: int, wait: timedelta = timedelta(0)) -> Move:
    return Move(event, TRANSITIONS[MailState.SENDING, event], attempts, wait)


def blames_recipient(status: str, stage: Stage) -> bool:
    """Return whether a refusal for good says something of the recipient, not of us or of what we wrote.

    Of an enhanced status the second number says what it is about: 1 address, 2 mailbox, 4 routing; 3, 5, 6 and 7
    are system, protocol, content and policy. Without one, the stage at which it came has to do.
    """
    if stage is not Stage.RECIPIENT:
        return False
    subject = status.split(".")[1] if status else "0"
    return subject in {"0", "1", "2", "4"}


def address(given: str) -> str:
    """Return *given*, one mail address in ASCII, with its domain in small letters.

    Raises:
        AddressInvalid: it is none. Quoted local parts and addresses in angle brackets are refused too: nobody
            enters them by intention.
    """
    local, separator, domain = given.strip(" ").rpartition("@")
    labels = domain.lower().split(".")
    right = (
        bool(separator)
        and len(local) <= 64
        and len(domain) <= 253
        and len(labels) > 1
        and _LOCAL.fullmatch(local) is not None
        and all(_LABEL.fullmatch(label) for label in labels)
    )
    if not right:
        raise AddressInvalid
    return f"{local}@{domain.lower()}"
