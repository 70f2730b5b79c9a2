"""What machines ask of a process that serves: is it ready, and its figures for Prometheus.

The fronts answer ``/healthz``, ``/readyz`` and ``/metrics`` on the loopback alone. Which checks are asked, whoever
serves decides: the console is asked about the whole platform, the gateway about what it stands on itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

import click
from click.globals import pop_context, push_context
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from typing_extensions import override

from chukan.platform.clock import monotonic
from chukan.platform.component import Check, CheckResult, Component, Health, Metric, MetricKind
from chukan.platform.errors import ChukanError
from chukan.platform.logs import get_logger
from chukan.platform.messages import mark, text
from chukan.platform.web.metrics import page_of

log = get_logger(__name__)

#: How long somebody who asks waits for checks; Prometheus gives up after ten seconds.
_PATIENCE_SECONDS = 5.0
_AS_NUMBER = {Health.GREEN: 0, Health.AMBER: 1, Health.RED: 2}

HEALTH = Metric(
    "chukan_check_health",
    MetricKind.GAUGE,
    mark("What a check says: 0 green, 1 amber (look in the morning), 2 red (look now)."),
    ("check",),
)


@dataclass(frozen=True)
class Answered:
    """A check and what it answered."""

    check: Check
    result: CheckResult


class Probe:
    """Asks the components' checks and collectors, each check at most once in ``keep_seconds``.

    Made in the process that serves, while the command that serves is running: checks ask for its settings.
    """

    def __init__(self, components: Sequence[Component], poller: Engine, keep_seconds: float) -> None:
        around = _in_this_command()
        checks = [check for component in components for check in component.checks if check.live]
        self._asked = [_Asked(check, keep_seconds, around) for check in checks]
        self._collectors = [make(poller) for component in components for make in component.collectors]

    def answers(self, now: datetime) -> list[Answered]:
        """Return what every check says; a check that fails or takes too long is red.

        Takes some five seconds at most: of a check that is still at work its last answer stands until its own
        timeout is over.
        """
        until = monotonic() + _PATIENCE_SECONDS
        for done in [asked.begin(now) for asked in self._asked]:
            done.wait(max(0.0, until - monotonic()))
        return [Answered(asked.check, asked.result()) for asked in self._asked]

    def readiness(self, now: datetime) -> tuple[dict[str, Any], HTTPStatus]:
        """Return what /readyz tells (a shape for JSON), and its status: 503 while a check of readiness is red."""
        answers = self.answers(now)
        red = [each.check.name for each in answers if each.check.readiness and each.result.health is Health.RED]
        checks = {each.check.name: {"health": each.result.health, "summary": each.result.summary} for each in answers}
        status = HTTPStatus.SERVICE_UNAVAILABLE if red else HTTPStatus.OK
        return {"ready": not red, "red": red, "checks": checks}, status

    def metrics(self, now: datetime) -> bytes:
        """Return the page of metrics: of the checks, of the database, of this process."""
        return page_of([_Healths(self.answers(now)), *self._collectors])


class _Asked:
    """One check, its last answer, and when it was asked; never asked twice at a time, so that nothing piles up."""

    def __init__(self, check: Check, keep_seconds: float, around: Callable[[], AbstractContextManager[None]]) -> None:
        self.check = check
        self._keep = keep_seconds
        self._around = around
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._began: float | None = None
        self._last: CheckResult | None = None

    def begin(self, now: datetime) -> threading.Event:
        """Ask, unless the last answer still stands or is on its way; the event is set when there is one."""
        with self._lock:
            if self._began is None or (self._done.is_set() and monotonic() - self._began > self._keep):
                self._began, self._done = monotonic(), threading.Event()
                # A daemon: a check that hangs must not keep the process from ending.
                asking = threading.Thread(target=self._ask, args=(now, self._done), name="probe", daemon=True)
                asking.start()
            return self._done

    def result(self) -> CheckResult:
        """Return the last answer, or that there is none in time."""
        with self._lock:
            began = monotonic() if self._began is None else self._began
            is_late = not self._done.is_set() and monotonic() - began > self.check.timeout.total_seconds()
            if self._last is None or is_late:
                return CheckResult(Health.RED, text("The check did not answer in time."))
            return self._last

    def _ask(self, now: datetime, done: threading.Event) -> None:
        with self._around():
            found = _judged(self.check, now)
        with self._lock:
            self._last = found
            done.set()


class _Healths(Collector):
    """The answers of the checks as figures, for alarms."""

    def __init__(self, answers: Sequence[Answered]) -> None:
        self._answers = answers

    @override
    def collect(self) -> Iterator[Family]:
        healths = GaugeMetricFamily(HEALTH.name, HEALTH.help, labels=HEALTH.labels)
        for answered in self._answers:
            healths.add_metric([answered.check.name], _AS_NUMBER[answered.result.health])
        yield healths


def _judged(check: Check, now: datetime) -> CheckResult:
    try:
        return check.run(now)
    except ChukanError as error:
        return CheckResult(Health.RED, error.told())
    except Exception as error:
        fault = ChukanError()
        log.exception("check failed", exc_info=error, reference=fault.reference, check=check.name)
        return CheckResult(Health.RED, text("The check failed; the log has it under {id}.", id=fault.reference))


def _in_this_command() -> Callable[[], AbstractContextManager[None]]:
    """Return what lets a thread find this command's settings, as its main thread does."""
    context = click.get_current_context(silent=True)

    @contextmanager
    def around() -> Iterator[None]:
        if context is None:
            yield
            return
        push_context(context)
        try:
            yield
        finally:
            pop_context()

    return around
