"""What follows from missing seals: the gate of the exchanges, and the checks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Engine

from chukan.platform.audit import metrics, store
from chukan.platform.audit.errors import ExchangeStopped
from chukan.platform.audit.rules import Freshness, FreshnessLimits, freshness
from chukan.platform.clock import as_tokyo, monotonic
from chukan.platform.component import CheckResult, Health
from chukan.platform.errors import ChukanError
from chukan.platform.messages import text
from chukan.platform.settings import AuditSettings

#: How long an answer is good for: asking costs a look at every chain, and hours are at stake.
_KEEP_SECONDS = 5.0


def limits_of(settings: AuditSettings) -> FreshnessLimits:
    """Return the limits that the settings name."""
    return FreshnessLimits(
        alarm_after=timedelta(minutes=settings.alarm_after_minutes),
        stop_after=timedelta(minutes=settings.stop_after_minutes),
    )


def read_unsealed(engine: Engine) -> store.Unsealed:
    """Return how long entries have gone without an anchored seal, and set the metric."""
    with engine.connect() as connection:
        found = store.unsealed(connection)
    age = found.measured_at - found.oldest if found.oldest else timedelta(0)
    metrics.UNSEALED_AGE.set(age.total_seconds())
    return found


class ExchangeGate:
    """Stops the acceptance of exchanges while the trail goes unsealed; one serves a whole process."""

    def __init__(self, engine: Engine, settings: AuditSettings, *, now: Callable[[], float] = monotonic) -> None:
        """Ask through the process's own *engine*; *now* gives seconds that never go back."""
        self._engine = engine
        self._limits = limits_of(settings)
        self._now = now
        self._lock = threading.Lock()
        self._asked_at: float | None = None
        self._found: store.Unsealed | None = None

    def require_accepting(self) -> None:
        """Let an exchange pass, or refuse it.

        Raises:
            ExchangeStopped: the oldest unsealed entry is older than ``audit.stop_after_minutes``.
        """
        found = self._read()
        if freshness(found.oldest, found.measured_at, self._limits) is Freshness.STOPPED and found.oldest:
            raise ExchangeStopped(since=as_tokyo(found.oldest).isoformat(timespec="minutes"))

    def _read(self) -> store.Unsealed:
        with self._lock:
            at = self._now()
            if self._found is None or self._asked_at is None or at - self._asked_at >= _KEEP_SECONDS:
                self._found, self._asked_at = read_unsealed(self._engine), at
            return self._found


def judge_freshness(found: store.Unsealed, limits: FreshnessLimits) -> CheckResult:
    """Return the verdict of the check ``audit-seal-stale``.

    The alarm is red already: amber waits for the morning, and the exchange would stop first.
    """
    verdict = freshness(found.oldest, found.measured_at, limits)
    if verdict is Freshness.OK or found.oldest is None:
        return CheckResult(Health.GREEN, text("The audit trail is sealed."))
    since = as_tokyo(found.oldest).isoformat(timespec="minutes")
    if verdict is Freshness.STOPPED:
        return CheckResult(Health.RED, text("Exchanges are stopped: no seal since {since}.", since=since))
    return CheckResult(Health.RED, text("The audit trail has not been sealed since {since}.", since=since))


def judge_sink(compare: Callable[[], None]) -> CheckResult:
    """Return the verdict of the check ``audit-sink-mismatch``: red when sink and database disagree."""
    try:
        compare()
    except ChukanError as error:
        return CheckResult(Health.RED, error.told())
    return CheckResult(Health.GREEN, text("Sink and database hold the same seals."))
