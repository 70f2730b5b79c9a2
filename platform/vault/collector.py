"""The vault as Prometheus sees it."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from typing_extensions import override

from chukan.platform.clock import Clock
from chukan.platform.vault.component import AGE, DATA_KEYS, TO_REWRAP
from chukan.platform.vault.ports import KeyProvider
from chukan.platform.vault.status import vault_status


class VaultCollector(Collector):
    """Asks database and provider when it is scraped, under a log-in that may read wrapped keys (the worker's)."""

    def __init__(self, engine: Engine, provider: KeyProvider, clock: Clock) -> None:
        self._engine = engine
        self._provider = provider
        self._clock = clock

    @override
    def collect(self) -> Iterator[Metric]:
        status = vault_status(self._engine, self._provider)
        by_state = GaugeMetricFamily(DATA_KEYS.name, DATA_KEYS.help, labels=DATA_KEYS.labels)
        for state, count in status.data_keys.items():
            by_state.add_metric([state.value], count)
        yield by_state
        yield GaugeMetricFamily(TO_REWRAP.name, TO_REWRAP.help, value=status.to_rewrap)
        age = status.wrapping_key_age(self._clock.now())
        if age is not None:
            yield GaugeMetricFamily(AGE.name, AGE.help, value=age.total_seconds())
