"""Reading the logs of one organisation, and of nobody else."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from chukan.platform.clock import as_tokyo
from chukan.platform.logs.errors import LogsUnreadable
from chukan.platform.logs.rules import day_of


@dataclass(frozen=True)
class Wanted:
    """Which lines are asked for; ``since`` is an aware instant, inclusive."""

    organisation: str
    since: datetime | None = None
    request: str | None = None

    def takes(self, line: dict[str, Any]) -> bool:
        """Return whether *line* belongs to the organisation and to what else was asked. Source: A3-021."""
        if line.get("organisation") != self.organisation:
            return False
        if self.request is not None and line.get("request") != self.request:
            return False
        return self.since is None or datetime.fromisoformat(str(line["at"])) >= self.since


class Extract:
    """The wanted lines of all processes, in the order of time; ``unreadable`` counts broken ones."""

    def __init__(self, directory: Path, wanted: Wanted) -> None:
        self._directory = directory
        self._wanted = wanted
        self.unreadable = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the lines.

        Raises:
            LogsUnreadable: the folder or a file in it cannot be read.
        """
        try:
            paths = [path for path in sorted(self._directory.iterdir()) if self._may_hold(path.name)]
            yield from heapq.merge(*map(self._lines, paths), key=lambda line: str(line["at"]))
        except OSError as error:
            raise LogsUnreadable(directory=self._directory) from error

    def _may_hold(self, name: str) -> bool:
        day = day_of(name)
        since = self._wanted.since
        return day is not None and (since is None or day >= as_tokyo(since).date())

    def _lines(self, path: Path) -> Iterator[dict[str, Any]]:
        # Looking for the id in the raw line first spares parsing the lines of 1,787 others.
        needle = json.dumps(self._wanted.organisation)
        with path.open(encoding="ascii", errors="replace") as lines:
            for raw in lines:
                if needle in raw:
                    line = self._parsed(raw)
                    if line is not None and self._wanted.takes(line):
                        yield line

    def _parsed(self, raw: str) -> dict[str, Any] | None:
        try:
            line = json.loads(raw)
            datetime.fromisoformat(line["at"])
        except (ValueError, TypeError, KeyError):
            self.unreadable += 1
            return None
        return line if isinstance(line, dict) else None
