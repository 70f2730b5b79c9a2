"""The process ``chukan scheduler``: fires what is due, or waits to take over from the one that does."""

from __future__ import annotations

import os
import signal
import socket
import threading
from datetime import timedelta

import click

from chukan.platform.command_line import TranslatedCommand
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.serving import serving
from chukan.platform.jobs.cli import Jobs, metrics_port_option
from chukan.platform.jobs.leader import Leader
from chukan.platform.jobs.scheduling import Scheduler
from chukan.platform.logs import configure_logs
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.platform.web.metrics import answering


def scheduler_command(all_jobs: Jobs) -> click.Command:
    """Return the command over *all_jobs*, every component's jobs."""

    @click.command("scheduler", cls=TranslatedCommand)
    @click.option(
        "--lease",
        type=click.FloatRange(1, 300),
        default=15.0,
        metavar="SECONDS",
        help="How long a leader that falls silent keeps the others waiting.",
    )
    @metrics_port_option
    @pass_settings
    def scheduler(settings: Settings, *, lease: float, metrics_port: int | None) -> None:
        """Fire the jobs that are due; of several schedulers one does, and the others wait."""
        configure_logs(settings.logs, process="scheduler")
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        length = timedelta(seconds=lease)
        holder = f"{socket.gethostname()}:{os.getpid()}"
        with (
            serving(settings.database),
            engine_of(settings.database, ProcessKind.SCHEDULER) as engine,
            answering(metrics_port),
        ):
            Scheduler(Leader(engine, all_jobs(), holder=holder, lease=length), lease=length).run(stop)

    return scheduler
