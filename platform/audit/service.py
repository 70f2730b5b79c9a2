"""Recording: the entry is written in the transaction of the act, as its last statement before the commit.

The append locks the end of the chain until the commit; as the last statement it holds that lock for
the commit alone, so writers of one tenant hardly wait for one another (decision 18).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from chukan.platform.audit import store
from chukan.platform.audit.errors import AuditUnavailable
from chukan.platform.audit.ports import Masker
from chukan.platform.audit.rules import AuditEntry, Detail, Outcome, canonical_body
from chukan.platform.errors import ChukanError, Failure

#: Begins a transaction that commits at the end of its block: ``engine.begin``, or a tenant's session.
Begin = Callable[[], AbstractContextManager[Connection]]

_REFUSALS = frozenset(
    {Failure.REFUSED, Failure.UNAUTHENTICATED, Failure.BAD_INPUT, Failure.NOT_FOUND, Failure.CONFLICT}
)
_log = structlog.get_logger(__name__)


class Chain(Enum):
    """Which chain an act belongs to; the database decides whose the tenant's own is, by the log-in."""

    TENANT = "tenant"
    PLATFORM = "platform"


@dataclass
class UnitOfWork:
    """An act under way: the connection it works on, and what will be recorded of it."""

    connection: Connection
    act: AuditEntry
    further: list[AuditEntry] = field(default_factory=list)

    def note(self, **detail: Detail) -> None:
        """Add to the act's detail what only its doing told."""
        self.act = replace(self.act, detail={**self.act.detail, **detail})

    def record(self, entry: AuditEntry) -> None:
        """Record a further entry with this act, after it."""
        self.further.append(entry)


def append(
    connection: Connection, entry: AuditEntry, *, chain: Chain = Chain.TENANT, masker: Masker | None = None
) -> int:
    """Append *entry* in the transaction of *connection* and return its seq. Let nothing but the commit follow.

    Raises:
        EntryMalformed: the detail cannot be recorded.
        AuditUnavailable: the database did not take it; the transaction must not be committed.
    """
    body = canonical_body(entry, masker)
    try:
        return (store.append_own if chain is Chain.TENANT else store.append_platform)(connection, body)
    except DBAPIError as error:
        raise AuditUnavailable(detail=str(error.orig)) from error


def append_all(connection: Connection, entries: Sequence[AuditEntry], *, masker: Masker | None = None) -> None:
    """Append *entries* to the tenant's own chain, in their order, by one statement; as ``append``, raises as that."""
    bodies = [canonical_body(entry, masker) for entry in entries]
    if not bodies:
        return
    try:
        store.append_all_own(connection, bodies)
    except DBAPIError as error:
        raise AuditUnavailable(detail=str(error.orig)) from error


@contextmanager
def audited(
    begin: Begin, act: AuditEntry, *, chain: Chain = Chain.TENANT, masker: Masker | None = None
) -> Iterator[UnitOfWork]:
    """Do *act* inside the block, in one transaction with its entry.

    If the block fails, the transaction is rolled back, and that the act was refused (or failed: the
    caller was told so) is recorded in a transaction of its own, committed before the error goes on.

    Raises:
        AuditUnavailable: the entry cannot be written; nothing was done.
    """
    unit: UnitOfWork | None = None
    try:
        with begin() as connection:
            unit = UnitOfWork(connection, act)
            yield unit
            for entry in (unit.act, *unit.further):
                append(connection, entry, chain=chain, masker=masker)
    except Exception as error:
        # Where no transaction began nothing was attempted, and recording would fail in the same way.
        if unit is not None:
            _record_failure(begin, unit.act, error, chain=chain, masker=masker)
        raise


def _record_failure(begin: Begin, act: AuditEntry, error: Exception, *, chain: Chain, masker: Masker | None) -> None:
    """Record that *act* ended with *error*; only a refusal insists on it, a fault is the log's as well."""
    entry = _failed(act, error)
    try:
        with begin() as connection:
            append(connection, entry, chain=chain, masker=masker)
    except Exception as failure:  # noqa: BLE001 - whatever it was, the act's own error goes on
        _log.exception("audit.failure_not_recorded", action=act.action.value, outcome=entry.outcome.value)
        if entry.outcome is Outcome.REFUSED:
            raise AuditUnavailable(detail=repr(failure)) from error


def _failed(act: AuditEntry, error: Exception) -> AuditEntry:
    if isinstance(error, ChukanError):
        outcome = Outcome.REFUSED if error.failure in _REFUSALS else Outcome.FAILED
        told: dict[str, Detail] = {"error": error.code, "reference": error.reference}
    else:
        outcome, told = Outcome.FAILED, {"error": type(error).__name__}
    return replace(act, outcome=outcome, detail={**act.detail, **told})
