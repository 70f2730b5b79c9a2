"""What stands on the pages of the middle servers: campaigns, the day's uploads, a night, and certificates.

Campaigns and populations are made by their services. What the workers show in the shared schema is put there as they
would: it follows from nights and from files of an organisation's own schema, which have tests of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

import psycopg

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import as_tokyo
from chukan.tenants.middleserver.operations.campaigns.rules import Campaign, Number, Scope
from chukan.tenants.middleserver.operations.campaigns.service import Campaigns
from chukan.tenants.middleserver.operations.store import REGISTRATION
from chukan.tenants.registry.populations import import_population

#: By organisation: population; without one no limit can be computed.
_POPULATIONS = {"011002": 1_959_313, "131016": 66_680, "141003": 3_777_491}
#: Information, state, size in bytes, records, and faults of each upload, by organisation.
_UPLOADS = {
    "011002": ((2, "registered", 4_000_000, 40_000, 0), (8, "received", 9_000_000, 90_000, 0)),
    "131016": (
        (2, "registered", 1_200_000, 12_000, 0),
        (8, "registered", 800_000, 9_000, 0),
        (44, "registered", 70_000_000, 500, 0),
    ),
    "141003": ((2, "refused", 3_000_000, 30_000, 7),),
    "231002": ((2, "staging", 2_000_000, 20_000, 0),),
}
_UPLOAD = """
    insert into platform.upload_projection (upload, tenant, information, state, size, expected, registered, deleted,
        faults, exempt, received_at, finished_at, measured_at)
    values (%s, %s, %s, %s, %s, %s, %s, 0, %s, %s, %s, %s, %s)
"""
_RUN = """
    insert into platform.batch_run (night, state, closes_at, worker, started_at, ended_at)
    values (%s, %s, %s, 'chukan-1:431', %s, %s)
"""
_PART = """
    insert into platform.batch_part (night, tenant, state, waiting_since, nights_carried, turns, registered, refused,
        remaining, records, current_records, current_expected, failure)
    values (%s, %s, %s, %s, %s, 1, %s, %s, %s, %s, %s, %s, %s)
"""
#: State, nights carried, registered, refused, left, records, and of the file under way records and expected; failure.
_PARTS = {
    "011002": ("running", 0, 3, 0, 1, 40_000, 30_500, 90_000, None),
    "131016": ("finished", 0, 2, 0, 0, 21_500, 0, 0, None),
    "141003": ("finished", 0, 1, 1, 0, 12_000, 0, 0, None),
    "231002": ("failed", 1, 0, 0, 1, 0, 0, 0, "vault.key_unavailable"),
}
#: Use, state, days that are left, and days since it came into the state, by organisation.
_CERTIFICATES = {
    "011002": (("sign", "active", 1_810, 5), ("sign", "retiring", 40, 5), ("enc", "active", 900, 900)),
    "131016": (("sign", "active", 1_800, 20), ("sign", "retiring", 12, 20), ("enc", "active", 45, 1_700)),
    "141003": (("sign", "active", 9, 1_800), ("sign", "pending", 1_820, 1), ("enc", "active", -2, 1_830)),
    "231002": (("enc", "pending", 1_825, 1),),
}


@dataclass
class CopiesFurniture:
    """What furnishes the pages of the middle servers, at the instant *now*; *console* does what operators do."""

    superuser: psycopg.Connection
    console: Actor
    now: datetime

    def place(self) -> None:
        """Furnish them."""
        rows = self.superuser.execute("select code, tenant from platform.organisation where tenant is not null")
        tenants: dict[str, UUID] = dict(rows.fetchall())
        self._populations()
        self._campaigns()
        for code, tenant in tenants.items():
            self._uploads(code, tenant)
            self._certificates(code, tenant)
        self._night(tenants)

    @property
    def _today(self) -> date:
        return as_tokyo(self.now).date()

    def _populations(self) -> None:
        lines = [f"{code},{value}" for code, value in _POPULATIONS.items()]
        content = "\n".join(["団体コード,人口", *lines]).encode()
        import_population(
            self.console, content, "p.csv", as_of=date(2026, 1, 1), source="test", partial=True, now=self.now
        )

    def _campaigns(self) -> None:
        numbers = (
            Number(2, mandatory=True, scope=Scope.LATEST_ONLY, large=True),
            Number(8, mandatory=True, scope=Scope.FULL_HISTORY, large=False),
            Number(44, mandatory=False, scope=Scope.LATEST_ONLY, large=False),
        )
        office, day = Campaigns(self.console), timedelta(days=1)
        for revision, title, opens, due, asked in (
            ("R1.6", "令和元年6月改版", 20, -10, numbers),
            ("H31.4", "平成31年4月改版", 60, 2, numbers[:2]),
        ):
            office.create(
                Campaign(revision, title, self._today - opens * day, self._today - due * day, 20_000_000, asked)
            )

    def _uploads(self, code: str, tenant: UUID) -> None:
        for information, state, size, records, faults in _UPLOADS.get(code, ()):
            done = state in {"registered", "refused"}
            registered = records if state == "registered" else 0
            received = self.now - timedelta(minutes=50)
            values = (uuid4(), tenant, information, state, size, records, registered, faults, code == "231002")
            self.superuser.execute(_UPLOAD, (*values, received, self.now if done else None, self.now))

    def _certificates(self, code: str, tenant: UUID) -> None:
        for use, state, left, since in _CERTIFICATES.get(code, ()):
            ends, changed = self.now + timedelta(days=left), self.now - timedelta(days=since)
            self.superuser.execute(
                "insert into platform.certificate_projection (tenant, kid, use, state, not_before, not_after,"
                " changed_at) values (%s, %s, %s, %s, %s, %s, %s)",
                (tenant, uuid4().hex, use, state, ends - timedelta(days=1_826), ends, changed),
            )

    def _night(self, tenants: dict[str, UUID]) -> None:
        tonight, hour = self._today, timedelta(hours=1)
        for night, state, ended in ((tonight - timedelta(days=1), "finished", -5 * hour), (tonight, "running", None)):
            begun = self.now - 12 * hour if ended else self.now - hour
            values = (night, state, self.now + 7 * hour, begun, self.now + ended if ended else None)
            self.superuser.execute(_RUN, values)
        for code, (state, carried, *counts) in _PARTS.items():
            waiting_since = self.now - 14 * hour
            if counts[2]:
                self.superuser.execute(
                    "insert into platform.due (tenant, kind, at) values (%s, %s, %s)",
                    (tenants[code], REGISTRATION, waiting_since),
                )
            self.superuser.execute(_PART, (tonight, tenants[code], state, waiting_since, carried, *counts))
