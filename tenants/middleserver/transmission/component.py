"""What the exchange plugs in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Event

from chukan.platform.clock import SystemClock, monotonic
from chukan.platform.component import Check, CheckResult, Command, Component, Job
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.logs import get_logger
from chukan.platform.settings import NetworkSettings, Settings
from chukan.tenants.middleserver.security.desk import desk_for as security_desk
from chukan.tenants.middleserver.transmission import retries, shared_store
from chukan.tenants.middleserver.transmission.checks import judge_dead, judge_unsent
from chukan.tenants.middleserver.transmission.cli import commands
from chukan.tenants.middleserver.transmission.desk import FeaturesOf, at_job, connect
from chukan.tenants.middleserver.transmission.errors import NetworkAway, NetworkNotSet
from chukan.tenants.middleserver.transmission.web import PAGES

_TIMEOUT = timedelta(seconds=10)
#: Between two looks of a run, and between its last look and the next run.
_PAUSE_SECONDS = 0.25
_ROOM_SECONDS = 1.0
_log = get_logger(__name__)


def component(settings: Callable[[], Settings], features: FeaturesOf) -> Component:
    """Return commands, checks and jobs; *features* are what those above do with messages."""
    defaults = NetworkSettings()

    def unsent(_now: datetime) -> CheckResult:
        return judge_unsent(_overview(settings()), timedelta(minutes=settings().network.stale_after_minutes))

    def dead(_now: datetime) -> CheckResult:
        return judge_dead(_overview(settings()))

    def relay(_now: datetime) -> None:
        ends = monotonic() + defaults.relay_every_seconds - _ROOM_SECONDS
        # Where no network is set or it is away, messages wait, and the check says so; the job has not failed.
        with at_job(settings(), "network-relay") as desk, suppress(NetworkNotSet):
            retries.carry_out(desk.actor, desk.sessions, SystemClock().now())
            try:
                with desk.relay(features(desk.sessions, desk.vault)) as sender:
                    sender.run()
                    # Somebody at a counter waits: what comes before the next run is looked for until shortly before it.
                    while monotonic() < ends:
                        Event().wait(_PAUSE_SECONDS)
                        sender.run()
            except NetworkAway as error:
                _log.warning("transmission.network_away", exc_info=error)

    def receive_masters(_now: datetime) -> None:
        with (
            suppress(NetworkNotSet),
            at_job(settings(), "masters-receive") as desk,
            security_desk(desk.actor, desk.settings, connect) as security,
            security.network() as (peers, distribution, _certificates),
        ):
            distribution.pull(peers.source, now=SystemClock().now())

    return Component(
        name="middleserver-transmission",
        commands=(Command(commands(features)),),
        pages=(PAGES,),
        checks=(
            Check("exchange-oldest-unsent", "exchange-oldest-unsent", _TIMEOUT, unsent),
            Check("exchange-dead-letters", "exchange-dead-letters", _TIMEOUT, dead),
        ),
        jobs=(
            Job("network-relay", relay, timedelta(seconds=defaults.relay_every_seconds)),
            Job("masters-receive", receive_masters, timedelta(minutes=defaults.masters_every_minutes)),
        ),
    )


def _overview(settings: Settings) -> shared_store.Overview:
    with engine_of(settings.database, ProcessKind.POLLER) as engine, engine.connect() as connection:
        return shared_store.overview(connection)
