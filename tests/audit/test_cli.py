"""``chukan audit`` as it is called: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner, Result

from chukan.platform.audit.cli import commands
from chukan.platform.audit.component import component
from chukan.platform.audit.errors import TrailTampered
from chukan.platform.clock import SystemClock
from chukan.platform.component import Health
from chukan.platform.database.engines import address
from chukan.platform.identifiers import PLATFORM
from chukan.platform.settings import AuditSettings, Settings
from chukan.platform.settings.load import LoadedSettings
from support.audit import Trail


@pytest.fixture
def settings(trail: Trail) -> Settings:
    where = address(trail.database.settings)
    url = f"postgresql:///{where['dbname']}?host={quote(where['host'], safe='')}&port={where['port']}"
    return Settings(
        database=trail.database.settings.model_copy(update={"url": url}),
        audit=AuditSettings(sink_directory=trail.sink.directory),
    )


def call(trail: Trail, settings: Settings, *arguments: str) -> Result:
    group = commands(lambda _settings: trail.signer)
    return CliRunner().invoke(group, list(arguments), obj=LoadedSettings(settings))


def test_a_seal_is_told(trail: Trail, settings: Settings) -> None:
    trail.record_platform()
    assert json.loads(call(trail, settings, "seal", "--json").output) == {"seal": 1, "chains": 1, "anchored": 1}
    assert "記録はありません" in call(trail, settings, "seal").output


def test_an_intact_trail_is_told(trail: Trail, settings: Settings) -> None:
    trail.record_platform(2)
    trail.seal()
    result = call(trail, settings, "verify", "--json")
    assert result.exit_code == 0
    assert json.loads(result.output) == {
        "intact": True,
        "chains": 1,
        "entries": 2,
        "unsealed": 0,
        "seals": 1,
        "omitted": 0,
        "findings": [],
    }
    assert "異常はありません" in call(trail, settings, "verify").output


@pytest.mark.usefixtures("english")
def test_a_tampered_trail_ends_with_an_error_and_names_the_record(trail: Trail, settings: Settings) -> None:
    trail.record_platform(3)
    trail.seal()
    trail.tamper("update platform.audit_entry set body = '{}' where seq = 2")
    result = call(trail, settings, "verify", "--json")
    assert isinstance(result.exception, TrailTampered)
    assert result.exception.exit_code == os.EX_DATAERR
    (finding,) = json.loads(result.output)["findings"]
    assert (finding["kind"], finding["chain"], finding["first"]) == ("edited", str(PLATFORM), 2)
    assert "The record was changed." in call(trail, settings, "verify").output


def test_keys_that_are_not_pinned_are_told(trail: Trail, settings: Settings) -> None:
    result = call(trail, settings, "verify", "--keys", "/nowhere/keys.json")
    assert result.exception is not None
    assert result.exception.__class__.__name__ == "KeysUnusable"


def test_a_witness_is_heard(trail: Trail, settings: Settings, tmp_path: Path) -> None:
    trail.record_platform()
    trail.seal()
    last = trail.sink.last()
    assert last is not None
    (tmp_path / "witness").write_text(f"{last.checkpoint}\n")
    assert call(trail, settings, "verify", "--witness", str(tmp_path / "witness")).exit_code == 0
    (tmp_path / "witness").write_text("nonsense\n")
    assert call(trail, settings, "verify", "--witness", str(tmp_path / "witness")).exit_code != 0


def test_entries_are_listed_newest_first_and_by_action(trail: Trail, settings: Settings) -> None:
    tenant = trail.tenant()
    trail.record(tenant, 3)
    listed = json.loads(call(trail, settings, "list", "--organisation", str(tenant), "--json", "--limit", "2").output)
    assert [entry["seq"] for entry in listed] == [3, 2]
    assert listed[0]["actor"] == "operator:7"
    assert listed[0]["recorded_at"].endswith("+09:00")
    for action, count in (("tests:", 3), ("tests:thing:do", 3), ("tests:thing", 0), ("other:", 0)):
        found = call(trail, settings, "list", "--organisation", str(tenant), "--json", "--action", action)
        assert len(json.loads(found.output)) == count
    none = call(trail, settings, "list", "--organisation", str(tenant), "--json", "--since", "2100-01-01")
    assert json.loads(none.output) == []
    assert "tests:thing:do" in call(trail, settings, "list", "--organisation", str(tenant)).output


def test_evidence_is_written(trail: Trail, settings: Settings, tmp_path: Path) -> None:
    tenant = trail.tenant()
    trail.record(tenant, 3)
    trail.seal()
    result = call(trail, settings, "export", str(tenant), "--output", str(tmp_path / "out.zip"), "--json")
    assert json.loads(result.output)["entries"] == 3
    assert (tmp_path / "out.zip").exists()
    unknown = call(trail, settings, "export", "nobody", "--output", str(tmp_path / "x"))
    assert unknown.exception.__class__.__name__ == "ChainUnknown"


def test_a_refilled_sink_is_recorded(trail: Trail, settings: Settings) -> None:
    trail.record_platform()
    trail.seal()
    for path in trail.sink.directory.glob("seals-*"):
        path.unlink()
    result = call(trail, settings, "refill-sink")
    assert result.exit_code == 0, result.output
    body = json.loads(trail.entries(PLATFORM)[-1][1])
    assert (body["action"], body["outcome"], body["detail"]) == ("audit:sink:refill", "done", {"seals": 1})
    assert trail.findings() == []


def test_checks_and_job_do_what_they_say(trail: Trail, settings: Settings) -> None:
    plugged = component(lambda: settings, signer=lambda _settings: trail.signer)
    checks = {check.name: check for check in plugged.checks}
    (job,) = plugged.jobs
    trail.record_platform()
    now = SystemClock().now()
    job.run(now)
    assert trail.sink.last() is not None
    assert {name: check.run(now).health for name, check in checks.items()} == {
        "audit-seal-stale": Health.GREEN,
        "audit-sink-mismatch": Health.GREEN,
    }
    trail.record_platform()
    trail.tamper("update platform.audit_entry set recorded_at = recorded_at - interval '20 minutes' where seq = 2")
    assert checks["audit-seal-stale"].run(now).health is Health.RED
    trail.tamper("delete from platform.audit_seal_leaf")
    trail.tamper("delete from platform.audit_seal")
    assert checks["audit-sink-mismatch"].run(now).health is Health.RED


WATCH = """
import sys, json
from support.audit import SoftwareSigner
from chukan.platform.audit.cli import commands
from chukan.platform.settings import Settings
from chukan.platform.settings.load import LoadedSettings
signer = SoftwareSigner()
settings = Settings.model_validate_json(sys.argv[1])
commands(lambda _: signer)(["seal", "--watch", "--json"], obj=LoadedSettings(settings))
"""


def test_the_watch_ends_with_the_seal_in_hand_when_it_is_told(trail: Trail, settings: Settings) -> None:
    trail.record_platform()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    watch = subprocess.Popen(
        [sys.executable, "-c", WATCH, settings.model_dump_json()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    with watch:
        for _ in range(200):
            if trail.sink.last() is not None or watch.poll() is not None:
                break
            time.sleep(0.1)
        watch.send_signal(signal.SIGTERM)
        output, errors = watch.communicate(timeout=30)
    assert watch.returncode == 0, errors
    assert b'"seal": 1' in output
