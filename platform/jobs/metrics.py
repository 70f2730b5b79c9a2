"""The jobs' metrics, as Prometheus reads them and as they are documented."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from typing_extensions import override

from chukan.platform.component import Metric, MetricKind
from chukan.platform.jobs import store
from chukan.platform.messages import mark

LEADS = Gauge("chukan_scheduler_leads", "Whether this scheduler is the leader (1) or waits (0).")
FIRED = Counter("chukan_scheduler_fired", "Due times handled by this scheduler, by what became of them.", ["outcome"])
FAILURES = Counter("chukan_scheduler_failures", "Rounds of this scheduler that failed, by error.", ["error"])
ENDED = Counter("chukan_job_attempts", "Attempts ended by this worker, by job and resulting state.", ["job", "state"])
DURATION = Histogram(
    "chukan_job_duration_seconds",
    "How long attempts took in this worker, in seconds.",
    ["job"],
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600),
)
RECOVERED = Counter("chukan_job_recoveries", "Runs of silent workers, by resulting state.", ["state"])
RECONNECTS = Counter("chukan_worker_reconnects", "How often this worker lost the database and began anew.")

WAITING = Metric(
    "chukan_job_waiting_seconds", MetricKind.GAUGE, mark("How long the oldest run of a job has waited."), ("job",)
)
LEASE = Metric(
    "chukan_scheduler_lease_seconds",
    MetricKind.GAUGE,
    mark("What is left of the leader's lease; below 0 nobody leads."),
)
DOCUMENTED = (
    Metric("chukan_scheduler_leads", MetricKind.GAUGE, mark("Whether this scheduler is the leader (1) or waits (0).")),
    Metric(
        "chukan_scheduler_fired_total",
        MetricKind.COUNTER,
        mark("Due times handled by this scheduler, by what became of them."),
        ("outcome",),
    ),
    Metric(
        "chukan_scheduler_failures_total",
        MetricKind.COUNTER,
        mark("Rounds of this scheduler that failed, by error."),
        ("error",),
    ),
    Metric(
        "chukan_job_attempts_total",
        MetricKind.COUNTER,
        mark("Attempts ended by this worker, by job and resulting state."),
        ("job", "state"),
    ),
    Metric(
        "chukan_job_duration_seconds",
        MetricKind.HISTOGRAM,
        mark("How long attempts took in this worker, in seconds."),
        ("job",),
    ),
    Metric(
        "chukan_job_recoveries_total",
        MetricKind.COUNTER,
        mark("Runs of silent workers, by resulting state."),
        ("state",),
    ),
    Metric(
        "chukan_worker_reconnects_total",
        MetricKind.COUNTER,
        mark("How often this worker lost the database and began anew."),
    ),
    WAITING,
    LEASE,
)


class JobsCollector(Collector):
    """Asks the database when it is scraped, under any log-in that reads the runs (console, poller, worker)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @override
    def collect(self) -> Iterator[Family]:
        with self._engine.connect() as connection:
            lease, statuses = store.lease(connection), store.statuses(connection)
        yield GaugeMetricFamily(LEASE.name, LEASE.help, value=(lease.until - lease.now).total_seconds())
        waiting = GaugeMetricFamily(WAITING.name, WAITING.help, labels=WAITING.labels)
        for status in statuses:
            since = status.waiting_since
            waiting.add_metric([status.name], (lease.now - since).total_seconds() if since else 0)
        yield waiting
