"""The relay: takes what is due from the organisations' outboxes, signs it once, and hands it to the network.

Between claim and record it may die at any point: its lease ends, and the same bytes leave again and have the same
receipts. What the network does not answer costs an attempt; a network that is away costs none.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from chukan.platform.clock import monotonic
from chukan.platform.database import failures
from chukan.platform.database.engines import reading
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import get_logger
from chukan.platform.settings import NetworkSettings
from chukan.platform.vault.rules import Place
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.security.certificates.service import Keys
from chukan.tenants.middleserver.transmission import conversation_store, shared_store
from chukan.tenants.middleserver.transmission import outbox_store as store
from chukan.tenants.middleserver.transmission.errors import NetworkAway
from chukan.tenants.middleserver.transmission.outbox_store import Message, Signature, Taken
from chukan.tenants.middleserver.transmission.rules import RELAY, OutEvent, RetryPolicy
from chukan.tenants.middleserver.transmission.sending import Claimed, Sender, Sent
from chukan.tenants.middleserver.transmission.service import MESSAGE, OUTBOX, PAYLOAD, Identity, identity_on
from chukan.tenants.middleserver.transmission.shared_store import Due
from chukan.tenants.middleserver.transmission.troubles import tell_troubles, troubles

#: So many organisations are looked up at once.
_DUE_AT_ONCE = 100
#: An organisation whose messages cannot be sent for a reason of its own is looked at again after so long.
_LATER = timedelta(minutes=1)
#: Receipts wait for those of the next messages of the same portion, but for no more seconds than this.
_RECORDED_WITHIN = 1.0
_log = get_logger(__name__)


@dataclass(frozen=True)
class RelayPolicy:
    """How many messages are claimed at once, how long one may take, how often it is tried, and how many senders are."""

    batch_size: int
    request: timedelta
    retry: RetryPolicy
    senders: int = 1
    #: How long claimed messages are ours beside the time that they may take.
    grace: timedelta = timedelta(seconds=60)

    @classmethod
    def of(cls, settings: NetworkSettings) -> RelayPolicy:
        """Return the policy that the settings name."""
        retry = RetryPolicy(
            settings.max_attempts,
            timedelta(seconds=settings.retry_first_seconds),
            timedelta(seconds=settings.retry_longest_seconds),
        )
        request = timedelta(seconds=settings.connect_seconds + settings.request_seconds)
        return cls(settings.batch_size, request, retry, settings.senders)

    @property
    def lease(self) -> timedelta:
        """How long claimed messages are ours: long enough for two that take their full time, and for recording them."""
        return 2 * self.request + self.grace


@dataclass
class Relayed:
    """What a run did: how many messages ended in which event, and how many organisations were looked at."""

    events: Counter[OutEvent] = field(default_factory=Counter)
    tenants: int = 0
    #: Recorded by nobody, because the lease had ended and another relay had taken them.
    overtaken: int = 0

    def as_json(self) -> dict[str, int]:
        """Return the counts by the events' names."""
        return {
            "tenants": self.tenants,
            **{event.value: self.events[event] for event in OutEvent if self.events[event]},
        }

    def count(self, event: OutEvent | None) -> None:
        """Count what became of one message."""
        if event is None:
            self.overtaken += 1
        else:
            self.events[event] += 1

    def add(self, other: Relayed) -> None:
        """Count what another run did as well."""
        self.events.update(other.events)
        self.tenants += other.tenants
        self.overtaken += other.overtaken


class Relay:
    """Sends what is due; any number of relays may run at the same time."""

    def __init__(self, vault: Vault, sender: Sender, policy: RelayPolicy) -> None:
        """Work under the log-in of the actor of *sender* (the worker's)."""
        self._actor = sender.actor
        self._asked = reading(sender.actor.engine)
        self._sessions = sender.sessions
        self._vault = vault
        self._keys = Keys(sender.sessions, vault)
        self._sender = sender
        self._policy = policy

    def run(self, *, stopped: Callable[[], bool] = lambda: False) -> Relayed:
        """Send what is due, a few messages of each organisation in turn, until nothing is or *stopped* says so.

        Raises:
            NetworkAway: the network cannot be reached; what was not tried waits, without an attempt spent.
        """
        total = Relayed()
        with ThreadPoolExecutor(self._policy.senders, thread_name_prefix="network-relay") as pool:
            while not stopped():
                with self._asked.connect() as connection:
                    due = shared_store.due(connection, RELAY, _DUE_AT_ONCE)
                if not due:
                    break
                away: NetworkAway | None = None
                for done in pool.map(self._one, due):
                    if isinstance(done, Relayed):
                        total.add(done)
                    else:
                        away = done
                if away is not None:
                    raise away
        return total

    def _one(self, due: Due) -> Relayed | NetworkAway:
        """Drain one organisation; a failure of its own is logged, and keeps no other one waiting."""
        try:
            try:
                return self.drain(due.tenant, self._sender.clock.now())
            except DBAPIError as failure:
                raise failures.told(failure) from failure
        except NetworkAway as error:
            return error
        except ChukanError as error:
            _log.error("transmission.drain_failed", organisation=due.tenant, exc_info=error)
            self._put_off(due)
            return Relayed(tenants=1)

    def drain(self, tenant: TenantId, now: datetime) -> Relayed:
        """Send up to a batch of what is due at *tenant*; *now* is when new messages are signed.

        Raises:
            NetworkAway: as ``run``.
            NoActiveCertificate, VaultTampered: nothing can be signed; messages wait.
        """
        with self._asked.connect() as connection:
            # Seen before anything is claimed: what is queued meanwhile has a mark of its own.
            seen, is_stopped = shared_store.marks(connection, RELAY, tenant)
        if is_stopped:
            return Relayed(tenants=1)
        relayed = Relayed(tenants=1)
        if (claimed := self._claim(tenant, now, self._heads)) is not None:
            self._send(tenant, claimed, relayed)
        with self._sessions.begin(tenant) as connection:
            next_look, counts = store.next_look(connection), store.counts(connection)
            found = troubles(connection, counts)
        with self._actor.engine.begin() as connection:
            shared_store.looked(connection, seen, RELAY, next_look)
            shared_store.stand(connection, tenant, counts)
            tell_troubles(connection, tenant, found)
        return relayed

    def convey(self, tenant: TenantId, conversation: UUID, now: datetime) -> OutEvent | None:
        """Send what is next in one *conversation*, if it waits and its time has come; return what became of it.

        Nothing is told in the shared schema, so that it needs no more than a tenant's log-in: the mark that was set
        as the message was queued lets a run look at it again.

        Raises:
            NetworkAway, NoActiveCertificate, VaultTampered: as ``drain``.
        """
        with self._asked.connect() as connection:
            if shared_store.stopped(connection, tenant) is not None:
                return None
        claimed = self._claim(tenant, now, lambda connection: store.head_of(connection, conversation))
        if claimed is None:
            return None
        relayed = Relayed(tenants=1)
        self._send(tenant, claimed, relayed)
        return next(iter(relayed.events), None)

    def _put_off(self, due: Due) -> None:
        """Look at an organisation again later, and tell how long its messages have waited, if it can be asked."""
        with suppress(ChukanError, DBAPIError):
            with self._sessions.begin(due.tenant) as connection:
                counts = store.counts(connection)
            with self._actor.engine.begin() as connection:
                shared_store.stand(connection, due.tenant, counts)
        with self._actor.engine.begin() as connection:
            shared_store.look_later(connection, due, RELAY, _LATER)

    # -- claiming ------------------------------------------------------------------------------------

    def _heads(self, connection: Connection) -> Sequence[Message]:
        return store.heads(connection, self._policy.batch_size)

    def _claim(
        self, tenant: TenantId, now: datetime, look: Callable[[Connection], Sequence[Message]]
    ) -> _Batch | None:  # fmt: skip
        """Take what is due, sign what is not signed yet, and commit: from then on the bytes are what they are.

        *look* locks and returns it, of each conversation at most one.
        """
        with self._sessions.begin(tenant) as connection:
            if not (messages := look(connection)):
                return None
            who = identity_on(connection, self._keys, tenant, now)
            batch = _Batch(who.institution, monotonic() + self._policy.lease.total_seconds())
            batch.waiting.extend(self._taken(connection, tenant, messages, who, now))
        return batch

    def _taken(
        self, connection: Connection, tenant: TenantId, messages: Sequence[Message], who: Identity, now: datetime
    ) -> Sequence[Claimed]:
        """Give *messages*, which are locked, their numbers and signatures, and take them for the time of the lease."""
        numbers = conversation_store.take_numbers(connection, [each.conv for each in messages if not each.seq])
        taken, claimed = [], []
        for message in messages:
            seq = message.seq or numbers[message.conv]
            content, signature = self._content(tenant, message, seq, who, now)
            one = Taken(message, seq, signature)
            taken.append(one)
            claimed.append(
                Claimed(message.id, message.conv, seq, message.type, content, message.attempts, one.epoch)
            )  # fmt: skip
        store.claim(connection, taken, self._policy.lease)
        return claimed

    def _content(
        self, tenant: TenantId, message: Message, seq: int, who: Identity, now: datetime
    ) -> tuple[bytes, Signature | None]:  # fmt: skip
        """Return the signed bytes of *message*, with their signature if it was made just now."""
        place = Place(OUTBOX, MESSAGE, message.id)
        if message.message is not None:
            return self._vault.open(tenant, place, message.message), None
        payload = self._vault.open(tenant, Place(OUTBOX, PAYLOAD, message.id), message.payload)
        headers: dict[str, str | int] = {
            "from": who.institution,
            "to": message.to_org,
            "mid": str(message.id),
            "conv": str(message.conv),
            "seq": seq,
        }
        content = who.signer.sign(payload, type=message.type, now=now, headers=headers)
        sealed = self._vault.seal(tenant, place, content)
        return content, Signature(sealed, hashlib.sha256(content).digest(), who.signer.kid, now)

    # -- sending -------------------------------------------------------------------------------------

    def _send(self, tenant: TenantId, claimed: _Batch, relayed: Relayed) -> None:
        """Send the messages of *claimed* in order, and give back what cannot be sent within the lease, or at all."""
        try:
            while claimed.waiting and monotonic() + self._policy.request.total_seconds() <= claimed.until:
                sent = self._sender.send(tenant, claimed.institution, claimed.waiting[0])
                claimed.waiting.popleft()
                claimed.sent.append(sent)
                if monotonic() - claimed.recorded_at > _RECORDED_WITHIN:
                    self._record(tenant, claimed, relayed)
        finally:
            try:
                self._record(tenant, claimed, relayed)
            finally:
                while claimed.waiting:
                    relayed.count(self._sender.give_back(tenant, claimed.waiting.popleft()))

    def _record(self, tenant: TenantId, claimed: _Batch, relayed: Relayed) -> None:
        """Write down what became of what was sent since the last time."""
        sent, claimed.sent = claimed.sent, []
        if sent:
            for event in self._sender.record(tenant, sent):
                relayed.count(event)
        claimed.recorded_at = monotonic()


@dataclass
class _Batch:
    """Messages of one organisation that are ours until *until* (monotonic seconds)."""

    institution: str
    until: float
    waiting: deque[Claimed] = field(default_factory=deque)
    #: What was sent and is not recorded yet, and since when (monotonic seconds) nothing was recorded.
    sent: list[Sent] = field(default_factory=list)
    recorded_at: float = field(default_factory=monotonic)
