"""Setting the logs up: one pipe for our events and for those of the libraries."""

from __future__ import annotations

import logging
import sys
import threading
from datetime import timedelta
from types import TracebackType
from typing import cast

import structlog
from structlog.stdlib import BoundLogger, ProcessorFormatter

from chukan.platform.clock import Clock, SystemClock
from chukan.platform.logs.files import DailyFile
from chukan.platform.logs.lines import LineFormatter
from chukan.platform.settings import LogSettings

OURS = "chukan"

# Without this, an event logged before the set-up would reach the standard error unmasked.
logging.getLogger(OURS).addHandler(logging.NullHandler())


def get_logger(name: str) -> BoundLogger:
    """Return the logger for the module *name*; events are English constants, values are catalogue fields.

    ``log.warning("tenant session refused", limit=64, reason="queue full")``
    """
    return cast(
        "BoundLogger",
        structlog.wrap_logger(
            logging.getLogger(name),
            processors=[structlog.stdlib.filter_by_level, ProcessorFormatter.wrap_for_formatter],
            wrapper_class=BoundLogger,
        ),
    )


def configure_logs(settings: LogSettings, *, process: str, clock: Clock | None = None) -> None:
    """Send all logs of this program, as *process*, to the folder in *settings* or to standard error.

    Libraries are heard from warnings on; what they say in passing may hold anything. Calling it again
    replaces the earlier set-up.
    """
    clock = clock or SystemClock()
    handler: logging.Handler
    if settings.directory is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        retention = timedelta(days=settings.retention_days)
        handler = DailyFile(settings.directory, process, retention=retention, clock=clock)
    handler.setFormatter(LineFormatter(process, clock))
    root = logging.getLogger()
    for earlier in [known for known in root.handlers if isinstance(known.formatter, LineFormatter)]:
        root.removeHandler(earlier)
        earlier.close()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(settings.level.upper())
    # The interpreter would print an exception's text: here it may quote a person's data.
    logging.raiseExceptions = False
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        get_logger(__name__).critical("uncaught exception", exc_info=error)


def _log_uncaught_in_thread(uncaught: threading.ExceptHookArgs) -> None:
    if uncaught.exc_value is not None and not isinstance(uncaught.exc_value, SystemExit):
        get_logger(__name__).critical("uncaught exception in a thread", exc_info=uncaught.exc_value)
