"""What the platform is made of, what plays each part here, and who watches it. Source: A0-143.

The parts are those of the sources' figure. Each check of ours stands with exactly one part; a part that Chukan does not
watch says so, so that nobody takes its silence for health.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flask.typing import ResponseReturnValue

from chukan.console.probes import Probe
from chukan.platform.component import Access, Check, CheckResult, Health, Pages
from chukan.platform.messages import mark, text
from chukan.platform.web import PageSet, here, page
from chukan.platform.web.cells import Mark, Status


@dataclass(frozen=True)
class Part:
    """A part of the platform: what it is called, what plays it here, and the names of the checks that watch it."""

    name: str
    played_by: str
    checks: tuple[str, ...] = ()


PARTS = (
    Part(
        mark("Application servers of the organisations"),
        mark("The processes gateway and worker; each organisation's work runs under its own log-in"),
        ("jobs-failing", "scheduler-leader-stale", "night-batch-backlog"),
    ),
    Part(
        mark("Database servers of the organisations"),
        mark("PostgreSQL; a schema and a log-in for each organisation"),
        ("database-reachable", "database-isolation"),
    ),
    Part(
        mark("Connection with the national network"),
        mark("The exchange of signed messages; the masters and the certificates that it stands on"),
        (
            "exchange-oldest-unsent",
            "exchange-dead-letters",
            "inquiries-pace",
            "reconciliation-cases-open",
            "masters-unapplied",
            "message-certificates-expiring",
        ),
    ),
    Part(mark("Keys"), mark("The HSM, or in development a file"), ("vault-key-provider", "vault-wrapping-key-age")),
    Part(
        mark("Log analysis"),
        mark("The sealed audit trail; the logs in JSON go to the operator's collector"),
        ("audit-seal-stale", "audit-sink-mismatch"),
    ),
    Part(
        mark("Operators in the monitoring base"),
        mark("This console"),
        ("accounts-administrators", "registry-leaver-accounts", "service-hours-calendar"),
    ),
    Part(mark("Mail"), mark("The outbox; the operator's mail server"), ("mail-outbox-stale", "mail-dead-letters")),
    Part(mark("Networks of the organisations (VPN)"), mark("The operator's gateways")),
    Part(mark("Firewall and intrusion prevention"), mark("The operator's network")),
    Part(mark("Virus scanning and sandbox, malware server"), mark("The operator's network")),
    Part(mark("Backup server"), mark("The operator's own backups of the database")),
)

_STATUS = {
    Health.GREEN: Status(Mark.OK, mark("In order")),
    Health.AMBER: Status(Mark.WARNING, mark("Look at it")),
    Health.RED: Status(Mark.ERROR, mark("Alarm")),
}
_UNWATCHED = Status(Mark.OFF, mark("Not watched by Chukan"))


def inventory_pages(probe: Probe, checks: Iterable[Check]) -> Pages:
    """Return the page of the parts; *probe* knows what the checks say that a process with pages can ask."""
    pages = PageSet("inventory", __name__)
    known = [check.name for check in checks]

    @pages.get("/inventory", needs=Access.SIGNED_IN, menu=(mark("Parts of the platform"), 890))
    def inventory() -> ResponseReturnValue:
        answers = {each.check.name: each.result for each in probe.answers(here().now)}
        return page("console/inventory.html", rows=rows(answers, known), now=here().now)

    return pages.done()


def rows(answers: Mapping[str, CheckResult], known: Sequence[str]) -> list[tuple[str, str, Status, list[str]]]:
    """Return a row for each part: its name, what plays it, how it stands, and what each of its checks says.

    *known* are the checks that exist; one that has no answer is asked elsewhere. A part stands as its worst check does.
    """
    return [_row(part, {name: answers.get(name) for name in part.checks if name in known}) for part in PARTS]


def _row(part: Part, told: Mapping[str, CheckResult | None]) -> tuple[str, str, Status, list[str]]:
    healths = [result.health for result in told.values() if result is not None]
    status = _STATUS[max(healths, key=list(Health).index)] if healths else _UNWATCHED
    words = [
        f"{name}: {text('asked on the server that holds its log-in') if result is None else result.summary}"
        for name, result in told.items()
    ]
    return text(part.name), text(part.played_by), Status(status.mark, text(status.word)), words
