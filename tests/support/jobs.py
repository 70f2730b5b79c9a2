"""What the jobs' tests share: a database with jobs, and real schedulers and workers over it."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from chukan.platform.component import Job
from chukan.platform.database.roles import ProcessKind
from chukan.platform.jobs.leader import Leader
from support.database import Database
from support.program import Started, started

PROGRAM = Path(__file__).parent.parent / "jobs" / "process.py"


def until(condition: Callable[[], object], *, seconds: float = 40) -> None:
    """Wait until *condition* holds; fail after *seconds*."""
    deadline = time.monotonic() + seconds  # noqa: TID251 - the tests wait for real processes
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"  # noqa: TID251 - as above
        threading.Event().wait(0.05)


@dataclass
class Works:
    """A database with jobs, and the doors that a test needs."""

    database: Database
    home: Path
    _processes: list[Started] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scheduler: Engine = self.database.engine(ProcessKind.SCHEDULER)
        self.worker: Engine = self.database.engine(ProcessKind.WORKER)

    def leader(self, jobs: Sequence[Job], holder: str = "one", lease: float = 30) -> Leader:
        return Leader(self.scheduler, jobs, holder=holder, lease=timedelta(seconds=lease))

    def ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask, or change, as a superuser."""
        with self.database.superuser() as superuser:
            cursor = superuser.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def one(self, statement: str, *values: object) -> Any:
        return self.ask(statement, *values)[0][0]

    def end_lease(self) -> None:
        """Let the lease be over, as if its time had passed."""
        self.ask("update platform.job_leader set lease_until = clock_timestamp()")

    def effects(self) -> None:
        """Make the tables in which the processes' jobs leave their effects."""
        key = "primary key (job, scheduled_for)"
        self.ask(f"create table platform.effect (job text, scheduled_for timestamptz, pid int, {key})")
        self.ask("create table platform.try (job text, scheduled_for timestamptz, pid int)")
        worker = self.database.names.process(ProcessKind.WORKER)
        self.ask(f"grant select, insert on platform.effect, platform.try to {worker}")

    def end_runs(self) -> None:
        """Let every run have succeeded."""
        self.ask("update platform.job_run set state = 'succeeded', finished_at = now() where finished_at is null")

    def run_process(self, kind: str, **options: object) -> Started:
        """Start a real scheduler or worker over the jobs of ``process.py``."""
        settings = self.database.settings.model_dump_json()
        log = self.home / f"{kind}-{len(self._processes)}.log"
        process = started(PROGRAM, settings, kind, json.dumps({"home": str(self.home), **options}), output=log)
        self._processes.append(process)
        return process

    def logs(self) -> str:
        return "".join(path.read_text() for path in sorted(self.home.glob("*.log")))

    def end_processes(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGCONT)
                process.kill()
            process.wait()
