"""Files of the test mode: looked at and given up; nothing of them is registered or counted (decision 30)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.connections.errors import TrialFileWrong
from chukan.tenants.middleserver.connections.rules import TestPersons
from chukan.tenants.middleserver.duplicate_copies import reports
from chukan.tenants.middleserver.duplicate_copies.csv_reader import CsvReader
from chukan.tenants.middleserver.duplicate_copies.errors import UploadClosed, UploadIncomplete
from chukan.tenants.middleserver.duplicate_copies.pieces import Pieces
from chukan.tenants.middleserver.duplicate_copies.records import FileBroken, Record, Source
from chukan.tenants.middleserver.duplicate_copies.rules import MAX_PIECE_BYTES, FileForm, UploadState
from chukan.tenants.middleserver.duplicate_copies.service import Uploads
from chukan.tenants.middleserver.duplicate_copies.store import Upload
from chukan.tenants.middleserver.duplicate_copies.trail import Caller
from chukan.tenants.middleserver.duplicate_copies.xml_reader import XmlReader, record_of
from chukan.tenants.middleserver.formats.messages import MessageMode


class Trial:
    """Files of the test mode."""

    def __init__(self, sessions: TenantSessions, vault: Vault, uploads: Uploads, persons: TestPersons) -> None:
        """Read files in tenants' sessions."""
        self._sessions = sessions
        self._vault = vault
        self._uploads = uploads
        self._persons = persons

    def run(self, caller: Caller, upload: Upload, *, now: datetime) -> Upload:
        """Read the whole file, whose records must all be of test persons, and cancel it; done twice, once.

        Raises:
            UploadIncomplete, UploadClosed: it is not all there, or was completed in production.
            TrialFileWrong: it is larger than a piece, cannot be read, or holds another number of records.
            TestPersonsOnly: a record is of somebody else.
        """
        if upload.state is UploadState.CANCELLED:
            return upload
        if upload.state is not UploadState.RECEIVING:
            raise UploadClosed(state=upload.state.value)
        if upload.size > MAX_PIECE_BYTES:
            raise TrialFileWrong(line=0, reason=f"> {MAX_PIECE_BYTES} bytes")
        if upload.received != upload.size:
            raise UploadIncomplete(received=upload.received, size=upload.size)
        source = Pieces(self._sessions, self._vault, caller.tenant, upload).from_offset
        count = 0
        try:
            for record in _records(upload.form, source):
                count += 1
                if record.broken is not None:
                    raise TrialFileWrong(line=record.line, reason=record.broken.reason.value)
                self._persons.require(MessageMode.TEST, [record.head.address])
        except FileBroken as broken:
            raise TrialFileWrong(line=broken.fault.line, reason=reports.told(broken.fault)) from broken
        if count != upload.expected:
            raise TrialFileWrong(line=0, reason=f"{upload.expected} / {count}")
        return self._uploads.cancel(caller, upload.id, now=now)


def _records(form: FileForm, source: Source) -> Iterator[Record]:
    """Yield the records of a file, without comparing them with a layout."""
    place = 0
    if form is FileForm.CSV:
        lines = CsvReader(source)
        for batch in lines.batches():
            for line in batch.rows:
                place += 1
                yield lines.record(line, place=place, number=place + 1)
        return
    from_xml = XmlReader(source)
    for found in from_xml.batches():
        for element in found.rows:
            place += 1
            yield record_of(element, place=place)
