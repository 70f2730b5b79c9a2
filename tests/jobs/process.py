"""A real scheduler or worker over jobs of the tests' own; started, stopped and killed by them.

Arguments: database settings (JSON), which process, options (JSON). A job leaves one row in ``platform.try`` for
each attempt, and its effect in ``platform.effect``, keyed by job and scheduled time.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from apscheduler.schedulers import base  # type: ignore[import-untyped]
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from typing_extensions import override

from chukan.platform.clock import SystemClock
from chukan.platform.component import CatchUp, Job
from chukan.platform.database.engines import process_engine
from chukan.platform.database.errors import DatabaseUnreachable
from chukan.platform.database.roles import ProcessKind
from chukan.platform.jobs.leader import Leader
from chukan.platform.jobs.scheduling import Scheduler
from chukan.platform.jobs.working import Worker, WorkerOptions
from chukan.platform.logs import configure_logs
from chukan.platform.settings import DatabaseSettings, LogSettings

TRY = text("insert into platform.try values (:job, :at, :pid)")
EFFECT = text("insert into platform.effect values (:job, :at, :pid) on conflict do nothing")


class MovedClock(SystemClock):
    """The machine's clock, put forward or back by what a file says (seconds)."""

    def __init__(self, home: Path) -> None:
        self._file = home / "clock"

    @override
    def now(self) -> datetime:
        offset = 0.0
        with suppress(OSError, ValueError):
            offset = float(self._file.read_text())
        return super().now() + timedelta(seconds=offset)


def jobs(engine: Engine, home: Path) -> list[Job]:
    """Return the jobs of the tests."""

    def write(statement: Any, job: str, at: datetime) -> None:
        while True:
            try:
                with engine.begin() as connection:
                    connection.execute(statement, {"job": job, "at": at, "pid": os.getpid()})
            except (DBAPIError, DatabaseUnreachable):
                threading.Event().wait(0.1)
            else:
                return

    def does(job: str, between: Callable[[], object] = bool) -> Callable[[datetime], None]:
        def run(at: datetime) -> None:
            write(TRY, job, at)
            between()
            write(EFFECT, job, at)

        return run

    def released() -> None:
        while not (home / "release").exists():
            threading.Event().wait(0.05)

    return [
        Job("tick", does("tick"), every=timedelta(seconds=1), catch_up=CatchUp.ALL),
        Job("slow", does("slow", released), timeout=timedelta(minutes=5)),
        Job("quick", does("quick")),
        Job("hang", does("hang", threading.Event().wait), timeout=timedelta(seconds=1), max_attempts=1),
    ]


def run_scheduler(settings: DatabaseSettings, home: Path, options: dict[str, Any]) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    clock = MovedClock(home)
    # APScheduler asks the machine for the time in this one place.
    base.datetime = SimpleNamespace(now=lambda zone: clock.now().astimezone(zone))
    lease = timedelta(seconds=options["lease"])
    engine = process_engine(settings, ProcessKind.SCHEDULER)
    leader = Leader(engine, jobs(engine, home), holder=f"pid:{os.getpid()}", lease=lease)
    Scheduler(leader, lease=lease, clock=clock).run(stop)
    engine.dispose()


def run_worker(settings: DatabaseSettings, home: Path, options: dict[str, Any]) -> None:
    engine = process_engine(settings, ProcessKind.WORKER)
    poll, silence, drain = (timedelta(seconds=options.get(name, 60)) for name in ("poll", "silence", "drain"))
    how = WorkerOptions(name=f"pid:{os.getpid()}", poll=poll, silence=silence, drain=drain)
    Worker(settings, engine, jobs(engine, home), how).run(once=bool(options.get("once")))
    engine.dispose()


def main(database: str, kind: str, given: str) -> None:
    options = json.loads(given)
    configure_logs(LogSettings(), process=kind)
    settings = DatabaseSettings.model_validate_json(database)
    {"scheduler": run_scheduler, "worker": run_worker}[kind](settings, Path(options["home"]), options)


if __name__ == "__main__":
    main(*sys.argv[1:])
