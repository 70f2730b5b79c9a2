"""The life of a run: asked for, begun, ended, taken over from a worker that died.

Routine changes leave an event row each. What somebody asked for, and what went wrong for good, stands in the
platform's audit chain too, in the same transaction: an idle platform's trail must not grow by its own ticking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine

from chukan.platform.audit.rules import Action, AuditEntry, Detail, Outcome
from chukan.platform.audit.service import Chain, append, audited
from chukan.platform.component import Job
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import new_request_id
from chukan.platform.jobs import metrics, store
from chukan.platform.jobs.errors import JobUnknown
from chukan.platform.jobs.rules import ENDED, RunState, after_attempt, after_loss
from chukan.platform.jobs.store import Run
from chukan.platform.logs import bind_log_context, get_logger

#: What the trail and the events name where a worker died.
WORKER_SILENT = "jobs.worker_silent"

#: Ended runs are kept so long: a quarter, and some days for those who look back at its end.
KEEP_RUNS = timedelta(days=100)
_PRUNED_AT_ONCE = 1_000

log = get_logger(__name__)


class JobsAction(Action):
    """What the jobs record. All of it is the platform's, so it stands in its chain."""

    REQUEST = "jobs:run:request"
    END = "jobs:run:end"
    LEAD = "jobs:lead:take"


def declared(jobs: Sequence[Job]) -> Mapping[str, Job]:
    """Return *jobs* by name.

    Raises:
        ValueError: two have the same name.
    """
    named = {job.name: job for job in jobs}
    if len(named) != len(jobs):
        raise ValueError("two jobs have the same name")
    return named


def request_run(engine: Engine, job: Job, *, actor: str, request: str) -> UUID:
    """Queue a run of *job* because *actor* asks for it now, recorded with it; return the run's id."""
    act = AuditEntry(actor, JobsAction.REQUEST, f"job:{job.name}", request)
    with audited(engine.begin, act, chain=Chain.PLATFORM) as unit:
        run = store.request(unit.connection, job.name, attempts=job.max_attempts, requested_by=actor)
        unit.note(run=str(run))
    return run


def queue_run(connection: Connection, job: Job, *, requested_by: str) -> UUID:
    """Queue a run of *job* with the transaction of *connection*, as the side effect of a change in it.

    The caller's own audit entry tells of the change; the run's event names *requested_by*. Returns the run's id.
    """
    return store.request(connection, job.name, attempts=job.max_attempts, requested_by=requested_by)


def start_run(engine: Engine, run_id: UUID, attempt: int, *, worker: str) -> Run | None:
    """Begin an attempt; None if the run has gone on without it (another worker took it over, or it ended)."""
    with engine.begin() as connection:
        return store.start(connection, run_id, attempt, worker=worker, request_id=new_request_id())


def end_attempt(engine: Engine, run: Run, error: Exception | None, *, duration: timedelta) -> RunState | None:
    """End an attempt with *error* or without.

    Returns the run's state, or None if the run has gone on without this attempt: its worker was given up.
    """
    following = after_attempt(error, run.attempt, run.max_attempts)
    code, reference = _described(error)
    with engine.begin() as connection:
        ended = store.end(connection, run, following.state, duration=duration, error=code, reference=reference)
        if not ended:
            return None
        if following.state is RunState.QUEUED:
            store.requeue(connection, run.id, following.pause)
        elif following.state is RunState.FAILED:
            append(connection, _entry(run, following.state, code, reference), chain=Chain.PLATFORM)
    metrics.ENDED.labels(job=run.job, state=following.state.value).inc()
    return following.state


def recover_runs(engine: Engine, *, silence: timedelta) -> int:
    """Take the runs of workers that have been silent for *silence* away from them; return how many.

    Each goes back into the queue for its next attempt, under a new entry, so that the old worker (it may be
    frozen, not dead) can end neither the run nor its entry. Without an attempt left it is lost.
    """
    with engine.begin() as connection:
        store.drop_spent(connection, silence)
    count = 0
    while True:
        with engine.begin() as connection:
            candidate = store.abandoned(connection, silence)
            if candidate is None:
                return count
            # It may have got a new entry while we waited for its row: look again, now that nobody can.
            if (run := store.abandoned(connection, silence, candidate.id)) is not None:
                _recover(connection, run)
                count += 1


def prune_runs(engine: Engine, now: datetime, *, keep: timedelta = KEEP_RUNS) -> int:
    """Delete the runs that ended longer than *keep* before *now*, except each job's newest; return how many."""
    total = 0
    while True:
        with engine.begin() as connection:
            pruned = store.prune(connection, now - keep, most=_PRUNED_AT_ONCE)
        total += pruned
        if pruned < _PRUNED_AT_ONCE:
            return total


def job_named(jobs: Mapping[str, Job], name: str) -> Job:
    """Return the job *name*.

    Raises:
        JobUnknown: nobody declared it.
    """
    if (job := jobs.get(name)) is None:
        raise JobUnknown(job=name)
    return job


def _recover(connection: Connection, run: Run) -> None:
    following = after_loss(run.attempt, run.max_attempts)
    store.drop_entry(connection, run.id)
    store.end(connection, run, following.state, duration=None, error=WORKER_SILENT, reference=None)
    with bind_log_context(job=str(run.id)):
        log.warning("run taken from a silent worker")
    metrics.RECOVERED.labels(state=following.state.value).inc()
    if following.state in ENDED:
        append(connection, _entry(run, following.state, WORKER_SILENT, None), chain=Chain.PLATFORM)
    else:
        store.requeue(connection, run.id, following.pause)


def _entry(run: Run, state: RunState, error: str | None, reference: str | None) -> AuditEntry:
    detail: dict[str, Detail] = {
        "run": str(run.id),
        "scheduled_for": run.scheduled_for.isoformat(),
        "attempt": run.attempt,
        "state": state.value,
        "error": error,
        "reference": reference,
    }
    request = run.request or new_request_id()
    return AuditEntry("system:worker", JobsAction.END, f"job:{run.job}", request, Outcome.FAILED, detail)


def _described(error: Exception | None) -> tuple[str | None, str | None]:
    """Return code and reference of *error*; of one that is not ours the class, whose text may quote anything."""
    if isinstance(error, ChukanError):
        return error.code, error.reference
    return (type(error).__name__, None) if error else (None, None)
