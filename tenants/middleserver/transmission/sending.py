"""Sending one claimed message, and writing down what became of it, in one transaction with all that follows from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Connection

from chukan.platform.audit.actor import Actor
from chukan.platform.audit.rules import AuditEntry, Detail
from chukan.platform.audit.service import audited
from chukan.platform.clock import Clock
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import get_logger
from chukan.tenants.middleserver.security.jose import PublicKeys
from chukan.tenants.middleserver.transmission import outbox_store as store
from chukan.tenants.middleserver.transmission.errors import NetworkAnswerWrong, ReceiptInvalid
from chukan.tenants.middleserver.transmission.ports import Features, NetworkPort, Settled
from chukan.tenants.middleserver.transmission.receipts import Receipt, read
from chukan.tenants.middleserver.transmission.rules import (
    Move,
    OutEvent,
    OutState,
    Reason,
    RetryPolicy,
    move,
    released,
    without_receipt,
)
from chukan.tenants.middleserver.transmission.trail import TransmissionAction

_log = get_logger(__name__)
_ACTIONS = {
    OutEvent.ACCEPTED: TransmissionAction.SEND,
    OutEvent.REFUSED: TransmissionAction.REFUSED,
    OutEvent.BURIED: TransmissionAction.BURY,
}


@dataclass(frozen=True)
class Claimed:
    """A message that is ours until its lease ends; *content* are its signed bytes, the same at every attempt."""

    id: UUID
    conv: UUID
    seq: int
    type: str
    content: bytes = field(repr=False)
    attempts: int
    epoch: int


@dataclass(frozen=True)
class Peers:
    """What a relay talks to: the network's door, and whose keys its receipts are signed by."""

    network: NetworkPort
    public_key: PublicKeys


@dataclass(frozen=True)
class _Outcome:
    """What came back for a message: the valid receipt and its bytes, or nothing."""

    receipt: Receipt | None = None
    content: bytes | None = None

    @property
    def reason(self) -> Reason | None:
        return self.receipt.reason if self.receipt else None


@dataclass(frozen=True)
class Sender:
    """Sends claimed messages of any organisation; for many threads."""

    actor: Actor
    sessions: TenantSessions
    peers: Peers
    features: Features
    retry: RetryPolicy
    clock: Clock
    #: Gives a number from 0 to 1 for the jitter.
    draw: Callable[[], float]

    def send(self, tenant: TenantId, institution: str, message: Claimed) -> OutEvent | None:
        """Hand *message* over, record what became of it, and return it; None if another relay has taken it since.

        Raises:
            NetworkAway: the network cannot be reached; nothing was recorded.
        """
        outcome = self._handed_over(institution, message)
        attempts = message.attempts + 1
        if outcome.receipt is None:
            becomes = without_receipt(attempts, self.retry, self.draw())
        elif outcome.reason is None:
            becomes = move(OutState.SENDING, OutEvent.ACCEPTED, attempts)
        elif outcome.reason is Reason.SEQUENCE:
            becomes = self._resent(tenant, message, outcome.receipt)
        else:
            _log.error("transmission.message_refused", organisation=tenant, reason=outcome.reason.value)
            becomes = move(OutState.SENDING, OutEvent.REFUSED, attempts)
        return becomes.event if self._record(tenant, message, becomes, outcome) else None

    def give_back(self, tenant: TenantId, message: Claimed) -> OutEvent | None:
        """Let *message*, which was not tried, wait again without an attempt spent."""
        becomes = released(message.attempts)
        with self.sessions.begin(tenant) as connection:
            ours = store.settle(connection, message.id, message.epoch, becomes, receipt=None, reason=None)
        return becomes.event if ours else None

    def _handed_over(self, institution: str, message: Claimed) -> _Outcome:
        try:
            answer = self.peers.network.send(message.content)
            receipt = read(
                answer.content,
                self.peers.public_key,
                institution=institution,
                message=message.id,
                sent=message.content,
                now=self.clock.now(),
            )
        except (NetworkAnswerWrong, ReceiptInvalid) as error:
            _log.warning("transmission.no_receipt", attempt=message.attempts + 1, exc_info=error)
            return _Outcome()
        return _Outcome(receipt, answer.content)

    def _resent(self, tenant: TenantId, message: Claimed, receipt: Receipt) -> Move:
        """Queue again what the network says it lacks, before *message*; that is given up if there is no such thing."""
        with self.sessions.begin(tenant) as connection:
            store.synchronous(connection)
            first = receipt.expected or message.seq
            again = store.resend(connection, message.conv, first=first, below=message.seq)
        _log.error("transmission.network_lacks_messages", organisation=tenant, count=again)
        attempts = message.attempts + 1
        if again and attempts < self.retry.max_attempts:
            return move(OutState.SENDING, OutEvent.DEFERRED, attempts)
        return move(OutState.SENDING, OutEvent.BURIED, attempts)

    def _record(self, tenant: TenantId, message: Claimed, becomes: Move, outcome: _Outcome) -> bool:
        reason = outcome.reason.value if outcome.reason else None
        if (action := _ACTIONS.get(becomes.event)) is None:
            with self.sessions.begin(tenant) as connection:
                return store.settle(connection, message.id, message.epoch, becomes, receipt=None, reason=reason)
        detail: dict[str, Detail] = {
            "type": message.type,
            "conversation": str(message.conv),
            "sequence": message.seq,
            "reason": reason,
        }
        act = AuditEntry(self.actor.name, action, f"message:{message.id}", self.actor.request, detail=detail)
        with audited(lambda: self.sessions.begin(tenant), act) as unit:
            store.synchronous(unit.connection)
            receipt = outcome.content
            ours = store.settle(unit.connection, message.id, message.epoch, becomes, receipt=receipt, reason=reason)
            if ours:
                self._tell(unit.connection, tenant, message, becomes, outcome.receipt)
            else:
                unit.note(overtaken=True)
        return ours

    def _tell(
        self, connection: Connection, tenant: TenantId, message: Claimed, becomes: Move, receipt: Receipt | None
    ) -> None:
        """Give the number back that a refused message had, and let the feature know what became of its message."""
        if receipt is None or becomes.event is OutEvent.BURIED:
            return
        if receipt.reason is not None and receipt.reason is not Reason.CONFLICT:
            store.give_back_number(connection, message.conv, message.seq)
        if (outcome := self.features.outcomes.get(message.type)) is not None:
            outcome(connection, Settled(tenant, message.id, message.conv, receipt.reason, receipt.detail))
