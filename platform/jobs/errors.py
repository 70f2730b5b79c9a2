"""How jobs fail, and what to do about it."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class JobUnknown(ChukanError):
    """Nobody declared a job of this name here."""

    code = "jobs.unknown"
    failure = Failure.NOT_FOUND
    #: A worker of another release may know it.
    retryable = True
    message = mark("There is no job {job}.")
    hint = mark("`chukan jobs list` shows the jobs; a worker of an older release does not know a newer job.")


class RunUnknown(ChukanError):
    """There is no such run: it never was, or it was forgotten."""

    code = "jobs.run_unknown"
    failure = Failure.NOT_FOUND
    message = mark("There is no run {run}.")
    hint = mark("Runs are kept for 100 days; see the list of runs.")


class LeadTaken(ChukanError):
    """Another scheduler became the leader in the same moment."""

    code = "jobs.lead_taken"
    failure = Failure.CONFLICT
    retryable = True
    message = mark("Another scheduler leads.")
    hint = mark("Nothing is to be done: it fires what is due.")


class JobTimedOut(ChukanError):
    """An attempt took longer than its job may."""

    code = "jobs.timed_out"
    failure = Failure.UNAVAILABLE
    retryable = True
    message = mark("The job {job} took longer than {seconds} seconds.")
    hint = mark("See what it waited for in the log of the run; the worker that it hung in starts anew.")


class RunUnfinished(ChukanError):
    """A run that somebody waits for has not ended in time."""

    code = "jobs.run_unfinished"
    failure = Failure.UNAVAILABLE
    retryable = True
    message = mark("The run {run} of {job} has not ended after {seconds} seconds.")
    hint = mark("See `chukan jobs history {job}`; nothing runs without `chukan worker`.")


class RunFailed(ChukanError):
    """A run that somebody waited for ended without success."""

    code = "jobs.run_failed"
    failure = Failure.FAULT
    message = mark("The run {run} of {job} ended: {state}.")
    hint = mark("The log has the cause under the job id {run}; `chukan jobs history {job}` has the error's code.")
