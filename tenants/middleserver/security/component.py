"""What masters and certificates plug in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from chukan.platform.component import Check, CheckResult, Command, Component
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import Settings
from chukan.tenants.middleserver.security.certificates import cli as certificates_cli
from chukan.tenants.middleserver.security.certificates import store as certificates
from chukan.tenants.middleserver.security.certificates.rules import LIVING, KeyState
from chukan.tenants.middleserver.security.certificates.web import PAGES
from chukan.tenants.middleserver.security.checks import Ending, judge_certificates, judge_masters
from chukan.tenants.middleserver.security.desk import Connect
from chukan.tenants.middleserver.security.masters import cli as masters_cli
from chukan.tenants.middleserver.security.masters import store as masters

_TIMEOUT = timedelta(seconds=10)


def component(settings: Callable[[], Settings], connect: Connect) -> Component:
    """Return commands, pages and checks; *connect* opens the way to the network and to the exchange of messages."""

    def expiring(now: datetime) -> CheckResult:
        with engine_of(settings().database, ProcessKind.POLLER) as engine, engine.connect() as connection:
            rows = certificates.projections(connection, LIVING)
        return judge_certificates([Ending(row.kid, KeyState(row.state), row.not_after) for row in rows], now)

    def unapplied(now: datetime) -> CheckResult:
        with engine_of(settings().database, ProcessKind.POLLER) as engine, engine.connect() as connection:
            standings = masters.standings(connection)
            heads = [each.head for each in masters.held(connection)]
        return judge_masters(standings, heads, now)

    return Component(
        name="middleserver-security",
        commands=(Command(masters_cli.commands(connect)), Command(certificates_cli.commands(connect))),
        pages=(PAGES,),
        checks=(
            Check("message-certificates-expiring", "message-certificates-expiring", _TIMEOUT, expiring),
            Check("masters-unapplied", "masters-unapplied", _TIMEOUT, unapplied),
        ),
    )
