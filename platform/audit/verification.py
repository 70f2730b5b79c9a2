"""What the verifier finds: pure judgements over streams of entries and seals.

The seals are judged first; what is left of them are authentic leaves, of which each chain is then held
to those that name it. The first record that the hashes show to be bad is named exactly. Where history
was rewritten and hashed anew without a seam, only the seals know better: the first bad record then lies
after the last one that a seal proves, and every finding says which that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from uuid import UUID

from chukan.platform.audit.errors import SealInvalid
from chukan.platform.audit.rules import GENESIS, StoredEntry, entry_hash
from chukan.platform.audit.seals import (
    FIRST_PREVIOUS,
    Checkpoint,
    Leaf,
    Seal,
    SealKeys,
    checkpoint_hash,
    tree_root,
)

#: How far from its place a shifted record is looked for, to name where it came from.
_DISPLACEMENT = 1_000


class Kind(StrEnum):
    """What can be wrong."""

    EDITED = "edited"
    MISSING = "missing"
    INSERTED = "inserted"
    MOVED = "moved"
    REPLACED = "replaced"
    REWRITTEN = "rewritten"
    TRUNCATED = "truncated"
    HEAD = "head"
    ROLLED_BACK = "rolled_back"
    CLOCK = "clock"
    SEAL_MISSING = "seal_missing"
    SEAL_INVALID = "seal_invalid"
    SEAL_LINK = "seal_link"
    SEAL_LEAVES = "seal_leaves"
    SEAL_CLOCK = "seal_clock"
    FORK = "fork"
    WITNESS = "witness"
    SINK_LINE = "sink_line"


class Where(StrEnum):
    """Which copy of a seal a finding is about."""

    DATABASE = "database"
    SINK = "sink"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: in a chain from record ``first`` to ``last``, or in a seal, or both.

    A seal proves the chain's records up to ``proved``; what stands between there and ``first`` fits its
    hashes, but nothing outside the database vouches for it.
    """

    kind: Kind
    chain: UUID | None = None
    first: int | None = None
    last: int | None = None
    seal: int | None = None
    where: Where | None = None
    detail: str = ""
    proved: int | None = None


@dataclass(frozen=True, slots=True)
class SealedLeaf:
    """An authentic leaf, and the number of the seal that proves it."""

    seal: int
    leaf: Leaf


@dataclass
class ChainReport:
    """What was found in one chain: how many entries, up to which seq they are proved, and what is wrong."""

    entries: int = 0
    proved: int = 0
    findings: list[Finding] = field(default_factory=list)


def judge_chain(
    chain: UUID, entries: Iterable[StoredEntry], leaves: Iterable[SealedLeaf], head: Leaf | None
) -> ChainReport:
    """Judge one chain: its entries and authentic leaves in the order of their seq, and its end in the database.

    After the first bad record the rest is only counted: it hangs on that record.
    """
    walk = _Walk(chain, iter(leaves))
    for entry in entries:
        walk.step(entry)
    walk.finish(head)
    return walk.report


class _Walk:
    """One chain's state between two entries."""

    def __init__(self, chain: UUID, leaves: Iterator[SealedLeaf]) -> None:
        self.report = ChainReport()
        self._chain = chain
        self._leaves = leaves
        self._leaf = next(leaves, None)
        self._last_seal = 0
        self._seq = 0
        self._hash = GENESIS
        self._recorded_at = ""
        self._broken = False

    def step(self, entry: StoredEntry) -> None:
        self.report.entries += 1
        if self._broken:
            return
        finding = self._judge(entry)
        if finding is not None:
            self._break(finding)
            return
        if entry.recorded_at < self._recorded_at:
            self._note_once(Finding(Kind.CLOCK, self._chain, entry.seq, entry.seq, detail=entry.recorded_at))
        self._seq, self._hash, self._recorded_at = entry.seq, entry.hash, entry.recorded_at
        self._hold_to_seals()

    def finish(self, head: Leaf | None) -> None:
        if self._leaf is not None and not self._broken:
            last = max(self._leaf.leaf.seq, *(sealed.leaf.seq for sealed in self._leaves), 0)
            self._break(Finding(Kind.TRUNCATED, self._chain, self._seq + 1, last, self._leaf.seal))
        if not self._broken and (head is None or (head.seq, head.head) != (self._seq, self._hash)):
            self._break(self._judge_end(head))

    def _judge(self, entry: StoredEntry) -> Finding | None:
        expected = self._seq + 1
        if entry.seq > expected:
            return Finding(Kind.MISSING, self._chain, expected, entry.seq - 1)
        if entry.seq < expected:
            return Finding(Kind.INSERTED, self._chain, entry.seq, entry.seq)
        if entry_hash(entry) != entry.hash:
            return self._judge_changed(entry)
        if entry.prev == self._hash:
            return None
        # It fits its own hash but not its predecessor's, so one of the two was replaced: the predecessor,
        # whose former hash this one still names, unless a seal proves that one.
        return Finding(Kind.REPLACED, self._chain, max(self._seq, self.report.proved + 1), entry.seq)

    def _judge_changed(self, entry: StoredEntry) -> Finding:
        """Name a record that does not fit its own hash: edited in place, or standing in another one's."""
        # Where it came from is a guess that an attacker can mislead, so the range ends with this record,
        # which is bad in any case.
        origin = next((seq for seq in _nearby(entry.seq) if entry_hash(entry, seq=seq) == entry.hash), entry.seq)
        if origin > entry.seq:
            return Finding(Kind.MOVED, self._chain, entry.seq, entry.seq, detail=str(origin))
        first = max(origin, self.report.proved + 1)
        if origin < entry.seq and first < entry.seq:
            return Finding(Kind.INSERTED, self._chain, first, entry.seq)
        return Finding(Kind.EDITED, self._chain, entry.seq, entry.seq)

    def _hold_to_seals(self) -> None:
        while self._leaf is not None and self._leaf.leaf.seq <= self._seq and not self._broken:
            sealed = self._leaf
            if sealed.leaf.head != self._hash:
                first = min(self.report.proved + 1, self._seq)
                self._break(Finding(Kind.REWRITTEN, self._chain, first, self._seq, sealed.seal))
            elif sealed.seal < self._last_seal:
                self._break(Finding(Kind.ROLLED_BACK, self._chain, self._seq, self._seq, sealed.seal))
            else:
                self.report.proved, self._last_seal = self._seq, sealed.seal
                self._leaf = next(self._leaves, None)

    def _judge_end(self, head: Leaf | None) -> Finding:
        if head is not None and head.seq > self._seq:
            return Finding(Kind.TRUNCATED, self._chain, self._seq + 1, head.seq)
        first = (0 if head is None else head.seq) + 1
        return Finding(Kind.HEAD, self._chain, min(first, self._seq) or None, self._seq or None)

    def _break(self, finding: Finding) -> None:
        self._broken = True
        self.report.findings.append(replace(finding, proved=self.report.proved))

    def _note_once(self, finding: Finding) -> None:
        if not self.report.findings:
            self.report.findings.append(replace(finding, proved=self.report.proved))


def _nearby(seq: int) -> Iterator[int]:
    for distance in range(1, _DISPLACEMENT + 1):
        if seq > distance:
            yield seq - distance
        yield seq + distance


class SealJudge:
    """Judges the seals number by number, each in its two copies, and keeps what links them.

    ``findings`` grows as it goes. The judge trusts a copy that is signed by a pinned key and follows the
    seal before it; the sink's first, for the database is what an attacker with every right there owns.
    """

    def __init__(self, keys: SealKeys, *, reach: int, witnesses: Mapping[int, str] | None = None) -> None:
        """Take the pinned keys, the sink's highest number, and checkpoints that somebody kept elsewhere."""
        self.findings: list[Finding] = []
        self.seals = 0
        self._keys = keys
        self._reach = reach
        self._witnesses = dict(witnesses or {})
        self._next = 1
        self._previous: bytes | None = FIRST_PREVIOUS
        self._sealed_at = ""

    def judge(self, number: int, sink: Seal | None, database: Seal | None) -> tuple[Leaf, ...]:
        """Judge seal *number* and return its authentic leaves; none where no copy can be trusted."""
        self.seals += 1
        self._judge_presence(number, sink, database)
        copies = [(where, seal) for where, seal in ((Where.SINK, sink), (Where.DATABASE, database)) if seal]
        self._judge_witness(number, copies)
        opened = [(seal, found) for where, seal in copies if (found := self._open(where, seal))]
        if len({seal.checkpoint for seal, _ in opened}) > 1:
            self._add(Kind.FORK, number, detail=_differing(*(seal.leaves for seal, _ in opened)))
        linked = [one for one in opened if self._previous in {None, one[1].previous}]
        if opened and not linked:
            self._add(Kind.SEAL_LINK, number)
        for seal, checkpoint in (linked or opened)[:1]:
            self._follow(seal, checkpoint)
            return self._leaves(checkpoint, [copy for copy in copies if copy[1].checkpoint == seal.checkpoint])
        self._previous = None
        return ()

    def finish(self) -> None:
        """Say which witnessed seals did not turn up at all."""
        for number in sorted(self._witnesses):
            self._add(Kind.WITNESS, number)

    def _judge_presence(self, number: int, sink: Seal | None, database: Seal | None) -> None:
        if number > self._next:
            self._add(Kind.SEAL_MISSING, self._next, detail=f"{self._next}-{number - 1}")
            self._previous = None
        self._next = number + 1
        if database is None:
            self._add(Kind.SEAL_MISSING, number, Where.DATABASE)
        # A seal past the sink's end that is not anchored yet is on its way there.
        if sink is None and database is not None and (database.anchored or number <= self._reach):
            self._add(Kind.SEAL_MISSING, number, Where.SINK)

    def _follow(self, seal: Seal, checkpoint: Checkpoint) -> None:
        self._previous = checkpoint_hash(seal.checkpoint)
        if checkpoint.sealed_at < self._sealed_at:
            self._add(Kind.SEAL_CLOCK, seal.number, detail=checkpoint.sealed_at)
        self._sealed_at = checkpoint.sealed_at

    def _judge_witness(self, number: int, copies: list[tuple[Where, Seal]]) -> None:
        witnessed = self._witnesses.pop(number, None)
        if witnessed is not None:
            for where, seal in copies:
                if seal.checkpoint != witnessed:
                    self._add(Kind.WITNESS, number, where)

    def _open(self, where: Where, seal: Seal) -> Checkpoint | None:
        try:
            return self._keys.open(seal.checkpoint, seal.number)
        except SealInvalid as error:
            self._add(Kind.SEAL_INVALID, seal.number, where, detail=str(error.values["reason"]))
            return None

    def _leaves(self, checkpoint: Checkpoint, copies: list[tuple[Where, Seal]]) -> tuple[Leaf, ...]:
        authentic: tuple[Leaf, ...] = ()
        wrong: list[tuple[Where, Seal]] = []
        for where, seal in copies:
            if _under(checkpoint, seal.leaves):
                authentic = seal.leaves
            else:
                wrong.append((where, seal))
        for where, seal in wrong:
            self._add(Kind.SEAL_LEAVES, seal.number, where, detail=_differing(authentic, seal.leaves))
        return authentic

    def _add(self, kind: Kind, seal: int, where: Where | None = None, *, detail: str = "") -> None:
        self.findings.append(Finding(kind, seal=seal, where=where, detail=detail))


def _under(checkpoint: Checkpoint, leaves: tuple[Leaf, ...]) -> bool:
    in_order = all(left.chain < right.chain for left, right in pairwise(leaves))
    in_range = all(0 < leaf.seq < 2**63 for leaf in leaves)
    return in_order and in_range and len(leaves) == checkpoint.size and tree_root(leaves) == checkpoint.root


def _differing(one: tuple[Leaf, ...], other: tuple[Leaf, ...]) -> str:
    """Return the chains in which two sets of leaves differ, as text; the first ten."""
    chains = sorted({leaf.chain for leaf in set(one) ^ set(other)})
    return ", ".join(str(chain) for chain in chains[:10])
