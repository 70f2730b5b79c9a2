"""The logs of a test: written to a list or to files of its own, and taken down again."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chukan.platform.clock import FixedClock
from chukan.platform.logs import configure_logs
from chukan.platform.logs.lines import LineFormatter
from chukan.platform.settings import LogSettings

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def clock() -> FixedClock:
    """A clock at nine in the morning in Tokyo."""
    return FixedClock(datetime(2026, 4, 1, tzinfo=UTC))


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave the interpreter's logging and hooks as they were."""
    root, ours = logging.getLogger(), logging.getLogger("chukan")
    before = (root.level, ours.level, logging.raiseExceptions, sys.excepthook, threading.excepthook)
    yield
    for handler in [each for each in root.handlers if isinstance(each.formatter, LineFormatter)]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(before[0])
    ours.setLevel(before[1])
    logging.raiseExceptions, sys.excepthook, threading.excepthook = before[2:]


@pytest.fixture
def lines(tmp_path: Path, clock: FixedClock) -> Lines:
    """Configure logs as process ``worker`` below ``tmp_path`` and return a reader of all lines so far."""
    configure_logs(LogSettings(directory=tmp_path, level="debug"), process="worker", clock=clock)

    def read() -> list[dict[str, Any]]:
        written = [line for path in sorted(tmp_path.glob("*.jsonl")) for line in path.read_text().split("\n")]
        return [json.loads(line) for line in written if line]

    return read
