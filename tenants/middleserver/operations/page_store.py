"""What the page of the day's uploads asks for, in the shared schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import Connection

from chukan.platform.clock import TOKYO
from chukan.platform.database.engines import driver
from chukan.platform.errors import ChukanError
from chukan.tenants.limits.budget import limit_of
from chukan.tenants.limits.data import shipped_limits
from chukan.tenants.limits.exemptions import store as exemptions
from chukan.tenants.limits.exemptions.store import Base
from chukan.tenants.limits.rules import Amount


@dataclass(frozen=True)
class DayUse:
    """What an organisation sent on a day against its limit; without one it cannot be computed."""

    organisation: str
    files: int
    records: int
    kb: int
    exempt: bool
    limit: Amount | None

    @property
    def records_share(self) -> float:
        """Records in percent of the limit."""
        return round(100 * self.records / self.limit.records, 1) if self.limit and self.limit.records else 0.0

    @property
    def size_share(self) -> float:
        """Size in percent of the limit."""
        return round(100 * self.kb / self.limit.kb, 1) if self.limit and self.limit.kb else 0.0

    @property
    def share(self) -> float:
        """The greater of both."""
        return max(self.records_share, self.size_share)


def uses(connection: Connection, day: date) -> Sequence[DayUse]:
    """Return what every organisation sent on *day* (Asia/Tokyo), by organisation."""
    begins = datetime.combine(day, time(), TOKYO)
    rows = driver(connection).execute(
        """
        select u.tenant, coalesce(o.code, o.id::text, u.tenant::text), count(*), sum(u.expected), sum(u.size),
            bool_or(u.exempt)
        from platform.upload_projection u left join platform.organisation o on o.tenant = u.tenant
        where u.received_at >= %s and u.received_at < %s
        group by u.tenant, o.code, o.id order by 2
        """,
        (begins, begins + timedelta(days=1)),
    )
    found = rows.fetchall()
    bases = exemptions.bases(connection, [row[0] for row in found], day)
    return [
        DayUse(
            organisation,
            files,
            int(records),
            shipped_limits().kilobytes(int(size)),
            exempt,
            _limit(bases.get(tenant), day),
        )
        for tenant, organisation, files, records, size, exempt in found
    ]


def _limit(base: Base | None, day: date) -> Amount | None:
    try:
        return limit_of(base, day) if base is not None else None
    except ChukanError:
        # The page says that it cannot be computed; the upload itself is refused with the reason.
        return None
