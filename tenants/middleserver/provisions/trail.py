"""What provisions write into the audit trail of their organisation, and on whose behalf something is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chukan.platform.audit.rules import Action, AuditEntry, Detail
from chukan.platform.audit.service import UnitOfWork, audited
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId


class ProvisionAction(Action):
    """The acts on provisions, in the organisation's own chain. Automatic replies stand with the message received."""

    PENDING = "provisions:provision:list"
    DECIDE = "provisions:provision:decide"
    EXPIRE = "provisions:provision:expire"
    BAR = "provisions:bar:set"
    LIFT = "provisions:bar:lift"
    RESTRICT = "provisions:restriction:set"
    LIFT_RESTRICTION = "provisions:restriction:lift"
    ERRONEOUS = "provisions:erroneous:search"


@dataclass(frozen=True)
class Caller:
    """For which organisation, by whom, in which request, and of which department something is done."""

    tenant: TenantId
    actor: str
    request: str
    department: str | None = None

    @contextmanager
    def act(
        self, sessions: TenantSessions, action: ProvisionAction, subject: str, **detail: Detail
    ) -> Iterator[UnitOfWork]:
        """Begin a transaction of the tenant for *action* that is recorded with it; see ``audited``."""
        told = {**detail, **({"department": self.department} if self.department else {})}
        entry = AuditEntry(self.actor, action, subject, self.request, detail=told)
        with audited(lambda: sessions.begin(self.tenant), entry) as unit:
            yield unit
