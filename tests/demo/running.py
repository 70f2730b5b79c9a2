"""``chukan demo`` as the newcomer runs it: in a process of its own, watched by what it prints."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chukan.demo.place import Place
from chukan.demo.processes import Record, read_json
from chukan.platform.database.embedded import EmbeddedCluster

CHUKAN = (sys.executable, "-c", "import sys; from chukan.cli import main; sys.exit(main())")
SMALL = ("--organisations", "60", "--tenants", "4")
UP = "Ctrl-C stops all of it."
#: What leads another installation's commands must not lead the demonstration there.
ENVIRONMENT = {
    "LANG": "en_US.UTF-8",
    "LC_ALL": "en_US.UTF-8",
    "COLUMNS": "200",
    "CHUKAN_DATABASE__URL": "postgresql://127.0.0.1:1/nowhere",
}


def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``chukan demo …`` to its end."""
    return subprocess.run(
        [*CHUKAN, "demo", *arguments],
        capture_output=True, text=True, timeout=200, check=False, env={**os.environ, **ENVIRONMENT},
    )  # fmt: skip


@dataclass
class Run:
    """One ``chukan demo up`` in *home*."""

    home: Path
    said: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def begin(cls, home: Path, said: Path, *options: str) -> Run:
        with said.open("wb") as out:
            command = [*CHUKAN, "demo", "up", "--directory", str(home), *options]
            environment = {**os.environ, **ENVIRONMENT, "HOME": str(said.parent / "home")}
            process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment)
        return cls(home, said, process)

    @property
    def place(self) -> Place:
        return Place(self.home.resolve())

    def told(self) -> str:
        return self.said.read_text("utf-8")

    def until_told(self, words: str, *, seconds: float = 150) -> None:
        """Wait until it has printed *words*."""
        deadline = time.monotonic() + seconds  # noqa: TID251 - the tests wait for real processes
        while words not in self.told():
            assert self.process.poll() is None, self.told()
            assert time.monotonic() < deadline, self.told()  # noqa: TID251 - as above
            time.sleep(0.02)

    def started(self) -> Sequence[Record]:
        """Return the processes that it wrote down, and that live."""
        found: list[dict[str, Any]] = read_json(self.home / "processes.json", [])
        records = [Record(**each) for each in found]
        return [record for record in records if record.is_alive()]

    def server(self) -> int | None:
        """Return the database server's process, if it lives."""
        return EmbeddedCluster(self.place.embedded).server_pid()

    def end(self, number: signal.Signals) -> int:
        """Send it a signal, and return how it ended."""
        self.process.send_signal(number)
        return self.process.wait(timeout=60)
