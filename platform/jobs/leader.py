"""The leader: one of several schedulers fires, as long as its lease lasts.

The lease is a row with an epoch, measured by the database's clock alone. Taking it over begins the next epoch;
every write of the leader names its epoch and is refused in the same statement if another one has begun or the
lease has ended. So a leader that was frozen, or cut off, can wake up at any time and change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from chukan.platform.audit.rules import AuditEntry
from chukan.platform.audit.service import Chain, audited
from chukan.platform.component import CatchUp, Job
from chukan.platform.identifiers import new_request_id
from chukan.platform.jobs import metrics, store
from chukan.platform.jobs.errors import LeadTaken
from chukan.platform.jobs.rules import to_fire
from chukan.platform.jobs.service import JobsAction
from chukan.platform.logs import get_logger

FENCED = "fenced"

log = get_logger(__name__)


class Leader:
    """One scheduler's claim to the lead, and what it may do with it."""

    def __init__(self, engine: Engine, jobs: Sequence[Job], *, holder: str, lease: timedelta) -> None:
        """Claim through the scheduler's *engine*, as *holder* (host and process), for *lease* at a time."""
        self._engine = engine
        self._jobs = [job for job in jobs if job.every is not None or job.at is not None]
        self._names = sorted({job.name for job in jobs})
        self._holder = holder
        self._lease = lease
        self._epoch: int | None = None
        self._known: dict[str, datetime] = {}
        self._fired: dict[str, datetime] = {}

    @property
    def epoch(self) -> int | None:
        """The epoch in which this scheduler leads, as far as it knows; None while it does not."""
        return self._epoch

    def keep(self) -> bool:
        """Renew the lease, or take the lead if it is free; return whether this scheduler leads."""
        epoch = self._epoch
        if epoch is not None and not self._renewed(epoch):
            self._step_down(epoch, "the lease had ended")
        if self._epoch is None:
            self._take()
        return self._epoch is not None

    def fire_due(self, now: datetime | None = None) -> list[tuple[str, datetime, str]]:
        """Fire what is due at *now* (default: the database's present); return job, time and outcome of each.

        Nothing is fired while this scheduler does not lead, and nothing twice: that is the database's key.
        """
        if (epoch := self._epoch) is None:
            return []
        outcomes = []
        with self._brief() as connection:
            now = now or store.database_now(connection)
            for job in self._jobs:
                for due in to_fire(job, self._since(job, now), now):
                    outcome = self._fire(connection, epoch, job, due)
                    outcomes.append((job.name, due, outcome))
                    if outcome == FENCED:
                        self._step_down(epoch, "another epoch has begun, or the lease has ended")
                        return outcomes
                    self._fired[job.name] = due
        return outcomes

    def resign(self) -> None:
        """Give the lead back, so that another scheduler need not wait for the lease's end."""
        if (epoch := self._epoch) is not None:
            with self._brief() as connection:
                store.renew_lead(connection, epoch, timedelta(0))
            self._step_down(epoch, "resigned")

    def _brief(self) -> Connection:
        """Return a connection whose statements each commit by themselves: frozen between two, we hold no lock."""
        return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def _renewed(self, epoch: int) -> bool:
        with self._brief() as connection:
            return store.renew_lead(connection, epoch, self._lease)

    def _take(self) -> None:
        with self._brief() as connection:
            lease = store.lease(connection)
        if not lease.has_ended:
            return
        try:
            epoch = self._take_after(lease)
        except LeadTaken:
            return
        with self._brief() as connection:
            if store.announce(connection, epoch, self._names):
                self._known, self._fired = dict(store.first_seen(connection)), {}
                self._epoch = epoch
                metrics.LEADS.set(1)
                log.info("this scheduler leads", sequence=epoch)

    def _take_after(self, lease: store.Lease) -> int:
        """Take the lead after the ended *lease*, recorded with it; return the new epoch."""
        act = AuditEntry("system:scheduler", JobsAction.LEAD, f"scheduler:{self._holder}", new_request_id())
        with audited(self._engine.begin, act, chain=Chain.PLATFORM) as unit:
            epoch = store.take_lead(unit.connection, lease.epoch, self._holder, self._lease)
            if epoch is None:
                raise LeadTaken
            unit.note(epoch=epoch, before=lease.holder)
        return epoch

    def _since(self, job: Job, now: datetime) -> datetime:
        """Return from when on due times of *job* are looked for: what this leader fired needs no second try."""
        fired = self._fired.get(job.name)
        if fired is not None and fired > now:
            del self._fired[job.name]  # the clock was put back; what was fired is known by its key
            fired = None
        return fired or self._known[job.name]

    def _fire(self, connection: Connection, epoch: int, job: Job, due: datetime) -> str:
        outcome = store.fire(
            connection,
            epoch,
            job.name,
            due,
            attempts=job.max_attempts,
            unless_waiting=job.catch_up is not CatchUp.ALL,
        )
        metrics.FIRED.labels(outcome=outcome).inc()
        return outcome

    def _step_down(self, epoch: int, reason: str) -> None:
        log.warning("this scheduler does not lead any more", reason=reason, sequence=epoch)
        if self._epoch == epoch:  # the other thread may have begun the next one
            self._epoch = None
            metrics.LEADS.set(0)
