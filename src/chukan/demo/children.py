"""The processes that the demonstration starts, in this order: name, command, and how one sees that it is ready."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Sequence
from contextlib import closing
from http import HTTPStatus

from chukan.demo.front import is_served
from chukan.demo.installation import Installation
from chukan.demo.processes import Program, Running, chukan
from chukan.platform.database.roles import ProcessKind
from chukan.platform.jobs import store as jobs
from chukan.platform.jobs.rules import RunState

#: A lead that a killed scheduler still holds keeps the next one waiting for so long.
_LEASE_SECONDS = "5"
#: Told to end, jobs in hand may still take so long.
_DRAIN_SECONDS = "10"
#: Among so many of the newest runs one of the new worker's is looked for.
_NEWEST_RUNS = 50
_ANSWER_SECONDS = 5.0


def mail_server() -> Program:
    """Return the mail server that takes what the platform sends: it listens before there are settings."""
    return Program("mail", ("-m", "chukan_simulators.mail_server"), _ports_told, serves_others=True)


def platform_processes(installation: Installation) -> Sequence[Program]:
    """Return the platform's own processes; whoever writes another one adds it here."""
    return (
        chukan("scheduler", "scheduler", "--lease", _LEASE_SECONDS, ready=_leads(installation)),
        chukan("worker", "worker", "--drain", _DRAIN_SECONDS, ready=_has_worked(installation)),
        chukan("console", "serve", "console", ready=_answers(installation)),
        Program("gateway", ("-m", "chukan.demo.gateway"), _takes(installation)),
    )


def smtp_port(mail: Running) -> int:
    """Return at which port of this machine the running mail server takes mails."""
    return int(_told(mail)["smtp"])


def _ports_told(mail: Running) -> str | None:
    """Return where the mails that it took can be seen, once it has said so."""
    if not mail.log.read_text("utf-8").endswith("\n"):
        return None
    return f"http://127.0.0.1:{_told(mail)['control']}/mails"


def _told(mail: Running) -> dict[str, int]:
    told: dict[str, int] = json.loads(mail.log.read_text("utf-8").splitlines()[0])
    return told


def _leads(installation: Installation) -> Callable[[Running], str | None]:
    def ready(scheduler: Running) -> str | None:
        with installation.engine(ProcessKind.SCHEDULER).connect() as connection:
            lease = jobs.lease(connection)
        return "" if not lease.has_ended and lease.holder == _name(scheduler) else None

    return ready


def _has_worked(installation: Installation) -> Callable[[Running], str | None]:
    def ready(worker: Running) -> str | None:
        with installation.engine(ProcessKind.SCHEDULER).connect() as connection:
            runs = jobs.history(connection, None, limit=_NEWEST_RUNS)
        done = any(run.worker == _name(worker) and run.state is RunState.SUCCEEDED for run in runs)
        return "" if done else None

    return ready


def _answers(installation: Installation) -> Callable[[Running], str | None]:
    settings = installation.settings

    def ready(_console: Running) -> str | None:
        return settings.external_url if is_served(settings) else None

    return ready


def _takes(installation: Installation) -> Callable[[Running], str | None]:
    gateway = installation.settings.gateway

    def ready(_gateway: Running) -> str | None:
        asked = http.client.HTTPConnection("127.0.0.1", gateway.probe_port, timeout=_ANSWER_SECONDS)
        try:
            with closing(asked):
                asked.request("GET", "/healthz")
                is_there = asked.getresponse().status == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return None
        return f"https://{gateway.host}:{gateway.port}" if is_there else None

    return ready


def _name(running: Running) -> str:
    """Return how the platform's processes call themselves: host and process."""
    return f"{socket.gethostname()}:{running.pid}"
