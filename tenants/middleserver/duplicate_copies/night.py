"""The night's registration of one organisation: its files in their order, each whole or not at all.

What the night does not finish goes on in the next one, at the chunk where it stopped; so does what was killed.

Source: A0-026 to A0-028, A0-035; fault 44.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from uuid import UUID

from chukan.platform.clock import Clock, as_tokyo
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.duplicate_copies import copy_store, store
from chukan.tenants.middleserver.duplicate_copies.errors import UploadTakenOver
from chukan.tenants.middleserver.duplicate_copies.pieces import Pieces
from chukan.tenants.middleserver.duplicate_copies.ports import Masters
from chukan.tenants.middleserver.duplicate_copies.records import Fault
from chukan.tenants.middleserver.duplicate_copies.rules import MAX_FAULTS, RECORD_BITS, UploadState, copy_ids
from chukan.tenants.middleserver.duplicate_copies.staging import Staging
from chukan.tenants.middleserver.duplicate_copies.store import Upload
from chukan.tenants.middleserver.duplicate_copies.tidying import tidy
from chukan.tenants.middleserver.duplicate_copies.trail import Caller, CopyAction, upload_subject
from chukan.tenants.middleserver.duplicate_copies.validator import Terms
from chukan.tenants.middleserver.formats.codes import information_code_of


class Outcome(Enum):
    """What became of one file in one night."""

    REGISTERED = "registered"
    REFUSED = "refused"
    #: The night ended before the file did.
    CARRIED_OVER = "carried_over"


@dataclass(frozen=True)
class Progress:
    """How far one file is: records read, of how many announced."""

    upload: UUID
    records: int
    expected: int


@dataclass(frozen=True)
class FileReport:
    """What became of one file; the counts are those of the accuracy check (A0-026 to A0-028).

    ``refused`` is how many records were not taken: all of a refused file, none of a registered one.
    """

    upload: UUID
    outcome: Outcome
    expected: int
    in_file: int
    registered: int
    deleted: int
    refused: int
    faults: int


@dataclass(frozen=True)
class NightReport:
    """What one night did for one organisation, and how many files it leaves for the next."""

    files: tuple[FileReport, ...]
    left: int


class Night:
    """Registers uploads; one of these serves a whole process."""

    def __init__(self, sessions: TenantSessions, vault: Vault, masters: Masters, clock: Clock) -> None:
        self._sessions = sessions
        self._vault = vault
        self._masters = masters
        self._clock = clock

    def register(
        self,
        caller: Caller,
        *,
        deadline: datetime,
        progress: Callable[[Progress], None] = lambda _progress: None,
    ) -> NightReport:
        """Register what the organisation has completed, until *deadline* (an instant); what is left waits.

        Files are taken in the order in which they were complete: a file that is carried over holds up those behind it.

        Raises:
            UploadTakenOver: another process registers them now.
        """
        with self._sessions.begin(caller.tenant) as connection:
            waiting = store.pending(connection)
        tidy(self._sessions, caller.tenant, self._go_on(deadline))
        files: list[FileReport] = []
        for upload in waiting:
            if self._clock.now() >= deadline:
                break
            files.append(self._file(caller, upload.id, deadline, progress))
            if files[-1].outcome is Outcome.CARRIED_OVER:
                break
        tidy(self._sessions, caller.tenant, self._go_on(deadline))
        done = sum(file.outcome is not Outcome.CARRIED_OVER for file in files)
        return NightReport(tuple(files), left=len(waiting) - done)

    def _go_on(self, deadline: datetime) -> Callable[[], bool]:
        return lambda: self._clock.now() < deadline

    def _file(self, caller: Caller, name: UUID, deadline: datetime, progress: Callable[[Progress], None]) -> FileReport:
        upload, epoch = self._claimed(caller, name)
        if upload.state is UploadState.STAGING:
            staging = self._staging(caller.tenant, upload, epoch)

            def go_on(records: int) -> bool:
                progress(Progress(upload.id, records, upload.expected))
                return self._clock.now() < deadline

            if not staging.run(go_on):
                return self._report(caller.tenant, name, Outcome.CARRIED_OVER)
            if not self._validated(caller, name, staging, epoch):
                return self._refused(caller, name, epoch)
        return self._registered(caller, name, epoch)

    def _claimed(self, caller: Caller, name: UUID) -> tuple[Upload, int]:
        """Fence others off, and begin the staging if it has not begun."""
        with self._sessions.begin(caller.tenant) as connection:
            epoch = store.claim(connection, name)
            if epoch is None:
                raise UploadTakenOver(upload=name)
            store.move(connection, name, UploadState.RECEIVED, UploadState.STAGING, actor=caller.actor, epoch=epoch)
            upload = store.get(connection, name)
        if upload is None:
            raise UploadTakenOver(upload=name)
        return upload, epoch

    def _staging(self, tenant: TenantId, upload: Upload, epoch: int) -> Staging:
        information = information_code_of(upload.information)
        terms = Terms(
            information=information,
            dataset=f"{upload.dataset:04d}",
            layouts=tuple(self._masters.layouts(tenant, information)),
            regions=self._masters.regions(tenant),
            today=as_tokyo(self._clock.now()).date(),
        )
        source = Pieces(self._sessions, self._vault, tenant, upload).from_offset
        return Staging(
            self._sessions, self._vault, tenant=tenant, upload=upload, source=source, terms=terms, epoch=epoch
        )

    def _validated(self, caller: Caller, name: UUID, staging: Staging, epoch: int) -> bool:
        """Check the file as a whole, and return whether it is right, and marked so."""
        upload = self._get(caller.tenant, name)
        if staging.tally.faults == 0:
            faults = staging.whole_file_faults(upload.records)
            more = 0
            if not faults:
                faults, more = self._repeated_keys(caller.tenant, upload, staging)
            if faults:
                staging.blame(faults, more=more)
        if staging.tally.faults:
            return False
        with self._sessions.begin(caller.tenant) as connection:
            moved = store.move(
                connection, name, UploadState.STAGING, UploadState.VALIDATED, actor=caller.actor, epoch=epoch
            )
        if not moved:
            raise UploadTakenOver(upload=name)
        return True

    def _repeated_keys(self, tenant: TenantId, upload: Upload, staging: Staging) -> tuple[list[Fault], int]:
        first, after = copy_ids(upload.number or 0)
        with self._sessions.begin(tenant) as connection:
            repeated, total = copy_store.repeated_keys(connection, first, after, limit=MAX_FAULTS)
        if not repeated:
            return [], 0
        mask = (1 << RECORD_BITS) - 1
        faults = staging.repeated_keys_faults({row & mask: other & mask for row, other in repeated.items()})
        return faults, total - len(faults)

    def _registered(self, caller: Caller, name: UUID, epoch: int) -> FileReport:
        """Make the file visible: one row changes, with its event and its entry in the trail."""
        with caller.act(self._sessions, CopyAction.REGISTER, upload_subject(name)) as unit:
            moved = store.move(
                unit.connection, name, UploadState.VALIDATED, UploadState.REGISTERED, actor=caller.actor,
                epoch=epoch, finished_at=self._clock.now(), tidy=False, progress=None,
            )  # fmt: skip
            if not moved:
                raise UploadTakenOver(upload=name)
            done = store.get(unit.connection, name)
            if done is not None:
                unit.note(registered=done.registered, deleted=done.deleted, expected=done.expected)
        return self._report(caller.tenant, name, Outcome.REGISTERED)

    def _refused(self, caller: Caller, name: UUID, epoch: int) -> FileReport:
        with caller.act(self._sessions, CopyAction.REFUSE, upload_subject(name)) as unit:
            moved = store.move(
                unit.connection, name, UploadState.STAGING, UploadState.REFUSED, actor=caller.actor, epoch=epoch,
                finished_at=self._clock.now(), tidy=False, progress=None, registered=0, deleted=0,
            )  # fmt: skip
            if not moved:
                raise UploadTakenOver(upload=name)
            done = store.get(unit.connection, name)
            if done is not None:
                unit.note(records=done.records, faults=done.faults, expected=done.expected)
        return self._report(caller.tenant, name, Outcome.REFUSED)

    def _get(self, tenant: TenantId, name: UUID) -> Upload:
        with self._sessions.connection(tenant) as connection:
            upload = store.get(connection, name)
        if upload is None:
            raise UploadTakenOver(upload=name)
        return upload

    def _report(self, tenant: TenantId, name: UUID, outcome: Outcome) -> FileReport:
        upload = self._get(tenant, name)
        refused = upload.records if outcome is Outcome.REFUSED else 0
        report = FileReport(
            name, outcome, upload.expected, upload.records, upload.registered, upload.deleted, refused, upload.faults
        )
        return replace(report, registered=0, deleted=0) if outcome is Outcome.CARRIED_OVER else report
