"""What duplicate copies write into the audit trail of their tenant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from chukan.platform.audit.rules import Action, AuditEntry, Detail
from chukan.platform.audit.service import Chain, UnitOfWork, audited
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId


class CopyAction(Action):
    """The acts on uploads and copies. All of them are the organisation's own."""

    BEGIN = "duplicate_copies:upload:begin"
    COMPLETE = "duplicate_copies:upload:complete"
    CANCEL = "duplicate_copies:upload:cancel"
    REGISTER = "duplicate_copies:upload:register"
    REFUSE = "duplicate_copies:upload:refuse"
    REPORT = "duplicate_copies:error_report:read"
    EXPORT = "duplicate_copies:management_information:export"
    BULK_DELETE = "duplicate_copies:copies:delete"


@dataclass(frozen=True)
class Caller:
    """For which organisation, by whom (``system:…``, ``operator:…``), and in which request something is done."""

    tenant: TenantId
    actor: str
    request: str

    @contextmanager
    def act(self, sessions: TenantSessions, action: CopyAction, subject: str, **detail: Detail) -> Iterator[UnitOfWork]:
        """Begin a transaction of the tenant for *action* that is recorded with it; see ``audited``."""
        entry = AuditEntry(self.actor, action, subject, self.request, detail=detail)
        with audited(lambda: sessions.begin(self.tenant), entry, chain=Chain.TENANT) as unit:
            yield unit


def upload_subject(upload: UUID) -> str:
    """Return how the trail names an upload."""
    return f"upload:{upload}"
