"""``chukan jobs``: what is due when, what ran, and running something now."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import click
from sqlalchemy import Engine

from chukan.platform.audit.actor import at_work
from chukan.platform.clock import as_tokyo, monotonic
from chukan.platform.command_line import (
    TranslatedCommand,
    TranslatedGroup,
    json_option,
    needs,
    print_json,
    print_table,
)
from chukan.platform.component import At, Job
from chukan.platform.database.roles import ProcessKind
from chukan.platform.jobs import store
from chukan.platform.jobs.errors import RunFailed, RunUnfinished
from chukan.platform.jobs.rules import ENDED, RunState, next_due
from chukan.platform.jobs.service import declared, job_named, request_run
from chukan.platform.jobs.words import told_schedule, told_state
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings

#: All jobs that the components offer; asked for when a command runs.
Jobs = Callable[[], Sequence[Job]]

_LOOK_EVERY_SECONDS = 0.3

#: Gives a process without pages, the scheduler or a worker, a door for Prometheus (``web.metrics.answering``).
metrics_port_option = click.option(
    "--metrics-port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="Answer Prometheus on this port of 127.0.0.1; by default on none.",
)


def jobs_commands(all_jobs: Jobs) -> click.Group:
    """Return the group ``chukan jobs`` over *all_jobs*."""

    @click.group(cls=TranslatedGroup)
    def jobs() -> None:
        """Show and run periodic work."""

    for command in (_list_command(all_jobs), _run_command(all_jobs), _history_command(all_jobs)):
        jobs.add_command(command)
    return jobs


def _list_command(all_jobs: Jobs) -> click.Command:
    @click.command("list", cls=TranslatedCommand)
    @json_option
    @needs("jobs:run:read")
    @pass_settings
    def list_jobs(settings: Settings, *, as_json: bool) -> None:
        """List the jobs: when they are due, and how their last run ended."""
        with at_work(settings, ProcessKind.SCHEDULER) as actor, actor.engine.connect() as connection:
            now = store.database_now(connection)
            lease = store.lease(connection)
            known = {status.name: status for status in store.statuses(connection)}
        declared_here = all_jobs()
        listed = [_listed(job, known.get(job.name), now) for job in declared_here]
        leader = None if lease.has_ended else lease.holder
        if as_json:
            print_json({"leader": leader, "jobs": listed})
        else:
            _print_listed(declared_here, listed, leader)

    return list_jobs


def _run_command(all_jobs: Jobs) -> click.Command:
    @click.command("run", cls=TranslatedCommand)
    @click.argument("name")
    @click.option(
        "--wait", type=click.FloatRange(0), metavar="SECONDS", help="Wait so long for its end; by default not at all."
    )
    @json_option
    @needs("jobs:job:run")
    @pass_settings
    def run(settings: Settings, name: str, *, wait: float | None, as_json: bool) -> None:
        """Have a worker run a job now, beside its schedule; recorded."""
        job = job_named(declared(all_jobs()), name)
        with at_work(settings, ProcessKind.SCHEDULER) as actor:
            run_id = request_run(actor.engine, job, actor=actor.name, request=actor.request)
            found = _awaited(actor.engine, job, run_id, wait) if wait is not None else _found(actor.engine, run_id)
        if as_json:
            print_json(_as_json(found))
        else:
            click.echo(text("Run {run} of {job}: {state}.", run=found.id, job=job.name, state=told_state(found.state)))
        if found.state in ENDED - {RunState.SUCCEEDED}:
            raise RunFailed(run=run_id, job=job.name, state=told_state(found.state))

    return run


def _history_command(all_jobs: Jobs) -> click.Command:
    @click.command("history", cls=TranslatedCommand)
    @click.argument("name", required=False)
    @click.option("--limit", type=click.IntRange(1, 10_000), default=50, help="How many runs at most, newest first.")
    @json_option
    @needs("jobs:run:read")
    @pass_settings
    def history(settings: Settings, name: str | None, *, limit: int, as_json: bool) -> None:
        """List the newest runs, of one job or of all, with result, duration and the log's request id."""
        if name is not None:
            job_named(declared(all_jobs()), name)
        with at_work(settings, ProcessKind.SCHEDULER) as actor, actor.engine.connect() as connection:
            runs = store.history(connection, name, limit=limit)
        if as_json:
            print_json([_as_json(run) for run in runs])
            return
        columns = (
            mark("Job"),
            mark("Scheduled for"),
            mark("State"),
            mark("Attempts"),
            mark("Duration"),
            mark("Worker"),
            mark("Error"),
            mark("Request"),
        )
        print_table(mark("Runs"), columns, [_row(run) for run in runs])

    return history


def _awaited(engine: Engine, job: Job, run_id: UUID, seconds: float) -> store.Run:
    until = monotonic() + seconds
    while (found := _found(engine, run_id)).state not in ENDED:
        if monotonic() >= until:
            raise RunUnfinished(run=run_id, job=job.name, seconds=round(seconds))
        threading.Event().wait(_LOOK_EVERY_SECONDS)
    return found


def _found(engine: Engine, run_id: UUID) -> store.Run:
    with engine.connect() as connection:
        found = store.run(connection, run_id)
    if found is None:
        raise LookupError(run_id)
    return found


def _listed(job: Job, status: store.Status | None, now: datetime) -> dict[str, object]:
    last = status if status and status.run else None
    return {
        "job": job.name,
        "every_seconds": job.every.total_seconds() if job.every else None,
        "at": _at_json(job.at) if job.at else None,
        "next_due": _instant(next_due(job, now)),
        "max_attempts": job.max_attempts,
        "timeout_seconds": job.timeout.total_seconds(),
        "catch_up": job.catch_up.value,
        "known_since": _instant(status.first_seen_at) if status else None,
        "last_run": {
            "run": last.run,
            "state": last.state,
            "scheduled_for": _instant(last.scheduled_for),
            "finished_at": _instant(last.finished_at),
            "error": last.error,
        }
        if last
        else None,
    }


def _at_json(at: At) -> dict[str, object]:
    days = sorted(at.days) if at.days is not None else None
    times = [wall.isoformat(timespec="minutes") for wall in sorted(at.times)]
    return {"times": times, "weekdays": sorted(at.weekdays), "days": days}


def _print_listed(jobs: Sequence[Job], listed: Sequence[dict[str, object]], leader: str | None) -> None:
    rows = []
    for job, each in zip(jobs, listed, strict=True):
        last = each["last_run"]
        state, finished = ("", "")
        if isinstance(last, dict):
            state, finished = told_state(RunState(last["state"])), str(last["finished_at"])
        rows.append((str(each["job"]), told_schedule(job), str(each["next_due"] or ""), state, finished))
    columns = (mark("Job"), mark("Schedule"), mark("Next due"), mark("Last run"), mark("Ended"))
    print_table(mark("Jobs"), columns, rows)
    click.echo(
        text("Fired by the scheduler {holder}.", holder=leader)
        if leader
        else text("No scheduler leads at the moment; start `chukan scheduler`.")
    )


def _row(run: store.Run) -> tuple[str, ...]:
    return (
        run.job,
        _instant(run.scheduled_for) or "",
        told_state(run.state),
        f"{run.attempt}/{run.max_attempts}",
        f"{run.duration.total_seconds():.3f} s" if run.duration is not None else "",
        run.worker or "",
        " ".join(filter(None, (run.error, run.reference))),
        run.request or "",
    )


def _as_json(run: store.Run) -> dict[str, object]:
    return {
        "run": run.id,
        "job": run.job,
        "scheduled_for": _instant(run.scheduled_for),
        "requested_by": run.requested_by,
        "state": run.state,
        "attempt": run.attempt,
        "max_attempts": run.max_attempts,
        "started_at": _instant(run.started_at),
        "finished_at": _instant(run.finished_at),
        "duration_seconds": run.duration.total_seconds() if run.duration is not None else None,
        "worker": run.worker,
        "request": run.request,
        "error": run.error,
        "reference": run.reference,
    }


def _instant(instant: datetime | None) -> str | None:
    return as_tokyo(instant).isoformat(timespec="seconds") if instant else None
