"""The messages of inquiries to the network, as XML.

Source: docs/interfaces/national-network.md.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from chukan.tenants.middleserver.formats.messages import MessageHeader, MessageMode, add, new_message, render
from chukan.tenants.middleserver.inquiries.rules import ConditionKind, japan_second
from chukan.tenants.middleserver.inquiries.store import Inquiry
from chukan.tenants.middleserver.security.masters.package import NETWORK_SYSTEM, PLATFORM_SYSTEM

INQUIRY = "IF_SKI_X0101_R01"
RESULT = "IF_SKI_X0102_S01"
CANCELLATION = "IF_SKI_X0103_R01"
PROVIDED = "IF_TKY_X0203_S01"


def inquiry_document(
    message: UUID, found: Inquiry, *, institution: str, code: str, requested_at: datetime
) -> bytes:  # fmt: skip
    """Return the inquiry *found* of *institution* about the person of the linkage code *code* (UTF-8)."""
    root = new_message("InformationInquiry", _header(message, INQUIRY))
    add(root, "ProcessingSerial", found.serial)
    add(root, "InquirerInstitution", institution)
    add(root, "LinkageCode", code)
    add(root, "Affair", found.affair)
    add(root, "Procedure", found.procedure)
    add(root, "Information", found.information)
    add(root, "ProviderInstitution", found.provider)
    condition = add(root, "Condition")
    add(condition, "Kind", (ConditionKind.PERIOD if found.period else ConditionKind.CURRENT).value)
    for name, day in (("From", found.begins), ("To", found.ends)):
        if day is not None:
            add(condition, name, day.isoformat())
    if found.year is not None:
        add(condition, "Year", found.year)
    add(root, "RequestedAt", japan_second(requested_at))
    if found.delegated is not None:
        add(root, "DelegatedInquirer", found.delegated)
    add(root, "NonDisclosure", int(found.undisclosed))
    return render(root)


def cancellation_document(message: UUID, found: Inquiry, *, reason: str) -> bytes:
    """Return the message that takes *found* back, because of *reason* (a word of the protocol)."""
    root = new_message("InquiryCancellation", _header(message, CANCELLATION))
    add(root, "ProcessingSerial", found.serial)
    add(root, "Reason", reason)
    return render(root)


def _header(message: UUID, kind: str) -> MessageHeader:
    return MessageHeader(message, kind, MessageMode.PRODUCTION, PLATFORM_SYSTEM, NETWORK_SYSTEM)
