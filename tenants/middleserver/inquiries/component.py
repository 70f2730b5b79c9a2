"""What inquiries plug in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta

from chukan.platform.clock import SystemClock
from chukan.platform.component import At, Check, CheckResult, Command, Component, Job
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import Settings
from chukan.tenants.middleserver.inquiries.checks import judge_pace
from chukan.tenants.middleserver.inquiries.cli import inquiries
from chukan.tenants.middleserver.inquiries.desk import inquiries_of
from chukan.tenants.middleserver.inquiries.projections import pace_overview
from chukan.tenants.middleserver.inquiries.releasing import PACE
from chukan.tenants.middleserver.inquiries.retention import forget_all
from chukan.tenants.middleserver.inquiries.work import count_hours, end_due, keep_pace
from chukan.tenants.middleserver.transmission.desk import at_job

_EXPIRY, _HOURS, _RETENTION = "inquiries-expiry", "inquiries-count", "inquiries-retention"
_TIMEOUT = timedelta(seconds=10)
_PACE_EVERY = timedelta(seconds=5)
#: Between the last look of a run and the next run.
_ROOM_SECONDS = 1.0
_COUNT_EVERY = timedelta(minutes=1)
#: After midnight, when days have ended; and before people come, should the night have failed.
_DAILY = At((time(0, 10), time(7, 10)))
_NIGHTLY = At((time(3, 40),))
_NIGHT = timedelta(hours=4)


def component(settings: Callable[[], Settings]) -> Component:
    """Return commands, jobs and the check."""

    def pace(_now: datetime) -> None:
        with at_job(settings(), PACE) as desk:
            keep_pace(inquiries_of(desk), SystemClock().now, _PACE_EVERY.total_seconds() - _ROOM_SECONDS)

    def end(_now: datetime) -> None:
        with at_job(settings(), _EXPIRY) as desk:
            end_due(inquiries_of(desk), SystemClock().now())

    def count(_now: datetime) -> None:
        with at_job(settings(), _HOURS) as desk:
            count_hours(inquiries_of(desk))

    def forget(_now: datetime) -> None:
        with at_job(settings(), _RETENTION) as desk:
            forget_all(inquiries_of(desk), SystemClock().now())

    def check(_now: datetime) -> CheckResult:
        with engine_of(settings().database, ProcessKind.POLLER) as engine, engine.connect() as connection:
            return judge_pace(pace_overview(connection, PACE))

    return Component(
        name="middleserver-inquiries",
        commands=(Command(inquiries),),
        checks=(Check("inquiries-pace", "inquiries-pace", _TIMEOUT, check),),
        jobs=(
            Job(PACE, pace, _PACE_EVERY),
            Job(_EXPIRY, end, at=_DAILY),
            Job(_HOURS, count, _COUNT_EVERY),
            Job(_RETENTION, forget, at=_NIGHTLY, timeout=_NIGHT),
        ),
    )
