"""What makes a gateway ready: the database under its own log-in, and the keeper of keys; and whose figures it shows.

It is asked under no other log-in than its own: the machine that the outside reaches holds no poller's password.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Engine, select

from chukan.platform.component import Check, CheckResult, Component, Health
from chukan.platform.database.collector import TenantSessionsCollector
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.messages import text
from chukan.platform.vault.checks import check_provider
from chukan.platform.vault.ports import KeyProvider
from chukan.platform.web.probe import Probe

_TIMEOUT = timedelta(seconds=10)


def probe_of(engine: Engine, provider: KeyProvider, sessions: TenantSessions, keep_seconds: float) -> Probe:
    """Return what answers /readyz and /metrics of a gateway; an answer of a check stands for *keep_seconds*."""

    def reachable(_now: datetime) -> CheckResult:
        with engine.connect() as connection:
            connection.execute(select(1))
        return CheckResult(Health.GREEN, text("The database answers."))

    def provided(_now: datetime) -> CheckResult:
        return check_provider(provider)

    checks = (
        Check("database-reachable", "database-reachable", _TIMEOUT, reachable, readiness=True),
        Check("vault-key-provider", "vault-key-provider", _TIMEOUT, provided, readiness=True),
    )
    own = Component(name="gateway", checks=checks, collectors=(lambda _engine: TenantSessionsCollector(sessions),))
    return Probe([own], engine, keep_seconds)
