"""Real schedulers and workers that are killed, frozen, cut off and told to end: each run once, and none forgotten."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from chukan.platform.component import Job
from chukan.platform.database.engines import driver
from chukan.platform.database.hardening import revoke_connections
from chukan.platform.database.roles import ProcessKind, RoleNames
from chukan.platform.jobs.service import request_run
from support.database import Database, running_cluster
from support.jobs import Works, until

#: Short, so that the tests are; the rules do not depend on it.
pytestmark = pytest.mark.long
LEASE = 4
QUICKLY = {"poll": 0.1, "silence": 5}


@pytest.fixture
def works_of_its_own(tmp_path: Path) -> Iterator[Works]:
    """Return a database in a cluster of its own, which may be restarted."""
    with running_cluster() as (cluster, settings):
        with psycopg.connect(cluster.superuser_conninfo(), autocommit=True) as superuser:
            superuser.execute("create database own template chukan_template owner chukan_owner")
            revoke_connections(superuser, "own", RoleNames())
        made = Works(Database(cluster, settings.model_copy(update={"name": "own"})), tmp_path)
        made.effects()
        try:
            yield made
        finally:
            made.end_processes()
            made.database.close()


def pause() -> None:
    """Give a process time to do what it must not do."""
    threading.Event().wait(1)


def asked(works: Works, name: str, attempts: int = 3) -> None:
    job = Job(name, lambda _at: None, max_attempts=attempts)
    request_run(works.scheduler, job, actor="system:test", request="request-1")


def count(works: Works, statement: str) -> int:
    return int(works.one(statement))


def holder(works: Works) -> str | None:
    found = works.ask("select holder from platform.job_leader where lease_until > clock_timestamp()")
    return str(found[0][0]) if found else None


def ticks(works: Works) -> list[object]:
    return [at for (at,) in works.ask("select scheduled_for from platform.job_run where job = 'tick'")]


def is_done(works: Works, job: str) -> bool:
    return works.ask("select 1 from platform.job_run where job = %s and state = 'succeeded'", job) != []


def has_begun(works: Works, job: str, tries: int = 1) -> bool:
    return bool(works.one("select count(*) >= %s from platform.try where job = %s", tries, job))


# -- schedulers -----------------------------------------------------------------------------------


def test_two_schedulers_and_two_workers_run_each_due_time_once(works: Works) -> None:
    for _ in range(2):
        works.run_process("scheduler", lease=LEASE)
        works.run_process("worker", **QUICKLY)
    until(lambda: count(works, "select count(*) from platform.effect") >= 4)
    assert Counter(works.ask("select job, scheduled_for from platform.try")).most_common(1)[0][1] == 1
    found = ticks(works)
    assert len(found) == len(set(found))
    assert works.one("select count(distinct epoch) from platform.job_leader_event") == 1


def test_a_killed_leader_s_work_moves_once_and_no_due_time_is_lost(works: Works) -> None:
    first = works.run_process("scheduler", lease=LEASE)
    until(lambda: len(ticks(works)) >= 2)
    second = works.run_process("scheduler", lease=LEASE)
    first.kill()
    until(lambda: holder(works) == f"pid:{second.pid}")
    before = len(ticks(works))
    until(lambda: len(ticks(works)) >= before + 2)
    gaps = works.ask(
        "select scheduled_for - lag(scheduled_for) over (order by scheduled_for) as gap "
        "from platform.job_run where job = 'tick' order by 1 nulls first"
    )[1:]
    assert {gap.total_seconds() for (gap,) in gaps} == {1.0}
    assert works.one("select epoch from platform.job_leader") == 2


def test_a_frozen_leader_is_replaced_and_fires_nothing_when_it_wakes(works: Works) -> None:
    frozen = works.run_process("scheduler", lease=LEASE)
    until(lambda: len(ticks(works)) >= 1)
    os.kill(frozen.pid, signal.SIGSTOP)
    second = works.run_process("scheduler", lease=LEASE)
    until(lambda: holder(works) == f"pid:{second.pid}")
    os.kill(frozen.pid, signal.SIGCONT)
    until(lambda: "does not lead any more" in works.logs())
    before = len(ticks(works))
    until(lambda: len(ticks(works)) >= before + 2)
    seen = ticks(works)
    assert len(seen) == len(set(seen))
    assert holder(works) == f"pid:{second.pid}"
    assert works.one("select epoch from platform.job_leader") == 2


def test_a_scheduler_told_to_end_hands_over_at_once(works: Works) -> None:
    first = works.run_process("scheduler", lease=60)
    until(lambda: holder(works))
    first.terminate()
    assert first.wait(timeout=20) == 0
    assert holder(works) is None


def test_a_machine_s_clock_that_jumps_changes_nothing(works: Works) -> None:
    clock = works.home / "clock"
    works.run_process("scheduler", lease=LEASE)
    until(lambda: len(ticks(works)) >= 2)
    for offset in (3600, -3600, 0):
        clock.write_text(str(offset))
        before = len(ticks(works))
        until(lambda before=before: len(ticks(works)) >= before + 2)  # type: ignore[misc]
    seen = ticks(works)
    assert len(seen) == len(set(seen))
    ahead = works.one("select max(scheduled_for) <= clock_timestamp() from platform.job_run where job = 'tick'")
    assert ahead is True


# -- workers --------------------------------------------------------------------------------------


def test_a_killed_worker_s_run_is_resumed_and_its_effect_is_there_once(works: Works) -> None:
    asked(works, "slow")
    first = works.run_process("worker", **QUICKLY)
    until(lambda: has_begun(works, "slow"))
    first.kill()
    works.run_process("worker", **QUICKLY)
    until(lambda: has_begun(works, "slow", tries=2))
    (works.home / "release").touch()
    until(lambda: is_done(works, "slow"))
    assert works.ask("select state, attempt from platform.job_run") == [("succeeded", 2)]
    assert works.one("select count(*) from platform.effect") == 1
    assert works.ask("select before, state, attempt, reason from platform.job_run_event order by at, id") == [
        (None, "queued", 1, "system:test"),
        ("queued", "running", 1, None),
        ("running", "queued", 1, "jobs.worker_silent"),
        ("queued", "running", 2, None),
        ("running", "succeeded", 2, None),
    ]


def test_a_frozen_worker_s_late_result_is_refused(works: Works) -> None:
    asked(works, "slow")
    frozen = works.run_process("worker", **QUICKLY)
    until(lambda: has_begun(works, "slow"))
    os.kill(frozen.pid, signal.SIGSTOP)
    second = works.run_process("worker", **QUICKLY)
    until(lambda: has_begun(works, "slow", tries=2))
    (works.home / "release").touch()
    until(lambda: is_done(works, "slow"))
    os.kill(frozen.pid, signal.SIGCONT)
    until(lambda: "run has gone on without this attempt" in works.logs())
    assert works.ask("select state, attempt, worker from platform.job_run") == [("succeeded", 2, f"pid:{second.pid}")]
    assert works.one("select count(*) from platform.effect") == 1
    # It works on, under a registration of its own.
    second.kill()
    asked(works, "quick")
    until(lambda: is_done(works, "quick"))


def test_a_worker_told_to_end_finishes_what_it_has_in_hand_and_takes_nothing_more(works: Works) -> None:
    asked(works, "slow")
    worker = works.run_process("worker", **QUICKLY, drain=60)
    until(lambda: has_begun(works, "slow"))
    worker.terminate()
    pause()
    asked(works, "quick")
    (works.home / "release").touch()
    assert worker.wait(timeout=30) == 0
    assert is_done(works, "slow")
    assert works.ask("select state from platform.job_run where job = 'quick'") == [("queued",)]
    assert works.one("select count(*) from procrastinate.procrastinate_workers") == 0


def test_a_worker_whose_grace_is_over_leaves_its_run_to_the_next(works: Works) -> None:
    asked(works, "slow")
    worker = works.run_process("worker", **QUICKLY, drain=0.2)
    until(lambda: has_begun(works, "slow"))
    worker.terminate()
    assert worker.wait(timeout=20) == os.EX_TEMPFAIL
    works.run_process("worker", **QUICKLY)
    until(lambda: has_begun(works, "slow", tries=2))
    (works.home / "release").touch()
    until(lambda: is_done(works, "slow"))


def test_a_job_that_hangs_has_failed_after_its_time_and_its_process_begins_anew(works: Works) -> None:
    asked(works, "hang", attempts=1)
    worker = works.run_process("worker", **QUICKLY, drain=30)
    assert worker.wait(timeout=40) == os.EX_TEMPFAIL
    assert works.ask("select state, error from platform.job_run") == [("failed", "jobs.timed_out")]


def test_work_that_waits_is_done_once_and_the_worker_ends(works: Works) -> None:
    for _ in range(3):
        asked(works, "quick")
    worker = works.run_process("worker", once=True, **QUICKLY)
    assert worker.wait(timeout=30) == 0
    assert works.ask("select state, count(*) from platform.job_run group by state") == [("succeeded", 3)]
    assert works.one("select count(*) from procrastinate.procrastinate_jobs") == 0


def test_a_run_s_lines_carry_its_id_and_request(works: Works) -> None:
    asked(works, "quick")
    works.run_process("worker", once=True, **QUICKLY).wait(timeout=30)
    run, request = works.ask("select id, request from platform.job_run")[0]
    told = [line for line in works.logs().splitlines() if "attempt ended" in line]
    assert len(told) == 1
    assert f'"job": "{run}"' in told[0]
    assert f'"request": "{request}"' in told[0]


def test_workers_and_schedulers_outlast_a_restart_of_the_database(works_of_its_own: Works) -> None:
    works = works_of_its_own
    asked(works, "slow")
    worker = works.run_process("worker", **QUICKLY)
    scheduler = works.run_process("scheduler", lease=LEASE)
    until(lambda: has_begun(works, "slow") and len(ticks(works)) >= 1)
    cluster = works.database.cluster
    cluster.stop("immediate")
    (works.home / "release").touch()
    pause()
    cluster.start()
    until(lambda: is_done(works, "slow"))
    before = len(ticks(works))
    until(lambda: len(ticks(works)) >= before + 2 and count(works, "select count(*) from platform.effect") >= 3)
    assert worker.poll() is None
    assert scheduler.poll() is None
    assert works.one("select count(*) from platform.effect where job = 'slow'") == 1
    seen = ticks(works)
    assert len(seen) == len(set(seen))


def test_a_worker_listens_to_nobody_so_a_tenant_s_calls_do_nothing(works: Works) -> None:
    worker = works.run_process("worker", **QUICKLY)
    asked(works, "quick")
    until(lambda: is_done(works, "quick"))
    login = works.database.names.process(ProcessKind.WORKER)
    sessions = "select query from pg_stat_activity where usename = %s and datname = current_database()"
    assert works.ask(sessions, login) != []
    assert works.ask(f"{sessions} and query ilike '%%listen%%'", login) == []
    tenant = works.database.create_tenant().tenant
    with works.database.sessions().connection(tenant) as connection:
        below = driver(connection)
        for channel in ("procrastinate_any_queue_v1", "procrastinate_queue_v1#chukan"):
            below.execute(sql.SQL("notify {}, 'not json'").format(sql.Identifier(channel)))
        below.commit()
    asked(works, "slow")
    until(lambda: has_begun(works, "slow"))
    assert worker.poll() is None
