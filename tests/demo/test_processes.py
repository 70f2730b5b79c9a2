"""Processes are written down before they act, and ended by their own id alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from chukan.demo import processes as module
from chukan.demo.errors import ProcessEnded, Stalled
from chukan.demo.processes import Processes, Program, Record, end, read_json, record_of, without_ours, write_json

SLEEPS = "import time; time.sleep(100)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(100)"
#: Starts a process in a session of its own, and says its number.
PARENT = f"""
import subprocess, sys
print(subprocess.Popen([sys.executable, "-c", {SLEEPS!r}], start_new_session=True).pid, flush=True)
{SLEEPS}
"""
#: Launches a program and is killed at the moment of writing it down.
KILLED_BEFORE = """
import os, signal, sys
from pathlib import Path
from chukan.demo.processes import Processes, Program
processes = Processes(Path(sys.argv[1]) / "processes.json", Path(sys.argv[1]))
processes._write = lambda records: (print(records[0].pid, flush=True), os.kill(os.getpid(), signal.SIGKILL))
processes.launch(Program("marker", ("-c", "open('acted', 'w')"), lambda running: ""))
"""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path / "processes.json", tmp_path, {"CHUKAN_CONFIG_DIRECTORY": "/given"})
    yield made
    made.stop()


def program(code: str, *, says: str = "") -> Program:
    """Return a program that is ready when it has printed *says*."""
    return Program(
        "it", ("-c", code), lambda running: running.log.read_text() if says in running.log.read_text() else None
    )


def started(processes: Processes, wanted: Program) -> Record:
    return record_of("it", processes.ready(processes.launch(wanted)).pid)


def test_a_process_is_ready_when_it_says_so_and_has_our_settings_alone(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHUKAN_DATABASE__URL", "postgresql://elsewhere/x")
    code = "import os; print(*(v for n, v in os.environ.items() if n.startswith('CHUKAN_')), 'ready', flush=True);"
    running = processes.ready(processes.launch(program(code + SLEEPS, says="ready\n")))
    assert running.address == "/given ready\n"
    assert processes.running == [running]
    assert Record(**read_json(processes.records, [{}])[0]).is_alive()
    processes.require_all_alive()


def test_stopping_ends_it_and_forgets_it(processes: Processes) -> None:
    record = started(processes, program(SLEEPS))
    processes.stop()
    assert not record.is_alive()
    assert read_json(processes.records, None) == []


def test_a_process_that_ends_instead_of_getting_ready_is_told_of(processes: Processes) -> None:
    running = processes.launch(program("print('bye'); raise SystemExit(3)", says="never"))
    with pytest.raises(ProcessEnded) as told:
        processes.ready(running)
    assert told.value.values == {"process": "it", "exit_code": 3, "log": running.log}
    assert running.log.read_text() == "bye\n"


def test_a_process_that_never_gets_ready_is_told_of(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_READY_SECONDS", 0.2)
    with pytest.raises(Stalled):
        processes.ready(processes.launch(program(SLEEPS, says="never")))


def test_a_process_that_ends_later_is_noticed(processes: Processes) -> None:
    started(processes, program(SLEEPS))
    processes.running[0].process.kill()
    processes.running[0].process.wait()
    with pytest.raises(ProcessEnded):
        processes.require_all_alive()


def test_a_process_that_does_not_listen_is_killed(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_END_SECONDS", 0.5)
    record = started(processes, program(DEAF, says="deaf"))
    processes.stop()
    assert not record.is_alive()


def test_what_a_killed_run_left_is_ended_by_the_next(processes: Processes, tmp_path: Path) -> None:
    record = started(processes, program(SLEEPS))
    waiting = threading.Thread(target=processes.running[0].process.wait)  # as init would for an orphan
    waiting.start()
    assert Processes(processes.records, tmp_path).end_orphans() == ["it"]
    waiting.join(10)
    assert not record.is_alive()
    assert Processes(processes.records, tmp_path).end_orphans() == []


def test_what_a_killed_process_had_started_itself_is_ended_too(processes: Processes, tmp_path: Path) -> None:
    for ends in (processes.stop, Processes(processes.records, tmp_path).end_orphans):
        running = processes.ready(processes.launch(program(PARENT, says="\n")))
        child = record_of("child", int(running.address))
        assert {each.pid for each in processes.alive()} == {running.pid, child.pid}
        running.process.kill()
        running.process.wait()
        assert child.is_alive()
        ends()
        assert not child.is_alive()
        assert processes.alive() == []


def test_a_process_that_got_the_number_of_another_is_left_alone(tmp_path: Path) -> None:
    processes = Processes(tmp_path / "processes.json", tmp_path)
    with subprocess.Popen([sys.executable, "-c", SLEEPS]) as somebody:
        record = record_of("it", somebody.pid)
        for other in (replace(record, began="another-boot 1"), replace(record, began="")):
            assert not other.is_alive()
            write_json(processes.records, [asdict(other)])
            assert processes.end_orphans() == []
            other.signal(signal.SIGKILL)
        assert record.is_alive()
        somebody.kill()


def test_a_dead_process_that_nobody_has_buried_counts_as_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert record_of("it", process.pid).began == ""
    process.wait()


def test_ending_what_is_gone_does_nothing() -> None:
    end([Record("it", 2**22 - 1, "some-boot 1")])


def test_a_program_does_nothing_if_we_die_before_it_is_written_down(tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_BEFORE, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    pid = int(killed.stdout)
    for _ in range(500):
        if record_of("marker", pid).began == "":
            break
        threading.Event().wait(0.02)
    assert record_of("marker", pid).began == ""
    assert not (tmp_path / "acted").exists()


def test_half_a_file_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    assert read_json(path, [1]) == [1]
    path.write_text('{"half":')
    assert read_json(path, [1]) == [1]
    write_json(path, {"whole": True})
    assert read_json(path, None) == {"whole": True}
    assert path.stat().st_mode & 0o777 == 0o600


def test_settings_of_others_are_left_out_of_the_environment() -> None:
    assert without_ours({"CHUKAN_HOME": "/x", "PATH": "/bin", "LANG": "ja"}) == {"PATH": "/bin", "LANG": "ja"}
