"""Log files: one for each process and day of Asia/Tokyo, appended to, deleted when too old.

The day is in the name from the start, so nothing is renamed while several workers write.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from typing_extensions import override

from chukan.platform.clock import Clock
from chukan.platform.logs.rules import expired, file_name

FILE_MODE = 0o640
DIRECTORY_MODE = 0o750


class DailyFile(logging.Handler):
    """Appends each line to the file of its day; old files go when a new one is begun."""

    def __init__(self, directory: Path, process: str, *, retention: timedelta, clock: Clock) -> None:
        super().__init__()
        self._directory = directory
        self._process = process
        self._retention = retention
        self._clock = clock
        self._name = ""
        self._descriptor = -1

    @override
    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = f"{self.format(record)}\n"
        except Exception:  # noqa: BLE001 - a log call must never break what it tells of
            self.handleError(record)
            return
        try:
            self._open_for(self._clock.now())
            # One write with O_APPEND: lines of several workers do not mix.
            os.write(self._descriptor, line.encode())
        except OSError:
            # A full disk must neither stop the work nor swallow the line.
            sys.stderr.write(line)

    @override
    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._name = ""
        super().close()

    def _open_for(self, now: datetime) -> None:
        name = file_name(self._process, now)
        if name == self._name:
            return
        self._directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._directory / name, flags, FILE_MODE)
        with suppress(PermissionError):  # another user's worker made it, with the same mode
            os.fchmod(descriptor, FILE_MODE)  # the umask may have taken the group's right to read
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._name = descriptor, name
        with suppress(OSError):  # the next day tries again, and `chukan logs prune` tells
            prune(self._directory, now=now, retention=self._retention)


def prune(directory: Path, *, now: datetime, retention: timedelta) -> list[str]:
    """Delete the log files in *directory* that ended *retention* or longer ago, and return their names.

    Raises:
        OSError: the folder cannot be read or a file cannot be deleted.
    """
    names = expired(sorted(path.name for path in directory.iterdir()), now=now, retention=retention)
    for name in names:
        (directory / name).unlink(missing_ok=True)
    return names
