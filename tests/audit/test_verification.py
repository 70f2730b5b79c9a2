"""Whatever is done to a sealed chain is found, and the first bad record is named."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.audit.rules import GENESIS, StoredEntry, entry_hash
from chukan.platform.audit.seals import Leaf
from chukan.platform.audit.verification import ChainReport, Kind, SealedLeaf, judge_chain

CHAIN = UUID(int=7)
OTHER = UUID(int=8)


def rehashed(entries: list[StoredEntry], start: int = 1) -> list[StoredEntry]:
    """Number *entries* anew, and link and hash them anew from seq *start* on, as an attacker would."""
    done: list[StoredEntry] = []
    for seq, entry in enumerate(entries, start=1):
        linked = entry
        if seq >= start:
            linked = replace(entry, seq=seq, prev=done[-1].hash if done else GENESIS)
            linked = replace(linked, hash=entry_hash(linked))
        done.append(linked)
    return done


def chain_of(count: int, chain: UUID = CHAIN) -> list[StoredEntry]:
    return rehashed(
        [
            StoredEntry(chain, 0, f"2026-11-21T00:00:00.{seq:06}Z", "org_a", f'{{"n":{seq}}}', b"", b"")
            for seq in range(count)
        ]
    )


def judged(entries: list[StoredEntry], leaves: list[SealedLeaf], head: Leaf | None = None) -> ChainReport:
    end = head or (Leaf(entries[-1].chain, entries[-1].seq, entries[-1].hash) if entries else None)
    return judge_chain(CHAIN, entries, leaves, end)


def leaf(seal: int, entry: StoredEntry) -> SealedLeaf:
    return SealedLeaf(seal, Leaf(entry.chain, entry.seq, entry.hash))


@st.composite
def sealed_chains(draw: st.DrawFn) -> tuple[list[StoredEntry], list[SealedLeaf]]:
    entries = chain_of(draw(st.integers(2, 12)))
    points = draw(st.sets(st.integers(1, len(entries) - 1))) | {len(entries)}
    return entries, [leaf(number, entries[seq - 1]) for number, seq in enumerate(sorted(points), start=1)]


@st.composite
def tamperings(draw: st.DrawFn, entries: list[StoredEntry], *, hash_anew: bool = True) -> list[StoredEntry]:
    """Draw what somebody with every right in the database may make of *entries*, hashing them anew or not."""
    place = draw(st.integers(0, len(entries) - 1))
    seq = place + 1
    changed = list(entries)
    act = draw(st.sampled_from(["edit", "delete", "insert", "swap", "truncate", "other chain"]))
    if act == "edit":
        fields = {
            "body": '{"n":"x"}',
            "login": "org_b",
            "recorded_at": "2026-11-22T00:00:00.000000Z",
            "prev": b"\x01" * 32,
        }
        name = draw(st.sampled_from([*fields, "hash"]))
        changed[place] = replace(changed[place], **{name: fields.get(name, b"\x02" * 32)})  # type: ignore[arg-type]
    elif act == "delete":
        del changed[place]
        if draw(st.booleans()):
            changed = [replace(entry, seq=number) for number, entry in enumerate(changed, start=1)]
    elif act == "insert":
        prev = changed[place - 1].hash if place else GENESIS
        forged = replace(changed[place], body='{"n":"forged"}', prev=prev)
        changed.insert(place, replace(forged, hash=entry_hash(forged)))
        changed = [replace(entry, seq=number) for number, entry in enumerate(changed, start=1)]
    elif act == "swap":
        other = draw(st.integers(0, len(entries) - 1).filter(lambda other: other != place))
        changed[place] = replace(entries[other], seq=seq)
        changed[other] = replace(entries[place], seq=other + 1)
    elif act == "truncate":
        del changed[place:]
    else:
        changed = [replace(entry, chain=CHAIN) for entry in chain_of(len(entries), OTHER)]
    how = draw(st.sampled_from(["as it is", "this one", "all after it"])) if hash_anew else "as it is"
    if how == "all after it" or (how == "this one" and act == "other chain"):
        return rehashed(changed, seq)
    if how == "this one" and place < len(changed):
        one = replace(changed[place], prev=changed[place - 1].hash if place else GENESIS)
        changed[place] = replace(one, hash=entry_hash(one))
    return changed


@given(sealed_chains())
def test_an_untouched_chain_is_clean_and_proved(sealed: tuple[list[StoredEntry], list[SealedLeaf]]) -> None:
    entries, leaves = sealed
    report = judged(entries, leaves)
    assert (report.findings, report.entries, report.proved) == ([], len(entries), len(entries))


def first_difference(entries: list[StoredEntry], tampered: list[StoredEntry]) -> int:
    pairs = enumerate(zip(entries, tampered, strict=False), start=1)
    return next((seq for seq, (was, is_) in pairs if was != is_), min(len(entries), len(tampered)) + 1)


@given(st.data())
def test_any_tampering_with_a_sealed_chain_is_found_and_its_first_record_named(data: st.DataObject) -> None:
    entries, leaves = data.draw(sealed_chains())
    tampered = data.draw(tamperings(entries, hash_anew=False))
    report = judged(tampered, leaves)
    if tampered == entries:
        assert report.findings == []
        return
    (finding,) = [finding for finding in report.findings if finding.kind is not Kind.CLOCK]
    first_bad = first_difference(entries, tampered)
    assert finding.first is not None
    assert finding.last is not None
    assert finding.proved == max((one.leaf.seq for one in leaves if one.leaf.seq < first_bad), default=0)
    assert finding.first <= first_bad <= finding.last


@given(st.data())
def test_several_tamperings_are_found_and_nothing_bad_is_called_proved(data: st.DataObject) -> None:
    entries, leaves = data.draw(sealed_chains())
    tampered = entries
    for _ in range(data.draw(st.integers(1, 4))):
        tampered = data.draw(tamperings(tampered)) if tampered else tampered
    report = judged(tampered, leaves)
    first_bad = first_difference(entries, tampered)
    if first_bad > len(entries):
        # What was sealed is untouched; what comes after it is younger than the last seal.
        assert report.proved == len(entries)
        return
    (finding,) = [finding for finding in report.findings if finding.kind is not Kind.CLOCK]
    assert finding.proved == report.proved < first_bad
    assert report.proved == max((one.leaf.seq for one in leaves if one.leaf.seq < first_bad), default=0)
    assert first_bad <= (finding.last or 0)


@given(sealed_chains(), st.integers(0, 11))
def test_an_edit_that_was_not_hashed_anew_is_named_exactly(
    sealed: tuple[list[StoredEntry], list[SealedLeaf]], place: int
) -> None:
    entries, leaves = sealed
    place %= len(entries)
    entries[place] = replace(entries[place], body="{}")
    (finding,) = judged(entries, leaves).findings
    assert (finding.kind, finding.first, finding.last) == (Kind.EDITED, place + 1, place + 1)


def test_a_later_seal_over_less_is_found() -> None:
    entries = chain_of(4)
    report = judged(entries, [leaf(6, entries[1]), leaf(5, entries[3])])
    assert [(finding.kind, finding.first, finding.seal) for finding in report.findings] == [(Kind.ROLLED_BACK, 4, 5)]


def test_a_clock_that_goes_back_is_told_and_does_not_hide_what_follows() -> None:
    entries = chain_of(6)
    entries[2] = replace(entries[2], recorded_at="2026-11-20T00:00:00.000000Z")
    entries = rehashed(entries)
    entries[4] = replace(entries[4], body="{}")
    report = judged(entries, [])
    assert [(finding.kind, finding.first) for finding in report.findings] == [(Kind.CLOCK, 3), (Kind.EDITED, 5)]


def test_an_end_that_the_entries_do_not_reach_is_found() -> None:
    entries = chain_of(4)
    report = judged(entries[:2], [], Leaf(CHAIN, 4, entries[3].hash))
    assert [(finding.kind, finding.first, finding.last) for finding in report.findings] == [(Kind.TRUNCATED, 3, 4)]


def test_entries_past_the_end_are_found() -> None:
    entries = chain_of(4)
    report = judged(entries, [], Leaf(CHAIN, 2, entries[1].hash))
    assert [(finding.kind, finding.first, finding.last) for finding in report.findings] == [(Kind.HEAD, 3, 4)]
