"""The metrics of outgoing mail, as Prometheus reads them and as they are documented."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import Counter
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from typing_extensions import override

from chukan.platform.component import Metric, MetricKind
from chukan.platform.mail import store
from chukan.platform.mail.rules import MailEvent
from chukan.platform.messages import mark

OUTCOMES = Counter("chukan_mail_outcomes", "What became of mails that this process tried to send.", ["outcome"])
FAILURES = Counter("chukan_mail_relay_failures", "Runs of the mail relay that failed, by error code.", ["error"])

MAILS = Metric(
    "chukan_mail_outbox", MetricKind.GAUGE, mark("Mails in the outbox by state; sent ones are not counted."), ("state",)
)
OLDEST = Metric(
    "chukan_mail_oldest_unsent_seconds", MetricKind.GAUGE, mark("Age of the oldest mail that is not sent, in seconds.")
)
DOCUMENTED = (
    MAILS,
    OLDEST,
    Metric(
        "chukan_mail_outcomes_total",
        MetricKind.COUNTER,
        mark("What became of mails that this process tried to send."),
        ("outcome",),
    ),
    Metric(
        "chukan_mail_relay_failures_total",
        MetricKind.COUNTER,
        mark("Runs of the mail relay that failed, by error code."),
        ("error",),
    ),
)


def count(events: Iterable[MailEvent]) -> None:
    """Count what became of mails."""
    for event in events:
        OUTCOMES.labels(outcome=event.value).inc()


class MailCollector(Collector):
    """Asks the database when it is scraped, under a log-in that sees numbers only (the poller's)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @override
    def collect(self) -> Iterator[Family]:
        with self._engine.connect() as connection:
            backlog = store.backlog(connection)
        by_state = GaugeMetricFamily(MAILS.name, MAILS.help, labels=MAILS.labels)
        for state, mails in backlog.counts.items():
            by_state.add_metric([state.value], mails)
        yield by_state
        oldest = min((at for at in (backlog.oldest_untried, backlog.oldest_tried) if at), default=None)
        age = (backlog.measured_at - oldest).total_seconds() if oldest else 0.0
        yield GaugeMetricFamily(OLDEST.name, OLDEST.help, value=age)
