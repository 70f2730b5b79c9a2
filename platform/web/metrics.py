"""What is counted of requests, and the page on which Prometheus reads the figures of a process.

The counters lie in the memory of the process that counts. That is right because a site is one gunicorn worker of
several threads (``serving``): what /metrics shows is all of it. With several workers each scrape would meet one of them
at random, and prometheus_client's way out, files that the workers share, loses the collectors that ask the database
and keeps the gauges of dead workers. A worker that is replaced begins at nought, which Prometheus takes for what it is.

A label holds no path, which would hold ids; it holds the endpoint, of which there are as many as views.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPMethod

import prometheus_client
from flask import Flask, g, request
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from typing_extensions import override
from werkzeug.wrappers import Response

from chukan.platform.clock import monotonic
from chukan.platform.component import Metric, MetricKind
from chukan.platform.logs import get_logger
from chukan.platform.messages import mark
from chukan.platform.web.errors import MetricsPortTaken

log = get_logger(__name__)

# When each series began says nothing that rate() does not know, and doubles the page.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations

#: Where a process without pages answers Prometheus: nobody outside the machine reaches it.
LOOPBACK = "127.0.0.1"
#: What stands for an address that is no endpoint's, and for a method that HTTP does not know: both are the client's
#: to invent, and each would be a series of its own.
NONE = "none"

REQUESTS = Counter(
    "chukan_web_requests",
    "Requests answered by this process, by endpoint, method and class of status.",
    ["process", "endpoint", "method", "status"],
)
DURATION = Histogram(
    "chukan_web_request_duration_seconds",
    "How long requests took in this process, to the last byte of the answer, in seconds.",
    ["process", "endpoint"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
FAILURES = Counter(
    "chukan_metrics_failures", "Figures that could not be read when this process was scraped, by reader.", ["reader"]
)
DOCUMENTED = (
    Metric(
        "chukan_web_requests_total",
        MetricKind.COUNTER,
        mark("Requests answered by this process, by endpoint, method and class of status."),
        ("process", "endpoint", "method", "status"),
    ),
    Metric(
        "chukan_web_request_duration_seconds",
        MetricKind.HISTOGRAM,
        mark("How long requests took in this process, to the last byte of the answer, in seconds."),
        ("process", "endpoint"),
    ),
    Metric(
        "chukan_metrics_failures_total",
        MetricKind.COUNTER,
        mark("Figures that could not be read when this process was scraped, by reader."),
        ("reader",),
    ),
)


def count_requests(app: Flask, process: str) -> None:
    """Count every request of *app* under the name *process*; called before anything that could answer one."""

    @app.before_request
    def begin() -> None:
        g.began_at = monotonic()

    @app.after_request
    def count(response: Response) -> Response:
        endpoint, method = request.endpoint or NONE, _method(request.method)
        status, began_at = f"{response.status_code // 100}xx", g.began_at

        def answered() -> None:
            REQUESTS.labels(process, endpoint, method, status).inc()
            DURATION.labels(process, endpoint).observe(monotonic() - began_at)

        # Not now: a list may be streamed for as long as its reader takes.
        response.call_on_close(answered)
        return response


def _method(method: str) -> str:
    return method if method in HTTPMethod.__members__ else NONE


def page_of(collectors: Iterable[Collector]) -> bytes:
    """Return the page of metrics: what *collectors* read now, and the counters of this process."""
    return prometheus_client.generate_latest(_registry(collectors))


@contextmanager
def answering(port: int | None, collectors: Sequence[Collector] = ()) -> Iterator[None]:
    """Answer Prometheus on *port* of the loopback during the block, for a process without pages; None answers nobody.

    Raises:
        MetricsPortTaken: another program listens there.
    """
    if port is None:
        yield
        return
    try:
        server, thread = prometheus_client.start_http_server(port, LOOPBACK, _registry(collectors))
    except OSError as error:
        raise MetricsPortTaken(port=port) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _registry(collectors: Iterable[Collector]) -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(_Guarded(collector))
    # Last, so that what could not be read is counted on the page that lacks it.
    registry.register(_Process())
    return registry


class _Process(Collector):
    """The counters of this process, which are registered where they are declared."""

    @override
    def collect(self) -> Iterable[Family]:
        return REGISTRY.collect()


class _Guarded(Collector):
    """A collector whose failure leaves its own figures out, not all the others: a database may be down."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    @override
    def collect(self) -> Iterable[Family]:
        try:
            return list(self._collector.collect())
        except Exception as error:
            FAILURES.labels(type(self._collector).__name__).inc()
            log.warning("metrics could not be read", exc_info=error)
            return []
