"""Fixtures of the jobs' tests."""

from __future__ import annotations

import logging
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chukan.platform.logs.lines import LineFormatter
from support.database import Database
from support.jobs import Works


@pytest.fixture
def works(database: Database) -> Iterator[Works]:
    with tempfile.TemporaryDirectory(prefix="chukan-jobs-") as home:
        made = Works(database, Path(home))
        made.effects()
        try:
            yield made
        finally:
            made.end_processes()


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave the interpreter's logging and hooks as they were: a process sets them up for itself."""
    loggers = [logging.getLogger(name) for name in (None, "chukan", "procrastinate")]
    levels = [logger.level for logger in loggers]
    before = (logging.raiseExceptions, sys.excepthook, threading.excepthook)
    yield
    for handler in [each for each in loggers[0].handlers if isinstance(each.formatter, LineFormatter)]:
        loggers[0].removeHandler(handler)
        handler.close()
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    logging.raiseExceptions, sys.excepthook, threading.excepthook = before
