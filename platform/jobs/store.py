"""Queries of the jobs; nothing here commits. A change of state names the state and attempt that it starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, insert, select, text, update

from chukan.platform.jobs.rules import RunState
from chukan.platform.jobs.tables import JobLeader, JobRun, JobRunEvent, KnownJob

_NOW = text("select clock_timestamp()")
_TAKE = text("select platform_api.take_job_lead(:known, :holder, :lease)")
_RENEW = text("select platform_api.renew_job_lead(:epoch, :lease)")
_ANNOUNCE = text("select platform_api.announce_jobs(:epoch, :names)")
_FIRE = text("select platform_api.fire_job(:epoch, :job, :scheduled_for, :attempts, :unless_waiting)")
_REQUEST = text("select platform_api.request_job(:job, :attempts, :requested_by)")
_REQUEUE = text("select platform_api.requeue_job_run(:run, :due)")
_PRUNE = text("select platform_api.prune_job_runs(:before, :most)")
#: A frozen leader must not hold the leader's row for longer than others would wait for its lease.
_BE_BRIEF = text("set local idle_in_transaction_session_timeout = '10s'")

#: A run is abandoned when its entry in the queue is gone, or held by a worker that no longer tells that it lives.
_ABANDONED = text(
    """
    select r.id from platform.job_run r
    where r.state in ('queued', 'running') and (cast(:run as uuid) is null or r.id = :run) and not exists (
        select from procrastinate.procrastinate_jobs q
        left join procrastinate.procrastinate_workers w on w.id = q.worker_id
        where q.id = r.queue_entry
            and (q.status = 'todo' or (q.status = 'doing' and w.last_heartbeat > clock_timestamp() - :silence))
    )
    order by r.created_at limit 1 for update of r skip locked
    """
)
_DROP_ENTRY = text("select platform_api.drop_queue_entry(:run)")
_DROP_SPENT = text("select platform_api.drop_spent_entries(:silence)")
_HAS_WORK = text(
    """
    select exists (
        select from procrastinate.procrastinate_jobs q
        where q.status = 'todo' and (q.scheduled_at is null or q.scheduled_at <= clock_timestamp())
    )
    """
)
_STATUS = text(
    """
    select k.name, k.first_seen_at, last.id as run, last.state, last.scheduled_for, last.finished_at,
        last.duration_ms, last.error, waiting.since as waiting_since
    from platform.job k
    left join lateral (
        select r.* from platform.job_run r where r.job = k.name and r.finished_at is not null
        order by r.scheduled_for desc limit 1
    ) last on true
    left join lateral (
        select min(r.created_at) as since from platform.job_run r
        where r.job = k.name and r.state = 'queued' and r.attempt = 1 and not exists (
            select from platform.job_run b where b.job = k.name and b.state = 'running'
        )
    ) waiting on true
    order by k.name
    """
)
#: Runs of the last day by job, state and the half hour of their beginning: a job that runs every minute is a few bars,
#: not 1,440. The key is ordered by time, so that a quarter's runs are not read for a day's.
_RECENT = text(
    """
    select r.job, r.state, count(*) as runs, min(r.started_at) as started_at,
        case when r.state in ('queued', 'running') then null else max(r.finished_at) end as finished_at,
        min(r.id::text)::uuid as first
    from platform.job_run r
    where r.id >= (select uuidv7(- cast(:length as interval) - interval '1 day'))
        and coalesce(r.finished_at, clock_timestamp()) >= clock_timestamp() - :length and r.started_at is not null
    group by r.job, r.state, date_bin('30 minutes', r.started_at, 'epoch')
    order by r.job, started_at
    """
)


@dataclass(frozen=True, slots=True)
class Lease:
    """Who leads, as of which instant (the database's)."""

    epoch: int
    holder: str
    until: datetime
    now: datetime

    @property
    def has_ended(self) -> bool:
        """Whether the lead may be taken."""
        return self.until <= self.now


@dataclass(frozen=True, slots=True)
class Run:
    """One run, as its row tells."""

    id: UUID
    job: str
    scheduled_for: datetime
    state: RunState
    attempt: int
    max_attempts: int
    requested_by: str | None
    worker: str | None
    request: str | None
    started_at: datetime | None
    finished_at: datetime | None
    duration: timedelta | None
    error: str | None
    reference: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """A known job with its last ended run, and since when a run waits for a worker (not for another run)."""

    name: str
    first_seen_at: datetime
    run: UUID | None
    state: RunState | None
    scheduled_for: datetime | None
    finished_at: datetime | None
    duration: timedelta | None
    error: str | None
    waiting_since: datetime | None


@dataclass(frozen=True, slots=True)
class Event:
    """One change of a run's state: when (UTC), from what (None: it was made) to what, in which attempt, and why."""

    at: datetime
    before: RunState | None
    state: RunState
    attempt: int
    worker: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Runs of one job with one state that began in the same half hour; ``finished_at`` None: not ended."""

    job: str
    state: RunState
    runs: int
    started_at: datetime
    finished_at: datetime | None
    #: The first of them.
    first: UUID


# -- the leader -----------------------------------------------------------------------------------


def database_now(connection: Connection) -> datetime:
    """Return the database's present instant."""
    now: datetime = connection.execute(_NOW).scalar_one()
    return now


def lease(connection: Connection) -> Lease:
    """Return the leader's lease."""
    # '-infinity' (nobody has led yet) is no instant that Python knows.
    until = func.greatest(JobLeader.lease_until, func.to_timestamp(0))
    row = connection.execute(select(JobLeader.epoch, JobLeader.holder, until, func.clock_timestamp())).one()
    return Lease(*row)


def take_lead(connection: Connection, known: int, holder: str, length: timedelta) -> int | None:
    """Become the leader after the epoch *known*, if its lease has ended; return the new epoch."""
    connection.execute(_BE_BRIEF)
    epoch: int | None = connection.execute(_TAKE, {"known": known, "holder": holder, "lease": length}).scalar_one()
    return epoch


def renew_lead(connection: Connection, epoch: int, length: timedelta) -> bool:
    """Renew the lease of *epoch* from now on; False if it has ended or another epoch has begun."""
    return bool(connection.execute(_RENEW, {"epoch": epoch, "lease": length}).scalar_one())


def announce(connection: Connection, epoch: int, names: Sequence[str]) -> bool:
    """Make the jobs *names* known; False if *epoch* leads no more."""
    return bool(connection.execute(_ANNOUNCE, {"epoch": epoch, "names": list(names)}).scalar_one())


def fire(
    connection: Connection, epoch: int, job: str, scheduled_for: datetime, *, attempts: int, unless_waiting: bool
) -> str:
    """Queue the run of *job* for *scheduled_for*; return fired, already, waiting or fenced (*epoch* leads no more)."""
    values = {
        "epoch": epoch,
        "job": job,
        "scheduled_for": scheduled_for,
        "attempts": attempts,
        "unless_waiting": unless_waiting,
    }
    return str(connection.execute(_FIRE, values).scalar_one())


def first_seen(connection: Connection) -> Mapping[str, datetime]:
    """Return since when each known job is known."""
    return {row.name: row.first_seen_at for row in connection.execute(select(KnownJob.name, KnownJob.first_seen_at))}


# -- runs -----------------------------------------------------------------------------------------


def request(connection: Connection, job: str, *, attempts: int, requested_by: str) -> UUID:
    """Queue a run of *job* that *requested_by* asks for, in this transaction; return its id."""
    values = {"job": job, "attempts": attempts, "requested_by": requested_by}
    made: UUID = connection.execute(_REQUEST, values).scalar_one()
    return made


def run(connection: Connection, run_id: UUID) -> Run | None:
    """Return one run."""
    found = connection.execute(_RUNS.where(JobRun.id == run_id)).one_or_none()
    return _run(found) if found else None


def history(connection: Connection, job: str | None, *, limit: int) -> list[Run]:
    """Return the newest runs, of *job* or of all, newest first."""
    query = _RUNS.order_by(JobRun.scheduled_for.desc(), JobRun.id.desc()).limit(limit)
    return [_run(row) for row in connection.execute(query.where(JobRun.job == job) if job else query)]


def search(
    connection: Connection,
    job: str | None,
    state: RunState | None,
    *,
    limit: int,
    offset: int,
    descending: bool = True,
) -> list[Run]:
    """Return runs in the order in which they were made, of *job* and in *state* if given, cut by the database."""
    query = _RUNS.order_by(JobRun.id.desc() if descending else JobRun.id).limit(limit).offset(offset)
    for column, wanted in ((JobRun.job, job), (JobRun.state, state)):
        if wanted is not None:
            query = query.where(column == wanted)
    return [_run(row) for row in connection.execute(query)]


def events(connection: Connection, run_id: UUID) -> list[Event]:
    """Return what happened to one run, oldest first."""
    query = select(
        JobRunEvent.at, JobRunEvent.before, JobRunEvent.state, JobRunEvent.attempt, JobRunEvent.worker,
        JobRunEvent.reason,
    ).where(JobRunEvent.run == run_id).order_by(JobRunEvent.id)  # fmt: skip
    return [
        Event(row.at, RunState(row.before) if row.before else None, RunState(row.state), *row[3:])
        for row in connection.execute(query)
    ]


def recent(connection: Connection, length: timedelta) -> list[Stretch]:
    """Return what ran within *length* before the database's present, by job and by time."""
    return [
        Stretch(row.job, RunState(row.state), row.runs, row.started_at, row.finished_at, row.first)
        for row in connection.execute(_RECENT, {"length": length})
    ]


def statuses(connection: Connection) -> list[Status]:
    """Return every known job with its last ended run."""
    return [
        Status(
            name=row.name,
            first_seen_at=row.first_seen_at,
            run=row.run,
            state=RunState(row.state) if row.state else None,
            scheduled_for=row.scheduled_for,
            finished_at=row.finished_at,
            duration=_duration(row.duration_ms),
            error=row.error,
            waiting_since=row.waiting_since,
        )
        for row in connection.execute(_STATUS)
    ]


def start(connection: Connection, run_id: UUID, attempt: int, *, worker: str, request_id: str) -> Run | None:
    """Begin attempt number *attempt*, queued to running; None if it is not this attempt's turn any more."""
    change = (
        update(JobRun)
        .where(JobRun.id == run_id, JobRun.state == RunState.QUEUED, JobRun.attempt == attempt)
        .values(
            state=RunState.RUNNING,
            worker=worker,
            request=request_id,
            started_at=func.clock_timestamp(),
            duration_ms=None,
            error=None,
            reference=None,
        )
    )
    if connection.execute(change).rowcount == 0:
        return None
    _note(connection, run_id, RunState.QUEUED, RunState.RUNNING, attempt, worker=worker)
    return run(connection, run_id)


def end(
    connection: Connection,
    before: Run,
    state: RunState,
    *,
    duration: timedelta | None,
    error: str | None,
    reference: str | None,
) -> bool:
    """Bring the run from what *before* says to *state*; False if it is another attempt's by now.

    Back to queued it goes with the next attempt's number; see ``requeue``.
    """
    again = state is RunState.QUEUED
    change = (
        update(JobRun)
        .where(JobRun.id == before.id, JobRun.state == before.state, JobRun.attempt == before.attempt)
        .values(
            state=state,
            attempt=before.attempt + 1 if again else before.attempt,
            finished_at=None if again else func.clock_timestamp(),
            duration_ms=round(duration / timedelta(milliseconds=1)) if duration is not None else None,
            error=error,
            reference=reference,
        )
    )
    if connection.execute(change).rowcount == 0:
        return False
    _note(connection, before.id, before.state, state, before.attempt, worker=before.worker, reason=error)
    return True


def requeue(connection: Connection, run_id: UUID, pause: timedelta) -> None:
    """Put the run into the queue for its next attempt, which begins after *pause* at the earliest."""
    due = database_now(connection) + pause if pause else None
    connection.execute(_REQUEUE, {"run": run_id, "due": due})


def abandoned(connection: Connection, silence: timedelta, run_id: UUID | None = None) -> Run | None:
    """Return, and lock, one run whose worker has been silent for *silence*; None if there is none, or not this one."""
    found = connection.execute(_ABANDONED, {"silence": silence, "run": run_id}).scalar_one_or_none()
    return run(connection, found) if found else None


def drop_entry(connection: Connection, run_id: UUID) -> None:
    """Take the run's entry out of the queue: whoever still holds it cannot end it any more."""
    connection.execute(_DROP_ENTRY, {"run": run_id})


def drop_spent(connection: Connection, silence: timedelta) -> None:
    """Take out of the queue what is held there though its attempt has ended, for longer than *silence*."""
    connection.execute(_DROP_SPENT, {"silence": silence})


def has_work(connection: Connection) -> bool:
    """Return whether an entry of the queue could be taken up now."""
    return bool(connection.execute(_HAS_WORK).scalar_one())


def prune(connection: Connection, before: datetime, *, most: int) -> int:
    """Delete at most *most* runs that ended before *before*; return how many. A job's newest run stays."""
    return int(connection.execute(_PRUNE, {"before": before, "most": most}).scalar_one())


_RUNS = select(
    JobRun.id,
    JobRun.job,
    JobRun.scheduled_for,
    JobRun.state,
    JobRun.attempt,
    JobRun.max_attempts,
    JobRun.requested_by,
    JobRun.worker,
    JobRun.request,
    JobRun.started_at,
    JobRun.finished_at,
    JobRun.duration_ms,
    JobRun.error,
    JobRun.reference,
)


def _run(row: Row[*tuple[Any, ...]]) -> Run:
    values = row._asdict()
    duration = _duration(values.pop("duration_ms"))
    return Run(**{**values, "state": RunState(values["state"])}, duration=duration)


def _duration(milliseconds: int | None) -> timedelta | None:
    return None if milliseconds is None else timedelta(milliseconds=milliseconds)


def _note(
    connection: Connection,
    run_id: UUID,
    before: RunState,
    state: RunState,
    attempt: int,
    *,
    worker: str | None,
    reason: str | None = None,
) -> None:
    event = {"run": run_id, "before": before, "state": state, "attempt": attempt, "worker": worker, "reason": reason}
    connection.execute(insert(JobRunEvent).values(event))
