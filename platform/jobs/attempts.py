"""Attempts in hand: what a worker's threads do between taking an entry of the queue and ending it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from chukan.platform.clock import monotonic
from chukan.platform.component import Job
from chukan.platform.database.errors import DatabaseUnreachable
from chukan.platform.database.failures import told
from chukan.platform.jobs import metrics
from chukan.platform.jobs.errors import JobTimedOut
from chukan.platform.jobs.service import declared, end_attempt, job_named, start_run
from chukan.platform.jobs.store import Run
from chukan.platform.logs import bind_log_context, get_logger

T = TypeVar("T")

#: How long a result is held on to while the database is away, before the run is left to be made again.
_HOLD_SECONDS = 300.0
_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)

log = get_logger(__name__)


@dataclass
class _InHand:
    run: Run
    job: Job
    since: float
    #: Its end is written already: it went on beyond its time.
    given_up: bool = False

    def is_overdue(self) -> bool:
        return not self.given_up and monotonic() - self.since > self.job.timeout.total_seconds()


class Attempts:
    """Makes attempts of the *jobs*, any number at once, and knows which take too long."""

    def __init__(
        self,
        engine: Engine,
        jobs: Sequence[Job],
        *,
        worker: str,
        around: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """Work through the worker's *engine* as *worker*; what a job does is done inside *around*."""
        self._engine = engine
        self._jobs = declared(jobs)
        self._worker = worker
        self._around = around
        self._in_hand: dict[UUID, _InHand] = {}
        self._lock = threading.Lock()

    def make(self, run: str, attempt: int) -> None:
        """Make attempt number *attempt* of *run*, unless the run has gone on without it; never raises.

        The entry of the queue is spent either way: another attempt has an entry of its own.
        """
        with bind_log_context(job=run):
            try:
                started = _held(lambda: start_run(self._engine, UUID(run), attempt, worker=self._worker))
                if started is None:
                    log.info("run has gone on without this attempt", attempt=attempt)
                    return
                with bind_log_context(request=started.request):
                    self._make(started)
            except Exception:
                # The run stays where it is; silence is what another worker will notice.
                log.exception("attempt could not be recorded", attempt=attempt)

    def count(self) -> int:
        """Return how many attempts are in hand."""
        return len(self._in_hand)

    def hanging(self) -> int:
        """Return how many of them were given up and go on all the same."""
        with self._lock:
            return sum(each.given_up for each in self._in_hand.values())

    def overdue(self) -> bool:
        """Return whether an attempt takes longer than its job may."""
        with self._lock:
            return any(each.is_overdue() for each in self._in_hand.values())

    def fail_overdue(self) -> None:
        """End the attempts that take too long, as failed ones; they are given up."""
        with self._lock:
            overdue = [each for each in self._in_hand.values() if each.is_overdue()]
        for each in overdue:
            seconds = round(each.job.timeout.total_seconds())
            self._end(each.run, JobTimedOut(job=each.job.name, seconds=seconds), since=each.since)
            each.given_up = True

    def _make(self, run: Run) -> None:
        since = monotonic()
        error = self._outcome(run, since)
        try:
            self._end(run, error, since=since)
        finally:
            with self._lock:
                self._in_hand.pop(run.id, None)

    def _outcome(self, run: Run, since: float) -> Exception | None:
        try:
            job = job_named(self._jobs, run.job)
            with self._lock:
                self._in_hand[run.id] = _InHand(run, job, since)
            with self._around():
                job.run(run.scheduled_for)
        except Exception as error:
            log.exception("job failed", attempt=run.attempt)
            return error
        return None

    def _end(self, run: Run, error: Exception | None, *, since: float) -> None:
        took = timedelta(seconds=monotonic() - since)
        metrics.DURATION.labels(job=run.job).observe(took.total_seconds())
        state = _held(lambda: end_attempt(self._engine, run, error, duration=took))
        if state is None:
            log.warning("run has gone on without this attempt", attempt=run.attempt)
            return
        milliseconds = round(took.total_seconds() * 1000)
        log.info("attempt ended", attempt=run.attempt, state=state.value, duration_ms=milliseconds)


def _held(act: Callable[[], T]) -> T:
    """Return what *act* returns, trying again while the database is away; the last failure goes on."""
    until = monotonic() + _HOLD_SECONDS
    tries = 0
    while True:
        try:
            return act()
        except (DatabaseUnreachable, DBAPIError) as error:
            failure = told(error) if isinstance(error, DBAPIError) else error
            if not isinstance(failure, DatabaseUnreachable) or monotonic() >= until:
                raise
            log.warning("the database is away", attempt=tries + 1)
            threading.Event().wait(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1
