"""Serving an application: gunicorn on a Unix socket, and Caddy in front of it, started and ended together.

Gunicorn alone stops when a dozen clients fall silent; the front terminates TLS, bounds slow clients and sizes, and
overwrites the headers that say where a request came from (decision 31). Where the operator has a front of their own,
the application is served alone, on a socket that its group may open (config/nginx).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sysconfig
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]  # it has no annotations
from typing_extensions import override

from chukan.platform.logs import get_logger
from chukan.platform.web.errors import FrontMissing, ServingEnded

log = get_logger(__name__)

#: How long a process that was told to end may take before it is killed.
_PATIENCE = 20.0
_LOOK_EVERY = 0.2


@dataclass(frozen=True)
class Front:
    """The front's configuration (a Caddyfile), the values that it takes from its environment, and its admin socket."""

    caddyfile: Path
    values: Mapping[str, str]
    admin: Path


@dataclass(frozen=True)
class Backend:
    """An application behind the front; ``make`` is called in the process that serves it.

    ``for_group`` lets the group of the process open the socket too, for a front that runs as somebody else. The
    process is called ``chukan-`` and *name*, where the system lists its processes.
    """

    make: Callable[[], Flask]
    socket: Path
    threads: int
    for_group: bool = False
    name: str = "web"


@dataclass(frozen=True)
class Told:
    """What the one who serves has been told: to end, or to have the front read its certificates again."""

    stop: threading.Event = field(default_factory=threading.Event)
    reload: threading.Event = field(default_factory=threading.Event)


def told_by_signals() -> Told:
    """Return what the signals of this process tell: SIGTERM and SIGINT to end, SIGHUP to read certificates again."""
    told = Told()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.stop.set())
    signal.signal(signal.SIGHUP, lambda *_: told.reload.set())
    return told


def serve(backend: Backend, front: Front | None, told: Told) -> None:
    """Serve until told to stop; if front or application ends by itself the other one is ended too.

    Without a *front* the application alone is served, on its socket.

    Raises:
        FrontMissing: the program ``caddy`` is not installed.
        ServingEnded: front or application ended without being told to.
    """
    with _application(backend) as application, _caddy(front) as caddy:
        while not told.stop.wait(_LOOK_EVERY):
            if application.exitcode is not None:
                raise ServingEnded(program="gunicorn", exit_code=application.exitcode)
            if caddy is not None and (code := caddy.poll()) is not None:
                raise ServingEnded(program="caddy", exit_code=code)
            if front is not None and told.reload.is_set():
                told.reload.clear()
                _reload(front)


def caddy_program() -> str:
    """Return the path of the front's program: the wheel's, else the machine's own.

    Raises:
        FrontMissing: there is neither.
    """
    ours = Path(sysconfig.get_path("scripts")) / "caddy"
    found = str(ours) if ours.exists() else shutil.which("caddy")
    if found is None:
        raise FrontMissing
    return found


@contextmanager
def _application(backend: Backend) -> Iterator[BaseProcess]:
    """Run gunicorn in a process of its own, which is there before any thread is."""
    process = get_context("fork").Process(target=_run_gunicorn, args=(backend,), name="gunicorn")
    process.start()
    try:
        yield process
    finally:
        process.terminate()
        process.join(_PATIENCE)
        if process.is_alive():
            process.kill()
            process.join()


@contextmanager
def _caddy(front: Front | None) -> Iterator[subprocess.Popen[bytes] | None]:
    if front is None:
        yield None
        return
    process = subprocess.Popen(  # noqa: S603 - our own program
        _caddy_command(front, "run"), env=_caddy_environment(front), start_new_session=True
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _reload(front: Front) -> None:
    """Have the front take up its certificates anew without losing a connection; if it cannot, the old ones stay."""
    address = ("--address", f"unix/{front.admin}", "--force")
    command = [*_caddy_command(front, "reload"), *address]
    try:
        done = subprocess.run(  # noqa: S603 - as above
            command, env=_caddy_environment(front), check=False, capture_output=True, timeout=_PATIENCE
        )
    except subprocess.TimeoutExpired as error:
        log.exception("front not reloaded", exc_info=error)
        return
    if done.returncode:
        log.error("front not reloaded", exit_code=done.returncode)
    else:
        log.info("front reloaded")


def _caddy_command(front: Front, act: str) -> list[str]:
    return [caddy_program(), act, "--config", str(front.caddyfile), "--adapter", "caddyfile"]


def _caddy_environment(front: Front) -> dict[str, str]:
    # What Caddy keeps for itself lies with the socket: the home of whoever runs it is left alone.
    own = str(front.admin.parent)
    return {**os.environ, "XDG_DATA_HOME": own, "XDG_CONFIG_HOME": own, **front.values}


def _run_gunicorn(backend: Backend) -> None:
    # Ctrl-C reaches the whole group of a terminal: who serves is told to end by the parent alone.
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    _Gunicorn(backend).run()


class _Gunicorn(BaseApplication):  # type: ignore[misc]  # gunicorn is not typed
    """Gunicorn with one worker process of several threads: its counters are the process's, and so is /metrics.

    One is enough for the operators of one platform, who wait for the database and not for Python; ``metrics`` says
    what several would cost.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        super().__init__()

    @override
    def load_config(self) -> None:
        given: dict[str, Any] = {
            "bind": f"unix:{self._backend.socket}",
            "umask": 0o117 if self._backend.for_group else 0o177,
            "workers": 1,
            "worker_class": "gthread",
            "threads": self._backend.threads,
            "graceful_timeout": 10,
            "proc_name": f"chukan-{self._backend.name}",
            "errorlog": os.devnull,
            "capture_output": False,
            "accesslog": None,
            "control_socket_disable": True,
        }
        for name, value in given.items():
            self.cfg.set(name, value)

    @override
    def load(self) -> Flask:
        return self._backend.make()


def private_directory(path: Path, *, for_group: bool = False) -> Path:
    """Return *path* as an absolute folder that its owner alone may enter, made if it is not there.

    With *for_group* the group may pass through it to what it knows by name, and neither list nor change it.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o710 if for_group else 0o700)
    return path.resolve()
