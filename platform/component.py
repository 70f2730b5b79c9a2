"""What an area plugs into the platform: the shared types of its ``component.py``.

Areas do not import one another; ``chukan.wiring`` gathers their components. A VPN alarm reaches the
helpdesk as an event, not as an import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import Enum, StrEnum
from typing import Any
from uuid import UUID

import click
from flask import Blueprint
from prometheus_client.registry import Collector
from sqlalchemy import Engine


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

    ``runbook`` is the page below ``docs/runbooks`` that says what to do when it is not green. ``readiness`` says that
    a process is not ready while it is red; ``live`` that it is cheap enough to be asked whenever somebody looks.
    """

    name: str
    runbook: str
    timeout: timedelta
    run: Callable[[datetime], CheckResult]
    readiness: bool = False
    live: bool = True


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
class At:
    """A schedule by the wall clock of Asia/Tokyo: these times of the day, on the days that are named.

    ``weekdays`` are 0 (Monday) to 6 (Sunday); ``days`` are days of the month, -1 the last one, None all.
    """

    times: tuple[time, ...]
    weekdays: frozenset[int] = frozenset(range(7))
    days: frozenset[int] | None = None


class CatchUp(Enum):
    """What becomes of the times that passed while nobody fired."""

    #: They are gone: a run makes sense at its time alone.
    NONE = "none"
    #: The latest is made up for, and a run that still waits stands for those after it.
    LATEST = "latest"
    #: Each is made up for, oldest first.
    ALL = "all"


@dataclass(frozen=True)
class Job:
    """Periodic or queued work: without ``every`` and ``at`` it is only asked for.

    ``run`` is given the instant (aware, UTC) that the run was scheduled for: a run that is made again, after a
    failure or because its worker died, is given the same one, so what it does is done once when it is keyed by
    (``name``, instant). A run is tried ``max_attempts`` times; one that takes longer than ``timeout`` has failed.

    Raises:
        ValueError: it has both schedules, or ``every`` is not positive.
    """

    name: str
    run: Callable[[datetime], None]
    every: timedelta | None = None
    at: At | None = None
    max_attempts: int = 3
    timeout: timedelta = timedelta(hours=1)
    catch_up: CatchUp = CatchUp.LATEST

    def __post_init__(self) -> None:
        if self.every is not None and (self.at is not None or self.every <= timedelta(0)):
            raise ValueError(f"the job {self.name} has two schedules, or one that stands still")


class Access(Enum):
    """What a page asks for instead of a permission."""

    #: Nothing: the log-in itself, and what machines ask.
    PUBLIC = "public"
    #: That somebody is logged in; the page shows them what is their own.
    SIGNED_IN = "signed_in"


@dataclass(frozen=True)
class MenuEntry:
    """A page that stands in the menu of everybody who may open it, ordered by ``order``."""

    title: str
    endpoint: str
    order: int


@dataclass(frozen=True)
class Pages:
    """The pages of one feature: a blueprint, what each of its endpoints needs, and what stands in the menu.

    ``needs`` names every endpoint (``blueprint.view``) with a permission ``<scope>:<resource>:<action>`` or an
    ``Access``; an endpoint without one is an error when the application is made.
    """

    blueprint: Blueprint
    needs: Mapping[str, str | Access]
    menu: tuple[MenuEntry, ...] = ()


@dataclass(frozen=True)
class Component:
    """All that one area, or one feature of it, plugs in."""

    name: str
    commands: tuple[Command, ...] = ()
    checks: tuple[Check, ...] = ()
    metrics: tuple[Metric, ...] = ()
    jobs: tuple[Job, ...] = ()
    handlers: Mapping[str, Callable[[Event], None]] = field(default_factory=dict)
    pages: tuple[Pages, ...] = ()
    #: Each makes what reads figures from the database when it is scraped, under the poller's engine that it is given.
    collectors: tuple[Callable[[Engine], Collector], ...] = ()
