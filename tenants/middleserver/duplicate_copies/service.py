"""Uploads: announced, received in pieces, completed within the day's limit, cancelled, asked about.

Each piece is sealed under the organisation's own key before the database sees it (decision 26). A piece that comes
twice, and a file that comes twice, change nothing.

Source: A0-033, A0-034, A0-028.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from chukan.platform.clock import as_tokyo
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.vault.service import Vault
from chukan.tenants.limits.rules import Verdict
from chukan.tenants.middleserver.duplicate_copies import reports, rules, store
from chukan.tenants.middleserver.duplicate_copies.errors import (
    DayLimitExceeded,
    FileDamaged,
    ManifestMalformed,
    PieceDamaged,
    PieceOutOfPlace,
    PieceTooLarge,
    UploadClosed,
    UploadIncomplete,
    UploadUnknown,
)
from chukan.tenants.middleserver.duplicate_copies.pieces import Pieces, piece_name
from chukan.tenants.middleserver.duplicate_copies.ports import DayBudget, Use
from chukan.tenants.middleserver.duplicate_copies.rules import FileForm, UploadState
from chukan.tenants.middleserver.duplicate_copies.store import Event, Upload
from chukan.tenants.middleserver.duplicate_copies.trail import Caller, CopyAction, upload_subject
from chukan.tenants.middleserver.formats.codes import InformationCode, information_number

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_DEPARTMENT = re.compile(r"[A-Za-z0-9]{1,20}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Manifest:
    """What an organisation announces of a file: its name, form, what it is for, size (bytes), SHA-256 and records.

    ``sha256`` is 64 hexadecimal digits in small letters; ``dataset`` four digits; ``records`` the number of originals
    that it was made from, registrations and deletions together (A0-027).
    """

    name: str
    form: FileForm
    information: InformationCode
    dataset: str
    size: int
    sha256: str
    records: int
    department: str

    def wrong(self) -> str | None:
        """Return the name of a field that cannot be, or None."""
        checks = {
            "name": _NAME.fullmatch(self.name) is not None,
            "information": re.fullmatch(r"TM[0-9]{14}", self.information) is not None
            and 0 < information_number(self.information) < 1 << 15,
            "dataset": re.fullmatch(r"[0-9]{4}", self.dataset) is not None,
            "size": 0 < self.size <= rules.MAX_FILE_BYTES,
            "sha256": _DIGEST.fullmatch(self.sha256) is not None,
            "records": 0 < self.records <= rules.MAX_RECORDS,
            "department": _DEPARTMENT.fullmatch(self.department) is not None,
        }
        return next((field for field, right in checks.items() if not right), None)


@dataclass(frozen=True)
class Begun:
    """The upload of a file; ``repeated`` if the same bytes had been sent before, and need not be sent again."""

    upload: Upload
    repeated: bool


class Uploads:
    """The uploads of all organisations, each in its own session."""

    def __init__(self, sessions: TenantSessions, vault: Vault, budget: DayBudget) -> None:
        self._sessions = sessions
        self._vault = vault
        self._budget = budget

    def begin(self, caller: Caller, manifest: Manifest, *, now: datetime) -> Begun:
        """Announce a file; one that cannot fit into the day is refused before any of it is sent.

        Raises:
            ManifestMalformed: something announced cannot be.
            DayLimitExceeded: the day has no room for it.
        """
        if (wrong := manifest.wrong()) is not None:
            raise ManifestMalformed(field=wrong)
        digest = self._vault.blind_index(caller.tenant, "upload.digest", manifest.sha256)
        with self._sessions.begin(caller.tenant) as connection:
            earlier = self._repeated(connection, digest, manifest.size)
            used = store.day_use(connection, as_tokyo(now).date())
        if earlier is not None:
            return Begun(earlier, repeated=True)
        with caller.act(self._sessions, CopyAction.BEGIN, f"tenant:{caller.tenant}") as unit:
            self._decide(caller.tenant, now, used, Use(manifest.records, manifest.size))
            upload = self._announce(unit.connection, caller, manifest, digest, now)
            unit.note(upload=str(upload.id), size=upload.size, records=upload.expected, name=upload.name)
        return Begun(upload, repeated=False)

    @staticmethod
    def _repeated(connection: Connection, digest: bytes, size: int) -> Upload | None:
        pending = [upload.number for upload in store.pending(connection) if upload.number is not None]
        newest = store.newest_number(connection)
        registered = [] if newest is None else [newest]
        for upload, standing in store.of_digest(connection, digest, size=size):
            if rules.is_repeated(standing, pending=pending, registered=registered):
                return store.get(connection, upload)
        return None

    @staticmethod
    def _announce(connection: Connection, caller: Caller, manifest: Manifest, digest: bytes, now: datetime) -> Upload:
        values = {
            "form": manifest.form.value,
            "information": information_number(manifest.information),
            "dataset": int(manifest.dataset),
            "name": manifest.name,
            "department": manifest.department,
            "digest": digest,
            "size": manifest.size,
            "expected": manifest.records,
            "begun_at": now,
        }
        upload = store.begin(connection, values)
        store.note(connection, upload, None, UploadState.RECEIVING, actor=caller.actor)
        return _found(store.get(connection, upload), upload)

    def put_piece(self, tenant: TenantId, upload: UUID, offset: int, piece: bytes, sha256: str) -> Upload:
        """Take the piece that begins at *offset* (bytes); the same piece once more is taken for granted.

        Raises:
            PieceTooLarge: it is empty, over ``MAX_PIECE_BYTES``, or goes beyond the size announced.
            PieceDamaged: its SHA-256 is not *sha256* (hexadecimal).
            PieceOutOfPlace: another offset comes next.
            UploadClosed: the upload takes no pieces any more.
            UploadUnknown: there is no such upload.
        """
        if not 1 <= len(piece) <= rules.MAX_PIECE_BYTES:
            raise PieceTooLarge(limit=rules.MAX_PIECE_BYTES)
        if hashlib.sha256(piece).hexdigest() != sha256:
            raise PieceDamaged
        name = piece_name(upload, offset)
        digest = self._vault.blind_index(tenant, "upload_piece.digest", sha256)
        sealed = self._vault.column(tenant, "upload_piece", "content").seal(name, piece)
        with self._sessions.begin(tenant) as connection:
            if store.advance(connection, upload, offset, len(piece)):
                store.put_piece(connection, name, upload, digest, sealed)
            else:
                self._repeat_piece(connection, upload, offset, piece, digest)
            return _found(store.get(connection, upload), upload)

    @staticmethod
    def _repeat_piece(connection: Connection, upload: UUID, offset: int, piece: bytes, digest: bytes) -> None:
        """Do nothing if the upload has this very piece already; else say what is wrong with it."""
        known = _found(store.get(connection, upload), upload)
        if known.state is not UploadState.RECEIVING:
            raise UploadClosed(state=known.state.value)
        if offset == known.received and offset + len(piece) > known.size:
            raise PieceTooLarge(limit=known.size - offset)
        if offset >= known.received or store.piece_digest(connection, piece_name(upload, offset)) != digest:
            raise PieceOutOfPlace(expected=known.received)

    def complete(self, caller: Caller, upload: UUID, *, now: datetime) -> Upload:
        """Close the file: it counts into the day of *now* (Asia/Tokyo) and waits for the night; done twice, once.

        Raises:
            UploadIncomplete: pieces are missing.
            FileDamaged: the whole is not what was announced.
            DayLimitExceeded: the day has no room for it; it may be completed on another.
            UploadClosed: it was cancelled.
            UploadUnknown: there is no such upload.
        """
        known = self.status(caller.tenant, upload)
        if known.state is UploadState.CANCELLED:
            raise UploadClosed(state=known.state.value)
        if known.state is not UploadState.RECEIVING:
            return known
        if known.received != known.size:
            raise UploadIncomplete(received=known.received, size=known.size)
        self._check_digest(caller.tenant, known)
        with caller.act(self._sessions, CopyAction.COMPLETE, upload_subject(upload)) as unit:
            if self._book(unit.connection, caller, known, now):
                unit.note(records=known.expected, size=known.size)
            return _found(store.get(unit.connection, upload), upload)

    def _check_digest(self, tenant: TenantId, upload: Upload) -> None:
        whole = hashlib.sha256()
        for block in Pieces(self._sessions, self._vault, tenant, upload).from_offset(0):
            whole.update(block)
        if self._vault.blind_index(tenant, "upload.digest", whole.hexdigest()) != upload.digest:
            raise FileDamaged

    def _book(self, connection: Connection, caller: Caller, upload: Upload, now: datetime) -> bool:
        """Count the file into the day and number it, unless another caller has just done so."""
        day = as_tokyo(now).date()
        uploads, used = store.lock_day(connection, day)
        asked = Use(upload.expected, upload.size)
        current = store.get(connection, upload.id, lock=True)
        if current is None or current.state is not UploadState.RECEIVING:
            return False
        verdict = self._decide(caller.tenant, now, used, asked)
        number = rules.upload_number(day, uploads + 1)
        store.move(
            connection, upload.id, UploadState.RECEIVING, UploadState.RECEIVED, actor=caller.actor,
            number=number, received_at=now, exempt=verdict is Verdict.EXEMPTED,
        )  # fmt: skip
        store.use_day(connection, day, asked)
        return True

    def _decide(self, tenant: TenantId, now: datetime, used: Use, asked: Use) -> Verdict:
        decision = self._budget.decide(tenant, as_tokyo(now).date(), used=used, asked=asked)
        if not decision.accepted:
            raise DayLimitExceeded(records=decision.left.records, kb=decision.left.kb)
        return decision.verdict

    def cancel(self, caller: Caller, upload: UUID, *, now: datetime) -> Upload:
        """Give up an upload that is not being registered yet; what it used of the day stays used. Done twice, once.

        Raises:
            UploadClosed: its registration has begun.
            UploadUnknown: there is no such upload.
        """
        if self.status(caller.tenant, upload).state is UploadState.CANCELLED:
            return self.status(caller.tenant, upload)
        with caller.act(self._sessions, CopyAction.CANCEL, upload_subject(upload)) as unit:
            known = _found(store.get(unit.connection, upload, lock=True), upload)
            if not rules.may_become(known.state, UploadState.CANCELLED):
                raise UploadClosed(state=known.state.value)
            store.move(
                unit.connection, upload, known.state, UploadState.CANCELLED, actor=caller.actor,
                finished_at=now, tidy=False,
            )  # fmt: skip
            return _found(store.get(unit.connection, upload), upload)

    def status(self, tenant: TenantId, upload: UUID) -> Upload:
        """Return the upload as it stands; raises ``UploadUnknown``."""
        with self._sessions.connection(tenant) as connection:
            return _found(store.get(connection, upload), upload)

    def recent(self, tenant: TenantId, *, limit: int = 100) -> list[Upload]:
        """Return the uploads that were begun last, newest first."""
        with self._sessions.connection(tenant) as connection:
            return [*store.recent(connection, limit=limit)]

    def events(self, tenant: TenantId, upload: UUID) -> list[Event]:
        """Return the steps of an upload's life, oldest first."""
        with self._sessions.connection(tenant) as connection:
            return [*store.events(connection, upload)]

    def error_report(self, caller: Caller, upload: UUID) -> Iterator[str]:
        """Return the lines of the error report as CSV; that it was read is recorded.

        Raises:
            UploadUnknown: there is no such upload.
        """
        cipher = self._vault.column(caller.tenant, "upload_error", "content")
        with caller.act(self._sessions, CopyAction.REPORT, upload_subject(upload)) as unit:
            known = _found(store.get(unit.connection, upload), upload)
            sealed = store.errors(unit.connection, known.number) if known.number is not None else ()
        return reports.error_report([cipher.open(row, content) for row, content in sealed], total=known.faults)


def _found(upload: Upload | None, asked: UUID) -> Upload:
    if upload is None:
        raise UploadUnknown(upload=asked)
    return upload
