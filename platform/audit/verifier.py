"""``chukan audit verify``: reads everything, in one snapshot and in flat memory, and writes nothing.

The sink is read first as far as it reaches, then the snapshot is taken: the database always has what
the sink has, so a sink that is ahead of the snapshot by that first look is a finding. The seals'
authentic leaves go through a temporary file, which sorts them by chain.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, Engine

from chukan.platform.audit import store
from chukan.platform.audit.errors import SinkUnreadable
from chukan.platform.audit.rules import StoredEntry
from chukan.platform.audit.seals import Leaf, Seal, SealKeys
from chukan.platform.audit.sink import BadLine, FileSink
from chukan.platform.audit.verification import (
    Finding,
    Kind,
    SealedLeaf,
    SealJudge,
    Where,
    judge_chain,
)

#: Findings that are kept; more than these tell nothing new, and memory stays flat.
MAX_FINDINGS = 1_000


@dataclass
class Verified:
    """What was read, and what is wrong with it; ``unsealed`` entries are only as safe as the database."""

    chains: int = 0
    entries: int = 0
    unsealed: int = 0
    seals: int = 0
    findings: list[Finding] = field(default_factory=list)
    omitted: int = 0

    def add(self, findings: list[Finding]) -> None:
        """Keep *findings* as far as there is room."""
        room = MAX_FINDINGS - len(self.findings)
        self.findings += findings[:room]
        self.omitted += len(findings[room:])


def verify(engine: Engine, sink: FileSink, keys: SealKeys, *, witnesses: Mapping[int, str] | None = None) -> Verified:
    """Verify the whole trail against the pinned *keys* and the checkpoints that *witnesses* kept.

    Raises:
        SinkUnwritable: the sink cannot be read.
    """
    verified = Verified()
    reach = _reach(sink)
    with (
        engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True) as snapshot,
        snapshot.begin(),
        _spool() as spool,
    ):
        # A snapshot begins with its first query, and that must come after the look at the sink.
        state = store.seal_state(snapshot)
        judge = SealJudge(keys, reach=reach, witnesses=witnesses)
        copies = _paired(_in_order(sink, verified), store.seals_after(snapshot, 0))
        for number, of_sink, of_database in copies:
            if of_database is None and number > max(reach, state.last):
                break
            _keep(spool, number, judge.judge(number, of_sink, of_database))
            if len(judge.findings) > MAX_FINDINGS:
                verified.add(judge.findings)
                judge.findings.clear()
        judge.finish()
        verified.seals = judge.seals
        verified.add(judge.findings)
        _judge_chains(snapshot, spool, verified)
    return verified


def _judge_chains(snapshot: Connection, spool: sqlite3.Connection, verified: Verified) -> None:
    entries = groupby(store.entries(snapshot), key=lambda entry: entry.chain)
    leaves = groupby(_sealed(spool), key=lambda sealed: sealed.leaf.chain)
    heads = groupby(store.heads(snapshot), key=lambda head: head.chain)
    for chain, own_entries, own_leaves, own_heads in _joined(entries, leaves, heads):
        report = judge_chain(chain, own_entries, own_leaves, next(own_heads, None))
        verified.chains += 1
        verified.entries += report.entries
        verified.unsealed += report.entries - report.proved
        verified.add(report.findings)


def _joined(
    entries: Iterator[tuple[UUID, Iterator[StoredEntry]]],
    leaves: Iterator[tuple[UUID, Iterator[SealedLeaf]]],
    heads: Iterator[tuple[UUID, Iterator[Leaf]]],
) -> Iterator[tuple[UUID, Iterator[StoredEntry], Iterator[SealedLeaf], Iterator[Leaf]]]:
    """Yield each chain that any of the three streams knows, with what each has of it."""
    entry, leaf, head = next(entries, None), next(leaves, None), next(heads, None)
    while known := [group[0] for group in (entry, leaf, head) if group is not None]:
        chain = min(known)
        own_entries = entry[1] if entry and entry[0] == chain else iter(())
        own_leaves = leaf[1] if leaf and leaf[0] == chain else iter(())
        own_heads = head[1] if head and head[0] == chain else iter(())
        yield chain, own_entries, own_leaves, own_heads
        if entry and entry[0] == chain:
            entry = next(entries, None)
        if leaf and leaf[0] == chain:
            leaf = next(leaves, None)
        if head and head[0] == chain:
            head = next(heads, None)


def _reach(sink: FileSink) -> int:
    """Return the highest number in the sink at this moment."""
    try:
        last = sink.last()
    except SinkUnreadable:
        return max((seal.number for seal in sink.seals() if isinstance(seal, Seal)), default=0)
    return last.number if last else 0


def _in_order(sink: FileSink, verified: Verified) -> Iterator[Seal]:
    """Stream the sink's seals; lines that are none, or stand where they do not belong, are findings."""
    last = 0
    for found in sink.seals():
        if isinstance(found, BadLine):
            place = f"{found.file}:{found.line}"
            verified.add([Finding(Kind.SINK_LINE, seal=last + 1, where=Where.SINK, detail=place)])
        elif found.number <= last:
            verified.add([Finding(Kind.SINK_LINE, seal=found.number, where=Where.SINK, detail=f"> {last}")])
        else:
            last = found.number
            yield found


def _paired(sink: Iterator[Seal], database: Iterator[Seal]) -> Iterator[tuple[int, Seal | None, Seal | None]]:
    """Yield every number that either holds, in order, with the copies of it."""
    of_sink, of_database = next(sink, None), next(database, None)
    while known := [seal.number for seal in (of_sink, of_database) if seal is not None]:
        number = min(known)
        here_sink = of_sink if of_sink and of_sink.number == number else None
        here_database = of_database if of_database and of_database.number == number else None
        yield number, here_sink, here_database
        of_sink = next(sink, None) if here_sink else of_sink
        of_database = next(database, None) if here_database else of_database


@contextmanager
def _spool() -> Iterator[sqlite3.Connection]:
    """A temporary file that sorts leaves, so that memory stays flat however many there are."""
    with (
        tempfile.TemporaryDirectory(prefix="chukan-audit-") as folder,
        closing(sqlite3.connect(Path(folder) / "leaves", isolation_level=None)) as spool,
    ):
        spool.execute("pragma journal_mode = off")
        spool.execute("pragma synchronous = off")
        spool.execute("create table leaf (chain blob, seq integer, seal integer, head blob)")
        spool.execute("begin")
        yield spool


def _keep(spool: sqlite3.Connection, number: int, leaves: tuple[Leaf, ...]) -> None:
    rows = ((leaf.chain.bytes, leaf.seq, number, leaf.head) for leaf in leaves)
    spool.executemany("insert into leaf values (?, ?, ?, ?)", rows)


def _sealed(spool: sqlite3.Connection) -> Iterator[SealedLeaf]:
    for chain, seq, seal, head in spool.execute("select * from leaf order by chain, seq, seal"):
        yield SealedLeaf(seal, Leaf(UUID(bytes=chain), seq, head))
