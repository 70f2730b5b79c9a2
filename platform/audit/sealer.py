"""The sealer: a signed Merkle root over the chains that moved, in the database and then in the sink.

A seal counts when it stands in both (it is *anchored*). It is committed to the database first; the
sink then catches up, which also repairs an interruption between the two. A sink that holds more, or
something else, than the database is an alarm and is never overwritten.

Appenders never wait: the sealer reads the chains' ends as they were last committed and locks none of
them. There is one sealer at a time: the right is a row lock in the transaction that writes the seal,
so PostgreSQL itself ends it with a dead or frozen sealer's session, and the numbers of the seals fence
a late one off.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import structlog
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from chukan.platform.audit import metrics, store
from chukan.platform.audit.errors import (
    AuditUnavailable,
    ChainRewritten,
    SealerBusy,
    SealInvalid,
    SinkAhead,
    SinkDisagrees,
    SinkShort,
)
from chukan.platform.audit.ports import Signer
from chukan.platform.audit.rules import instant_text
from chukan.platform.audit.seals import (
    FIRST_PREVIOUS,
    Checkpoint,
    Seal,
    SealKeys,
    checkpoint_hash,
    sign_checkpoint,
    tree_root,
)
from chukan.platform.audit.sink import FileSink
from chukan.platform.errors import ChukanError

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a run did: the new seal's number (None: nothing had moved) and how many chains it covers."""

    number: int | None
    chains: int
    anchored: int


class Sealer:
    """Seals through the scheduler's log-in into one sink."""

    def __init__(self, engine: Engine, sink: FileSink, signer: Signer) -> None:
        self._engine = engine
        self._sink = sink
        self._signer = signer

    def seal(self) -> Sealed:
        """Anchor what an earlier run left, then seal what moved, and anchor that.

        Raises:
            SealerBusy: another sealer is at it.
            SinkUnwritable: the sink cannot be written; the next run repairs it.
            SinkAhead, SinkDisagrees, SinkShort, SinkUnreadable, SealInvalid, KeyChanged: somebody has to look.
            ChainRewritten: the others are sealed, but these chains lost what an earlier seal says of them.
            AuditUnavailable: the database does not answer.
        """
        try:
            with self._sink.exclusive():
                keys = self._sink.learn(SealKeys(self._signer.public_keys()))
                anchored = self._catch_up(keys)
                seal, rewritten = self._write()
                anchored += self._catch_up(keys) if seal else 0
        except DBAPIError as error:
            raise AuditUnavailable(detail=str(error.orig)) from error
        if rewritten:
            raise ChainRewritten(chains=", ".join(str(chain) for chain in rewritten))
        return Sealed(seal.number if seal else None, len(seal.leaves) if seal else 0, anchored)

    def refill(self, keys: SealKeys) -> int:
        """Write to a sink that lost seals what the database has of them, if the pinned *keys* signed it all.

        Returns how many were written; raises as ``seal``.
        """
        with self._sink.exclusive():
            return self._catch_up(self._sink.learn(keys), refill=True)

    def compare(self) -> None:
        """Hold the end of the sink to the database; raises as ``seal``, and changes nothing."""
        with self._engine.connect() as connection:
            self._compare(connection, refill=False)

    def _compare(self, connection: Connection, *, refill: bool) -> tuple[Seal | None, store.SealState]:
        last, state = self._sink.last(), store.seal_state(connection)
        number = last.number if last else 0
        if number > state.last:
            raise SinkAhead(sink=number, database=state.last)
        if last and store.checkpoint(connection, number) != last.checkpoint:
            raise SinkDisagrees(number=number)
        if number < state.anchored and not refill:
            raise SinkShort(sink=number, database=state.anchored)
        return last, state

    def _catch_up(self, keys: SealKeys, *, refill: bool = False) -> int:
        """Bring the sink up to the database and anchor what it holds; return how many seals were written."""
        written = 0
        with self._engine.connect() as connection:
            last, state = self._compare(connection, refill=refill)
            at = last.number if last else 0
            previous = checkpoint_hash(last.checkpoint) if last else FIRST_PREVIOUS
            for seal in store.seals_after(connection, at):
                _require_successor(seal, previous, keys)
                self._sink.append(seal)
                previous, at, written = checkpoint_hash(seal.checkpoint), seal.number, written + 1
        for number in range(state.anchored + 1, at + 1):
            with self._engine.begin() as connection:
                store.anchor_seal(connection, number)
        return written

    def _write(self) -> tuple[Seal | None, list[UUID]]:
        """Commit a seal over the chains that moved; return it, and the chains that cannot be sealed."""
        with self._engine.begin() as connection:
            _lock(connection)
            moved = store.moved_chains(connection)
            leaves = tuple(chain.leaf for chain in moved if chain.continuous)
            rewritten = [chain.leaf.chain for chain in moved if not chain.continuous]
            if not leaves:
                return None, rewritten
            number = store.seal_state(connection).last
            last = store.checkpoint(connection, number)
            checkpoint = Checkpoint(
                number=number + 1,
                size=len(leaves),
                root=tree_root(leaves),
                previous=checkpoint_hash(last) if last is not None else FIRST_PREVIOUS,
                sealed_at=instant_text(store.database_now(connection)),
            )
            seal = Seal(checkpoint.number, sign_checkpoint(checkpoint, self._signer), leaves)
            store.append_seal(connection, seal)
        return seal, rewritten


def watch(seal: Callable[[], Sealed], told: Callable[[Sealed], None], stop: threading.Event, pause: float) -> None:
    """Run *seal* every *pause* seconds until *stop* is set; a failure is logged, counted, and tried again."""
    while not stop.is_set():
        try:
            told(counted(seal))
        except ChukanError as error:
            _log.error("audit.seal_failed", exc_info=error)
        stop.wait(pause)


def counted(seal: Callable[[], Sealed]) -> Sealed:
    """Run *seal* and count how it ended, for the metrics."""
    try:
        sealed = seal()
    except ChukanError as error:
        metrics.SEAL_FAILURES.labels(error=error.code).inc()
        raise
    if sealed.number is not None:
        metrics.SEALS.inc()
    return sealed


def _lock(connection: Connection) -> None:
    try:
        store.lock_sealer(connection)
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):
            raise SealerBusy from error
        raise


def _require_successor(seal: Seal, previous: bytes, keys: SealKeys) -> None:
    """Refuse to give the sink a seal that a pinned key did not sign, or that does not follow its last one."""
    checkpoint = keys.open(seal.checkpoint, seal.number)
    if checkpoint.previous != previous:
        raise SealInvalid(number=seal.number, reason="previous")
    if (len(seal.leaves), tree_root(seal.leaves)) != (checkpoint.size, checkpoint.root):
        raise SealInvalid(number=seal.number, reason="leaves")
