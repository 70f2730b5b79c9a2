"""The audit trail's metrics, as Prometheus reads them and as they are documented."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from chukan.platform.component import Metric, MetricKind
from chukan.platform.messages import mark

UNSEALED_AGE = Gauge("chukan_audit_unsealed_age_seconds", "Age of the oldest audit entry without an anchored seal.")
SEALS = Counter("chukan_audit_seals", "Seals made by this process.")
SEAL_FAILURES = Counter("chukan_audit_seal_failures", "Runs of the sealer that failed, by error code.", ["error"])

DOCUMENTED = (
    Metric(
        "chukan_audit_unsealed_age_seconds",
        MetricKind.GAUGE,
        mark("Age of the oldest audit entry without an anchored seal."),
    ),
    Metric("chukan_audit_seals_total", MetricKind.COUNTER, mark("Seals made by this process.")),
    Metric(
        "chukan_audit_seal_failures_total",
        MetricKind.COUNTER,
        mark("Runs of the sealer that failed, by error code."),
        ("error",),
    ),
)
