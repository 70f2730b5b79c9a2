"""What stands on the pages of the exchange: traffic, messages that do not go on, a stop, cases, and a course.

What the workers show in the shared schema is put there as they would: it follows from messages and records of the
organisations' own schemas, which have tests of their own. The switch is turned by its service.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import psycopg

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import as_tokyo
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.transmission.switch import Switch

_NAGOYA, _SAPPORO, _CHIYODA = "231002", "011002", "131016"
#: Of each organisation: unsent, given up, refused, held; and how many minutes its oldest message waits.
_STANDINGS = {
    _SAPPORO: (3, 0, 0, 0, 2),
    _CHIYODA: (41, 1, 1, 0, 95),
    "141003": (0, 0, 0, 1, None),
    _NAGOYA: (12, 0, 0, 0, 30),
}
#: State, kind of message, place, place that is missing, attempts, reason, and minutes, by organisation.
_TROUBLES = (
    (_CHIYODA, "dead", "IF_SKI_X0101_R01", 1, None, 12, None, 240),
    (_CHIYODA, "refused", "IF_TKY_X0202_S01", None, None, 1, "schema", 55),
    ("141003", "held", "IF_SKI_X0102_S01", 3, 2, None, None, 18),
)
_CASES: Sequence[tuple[str, str, str, str, list[str], int, str | None]] = (
    (_SAPPORO, "provider", "CASEAAAAAAAAAAAAAAA1", "differs", ["result", "answered_at"], 1, None),
    (_CHIYODA, "inquirer", "CASEAAAAAAAAAAAAAAA2", "missing_here", [], 9, None),
    (_NAGOYA, "provider", "CASEAAAAAAAAAAAAAAA3", "missing_there", [], 3, "agrees"),
)
#: Party, kind, milliseconds after the first, event, and what is said of it.
_COURSE = (
    ("inquirer", "state", 0, "release", "sent"),
    ("inquirer", "out", 4, "IF_SKI_X0101_R01", "queued"),
    ("network", "in", 160, "IF_SKI_X0101_R01", "done"),
    ("inquirer", "out", 190, "IF_SKI_X0101_R01", "done"),
    ("provider", "in", 420, "IF_TKY_X0201_R01", "applied"),
    ("provider", "state", 455, "answer", "provided"),
    ("provider", "out", 457, "IF_TKY_X0202_S01", "queued"),
    ("network", "in", 610, "IF_TKY_X0202_S01", "done"),
    ("provider", "out", 640, "IF_TKY_X0202_S01", "done"),
    ("inquirer", "in", 905, "IF_SKI_X0102_S01", "applied"),
    ("inquirer", "state", 930, "answer", "answered"),
    *((party, "record", 0, "requested", "provided") for party in ("inquirer", "network", "provider")),
    *((party, "record", 455, "answered", "provided") for party in ("inquirer", "network", "provider")),
)


@dataclass
class ExchangeFurniture:
    """What furnishes the pages of the exchange, at the instant *now*; *console* does what operators do."""

    superuser: psycopg.Connection
    console: Actor
    now: datetime

    def place(self) -> None:
        """Furnish them."""
        rows = self.superuser.execute("select code, tenant from platform.organisation where tenant is not null")
        tenants: dict[str, UUID] = dict(rows.fetchall())
        self._traffic(tenants)
        self._messages(tenants)
        self._cases(tenants)
        self._course(tenants)
        Switch(self.console).stop(TenantId(tenants[_NAGOYA]), reason="証明書の入替え")

    def _ago(self, minutes: float) -> datetime:
        return self.now - timedelta(minutes=minutes)

    def _traffic(self, tenants: dict[str, UUID]) -> None:
        midnight = as_tokyo(self.now).replace(hour=0, minute=0, second=0, microsecond=0)
        events = (("inquirer", "release", 1.0), ("inquirer", "answer", 0.93), ("inquirer", "refuse", 0.04),
                  ("provider", "provided", 0.8), ("provider", "deferred", 0.05))  # fmt: skip
        for side, event, share in events:
            for hour in range(as_tokyo(self.now).hour + 1):
                count = int(share * (30 + 900 * max(0, hour - 6)))
                self.superuser.execute(
                    "insert into platform.exchange_total (hour, side, event, count) values (%s, %s, %s, %s)",
                    (midnight + timedelta(hours=hour), side, event, count),
                )
            for place, code in enumerate(_STANDINGS):
                self.superuser.execute(
                    "insert into platform.exchange_day (day, tenant, side, event, count) values (%s, %s, %s, %s, %s)",
                    (midnight.date(), tenants[code], side, event, int(share * 1_700 / (place + 1))),
                )
        for code, state, side, count in ((_SAPPORO, "sent", "inquirer", 17), (_CHIYODA, "queued", "inquirer", 1_240),
                                         (_SAPPORO, "deferred", "provider", 4)):  # fmt: skip
            self.superuser.execute(
                "insert into platform.exchange_open (tenant, side, state, count) values (%s, %s, %s, %s)",
                (tenants[code], side, state, count),
            )

    def _messages(self, tenants: dict[str, UUID]) -> None:
        for code, (unsent, dead, refused, held, minutes) in _STANDINGS.items():
            self.superuser.execute(
                "insert into platform.exchange_standing (tenant, unsent, oldest_unsent_at, dead, refused, held,"
                " oldest_held_at) values (%s, %s, %s, %s, %s, %s, %s)",
                (tenants[code], unsent, self._ago(minutes) if minutes else None, dead, refused, held,
                 self._ago(18) if held else None),
            )  # fmt: skip
        for code, state, kind, sequence, awaited, attempts, reason, minutes in _TROUBLES:
            message = uuid4()
            self.superuser.execute(
                "insert into platform.exchange_trouble (tenant, message, state, type, conversation, sequence, awaited,"
                " attempts, reason, since) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (tenants[code], message, state, kind, uuid4(), sequence, awaited, attempts, reason, self._ago(minutes)),
            )
            if state == "refused":
                self.superuser.execute(
                    "insert into platform.message_retry (tenant, message, asked_by, request) values (%s, %s, %s, %s)",
                    (tenants[code], message, self.console.name, "test"),
                )

    def _cases(self, tenants: dict[str, UUID]) -> None:
        for code, side, serial, kind, fields, days, reason in _CASES:
            at = self._ago(days * 24 * 60)
            self.superuser.execute(
                "insert into platform.reconciliation_case (tenant, side, inquirer, serial, kind, fields, requested_on,"
                " opened_at, seen_at, closed_at, closed_by, reason)"
                " values (%s, %s, '0220113112101701', %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (tenants[code], side, serial, kind, fields, at.date(), at, at, self.now if reason else None,
                 "system:records-reconciliation" if reason else None, reason),
            )  # fmt: skip
        self.superuser.execute(
            "insert into platform.reconciliation_standing (tenant, from_day, until_day, compared, differing,"
            " reconciled_at) select id, %s, %s, 4210, 1, %s from platform.tenant where state = 'active'",
            (self._ago(46_080).date(), self.now.date(), self._ago(530)),
        )

    def _course(self, tenants: dict[str, UUID]) -> None:
        trace: UUID | None = None
        for code, number, outcome in ((_SAPPORO, "COURSEAAAAAAAAAAAAA1", None), (_SAPPORO, "7" * 22, "several"),
                                      (_CHIYODA, "COURSEAAAAAAAAAAAAA2", "found")):  # fmt: skip
            row = self.superuser.execute(
                "insert into platform.inquiry_trace (tenant, number, asked_by, request, done_at, outcome, serial,"
                " serials, inquirer, provider, inquirer_tenant, provider_tenant, network)"
                " values (%s, %s, %s, 'test', %s, %s, %s, %s, '0220113101101601', '0220113101100201', %s, %s, %s)"
                " returning id",
                (tenants[code], number, self.console.name, self.now if outcome else None, outcome,
                 number if outcome == "found" else None,
                 ["COURSEAAAAAAAAAAAAA2", "COURSEAAAAAAAAAAAAA3"] if outcome == "several" else None,
                 tenants[_CHIYODA], tenants[_SAPPORO], "told" if outcome == "found" else None),
            )  # fmt: skip
            (trace,) = row.fetchone() or (None,)
        for place, (party, kind, milliseconds, event, said) in enumerate(_COURSE):
            self.superuser.execute(
                "insert into platform.inquiry_trace_point (trace, place, party, kind, at, event, said)"
                " values (%s, %s, %s, %s, %s, %s, %s)",
                (trace, place, party, kind, self._ago(60) + timedelta(milliseconds=milliseconds), event, said),
            )
