"""Queueing messages in the caller's transaction, looking after those that did not arrive, and stopping the exchange.

Source: A0-164.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from chukan.platform.audit.actor import Actor
from chukan.platform.audit.rules import AuditEntry
from chukan.platform.audit.service import audited
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.vault.rules import EncryptedColumn, Place
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.security.certificates.service import AtHand, Keys, Signer
from chukan.tenants.middleserver.security.errors import NotHosted
from chukan.tenants.middleserver.transmission import conversation_store, shared_store
from chukan.tenants.middleserver.transmission import outbox_store as store
from chukan.tenants.middleserver.transmission.errors import ConversationClosed, MessageUnknown
from chukan.tenants.middleserver.transmission.network_keys import institution_of
from chukan.tenants.middleserver.transmission.outbox_store import Counts, Unsettled
from chukan.tenants.middleserver.transmission.rules import (
    NETWORK,
    RELAY,
    SIGNATURE_LASTS,
    OutState,
    is_closed,
)
from chukan.tenants.middleserver.transmission.shared_store import Stop
from chukan.tenants.middleserver.transmission.switch import Switch
from chukan.tenants.middleserver.transmission.trail import TransmissionAction

OUTBOX, INBOX, PAYLOAD, MESSAGE = "outbox", "inbox", "payload", "message"
#: What a rotation of the tenant's data key re-encrypts.
ENCRYPTED_COLUMNS = (
    EncryptedColumn(OUTBOX, PAYLOAD),
    EncryptedColumn(OUTBOX, MESSAGE),
    EncryptedColumn(INBOX, MESSAGE),
)


class Outbox:
    """Where features put messages to the network: in the transaction of the change that owes them."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def enqueue(
        self,
        connection: Connection,
        tenant: TenantId,
        conversation: UUID,
        kind: str,
        write: Callable[[UUID], bytes],
        *,
        now: datetime,
        deadline: datetime | None = None,
    ) -> UUID:
        """Queue a message of the type *kind* (``IF_…``) in *conversation*, and return its id.

        *write* is given the id and returns the document (XML, UTF-8). A conversation that is not there yet begins;
        *deadline* is the instant from which on it takes no answer any more. Nothing is signed or sent before the
        caller's transaction has been committed; the order in a conversation is that of the calls.

        Raises:
            ConversationClosed: it was ended.
        """
        # Held until the commit: two messages of one conversation leave in the order in which they were queued.
        begun = conversation_store.begin_message(connection, conversation, deadline)
        if is_closed(begun.state, begun.deadline, now):
            raise ConversationClosed
        sealed = self._vault.seal(tenant, Place(OUTBOX, PAYLOAD, begun.message), write(begun.message))
        store.queue(connection, begun.message, conversation, to_org=NETWORK, kind=kind, payload=sealed)
        return begun.message

    def close(self, connection: Connection, conversation: UUID) -> None:
        """End *conversation*: what comes in it from now on is answered ``closed`` and has no effect."""
        conversation_store.close(connection, conversation)


@dataclass(frozen=True)
class Identity:
    """Who signs for an organisation and who opens what comes for it, and its institution code on the network."""

    keys: AtHand
    institution: str

    @property
    def signer(self) -> Signer:
        """Who signs."""
        return self.keys.signer


def identity(keys: Keys, tenant: TenantId, now: datetime) -> Identity:
    """Return who signs and opens for *tenant*; its institution code is what its certificate says.

    Raises:
        NoActiveCertificate, VaultTampered: as ``Keys.at_hand``.
        NotHosted: the certificate is gone.
    """
    return _identified(tenant, keys.at_hand(tenant, now=now))


def identity_on(connection: Connection, keys: Keys, tenant: TenantId, now: datetime) -> Identity:
    """Return as ``identity``, in the caller's session on *tenant*; raises as that."""
    return _identified(tenant, keys.at_hand_on(connection, tenant, now=now))


def _identified(tenant: TenantId, found: AtHand) -> Identity:
    if not found.certificate:
        raise NotHosted(organisation=tenant)
    return Identity(found, institution_of(found.certificate))


@dataclass(frozen=True)
class Situation:
    """How the exchange with one organisation stands."""

    counts: Counts
    unsettled: Sequence[Unsettled]
    stop: Stop | None


class Exchange:
    """What operators see of the exchange, and do about it, under the worker's log-in."""

    def __init__(self, actor: Actor, sessions: TenantSessions) -> None:
        self._actor = actor
        self._sessions = sessions

    def situation(self, tenant: TenantId, *, states: Sequence[OutState] = ()) -> Situation:
        """Return how the exchange with *tenant* stands, with its messages in *states* (else: all not settled)."""
        shown = states or [state for state in OutState if state is not OutState.DONE]
        with self._sessions.begin(tenant) as connection:
            counts, unsettled = store.counts(connection), store.unsettled(connection, shown)
        with self._actor.engine.connect() as connection:
            return Situation(counts, unsettled, shared_store.stopped(connection, tenant))

    def stops(self) -> Sequence[Stop]:
        """Return the stops in force."""
        with self._actor.engine.connect() as connection:
            return shared_store.stops(connection)

    def retry(self, tenant: TenantId, message: UUID, *, now: datetime) -> None:
        """Queue *message*, which was given up, again.

        It goes byte for byte the same as long as its signature is accepted; after that it is signed anew under the
        same id. What was refused is not sent again: whoever asked with it has been told.

        Raises:
            MessageUnknown: there is no such message, or it needs no retry.
        """
        act = AuditEntry(self._actor.name, TransmissionAction.RETRY, f"message:{message}", self._actor.request)
        with audited(lambda: self._sessions.begin(tenant), act) as unit:
            if not store.retry(unit.connection, message, keep_signed_after=now - SIGNATURE_LASTS):
                raise MessageUnknown(message=message)
            store.mark_due(unit.connection, RELAY)

    def stop(self, tenant: TenantId | None, *, reason: str) -> None:
        """Stop the exchange; see ``Switch.stop``."""
        Switch(self._actor).stop(tenant, reason=reason)

    def resume(self, tenant: TenantId | None) -> None:
        """Let the exchange go on; see ``Switch.resume``."""
        Switch(self._actor).resume(tenant)

    def exchanging(self) -> Sequence[TenantId]:
        """Return the active organisations that have exchanged messages."""
        with self._actor.engine.connect() as connection:
            return shared_store.exchanging(connection)

    def forget(self, tenant: TenantId, *, before: datetime) -> int:
        """Delete what was settled before *before*, which is at least ``REMEMBERED`` ago; return how many messages.

        Source: A0-161.
        """
        with self._sessions.begin(tenant) as connection:
            return store.forget(connection, before)


class OpenConversations:
    """What is under way and needs a key (``security.ports.InFlight``)."""

    def __init__(self, sessions: TenantSessions) -> None:
        self._sessions = sessions

    def open_count(self, tenant: TenantId, kid: str) -> int:
        """Return how many conversations of *tenant* still need the key *kid*. Source: A0-071, A0-072."""
        with self._sessions.begin(tenant) as connection:
            return store.open_under(connection, kid)
