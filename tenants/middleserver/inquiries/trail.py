"""What inquiries write into the audit trail of their organisation; persons are named by serials alone."""

from __future__ import annotations

from dataclasses import dataclass

from chukan.platform.audit.rules import Action
from chukan.platform.identifiers import TenantId


class InquiryAction(Action):
    """The acts on inquiries."""

    REGISTER = "inquiries:inquiry:register"
    RELEASE = "inquiries:inquiry:release"
    RESULTS = "inquiries:result:read"
    CANCEL = "inquiries:inquiry:cancel"
    EXPIRE = "inquiries:inquiry:expire"


@dataclass(frozen=True)
class InquiryCaller:
    """For which organisation, by whom, and in which request something is done; *department* is the system's."""

    tenant: TenantId
    actor: str
    request: str
    department: str = ""
