"""The night batch: organisations by turns until the window closes; what is left goes first in the next night.

An organisation has a turn of some minutes, then the next one has its own, so that two million records of one city
keep nobody else waiting for the night. Killed at any point, the next run goes on: the marks of who waits are taken
away only when nothing is left, and a file goes on at its last chunk.

Source: A0-035, A0-099.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

import psycopg
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import SQLAlchemyError

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import Clock, monotonic
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import get_logger
from chukan.tenants.middleserver.duplicate_copies import store as copies
from chukan.tenants.middleserver.duplicate_copies.night import FileReport, NightReport, Outcome, Progress
from chukan.tenants.middleserver.duplicate_copies.trail import Caller
from chukan.tenants.middleserver.operations import store
from chukan.tenants.middleserver.operations.rules import NightTerms, Waiting, Window, in_turn, window_at
from chukan.tenants.middleserver.operations.store import Turn
from chukan.tenants.middleserver.operations.tables import BatchResultRow

#: Who is silent for longer has died, and another one takes the night.
LEASE = timedelta(seconds=60)
#: Progress is shown no more often (seconds).
_SHOWN_EVERY = 2.0
_log = get_logger(__name__)


class Registrar(Protocol):
    """What registers one organisation's files: ``duplicate_copies.night.Night``."""

    def register(self, caller: Caller, *, deadline: datetime, progress: Callable[[Progress], None]) -> NightReport:
        """Register what the organisation has completed, until *deadline*."""
        ...


@dataclass(frozen=True)
class BatchReport:
    """What one run of the night did: turns taken, and how many organisations are left to the next."""

    night: date
    turns: int
    failed: int
    left: int


class NightBatch:
    """Runs nights under the worker's log-in."""

    def __init__(
        self,
        actor: Actor,
        sessions: TenantSessions,
        registrar: Registrar,
        clock: Clock,
        terms: Sequence[NightTerms],
        *,
        lease: timedelta = LEASE,
    ) -> None:
        self._actor = actor
        self._sessions = sessions
        self._registrar = registrar
        self._clock = clock
        self._terms = terms
        self._lease = lease

    def run(self) -> BatchReport | None:
        """Work on the night that is open now; None if none is, nobody waits, or another worker has it."""
        now = self._clock.now()
        self._close_over(now)
        window = window_at(self._terms, now)
        if window is None or not self._waiting(window):
            return None
        with self._actor.engine.begin() as connection:
            epoch = store.take_run(connection, window, self._actor.name, self._lease)
        if epoch is None:
            return None
        with self._alive(window.night, epoch) as lost:
            return self._rounds(window, epoch, lost)

    def _close_over(self, now: datetime) -> None:
        with self._actor.engine.begin() as connection:
            for night in store.over(connection, now):
                store.end_run(connection, night)

    def _waiting(self, window: Window) -> list[Waiting]:
        with self._actor.engine.connect() as connection:
            return in_turn(store.waiting(connection, window.night), window.terms.order)

    def _rounds(self, window: Window, epoch: int, lost: threading.Event) -> BatchReport | None:
        """Give everybody a turn, round after round; None if another worker has taken the night over."""
        turns = failed = 0
        while waiting := self._waiting(window):
            with self._actor.engine.begin() as connection:
                store.expect(connection, window.night, waiting)
            for each in waiting:
                if lost.is_set():
                    return None
                if self._clock.now() >= window.closes_at:
                    return self._ended(window, epoch, turns, failed)
                turns += 1
                failed += not self._turn(window, each)
        return self._ended(window, epoch, turns, failed)

    def _ended(self, window: Window, epoch: int, turns: int, failed: int) -> BatchReport:
        left = len(self._waiting(window))
        with self._actor.engine.begin() as connection:
            store.end_run(connection, window.night, epoch)
        return BatchReport(window.night, turns, failed, left)

    @contextmanager
    def _alive(self, night: date, epoch: int) -> Iterator[threading.Event]:
        """Say again and again that the night is worked on; the event tells that another one has taken it."""
        over, lost = threading.Event(), threading.Event()

        def beat() -> None:
            while not over.wait(self._lease.total_seconds() / 4 or 1):
                try:
                    with self._actor.engine.begin() as connection:
                        if not store.beat(connection, night, epoch):
                            lost.set()
                            return
                except (SQLAlchemyError, psycopg.Error) as error:
                    # The database is away: the next beat tells whether the night is still this worker's.
                    _log.warning("operations.beat_failed", exc_info=error)

        thread = threading.Thread(target=beat, name="night-batch-beat", daemon=True)
        thread.start()
        try:
            yield lost
        finally:
            over.set()
            thread.join()

    def _turn(self, window: Window, each: Waiting) -> bool:
        """Work on one organisation; a failure of its own keeps no other one waiting. Return whether it went well."""
        tenant = TenantId(each.tenant)
        with self._actor.engine.begin() as connection:
            store.begin_turn(connection, window.night, tenant)
        deadline = min(window.closes_at, self._clock.now() + window.terms.turn)
        caller = Caller(tenant, self._actor.name, self._actor.request)
        try:
            # Whatever is finished in this turn is shown as waiting before, and so is found by the measuring after it.
            measure(self._actor, self._sessions, tenant)
            report = self._registrar.register(caller, deadline=deadline, progress=self._shown(window.night, tenant))
            turn = turn_of(report)
            with self._sessions.begin(tenant) as connection:
                _add_result(connection, window.night, turn)
            measure(self._actor, self._sessions, tenant)
        except (ChukanError, SQLAlchemyError, psycopg.Error) as error:
            _log.error("operations.turn_failed", organisation=tenant, exc_info=error)
            code = error.code if isinstance(error, ChukanError) else "database"
            with self._actor.engine.begin() as connection:
                store.fail(connection, window.night, tenant, code)
            return False
        with self._actor.engine.begin() as connection:
            store.end_turn(connection, window.night, tenant, turn)
            if not turn.remaining:
                store.drop_marks(connection, each.marks)
        return True

    def _shown(self, night: date, tenant: TenantId) -> Callable[[Progress], None]:
        last = -_SHOWN_EVERY

        def show(progress: Progress) -> None:
            nonlocal last
            if monotonic() - last < _SHOWN_EVERY:
                return
            last = monotonic()
            with self._actor.engine.begin() as connection:
                store.show_progress(connection, night, tenant, progress.records, progress.expected)

        return show


def turn_of(report: NightReport) -> Turn:
    """Return the counts of what *report* tells."""

    def of(outcome: Outcome) -> list[FileReport]:
        return [file for file in report.files if file.outcome is outcome]

    done = of(Outcome.REGISTERED)
    records = sum(file.registered + file.deleted for file in done)
    return Turn(len(done), len(of(Outcome.REFUSED)), report.left, records)


def measure(actor: Actor, sessions: TenantSessions, tenant: TenantId) -> None:
    """Show how the tenant's uploads stand: those that wait, and those that did when it was last measured."""
    with actor.engine.connect() as connection:
        at, known = store.database_now(connection), store.unfinished(connection, tenant)
    with sessions.connection(tenant) as connection:
        uploads = {upload.id: upload for upload in copies.pending(connection)}
        for each in known:
            if each not in uploads and (upload := copies.get(connection, each)) is not None:
                uploads[each] = upload
    with actor.engine.begin() as connection:
        store.project(connection, tenant, tuple(uploads.values()), at)


def measure_all(actor: Actor, sessions: TenantSessions) -> int:
    """Show what was completed since it was last measured; return at how many organisations."""
    with actor.engine.connect() as connection:
        tenants = store.unmeasured(connection)
    for tenant in tenants:
        try:
            measure(actor, sessions, TenantId(tenant))
        except (ChukanError, SQLAlchemyError, psycopg.Error) as error:
            _log.error("operations.measure_failed", organisation=tenant, exc_info=error)
    return len(tenants)


def _add_result(connection: Connection, night: date, turn: Turn) -> None:
    row = BatchResultRow
    made = upsert(row).values(night=night, **turn.__dict__)
    connection.execute(
        made.on_conflict_do_update(
            index_elements=[row.night],
            set_={
                "registered": row.registered + turn.registered,
                "refused": row.refused + turn.refused,
                "remaining": turn.remaining,
                "records": row.records + turn.records,
                "updated_at": made.excluded.updated_at,
            },
        )
    )
