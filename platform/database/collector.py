"""The pool of tenant sessions as Prometheus sees it."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from chukan.platform.component import MetricKind
from chukan.platform.database.component import METRICS
from chukan.platform.database.tenant_sessions import TenantSessions


class TenantSessionsCollector(Collector):
    """Reads the pool's statistics when it is scraped; nothing is counted twice."""

    def __init__(self, sessions: TenantSessions) -> None:
        self._sessions = sessions

    @override
    def collect(self) -> Iterator[Metric]:
        statistics = self._sessions.statistics()
        for metric in METRICS:
            field = metric.name.removeprefix("chukan_tenant_sessions_").removesuffix("_total")
            family = CounterMetricFamily if metric.kind is MetricKind.COUNTER else GaugeMetricFamily
            yield family(metric.name, metric.help, value=getattr(statistics, field))
