"""Programs in processes of their own, forked from one that has loaded the product already.

Loading takes two seconds of a core, which hundreds of processes would each pay; what runs, and what is killed, is a
process like any other. The environment is that of the caller at the time of the call.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_PATIENCE = 120


class Started:
    """A process that was started, with the part of ``subprocess.Popen`` that tests need."""

    def __init__(self, act: Callable[[str], None], argument: str, output: Path, errors: Path) -> None:
        forks = get_context("forkserver")
        forks.set_forkserver_preload(["chukan.cli"])
        given = (act, argument, str(output), str(errors), dict(os.environ))
        self._process: ForkServerProcess = forks.Process(target=_run, args=given)
        self._process.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Return how it ended, minus the signal if one ended it; None while it lives."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return how it ended; raises ``subprocess.TimeoutExpired``."""
        self._process.join(timeout)
        ended = self.poll()
        if ended is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return ended

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it lives."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, if it lives."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end, if it lives."""
        self.send_signal(signal.SIGTERM)


def started(program: Path, *arguments: str, output: Path) -> Started:
    """Start the Python program *program*; what it prints goes to the file *output*."""
    return Started(_file, "\0".join((str(program), *arguments)), output, output)


def ended(program: Path, *arguments: str, patience: float = _PATIENCE) -> subprocess.CompletedProcess[str]:
    """Run the Python program *program* to its end; raises ``subprocess.TimeoutExpired``."""
    return _ended(_file, (str(program), *arguments), patience)


def chukan(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run ``chukan`` with *arguments* in an *environment* of its own, to its end."""
    given = [f"{name}={value}" for name, value in environment.items()]
    return _ended(_chukan, (str(len(given)), *given, *arguments), _PATIENCE)


def _ended(act: Callable[[str], None], words: tuple[str, ...], patience: float) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = Started(act, "\0".join(words), out, err)
        try:
            code = process.wait(patience)
        finally:
            process.kill()
        return subprocess.CompletedProcess(words, code, out.read_text("utf-8"), err.read_text("utf-8"))


def _run(act: Callable[[str], None], argument: str, output: str, errors: str, environment: dict[str, str]) -> None:
    for descriptor, path in ((1, output), (2, errors)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, descriptor)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    act(argument)


def _file(argument: str) -> None:
    sys.argv = argument.split("\0")
    runpy.run_path(sys.argv[0], run_name="__main__")


def _chukan(argument: str) -> None:
    from chukan.cli import main

    count, *words = argument.split("\0")
    os.environ.clear()
    os.environ.update(dict(word.split("=", 1) for word in words[: int(count)]))
    sys.argv = ["chukan", *words[int(count) :]]
    sys.exit(main())
