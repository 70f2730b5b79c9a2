"""Clearing away behind finished uploads: pieces, rows of refused files, rows that newer ones replaced.

Small transactions, each of which leaves what is visible as it is; killed anywhere, the next run finds the rest.
"""

from __future__ import annotations

from collections.abc import Callable

from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.duplicate_copies import copy_store, store
from chukan.tenants.middleserver.duplicate_copies.rules import UploadState, copy_ids
from chukan.tenants.middleserver.duplicate_copies.store import Upload

#: Pieces removed in one transaction: 32 MiB of sealed bytes.
_PIECES = 4


def tidy(sessions: TenantSessions, tenant: TenantId, go_on: Callable[[], bool] = lambda: True) -> bool:
    """Clear away behind the tenant's finished uploads while *go_on* says so; return whether nothing is left."""
    with sessions.connection(tenant) as connection:
        uploads = store.untidy(connection)
    return all(_tidied(sessions, tenant, upload, go_on) for upload in uploads)


def _tidied(sessions: TenantSessions, tenant: TenantId, upload: Upload, go_on: Callable[[], bool]) -> bool:
    more = True
    while more:
        if not go_on():
            return False
        with sessions.begin(tenant) as connection:
            more = store.drop_pieces(connection, upload.id, limit=_PIECES) == _PIECES
    if upload.number is not None and not _rows_tidied(sessions, tenant, upload, go_on):
        return False
    with sessions.begin(tenant) as connection:
        store.change(connection, upload.id, tidy=True)
    return True


def _rows_tidied(sessions: TenantSessions, tenant: TenantId, upload: Upload, go_on: Callable[[], bool]) -> bool:
    first, after = copy_ids(upload.number or 0)
    if upload.state is not UploadState.REGISTERED:
        while True:
            if not go_on():
                return False
            with sessions.begin(tenant) as connection:
                if copy_store.delete_range(connection, first, after) < copy_store.BATCH:
                    return True
    with sessions.connection(tenant) as connection:
        replaces_nothing = upload.deleted == 0 and not store.has_older_copies(connection, upload)
    last: int | None = None if replaces_nothing else first
    while last is not None:
        if not go_on():
            return False
        with sessions.begin(tenant) as connection:
            until = copy_store.next_row(connection, last, after)
            if until is not None:
                copy_store.compact(connection, first=first, last=last, until=until)
            last = until
    return True
