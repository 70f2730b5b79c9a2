"""What the registry writes into the audit trail: every act, in its transaction, in the platform's chain.

Organisations are named by their code (unions without one by their id), people by their id alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import Engine

from chukan.platform.audit.rules import Action, AuditEntry, Detail
from chukan.platform.audit.service import Chain, UnitOfWork, audited


class RegistryAction(Action):
    """The acts on the registry."""

    IMPORT = "registry:organisation:import"
    CHANGE = "registry:organisation:change"
    MOVE = "registry:organisation:move"
    MERGE = "registry:organisation:merge"
    DIVIDE = "registry:organisation:divide"
    ADD_UNION = "registry:union:add"
    CHANGE_MEMBERS = "registry:union:change_members"
    IMPORT_POPULATION = "registry:population:import"
    ADOPT = "registry:interface:adopt"
    ADD_CONTACT = "registry:contact:add"
    APPOINT = "registry:role:appoint"
    OPEN_HANDOVER = "registry:handover:open"
    FINISH_TASK = "registry:handover:finish_task"
    CLOSE_ACCOUNTS = "registry:handover:close_accounts"
    CANCEL_HANDOVER = "registry:handover:cancel"
    DECLARE = "registry:delegation:declare"
    END_DECLARATION = "registry:delegation:end"


@dataclass(frozen=True)
class Actor:
    """Who acts, in which request, and through which log-in it is written."""

    engine: Engine
    name: str
    request: str

    def act(self, action: RegistryAction, subject: str, **detail: Detail) -> AbstractContextManager[UnitOfWork]:
        """Begin a transaction for *action* on *subject* that is recorded with it; see ``audited``."""
        return audited(self.engine.begin, self._entry(action, subject, detail), chain=Chain.PLATFORM)

    def _entry(self, action: RegistryAction, subject: str, detail: Mapping[str, Detail]) -> AuditEntry:
        return AuditEntry(self.name, action, subject, self.request, detail=detail)
