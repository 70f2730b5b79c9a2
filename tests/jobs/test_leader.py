"""One leader fires, each time once; who leads no more can change nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time, timedelta

import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy.exc import ProgrammingError

from chukan.platform.component import At, CatchUp, Job
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.jobs import store
from chukan.platform.jobs.leader import Leader
from support.jobs import Works

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
#: The database's clock is read in the leader alone; in these tests it is said what it shows.
NOW = datetime(2037, 7, 1, 3, 0, 30, tzinfo=UTC)
MINUTE_STRUCK = NOW - 30 * SECOND


def nothing(_scheduled_for: datetime) -> None:
    """Do nothing."""


def job(name: str = "tick", catch_up: CatchUp = CatchUp.ALL, **interval: float) -> Job:
    return Job(name, nothing, every=timedelta(**(interval or {"minutes": 1})), catch_up=catch_up)


def known_for_long(works: Works, since: datetime = NOW - timedelta(days=3)) -> None:
    """Let the jobs be known since *since*, so that times before *NOW* are made up for."""
    works.ask("update platform.job set first_seen_at = %s", since)


def leading(works: Works, jobs: Sequence[Job], since: datetime, holder: str = "one") -> Leader:
    """Return a leader over jobs that have been known since *since*."""
    first = works.leader(jobs, "set-up")
    assert first.keep()
    known_for_long(works, since)
    first.resign()
    leader = works.leader(jobs, holder)
    assert leader.keep()
    return leader


def outcomes(fired: Sequence[tuple[str, datetime, str]]) -> list[str]:
    return [outcome for _, _, outcome in fired]


def runs(works: Works) -> list[datetime]:
    return [at for (at,) in works.ask("select scheduled_for from platform.job_run order by scheduled_for")]


# -- the lease ------------------------------------------------------------------------------------


def test_one_of_several_schedulers_leads_and_the_others_wait(works: Works) -> None:
    first, second = works.leader([job()], "one"), works.leader([job()], "two")
    assert [first.keep(), second.keep(), first.keep(), second.keep()] == [True, False, True, False]
    assert (first.epoch, second.epoch) == (1, None)
    assert second.fire_due(NOW) == []


def test_an_ended_lease_is_taken_over_in_the_next_epoch(works: Works) -> None:
    first, second = works.leader([job()], "one"), works.leader([job()], "two")
    first.keep()
    works.end_lease()
    assert second.keep()
    assert second.epoch == 2
    assert not first.keep()
    assert works.ask("select epoch, holder from platform.job_leader_event order by epoch") == [(1, "one"), (2, "two")]


def test_a_leader_whose_own_lease_ended_leads_again_only_in_a_new_epoch(works: Works) -> None:
    leader = works.leader([job()])
    leader.keep()
    works.end_lease()
    assert leader.keep()
    assert leader.epoch == 2


def test_of_many_that_want_an_ended_lease_one_gets_it(works: Works) -> None:
    rivals = [works.leader([job()], str(number)) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(Leader.keep, rivals))
    assert Counter(kept) == {True: 1, False: 7}
    assert works.one("select epoch from platform.job_leader") == 1


def test_a_leader_that_ends_gives_the_lead_back_at_once(works: Works) -> None:
    first, second = works.leader([job()], "one"), works.leader([job()], "two")
    first.keep()
    first.resign()
    assert first.epoch is None
    assert second.keep()


def test_taking_the_lead_is_recorded_with_its_epoch(works: Works) -> None:
    works.leader([job()], "one").keep()
    recorded = works.ask(
        "select body::jsonb ->> 'action', body::jsonb -> 'detail' ->> 'epoch' from platform.audit_entry"
    )
    assert recorded == [("jobs:lead:take", "1")]


# -- fencing --------------------------------------------------------------------------------------


def test_the_old_leader_s_late_write_is_refused(works: Works) -> None:
    old = leading(works, [job()], MINUTE_STRUCK - SECOND, "old")
    works.end_lease()
    works.leader([job()], "new").keep()
    assert outcomes(old.fire_due(NOW)) == ["fenced"]
    assert old.epoch is None
    assert runs(works) == []


def test_a_leader_s_write_after_its_lease_is_refused_even_if_nobody_took_over(works: Works) -> None:
    leader = leading(works, [job()], MINUTE_STRUCK - SECOND)
    works.end_lease()
    assert outcomes(leader.fire_due(NOW)) == ["fenced"]
    assert runs(works) == []


def test_a_fenced_leader_may_neither_renew_nor_announce(works: Works) -> None:
    works.leader([job()]).keep()
    works.end_lease()
    with works.scheduler.begin() as connection:
        assert not store.renew_lead(connection, 1, HOUR)
        assert not store.announce(connection, 1, ["other"])
    assert works.one("select count(*) from platform.job where name = 'other'") == 0


def test_the_scheduler_s_log_in_has_no_way_round_the_fence(works: Works) -> None:
    with works.database.login(ProcessKind.SCHEDULER) as connection:
        for statement in (
            b"insert into platform.job_run (job, scheduled_for, max_attempts) values ('tick', now(), 1)",
            b"update platform.job_leader set epoch = 9",
            b"select platform.add_job_run('tick', now(), 1, null)",
            b"select platform.queue_job_run(uuidv7(), null)",
            b"select * from procrastinate.procrastinate_jobs",
        ):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(statement)


# -- firing ---------------------------------------------------------------------------------------


def test_two_leaders_that_both_believe_fire_each_time_once(works: Works) -> None:
    first = leading(works, [job()], NOW - 5 * timedelta(minutes=1))
    second = works.leader([job()], "two")
    second._epoch, second._known = first._epoch, first._known  # it cannot happen, and changes nothing
    assert outcomes(first.fire_due(NOW)) == ["fired"] * 5
    assert outcomes(second.fire_due(NOW)) == ["already"] * 5
    assert len(runs(works)) == 5
    assert works.one("select count(*) from procrastinate.procrastinate_jobs") == 5


def test_what_was_fired_is_not_asked_for_again(works: Works) -> None:
    leader = leading(works, [job()], MINUTE_STRUCK - SECOND)
    assert outcomes(leader.fire_due(NOW)) == ["fired"]
    assert leader.fire_due(NOW + 29 * SECOND) == []
    assert outcomes(leader.fire_due(NOW + 30 * SECOND)) == ["fired"]


@pytest.mark.parametrize("catch_up", [CatchUp.ALL, CatchUp.NONE])
def test_a_clock_put_forward_and_back_fires_nothing_twice(works: Works, catch_up: CatchUp) -> None:
    tick = job(catch_up=catch_up, minutes=10)
    leader = leading(works, [tick], NOW - SECOND)
    for moment in (NOW, NOW + HOUR, NOW, NOW + 10 * timedelta(minutes=1), NOW - HOUR, NOW + HOUR, NOW + 2 * HOUR):
        leader.fire_due(moment)
        works.end_runs()
    found = runs(works)
    assert len(found) == len(set(found))
    if catch_up is CatchUp.ALL:
        struck = NOW - 30 * SECOND
        assert found == [struck + n * timedelta(minutes=10) for n in range(1, 13)]


def test_after_a_clock_was_put_back_firing_goes_on(works: Works) -> None:
    leader = leading(works, [job(catch_up=CatchUp.NONE)], NOW - SECOND)
    assert outcomes(leader.fire_due(NOW + HOUR)) == ["fired"]
    works.end_runs()
    assert outcomes(leader.fire_due(NOW + timedelta(minutes=1))) == ["fired"]


def test_a_new_job_is_not_made_up_for(works: Works) -> None:
    nightly = Job("nightly", nothing, at=At((time(2, 0),)))
    leader = works.leader([nightly])
    leader.keep()
    assert leader.fire_due() == []
    tomorrow = works.one("select clock_timestamp() + interval '1 day'")
    assert outcomes(leader.fire_due(tomorrow)) == ["fired"]


def test_what_nobody_fired_is_made_up_for_by_the_next_leader(works: Works) -> None:
    jobs = [job("all", CatchUp.ALL), job("latest", CatchUp.LATEST), job("none", CatchUp.NONE, hours=1)]
    leader = leading(works, jobs, NOW - timedelta(minutes=3))
    fired = leader.fire_due(NOW + timedelta(minutes=2))
    assert Counter(name for name, _, _ in fired) == {"all": 5, "latest": 1}


def test_a_run_that_waits_stands_for_those_after_it(works: Works) -> None:
    leader = leading(works, [job(catch_up=CatchUp.LATEST)], MINUTE_STRUCK - SECOND)
    assert outcomes(leader.fire_due(NOW)) == ["fired"]
    assert outcomes(leader.fire_due(NOW + timedelta(minutes=1))) == ["waiting"]
    works.ask("update platform.job_run set state = 'running'")
    assert outcomes(leader.fire_due(NOW + timedelta(minutes=2))) == ["fired"]


def test_a_fired_run_its_entry_in_the_queue_and_its_event_are_one(works: Works) -> None:
    leader = leading(works, [job()], MINUTE_STRUCK - SECOND)
    leader.fire_due(NOW)
    assert works.ask(
        """
        select r.state, r.attempt, r.max_attempts, q.status::text, q.lock, q.args ->> 'attempt', e.state, e.reason
        from platform.job_run r
        join procrastinate.procrastinate_jobs q on q.id = r.queue_entry and (q.args ->> 'run')::uuid = r.id
        join platform.job_run_event e on e.run = r.id
        """
    ) == [("queued", 1, 3, "todo", "tick", "1", "queued", "due")]
    works.ask("drop function procrastinate.procrastinate_defer_jobs_v1(procrastinate.procrastinate_job_to_defer_v1[])")
    with pytest.raises(ProgrammingError):
        leader.fire_due(NOW + timedelta(minutes=1))
    assert len(runs(works)) == 1


# -- tenants --------------------------------------------------------------------------------------


def test_a_tenant_reaches_nothing_of_the_jobs(works: Works) -> None:
    tenant = works.database.create_tenant().tenant
    for statement in (
        b"select * from platform.job_run",
        b"select * from platform.job_leader",
        b"select * from procrastinate.procrastinate_jobs",
        b"select procrastinate.procrastinate_register_worker_v1()",
        b"select platform_api.request_job('tick', 1, 'me')",
        b"select platform_api.fire_job(1, 'tick', now(), 1, false)",
        b"select platform_api.take_job_lead(0, 'me', interval '1 day')",
        b"select platform_api.requeue_job_run('018f0000-0000-7000-8000-000000000000', null)",
        b"select platform_api.drop_spent_entries(interval '0')",
        b"select platform_api.prune_job_runs(now(), 1000)",
    ):
        with works.database.sessions().connection(tenant) as connection:
            below = driver(connection)
            with pytest.raises(InsufficientPrivilege):
                below.execute(statement)
