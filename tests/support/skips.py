"""A skipped test is a failure where ``CI`` is ``true``: there, everything that tests need is installed.

Elsewhere pytest's own summary (``-ra``) ends with the list of what was skipped and why.
"""

from __future__ import annotations

import os

import pytest

_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note a test that skipped itself; an expected failure is reported alike, but did run."""
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Note a module that skipped itself as a whole."""
    if report.skipped:
        _skipped.append(report.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that would pass but for its skips; xdist's workers leave that to their controller."""
    is_worker = hasattr(session.config, "workerinput")
    if refused() and not is_worker and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why a run without failures failed."""
    if refused():
        terminalreporter.section("skipped, which is a failure here (CI=true)", red=True)
        for nodeid in refused():
            terminalreporter.line(nodeid)


def refused() -> list[str]:
    """Return the node ids of skips that may not be; always empty where ``CI`` is not ``true``."""
    return _skipped if os.environ.get("CI") == "true" else []
