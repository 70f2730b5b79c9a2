"""Files of the test mode: checked whole, told about as the night would, and given up (decision 30).

Nothing of them is registered, numbered or counted. What is wrong with one is kept sealed, with the stored answers and
as long, and read from the same address as the report of a file that was sent in earnest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

from chukan.platform.clock import as_tokyo
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.connections.answers import Answers, Reply
from chukan.tenants.middleserver.connections.errors import TestPersonsOnly, TrialFileWrong
from chukan.tenants.middleserver.connections.rules import System, TestPersons
from chukan.tenants.middleserver.duplicate_copies import reports, store
from chukan.tenants.middleserver.duplicate_copies.errors import UploadClosed, UploadIncomplete
from chukan.tenants.middleserver.duplicate_copies.files import File, opened
from chukan.tenants.middleserver.duplicate_copies.pieces import Pieces
from chukan.tenants.middleserver.duplicate_copies.ports import Masters
from chukan.tenants.middleserver.duplicate_copies.records import Fault, FileBroken, Record
from chukan.tenants.middleserver.duplicate_copies.rules import (
    MAX_FAULTS,
    MAX_PIECE_BYTES,
    FileForm,
    Reason,
    UploadState,
)
from chukan.tenants.middleserver.duplicate_copies.service import Uploads
from chukan.tenants.middleserver.duplicate_copies.staging import Tally
from chukan.tenants.middleserver.duplicate_copies.store import Upload
from chukan.tenants.middleserver.duplicate_copies.trail import Caller
from chukan.tenants.middleserver.duplicate_copies.validator import Terms
from chukan.tenants.middleserver.formats.codes import information_code_of

_CSV = "text/csv; charset=utf-8"
#: Where a record names its person, in bytes: the third column of a line behind the header, or the element.
_ADDRESS = {
    FileForm.CSV: re.compile(rb'\n[^,\n]*,[^,\n]*,"?([0-9]{15})"?,'),
    FileForm.XML: re.compile(rb"IntegratedAddressNumber>\s*([0-9]{15})\s*<"),
}
_ADDRESS_FORM = re.compile(r"[0-9]{15}")
#: More bytes than stand before an address in its line: a place cut in two by a block is looked at again.
_OVERLAP = 1 << 10


class Trial:
    """Files of the test mode, and who may not be in those of production."""

    def __init__(
        self,
        sessions: TenantSessions,
        vault: Vault,
        uploads: Uploads,
        answers: Answers,
        persons: TestPersons,
        *,
        masters: Masters,
    ) -> None:
        """Read files in tenants' sessions, and check them against *masters*."""
        self._sessions = sessions
        self._vault = vault
        self._uploads = uploads
        self._answers = answers
        self._persons = persons
        self._masters = masters

    def run(self, system: System, caller: Caller, upload: Upload, *, now: datetime) -> Upload:
        """Check the whole file, whose records must all be of test persons, and cancel it; done twice, once.

        How much is wrong stands in the upload's ``faults``; ``report`` tells what.

        Raises:
            UploadIncomplete, UploadClosed: it is not all there, or was completed in production.
            TrialFileWrong: it is larger than a piece.
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
        faults = self._faults(caller, upload, now)
        content = "".join(reports.error_report(map(reports.packed, faults[:MAX_FAULTS]), total=len(faults)))
        # The report first: killed in between, the file is checked once more.
        self._answers.keep(system, _key(upload.id), Reply(200, _CSV, content.encode()), now=now)
        with self._sessions.begin(caller.tenant) as connection:
            store.change(connection, upload.id, faults=len(faults))
        return self._uploads.cancel(caller, upload.id, now=now)

    def report(self, system: System, upload: Upload) -> Reply | None:
        """Return the error report (CSV) of a file of the test mode; None if it was none, or is forgotten."""
        return self._answers.kept(system, _key(upload.id)) if upload.state is UploadState.CANCELLED else None

    def refuse_test_persons(self, caller: Caller, upload: Upload) -> None:
        """Do nothing if no record of the file, which is to be registered, is of a test person.

        Raises:
            TestPersonsOnly: one is.
        """
        if upload.state is UploadState.RECEIVING and upload.received == upload.size:
            blocks = Pieces(self._sessions, self._vault, caller.tenant, upload).from_offset(0)
            if names_test_person(blocks, upload.form, self._persons):
                raise TestPersonsOnly

    def _faults(self, caller: Caller, upload: Upload, now: datetime) -> list[Fault]:
        information = information_code_of(upload.information)
        terms = Terms(
            information=information,
            dataset=f"{upload.dataset:04d}",
            layouts=tuple(self._masters.layouts(caller.tenant, information)),
            regions=self._masters.regions(caller.tenant),
            today=as_tokyo(now).date(),
        )
        source = Pieces(self._sessions, self._vault, caller.tenant, upload).from_offset
        check = _Check(self._persons, upload.expected)
        try:
            check.read(opened(upload.form, source, terms))
        except FileBroken as broken:
            check.faults.append(broken.fault)
        return check.faults


class _Check:
    """One file under check, with what the night looks for beyond single records: numbers, count, keys."""

    def __init__(self, persons: TestPersons, expected: int) -> None:
        self.faults: list[Fault] = []
        self._persons = persons
        self._expected = expected
        self._tally = Tally()
        self._first_of: dict[tuple[str, str], int] = {}
        self._repeated: list[Fault] = []

    def read(self, file: File) -> None:
        """Read the whole file; raises ``FileBroken``, and TestPersonsOnly."""
        count = 0
        for record in _records(file):
            count += 1
            if _ADDRESS_FORM.fullmatch(record.head.address) and record.head.address not in self._persons:
                raise TestPersonsOnly
            self.faults += file.check(record) or self._placed(file, record)
        # As at night: the file as a whole is judged once all its records are right.
        if not self.faults:
            self._whole(count)
        if not self.faults:
            self.faults += self._repeated

    def _placed(self, file: File, record: Record) -> list[Fault]:
        right, name = file.right(record), "RecordIdentificationNumber"
        if int(right.number) <= self._tally.last_number:
            return [Fault(record.place, record.line, right.number, name, "", Reason.RECORD_NUMBER, {})]
        self._tally.last_number = int(right.number)
        self._tally.see(record.place, right)
        earlier = self._first_of.setdefault((right.address, right.key), record.place)
        if earlier != record.place:
            values, name = {"other": str(earlier)}, "DataSetRecordKey"
            self._repeated.append(
                Fault(record.place, record.line, right.number, name, "", Reason.DUPLICATE_KEY, values)
            )
        return []

    def _whole(self, count: int) -> None:
        if count != self._expected:
            values = {"expected": str(self._expected), "found": str(count)}
            self.faults.append(Fault(0, 0, "", "", "", Reason.COUNT, values))
        if self._tally.keys.is_refused():
            values = {"suspects": str(self._tally.keys.suspects), "values": str(self._tally.keys.values)}
            self.faults.append(Fault(0, 0, "", "DataSetRecordKey", "", Reason.INDIVIDUAL_NUMBER_KEYS, values))


def names_test_person(blocks: Iterable[bytes], form: FileForm, persons: TestPersons) -> bool:
    """Return whether a record of the file in *blocks* is of a test person, without taking records apart.

    Two million records are looked through in seconds: what all test persons begin with is looked for first.
    """
    common = _common_start(persons.first, persons.last).encode()
    rest = b""
    for block in blocks:
        data = rest + block
        if common in data and any(found[1].decode() in persons for found in _ADDRESS[form].finditer(data)):
            return True
        rest = data[-_OVERLAP:]
    return False


def _common_start(first: str, last: str) -> str:
    """Return the digits with which both begin, and so all numbers between them."""
    pairs = enumerate(zip(first, last, strict=True))
    return first[: next((place for place, (one, other) in pairs if one != other), len(first))]


def _records(file: File) -> Iterator[Record]:
    for batch in file.batches(None, None):
        place, line = batch.end.records - len(batch.rows), batch.end.line - len(batch.rows) - 1
        for raw in batch.rows:
            place += 1
            line += 1
            yield file.record(raw, place=place, line=line)


def _key(upload: UUID) -> str:
    return f"trial:{upload}"
