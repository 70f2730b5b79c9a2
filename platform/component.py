"""What an area plugs into the platform: the shared types of its ``component.py``.

Areas do not import one another; ``chukan.wiring`` gathers their components. A VPN alarm reaches the
helpdesk as an event, not as an import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import click


class Health(StrEnum):
    """The verdict of a check: red wakes somebody, amber waits for the morning."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


@dataclass(frozen=True)
class CheckResult:
    """What a check found: the verdict and one sentence, already in the reader's language."""

    health: Health
    summary: str


@dataclass(frozen=True)
class Check:
    """A named question about the platform's health, offered to monitoring and to readiness.

    ``runbook`` is the page below ``docs/runbooks`` that says what to do when it is not green.
    """

    name: str
    runbook: str
    timeout: timedelta
    run: Callable[[datetime], CheckResult]


class MetricKind(StrEnum):
    """The kinds of Prometheus metric in use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Metric:
    """A metric as it is documented: name with unit, kind, help and labels (never personal, never secret)."""

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Event:
    """Something that happened in one area and that others may react to."""

    name: str
    id: UUID
    at: datetime
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Command:
    """A command of ``chukan``; a group is given whole, and ``under`` names the group that it joins."""

    command: click.Command
    under: str | None = None


@dataclass(frozen=True)
class Job:
    """Periodic or queued work: ``every`` is None for work that is only asked for."""

    name: str
    run: Callable[[datetime], None]
    every: timedelta | None = None


@dataclass(frozen=True)
class Component:
    """All that one area, or one feature of it, plugs in."""

    name: str
    commands: tuple[Command, ...] = ()
    checks: tuple[Check, ...] = ()
    metrics: tuple[Metric, ...] = ()
    jobs: tuple[Job, ...] = ()
    handlers: Mapping[str, Callable[[Event], None]] = field(default_factory=dict)
