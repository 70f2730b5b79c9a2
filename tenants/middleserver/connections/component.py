"""What connections plug in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from chukan.platform.clock import SystemClock
from chukan.platform.component import Command, Component, Job
from chukan.platform.settings import Settings
from chukan.tenants.middleserver.connections.answers import Answers
from chukan.tenants.middleserver.connections.cli import connections
from chukan.tenants.middleserver.connections.connection_test.cli import connection_test
from chukan.tenants.middleserver.connections.figures import DOCUMENTED
from chukan.tenants.middleserver.connections.retention import sweep
from chukan.tenants.middleserver.transmission.desk import at_job

#: Answers hold what is personal: none stays much longer than it is kept.
_OFTEN = timedelta(hours=6)


def component(settings: Callable[[], Settings]) -> Component:
    """Return commands, the job that removes old answers, and the metrics of ``chukan serve gateway``."""

    def forget(_now: datetime) -> None:
        with at_job(settings(), "answers-retention") as desk:
            kept = timedelta(hours=desk.settings.gateway.answers_kept_hours)
            sweep(desk.actor.engine, Answers(desk.sessions, desk.vault, kept=kept), SystemClock().now())

    return Component(
        name="middleserver-connections",
        commands=(Command(connections), Command(connection_test)),
        metrics=DOCUMENTED,
        jobs=(Job("answers-retention", forget, _OFTEN),),
    )
