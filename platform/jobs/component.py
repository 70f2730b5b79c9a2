"""What the jobs plug in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta

from chukan.platform.component import At, Check, CheckResult, Command, Component, Job
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.jobs import metrics, store
from chukan.platform.jobs.checks import judge_leader, judge_runs
from chukan.platform.jobs.cli import Jobs, jobs_commands
from chukan.platform.jobs.service import prune_runs
from chukan.platform.jobs.web import pages_of
from chukan.platform.settings import Settings

_TIMEOUT = timedelta(seconds=10)
#: Before the day's work, and not at the full hour, when others' work begins.
_PRUNE_AT = time(4, 40)


def component(settings: Callable[[], Settings], *, all_jobs: Jobs) -> Component:
    """Return what the jobs plug in, with the job that forgets old runs; *all_jobs* gives every component's jobs."""

    def leader_stale(_now: datetime) -> CheckResult:
        with engine_of(settings().database, ProcessKind.POLLER) as engine, engine.connect() as connection:
            return judge_leader(store.lease(connection))

    def failing(_now: datetime) -> CheckResult:
        with engine_of(settings().database, ProcessKind.POLLER) as engine, engine.connect() as connection:
            return judge_runs(store.statuses(connection), store.database_now(connection))

    def prune(now: datetime) -> None:
        with engine_of(settings().database, ProcessKind.WORKER) as engine:
            prune_runs(engine, now)

    return Component(
        name="jobs",
        commands=(Command(jobs_commands(all_jobs)),),
        checks=(
            Check("scheduler-leader-stale", "scheduler-leader-stale", _TIMEOUT, leader_stale, readiness=True),
            Check("jobs-failing", "jobs-failing", _TIMEOUT, failing),
        ),
        collectors=(metrics.JobsCollector,),
        metrics=metrics.DOCUMENTED,
        pages=(pages_of(all_jobs),),
        jobs=(Job("job-history", prune, at=At((_PRUNE_AT,))),),
    )
