"""Removing what has expired: error reports, files never completed, settled messages, old projections.

Each step may be killed and run again. Pieces of registered files are gone with their registration. How long ids of
messages are remembered is the protocol's, not ours to choose (``transmission.rules.REMEMBERED``).

Source: A0-161.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import as_tokyo
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import get_logger
from chukan.tenants.middleserver.duplicate_copies import store as copies
from chukan.tenants.middleserver.duplicate_copies.rules import UploadState, copy_ids
from chukan.tenants.middleserver.duplicate_copies.service import Uploads
from chukan.tenants.middleserver.duplicate_copies.store import Upload
from chukan.tenants.middleserver.duplicate_copies.tables import UploadErrorRow, UploadRow
from chukan.tenants.middleserver.duplicate_copies.tidying import tidy
from chukan.tenants.middleserver.duplicate_copies.trail import Caller
from chukan.tenants.middleserver.operations import store
from chukan.tenants.middleserver.operations.data import Kept, kept_for
from chukan.tenants.middleserver.operations.rules import Waiting
from chukan.tenants.middleserver.operations.tenant_settings import SettingName, TenantSettings
from chukan.tenants.middleserver.transmission import exchange_hours
from chukan.tenants.middleserver.transmission.rules import REMEMBERED
from chukan.tenants.middleserver.transmission.service import Exchange

_log = get_logger(__name__)


@dataclass(frozen=True)
class Swept:
    """What one run removed."""

    error_reports: int
    abandoned: int
    projections: int
    messages: int


class Retention:
    """Removes expired data under the worker's log-in."""

    def __init__(self, actor: Actor, sessions: TenantSessions, uploads: Uploads) -> None:
        self._actor = actor
        self._sessions = sessions
        self._uploads = uploads

    def sweep(self, now: datetime) -> Swept:
        """Remove what has expired at *now*; a failure at one organisation leaves it for the next run."""
        day = as_tokyo(now).date()
        before = {what: now - kept_for(what, day) for what in Kept}
        with self._actor.engine.connect() as connection:
            reports = store.to_sweep(connection, before[Kept.ERROR_REPORTS])
            begun = store.abandoned(connection, before[Kept.ABANDONED_UPLOADS])
        removed = sum(self._guarded(tenant, lambda: self._report(tenant, upload, now)) for tenant, upload in reports)  # noqa: B023 - called at once
        cancelled = sum(
            self._guarded(each.tenant, lambda: self._abandoned(each, before[Kept.ABANDONED_UPLOADS], now))  # noqa: B023 - called at once
            for each in begun
        )
        exchange = Exchange(self._actor, self._sessions)
        messages = sum(
            self._guarded(tenant, lambda: exchange.forget(tenant, before=now - REMEMBERED))  # noqa: B023 - called at once
            for tenant in exchange.exchanging()
        )
        with self._actor.engine.begin() as connection:
            forgotten = store.prune_projections(connection, before[Kept.UPLOAD_PROJECTIONS])
            forgotten += exchange_hours.forget(connection, before[Kept.EXCHANGE_HOURS])
        return Swept(removed, cancelled, forgotten, messages)

    @staticmethod
    def _guarded(tenant: UUID, act: Callable[[], int]) -> int:
        try:
            return act()
        except (ChukanError, SQLAlchemyError, psycopg.Error) as error:
            _log.error("operations.sweep_failed", organisation=tenant, exc_info=error)
            return 0

    def _report(self, tenant: UUID, upload: UUID, now: datetime) -> int:
        days = TenantSettings(self._sessions).value(TenantId(tenant), SettingName.ERROR_REPORT_DAYS, now)
        with self._sessions.begin(TenantId(tenant)) as connection:
            known = copies.get(connection, upload)
            if _is_kept(known, days, now):
                return 0
            if known is not None and known.number is not None:
                first, after = copy_ids(known.number)
                row = UploadErrorRow
                connection.execute(delete(row).where(row.id >= first, row.id < after))
        with self._actor.engine.begin() as connection:
            store.swept(connection, upload, now)
        return 1

    def _abandoned(self, each: Waiting, before: datetime, now: datetime) -> int:
        tenant = TenantId(each.tenant)
        caller = Caller(tenant, self._actor.name, self._actor.request)
        row = UploadRow
        with self._sessions.connection(tenant) as connection:
            old = (
                connection.execute(
                    select(row.id).where(row.state == UploadState.RECEIVING.value, row.begun_at < before)
                )
                .scalars()
                .all()
            )
        for upload in old:
            self._uploads.cancel(caller, upload, now=now)
        tidy(self._sessions, tenant)
        with self._actor.engine.begin() as connection:
            store.drop_marks(connection, each.marks)
        return len(old)


def _is_kept(upload: Upload | None, days: int | None, now: datetime) -> bool:
    """Return whether the organisation keeps the report for longer than the platform does."""
    if upload is None or upload.finished_at is None or days is None:
        return False
    return now < upload.finished_at + timedelta(days=days)
