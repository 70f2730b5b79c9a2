"""What is counted of requests, and the page that Prometheus reads of a process."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from http.client import HTTPConnection

import pytest
from flask.typing import ResponseReturnValue
from prometheus_client import REGISTRY
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import create_engine
from typing_extensions import override
from werkzeug.wrappers import Response

from chukan.platform.component import Access
from chukan.platform.web import PageSet
from chukan.platform.web.errors import MetricsPortTaken
from chukan.platform.web.metrics import DOCUMENTED, answering, page_of
from support.web import BASE, Visited, application_of


class Answering(Collector):
    @override
    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("chukan_test_answers", "Of these tests.", value=7)


class Failing(Collector):
    @override
    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("chukan_test_half", "Never seen: the rest of it fails.", value=1)
        raise ConnectionError("the database at 203.0.113.9 is down")


@pytest.fixture
def visited() -> Visited:
    pages = PageSet("counted", __name__)

    @pages.get("/thing/<number>", needs=Access.PUBLIC)
    def thing(number: str) -> ResponseReturnValue:
        return number

    @pages.get("/fails", needs=Access.PUBLIC)
    def fails() -> ResponseReturnValue:
        raise ValueError

    @pages.get("/streams", needs=Access.PUBLIC)
    def streams() -> ResponseReturnValue:
        def parts() -> Iterator[str]:
            yield "one"
            assert counted("counted.streams") == 0
            yield "two"

        return Response(parts())

    return application_of([pages.done()], create_engine("sqlite://"))


def counted(endpoint: str, method: str = "GET", status: str = "2xx") -> float:
    labels = {"process": "small", "endpoint": endpoint, "method": method, "status": status}
    return REGISTRY.get_sample_value("chukan_web_requests_total", labels) or 0.0


def timed(endpoint: str) -> float:
    labels = {"process": "small", "endpoint": endpoint}
    return REGISTRY.get_sample_value("chukan_web_request_duration_seconds_count", labels) or 0.0


def opened(visited: Visited, path: str, method: str = "GET") -> None:
    visited.client().open(path, method=method, base_url=BASE, buffered=True)


@pytest.mark.parametrize(
    ("method", "path", "endpoint", "status"),
    [
        ("GET", "/thing/131016", "counted.thing", "2xx"),
        ("HEAD", "/thing/131016", "counted.thing", "2xx"),
        ("GET", "/fails", "counted.fails", "5xx"),
        ("POST", "/thing/131016", "none", "4xx"),
        ("GET", "/nowhere", "none", "3xx"),
        ("DELETE", "/nowhere", "none", "4xx"),
    ],
)
def test_a_request_is_counted_and_timed_once(
    visited: Visited, method: str, path: str, endpoint: str, status: str
) -> None:
    before = counted(endpoint, method, status), timed(endpoint)
    opened(visited, path, method)
    assert (counted(endpoint, method, status), timed(endpoint)) == (before[0] + 1, before[1] + 1)


def test_what_a_client_invents_makes_no_series_of_its_own(visited: Visited) -> None:
    for number in range(20):
        opened(visited, f"/thing/{number}")
        opened(visited, f"/nowhere/{number}", f"METHOD{number}")
    page = page_of([]).decode()
    assert "/thing" not in page
    assert "METHOD" not in page
    assert "nowhere" not in page
    assert counted("none", "none", "4xx") >= 20


def test_a_streamed_answer_is_counted_when_its_last_byte_has_gone(visited: Visited) -> None:
    opened(visited, "/streams")
    assert counted("counted.streams") == 1


def test_a_collector_that_fails_leaves_out_its_own_figures_alone_and_is_counted() -> None:
    labels = {"reader": "Failing"}
    before = REGISTRY.get_sample_value("chukan_metrics_failures_total", labels) or 0.0
    page = page_of([Failing(), Answering()]).decode()
    assert "chukan_test_answers 7.0" in page
    assert "chukan_test_half" not in page
    assert "203.0.113.9" not in page
    assert f'chukan_metrics_failures_total{{reader="Failing"}} {before + 1}' in page


def test_a_process_without_pages_answers_on_the_loopback_alone_and_only_while_it_works() -> None:
    port = free_port()
    with answering(port, [Answering()]):
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        assert answer.status == 200
        assert "chukan_test_answers 7.0" in answer.read().decode()
        connection.close()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", port), timeout=5)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_port_that_is_taken_is_told_before_the_work_begins() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(MetricsPortTaken, match=str(taken.getsockname()[1])),
        answering(taken.getsockname()[1]),
    ):
        pytest.fail("the work began")


def test_without_a_port_nothing_listens() -> None:
    with answering(None):
        pass


def test_what_is_counted_is_documented_with_its_labels() -> None:
    families = {family.name: family for family in REGISTRY.collect()}
    for metric in DOCUMENTED:
        family = families[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        seen = {frozenset(sample.labels) - {"le"} for sample in family.samples}
        assert seen <= {frozenset(metric.labels)}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
