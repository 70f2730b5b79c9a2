"""The process ``chukan worker``: runs what was fired; any number of them work side by side."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

import click
from click.globals import pop_context, push_context

from chukan.platform.clock import SystemClock
from chukan.platform.command_line import TranslatedCommand
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.serving import serving
from chukan.platform.jobs.cli import Jobs, metrics_port_option
from chukan.platform.jobs.working import Worker, WorkerOptions
from chukan.platform.logs import configure_logs
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.platform.vault.collector import VaultCollector
from chukan.platform.vault.providers import key_provider
from chukan.platform.web.metrics import answering


def worker_command(all_jobs: Jobs) -> click.Command:
    """Return the command over *all_jobs*, every component's jobs."""

    @click.command("worker", cls=TranslatedCommand)
    @click.option("--once", is_flag=True, help="Do what waits, and end.")
    @click.option("--concurrency", type=click.IntRange(1, 64), default=4, help="Jobs that run at once.")
    @click.option(
        "--poll",
        type=click.FloatRange(0.05, 60),
        default=1.0,
        metavar="SECONDS",
        help="Between two looks at the queue.",
    )
    @click.option(
        "--drain",
        type=click.FloatRange(0),
        default=60.0,
        metavar="SECONDS",
        help="Told to end, how long jobs in hand may still take.",
    )
    @metrics_port_option
    @pass_settings
    def worker(
        settings: Settings, *, once: bool, concurrency: int, poll: float, drain: float, metrics_port: int | None
    ) -> None:
        """Run the jobs that were fired or asked for."""
        configure_logs(settings.logs, process="worker")
        options = WorkerOptions(
            name=f"{socket.gethostname()}:{os.getpid()}",
            concurrency=concurrency,
            poll=timedelta(seconds=poll),
            drain=timedelta(seconds=drain),
        )
        with (
            serving(settings.database),
            engine_of(settings.database, ProcessKind.WORKER) as engine,
            # Of all processes that are always there the worker alone may read wrapped keys.
            answering(metrics_port, [VaultCollector(engine, key_provider(settings.vault), SystemClock())]),
        ):
            Worker(settings.database, engine, all_jobs(), options, around=_in_this_command()).run(once=once)

    return worker


def _in_this_command() -> Callable[[], AbstractContextManager[None]]:
    """Return what lets a thread find this command's settings, as its main thread does."""
    context = click.get_current_context()

    @contextmanager
    def around() -> Iterator[None]:
        push_context(context)
        try:
            yield
        finally:
            pop_context()

    return around
