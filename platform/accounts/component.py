"""What accounts plug in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from chukan.platform.accounts.checks import check_administrators
from chukan.platform.accounts.cli import approve_command, operator_commands
from chukan.platform.accounts.cli_login import login, logout
from chukan.platform.accounts.four_eyes import FourEyesKind
from chukan.platform.accounts.jobs import keep_house
from chukan.platform.accounts.web import accounts_pages
from chukan.platform.component import Check, CheckResult, Command, Component, Job
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import Settings

_EVERY = timedelta(minutes=10)
_TIMEOUT = timedelta(seconds=10)


def component(settings: Callable[[], Settings], kinds: Sequence[FourEyesKind] = ()) -> Component:
    """Return commands, check, job and pages of accounts; *kinds* are the acts of all features that take two people."""

    def administrators(_now: datetime) -> CheckResult:
        with engine_of(settings().database, ProcessKind.POLLER) as engine:
            return check_administrators(engine)

    def housekeeping(_now: datetime) -> None:
        keep_house(settings())

    return Component(
        name="accounts",
        commands=(
            Command(operator_commands()),
            Command(login),
            Command(logout),
            Command(approve_command(kinds)),
        ),
        checks=(Check("accounts-administrators", "accounts-administrators", _TIMEOUT, administrators),),
        jobs=(Job("accounts-housekeeping", housekeeping, _EVERY),),
        pages=(accounts_pages(kinds),),
    )
