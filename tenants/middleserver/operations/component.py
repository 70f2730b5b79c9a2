"""What the operation of the middle servers plugs in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from chukan.platform.clock import SystemClock
from chukan.platform.component import Check, CheckResult, Command, Component, Job
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import Settings
from chukan.tenants.middleserver.operations import desk as desks
from chukan.tenants.middleserver.operations import store
from chukan.tenants.middleserver.operations.campaigns.cli import campaigns
from chukan.tenants.middleserver.operations.checks import judge_backlog
from chukan.tenants.middleserver.operations.cli import excluded_items, night_batch, tenant_settings
from chukan.tenants.middleserver.operations.service import measure_all
from chukan.tenants.middleserver.operations.traces.web import PAGES as TRACES
from chukan.tenants.middleserver.operations.traces.work import look_up_all
from chukan.tenants.middleserver.operations.web import PAGES
from chukan.tenants.middleserver.transmission.desk import at_job

_TIMEOUT = timedelta(seconds=10)
_EVERY = timedelta(minutes=5)
#: Longer than any night: the night itself ends its run.
_NIGHT = timedelta(hours=20)
_DAILY = timedelta(hours=24)
#: Somebody waits for it.
_ASKED_EVERY = timedelta(seconds=5)


def component(settings: Callable[[], Settings]) -> Component:
    """Return commands, the check and the jobs in the database that *settings* name."""

    def register(_now: datetime) -> None:
        # Outside of the night, and while another worker has it, this does nothing.
        with at_job(settings(), "night-batch") as desk:
            desks.night_batch(desk).run()

    def measure(_now: datetime) -> None:
        with at_job(settings(), "uploads-measure") as desk:
            measure_all(desk.actor, desk.sessions)

    def sweep(_now: datetime) -> None:
        with at_job(settings(), "uploads-retention") as desk:
            desks.retention(desk).sweep(SystemClock().now())

    def trace(_now: datetime) -> None:
        with at_job(settings(), "inquiry-traces") as desk:
            look_up_all(desk, SystemClock().now())

    def backlog(now: datetime) -> CheckResult:
        with engine_of(settings().database, ProcessKind.POLLER) as engine, engine.connect() as connection:
            return judge_backlog(*store.oldest_waiting(connection), now)

    return Component(
        name="middleserver-operations",
        commands=(Command(night_batch), Command(excluded_items), Command(campaigns), Command(tenant_settings)),
        pages=(PAGES, TRACES),
        checks=(Check("night-batch-backlog", "night-batch-backlog", _TIMEOUT, backlog),),
        jobs=(
            Job("night-batch", register, _EVERY, timeout=_NIGHT),
            Job("uploads-measure", measure, _EVERY),
            Job("uploads-retention", sweep, _DAILY),
            Job("inquiry-traces", trace, _ASKED_EVERY),
        ),
    )
