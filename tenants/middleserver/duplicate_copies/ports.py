"""What duplicate copies need from others: the day's limit, the masters, the requests that are open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from chukan.platform.identifiers import TenantId
from chukan.tenants.limits.data import shipped_limits
from chukan.tenants.limits.rules import Amount, Decision, decide
from chukan.tenants.middleserver.duplicate_copies.rules import Target
from chukan.tenants.middleserver.security.masters.rules import Layout


@dataclass(frozen=True, slots=True)
class Use:
    """Records (registrations and deletions together) and bytes of a day or a file."""

    records: int
    bytes: int


class DayBudget(Protocol):
    """Decides whether a file still fits into a day (Asia/Tokyo) of an organisation."""

    def decide(self, tenant: TenantId, day: date, *, used: Use, asked: Use) -> Decision:
        """Return whether *asked* fits beside *used*, and what was left; raises as the limits do."""
        ...


class LimitedDay:
    """The budget that ``tenants.limits`` gives; *standing* tells a tenant's limit on a day, and its exemption."""

    def __init__(self, standing: Callable[[TenantId, date], tuple[Amount, bool]]) -> None:
        self._standing = standing

    def decide(self, tenant: TenantId, day: date, *, used: Use, asked: Use) -> Decision:
        """Return the decision of the rules; sizes count in begun kilobytes."""
        kilobytes = shipped_limits().kilobytes
        limit, exempted = self._standing(tenant, day)
        return decide(
            limit,
            Amount(used.records, kilobytes(used.bytes)),
            Amount(asked.records, kilobytes(asked.bytes)),
            exempted=exempted,
        )


class Masters(Protocol):
    """What the masters say of layouts and of the organisation itself."""

    def layouts(self, tenant: TenantId, information: str) -> Sequence[Layout]:
        """Return all layouts of *information* (a code), oldest first; empty if it is not known."""
        ...

    def regions(self, tenant: TenantId) -> frozenset[str]:
        """Return the region codes (3 digits) that the organisation's records may have."""
        ...


class OpenRequests(Protocol):
    """The requests of other organisations, and what they are answered from."""

    def days(self, tenant: TenantId, target: Target, today: date) -> Sequence[date]:
        """Return the days (Asia/Tokyo) of the unanswered requests that are answered from *target* on *today*."""
        ...

    def is_linked(self, tenant: TenantId, target: Target, today: date) -> bool:
        """Return whether a request of *today* would be answered from *target*."""
        ...
