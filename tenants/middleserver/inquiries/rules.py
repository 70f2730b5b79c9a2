"""The pure part of inquiries: the states of one, what may be asked, and what an answer means.

An inquiry goes like this (W5)::

    queued → sent ────→ answered     the provider gave what was asked for
      │       │ ↕  ├──→ refused      by the provider, by the network, or because the person's code is gone
      │       │ deferred ──→         the provider answers later; everything that follows sent follows it, too
      │       ├──────→ expired       thirty days are over
      │       └→ cancelling → cancelled   an answer that crossed the cancellation is still an answer
      └→ cancelled                   it had not left yet

Invariant: an inquiry that has left ends once, in one of the four last states, by what the network says; only where
the network stays silent beyond the thirty days and a grace, the platform says by itself that it is expired. If the
network then does speak, its word holds: what was provided in time is not lost because it was long on its way.

Source: A0-040, A0-153, A0-166, A1-015, A1-016.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from chukan.platform.clock import as_tokyo
from chukan.platform.messages import mark, text
from chukan.platform.service_hours.deadlines import after_business_days, shipped_deadlines
from chukan.platform.service_hours.rules import Calendar
from chukan.tenants.middleserver.formats.codes import (
    AddressNumber,
    AffairCode,
    InformationCode,
    InstitutionCode,
    ProcedureCode,
    tokyo_day_begins,
)

#: As many inquiries as one request may hold, whatever the limits say. Source: A0-058.
MOST_ROWS = 3_000
#: Characters of a reason of the inquirer's for a cancellation: a word of the protocol.
MOST_REASON = 40


class Kind(StrEnum):
    """By which of the two queues an inquiry leaves. Source: A0-060, A0-097."""

    #: One, for somebody who stands at the counter.
    WINDOW = "window"
    #: Of a list or a file.
    BULK = "bulk"


class InquiryState(StrEnum):
    """Where an inquiry stands."""

    QUEUED = "queued"
    SENT = "sent"
    DEFERRED = "deferred"
    CANCELLING = "cancelling"
    ANSWERED = "answered"
    REFUSED = "refused"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class InquiryEvent(StrEnum):
    """What happens to an inquiry."""

    REGISTER = "register"
    RELEASE = "release"
    DEFER = "defer"
    ANSWER = "answer"
    REFUSE = "refuse"
    EXPIRE = "expire"
    ASK_CANCEL = "ask_cancel"
    CANCEL = "cancel"
    #: The network did not take the cancellation: all is as before.
    KEEP = "keep"


#: It has left, and its end has not come.
UNDER_WAY = (InquiryState.SENT, InquiryState.DEFERRED, InquiryState.CANCELLING)
ENDED = (InquiryState.ANSWERED, InquiryState.REFUSED, InquiryState.EXPIRED, InquiryState.CANCELLED)
_ENDS = {
    InquiryEvent.ANSWER: InquiryState.ANSWERED,
    InquiryEvent.REFUSE: InquiryState.REFUSED,
    InquiryEvent.EXPIRE: InquiryState.EXPIRED,
    InquiryEvent.CANCEL: InquiryState.CANCELLED,
}
#: Which event leads from where to where.
TRANSITIONS: Mapping[tuple[InquiryState, InquiryEvent], InquiryState] = MappingProxyType(
    {
        (InquiryState.QUEUED, InquiryEvent.RELEASE): InquiryState.SENT,
        (InquiryState.QUEUED, InquiryEvent.CANCEL): InquiryState.CANCELLED,
        (InquiryState.QUEUED, InquiryEvent.REFUSE): InquiryState.REFUSED,
        (InquiryState.SENT, InquiryEvent.DEFER): InquiryState.DEFERRED,
        (InquiryState.DEFERRED, InquiryEvent.DEFER): InquiryState.DEFERRED,
        (InquiryState.CANCELLING, InquiryEvent.DEFER): InquiryState.CANCELLING,
        (InquiryState.SENT, InquiryEvent.ASK_CANCEL): InquiryState.CANCELLING,
        (InquiryState.DEFERRED, InquiryEvent.ASK_CANCEL): InquiryState.CANCELLING,
        (InquiryState.CANCELLING, InquiryEvent.KEEP): InquiryState.SENT,
        **{(state, event): after for state in UNDER_WAY for event, after in _ENDS.items()},
        # We had said so by ourselves, for the network was silent; now it says what became of it, and that holds. An
        # expiry that the network told has closed the conversation, so that nothing of it comes here.
        **{(InquiryState.EXPIRED, event): after for event, after in _ENDS.items()},
    }
)

STATE_WORDS: Mapping[InquiryState, str] = {
    InquiryState.QUEUED: mark("waits in its queue"),
    InquiryState.SENT: mark("waits for its answer"),
    InquiryState.DEFERRED: mark("will be answered later"),
    InquiryState.CANCELLING: mark("is being cancelled"),
    InquiryState.ANSWERED: mark("answered"),
    InquiryState.REFUSED: mark("not provided"),
    InquiryState.EXPIRED: mark("expired without an answer"),
    InquiryState.CANCELLED: mark("was taken back"),
}


def told_state(state: InquiryState) -> str:
    """Return the words for *state* in the reader's language."""
    return text(STATE_WORDS[state])


# -- what may be asked -------------------------------------------------------------------------------


class ConditionKind(StrEnum):
    """Of what time something is asked (照会条件区分)."""

    CURRENT = "0"
    PERIOD = "1"


@dataclass(frozen=True, slots=True)
class Condition:
    """Of what time: now, or a period: days from and to (both belong to it), a fiscal year, or both."""

    kind: ConditionKind = ConditionKind.CURRENT
    begins: date | None = None
    ends: date | None = None
    year: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether a period is named exactly if one is asked for, and does not end before it begins."""
        named = (self.begins, self.ends, self.year)
        if self.kind is ConditionKind.CURRENT:
            return named == (None, None, None)
        if self.begins is not None and self.ends is not None and self.ends < self.begins:
            return False
        return named != (None, None, None) and (self.year is None or 1000 <= self.year <= 9999)


@dataclass(frozen=True, slots=True)
class Asked:
    """One inquiry as it is asked for: the five fields (A0-166), whether its record is disclosed, and for whom."""

    address: AddressNumber
    information: InformationCode
    affair: AffairCode
    procedure: ProcedureCode
    provider: InstitutionCode
    condition: Condition = Condition()
    undisclosed: bool = False
    delegated: InstitutionCode | None = None


# -- what an answer means ----------------------------------------------------------------------------


class Result(StrEnum):
    """What the network says became of an inquiry."""

    PROVIDED = "provided"
    DEFERRED = "deferred"
    REFUSED = "refused"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


MEANING: Mapping[Result, InquiryEvent] = MappingProxyType(
    {
        Result.PROVIDED: InquiryEvent.ANSWER,
        Result.DEFERRED: InquiryEvent.DEFER,
        Result.REFUSED: InquiryEvent.REFUSE,
        Result.EXPIRED: InquiryEvent.EXPIRE,
        Result.CANCELLED: InquiryEvent.CANCEL,
    }
)


@dataclass(frozen=True, slots=True)
class ResultShape:
    """Which parts a result has."""

    reason: bool
    expected_on: bool
    provided_at: bool
    answer: bool
    certificate: bool


def is_whole(result: Result, shape: ResultShape) -> bool:
    """Return whether a result has the parts that it must have, and no others."""
    provided, deferred = result is Result.PROVIDED, result is Result.DEFERRED
    return (
        (shape.reason == (result is Result.REFUSED) or deferred)
        and (not shape.expected_on or deferred)
        and shape.provided_at is not deferred
        and shape.answer is provided
        and shape.certificate is provided
    )


# -- how long it holds -------------------------------------------------------------------------------


def last_valid_day(requested_at: datetime) -> date:
    """Return the last day (Asia/Tokyo) on which an inquiry that left at *requested_at* may be answered."""
    day = as_tokyo(requested_at).date()
    return shipped_deadlines().validity_on(day).last_valid(day)


def expires_at(requested_at: datetime) -> datetime:
    """Return the instant (UTC) from which on it is expired: the day after its last one begins in Tokyo."""
    return tokyo_day_begins(last_valid_day(requested_at) + timedelta(days=1))


def notice_at(last_day: date, business_days: int, calendar: Calendar) -> datetime:
    """Return from when on (UTC) notice is given that *last_day* comes: so many business days before it.

    Raises:
        CalendarOutOfRange: the calendar does not know the days.
    """
    day = last_day
    while after_business_days(day, business_days, calendar) > last_day:
        day -= timedelta(days=1)
    return tokyo_day_begins(day)


def to_the_second(instant: datetime) -> datetime:
    """Return *instant* cut to the second (UTC): what three parties write down alike."""
    return instant.astimezone(UTC).replace(microsecond=0)


def japan_second(instant: datetime) -> str:
    """Return *instant* as the messages tell it: to the second, with Japan's offset."""
    return as_tokyo(to_the_second(instant)).isoformat(timespec="seconds")
