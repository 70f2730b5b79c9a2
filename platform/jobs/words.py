"""How people are told of runs and schedules, by commands and pages alike."""

from __future__ import annotations

from datetime import timedelta

from chukan.platform.component import Job
from chukan.platform.jobs.rules import RunState
from chukan.platform.messages import mark, text

#: How a person is told of a run's state.
STATES = {
    RunState.QUEUED: mark("queued"),
    RunState.RUNNING: mark("running"),
    RunState.SUCCEEDED: mark("succeeded"),
    RunState.FAILED: mark("failed"),
    RunState.LOST: mark("lost: its worker died"),
}
WEEKDAYS = (mark("Mon"), mark("Tue"), mark("Wed"), mark("Thu"), mark("Fri"), mark("Sat"), mark("Sun"))

#: The longest unit that an interval is a whole number of tells it.
_INTERVALS = (
    (timedelta(hours=1), mark("every {count} hours")),
    (timedelta(minutes=1), mark("every {count} minutes")),
    (timedelta(seconds=1), mark("every {count} seconds")),
)


def told_state(state: RunState) -> str:
    """Return how a person is told of a run in *state*."""
    return text(STATES[state])


def told_schedule(job: Job) -> str:
    """Return in words when *job* is due: an interval, or times of Tokyo's clock with their days."""
    if job.every is not None:
        return told_interval(job.every)
    if job.at is None:
        return text("on request")
    parts = [", ".join(wall.isoformat(timespec="minutes") for wall in sorted(job.at.times))]
    if len(job.at.weekdays) < 7:
        parts.append(" ".join(text(WEEKDAYS[day]) for day in sorted(job.at.weekdays)))
    if job.at.days is not None:
        parts.append(text("days {days}", days=" ".join(map(str, sorted(job.at.days)))))
    return " ".join(parts)


def told_interval(interval: timedelta) -> str:
    """Return *interval* in words, in whole hours, minutes or seconds."""
    for unit, words in _INTERVALS:
        if not interval % unit:
            return text(words, count=interval // unit)
    return text("every {interval}", interval=interval)
