"""The whole test: all steps, then the vendor's own messages, and what was left behind is given up.

Source: A0-155.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.x509 import Certificate

from chukan.platform.clock import as_tokyo
from chukan.tenants.middleserver.connections.connection_test import own_messages
from chukan.tenants.middleserver.connections.connection_test.bench import Bench, run
from chukan.tenants.middleserver.connections.connection_test.client import Unreachable
from chukan.tenants.middleserver.connections.connection_test.rules import Outcome, Result, count, passed
from chukan.tenants.middleserver.connections.connection_test.steps_connection import (
    CODE_REQUESTS,
    CONNECTION,
    REPETITION,
)
from chukan.tenants.middleserver.connections.connection_test.steps_copies import COPIES
from chukan.tenants.middleserver.connections.connection_test.steps_messages import INQUIRIES, PROVISIONS
from chukan.tenants.middleserver.connections.connection_test.steps_refusals import REFUSALS
from chukan.tenants.middleserver.connections.intake import REGISTRATION

STEPS = (*CONNECTION, *CODE_REQUESTS, *COPIES, *INQUIRIES, *PROVISIONS, *REPETITION, *REFUSALS)


@dataclass(frozen=True)
class Report:
    """What was tested, when (UTC), with which certificate, and how each step went."""

    about: Mapping[str, str]
    now: datetime
    certificate: Certificate | None
    fingerprint: str
    results: Sequence[Result]

    @property
    def passed(self) -> bool:
        """Whether nothing went wrong."""
        return passed(self.results)

    def counts(self) -> Mapping[Outcome, int]:
        """Return how many steps ended how."""
        return {outcome: count(self.results, outcome) for outcome in Outcome}

    def shape(self) -> dict[str, object]:
        """Return the report as programs are told of it."""
        ends = None if self.certificate is None else as_tokyo(self.certificate.not_valid_after_utc).isoformat()
        return {
            "passed": self.passed,
            **self.about,
            "tested_at": as_tokyo(self.now).isoformat(timespec="seconds"),
            "certificate": {"sha256": self.fingerprint or None, "valid_until": ends},
            "counts": {outcome.value: number for outcome, number in self.counts().items()},
            "steps": [each.shape() for each in self.results],
        }


def tested(bench: Bench, messages: Path | None, about: Mapping[str, str]) -> Report:
    """Take all steps, then those of the directory *messages*; *about* says what is tested, for the report."""
    results = run(STEPS, bench)
    if messages is not None:
        results += own_messages.run(bench, messages)
    _tidied(bench)
    own = bench.own
    certificate, fingerprint = (None, "") if own is None else (own.certificate, own.fingerprint)
    return Report(about, bench.now, certificate, fingerprint, results)


def _tidied(bench: Bench) -> None:
    """Give up the upload of the test that was not brought to its end."""
    if bench.upload and bench.online is not None and REGISTRATION not in bench.answered:
        with suppress(Unreachable):
            bench.online.gateway.ask("DELETE", bench.upload)
