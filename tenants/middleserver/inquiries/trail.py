"""What inquiries write into the audit trail of their organisation; persons are named by serials alone.

Who asked at the organisation is kept with the request (``inquiry_reception.source_user``); no log and no trail has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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
    """For which organisation, by whom, and in which request something is done; *department* is the system's.

    *user* is who asked at the organisation (依頼元ユーザID), as its system names them: 1 to 20 letters and digits.
    """

    tenant: TenantId
    actor: str
    request: str
    department: str = ""
    user: str = field(default="", repr=False)
