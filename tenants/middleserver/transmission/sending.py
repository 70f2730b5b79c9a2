"""Sending claimed messages, and writing down what became of them, in one transaction with all that follows from it.

Those of a portion share that transaction, and if it fails each has its own: what stops one keeps no other one back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy import Connection

from chukan.platform.audit.actor import Actor
from chukan.platform.audit.rules import AuditEntry, Detail
from chukan.platform.audit.service import append_all, audited
from chukan.platform.clock import Clock
from chukan.platform.database.errors import DatabaseUnreachable, TenantSessionsSaturated
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import get_logger
from chukan.tenants.middleserver.security.jose import PublicKeys
from chukan.tenants.middleserver.transmission import conversation_store
from chukan.tenants.middleserver.transmission import outbox_store as store
from chukan.tenants.middleserver.transmission.errors import NetworkAnswerWrong, ReceiptInvalid
from chukan.tenants.middleserver.transmission.outbox_store import Settling
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
class Sent:
    """A message that was handed over, and what becomes of it by the network's valid receipt, or without one."""

    message: Claimed
    becomes: Move
    receipt: Receipt | None = None
    #: The bytes of the receipt.
    content: bytes | None = None

    @property
    def settling(self) -> Settling:
        """What is written down of it."""
        kept = self.content if self.becomes.event in _ACTIONS else None
        return Settling(self.message.id, self.message.epoch, self.becomes, kept, self.reason)

    @property
    def reason(self) -> str | None:
        """Why the network refused it."""
        return self.receipt.reason.value if self.receipt and self.receipt.reason else None


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

    def send(self, tenant: TenantId, institution: str, message: Claimed) -> Sent:
        """Hand *message* over, and return what becomes of it, which is to be recorded.

        Raises:
            NetworkAway: the network cannot be reached.
        """
        receipt, content = self._handed_over(institution, message)
        attempts = message.attempts + 1
        if receipt is None:
            becomes = without_receipt(attempts, self.retry, self.draw())
        elif receipt.reason is None:
            becomes = move(OutState.SENDING, OutEvent.ACCEPTED, attempts)
        elif receipt.reason is Reason.SEQUENCE:
            becomes = self._resent(tenant, message, receipt)
        else:
            _log.error("transmission.message_refused", organisation=tenant, reason=receipt.reason.value)
            becomes = move(OutState.SENDING, OutEvent.REFUSED, attempts)
        return Sent(message, becomes, receipt, content)

    def record(self, tenant: TenantId, sent: Sequence[Sent]) -> Sequence[OutEvent | None]:
        """Write down what became of the messages of *tenant* that were *sent*, and return it, in their order.

        None is of one that another relay has taken since. One that cannot be recorded keeps no other one back; it
        leaves again after its lease, and has the same receipt.

        Raises:
            Exception: whatever kept one from being recorded, when all others have been.
        """
        # In the order in which they were queued, as whoever changes several inquiries does: nobody waits in a ring.
        ordered = sorted(sent, key=lambda each: each.message.id)
        told = self._record_all(tenant, ordered) if len(ordered) > 1 else {}
        failed: Exception | None = None
        for each in ordered:
            if each.message.id not in told:
                try:
                    told[each.message.id] = self._record(tenant, each)
                except (DatabaseUnreachable, TenantSessionsSaturated):
                    # Nor could the next one be.
                    raise
                except Exception as error:  # noqa: BLE001 - raised once the others are recorded
                    told[each.message.id], failed = None, error
        if failed is not None:
            raise failed
        return [told[each.message.id] for each in sent]

    def give_back(self, tenant: TenantId, message: Claimed) -> OutEvent | None:
        """Let *message*, which was not tried, wait again without an attempt spent."""
        becomes = released(message.attempts)
        with self.sessions.begin(tenant) as connection:
            ours = store.settle(connection, [Settling(message.id, message.epoch, becomes)])
        return becomes.event if ours else None

    def _handed_over(self, institution: str, message: Claimed) -> tuple[Receipt | None, bytes | None]:
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
            return None, None
        return receipt, answer.content

    def _resent(self, tenant: TenantId, message: Claimed, receipt: Receipt) -> Move:
        """Queue again what the network says it lacks, before *message*; that is given up if there is no such thing."""
        with self.sessions.begin(tenant) as connection:
            first = receipt.expected or message.seq
            again = store.resend(connection, message.conv, first=first, below=message.seq)
        _log.error("transmission.network_lacks_messages", organisation=tenant, count=again)
        attempts = message.attempts + 1
        if again and attempts < self.retry.max_attempts:
            return move(OutState.SENDING, OutEvent.DEFERRED, attempts)
        return move(OutState.SENDING, OutEvent.BURIED, attempts)

    def _record_all(self, tenant: TenantId, sent: Sequence[Sent]) -> dict[UUID, OutEvent | None]:
        """Record all of *sent* in one transaction; what cannot be done in it is left to one for each."""
        try:
            with self.sessions.begin(tenant) as connection:
                ours = store.settle(connection, [each.settling for each in sent])
                for each in sent:
                    if each.message.id in ours:
                        self._tell(connection, tenant, each)
                acts = [(each, self._act(each)) for each in sent]
                append_all(
                    connection,
                    [
                        act if each.message.id in ours else replace(act, detail={**act.detail, "overtaken": True})
                        for each, act in acts
                        if act is not None
                    ],
                )
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised by the one that it belongs to
            _log.warning("transmission.portion_not_recorded", organisation=tenant, count=len(sent), exc_info=error)
            return {}
        return {each.message.id: each.becomes.event if each.message.id in ours else None for each in sent}

    def _record(self, tenant: TenantId, sent: Sent) -> OutEvent | None:
        if (act := self._act(sent)) is None:
            with self.sessions.begin(tenant) as connection:
                ours = store.settle(connection, [sent.settling])
        else:
            with audited(lambda: self.sessions.begin(tenant), act) as unit:
                ours = store.settle(unit.connection, [sent.settling])
                if ours:
                    self._tell(unit.connection, tenant, sent)
                else:
                    unit.note(overtaken=True)
        return sent.becomes.event if ours else None

    def _act(self, sent: Sent) -> AuditEntry | None:
        """Return what is recorded of *sent* in the trail; None if it goes on as if nothing had been."""
        if (action := _ACTIONS.get(sent.becomes.event)) is None:
            return None
        message = sent.message
        detail: dict[str, Detail] = {
            "type": message.type,
            "conversation": str(message.conv),
            "sequence": message.seq,
            "reason": sent.reason,
        }
        return AuditEntry(self.actor.name, action, f"message:{message.id}", self.actor.request, detail=detail)

    def _tell(self, connection: Connection, tenant: TenantId, sent: Sent) -> None:
        """Give the number back that a refused message had, and let the feature know what became of its message."""
        message, receipt = sent.message, sent.receipt
        if receipt is None or sent.becomes.event not in {OutEvent.ACCEPTED, OutEvent.REFUSED}:
            return
        if receipt.reason is not None and receipt.reason is not Reason.CONFLICT:
            conversation_store.give_back_number(connection, message.conv, message.seq)
        if (outcome := self.features.outcomes.get(message.type)) is not None:
            outcome(connection, Settled(tenant, message.id, message.conv, receipt.reason, receipt.detail))
