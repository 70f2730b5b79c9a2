"""The jobs' health: is there a leader, and do the runs end well?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from chukan.platform.clock import as_tokyo
from chukan.platform.component import CheckResult, Health
from chukan.platform.jobs.rules import RunState
from chukan.platform.jobs.store import Lease, Status
from chukan.platform.messages import text

#: A change of the leader takes a lease and a third of it; without one for so long nobody is there to take it.
LEADERLESS_AFTER = timedelta(minutes=2)
#: A run that waits for so long has no worker.
WAITING_AFTER = timedelta(minutes=5)


def judge_leader(lease: Lease) -> CheckResult:
    """Return the verdict of ``scheduler-leader-stale``; the instants of *lease* are the database's."""
    if lease.now - lease.until < LEADERLESS_AFTER:
        return CheckResult(Health.GREEN, text("A scheduler leads: {holder}.", holder=lease.holder))
    if lease.epoch == 0:
        return CheckResult(Health.RED, text("No scheduler has ever led, so no job is fired."))
    since = as_tokyo(lease.until).isoformat(timespec="minutes")
    return CheckResult(Health.RED, text("No scheduler has led since {since}, so no job is fired.", since=since))


def judge_runs(statuses: Sequence[Status], now: datetime) -> CheckResult:
    """Return the verdict of ``jobs-failing``: red when a job's last run did not succeed, or nobody runs it."""
    failing = [
        f"{each.name} ({each.error or each.state})"
        for each in statuses
        if each.state in {RunState.FAILED, RunState.LOST}
    ]
    waiting = [each.name for each in statuses if each.waiting_since and now - each.waiting_since >= WAITING_AFTER]
    found = []
    if failing:
        found.append(text("The last run did not succeed: {jobs}.", jobs=", ".join(failing)))
    if waiting:
        found.append(text("No worker takes up: {jobs}.", jobs=", ".join(waiting)))
    return CheckResult(Health.RED, " ".join(found)) if found else CheckResult(Health.GREEN, text("The jobs run."))
