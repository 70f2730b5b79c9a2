"""What the vault writes into the audit trail: every act on keys, in the transaction of the act."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from chukan.platform.audit.rules import Action, AuditEntry, Detail
from chukan.platform.audit.service import Chain, UnitOfWork, append, audited
from chukan.platform.identifiers import TenantId


class VaultAction(Action):
    """The acts on keys. All of them are the platform's, so they stand in its chain."""

    CREATE_PROVIDER_KEY = "vault:provider_key:create"
    REWRAP = "vault:data_key:rewrap"
    DESTROY_WRAPPING_KEY = "vault:wrapping_key:destroy"
    CREATE = "vault:data_key:create"
    ROTATE = "vault:data_key:rotate"
    RETIRE = "vault:data_key:retire"
    DESTROY = "vault:data_key:destroy"


@dataclass(frozen=True)
class Actor:
    """Who acts, in which request, and through which log-in it is written."""

    engine: Engine
    name: str
    request: str

    def act(self, action: VaultAction, subject: str, **detail: Detail) -> AbstractContextManager[UnitOfWork]:
        """Begin a transaction for *action* on *subject* that is recorded with it; see ``audited``."""
        return audited(self.engine.begin, self._entry(action, subject, detail), chain=Chain.PLATFORM)

    def append(self, connection: Connection, action: VaultAction, subject: str, **detail: Detail) -> None:
        """Record *action* as the last statement of the transaction of *connection*."""
        append(connection, self._entry(action, subject, detail), chain=Chain.PLATFORM)

    def _entry(self, action: VaultAction, subject: str, detail: Mapping[str, Detail]) -> AuditEntry:
        return AuditEntry(self.name, action, subject, self.request, detail=detail)


def owner_subject(owner: TenantId) -> str:
    """Return how the trail names the owner of a data key."""
    return f"tenant:{owner}"
