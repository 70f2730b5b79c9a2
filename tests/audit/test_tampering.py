"""What a superuser does to the database, or somebody to the sink, is named by the verifier."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import pytest
from psycopg import sql

from chukan.platform.audit import store
from chukan.platform.audit.rules import GENESIS, StoredEntry, entry_hash
from chukan.platform.audit.seals import Checkpoint, Leaf, checkpoint_hash, sign_checkpoint, tree_root
from chukan.platform.audit.sink import seal_line
from chukan.platform.audit.verification import Finding, Kind, Where
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.identifiers import PLATFORM
from chukan.platform.settings import DatabaseSettings
from support.audit import SoftwareSigner, Trail
from support.database import fresh_database

TABLES = ("audit_chain", "audit_entry", "audit_seal", "audit_seal_leaf")


@dataclass
class Sealed:
    """A trail with two tenants: eight entries each, sealed at 3 and at 6; seal 3 covers the platform alone."""

    trail: Trail
    one: UUID
    other: UUID

    def load(self, chain: UUID) -> list[StoredEntry]:
        with self.trail.auditor.connect() as connection:
            return list(store.entries(connection, chain))

    def replace(self, chain: UUID, entries: list[StoredEntry], *, move_head: bool = True) -> None:
        """Put *entries* in the place of the chain's own, and let the chain end with them."""
        with self.trail.database.superuser() as superuser, superuser.transaction():
            superuser.execute("delete from platform.audit_entry where chain = %s", (chain,))
            for entry in entries:
                superuser.execute(
                    "insert into platform.audit_entry values (%s, %s, %s, %s, %s, %s, %s)",
                    (chain, entry.seq, entry.recorded_at, entry.login, entry.body, entry.prev, entry.hash),
                )
            if move_head:
                superuser.execute(
                    "update platform.audit_chain set seq = %s, head = %s where chain = %s",
                    (entries[-1].seq, entries[-1].hash, chain),
                )

    def rewrite(self, chain: UUID, seq: int) -> None:
        """Edit one entry and hash the whole chain anew from there: a history without a seam."""
        entries = self.load(chain)
        entries[seq - 1] = replace(entries[seq - 1], body='{"forged":true}')
        self.replace(chain, relinked(entries))

    def reseal(self, signer: SoftwareSigner) -> None:
        """Sign seal 2, and all that follow, anew in the database, over the chains as they are now."""
        with self.trail.database.superuser() as superuser:
            (previous,) = superuser.execute(
                "select checkpoint from platform.audit_seal where number = 1"
            ).fetchone() or ("",)
            for number in (2, 3):
                rows = superuser.execute(
                    "update platform.audit_seal_leaf l set head = e.hash from platform.audit_entry e "
                    "where l.seal = %s and e.chain = l.chain and e.seq = l.seq returning l.chain, l.seq, l.head",
                    (number,),
                ).fetchall()
                leaves = sorted(Leaf(*row) for row in rows)
                at = f"2099-01-01T00:00:00.{number:06}Z"
                forged = Checkpoint(number, len(leaves), tree_root(leaves), checkpoint_hash(previous), at)
                previous = sign_checkpoint(forged, signer)
                superuser.execute(
                    "update platform.audit_seal set checkpoint = %s where number = %s", (previous, number)
                )

    @property
    def sink_file(self) -> Path:
        (path,) = self.trail.sink.directory.glob("seals-*.jsonl")
        return path

    def edit_sink(self, change: Callable[[list[str]], list[str]]) -> None:
        lines = change(self.sink_file.read_text().splitlines())
        self.sink_file.write_text("".join(f"{line}\n" for line in lines))


def relinked(entries: list[StoredEntry]) -> list[StoredEntry]:
    done: list[StoredEntry] = []
    for seq, entry in enumerate(entries, start=1):
        linked = replace(entry, seq=seq, prev=done[-1].hash if done else GENESIS)
        done.append(replace(linked, hash=entry_hash(linked)))
    return done


@pytest.fixture(scope="module")
def built(
    cluster: tuple[EmbeddedCluster, DatabaseSettings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sealed]:
    with fresh_database(*cluster) as database:
        trail = Trail(database, tmp_path_factory.mktemp("trail"))
        one, other = trail.tenant(), trail.tenant()
        for count in (3, 3):
            trail.record(one, count)
            trail.record(other, count)
            trail.record_platform()
            trail.seal()
        trail.record_platform()
        trail.seal()
        trail.record(one, 2)
        trail.record(other, 2)
        shutil.copytree(trail.sink.directory, trail.directory / "kept")
        with database.superuser() as superuser:
            for table in TABLES:
                superuser.execute(
                    sql.SQL("create table kept_{0} as table platform.{1}").format(sql.SQL(table), sql.Identifier(table))
                )
        yield Sealed(trail, one, other)


@pytest.fixture
def sealed(built: Sealed) -> Iterator[Sealed]:
    """The same trail for every test, put back afterwards; shown to be clean before."""
    assert built.trail.findings() == []
    yield built
    shutil.rmtree(built.trail.sink.directory)
    shutil.copytree(built.trail.directory / "kept", built.trail.sink.directory)
    with built.trail.database.superuser() as superuser, superuser.transaction():
        superuser.execute(
            "truncate platform.audit_chain, platform.audit_entry, platform.audit_seal, platform.audit_seal_leaf"
        )
        for table in TABLES:
            superuser.execute(
                sql.SQL("insert into platform.{1} table kept_{0}").format(sql.SQL(table), sql.Identifier(table))
            )


def named(findings: list[Finding]) -> list[tuple[Kind, UUID | None, int | None, int | None]]:
    return [(finding.kind, finding.chain, finding.first, finding.last) for finding in findings]


def seals_named(findings: list[Finding]) -> list[tuple[Kind, int | None, Where | None]]:
    return [(finding.kind, finding.seal, finding.where) for finding in findings if finding.chain is None]


@pytest.mark.parametrize(
    "change",
    [
        """update platform.audit_entry set body = '{"forged":true}' where chain = %s and seq = %s""",
        "update platform.audit_entry set recorded_at = recorded_at + '1us' where chain = %s and seq = %s",
        "update platform.audit_entry set recorded_at = 'infinity' where chain = %s and seq = %s",
        "update platform.audit_entry set login = 'somebody' where chain = %s and seq = %s",
        "update platform.audit_entry set hash = sha256('x') where chain = %s and seq = %s",
        "update platform.audit_entry set prev = sha256('x') where chain = %s and seq = %s",
    ],
)
@pytest.mark.parametrize("seq", [1, 3, 5, 8])
def test_an_edited_entry_is_named(sealed: Sealed, change: str, seq: int) -> None:
    sealed.trail.tamper(change, sealed.one, seq)
    assert named(sealed.trail.findings()) == [(Kind.EDITED, sealed.one, seq, seq)]


@pytest.mark.parametrize("seq", [1, 3, 5, 7])
def test_a_deleted_entry_is_named(sealed: Sealed, seq: int) -> None:
    sealed.trail.tamper("delete from platform.audit_entry where chain = %s and seq = %s", sealed.one, seq)
    assert named(sealed.trail.findings()) == [(Kind.MISSING, sealed.one, seq, seq)]


def test_a_deleted_entry_whose_successors_moved_up_is_named(sealed: Sealed) -> None:
    sealed.trail.tamper("delete from platform.audit_entry where chain = %s and seq = 5", sealed.one)
    for seq in (6, 7, 8):
        sealed.trail.tamper(
            "update platform.audit_entry set seq = seq - 1 where chain = %s and seq = %s", sealed.one, seq
        )
    sealed.trail.tamper("update platform.audit_chain set seq = 7 where chain = %s", sealed.one)
    assert named(sealed.trail.findings()) == [(Kind.MOVED, sealed.one, 5, 5)]


def test_an_inserted_entry_is_named(sealed: Sealed) -> None:
    entries = sealed.load(sealed.one)
    forged = replace(entries[4], body='{"forged":true}')
    later = [replace(entry, seq=entry.seq + 1) for entry in entries[4:]]
    sealed.replace(sealed.one, [*entries[:4], replace(forged, hash=entry_hash(forged)), *later])
    assert named(sealed.trail.findings()) == [(Kind.INSERTED, sealed.one, 5, 6)]


def test_an_entry_before_the_first_one_is_named(sealed: Sealed) -> None:
    sealed.trail.tamper(
        "insert into platform.audit_entry select chain, 0, recorded_at, login, body, prev, hash "
        "from platform.audit_entry where chain = %s and seq = 1",
        sealed.one,
    )
    assert named(sealed.trail.findings()) == [(Kind.INSERTED, sealed.one, 0, 0)]


def test_reordered_entries_are_named(sealed: Sealed) -> None:
    for before, after in ((4, -1), (5, 4), (-1, 5)):
        sealed.trail.tamper(
            "update platform.audit_entry set seq = %s where chain = %s and seq = %s", after, sealed.one, before
        )
    assert named(sealed.trail.findings()) == [(Kind.MOVED, sealed.one, 4, 4)]


def test_an_entry_that_was_replaced_and_hashed_anew_alone_is_named(sealed: Sealed) -> None:
    entries = sealed.load(sealed.one)
    forged = replace(entries[4], body='{"forged":true}')
    entries[4] = replace(forged, hash=entry_hash(forged))
    sealed.replace(sealed.one, entries)
    assert named(sealed.trail.findings()) == [(Kind.REPLACED, sealed.one, 5, 6)]


def test_a_sealed_tail_that_was_cut_off_is_named(sealed: Sealed) -> None:
    sealed.replace(sealed.one, sealed.load(sealed.one)[:4])
    assert named(sealed.trail.findings()) == [(Kind.TRUNCATED, sealed.one, 5, 6)]


def test_an_unsealed_tail_is_missed_as_long_as_the_chains_end_tells_of_it(sealed: Sealed) -> None:
    sealed.replace(sealed.one, sealed.load(sealed.one)[:6], move_head=False)
    assert named(sealed.trail.findings()) == [(Kind.TRUNCATED, sealed.one, 7, 8)]


def test_what_no_chain_can_show_is_an_unsealed_tail_that_was_cut_off_with_its_end(sealed: Sealed) -> None:
    """The residual that docs/security.md states: entries younger than a seal."""
    sealed.replace(sealed.one, sealed.load(sealed.one)[:6])
    assert sealed.trail.findings() == []


@pytest.mark.parametrize(("seq", "first", "last", "seal"), [(2, 1, 3, 1), (3, 1, 3, 1), (5, 4, 6, 2)])
def test_history_that_was_rewritten_without_a_seam_is_narrowed_to_its_seal(
    sealed: Sealed, seq: int, first: int, last: int, seal: int
) -> None:
    sealed.rewrite(sealed.one, seq)
    findings = sealed.trail.findings()
    assert named(findings) == [(Kind.REWRITTEN, sealed.one, first, last)]
    assert findings[0].seal == seal


def test_two_chains_that_were_swapped_are_both_named(sealed: Sealed) -> None:
    for statement in (
        "update platform.audit_entry set chain = %s where chain = %s",
        "update platform.audit_chain set chain = %s where chain = %s",
    ):
        for before, after in ((sealed.one, UUID(int=1)), (sealed.other, sealed.one), (UUID(int=1), sealed.other)):
            sealed.trail.tamper(statement, after, before)
    expected = sorted((chain, 1) for chain in (sealed.one, sealed.other))
    findings = sealed.trail.findings()
    assert [(finding.chain, finding.first) for finding in findings] == expected
    assert {finding.kind for finding in findings} == {Kind.EDITED}


def test_a_chain_that_was_swapped_and_hashed_anew_is_named(sealed: Sealed) -> None:
    taken = [replace(entry, chain=sealed.one) for entry in sealed.load(sealed.other)]
    sealed.replace(sealed.one, relinked(taken))
    assert named(sealed.trail.findings()) == [(Kind.REWRITTEN, sealed.one, 1, 3)]


def test_a_chain_that_was_deleted_as_a_whole_is_named(sealed: Sealed) -> None:
    sealed.trail.tamper("delete from platform.audit_entry where chain = %s", sealed.one)
    sealed.trail.tamper("delete from platform.audit_chain where chain = %s", sealed.one)
    sealed.trail.tamper("delete from platform.audit_seal_leaf where chain = %s", sealed.one)
    findings = sealed.trail.findings()
    assert named(findings)[-1] == (Kind.TRUNCATED, sealed.one, 1, 6)
    assert seals_named(findings) == [(Kind.SEAL_LEAVES, number, Where.DATABASE) for number in (1, 2)]


def test_a_clock_that_went_back_is_named(sealed: Sealed) -> None:
    entries = sealed.load(sealed.one)
    entries[7] = replace(entries[7], recorded_at="2020-01-01T00:00:00.000000Z")
    sealed.replace(sealed.one, relinked(entries))
    assert named(sealed.trail.findings()) == [(Kind.CLOCK, sealed.one, 8, 8)]


def test_rewritten_history_under_rewritten_leaves_is_named(sealed: Sealed) -> None:
    sealed.rewrite(sealed.one, 5)
    sealed.trail.tamper(
        "update platform.audit_seal_leaf l set head = e.hash from platform.audit_entry e "
        "where e.chain = l.chain and e.seq = l.seq"
    )
    findings = sealed.trail.findings()
    assert seals_named(findings) == [(Kind.SEAL_LEAVES, 2, Where.DATABASE)]
    assert findings[0].detail == str(sealed.one)
    assert named(findings)[-1] == (Kind.REWRITTEN, sealed.one, 4, 6)


def test_seals_forged_with_another_key_are_named(sealed: Sealed) -> None:
    sealed.rewrite(sealed.one, 5)
    sealed.reseal(SoftwareSigner())
    findings = sealed.trail.findings()
    assert seals_named(findings) == [(Kind.SEAL_INVALID, number, Where.DATABASE) for number in (2, 3)]
    assert named(findings)[-1] == (Kind.REWRITTEN, sealed.one, 4, 6)


def test_a_fork_made_with_the_real_key_is_named(sealed: Sealed) -> None:
    sealed.rewrite(sealed.one, 5)
    sealed.reseal(sealed.trail.signer)
    findings = sealed.trail.findings()
    assert seals_named(findings) == [(Kind.FORK, number, None) for number in (2, 3)]
    assert findings[0].detail == str(sealed.one)
    assert named(findings)[-1] == (Kind.REWRITTEN, sealed.one, 4, 6)


def test_a_seal_deleted_from_the_database_is_named(sealed: Sealed) -> None:
    sealed.trail.tamper("delete from platform.audit_seal_leaf where seal = 2")
    sealed.trail.tamper("delete from platform.audit_seal where number = 2")
    assert seals_named(sealed.trail.findings()) == [(Kind.SEAL_MISSING, 2, Where.DATABASE)]


def test_a_seal_deleted_from_the_sink_is_named_even_if_the_database_says_it_was_never_there(sealed: Sealed) -> None:
    sealed.edit_sink(lambda lines: [lines[0], lines[2]])
    sealed.trail.tamper("update platform.audit_seal set anchored_at = null where number = 2")
    assert seals_named(sealed.trail.findings()) == [(Kind.SEAL_MISSING, 2, Where.SINK)]


def test_a_seal_deleted_from_both_is_named(sealed: Sealed) -> None:
    sealed.edit_sink(lambda lines: [lines[0], lines[2]])
    sealed.trail.tamper("delete from platform.audit_seal_leaf where seal = 2")
    sealed.trail.tamper("delete from platform.audit_seal where number = 2")
    assert seals_named(sealed.trail.findings()) == [(Kind.SEAL_MISSING, 2, None)]


def test_the_last_seals_cut_from_both_are_named_by_a_witness(sealed: Sealed) -> None:
    last = sealed.trail.sink.last()
    assert last is not None
    assert sealed.trail.verify(witnesses={3: last.checkpoint}).findings == []
    sealed.edit_sink(lambda lines: lines[:2])
    sealed.trail.tamper("delete from platform.audit_seal_leaf where seal = 3")
    sealed.trail.tamper("delete from platform.audit_seal where number = 3")
    assert sealed.trail.findings() == []
    assert seals_named(sealed.trail.verify(witnesses={3: last.checkpoint}).findings) == [(Kind.WITNESS, 3, None)]


def test_a_sink_that_was_cut_off_is_named(sealed: Sealed) -> None:
    sealed.edit_sink(lambda lines: lines[:1])
    assert seals_named(sealed.trail.findings()) == [(Kind.SEAL_MISSING, number, Where.SINK) for number in (2, 3)]


def test_an_edited_checkpoint_is_named(sealed: Sealed) -> None:
    sealed.trail.tamper(
        "update platform.audit_seal set checkpoint = overlay(checkpoint placing 'AAAA' from 200) where number = 2"
    )
    assert seals_named(sealed.trail.findings()) == [(Kind.SEAL_INVALID, 2, Where.DATABASE)]


def test_two_seals_that_were_swapped_are_named(sealed: Sealed) -> None:
    sealed.trail.tamper(
        "update platform.audit_seal s set checkpoint = o.checkpoint from platform.audit_seal o "
        "where (s.number, o.number) in ((1, 2), (2, 1))"
    )
    assert seals_named(sealed.trail.findings()) == [(Kind.SEAL_INVALID, number, Where.DATABASE) for number in (1, 2)]


def test_leaves_edited_in_the_sink_are_named_and_the_databases_are_believed(sealed: Sealed) -> None:
    def change(lines: list[str]) -> list[str]:
        seal = json.loads(lines[1])
        seal["leaves"][1][1] = 5
        return [lines[0], json.dumps(seal, sort_keys=True, separators=(",", ":")), lines[2]]

    sealed.edit_sink(change)
    verified = sealed.trail.verify()
    assert seals_named(verified.findings) == [(Kind.SEAL_LEAVES, 2, Where.SINK)]
    assert verified.unsealed == 4


@pytest.mark.parametrize("line", ["nonsense", '{"number":2}', ""])
def test_a_line_of_the_sink_that_is_no_seal_is_named(sealed: Sealed, line: str) -> None:
    sealed.edit_sink(lambda lines: [lines[0], line, lines[2]])
    found = seals_named(sealed.trail.findings())
    assert set(found) == {(Kind.SEAL_MISSING, 2, Where.SINK), (Kind.SINK_LINE, 2, Where.SINK)}


def test_reordered_lines_of_the_sink_are_named(sealed: Sealed) -> None:
    sealed.edit_sink(lambda lines: [lines[1], lines[0], lines[2]])
    assert (Kind.SINK_LINE, 1, Where.SINK) in seals_named(sealed.trail.findings())


def test_a_seal_of_an_absurd_number_is_named_and_costs_nothing(sealed: Sealed) -> None:
    last = sealed.trail.sink.last()
    assert last is not None
    far = replace(last, number=10**15)
    sealed.edit_sink(lambda lines: [*lines, seal_line(far)])
    found = seals_named(sealed.trail.findings())
    assert (Kind.SEAL_MISSING, 4, None) in found
    assert (Kind.SEAL_INVALID, 10**15, Where.SINK) in found


def test_a_sink_ahead_of_the_database_is_named(sealed: Sealed) -> None:
    sealed.trail.tamper("delete from platform.audit_seal_leaf where seal = 3")
    sealed.trail.tamper("delete from platform.audit_seal where number = 3")
    assert seals_named(sealed.trail.findings()) == [(Kind.SEAL_MISSING, 3, Where.DATABASE)]


def test_a_seal_made_while_the_verifier_reads_is_no_finding(sealed: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    state = store.seal_state

    def then_seal(connection: object) -> store.SealState:
        found = state(connection)  # type: ignore[arg-type]
        monkeypatch.undo()
        sealed.trail.record_platform()
        assert sealed.trail.seal().number == 4
        return found

    monkeypatch.setattr(store, "seal_state", then_seal)
    assert sealed.trail.findings() == []


def test_the_verifier_counts_what_it_read(sealed: Sealed) -> None:
    verified = sealed.trail.verify()
    assert (verified.chains, verified.entries, verified.unsealed, verified.seals) == (3, 19, 4, 3)


def test_the_verifiers_log_in_can_only_read(sealed: Sealed) -> None:
    with sealed.trail.auditor.connect() as connection, pytest.raises(Exception, match="permission denied"):
        store.append_platform(connection, "{}")
    assert [seq for seq, _ in sealed.trail.entries(PLATFORM)] == [1, 2, 3]
