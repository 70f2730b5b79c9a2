"""What machines ask, on a real database that goes wrong in each way, and of the real processes.

One cluster of their own for all of them, because one test stops it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from sqlalchemy import create_engine

from chukan.console.application import console_application
from chukan.console.probes import HEALTH, Probe
from chukan.platform.clock import SystemClock
from chukan.platform.component import Check, CheckResult, Component, Health
from chukan.platform.database.hardening import revoke_connections
from chukan.platform.database.roles import ProcessKind, RoleNames
from chukan.platform.settings import ConsoleSettings, Settings, VaultSettings
from chukan.wiring import components
from support.database import Database, running_cluster
from support.jobs import Works, until
from support.vault import Safe, file_safe

BASE = "https://console.test/"
#: Three processes start at once, on a machine that may run other tests.
PATIENCE = 120
CHUKAN = [sys.executable, "-c", "import sys; from chukan.cli import main; sys.exit(main())"]
#: What the client library tells of every Python process; docs/areas/console.md says so.
OF_THE_LIBRARY = ("python_", "process_")
#: Documented for processes that keep sessions of tenants open, which none of these does.
OF_TENANT_SESSIONS = "chukan_tenant_sessions_"


@dataclass
class Site:
    """The console over a database of its own cluster, and the doors that a test needs."""

    app: Flask
    works: Works
    safe: Safe
    settings: Settings

    def ask(self, path: str) -> tuple[int, str]:
        answer = self.app.test_client().get(path, base_url=BASE)
        return answer.status_code, answer.text

    def red(self) -> tuple[int, list[str]]:
        """Return the status of /readyz and the names that it gives as red."""
        status, body = self.ask("/readyz")
        told = json.loads(body)
        assert told["ready"] is (status == 200)
        return status, told["red"]

    def secrets(self) -> list[str]:
        """Return what no probe may ever tell."""
        passwords = [file.read_text() for file in self.settings.database.secrets_directory.iterdir() if file.is_file()]
        keys = json.loads(self.safe.key_file.read_text()).values()
        return [*(each.strip() for each in passwords), *keys]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_cluster() as (cluster, settings), pytest.MonkeyPatch.context() as patch:
        with psycopg.connect(cluster.superuser_conninfo(), autocommit=True) as superuser:
            superuser.execute("create database own template chukan_template owner chukan_owner")
            revoke_connections(superuser, "own", RoleNames())
        home = tmp_path_factory.mktemp("site")
        database = Database(cluster, settings.model_copy(update={"name": "own"}))
        safe = file_safe(database, home / "keys")
        whole = Settings(
            database=database.settings,
            vault=VaultSettings(key_file=safe.key_file),
            console=ConsoleSettings(probe_seconds=0.001),
        )
        # The checks ask for the settings by themselves, as they do in a worker.
        patch.setattr("chukan.wiring._settings", lambda: whole)
        engines = database.engine(ProcessKind.CONSOLE), database.engine(ProcessKind.POLLER)
        app = console_application(whole, *engines, components())
        works = Works(database, home)
        try:
            yield Site(app, works, safe, whole)
        finally:
            works.end_processes()
            database.close()


@pytest.fixture
def well(site: Site) -> Site:
    """The site when all is well: a scheduler has just taken the lead, which is in the trail."""
    site.works.end_lease()
    site.works.leader([], "somebody", lease=300).keep()
    site.works.ask("update platform.audit_entry set recorded_at = clock_timestamp()")
    until(lambda: site.red() == (200, []), seconds=PATIENCE)
    return site


@contextmanager
def lost_keys(site: Site) -> Iterator[None]:
    away = site.safe.key_file.with_suffix(".away")
    site.safe.key_file.rename(away)
    try:
        yield
    finally:
        away.rename(site.safe.key_file)


@contextmanager
def stale_seal(site: Site) -> Iterator[None]:
    site.works.ask("update platform.audit_entry set recorded_at = recorded_at - interval '16 minutes'")
    yield


@contextmanager
def stale_leader(site: Site) -> Iterator[None]:
    site.works.ask("update platform.job_leader set lease_until = clock_timestamp() - interval '121 seconds'")
    yield


@contextmanager
def database_down(site: Site) -> Iterator[None]:
    site.works.database.cluster.stop("immediate")
    try:
        yield
    finally:
        site.works.database.cluster.start()


# -- what is red -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("breaks", "name"),
    [
        (lost_keys, "vault-key-provider"),
        (stale_seal, "audit-seal-stale"),
        (stale_leader, "scheduler-leader-stale"),
    ],
)
def test_each_thing_that_goes_stale_makes_the_console_unready_under_its_name(
    well: Site, breaks: Callable[[Site], AbstractContextManager[None]], name: str
) -> None:
    secrets = well.secrets()
    with breaks(well):
        until(lambda: well.red() == (503, [name]), seconds=PATIENCE)
        _, body = well.ask("/readyz")
        assert json.loads(body)["checks"][name]["health"] == "red"
        assert f'{HEALTH.name}{{check="{name}"}} 2.0' in well.ask("/metrics")[1]
    assert [secret for secret in secrets if secret in body] == []


def test_without_its_database_the_console_is_alive_unready_and_still_measured(well: Site) -> None:
    secrets = well.secrets()
    with database_down(well):
        assert well.ask("/healthz") == (200, '{"status":"alive"}\n')
        status, red = well.red()
        assert (status, "database-reachable" in red) == (503, True)
        told = well.ask("/readyz")[1] + well.ask("/metrics")[1]
        assert f'{HEALTH.name}{{check="database-reachable"}} 2.0' in told
        assert 'chukan_metrics_failures_total{reader="JobsCollector"}' in told
    hidden = [*secrets, str(well.works.database.cluster.sockets), "psycopg"]
    assert [word for word in hidden if word in told] == []
    until(lambda: "database-reachable" not in well.red()[1], seconds=PATIENCE)


def test_amber_and_what_is_no_matter_of_readiness_leave_the_console_ready() -> None:
    checks = (
        check("amber", lambda: Health.AMBER, readiness=True),
        check("red-elsewhere", lambda: Health.RED),
        replace(check("dear", lambda: pytest.fail("a dear check was asked")), live=False),
    )
    answers = probe_of(*checks).answers(SystemClock().now())
    assert {each.check.name: each.result.health for each in answers} == {
        "amber": Health.AMBER,
        "red-elsewhere": Health.RED,
    }


# -- how checks are asked --------------------------------------------------------------------------


@dataclass
class Hanging:
    """A check that answers when it is let go, and how often it was asked."""

    let_go: threading.Event = field(default_factory=threading.Event)
    asked: int = 0

    def run(self) -> Health:
        self.asked += 1
        self.let_go.wait(20)
        return Health.GREEN


def check(name: str, answer: Callable[[], Health], *, readiness: bool = False, seconds: float = 0.05) -> Check:
    return Check(
        name, name, timedelta(seconds=seconds), lambda _now: CheckResult(answer(), "what it says"), readiness=readiness
    )


def probe_of(*checks: Check, keep_seconds: float = 0.0) -> Probe:
    return Probe([Component(name="small", checks=checks)], create_engine("sqlite://"), keep_seconds)


def healths(probe: Probe) -> list[Health]:
    return [each.result.health for each in probe.answers(SystemClock().now())]


def test_a_check_that_hangs_is_red_the_others_answer_and_it_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chukan.platform.web.probe._PATIENCE_SECONDS", 0.2)
    hanging = Hanging()
    probe = probe_of(check("hangs", hanging.run), check("answers", lambda: Health.GREEN))
    for _ in range(3):
        assert healths(probe) == [Health.RED, Health.GREEN]
    assert hanging.asked == 1
    hanging.let_go.set()
    until(lambda: healths(probe) == [Health.GREEN, Health.GREEN], seconds=5)
    assert healths(probe) == [Health.GREEN, Health.GREEN]
    assert hanging.asked >= 2


def test_the_last_answer_stands_while_a_slow_check_is_within_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chukan.platform.web.probe._PATIENCE_SECONDS", 0.1)
    hanging = Hanging()
    hanging.let_go.set()
    probe = probe_of(check("slow", hanging.run, seconds=0.5))
    assert healths(probe) == [Health.GREEN]
    hanging.let_go.clear()
    assert healths(probe) == [Health.GREEN]
    until(lambda: healths(probe) == [Health.RED], seconds=5)
    hanging.let_go.set()


def test_answers_are_kept_as_long_as_the_settings_say() -> None:
    asked: list[int] = []

    def answer() -> Health:
        asked.append(1)
        return Health.GREEN

    probe = probe_of(check("kept", answer), keep_seconds=60)
    for _ in range(3):
        assert healths(probe) == [Health.GREEN]
    assert len(asked) == 1


def test_a_check_that_breaks_is_red_and_tells_a_reference_but_not_what_broke() -> None:
    def broken() -> Health:
        raise ValueError("password=open-sesame")

    (answered,) = probe_of(check("breaks", broken)).answers(SystemClock().now())
    assert answered.result.health is Health.RED
    assert "open-sesame" not in answered.result.summary


# -- the real processes ----------------------------------------------------------------------------


@dataclass
class Process:
    """A real process of the platform, and the port where machines ask it."""

    process: subprocess.Popen[bytes]
    port: int

    def ask(self, path: str) -> tuple[int, str]:
        """Return status and body; nothing at all (0) while it does not listen."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            assert self.process.poll() is None, "it has ended by itself"
            return 0, ""
        finally:
            connection.close()

    def page(self) -> str:
        status, page = self.ask("/metrics")
        assert status == 200
        return page

    def red(self) -> list[str] | None:
        """Return what /readyz names as red, None where nobody answers."""
        status, body = self.ask("/readyz")
        return json.loads(body)["red"] if status in {200, 503} else None

    def end(self) -> None:
        """Tell it to end, and see that it ends well."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0


@dataclass
class Platform:
    """Console, scheduler and worker, each with the passwords that its unit gives it."""

    console: Process
    scheduler: Process
    worker: Process


@pytest.fixture(scope="module")
def platform(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    site.works.end_lease()
    site.works.ask("update platform.job_leader set lease_until = clock_timestamp() - interval '1 hour'")
    home = tmp_path_factory.mktemp("processes")
    with ExitStack() as running:

        def start(kind: str, passwords: list[str], *arguments: str) -> Process:
            port = free_port()
            environment = environment_of(site, home / kind, passwords, port)
            log = running.enter_context((home / f"{kind}.log").open("wb"))
            command = [*CHUKAN, *(each.format(port=port) for each in arguments)]
            process = subprocess.Popen(command, env=environment, cwd=home / kind, stdout=log, stderr=log)
            running.callback(ended, process)
            return Process(process, port)

        console = start("console", ["console", "poller"], "serve", "console")
        until(lambda: console.red() == ["scheduler-leader-stale"], seconds=PATIENCE)
        scheduler = start("scheduler", ["scheduler"], "scheduler", "--lease", "5", "--metrics-port", "{port}")
        worker = start("worker", ["worker", "scheduler", "poller"], "worker", "--metrics-port", "{port}")
        until(lambda: console.red() == [], seconds=PATIENCE)
        until(lambda: "chukan_vault_data_keys" in worker.ask("/metrics")[1], seconds=PATIENCE)
        yield Platform(console, scheduler, worker)
        for each in (console, worker, scheduler):
            each.end()


def environment_of(site: Site, home: Path, passwords: list[str], port: int) -> dict[str, str]:
    """Return the environment of a process whose folder of secrets holds *passwords* and no others."""
    secrets = home / "secrets"
    secrets.mkdir(parents=True)
    for name in passwords:
        shutil.copy(site.settings.database.secrets_directory / f"{name}.password", secrets)
    place = site.works.database.cluster.address()
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("CHUKAN_")},
        "CHUKAN_ENVIRONMENT": "test",
        "CHUKAN_DATABASE__URL": f"postgresql:///own?host={place['host']}&port={place['port']}",
        "CHUKAN_DATABASE__SECRETS_DIRECTORY": str(secrets),
        "CHUKAN_VAULT__KEY_FILE": str(site.safe.key_file),
        "CHUKAN_AUDIT__SINK_DIRECTORY": str(home.parent / "sink"),
        "CHUKAN_EXTERNAL_URL": f"https://localhost:{free_port()}",
        "CHUKAN_CONSOLE__PROBE_PORT": str(port),
        "CHUKAN_CONSOLE__RUNTIME_DIRECTORY": str(home / "run"),
    }


def ended(process: subprocess.Popen[bytes]) -> None:
    """See that nothing stays behind, whatever the test did."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def promtool(page: str) -> str:
    """Have Prometheus's own tool judge *page*; return what it complains about."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (scripts/os-packages)")
    judged = subprocess.run(
        ["promtool", "check", "metrics"], input=page, capture_output=True, text=True, timeout=30, check=False
    )
    complaints = judged.stdout + judged.stderr
    assert judged.returncode == 0 or complaints
    return complaints


def names_on(page: str) -> set[str]:
    """Return the names of the metrics on *page* as they are documented."""
    return {
        f"{family.name}_total" if family.type == "counter" and not family.name.endswith("_total") else family.name
        for family in text_string_to_metric_families(page)
    }


def test_promtool_finds_a_page_that_is_wrong() -> None:
    assert "no help text" in promtool("# TYPE chukan_x counter\nchukan_x 1\n")


@pytest.mark.parametrize("name", ["console", "scheduler", "worker"])
def test_promtool_has_nothing_to_say_about_a_live_page(platform: Platform, name: str) -> None:
    process: Process = getattr(platform, name)
    if name == "console":
        process.ask("/readyz")  # a request to be counted
    assert promtool(process.page()) == ""


def test_every_metric_on_a_live_page_is_documented_and_the_other_way_round(platform: Platform) -> None:
    live = set().union(*(names_on(each.page()) for each in (platform.console, platform.scheduler, platform.worker)))
    documented = {metric.name for component in components() for metric in component.metrics}
    assert {name for name in live - documented if not name.startswith(OF_THE_LIBRARY)} == set()
    assert {name for name in documented - live if not name.startswith(OF_TENANT_SESSIONS)} == set()


def test_metrics_have_the_labels_that_are_documented(platform: Platform) -> None:
    documented = {metric.name: frozenset(metric.labels) for component in components() for metric in component.metrics}
    for process in (platform.console, platform.scheduler, platform.worker):
        for family in text_string_to_metric_families(process.page()):
            for sample in family.samples:
                base = sample.name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum")
                if (name := base) in documented:
                    assert frozenset(sample.labels) - {"le"} == documented[name], name


def test_the_pages_tell_of_each_process_what_is_its_own(platform: Platform) -> None:
    until(lambda: "chukan_scheduler_leads 1.0" in platform.scheduler.page(), seconds=PATIENCE)
    until(lambda: 'chukan_scheduler_fired_total{outcome="' in platform.scheduler.page(), seconds=PATIENCE)
    until(lambda: 'chukan_job_attempts_total{job="' in platform.worker.page(), seconds=PATIENCE)
    assert "chukan_vault_wrapping_key_age_seconds" in platform.worker.page()
    console = platform.console.page()
    assert f'{HEALTH.name}{{check="scheduler-leader-stale"}} 0.0' in console
    assert 'chukan_web_requests_total{endpoint="probes.readyz",method="GET",process="console",status="' in console
    assert "chukan_metrics_failures_total{" not in console + platform.worker.page()


def test_no_live_page_holds_a_secret(platform: Platform, site: Site) -> None:
    told = platform.console.ask("/readyz")[1]
    told += "".join(each.page() for each in (platform.console, platform.scheduler, platform.worker))
    assert [secret for secret in site.secrets() if secret in told] == []


def test_every_component_s_collector_can_be_read_under_the_poller_s_log_in(site: Site) -> None:
    poller = site.works.database.engine(ProcessKind.POLLER)
    readers: list[Collector] = [make(poller) for component in components() for make in component.collectors]
    assert len(readers) >= 2
    for reader in readers:
        assert list(reader.collect())
