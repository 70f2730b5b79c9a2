"""What inquiries ask of others: when the service closes, and the codes of persons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from chukan.platform.identifiers import TenantId
from chukan.platform.service_hours.services import Service
from chukan.tenants.middleserver.formats.codes import AddressNumber
from chukan.tenants.middleserver.gate import Closed
from chukan.tenants.middleserver.security.masters.rules import Catalogue


class Hours(Protocol):
    """When an organisation may exchange: the gate."""

    def closed(self, tenant: TenantId, service: Service, now: datetime) -> Closed | None:
        """Return why *service* is closed to *tenant* at *now*, or None."""
        ...

    def closes_at(self, tenant: TenantId, service: Service, now: datetime) -> datetime | None:
        """Return when *service*, open at *now*, closes to *tenant* (UTC); None: no closing is known."""
        ...


class Going(Protocol):
    """Whether the exchange of an organisation goes on, or the operators have stopped it."""

    def require_going(self, tenant: TenantId) -> None:
        """Let pass what begins an exchange of *tenant*; raises StoppedByOperators, with the operators' reason."""
        ...


class MastersInForce(Protocol):
    """The masters."""

    def catalogue(self, tenant: TenantId) -> Catalogue:
        """Return the masters in force for *tenant*; raises MastersMissing."""
        ...


class People(Protocol):
    """The linkage codes of an organisation's persons."""

    def found_by(self, tenant: TenantId, addresses: Sequence[AddressNumber]) -> Sequence[bytes]:
        """Return by what each of the persons is found: the blind index of the address number."""
        ...

    def codes(
        self, connection: Connection, tenant: TenantId, addresses: Mapping[bytes, AddressNumber]
    ) -> Mapping[bytes, str]:
        """Return the codes of those of *addresses* (by blind index) that have one."""
        ...
