"""Who acts in the platform's own affairs, and through which log-in it is done and recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from chukan.platform.audit.rules import Action, AuditEntry, Detail
from chukan.platform.audit.service import Chain, UnitOfWork, append, audited
from chukan.platform.command_line import acting
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.serving import serving
from chukan.platform.identifiers import new_request_id
from chukan.platform.settings import Settings


@dataclass(frozen=True)
class Actor:
    """Who acts, in which request, and through which log-in it is written: all of it into the platform's chain."""

    engine: Engine
    name: str
    request: str

    def act(self, action: Action, subject: str, **detail: Detail) -> AbstractContextManager[UnitOfWork]:
        """Begin a transaction for *action* on *subject* that is recorded with it; see ``audited``."""
        return audited(self.engine.begin, self._entry(action, subject, detail), chain=Chain.PLATFORM)

    def append(self, connection: Connection, action: Action, subject: str, **detail: Detail) -> None:
        """Record *action* as the last statement of the transaction of *connection*."""
        append(connection, self._entry(action, subject, detail), chain=Chain.PLATFORM)

    def _entry(self, action: Action, subject: str, detail: Mapping[str, Detail]) -> AuditEntry:
        return AuditEntry(self.name, action, subject, self.request, detail=detail)


@contextmanager
def at_work(settings: Settings, kind: ProcessKind) -> Iterator[Actor]:
    """Lend the log-in of *kind* to who runs the present command, with the database running.

    Raises:
        SecretMissing: this machine was not given that log-in.
        SessionOver, TokenFileUnsafe, PermissionLacking: as ``acting``; nothing has been done.
    """
    with serving(settings.database), engine_of(settings.database, kind) as engine:
        yield Actor(engine, acting(engine).name, new_request_id())
