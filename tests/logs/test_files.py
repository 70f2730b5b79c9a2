"""Log files: one a day in Tokyo, readable by the group, gone when too old, and safe among several writers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chukan.platform.clock import FixedClock
from chukan.platform.logs import configure_logs, get_logger
from chukan.platform.logs.files import prune
from chukan.platform.settings import LogSettings

log = get_logger("chukan.test")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_begins_at_midnight_in_tokyo(tmp_path: Path) -> None:
    clock = FixedClock(datetime(2026, 3, 31, 14, 59, 59, 999_999, tzinfo=UTC))
    configure_logs(LogSettings(directory=tmp_path), process="worker", clock=clock)
    log.info("yesterday")
    clock.advance(timedelta(microseconds=1))
    log.info("today")
    assert names(tmp_path) == ["worker.2026-03-31.jsonl", "worker.2026-04-01.jsonl"]
    assert json.loads((tmp_path / "worker.2026-04-01.jsonl").read_text())["event"] == "today"


def test_files_are_for_owner_and_group_whatever_the_umask(tmp_path: Path, clock: FixedClock) -> None:
    folder = tmp_path / "a/b"
    before = os.umask(0o077)
    try:
        configure_logs(LogSettings(directory=folder), process="worker", clock=clock)
        log.info("x")
    finally:
        os.umask(before)
    (path,) = folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o640
    assert folder.stat().st_mode & 0o007 == 0


def test_beginning_a_new_day_deletes_what_is_too_old(tmp_path: Path, clock: FixedClock) -> None:
    for name in ("worker.2026-03-01.jsonl", "gateway.2026-03-30.jsonl", "notes.txt", "gateway.2026-03-28.jsonl"):
        (tmp_path / name).touch()
    configure_logs(LogSettings(directory=tmp_path, retention_days=2), process="worker", clock=clock)
    log.info("x")
    assert names(tmp_path) == ["gateway.2026-03-30.jsonl", "notes.txt", "worker.2026-04-01.jsonl"]


def test_pruning_names_what_it_deleted_and_repeats_without_harm(tmp_path: Path) -> None:
    (tmp_path / "worker.2020-01-01.jsonl").touch()
    now = datetime(2026, 4, 1, tzinfo=UTC)
    assert prune(tmp_path, now=now, retention=timedelta(days=1)) == ["worker.2020-01-01.jsonl"]
    assert prune(tmp_path, now=now, retention=timedelta(days=1)) == []


def test_a_line_that_has_no_place_on_the_disk_goes_to_standard_error(
    tmp_path: Path, clock: FixedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "occupied").touch()
    configure_logs(LogSettings(directory=tmp_path / "occupied"), process="worker", clock=clock)
    log.info("not lost")
    assert json.loads(capsys.readouterr().err)["event"] == "not lost"


def test_a_full_disk_neither_stops_the_work_nor_swallows_the_line(
    tmp_path: Path, clock: FixedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(LogSettings(directory=tmp_path), process="worker", clock=clock)
    log.info("fits")
    handler = _handler()
    os.dup2(os.open("/dev/full", os.O_WRONLY), handler)
    log.info("does not fit")
    assert json.loads(capsys.readouterr().err)["event"] == "does not fit"


def _handler() -> int:
    """Return the descriptor that lines are written to."""
    import logging

    from chukan.platform.logs.files import DailyFile

    (handler,) = [each for each in logging.getLogger().handlers if isinstance(each, DailyFile)]
    return handler._descriptor


def test_a_link_in_the_place_of_the_file_is_not_followed(
    tmp_path: Path, clock: FixedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "target"
    (tmp_path / "worker.2026-04-01.jsonl").symlink_to(target)
    configure_logs(LogSettings(directory=tmp_path), process="worker", clock=clock)
    log.info("x")
    assert not target.exists()
    assert "x" in capsys.readouterr().err


WRITER = """
import sys
from pathlib import Path
from chukan.platform.logs import bind_log_context, configure_logs, get_logger
from chukan.platform.settings import LogSettings
configure_logs(LogSettings(directory=Path(sys.argv[1])), process="worker")
log = get_logger("chukan.test")
print("ready", flush=True)
count = 0
with bind_log_context(organisation=sys.argv[2]):
    while count < int(sys.argv[3]):
        count += 1
        log.info("written", count=count, reason="x" * 900)
"""


def writer(folder: Path, organisation: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), organisation, str(count)], stdout=subprocess.PIPE, text=True
    )


def test_lines_of_several_processes_in_one_file_do_not_mix(tmp_path: Path) -> None:
    writers = [writer(tmp_path, name, 500) for name in ("a", "b", "c")]
    assert [process.wait() for process in writers] == [0, 0, 0]
    for process in writers:
        process.communicate()
    written = [json.loads(line) for path in tmp_path.iterdir() for line in path.read_text().splitlines()]
    for name in ("a", "b", "c"):
        assert [line["count"] for line in written if line["organisation"] == name] == list(range(1, 501))


def test_a_killed_process_leaves_whole_lines(tmp_path: Path) -> None:
    process = writer(tmp_path, "a", 10**9)
    assert process.stdout is not None
    process.stdout.readline()
    while not list(tmp_path.glob("*.jsonl")) or next(tmp_path.glob("*.jsonl")).stat().st_size < 100_000:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (path,) = tmp_path.iterdir()
    counts = [json.loads(line)["count"] for line in path.read_text().splitlines()]
    assert counts == list(range(1, len(counts) + 1))
