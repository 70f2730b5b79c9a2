"""The worker process: procrastinate hands out entries of the queue, and each is one attempt of a run.

Entries are asked for, not announced (migration 0005 says why). The heartbeat is our own, because procrastinate's
ends for good with the first statement that fails. A worker that loses the database begins anew, with growing
pauses, as long as it takes; a job that it has in hand goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from procrastinate import App, PsycopgConnector
from procrastinate.worker import Worker as QueueWorker
from sqlalchemy import Engine

from chukan.platform.component import Job
from chukan.platform.database.engines import address, session_options
from chukan.platform.database.roles import ProcessKind, RoleNames
from chukan.platform.database.secrets import process_password
from chukan.platform.jobs import metrics, store
from chukan.platform.jobs.attempts import Attempts
from chukan.platform.jobs.service import recover_runs
from chukan.platform.logs import get_logger
from chukan.platform.settings import DatabaseSettings

QUEUE = "chukan"
TASK = "chukan.run"
#: Its functions name their tables without a schema.
QUEUE_SEARCH_PATH = "procrastinate,pg_temp"
_LONGEST_PAUSE_SECONDS = 30.0
_WATCH_SECONDS = 0.2
#: Procrastinate's own heartbeat is not to be used; it cannot be switched off.
_NEVER_SECONDS = 10.0**9

log = get_logger(__name__)


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker works; ``name`` (host and process) is what its runs say of it."""

    name: str
    #: Jobs at once, each in a thread.
    concurrency: int = 4
    #: Between two looks at the queue.
    poll: timedelta = timedelta(seconds=1)
    #: Runs of a worker that has been silent for so long are taken from it; it tells three times in that time.
    silence: timedelta = timedelta(seconds=30)
    #: Told to end, a worker gives the jobs in hand so long.
    drain: timedelta = timedelta(seconds=60)


class Worker:
    """Runs jobs until it is told to end (SIGTERM, SIGINT), or with ``once`` until nothing is left to do."""

    def __init__(
        self,
        settings: DatabaseSettings,
        engine: Engine,
        jobs: Sequence[Job],
        options: WorkerOptions,
        *,
        around: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """Work through the worker's *engine*; each attempt runs in a thread, inside *around*."""
        self._settings = settings
        self._engine = engine
        self._options = options
        self._attempts = Attempts(engine, jobs, worker=options.name, around=around)
        self._stop = asyncio.Event()

    def run(self, *, once: bool = False) -> None:
        """Work until told to end.

        A job that hangs cannot be ended but with its process: after its time, or the last grace, the process
        ends (EX_TEMPFAIL), to be started anew, and what it still had in hand is taken from it.
        """
        # Its messages quote arguments and errors; what matters of them is said here.
        logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
        asyncio.run(self._main(once=once))

    async def _main(self, *, once: bool) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        failures = 0
        while not self._stop.is_set():
            try:
                await self._session(once=once)
                failures = 0
            except Exception:
                log.exception("worker lost its database", attempt=failures + 1)
                metrics.RECONNECTS.inc()
                failures += 1
                await self._pause(min(2.0 ** (failures - 2), _LONGEST_PAUSE_SECONDS))
            else:
                if once and not await asyncio.to_thread(self._has_more):
                    return

    async def _session(self, *, once: bool) -> None:
        """Work on one registration with the queue, until told to end or something fails."""
        async with self._app().open_async() as app:
            worker = QueueWorker(
                app,
                queues=[QUEUE],
                name=self._options.name,
                concurrency=self._options.concurrency,
                wait=not once,
                fetch_job_polling_interval=self._options.poll.total_seconds(),
                listen_notify=False,
                delete_jobs="always",
                install_signal_handlers=False,
                update_heartbeat_interval=_NEVER_SECONDS,
                stalled_worker_timeout=self._options.silence.total_seconds(),
            )
            await self._recover()
            working = asyncio.create_task(worker.run())  # type: ignore[no-untyped-call]
            beside = [asyncio.create_task(each) for each in (self._beat(app, worker), self._watch(worker, working))]
            log.info("worker started", pid=os.getpid())
            try:
                await working
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)
        log.info("worker ended", pid=os.getpid())

    async def _beat(self, app: App, worker: QueueWorker) -> None:
        """Tell that this worker lives, and look after those that do not."""
        while True:
            await asyncio.sleep(self._options.silence.total_seconds() / 3)
            if worker.worker_id is not None:
                await self._tried("heartbeat", app.job_manager.update_heartbeat(worker.worker_id))
                await self._tried("recovery", self._recover())

    async def _watch(self, worker: QueueWorker, working: asyncio.Task[None]) -> None:
        """Stop when told to, or when a job hangs; end the process if that takes too long."""
        while not self._attempts.overdue() and not await self._pause(_WATCH_SECONDS):
            pass
        worker.stop()  # type: ignore[no-untyped-call]
        until = asyncio.get_running_loop().time() + self._options.drain.total_seconds()
        while not working.done():
            await self._tried("time limit", asyncio.to_thread(self._attempts.fail_overdue))
            hanging, running = self._attempts.hanging(), self._attempts.count()
            if asyncio.get_running_loop().time() >= until or (hanging and hanging == running):
                log.error("worker ends with jobs in hand", count=running)
                _end_process()
            await asyncio.sleep(_WATCH_SECONDS)

    def _has_more(self) -> bool:
        """Return whether something can be done: runs of one job wait for one another."""
        with self._engine.connect() as connection:
            return store.has_work(connection)

    async def _recover(self) -> None:
        await asyncio.to_thread(recover_runs, self._engine, silence=self._options.silence)

    async def _tried(self, what: str, act: Coroutine[Any, Any, object]) -> None:
        try:
            await act
        except Exception:
            log.exception("worker could not reach the database", action=what)

    async def _pause(self, seconds: float) -> bool:
        """Wait *seconds*, or until told to end; return whether that was so."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)
        return self._stop.is_set()

    def _app(self) -> App:
        app = App(connector=PsycopgConnector(**queue_pool(self._settings, self._options)))
        app.task(name=TASK, queue=QUEUE)(self._attempts.make)
        return app


def queue_pool(settings: DatabaseSettings, options: WorkerOptions) -> dict[str, Any]:
    """Return the arguments of procrastinate's connection pool: the worker's log-in, in the queue's schema."""
    connection = {
        **address(settings),
        "user": RoleNames(settings.role_prefix).process(ProcessKind.WORKER),
        "password": process_password(settings.secrets_directory, ProcessKind.WORKER),
        "options": session_options(
            search_path=QUEUE_SEARCH_PATH,
            statement_ms=settings.statement_timeout_ms,
            lock_ms=settings.lock_timeout_ms,
            idle_transaction_ms=settings.tenant_sessions.idle_in_transaction_timeout_ms,
        ),
        "prepare_threshold": None,
        "connect_timeout": 10,
    }
    # A caller waits less than a third of the silence, so that a heartbeat that fails is tried again in time.
    patience = max(1.0, options.silence.total_seconds() / 4)
    return {"kwargs": connection, "min_size": 1, "max_size": 4, "timeout": patience, "num_workers": 1}


def _end_process() -> None:
    sys.stdout.flush()
    logging.shutdown()
    os._exit(os.EX_TEMPFAIL)
