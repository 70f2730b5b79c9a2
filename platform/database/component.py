"""What the database plugs in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select

from chukan.platform.component import Check, CheckResult, Command, Component, Health, Metric, MetricKind
from chukan.platform.database.check import check_database
from chukan.platform.database.cli import database
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings

METRICS = (
    Metric("chukan_tenant_sessions_open", MetricKind.GAUGE, mark("Connections open under tenants' own log-ins.")),
    Metric("chukan_tenant_sessions_idle", MetricKind.GAUGE, mark("Open tenant connections that nobody uses.")),
    Metric("chukan_tenant_sessions_waiting", MetricKind.GAUGE, mark("Callers in line for a tenant connection.")),
    Metric(
        "chukan_tenant_sessions_bytes", MetricKind.GAUGE, mark("Server memory held by tenant connections, in bytes.")
    ),
    Metric(
        "chukan_tenant_sessions_opened_total", MetricKind.COUNTER, mark("Tenant connections opened since the start.")
    ),
    Metric(
        "chukan_tenant_sessions_evicted_total", MetricKind.COUNTER, mark("Tenant connections closed to stay in bounds.")
    ),
    Metric("chukan_tenant_sessions_refused_total", MetricKind.COUNTER, mark("Callers refused because all were busy.")),
)


def component(settings: Callable[[], Settings]) -> Component:
    """Return commands, metrics and the check of the database that *settings* name."""

    def isolation(_now: datetime) -> CheckResult:
        broken = [finding for finding in check_database(settings().database) if not finding.holds]
        if not broken:
            return CheckResult(Health.GREEN, text("Everything that keeps tenants apart holds."))
        return CheckResult(Health.RED, "; ".join(f"{text(finding.name)}: {finding.summary()}" for finding in broken))

    def reachable(_now: datetime) -> CheckResult:
        with engine_of(settings().database, ProcessKind.POLLER) as engine, engine.connect() as connection:
            connection.execute(select(1))
        return CheckResult(Health.GREEN, text("The database answers."))

    checks = (
        Check("database-reachable", "database-reachable", timedelta(seconds=10), reachable, readiness=True),
        Check("database-isolation", "database-isolation", timedelta(seconds=60), isolation, live=False),
    )
    return Component(name="database", commands=(Command(database),), metrics=METRICS, checks=checks)
