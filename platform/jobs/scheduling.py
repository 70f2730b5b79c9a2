"""The scheduler process: APScheduler wakes the leader, and the leader fires what is due.

APScheduler waits by the machine's wall clock, which may be put back; the process's main thread watches it by a
clock that never goes back. What is due is decided by the database's clock alone (decision 23).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, timedelta

from apscheduler.schedulers.background import BackgroundScheduler  # type: ignore[import-untyped]

from chukan.platform.clock import Clock, SystemClock, monotonic
from chukan.platform.errors import ChukanError
from chukan.platform.jobs import metrics
from chukan.platform.jobs.leader import Leader
from chukan.platform.logs import get_logger

FIRE_EVERY = timedelta(seconds=1)
#: A lease is renewed three times before it ends.
_RENEWALS = 3
_WATCH_SECONDS = 1.0
#: A wake-up that is so late is not late but waits for a clock that was put back.
_OVERDUE_SECONDS = 3.0

log = get_logger(__name__)


class Scheduler:
    """Runs until it is told to end: keeps or awaits the lead, and fires."""

    def __init__(self, leader: Leader, *, lease: timedelta, clock: Clock | None = None) -> None:
        """Drive *leader*, whose leases last *lease*; *clock* is the machine's, by which APScheduler waits."""
        self._leader = leader
        self._clock = clock or SystemClock()
        self._rounds: dict[str, tuple[Callable[[], object], timedelta]] = {
            "lead": (leader.keep, lease / _RENEWALS),
            "fire": (leader.fire_due, FIRE_EVERY),
        }
        self._woken: dict[str, float] = {}

    def run(self, stop: threading.Event) -> None:
        """Fire until *stop* is set; then finish the round in hand and give the lead back."""
        alarms = BackgroundScheduler(timezone=UTC)
        for name, (_, pause) in self._rounds.items():
            alarms.add_job(
                self._round,
                "interval",
                args=(name,),
                id=name,
                seconds=pause.total_seconds(),
                next_run_time=self._clock.now(),
                coalesce=True,
                max_instances=1,
                misfire_grace_time=None,
            )
            self._woken[name] = monotonic()
        alarms.start()
        try:
            while not stop.wait(_WATCH_SECONDS):
                self._wake_overdue(alarms)
        finally:
            alarms.shutdown(wait=True)
            self._guarded("resign", self._leader.resign)

    def _round(self, name: str) -> None:
        self._woken[name] = monotonic()
        self._guarded(name, self._rounds[name][0])

    def _guarded(self, name: str, act: Callable[[], object]) -> None:
        """Do *act*; whatever fails is logged and counted, and tried again in the next round."""
        try:
            act()
        except Exception as error:
            kind = error.code if isinstance(error, ChukanError) else type(error).__name__
            metrics.FAILURES.labels(error=kind).inc()
            log.exception("scheduler round failed", action=name)

    def _wake_overdue(self, alarms: BackgroundScheduler) -> None:
        for name, (_, pause) in self._rounds.items():
            if monotonic() - self._woken[name] > pause.total_seconds() + _OVERDUE_SECONDS:
                log.warning("wake-up is overdue; the machine's clock may have been put back", action=name)
                self._woken[name] = monotonic()
                alarms.modify_job(name, next_run_time=self._clock.now())
