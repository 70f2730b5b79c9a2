"""Staging one file: read, checked, sealed and copied in chunks, each a transaction with the progress it made.

Killed anywhere, it goes on behind the last chunk. From the first wrong record on nothing is copied any more, but the
rest is read, so that the report is complete up to its bound.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.duplicate_copies import loading, reports, store
from chukan.tenants.middleserver.duplicate_copies.errors import UploadTakenOver
from chukan.tenants.middleserver.duplicate_copies.files import File, opened
from chukan.tenants.middleserver.duplicate_copies.records import (
    DELETION,
    Batch,
    Fault,
    FileBroken,
    Position,
    Right,
    Source,
)
from chukan.tenants.middleserver.duplicate_copies.rules import MAX_FAULTS, Reason, copy_ids
from chukan.tenants.middleserver.duplicate_copies.store import Upload
from chukan.tenants.middleserver.duplicate_copies.validator import Terms
from chukan.tenants.middleserver.formats.individual_number import ColumnVerdict, column_verdict, is_suspect_key

#: Of the key columns every record is looked at up to here, and then one in sixteen: half of them is soon seen.
_GUARDED_RECORDS = 1_000
_GUARDED_MASK = 15


@dataclass
class KeyColumn:
    """How many different neighbours of a column of keys were looked at, and how many could be Individual Numbers."""

    values: int = 0
    suspects: int = 0
    last: str = ""

    def see(self, key: str) -> None:
        """Look at *key*; the records of one person, which mostly follow one another, count once."""
        if key != self.last:
            self.last = key
            self.values += 1
            self.suspects += is_suspect_key(key)

    def is_refused(self) -> bool:
        """Return whether clearly more of them pass the check than chance lets pass (decision 28)."""
        return column_verdict(values=self.values, suspects=self.suspects) is ColumnVerdict.REFUSED


@dataclass
class Tally:
    """What staging knows so far; all of it is stored with every chunk."""

    faults: int = 0
    registered: int = 0
    deleted: int = 0
    last_number: int = 0
    addresses: KeyColumn = field(default_factory=KeyColumn)
    keys: KeyColumn = field(default_factory=KeyColumn)

    @classmethod
    def of(cls, upload: Upload) -> Tally:
        """Return the tally that *upload* was left with."""
        told = upload.progress or {}
        tally = cls(upload.faults, upload.registered, upload.deleted, told.get("last", 0))
        tally.addresses = KeyColumn(*told.get("addresses", (0, 0)))
        tally.keys = KeyColumn(*told.get("keys", (0, 0)))
        return tally

    def stored(self, end: Position, first: int | None) -> dict[str, Any]:
        """Return what a later run needs to go on behind *end*; nothing of it is personal."""
        return {
            "offset": end.offset,
            "line": end.line,
            "first": first,
            "last": self.last_number,
            "addresses": (self.addresses.values, self.addresses.suspects),
            "keys": (self.keys.values, self.keys.suspects),
        }

    def see(self, place: int, right: Right) -> None:
        """Count a right record."""
        if right.segment == DELETION:
            self.deleted += 1
        else:
            self.registered += 1
        if place <= _GUARDED_RECORDS or not place & _GUARDED_MASK:
            self.addresses.see(right.address)
            self.keys.see(right.key)


@dataclass(frozen=True)
class _Chunk:
    """What one transaction stores: the upload's progress, errors, and rows."""

    values: dict[str, Any]
    errors: list[tuple[int, bytes]]
    packed: bytes | None


class Staging:
    """The staging of one upload by the holder of *epoch*."""

    def __init__(
        self,
        sessions: TenantSessions,
        vault: Vault,
        *,
        tenant: TenantId,
        upload: Upload,
        source: Source,
        terms: Terms,
        epoch: int,
    ) -> None:
        self._sessions = sessions
        self._tenant = tenant
        self._upload = upload
        self._source = source
        self._terms = terms
        self._epoch = epoch
        self._packer = loading.Packer(vault, tenant, upload)
        self._seal_error = vault.column(tenant, "upload_error", "content").seal
        self._first_id = copy_ids(upload.number or 0)[0]
        self.tally = Tally.of(upload)

    def run(self, go_on: Callable[[int], bool]) -> bool:
        """Stage what is left, asking *go_on* (with the records done) after each chunk; return whether all is read.

        Raises:
            UploadTakenOver: another process has claimed the upload.
        """
        try:
            file = opened(self._upload.form, self._source, self._terms)
            # The server takes one chunk while the next one is read and sealed here.
            with ThreadPoolExecutor(1, thread_name_prefix="duplicate-copies") as writer:
                return self._chunks(file, writer, go_on)
        except FileBroken as broken:
            self.blame([broken.fault])
        return True

    def _chunks(self, file: File, writer: Executor, go_on: Callable[[int], bool]) -> bool:
        under_way: Future[None] | None = None
        try:
            for batch in file.batches(*self._start()):
                chunk = self._chunk(file, batch)
                if under_way is not None:
                    under_way.result()
                under_way = writer.submit(self._commit, chunk)
                if not go_on(batch.end.records):
                    return False
        finally:
            # Whatever ends the reading: a chunk that failed is what is told.
            if under_way is not None:
                under_way.result()
        return True

    def _start(self) -> tuple[Position | None, int | None]:
        told = self._upload.progress
        if told is None:
            return None, None
        return Position(self._upload.records, told["offset"], told["line"]), told["first"]

    def _chunk(self, file: File, batch: Batch[Any]) -> _Chunk:
        faults, rows = self._judged(file, batch)
        packed = self._packer.pack(rows) if rows and not (faults or self.tally.faults) else None
        errors = self._sealed(faults)
        self.tally.faults += len(faults)
        values = {
            "records": batch.end.records,
            "progress": self.tally.stored(batch.end, file.first),
            "faults": self.tally.faults,
            "registered": self.tally.registered,
            "deleted": self.tally.deleted,
            "header": file.header,
        }
        return _Chunk(values, errors, packed)

    def _commit(self, chunk: _Chunk) -> None:
        with self._sessions.begin(self._tenant) as connection:
            if not store.change(connection, self._upload.id, epoch=self._epoch, **chunk.values):
                raise UploadTakenOver(upload=self._upload.id)
            store.put_errors(connection, chunk.errors)
            if chunk.packed is not None:
                loading.load(connection, chunk.packed)

    def _judged(self, file: File, batch: Batch[Any]) -> tuple[list[Fault], list[tuple[int, Right]]]:
        """Return what is wrong in *batch*, and the records that are right with their places."""
        faults: list[Fault] = []
        rows: list[tuple[int, Right]] = []
        place, line = batch.end.records - len(batch.rows), batch.end.line - len(batch.rows) - 1
        quick, tally = file.quick, self.tally
        for raw in batch.rows:
            place += 1
            line += 1
            right = quick(raw)
            if right is None:
                record = file.record(raw, place=place, line=line)
                found = file.check(record)
                if found:
                    faults += found
                    continue
                right = file.right(record)
            number = int(right.number)
            if number <= tally.last_number:
                where = file.record(raw, place=place, line=line).line
                field_name = "RecordIdentificationNumber"
                faults.append(Fault(place, where, right.number, field_name, "", Reason.RECORD_NUMBER, {}))
                continue
            tally.last_number = number
            tally.see(place, right)
            rows.append((place, right))
        return faults, rows

    def _sealed(self, faults: list[Fault]) -> list[tuple[int, bytes]]:
        """Return the errors that still belong into the report, by their ids."""
        begin = self.tally.faults
        kept = faults[: max(0, MAX_FAULTS - begin)]
        ids = range(self._first_id + begin + 1, self._first_id + begin + 1 + len(kept))
        return [(row, self._seal_error(row, reports.packed(fault))) for row, fault in zip(ids, kept, strict=True)]

    def blame(self, faults: list[Fault], *, more: int = 0) -> None:
        """Add errors that were found beside the chunks, and *more* that are only counted.

        Raises:
            UploadTakenOver: another process has claimed the upload.
        """
        errors = self._sealed(faults)
        self.tally.faults += len(faults) + more
        with self._sessions.begin(self._tenant) as connection:
            if not store.change(connection, self._upload.id, epoch=self._epoch, faults=self.tally.faults):
                raise UploadTakenOver(upload=self._upload.id)
            store.put_errors(connection, errors)

    def whole_file_faults(self, records: int) -> list[Fault]:
        """Return what is wrong with the file as a whole, once all *records* of it have been read."""
        faults = []
        if records != self._upload.expected:
            values = {"expected": str(self._upload.expected), "found": str(records)}
            faults.append(Fault(0, 0, "", "", "", Reason.COUNT, values))
        for name, guard in (
            ("IntegratedAddressNumber", self.tally.addresses),
            ("DataSetRecordKey", self.tally.keys),
        ):
            if guard.is_refused():
                values = {"suspects": str(guard.suspects), "values": str(guard.values)}
                faults.append(Fault(0, 0, "", name, "", Reason.INDIVIDUAL_NUMBER_KEYS, values))
        return faults

    def repeated_keys_faults(self, repeated: dict[int, int]) -> list[Fault]:
        """Return the faults of the records (place → place of the first with the same key) of *repeated*."""
        faults: list[Fault] = []
        file = opened(self._upload.form, self._source, self._terms)
        for batch in file.batches(None, None):
            place, line = batch.end.records - len(batch.rows), batch.end.line - len(batch.rows) - 1
            for raw in batch.rows:
                place += 1
                line += 1
                if place in repeated:
                    record = file.record(raw, place=place, line=line)
                    values = {"other": str(repeated[place])}
                    key = "DataSetRecordKey"
                    faults.append(Fault(place, record.line, record.head.number, key, "", Reason.DUPLICATE_KEY, values))
            if len(faults) == len(repeated):
                break
        return faults
