"""What provisions plug in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta

from chukan.platform.clock import SystemClock
from chukan.platform.component import At, Command, Component, Job
from chukan.platform.settings import Settings
from chukan.tenants.middleserver.provisions.cli import commands
from chukan.tenants.middleserver.provisions.desk import desk_over
from chukan.tenants.middleserver.provisions.ports import ExcludedItems
from chukan.tenants.middleserver.provisions.work import again_due, count_hours, tidy_all
from chukan.tenants.middleserver.transmission.desk import at_job

_AGAIN, _TIDY, _COUNT = "provisions-answer", "provisions-tidy", "provisions-count"
_EVERY = timedelta(minutes=1)
_EARLY = At((time(5, 10),))
_NIGHT = timedelta(hours=3)


def component(settings: Callable[[], Settings], excluded: ExcludedItems) -> Component:
    """Return commands and jobs; *excluded* tells the items that an organisation does not provide."""

    def again(_now: datetime) -> None:
        with at_job(settings(), _AGAIN) as exchange:
            again_due(desk_over(exchange, excluded), SystemClock().now())

    def tidy(_now: datetime) -> None:
        with at_job(settings(), _TIDY) as exchange:
            tidy_all(desk_over(exchange, excluded), SystemClock().now())

    def count(_now: datetime) -> None:
        with at_job(settings(), _COUNT) as exchange:
            count_hours(desk_over(exchange, excluded))

    return Component(
        name="middleserver-provisions",
        commands=(Command(commands(excluded)),),
        jobs=(
            Job(_AGAIN, again, _EVERY),
            Job(_TIDY, tidy, at=_EARLY, timeout=_NIGHT),
            Job(_COUNT, count, _EVERY),
        ),
    )
