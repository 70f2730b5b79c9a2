"""The gate of the demonstration: at any hour, for who is served."""

from __future__ import annotations

from datetime import datetime

from typing_extensions import override

from chukan.platform.identifiers import TenantId
from chukan.platform.service_hours.services import Service
from chukan.tenants.middleserver.gate import Closed, Gate, Reason

#: What closes the exchange by the clock alone.
BY_THE_CLOCK = frozenset({Reason.HOURS, Reason.OUTAGE, Reason.DATA_STOP})


class OpenGate(Gate):
    """The gate without its clock: who is not served is refused as ever."""

    @override
    def closes_at(self, tenant: TenantId, service: Service, now: datetime) -> datetime | None:
        """Return no instant: nothing closes by the clock."""

    @override
    def closed(self, tenant: TenantId, service: Service, now: datetime) -> Closed | None:
        """Return why *service* is closed to *tenant* at *now*, the clock left aside, or None."""
        found = super().closed(tenant, service, now)
        return None if found is not None and found.reason in BY_THE_CLOCK else found
