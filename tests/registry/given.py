"""What the registry's tests stand on: an instant, some organisations, and how to read the trail."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from chukan.platform.identifiers import PLATFORM
from support.database import Database

DAY = date(2026, 7, 1)
NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
#: Hokkaido, Sapporo, Hakodate, the four towns named 池田町, Tokyo, Yokohama, Aogashima, Yusuhara.
FEW = (
    *("010006", "011002", "012025", "016446", "183822", "204811"),
    *("214043", "130001", "141003", "134023", "394050"),
)


def entries(database: Database) -> Sequence[dict[str, Any]]:
    """Return the bodies of the platform's chain, oldest first."""
    with database.superuser() as superuser:
        rows = superuser.execute("select body from platform.audit_entry where chain = %s order by seq", (PLATFORM,))
        return [json.loads(body) for (body,) in rows]
