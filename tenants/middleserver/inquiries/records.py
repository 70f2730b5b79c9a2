"""What is recorded of an inquiry (情報提供等記録), in the transaction in which it happens.

Source: A0-156.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import Connection

from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.inquiries.rules import InquiryState
from chukan.tenants.middleserver.inquiries.store import Inquiry
from chukan.tenants.middleserver.provision_records.rules import Fact, Result, Side
from chukan.tenants.middleserver.provision_records.service import write

_RESULTS: Mapping[InquiryState, Result] = MappingProxyType(
    {
        InquiryState.SENT: Result.REQUESTED,
        InquiryState.DEFERRED: Result.DEFERRED,
        InquiryState.ANSWERED: Result.PROVIDED,
        InquiryState.REFUSED: Result.REFUSED,
        InquiryState.EXPIRED: Result.EXPIRED,
        InquiryState.CANCELLED: Result.CANCELLED,
    }
)


def record(
    connection: Connection,
    tenant: TenantId,
    institution: str,
    found: Inquiry,
    now: datetime,
    *,
    reception: str | None = None,
) -> None:
    """Record *found* of the inquirer *institution* as it stands; what never left is not recorded.

    *reception* is the number under which the organisation's system asked; it is kept from the first time on.
    """
    result = _RESULTS.get(found.state)
    if result is None or found.requested_at is None:
        return
    fact = Fact(
        side=Side.INQUIRER,
        inquirer=institution,
        serial=found.serial,
        provider=found.provider,
        affair=found.affair,
        procedure=found.procedure,
        information=found.information,
        requested_at=found.requested_at,
        answered_at=found.ended_at,
        result=result,
        non_disclosure=found.undisclosed,
        reception=reception,
        person=found.person,
    )
    write(connection, tenant, fact, now)
