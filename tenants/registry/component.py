"""What the registry plugs in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from chukan.platform.component import Check, CheckResult, Command, Component, Job
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import Settings
from chukan.tenants.registry.checks import check_leaver_accounts
from chukan.tenants.registry.cli import organisations
from chukan.tenants.registry.desk import working
from chukan.tenants.registry.successions import close_due
from chukan.tenants.registry.web import PAGES

_TIMEOUT = timedelta(seconds=10)
#: A dissolution takes effect at midnight; an hour later at most the state says so.
_EVERY = timedelta(hours=1)


def component(settings: Callable[[], Settings]) -> Component:
    """Return the commands, the check, the job and the pages of the registry in the database that *settings* name."""

    def leaver_accounts(now: datetime) -> CheckResult:
        with engine_of(settings().database, ProcessKind.POLLER) as engine:
            return check_leaver_accounts(engine, now)

    def close_dissolved(now: datetime) -> None:
        with working(settings(), actor="system:registry-dissolutions") as actor:
            close_due(actor, now=now)

    return Component(
        name="registry",
        commands=(Command(organisations),),
        checks=(Check("registry-leaver-accounts", "registry-leaver-accounts", _TIMEOUT, leaver_accounts),),
        jobs=(Job("registry-dissolutions", close_dissolved, _EVERY),),
        pages=(PAGES,),
    )
