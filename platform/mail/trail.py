"""What outgoing mail writes into the audit trail: what became of mails, and what operators did with them.

A claim is no act (it is a lease, and the mail's own history has it); the outcome is. Recipients are not named:
the subject of an entry is the mail's id.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import Engine

from chukan.platform.audit.rules import Action, AuditEntry, Detail
from chukan.platform.audit.service import Chain, UnitOfWork, audited


class MailAction(Action):
    """The acts on mails; they stand in the platform's chain."""

    RELAY = "mail:outbox:relay"
    RETRY = "mail:outbox:retry"
    TEST = "mail:outbox:test"
    REPORT = "mail:report:take"
    LIFT_MARK = "mail:recipient:lift_mark"


@dataclass(frozen=True)
class Actor:
    """Who acts, in which request, and through which log-in it is written."""

    engine: Engine
    name: str
    request: str

    def act(self, action: MailAction, subject: str, **detail: Detail) -> AbstractContextManager[UnitOfWork]:
        """Begin a transaction for *action* on *subject* that is recorded with it; see ``audited``."""
        entry = AuditEntry(self.name, action, subject, self.request, detail=detail)
        return audited(self.engine.begin, entry, chain=Chain.PLATFORM)
