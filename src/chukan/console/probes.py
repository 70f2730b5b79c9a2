"""What machines ask of the console: is it alive, is it ready, and its figures for Prometheus.

The front answers these paths on the loopback alone. ``/readyz`` is red as soon as one check that says so is: a key that
cannot be reached, a seal or a leader that has gone stale, a database that does not answer.
"""

from __future__ import annotations

from flask import Response, jsonify
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST

from chukan.platform.component import Access, Pages
from chukan.platform.web import PageSet, here
from chukan.platform.web.probe import HEALTH, Answered, Probe

__all__ = ["HEALTH", "Answered", "Probe", "probe_pages"]


def probe_pages(probe: Probe) -> Pages:
    """Return the three addresses that machines ask."""
    pages = PageSet("probes", __name__)

    @pages.get("/healthz", needs=Access.PUBLIC)
    def healthz() -> ResponseReturnValue:
        return jsonify({"status": "alive"})

    @pages.get("/readyz", needs=Access.PUBLIC)
    def readyz() -> ResponseReturnValue:
        told, status = probe.readiness(here().now)
        return jsonify(told), status

    @pages.get("/metrics", needs=Access.PUBLIC)
    def metrics() -> ResponseReturnValue:
        return Response(probe.metrics(here().now), content_type=CONTENT_TYPE_LATEST)

    return pages.done()
