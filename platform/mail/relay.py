"""The relay: takes what is due from the outbox and hands it to the mail server, over one connection.

Outcomes are recorded a few at a time, so that a mail costs no commit of its own. If this process dies between
the server's "yes" and our commit, those few leave again after their lease, byte for byte the same (decision 34).
"""

from __future__ import annotations

import secrets
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import monotonic
from chukan.platform.database import failures
from chukan.platform.errors import ChukanError
from chukan.platform.logs import get_logger
from chukan.platform.mail import metrics, store
from chukan.platform.mail.errors import ServerUnavailable, ServerUnsuitable
from chukan.platform.mail.ports import MailServer, Session
from chukan.platform.mail.rules import (
    Answer,
    MailEvent,
    RetryPolicy,
    after,
    blames_recipient,
    released,
)
from chukan.platform.mail.store import Claimed, Done
from chukan.platform.mail.trail import MailAction
from chukan.platform.messages import text
from chukan.platform.settings import MailSettings

#: At most so many mails may leave twice when the process dies, and a mail waits at most so long to be recorded.
RECORD_EVERY = 20
RECORD_WITHIN = 0.1
#: Mails in a row that the server leaves without an answer: then it is the server, not the mail.
_LOST_IN_A_ROW = 2

_log = get_logger(__name__)
_random = secrets.SystemRandom()


@dataclass(frozen=True)
class RelayPolicy:
    """How many mails are claimed at once, how long one may take, and how often it is tried."""

    batch_size: int
    send: timedelta
    retry: RetryPolicy

    @classmethod
    def of(cls, settings: MailSettings) -> RelayPolicy:
        """Return the policy that the settings name."""
        retry = RetryPolicy(
            settings.max_attempts,
            timedelta(seconds=settings.retry_first_seconds),
            timedelta(seconds=settings.retry_longest_seconds),
        )
        return cls(settings.batch_size, timedelta(seconds=settings.send_seconds), retry)

    @property
    def lease(self) -> timedelta:
        """How long claimed mails are ours; long enough for one that takes its full time, and for recording it."""
        return 2 * self.send + timedelta(seconds=60)


@dataclass
class Relayed:
    """What a run did: how many mails ended in which event."""

    events: Counter[MailEvent] = field(default_factory=Counter)
    #: Recorded by nobody, because the lease had ended and another relay had taken them.
    overtaken: int = 0

    def as_json(self) -> Mapping[str, int]:
        """Return the counts by the events' names."""
        told = {event.value: self.events[event] for event in _TOLD}
        return {**told, "overtaken": self.overtaken}


_TOLD = (MailEvent.SENT, MailEvent.DEFERRED, MailEvent.BOUNCED, MailEvent.BURIED, MailEvent.RELEASED)


class Relay:
    """Sends what is due; any number of relays may run at the same time."""

    def __init__(
        self,
        actor: Actor,
        server: MailServer,
        policy: RelayPolicy,
        *,
        now: Callable[[], float] = monotonic,
        draw: Callable[[], float] = _random.random,
    ) -> None:
        """Work under the log-in of *actor*; *now* is monotonic seconds, *draw* a number from 0 to 1 for the jitter."""
        self._actor = actor
        self._engine: Engine = actor.engine
        self._server = server
        self._policy = policy
        self._now = now
        self._draw = draw

    def run(self, *, stopped: Callable[[], bool] = lambda: False) -> Relayed:
        """Send everything that is due, or until *stopped* says so; return what became of it.

        Raises:
            ServerNotSet: mails are due and no server is set.
            ServerUnavailable: the server is away, or went away; what was not tried waits, without an attempt spent.
            ServerUnsuitable: the same for a server that refuses us.
        """
        relayed = Relayed()
        if not self._any_due():
            return relayed
        with self._server.session() as session:
            while not stopped():
                until = self._now() + self._policy.lease.total_seconds()
                with self._engine.begin() as connection:
                    mails = store.claim(connection, limit=self._policy.batch_size, lease=self._policy.lease)
                if not mails:
                    break
                self._deliver(_Batch(deque(mails), until), session, relayed, stopped)
        return relayed

    def _any_due(self) -> bool:
        with self._engine.connect() as connection:
            return store.any_due(connection)

    def _deliver(self, batch: _Batch, session: Session, relayed: Relayed, stopped: Callable[[], bool]) -> None:
        """Send the mails of *batch*, and give back what cannot be sent in time or at all."""
        lost = 0
        try:
            while batch.waiting and not stopped() and self._now() + self._policy.send.total_seconds() <= batch.until:
                mail = batch.waiting[0]
                answer = session.send(mail.recipient, mail.content)
                move = after(answer, mail.attempts, self._policy.retry, self._draw())
                if move.event is MailEvent.RELEASED:
                    raise _not_us(answer)
                batch.done.append(Done(batch.waiting.popleft(), move, answer))
                lost = 0 if answer.code else lost + 1
                if lost >= _LOST_IN_A_ROW:
                    raise ServerUnavailable(reason=text("it leaves mails without an answer"))
                self._record_if_due(batch, relayed)
        finally:
            while batch.waiting:
                mail = batch.waiting.popleft()
                batch.done.append(Done(mail, released(mail.attempts)))
            self._record(batch, relayed)

    def _record_if_due(self, batch: _Batch, relayed: Relayed) -> None:
        now = self._now()
        if len(batch.done) == 1:
            batch.oldest_done = now
        if len(batch.done) >= RECORD_EVERY or now - batch.oldest_done >= RECORD_WITHIN:
            self._record(batch, relayed)

    def _record(self, batch: _Batch, relayed: Relayed) -> None:
        """Commit what became of the mails in hand, with their histories, marks and audit entry."""
        if not batch.done:
            return
        with self._actor.act(MailAction.RELAY, "mail:outbox") as unit:
            ours = store.record(unit.connection, batch.done)
            recorded = [each for each in batch.done if each.mail.id in ours]
            for each in sorted(
                recorded, key=lambda done: done.mail.recipient
            ):  # one order, so that none blocks another
                if (status := _blame(each)) is not None:
                    store.mark_undeliverable(unit.connection, each.mail.recipient, each.mail.id, status)
            events = {event: [str(each.mail.id) for each in recorded if each.move.event is event] for event in _TOLD}
            unit.note(**{event.value: ids for event, ids in events.items() if ids})
        relayed.events.update(each.move.event for each in recorded)
        relayed.overtaken += len(batch.done) - len(recorded)
        metrics.count(each.move.event for each in recorded)
        batch.done.clear()


@dataclass
class _Batch:
    """Mails that are ours until *until* (monotonic seconds): those that wait, and those not recorded yet."""

    waiting: deque[Claimed]
    until: float
    done: list[Done] = field(default_factory=list)
    oldest_done: float = 0.0


def _not_us(given: Answer) -> ServerUnavailable | ServerUnsuitable:
    """Return the failure of a run whose mails the server does not want, now or at all."""
    kind = ServerUnsuitable if given.code >= 500 else ServerUnavailable
    return kind(reason=text("it does not take our mail"), detail=f"{given.code} {given.status}")


def _blame(done: Done) -> str | None:
    """Return the status with which the recipient is to be marked, or None."""
    given: Answer | None = done.answer
    if given is None or done.move.event is not MailEvent.BOUNCED or not blames_recipient(given.status, given.stage):
        return None
    return given.status or str(given.code)


def watch(
    run: Callable[[], Relayed], told: Callable[[Relayed], None], wait: Callable[[float], bool], pause: float
) -> None:
    """Run the relay every *pause* seconds until *wait* says that the process is to end; failures are logged."""
    while True:
        try:
            told(counted(run))
        except ChukanError as error:
            _log.error("mail.relay_failed", exc_info=error)
        if wait(pause):
            return


def counted(run: Callable[[], Relayed]) -> Relayed:
    """Run the relay and count a failure, for the metrics; what the database refuses is told as an error of ours."""
    try:
        try:
            return run()
        except DBAPIError as failure:
            raise failures.told(failure) from failure
    except ChukanError as error:
        metrics.FAILURES.labels(error=error.code).inc()
        raise
