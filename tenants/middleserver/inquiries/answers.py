"""What the network says of inquiries: results, and what became of the messages that left.

A result that does not fit is refused as if it had never come; the inquiry stays as it is, and the log tells.

Source: A0-031, A0-153, A1-016, A3-012.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from chukan.platform.logs import get_logger
from chukan.platform.messages import mark, text
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.formats.messages import MessageMode
from chukan.tenants.middleserver.inquiries import store
from chukan.tenants.middleserver.inquiries.documents import CANCELLATION, INQUIRY, RESULT
from chukan.tenants.middleserver.inquiries.provided import AnswerUnfit, Authority, Opened, opened
from chukan.tenants.middleserver.inquiries.records import record
from chukan.tenants.middleserver.inquiries.releasing import Institutions
from chukan.tenants.middleserver.inquiries.rules import (
    MEANING,
    TRANSITIONS,
    InquiryEvent,
    InquiryState,
    Kind,
    Result,
    ResultShape,
    expires_at,
    is_whole,
    to_the_second,
)
from chukan.tenants.middleserver.inquiries.sealed import Seals
from chukan.tenants.middleserver.inquiries.store import Inquiry
from chukan.tenants.middleserver.transmission.errors import ContentRefused
from chukan.tenants.middleserver.transmission.ports import Features, Received, Settled
from chukan.tenants.middleserver.transmission.service import Outbox

_RELAY = "system:network-relay"
#: When the network refused an inquiry outright, this stands before its reason.
_NETWORK = "network_"
_log = get_logger(__name__)


@dataclass(frozen=True)
class _Told:
    """A result as the message tells it."""

    result: Result
    reason: str | None
    expected_on: date | None
    explanation: str | None
    at: datetime | None
    answer: str
    certificate: str

    @property
    def shape(self) -> ResultShape:
        return ResultShape(
            reason=self.reason is not None,
            expected_on=self.expected_on is not None,
            provided_at=self.at is not None,
            answer=bool(self.answer),
            certificate=bool(self.certificate),
        )


class Answers:
    """Takes the network's results of inquiries."""

    def __init__(self, vault: Vault, authority: Authority, institutions: Institutions) -> None:
        self._vault = vault
        self._authority = authority
        self._institutions = institutions
        self._outbox = Outbox(vault)

    def features(self) -> Features:
        """Return what is done with messages about inquiries."""
        return Features({RESULT: self.took}, {INQUIRY: self.left, CANCELLATION: self.taken_back})

    # -- results -------------------------------------------------------------------------------------

    def took(self, connection: Connection, received: Received) -> None:
        """Let a result have its effect; raises ContentRefused."""
        found = store.lock(connection, received.conversation)
        told = _read(received)
        _require_its_own(found, received)
        if found is None or (found.state, MEANING[told.result]) not in TRANSITIONS:
            raise _refused(mark("the inquiry has ended, or has not left"))
        if not is_whole(told.result, told.shape):
            raise _refused(mark("a part is missing, or stands where there is none"))
        answer = self._opened(connection, received, found, told) if told.result is Result.PROVIDED else None
        self._have_effect(connection, received, found, told, answer)

    def _opened(self, connection: Connection, received: Received, found: Inquiry, told: _Told) -> Opened:
        if found.requested_at is None or told.at is None or told.at >= expires_at(found.requested_at):
            raise _refused(mark("it was provided after the last day on which that was allowed"))
        try:
            return opened(
                connection,
                self._vault,
                received.tenant,
                token=told.answer.encode(),
                certificate_pem=told.certificate,
                authority=self._authority(),
                found=found,
                institution=received.institution,
                now=received.at,
            )
        except AnswerUnfit as error:
            _log.error("inquiries.answer_unfit", organisation=received.tenant, reason=error.detail, exc_info=error)
            raise _refused(error.why) from error

    def _have_effect(
        self, connection: Connection, received: Received, found: Inquiry, told: _Told, answer: Opened | None
    ) -> None:
        event = MEANING[told.result]
        after = TRANSITIONS[found.state, event]
        values: dict[str, Any] = {"explanation": told.explanation, "reason": told.reason, "ended_at": told.at}
        if told.result is Result.DEFERRED:
            values = {**values, "expected_on": told.expected_on}
        if answer is not None:
            values = {**values, "permit": answer.permit}
            sealed = Seals(self._vault, received.tenant).answer(found.id, answer.signed)
            store.keep_answer(connection, found.id, signed=sealed, kid=answer.kid, at=received.at)
        store.move(connection, found, after, **values)
        store.note(connection, [store.event(found.id, event, after, received.actor, told.reason)])
        _leave_line(connection, found)
        # That it was deferred is recorded also while it is being taken back: the network records it, too.
        recorded = InquiryState.DEFERRED if event is InquiryEvent.DEFER else after
        now_stands = replace(found, state=recorded, ended_at=told.at)
        record(connection, received.tenant, received.institution, now_stands, received.at)
        if told.at is not None:
            self._outbox.close(connection, found.id)

    # -- what became of what left --------------------------------------------------------------------

    def left(self, connection: Connection, settled: Settled) -> None:
        """Write down that the network has an inquiry, or that it refused it outright."""
        if settled.reason is None:
            store.received(connection, settled.conversation)
            return
        found, event = store.lock(connection, settled.conversation), InquiryEvent.REFUSE
        if found is None or (after := TRANSITIONS.get((found.state, event))) is None:
            return
        reason = _NETWORK + settled.reason.value
        at = to_the_second(store.database_now(connection))
        store.move(connection, found, after, reason=reason, ended_at=at)
        store.note(connection, [store.event(found.id, event, after, _RELAY, reason)])
        _leave_line(connection, found)
        institution = self._institutions.of(settled.tenant, at)
        record(connection, settled.tenant, institution, replace(found, state=after, ended_at=at), at)

    def taken_back(self, connection: Connection, settled: Settled) -> None:
        """Let an inquiry go on whose cancellation the network refused."""
        found = store.lock(connection, settled.conversation)
        if found is None or settled.reason is None or found.state is not InquiryState.CANCELLING:
            return
        after = InquiryState.DEFERRED if found.expected_on is not None else InquiryState.SENT
        store.move(connection, found, after)
        store.note(
            connection, [store.event(found.id, InquiryEvent.KEEP, after, _RELAY, settled.reason.value)]
        )  # fmt: skip


def _leave_line(connection: Connection, found: Inquiry) -> None:
    """Let the next one of all lists leave in its place."""
    if found.kind is Kind.BULK:
        store.list_ended(connection, found.id)


def _read(received: Received) -> _Told:
    message = received.message
    at, expected = message.value("ProvidedAt"), message.value("ExpectedOn")
    return _Told(
        result=Result(message.value("Result")),
        reason=message.value("Reason") or None,
        expected_on=date.fromisoformat(expected) if expected else None,
        explanation=message.value("Explanation") or None,
        at=datetime.fromisoformat(at) if at else None,
        answer=message.value("EncryptedAnswer"),
        certificate=message.value("ProviderCertificate"),
    )


def _require_its_own(found: Inquiry | None, received: Received) -> None:
    """Do nothing if the result is about the inquiry of its conversation."""
    message = received.message
    if message.header.mode is not MessageMode.PRODUCTION:
        raise _refused(mark("it is one of the test mode"))
    if (
        found is None
        or message.value("ProcessingSerial") != found.serial
        or message.value("ProviderInstitution") != found.provider
    ):
        raise _refused(mark("there is no such inquiry"))


def _refused(reason: str) -> ContentRefused:
    return ContentRefused(reason=text(reason))
