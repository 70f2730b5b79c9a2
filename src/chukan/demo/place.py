"""The demonstration's folder: who has it, where in it the installation is, and clearing it.

``lock`` (who runs it), ``processes.json``, ``operators.json``, ``settings/``, ``logs/``, ``network/`` (the simulated
national network's own), ``cards/`` (the certificates of the municipalities' systems) and ``system``, the installation
itself: the database with keys and seals. ``system`` comes into being whole, by a rename, once the database's server
has been initialised. Where PostgreSQL's user cannot get in (a checkout below /root), or the
path is too long for a socket, ``system`` is a link to a folder below /var/tmp.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from chukan.demo.errors import DemonstrationRuns, FolderOfOthers, FolderUnusable
from chukan.demo.network import Cards
from chukan.demo.processes import Processes, Record, end, read_json, record_of, write_json
from chukan.platform.clock import monotonic
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.errors import DirectoryUnusable
from chukan.platform.settings import EmbeddedSettings
from chukan.platform.settings.sources import CONFIG_DIRECTORY

_ELSEWHERE = Path("/var/tmp")  # noqa: S108 - mkdtemp makes a folder of our own in it
_ELSEWHERE_PREFIX = "chukan-demo-"
_FRESH = "system-"
#: Everything else that the demonstration puts into its folder; the lock goes last, it says whose the folder is.
_OURS = ("processes.json", "operators.json", "settings", "logs", "network", "cards", "system", "lock.json", "lock")
#: What a demonstration that is told to end may take, before it is killed.
_END_SECONDS = 90.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Place:
    """One demonstration's folder."""

    home: Path

    @property
    def system(self) -> Path:
        """The folder of the installation, without links."""
        return (self.home / "system").resolve()

    @property
    def settings(self) -> Path:
        """The folder of the settings, for ``CHUKAN_CONFIG_DIRECTORY``."""
        return self.home / "settings"

    @property
    def logs(self) -> Path:
        """The folder of the logs."""
        return self.home / "logs"

    @property
    def operators(self) -> Path:
        """The file of how the invented operators log in."""
        return self.home / "operators.json"

    @property
    def network(self) -> Path:
        """The folder of the simulated national network."""
        return self.home / "network"

    @property
    def cards(self) -> Cards:
        """The certificates of the municipalities' systems."""
        return Cards(self.home / "cards")

    @property
    def embedded(self) -> EmbeddedSettings:
        """The settings of the database's server."""
        return _embedded(self.system)

    def processes(self) -> Processes:
        """Return what is started here."""
        environment = {
            CONFIG_DIRECTORY: str(self.settings),
            # Where the console's front keeps what is its own, which would be the user's home.
            "XDG_DATA_HOME": str(self.home / "system" / "run"),
        }
        return Processes(self.home / "processes.json", self.logs, environment)

    def prepare(self) -> None:
        """Have everything there but what the database holds; what a killed run left half made is removed.

        Raises:
            DirectoryUnusable, ServerMissing, ServerNotStarted: no server can be initialised on this machine.
        """
        for folder in (self.settings, self.logs):
            folder.mkdir(exist_ok=True)
        self._remove_left()
        if not (self.home / "system").exists():
            _remove(self.home / "system")  # a link to what is gone
            self._initialise()

    def _initialise(self) -> None:
        fresh = self.home / f"{_FRESH}{secrets.token_hex(4)}"
        try:
            _make(fresh)
            try:
                _initialise(fresh)
            except DirectoryUnusable:
                _remove(fresh)
                fresh.symlink_to(tempfile.mkdtemp(prefix=_ELSEWHERE_PREFIX, dir=_ELSEWHERE))
                _make(fresh.resolve())
                _initialise(fresh)
            fresh.rename(self.home / "system")
        finally:
            _remove(fresh)

    def clear(self) -> None:
        """Remove all that the demonstration put here, and the folder if it is empty then."""
        self._remove_left()
        for name in _OURS:
            _remove(self.home / name)
        with suppress(OSError):  # somebody else put something there
            self.home.rmdir()

    def _remove_left(self) -> None:
        """Remove what was to become the installation when a run was killed."""
        for left in self.home.glob(f"{_FRESH}*"):
            stop_server(EmbeddedCluster(_embedded(left.resolve())))
            with suppress(OSError):  # what still writes into it ends by itself, and the next run comes again
                _remove(left)


@contextmanager
def held(home: Path) -> Iterator[Place]:
    """Have the folder for ourselves during the block; what a killed run left running is ended first.

    Raises:
        DemonstrationRuns: somebody else has it.
        FolderOfOthers, FolderUnusable: it is no folder for this.
    """
    place = Place(home.resolve())
    with _folder_errors(place.home):
        place.home.mkdir(parents=True, exist_ok=True)
        if not (place.home / "lock").exists() and any(place.home.iterdir()):
            raise FolderOfOthers(directory=place.home)
        lock = _locked(place.home / "lock")
    if lock is None:
        raise DemonstrationRuns(directory=place.home)
    with lock:
        write_json(_holder(place), asdict(record_of("demo", os.getpid())))
        place.logs.mkdir(exist_ok=True)
        place.processes().end_orphans()
        yield place


def reset(home: Path) -> bool:
    """Stop the demonstration in the folder, whoever runs it, and remove it; return whether there was one.

    Raises:
        FolderUnusable: it is another user's.
    """
    place = Place(home.resolve())
    if not (place.home / "lock").exists():
        return False
    with _folder_errors(place.home):
        lock = _locked(place.home / "lock") or _taken_over(place)
        with lock:
            place.processes().end_orphans()
            stop_server(EmbeddedCluster(place.embedded))
            place.clear()
    return True


def _taken_over(place: Place) -> IO[str]:
    """End the run that has the folder, and return its lock."""
    for ends in (_ask, _kill):
        ends(place)
        begun = monotonic()
        while monotonic() - begun < _END_SECONDS:
            if lock := _locked(place.home / "lock"):
                return lock
            threading.Event().wait(_LOOK_SECONDS)
    raise DemonstrationRuns(directory=place.home)


def _ask(place: Place) -> None:
    for record in _holders(place):
        record.signal(signal.SIGTERM)


def _kill(place: Place) -> None:
    end(_holders(place))


def _holders(place: Place) -> list[Record]:
    found: dict[str, Any] = read_json(_holder(place), {})
    return [Record(**found)] if found else []


def _holder(place: Place) -> Path:
    return place.home / "lock.json"


def _locked(path: Path) -> IO[str] | None:
    """Return the locked file, or None if another process has it locked."""
    while True:
        lock = path.open("a", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(lock.fileno())):
                return lock
        lock.close()  # it was removed by a reset in the very moment


@contextmanager
def _folder_errors(home: Path) -> Iterator[None]:
    try:
        yield
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise FolderUnusable(directory=home, reason=error.strerror) from error


def _embedded(system: Path) -> EmbeddedSettings:
    # Few organisations ask for few connections, and each costs memory before it is made.
    return EmbeddedSettings(directory=system / "postgresql", max_connections=400)


def _make(system: Path) -> None:
    """Make the folders through which the server's user comes, whatever our umask is."""
    for folder in (system, system / "postgresql"):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)


def _initialise(system: Path) -> None:
    """Have the server's files made; it must not run while its folder gets another name."""
    cluster = EmbeddedCluster(_embedded(system))
    try:
        cluster.start()
    finally:
        stop_server(cluster)


def stop_server(cluster: EmbeddedCluster) -> None:
    """Stop the database's server if it runs, whoever started it: a killed run may have left it."""
    if cluster.is_running():
        cluster.start()  # ours already, or adopted
        cluster.stop()


def _remove(path: Path) -> None:
    """Remove *path*; a link with the folder of ours that it leads to."""
    if path.is_symlink():
        target = path.resolve()
        path.unlink()
        if target.parent == _ELSEWHERE and target.name.startswith(_ELSEWHERE_PREFIX):
            shutil.rmtree(target, ignore_errors=True)
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
