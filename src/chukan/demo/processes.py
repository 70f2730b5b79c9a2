"""Processes that the demonstration starts, and those that a killed one left behind: each known by its own id.

A process is written down before it does anything: it waits for our word, and ends if we die before giving it.
So the next run finds by their records all that may be running, and ends them; a process id that somebody else
has by now is told apart by the instant at which that process began. What such a process started itself is known
by a variable in its environment, if its parent was killed before it could end it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from chukan.demo.errors import ProcessEnded, Stalled
from chukan.platform.clock import monotonic
from chukan.platform.settings.leaves import PREFIX

T = TypeVar("T")

#: Waits for one line, then becomes the program; at the end of its input it ends instead.
_HELD = 'read -r word && exec "$@" </dev/null'
_PYTHON = (sys.executable, "-P")
#: Holds the path of the records, for every process and those that it starts.
_MARK = "DEMONSTRATION_RECORDS"
_READY_SECONDS = 60.0
#: Longer than a process takes that ends others first, as the console does with its front.
_END_SECONDS = 45.0
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Record:
    """One process on this machine: its id, and when it began, in the kernel's words."""

    name: str
    pid: int
    began: str

    def is_alive(self) -> bool:
        """Return whether this very process lives."""
        return self.began != "" and _began(self.pid) == self.began

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it lives.

        Raises:
            PermissionError: it is another user's.
        """
        if self.is_alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def record_of(name: str, pid: int) -> Record:
    """Return the record of the living process *pid*."""
    return Record(name, pid, _began(pid))


def _began(pid: int) -> str:
    """Return the boot and the tick at which *pid* began, or nothing if it is gone (or dead and not yet buried)."""
    try:
        # The name in brackets may hold anything, blanks and brackets too.
        state, *rest = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return "" if state in "ZX" else f"{boot} {rest[18]}"


@dataclass(frozen=True)
class Program:
    """A program to be started: what Python is given, and how one sees that it is ready (None: not as yet).

    What *ready* returns is the address under which it is reached, or nothing. One that serves others ends after them.
    """

    name: str
    arguments: tuple[str, ...]
    ready: Callable[[Running], str | None]
    serves_others: bool = False


def chukan(name: str, *arguments: str, ready: Callable[[Running], str | None]) -> Program:
    """Return ``chukan`` with *arguments* as a program, whatever the place that it is installed in."""
    start = ("-c", "import sys; from chukan.cli import main; sys.exit(main())")
    return Program(name, (*start, *arguments), ready)


@dataclass(frozen=True)
class Running:
    """A started program."""

    program: Program
    process: subprocess.Popen[bytes]
    log: Path
    address: str = ""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def require_alive(self) -> None:
        """Let it pass if it runs.

        Raises:
            ProcessEnded: it does not.
        """
        if (code := self.process.poll()) is not None:
            raise ProcessEnded(process=self.program.name, exit_code=code, log=self.log)


@dataclass
class Processes:
    """All that is started in one folder: recorded in *records*, their words in the folder *logs*."""

    records: Path
    logs: Path
    #: For all of them: where the settings are.
    environment: Mapping[str, str] = field(default_factory=dict)
    running: list[Running] = field(default_factory=list)

    def launch(self, program: Program) -> Running:
        """Start *program*, written down before it does anything."""
        log = self.logs / f"{program.name}.out"
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - our own programs, arguments as a list
                ["/bin/sh", "-c", _HELD, "held", *_PYTHON, *program.arguments],
                stdin=subprocess.PIPE, stdout=out, stderr=out, cwd=self.logs,
                env={**without_ours(os.environ), **self.environment, _MARK: str(self.records)},
                start_new_session=True,  # Ctrl-C is for us; we tell them, in the right order
            )  # fmt: skip
        running = Running(program, process, log)
        self.running.append(running)
        self._write([record_of(each.program.name, each.pid) for each in self.running])
        if process.stdin is not None:
            with process.stdin as held:
                held.write(b"go\n")
        return running

    def ready(self, running: Running) -> Running:
        """Wait until what was launched is ready, and return it with its address.

        Raises:
            ProcessEnded: it ended instead.
            Stalled: it did not get ready.
        """
        begun = monotonic()
        while (address := running.program.ready(running)) is None:
            running.require_alive()
            if monotonic() - begun > _READY_SECONDS:
                raise Stalled(what=running.program.name, seconds=round(_READY_SECONDS), log=running.log)
            threading.Event().wait(_LOOK_SECONDS)
        ready = replace(running, address=address)
        self.running[self.running.index(running)] = ready
        return ready

    def require_all_alive(self) -> None:
        """Let them pass if all run; raises as ``Running.require_alive``."""
        for running in self.running:
            running.require_alive()

    def stop(self) -> None:
        """End what was started, and wait: first all that others do not need, at once, and then those."""
        for serves_others in (False, True):
            _stop([each.process for each in self.running if each.program.serves_others is serves_others])
        end(self.alive())
        self.running.clear()
        self._write([])

    def end_orphans(self) -> list[str]:
        """End what a killed run left running, and return the names."""
        orphans = [each for each in self._read() if each.is_alive()]
        end(orphans)
        left = self.alive()
        end(left)
        self._write([])
        return [orphan.name for orphan in (*orphans, *left)]

    def alive(self) -> list[Record]:
        """Return every process that was started here, or by one that was, and lives."""
        mark = os.fsencode(f"{_MARK}={self.records}")
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # another user's, or gone by now
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(record_of((folder / "comm").read_text("utf-8", "replace").strip(), int(folder.name)))
        return [record for record in found if record.pid != os.getpid()]

    def _read(self) -> list[Record]:
        found: list[dict[str, Any]] = read_json(self.records, [])
        return [Record(**each) for each in found]

    def _write(self, records: Sequence[Record]) -> None:
        write_json(self.records, [asdict(record) for record in records])


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    deadline = monotonic() + _END_SECONDS
    for process in processes:
        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
    for process in processes:
        try:
            process.wait(max(deadline - monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def end(records: Iterable[Record]) -> None:
    """Ask the processes of *records* to end, wait, and kill those that do not."""
    alive = [record for record in records if record.is_alive()]
    for number, patience in ((signal.SIGTERM, _END_SECONDS), (signal.SIGKILL, _END_SECONDS)):
        for record in alive:
            record.signal(number)
        begun = monotonic()
        while alive and monotonic() - begun < patience:
            threading.Event().wait(_LOOK_SECONDS)
            alive = [record for record in alive if record.is_alive()]


def without_ours(variables: Mapping[str, str]) -> dict[str, str]:
    """Return *variables* without the settings in them: they are another installation's."""
    return {name: value for name, value in variables.items() if not name.startswith(PREFIX)}


def read_json(path: Path, otherwise: T) -> T:
    """Return what the file holds, or *otherwise* if there is none, or half of one."""
    try:
        found: T = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return otherwise
    return found


def write_json(path: Path, content: object) -> None:
    """Write the file whole or not at all, for this user alone."""
    part = path.with_name(f"{path.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False, indent=2)
    part.replace(path)
