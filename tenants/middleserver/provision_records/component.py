"""What provision records plug in: the nightly comparison with the network, the end of retention, and the check."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, time, timedelta

from chukan.platform.clock import SystemClock
from chukan.platform.component import At, Check, CheckResult, Command, Component, Job
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.logs import get_logger
from chukan.platform.settings import Settings
from chukan.tenants.middleserver.provision_records import store
from chukan.tenants.middleserver.provision_records.checks import judge
from chukan.tenants.middleserver.provision_records.cli import provision_records
from chukan.tenants.middleserver.provision_records.web import PAGES
from chukan.tenants.middleserver.provision_records.work import forget_all, reconcile_all
from chukan.tenants.middleserver.transmission.desk import at_job
from chukan.tenants.middleserver.transmission.errors import NetworkAway, NetworkNotSet

_RECONCILE, _RETAIN = "records-reconciliation", "records-retention"
_TIMEOUT = timedelta(seconds=10)
#: Between the close of one service day and the opening of the next.
_NIGHTLY = At((time(1, 30),))
_EARLY = At((time(4, 30),))
_NIGHT = timedelta(hours=5)
_log = get_logger(__name__)


def component(settings: Callable[[], Settings]) -> Component:
    """Return commands, jobs and the check."""

    def reconcile(_now: datetime) -> None:
        # Where no network is set there is nothing to compare with; where it is away, the check tells in time.
        with at_job(settings(), _RECONCILE) as desk, suppress(NetworkNotSet):
            try:
                reconcile_all(desk, SystemClock().now())
            except NetworkAway as error:
                _log.warning("provision_records.network_away", exc_info=error)

    def retain(_now: datetime) -> None:
        with at_job(settings(), _RETAIN) as desk:
            forget_all(desk, SystemClock().now())

    def cases(_now: datetime) -> CheckResult:
        with engine_of(settings().database, ProcessKind.POLLER) as engine, engine.connect() as connection:
            return judge(store.standing(connection))

    return Component(
        name="middleserver-provision-records",
        commands=(Command(provision_records),),
        pages=(PAGES,),
        checks=(Check("reconciliation-cases-open", "reconciliation-cases-open", _TIMEOUT, cases),),
        jobs=(
            Job(_RECONCILE, reconcile, at=_NIGHTLY, timeout=_NIGHT),
            Job(_RETAIN, retain, at=_EARLY, timeout=_NIGHT),
        ),
    )
