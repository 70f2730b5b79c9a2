"""Removing the copies of an old version or of an abolished dataset (一括削除), once nobody can be given them any more.

Source: A0-031, A0-032.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from chukan.platform.clock import as_tokyo
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.duplicate_copies import copy_store, rules
from chukan.tenants.middleserver.duplicate_copies.errors import CopiesStillLinked, DeletionTooEarly
from chukan.tenants.middleserver.duplicate_copies.ports import OpenRequests
from chukan.tenants.middleserver.duplicate_copies.rules import Target
from chukan.tenants.middleserver.duplicate_copies.trail import Caller, CopyAction
from chukan.tenants.middleserver.formats.codes import information_number

#: Behind every id.
_END = (1 << 63) - 1


@dataclass(frozen=True)
class Outlook:
    """What a deletion would remove, and what stands against it today.

    ``waits_until`` is the first day on which the last request that needs the copies is no longer valid, if that is to
    come; ``is_linked`` says that a request of today would be answered from them.
    """

    copies: int
    waits_until: date | None
    is_linked: bool

    @property
    def is_free(self) -> bool:
        """Whether the deletion may begin today."""
        return self.waits_until is None and not self.is_linked


class BulkDeletion:
    """Bulk deletions at all organisations, each in its own session; *requests* knows who still needs what."""

    def __init__(self, sessions: TenantSessions, requests: OpenRequests) -> None:
        self._sessions = sessions
        self._requests = requests

    def outlook(self, tenant: TenantId, target: Target, *, now: datetime) -> Outlook:
        """Return what a deletion of *target* would remove at *now*, and what stands against it.

        Raises:
            MastersMissing: the organisation has no masters, which say what is linked.
        """
        number, last, copies = information_number(target.information), 0, 0
        while True:
            with self._sessions.connection(tenant) as connection:
                until = copy_store.next_row(connection, last, _END)
                if until is None:
                    break
                copies += copy_store.count(connection, number, target, last=last, until=until)
                last = until
        return Outlook(copies, self._waits_until(tenant, target, now), self._is_linked(tenant, target, now))

    def run(
        self, caller: Caller, target: Target, *, now: datetime, progress: Callable[[int], None] = lambda _count: None
    ) -> int:
        """Remove all copies of *target* for good; return how many. *progress* is told how many went since the last.

        Killed anywhere, it is run again; what is gone is gone, and finding nothing is no error.

        Raises:
            CopiesStillLinked: a request of today would be answered from them.
            DeletionTooEarly: a request that needs them is still valid.
            MastersMissing: the organisation has no masters, which say what is linked.
        """
        detail = {"information": target.information, "version": target.version, "dataset": target.dataset}
        subject = f"tenant:{caller.tenant}"
        with caller.act(self._sessions, CopyAction.BULK_DELETE, subject, step="begin", **detail):
            if self._is_linked(caller.tenant, target, now):
                raise CopiesStillLinked
            if (day := self._waits_until(caller.tenant, target, now)) is not None:
                raise DeletionTooEarly(day=day)
        number, removed, last = information_number(target.information), 0, 0
        while True:
            with self._sessions.begin(caller.tenant) as connection:
                until = copy_store.next_row(connection, last, _END)
                if until is None:
                    break
                gone = copy_store.bulk_delete(connection, number, target, last=last, until=until)
            removed, last = removed + gone, until
            progress(gone)
        with caller.act(self._sessions, CopyAction.BULK_DELETE, subject, step="done", removed=removed, **detail):
            pass
        return removed

    def _is_linked(self, tenant: TenantId, target: Target, now: datetime) -> bool:
        return self._requests.is_linked(tenant, target, as_tokyo(now).date())

    def _waits_until(self, tenant: TenantId, target: Target, now: datetime) -> date | None:
        today = as_tokyo(now).date()
        allowed = rules.deletable_from(self._requests.days(tenant, target, today))
        return allowed if allowed is not None and today < allowed else None
