"""When a job is due, which due times are fired, and what becomes of a run; pure.

A schedule's times are instants: ``every`` counts from midnight in Tokyo, ``at`` follows the wall clock
there. Whether a time was fired already is not decided here but by the database's key (job, scheduled_for),
so that a clock that is put back, or a second scheduler, changes nothing.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import islice

from chukan.platform.clock import TOKYO, as_tokyo, as_utc
from chukan.platform.component import At, CatchUp, Job
from chukan.platform.errors import ChukanError

#: Any midnight in Tokyo would do: there is no daylight saving time, and multiples of a day stay at midnight.
_ANCHOR = as_utc(datetime(1970, 1, 1, tzinfo=TOKYO))
_DAY = timedelta(days=1)
#: Beyond this no time is looked for: the 29th of February comes within eight years, or never.
_HORIZON = timedelta(days=8 * 366 + 1)

#: How far back missed times are made up for: a long holiday, not a year.
CATCH_UP_WINDOW = timedelta(days=10)
#: How late a run that is not made up for may still be: a leader's change takes less.
PUNCTUAL_WITHIN = timedelta(minutes=1)
#: So many missed times are fired in one go, so that the lease is renewed in between.
AT_ONCE = 100

_FIRST_PAUSE = timedelta(seconds=10)
_LONGEST_PAUSE = timedelta(minutes=10)


class RunState(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"


#: What a run may become. Back to queued it goes for another attempt; the ends have no way on.
TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    # A run is lost while queued when its entry in the queue is gone and no attempt is left.
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.QUEUED, RunState.LOST}),
    RunState.RUNNING: frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.QUEUED, RunState.LOST}),
    RunState.SUCCEEDED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.LOST: frozenset(),
}
ENDED = frozenset(state for state, following in TRANSITIONS.items() if not following)


@dataclass(frozen=True)
class Next:
    """What follows an attempt: the run's state, and how long to wait before the next attempt if there is one."""

    state: RunState
    pause: timedelta = timedelta(0)


def due_times(job: Job, since: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the instants (UTC) in (*since*, *until*] at which *job* is due, in order."""
    if job.every is not None:
        yield from _every(job.every, as_utc(since), as_utc(until))
    elif job.at is not None:
        yield from _at(job.at, as_utc(since), as_utc(until))


def next_due(job: Job, after: datetime) -> datetime | None:
    """Return the first instant (UTC) after *after* at which *job* is due; None for a job without a schedule."""
    return next(due_times(job, after, after + _HORIZON), None)


def to_fire(job: Job, since: datetime, now: datetime) -> tuple[datetime, ...]:
    """Return the due times in (*since*, *now*] that are to be fired now, as the job's ``catch_up`` says."""
    since = max(since, now - CATCH_UP_WINDOW)
    match job.catch_up:
        case CatchUp.ALL:
            return tuple(islice(due_times(job, since, now), AT_ONCE))
        case CatchUp.LATEST:
            return _last(job, since, now)
        case CatchUp.NONE:
            return _last(job, max(since, now - PUNCTUAL_WITHIN), now)


def after_attempt(error: Exception | None, attempt: int, max_attempts: int) -> Next:
    """Return what follows attempt number *attempt* (from 1) that ended with *error*, or without one."""
    if error is None:
        return Next(RunState.SUCCEEDED)
    if attempt >= max_attempts or not may_help_again(error):
        return Next(RunState.FAILED)
    return Next(RunState.QUEUED, pause_after(attempt))


def after_loss(attempt: int, max_attempts: int) -> Next:
    """Return what becomes of a run whose worker died in attempt number *attempt*."""
    return Next(RunState.LOST) if attempt >= max_attempts else Next(RunState.QUEUED)


def may_help_again(error: Exception) -> bool:
    """Return whether another attempt may succeed: an error of ours says so itself, of others nobody knows."""
    return error.retryable if isinstance(error, ChukanError) else True


def pause_after(attempt: int) -> timedelta:
    """Return how long to wait after attempt number *attempt* has failed: 10 s, doubled each time, 10 min at most."""
    return min(_FIRST_PAUSE * (1 << min(attempt - 1, 10)), _LONGEST_PAUSE)


def _every(interval: timedelta, since: datetime, until: datetime) -> Iterator[datetime]:
    due = _ANCHOR + ((since - _ANCHOR) // interval + 1) * interval
    while due <= until:
        yield due
        due += interval


def _at(schedule: At, since: datetime, until: datetime) -> Iterator[datetime]:
    day, last = as_tokyo(since).date(), as_tokyo(until).date()
    while day <= last:
        if _is_day_of(schedule, day):
            for wall in sorted(schedule.times):
                due = as_utc(datetime.combine(day, wall, TOKYO))
                if since < due <= until:
                    yield due
        day += _DAY


def _is_day_of(schedule: At, day: date) -> bool:
    if day.weekday() not in schedule.weekdays:
        return False
    if schedule.days is None:
        return True
    is_last = day.day == monthrange(day.year, day.month)[1]
    return day.day in schedule.days or (is_last and -1 in schedule.days)


def _last(job: Job, since: datetime, until: datetime) -> tuple[datetime, ...]:
    """Return the last due time in (*since*, *until*], looked for from the end."""
    if job.every is not None:
        due = _ANCHOR + (as_utc(until) - _ANCHOR) // job.every * job.every
        return (due,) if due > since else ()
    reach = _DAY
    while until - reach > since:
        if found := tuple(due_times(job, until - reach, until)):
            return found[-1:]
        reach *= 2
    return tuple(due_times(job, since, until))[-1:]
