"""The life of a run: each change from what it was, recorded, and refused to whoever was given up."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from psycopg.errors import InsufficientPrivilege

from chukan.platform.component import Job
from chukan.platform.database.errors import DatabaseUnreachable, TenantUnknown
from chukan.platform.database.roles import ProcessKind
from chukan.platform.jobs import store
from chukan.platform.jobs.errors import JobUnknown
from chukan.platform.jobs.rules import ENDED, TRANSITIONS, RunState
from chukan.platform.jobs.service import (
    declared,
    end_attempt,
    job_named,
    prune_runs,
    queue_run,
    recover_runs,
    request_run,
    start_run,
)
from chukan.platform.jobs.store import Run
from support.jobs import Works

JOB = Job("work", lambda _at: None)
TOOK = timedelta(milliseconds=1500)
SILENCE = timedelta(seconds=30)


def asked(works: Works, job: Job = JOB) -> UUID:
    return request_run(works.scheduler, job, actor="system:test", request="request-1")


def started(works: Works, run: UUID, attempt: int = 1) -> Run:
    found = start_run(works.worker, run, attempt, worker="one")
    assert found is not None
    return found


def taken(works: Works) -> int:
    """Take the oldest entry of the queue as procrastinate's worker does; return the worker's id."""
    with works.database.login(ProcessKind.WORKER) as connection:
        connection.execute("set search_path = procrastinate, pg_temp")
        row = connection.execute("select worker_id from procrastinate_register_worker_v1()").fetchone()
        assert row is not None
        connection.execute("select procrastinate_fetch_job_v2(null, %s)", row)
        return int(row[0])


def silent(works: Works, seconds: float = 31) -> None:
    """Let every worker have been silent for *seconds*."""
    works.ask(
        "update procrastinate.procrastinate_workers set last_heartbeat = clock_timestamp() - %s",
        timedelta(seconds=seconds),
    )


def state(works: Works, run: UUID) -> tuple[str, int]:
    state, attempt = works.ask("select state, attempt from platform.job_run where id = %s", run)[0]
    return state, attempt


def events(works: Works, run: UUID) -> list[tuple[str | None, str, int, str | None]]:
    return [
        (before, after, attempt, reason)
        for before, after, attempt, reason in works.ask(
            "select before, state, attempt, reason from platform.job_run_event where run = %s order by at, id", run
        )
    ]


def recorded(works: Works) -> list[tuple[str, str, str | None]]:
    rows = works.ask(
        "select body::jsonb ->> 'action', body::jsonb ->> 'outcome', body::jsonb -> 'detail' ->> 'error' "
        "from platform.audit_entry order by seq"
    )
    return [(action, outcome, error) for action, outcome, error in rows]


# -- attempts -------------------------------------------------------------------------------------


def test_a_run_is_asked_for_begun_and_ended(works: Works) -> None:
    run = asked(works)
    begun = started(works, run)
    assert (begun.job, begun.worker, begun.requested_by) == ("work", "one", "system:test")
    assert end_attempt(works.worker, begun, None, duration=TOOK) is RunState.SUCCEEDED
    with works.worker.connect() as connection:
        ended = store.run(connection, run)
    assert ended is not None
    assert (ended.state, ended.duration, ended.error) == (RunState.SUCCEEDED, TOOK, None)
    assert ended.request == begun.request
    assert events(works, run) == [
        (None, "queued", 1, "system:test"),
        ("queued", "running", 1, None),
        ("running", "succeeded", 1, None),
    ]


def test_what_a_person_asked_for_is_recorded_and_the_ticking_is_not(works: Works) -> None:
    end_attempt(works.worker, started(works, asked(works)), None, duration=TOOK)
    assert recorded(works) == [("jobs:run:request", "done", None)]


def test_a_run_is_queued_with_the_change_that_asks_for_it_or_not_at_all(works: Works) -> None:
    with works.worker.connect() as connection:
        queue_run(connection, JOB, requested_by="system:test")
        connection.rollback()
        assert works.one("select count(*) from procrastinate.procrastinate_jobs") == 0
        queue_run(connection, JOB, requested_by="system:test")
        connection.commit()
    assert works.one("select count(*) from procrastinate.procrastinate_jobs") == 1


def test_a_failed_attempt_is_made_again_after_a_pause_under_a_new_entry(works: Works) -> None:
    run = asked(works)
    entry = works.one("select queue_entry from platform.job_run")
    assert end_attempt(works.worker, started(works, run), DatabaseUnreachable(), duration=TOOK) is RunState.QUEUED
    assert state(works, run) == ("queued", 2)
    pause, again = works.ask(
        "select q.scheduled_at - clock_timestamp(), q.id from platform.job_run r "
        "join procrastinate.procrastinate_jobs q on q.id = r.queue_entry and q.args ->> 'attempt' = '2'"
    )[0]
    assert timedelta(seconds=5) < pause <= timedelta(seconds=10)
    assert again != entry
    assert started(works, run, 2).error is None


def test_the_last_failed_attempt_ends_the_run_and_is_recorded(works: Works) -> None:
    run = asked(works, Job("work", JOB.run, max_attempts=1))
    error = DatabaseUnreachable()
    assert end_attempt(works.worker, started(works, run), error, duration=TOOK) is RunState.FAILED
    assert works.ask("select error, reference from platform.job_run") == [("database.unreachable", error.reference)]
    assert recorded(works)[1:] == [("jobs:run:end", "failed", "database.unreachable")]


def test_an_error_that_says_that_trying_again_is_useless_is_believed(works: Works) -> None:
    run = started(works, asked(works))
    assert end_attempt(works.worker, run, TenantUnknown(tenant="x"), duration=TOOK) is RunState.FAILED


def test_of_an_error_that_is_not_ours_the_class_alone_is_kept(works: Works) -> None:
    run = asked(works, Job("work", JOB.run, max_attempts=1))
    end_attempt(works.worker, started(works, run), ValueError("a person's name"), duration=TOOK)
    assert works.ask("select error, reference from platform.job_run") == [("ValueError", None)]


def test_an_attempt_is_begun_once(works: Works) -> None:
    run = asked(works)
    started(works, run)
    assert start_run(works.worker, run, 1, worker="two") is None
    assert start_run(works.worker, run, 2, worker="two") is None


@pytest.mark.parametrize("before", list(RunState))
def test_a_run_changes_only_from_the_state_that_was_seen(works: Works, before: RunState) -> None:
    for after in TRANSITIONS[RunState.RUNNING]:
        run = started(works, asked(works))
        works.ask(
            "update platform.job_run set state = %s, finished_at = case when %s then now() end where id = %s",
            before.value,
            before in ENDED,
            run.id,
        )
        with works.worker.begin() as connection:
            changed = store.end(connection, run, after, duration=None, error=None, reference=None)
        assert changed is (before is RunState.RUNNING)


# -- workers that die -----------------------------------------------------------------------------


def test_a_run_of_a_silent_worker_is_made_again_by_another(works: Works) -> None:
    run = asked(works)
    taken(works)
    first = started(works, run)
    assert recover_runs(works.worker, silence=SILENCE) == 0
    silent(works)
    assert recover_runs(works.worker, silence=SILENCE) == 1
    assert recover_runs(works.worker, silence=SILENCE) == 0
    assert state(works, run) == ("queued", 2)
    second = started(works, run, 2)
    # The first one was frozen, not dead: its result comes too late.
    assert end_attempt(works.worker, first, None, duration=TOOK) is None
    assert state(works, run) == ("running", 2)
    assert end_attempt(works.worker, second, None, duration=TOOK) is RunState.SUCCEEDED
    assert ("running", "queued", 1, "jobs.worker_silent") in events(works, run)


@pytest.mark.parametrize(("seconds", "recovered"), [(25, 0), (31, 1)])
def test_a_worker_is_given_its_time_to_tell_that_it_lives(works: Works, seconds: int, recovered: int) -> None:
    run = asked(works)
    taken(works)
    started(works, run)
    silent(works, seconds)
    assert recover_runs(works.worker, silence=SILENCE) == recovered


def test_a_silent_worker_cannot_end_the_entry_of_the_next_attempt(works: Works) -> None:
    run = asked(works)
    taken(works)
    started(works, run)
    entry = works.one("select queue_entry from platform.job_run")
    silent(works)
    recover_runs(works.worker, silence=SILENCE)
    assert works.ask("select id from procrastinate.procrastinate_jobs where id = %s", entry) == []
    assert works.one("select count(*) from procrastinate.procrastinate_jobs where status = 'todo'") == 1


def test_a_run_that_was_taken_but_not_begun_is_made_again_too(works: Works) -> None:
    run = asked(works)
    taken(works)
    silent(works)
    assert recover_runs(works.worker, silence=SILENCE) == 1
    assert state(works, run) == ("queued", 2)


def test_a_run_whose_entry_is_gone_is_made_again(works: Works) -> None:
    run = asked(works)
    started(works, run)
    works.ask("update platform.job_run set queue_entry = null")
    assert recover_runs(works.worker, silence=SILENCE) == 1
    assert state(works, run) == ("queued", 2)


def test_a_run_whose_workers_all_died_is_lost_and_that_is_recorded(works: Works) -> None:
    run = asked(works, Job("work", JOB.run, max_attempts=1))
    taken(works)
    started(works, run)
    silent(works)
    recover_runs(works.worker, silence=SILENCE)
    assert state(works, run) == ("lost", 1)
    assert recorded(works)[1:] == [("jobs:run:end", "failed", "jobs.worker_silent")]


def test_an_entry_that_outlived_its_attempt_does_not_keep_the_job_from_running(works: Works) -> None:
    run = asked(works)
    taken(works)
    end_attempt(works.worker, started(works, run), None, duration=TOOK)
    recover_runs(works.worker, silence=SILENCE)
    held = "select count(*) from procrastinate.procrastinate_jobs where status = 'doing'"
    assert works.one(held) == 1  # its worker may be about to end it
    works.ask("update platform.job_run set finished_at = finished_at - interval '31 seconds'")
    recover_runs(works.worker, silence=SILENCE)
    assert works.one(held) == 0


def test_runs_of_one_job_do_not_overlap(works: Works) -> None:
    for _ in range(2):
        asked(works)
        taken(works)
    assert works.one("select count(*) from procrastinate.procrastinate_jobs where status = 'doing'") == 1


# -- the rest -------------------------------------------------------------------------------------


def test_old_runs_are_forgotten_but_for_each_job_s_newest(works: Works) -> None:
    for job in (JOB, JOB, JOB, Job("other", JOB.run)):
        end_attempt(works.worker, started(works, asked(works, job)), None, duration=TOOK)
    asked(works)
    works.ask("update platform.job_run set finished_at = finished_at - interval '101 days' where job = 'work'")
    now = works.one("select clock_timestamp()")
    assert prune_runs(works.worker, now) == 3
    assert prune_runs(works.worker, now) == 0
    assert works.ask("select job, state from platform.job_run order by job") == [
        ("other", "succeeded"),
        ("work", "queued"),
    ]
    assert works.one("select count(*) from platform.job_run_event e left join platform.job_run r on r.id = e.run "
                     "where r.id is null") == 0  # fmt: skip


def test_a_worker_s_log_in_makes_no_run_and_unmakes_no_event(works: Works) -> None:
    asked(works)
    with works.database.login(ProcessKind.WORKER) as connection:
        for statement in (
            b"insert into platform.job_run (job, scheduled_for, max_attempts) values ('work', now(), 1)",
            b"update platform.job_run set scheduled_for = now()",
            b"delete from platform.job_run",
            b"update platform.job_run_event set state = 'x'",
            b"delete from platform.job_run_event",
            b"select platform_api.fire_job(1, 'work', now(), 1, false)",
            b"select pg_notify('x', 'y')",
        ):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(statement)


def test_a_job_that_nobody_declared_is_unknown() -> None:
    with pytest.raises(JobUnknown):
        job_named(declared([JOB]), "other")
    with pytest.raises(ValueError, match="same name"):
        declared([JOB, JOB])
