"""The copies themselves: found for an answer, listed for a reconciliation.

Of rows with the same person, information, dataset, version and record key the one of the newest registered upload
counts; if that is a deletion, there is none.

Source: A0-030, A0-031, A0-091.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from io import StringIO
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from chukan.platform.clock import as_tokyo
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.messages import mark, text
from chukan.platform.vault.errors import VaultTampered
from chukan.platform.vault.service import ColumnCipher, Vault
from chukan.tenants.middleserver.duplicate_copies import copy_store, loading
from chukan.tenants.middleserver.duplicate_copies.content import columns_of, kept_items
from chukan.tenants.middleserver.duplicate_copies.csv_reader import FIXED
from chukan.tenants.middleserver.duplicate_copies.records import ItemValue
from chukan.tenants.middleserver.duplicate_copies.trail import Caller, CopyAction
from chukan.tenants.middleserver.formats.codes import InformationCode, information_code_of, information_number

_PAGE = 2_000
_EXPORT_COLUMNS = (
    mark("Integrated address number"),
    mark("Information code"),
    mark("Dataset"),
    mark("Dataset record key"),
    mark("Layout version"),
    mark("Published from"),
    mark("Published to"),
    mark("Region code"),
    mark("Registered at"),
)


@dataclass(frozen=True)
class Copy:
    """A duplicate copy, opened. ``published_to`` is the last day; ``registered_at`` is in UTC."""

    upload: UUID
    address: str
    information: str
    dataset: str
    key: str
    version: int
    parent: str
    region: str
    published_from: date
    published_to: date | None
    registered_at: datetime
    items: tuple[ItemValue, ...]


class Copies:
    """The registered copies of all organisations, each in its own session."""

    def __init__(self, sessions: TenantSessions, vault: Vault) -> None:
        self._sessions = sessions
        self._vault = vault

    def find(
        self,
        tenant: TenantId,
        address: str,
        information: InformationCode,
        dataset: str | None = None,
        *,
        at: date,
        version: int | None = None,
    ) -> list[Copy]:
        """Return the newest copies of the person *address* (15 digits) that are published on the day *at*.

        Without a *dataset* (four digits) those of all, without a *version* those of every version that is kept.

        Raises:
            VaultTampered: a row was changed, or moved to another place.
        """
        with self._sessions.connection(tenant) as connection:
            return self.found_on(connection, tenant, address, information, dataset, first=at, last=at, version=version)

    def found_on(
        self,
        connection: Connection,
        tenant: TenantId,
        address: str,
        information: InformationCode,
        dataset: str | None = None,
        *,
        first: date | None,
        last: date | None,
        version: int | None = None,
    ) -> list[Copy]:
        """Return as ``find``, in the caller's session on *tenant*, what is published between *first* and *last*.

        Both days belong to it; None is open.
        """
        person = loading.person_index(self._vault, tenant, address)
        number = None if dataset is None else int(dataset)
        rows = copy_store.candidates(connection, person, information_number(information), number, version)
        cipher = self._vault.column(tenant, loading.TABLE, loading.COLUMN)
        newest: dict[bytes, Row[Any]] = {}
        for row in rows:
            newest.setdefault(bytes(row.key), row)
        published = (row for row in newest.values() if not row.deleted and _published(row, first, last))
        found = [_copy(cipher, row, information_number(information)) for row in published]
        return sorted((each for each in found if each.address == address), key=lambda copy: (copy.dataset, copy.key))

    def management_information(self, caller: Caller, information: InformationCode | None = None) -> Iterator[str]:
        """Return the lines of a CSV of what is registered, without content; that it was made is recorded.

        Source: A0-091.
        """
        with caller.act(self._sessions, CopyAction.EXPORT, f"tenant:{caller.tenant}", information=information):
            pass
        return self._lines(caller.tenant, information)

    def _lines(self, tenant: TenantId, information: InformationCode | None) -> Iterator[str]:
        yield _line(list(map(text, _EXPORT_COLUMNS)))
        number = None if information is None else information_number(information)
        cipher, last = self._vault.column(tenant, loading.TABLE, loading.COLUMN), 0
        while True:
            with self._sessions.connection(tenant) as connection:
                rows = copy_store.visible(connection, number, last=last, limit=_PAGE)
            for row in rows:
                sealed = _opened(cipher, row, row.information)
                yield _line(_export(row, sealed))
                last = row.id
            if len(rows) < _PAGE:
                return


@dataclass(frozen=True)
class _Sealed:
    """The sealed part of a row: the fields of the record, and its content."""

    address: str
    key: str
    parent: str
    region: str
    content: str


def _opened(cipher: ColumnCipher, row: Row[Any], information: int) -> _Sealed:
    """Return what *row* holds, after comparing its plain columns with what was sealed.

    Raises:
        VaultTampered: they differ.
    """
    parts = cipher.open(row.id, bytes(row.content)).decode().split(loading.SEPARATOR, 11)
    form, of, dataset, _segment, address, key, version, parent, begins, ends, region, content = parts
    ended = row.published_to.isoformat() if row.published_to else ""
    told = (form, of, dataset, version, begins, ends)
    plain = (row.form, str(information), str(row.dataset), str(row.version), row.published_from.isoformat(), ended)
    if told != plain:
        raise VaultTampered(place="duplicate_copy", detail=f"row {row.id}: a column was changed")
    return _Sealed(address, key, parent, region, content)


def _copy(cipher: ColumnCipher, row: Row[Any], information: int) -> Copy:
    sealed = _opened(cipher, row, information)
    columns = None if row.header is None else columns_of(row.header, len(FIXED))
    return Copy(
        upload=row.upload,
        address=sealed.address,
        information=information_code_of(information),
        dataset=f"{row.dataset:04d}",
        key=sealed.key,
        version=row.version,
        parent=sealed.parent,
        region=sealed.region,
        published_from=row.published_from,
        published_to=row.published_to,
        registered_at=row.finished_at,
        items=kept_items(sealed.content, columns),
    )


def _published(row: Row[Any], first: date | None, last: date | None) -> bool:
    has_begun = last is None or row.published_from <= last
    return bool(has_begun and (first is None or row.published_to is None or first <= row.published_to))


def _export(row: Row[Any], sealed: _Sealed) -> list[str]:
    return [
        sealed.address,
        information_code_of(row.information),
        f"{row.dataset:04d}",
        sealed.key,
        str(row.version),
        row.published_from.isoformat(),
        row.published_to.isoformat() if row.published_to else "",
        sealed.region,
        as_tokyo(row.finished_at).isoformat(timespec="seconds"),
    ]


def _line(cells: list[str]) -> str:
    buffer = StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()
