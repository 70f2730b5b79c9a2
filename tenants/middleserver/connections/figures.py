"""What the gateway counts of its requests, by service and outcome, and of its refusals by reason.

No label holds what a caller can invent: a service is an address or a message type that is served, a reason is an
error's code or the status that the network was given.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from http import HTTPStatus

from prometheus_client import Counter

from chukan.platform.component import Metric, MetricKind
from chukan.platform.messages import mark
from chukan.platform.web.metrics import NONE

REQUESTS = Counter(
    "chukan_gateway_requests",
    "Requests of organisations and of the network at this gateway, by service and outcome.",
    ["service", "outcome"],
)
REFUSALS = Counter("chukan_gateway_refusals", "Requests that this gateway refused or failed at, by reason.", ["reason"])
DOCUMENTED = (
    Metric(
        "chukan_gateway_requests_total",
        MetricKind.COUNTER,
        mark("Requests of organisations and of the network at this gateway, by service and outcome."),
        ("service", "outcome"),
    ),
    Metric(
        "chukan_gateway_refusals_total",
        MetricKind.COUNTER,
        mark("Requests that this gateway refused or failed at, by reason."),
        ("reason",),
    ),
)


class Outcome(StrEnum):
    """What became of a request."""

    DONE = "done"
    #: It cannot be done, or not now: the caller acts.
    REFUSED = "refused"
    #: It could not be done here: the operators act.
    FAILED = "failed"


def outcome_of(status: int) -> Outcome:
    """Return what became of a request that was answered with *status*; closed (503) is refused, not failed."""
    if status < HTTPStatus.BAD_REQUEST:
        return Outcome.DONE
    is_ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.SERVICE_UNAVAILABLE
    return Outcome.FAILED if is_ours else Outcome.REFUSED


def service_of(endpoint: str | None, message_type: str | None, types: Collection[str]) -> str:
    """Return the service that was asked for: the message type, if it is one of *types*, else the view's name."""
    if message_type is not None:
        return message_type if message_type in types else NONE
    return NONE if endpoint is None else endpoint.rpartition(".")[2]


def count(service: str, status: int, reason: str | None) -> None:
    """Count one request; *reason* is the code of the error that it was answered with."""
    outcome = outcome_of(status)
    REQUESTS.labels(service, outcome.value).inc()
    if outcome is not Outcome.DONE:
        # The network is told its reason in a receipt; the status tells what kind it was.
        REFUSALS.labels(reason or f"{service}.{status}").inc()
