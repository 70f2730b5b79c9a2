"""``chukan jobs``, ``scheduler`` and ``worker`` as an operator meets them, the checks, and the jobs that exist."""

from __future__ import annotations

import json
import os
import signal
import threading
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from prometheus_client import CollectorRegistry, generate_latest

from chukan.platform.audit import component as audit
from chukan.platform.command_line import system_actor
from chukan.platform.component import At, Health, Job
from chukan.platform.database.roles import ProcessKind
from chukan.platform.jobs.checks import LEADERLESS_AFTER, WAITING_AFTER, judge_leader, judge_runs
from chukan.platform.jobs.component import component
from chukan.platform.jobs.errors import JobUnknown, RunFailed, RunUnfinished
from chukan.platform.jobs.metrics import JobsCollector
from chukan.platform.jobs.rules import RunState
from chukan.platform.jobs.store import Lease, Status
from chukan.platform.settings import AuditSettings, Settings, VaultSettings
from chukan.platform.settings.load import LoadedSettings, loaded_settings
from chukan.platform.vault import component as vault
from chukan.platform.vault.adapters.file import FileKeyProvider
from chukan.platform.vault.rules import KeyUse
from chukan.platform.vault.signing import VaultSigner
from chukan.scheduler import scheduler_command
from chukan.worker import worker_command
from support.jobs import Works, until

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
done: list[tuple[datetime, str]] = []


def asks_for_its_settings(scheduled_for: datetime) -> None:
    """Do as the components' jobs do: ask for the settings of the running command, in a worker's thread."""
    done.append((scheduled_for, loaded_settings().settings.database.name))


def fails(_scheduled_for: datetime) -> None:
    raise RunUnfinished(run="x", job="x", seconds=1)


JOBS = [
    Job("minutely", asks_for_its_settings, every=timedelta(minutes=1)),
    Job("weekly", asks_for_its_settings, at=At((time(2, 30),), weekdays=frozenset({0, 6}))),
    Job("monthly", asks_for_its_settings, at=At((time(2, 30),), days=frozenset({1, -1}))),
    Job("broken", fails, max_attempts=1),
]


def run(command: click.Command, settings: Settings, *args: str) -> Result:
    """Run *command* in English; what it raises goes on to the test, as to the program's edge."""
    return CliRunner(env={"COLUMNS": "250"}).invoke(command, args, obj=LoadedSettings(settings), catch_exceptions=False)


@pytest.fixture
def settings(works: Works) -> Settings:
    return Settings(database=works.database.settings)


def jobs(settings: Settings, *args: str) -> Result:
    return run(component(lambda: settings, all_jobs=lambda: JOBS).commands[0].command, settings, *args)


def answer(settings: Settings, *args: str) -> Any:
    return json.loads(jobs(settings, *args, "--json").stdout)


def work(settings: Settings) -> None:
    assert run(worker_command(lambda: JOBS), settings, "--once").exit_code == 0


@pytest.mark.usefixtures("english")
def test_an_operator_runs_a_job_and_sees_it_in_list_and_history(settings: Settings) -> None:
    done.clear()
    asked = answer(settings, "run", "minutely")
    assert (asked["state"], asked["requested_by"]) == ("queued", system_actor())
    work(settings)
    assert [name for _, name in done] == [settings.database.name]
    (ended,) = answer(settings, "history", "minutely")
    assert (ended["run"], ended["state"], ended["attempt"]) == (asked["run"], "succeeded", 1)
    assert ended["duration_seconds"] >= 0
    assert ended["scheduled_for"].endswith("+09:00")
    assert len(ended["request"]) == 16
    listed = answer(settings, "list")
    assert listed["leader"] is None
    first = listed["jobs"][0]
    assert (first["job"], first["every_seconds"], first["last_run"]["state"]) == ("minutely", 60.0, "succeeded")
    assert first["next_due"].endswith(":00+09:00")


@pytest.mark.usefixtures("english")
def test_people_are_told_in_tables_what_machines_are_told_in_json(works: Works, settings: Settings) -> None:
    answer(settings, "run", "broken")
    work(settings)
    assert "queued." in jobs(settings, "run", "minutely").stdout
    works.leader(JOBS, "somebody").keep()
    told = jobs(settings, "list").stdout
    for words in ("every 1 minutes", "02:30 Mon Sun", "02:30 days -1 1", "on request", "failed", "scheduler somebody."):
        assert words in told
    history = jobs(settings, "history").stdout
    assert "jobs.run_unfinished" in history
    assert "1/3" in history
    works.end_lease()
    assert "No scheduler leads" in jobs(settings, "list").stdout


@pytest.mark.usefixtures("english")
def test_a_run_can_be_waited_for(works: Works, settings: Settings) -> None:
    with pytest.raises(RunUnfinished):
        jobs(settings, "run", "minutely", "--wait", "0")
    works.run_process("worker", poll=0.1, silence=5)
    # The process knows no job of this name: it fails, and may be known elsewhere.
    works.ask("update platform.job_run set max_attempts = 1")
    with pytest.raises(RunFailed, match="failed"):
        jobs(settings, "run", "broken", "--wait", "60")
    assert works.one("select error from platform.job_run where job = 'broken'") == "jobs.unknown"


def test_a_job_that_nobody_declared_cannot_be_run_or_looked_up(settings: Settings) -> None:
    for command in ("run", "history"):
        with pytest.raises(JobUnknown):
            jobs(settings, command, "nothing")


def test_the_scheduler_leads_until_it_is_told_to_end(works: Works, settings: Settings) -> None:
    leads = "select holder from platform.job_leader where lease_until > clock_timestamp()"
    holders: list[tuple[str]] = []

    def end_it() -> None:
        until(lambda: works.ask(leads))
        holders.extend(works.ask(leads))
        os.kill(os.getpid(), signal.SIGTERM)

    ender = threading.Thread(target=end_it)
    ender.start()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert run(scheduler_command(lambda: JOBS), settings, "--lease", "30").exit_code == 0
    finally:
        ender.join()
        for number, handler in before.items():
            signal.signal(number, handler)
    assert [holder.rsplit(":", 1)[1] for (holder,) in holders] == [str(os.getpid())]
    assert works.ask(leads) == []
    assert works.ask("select name from platform.job order by name") == [
        ("broken",),
        ("minutely",),
        ("monthly",),
        ("weekly",),
    ]


# -- the jobs that exist --------------------------------------------------------------------------


def test_sealing_and_reencryption_run_in_a_worker(works: Works, tmp_path: Path) -> None:
    key_file = tmp_path / "keys.json"
    provider = FileKeyProvider(key_file)
    for use in KeyUse:
        provider.create(use, now=NOW)
    settings = Settings(
        database=works.database.settings,
        vault=VaultSettings(key_file=key_file),
        audit=AuditSettings(sink_directory=tmp_path / "audit"),
    )
    existing = [
        *audit.component(lambda: settings, signer=lambda _settings: VaultSigner(provider)).jobs,
        *vault.component(lambda: settings).jobs,
        *component(lambda: settings, all_jobs=list).jobs,
    ]
    assert {job.name: job.every for job in existing} == {
        "audit-seal": timedelta(seconds=60),
        "vault-reencryption": timedelta(minutes=5),
        "job-history": None,
    }
    group = component(lambda: settings, all_jobs=lambda: existing).commands[0].command
    for job in existing:
        run(group, settings, "run", job.name)
    assert run(worker_command(lambda: existing), settings, "--once").exit_code == 0
    assert works.ask("select job, state, error from platform.job_run order by job") == [
        ("audit-seal", "succeeded", None),
        ("job-history", "succeeded", None),
        ("vault-reencryption", "succeeded", None),
    ]
    assert works.one("select count(*) from platform.audit_seal") == 1


# -- checks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("epoch", "ended_before", "health"),
    [
        (1, timedelta(seconds=-5), Health.GREEN),
        (1, LEADERLESS_AFTER - timedelta(seconds=1), Health.GREEN),
        (1, LEADERLESS_AFTER, Health.RED),
        (0, timedelta(days=20_000), Health.RED),
    ],
)
def test_a_platform_without_a_leader_is_red(epoch: int, ended_before: timedelta, health: Health) -> None:
    assert judge_leader(Lease(epoch, "one", NOW - ended_before, NOW)).health is health


def status(state: RunState | None = None, *, waited: timedelta | None = None) -> Status:
    waiting = NOW - waited if waited is not None else None
    return Status("work", NOW, None, state, None, None, None, "some.error", waiting)


@pytest.mark.parametrize(
    ("found", "health"),
    [
        (status(), Health.GREEN),
        (status(RunState.SUCCEEDED), Health.GREEN),
        (status(RunState.FAILED), Health.RED),
        (status(RunState.LOST), Health.RED),
        (status(RunState.SUCCEEDED, waited=WAITING_AFTER - timedelta(seconds=1)), Health.GREEN),
        (status(RunState.SUCCEEDED, waited=WAITING_AFTER), Health.RED),
    ],
)
def test_a_job_that_fails_or_waits_for_nobody_is_red(found: Status, health: Health) -> None:
    result = judge_runs([found, status()], NOW)
    assert result.health is health
    assert ("work" in result.summary) is (health is Health.RED)


def test_the_checks_ask_the_database(works: Works, settings: Settings) -> None:
    checks = {check.name: check for check in component(lambda: settings, all_jobs=list).checks}
    health = {name: check.run(NOW).health for name, check in checks.items()}
    assert health == {"scheduler-leader-stale": Health.RED, "jobs-failing": Health.GREEN}
    works.leader(JOBS).keep()
    answer(settings, "run", "broken")
    work(settings)
    health = {name: check.run(NOW).health for name, check in checks.items()}
    assert health == {"scheduler-leader-stale": Health.GREEN, "jobs-failing": Health.RED}


def test_a_run_that_waits_for_another_of_its_job_is_not_without_a_worker(works: Works, settings: Settings) -> None:
    answer(settings, "run", "minutely")
    works.ask("update platform.job_run set state = 'running', created_at = now() - interval '1 hour'")
    answer(settings, "run", "minutely")
    works.ask("update platform.job_run set created_at = now() - interval '1 hour'")
    (check,) = [each for each in component(lambda: settings, all_jobs=list).checks if each.name == "jobs-failing"]
    assert check.run(NOW).health is Health.GREEN
    works.ask("update platform.job_run set state = 'succeeded', finished_at = now() where state = 'running'")
    assert check.run(NOW).health is Health.RED


def test_the_metrics_tell_lease_and_waiting(works: Works, settings: Settings) -> None:
    works.leader(JOBS, lease=30).keep()
    answer(settings, "run", "minutely")
    works.ask("update platform.job_run set created_at = clock_timestamp() - interval '1 hour'")
    registry = CollectorRegistry()
    registry.register(JobsCollector(works.database.engine(ProcessKind.POLLER)))
    exposed = generate_latest(registry).decode()
    values = dict(line.split(" ") for line in exposed.splitlines() if not line.startswith("#"))
    assert 25 < float(values["chukan_scheduler_lease_seconds"]) <= 30
    assert 3600 <= float(values['chukan_job_waiting_seconds{job="minutely"}']) < 3660
    assert float(values['chukan_job_waiting_seconds{job="weekly"}']) == 0
