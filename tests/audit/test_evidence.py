"""Evidence verifies without the platform, and no changed evidence does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chukan.platform.audit import verify_evidence
from chukan.platform.audit.errors import NothingSealed, TargetExists, TrailTampered
from chukan.platform.audit.evidence import export
from chukan.platform.audit.seals import SealKeys
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.identifiers import PLATFORM
from chukan.platform.settings import DatabaseSettings
from support.audit import SoftwareSigner, Trail
from support.database import fresh_database


@pytest.fixture(scope="module")
def good(
    cluster: tuple[EmbeddedCluster, DatabaseSettings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Trail]]:
    """Evidence of one tenant with seven sealed entries in three seals, among four chains."""
    with fresh_database(*cluster) as database:
        trail = Trail(database, tmp_path_factory.mktemp("trail"))
        tenants = [trail.tenant() for _ in range(4)]
        for count in (2, 4, 1):
            for tenant in tenants[: count + 1]:
                trail.record(tenant, count)
            trail.seal()
            trail.record_platform()
            trail.seal()
        trail.record(tenants[0])
        target = trail.directory / "evidence"
        exported = export(trail.auditor, tenants[0], target, trail.keys)
        assert (exported.entries, exported.seals, exported.last_seal) == (7, 3, 5)
        yield target, trail


@pytest.fixture
def evidence(good: tuple[Path, Trail], tmp_path: Path) -> Path:
    return Path(shutil.copytree(good[0], tmp_path / "evidence"))


def run(evidence: Path, *options: str, script: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the script that came with the evidence, cut off from the platform (-I), in an empty folder."""
    program = script or evidence / "verify_evidence.py"
    return subprocess.run(
        [sys.executable, "-I", str(program), str(evidence), *options],
        capture_output=True,
        text=True,
        cwd="/",
        timeout=60,
        check=False,
    )


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_the_script_needs_nothing_of_the_platform(evidence: Path) -> None:
    assert "chukan." not in (evidence / "verify_evidence.py").read_text(encoding="utf-8")


def test_good_evidence_verifies_alone(evidence: Path, good: tuple[Path, Trail]) -> None:
    (evidence / "pinned.json").write_text(good[1].keys.text())
    for options in ((), ("--keys", str(evidence / "pinned.json"))):
        result = run(evidence, *options)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "INTACT" in result.stdout
        assert "entries: 7" in result.stdout


def test_evidence_in_a_zip_verifies_alone(good: tuple[Path, Trail], tmp_path: Path) -> None:
    trail = good[1]
    target = tmp_path / "evidence.zip"
    export(trail.auditor, PLATFORM, target, trail.keys)
    with zipfile.ZipFile(target) as archive:
        archive.extract("verify_evidence.py", tmp_path)
        assert "監査証跡の証拠" in archive.read("README.md").decode()
    result = run(target, script=tmp_path / "verify_evidence.py")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "entries: 3" in result.stdout


def edit_body(path: Path) -> None:
    lines = lines_of(path / "entries.jsonl")
    entry = json.loads(lines[3])
    entry["body"] = "{}"
    write_lines(path / "entries.jsonl", [*lines[:3], canonical(entry), *lines[4:]])


def delete_entry(path: Path) -> None:
    lines = lines_of(path / "entries.jsonl")
    write_lines(path / "entries.jsonl", [*lines[:3], *lines[4:]])


def cut_entries(path: Path) -> None:
    write_lines(path / "entries.jsonl", lines_of(path / "entries.jsonl")[:6])


def cut_in_the_middle_of_a_line(path: Path) -> None:
    (path / "entries.jsonl").write_bytes((path / "entries.jsonl").read_bytes()[:-20])


def add_unsealed_entry(path: Path) -> None:
    lines = lines_of(path / "seals.jsonl")
    write_lines(path / "seals.jsonl", lines[:2])


def delete_seal(path: Path) -> None:
    lines = lines_of(path / "seals.jsonl")
    write_lines(path / "seals.jsonl", lines[:-1])


def swap_seals(path: Path) -> None:
    lines = lines_of(path / "seals.jsonl")
    write_lines(path / "seals.jsonl", [lines[1], lines[0], lines[2]])


def other_chain(path: Path) -> None:
    about = json.loads((path / "evidence.json").read_text())
    write_lines(path / "evidence.json", [canonical({**about, "chain": str(PLATFORM)})])


def other_count(path: Path) -> None:
    about = json.loads((path / "evidence.json").read_text())
    write_lines(path / "evidence.json", [canonical({**about, "entries": 6})])


def other_keys(path: Path) -> None:
    (path / "keys.json").write_text(SealKeys(SoftwareSigner().public_keys()).text())


def rehash_all(path: Path) -> None:
    import uuid

    chain = uuid.UUID(json.loads((path / "evidence.json").read_text())["chain"])
    previous, done = bytes(32), []
    for line in lines_of(path / "entries.jsonl"):
        entry = json.loads(line)
        if entry["seq"] == 2:
            entry["body"] = "{}"
        own = verify_evidence.entry_hash(chain, entry, previous)
        entry.update(prev=previous.hex(), hash=own.hex())
        previous = own
        done.append(canonical(entry))
    write_lines(path / "entries.jsonl", done)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (edit_body, "entry 4 "),
        (delete_entry, "entry 4 is missing"),
        (cut_entries, "from 7 on are missing"),
        (cut_in_the_middle_of_a_line, "entries.jsonl:7"),
        (add_unsealed_entry, "entry 7 is not sealed"),
        (delete_seal, "entry 7 is not sealed"),
        (swap_seals, "out of order"),
        (other_chain, "seals.jsonl:1"),
        (other_count, "counts differ"),
        (other_keys, "signature is wrong"),
        (rehash_all, "entries up to 2 "),
    ],
)
def test_changed_evidence_is_refused_and_the_first_bad_record_named(
    evidence: Path, change: Callable[[Path], None], told: str
) -> None:
    assert run(evidence).returncode == 0
    change(evidence)
    result = run(evidence)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "NOT INTACT" in result.stdout
    assert told in result.stdout


@pytest.mark.parametrize("wrong", ["nothing here", "no zip", "no keys"])
def test_what_is_no_evidence_is_told_apart(evidence: Path, wrong: str) -> None:
    script = evidence / "verify_evidence.py"
    target = {"nothing here": evidence / "absent", "no zip": script, "no keys": evidence}[wrong]
    (evidence / "keys.json").unlink()
    assert run(target, script=script).returncode == 2


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_changed_byte_of_entries_and_proofs_goes_unseen(good: tuple[Path, Trail], data: st.DataObject) -> None:
    folder, trail = good
    name = data.draw(st.sampled_from(["entries.jsonl", "seals.jsonl", "evidence.json"]))
    content = (folder / name).read_bytes()
    place = data.draw(st.integers(0, len(content) - 2))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    scratch = folder.parent / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(folder, scratch)
    (scratch / name).write_bytes(content[:place] + bytes([byte]) + content[place + 1 :])
    keys = verify_evidence.read_keys(trail.keys.text())[0]
    with pytest.raises((verify_evidence.EvidenceError, UnicodeDecodeError)):
        verify_evidence.verify(scratch, keys)


def test_evidence_overwrites_nothing(trail: Trail, tmp_path: Path) -> None:
    with pytest.raises(TargetExists):
        export(trail.auditor, PLATFORM, tmp_path, trail.keys)


def test_a_chain_without_a_seal_has_no_evidence(trail: Trail, tmp_path: Path) -> None:
    trail.record_platform()
    with pytest.raises(NothingSealed):
        export(trail.auditor, PLATFORM, tmp_path / "evidence", trail.keys)
    assert not (tmp_path / "evidence").exists()


def test_tampered_entries_give_no_evidence(trail: Trail, tmp_path: Path) -> None:
    trail.record_platform(3)
    trail.seal()
    trail.tamper("update platform.audit_entry set body = '{}' where seq = 2")
    with pytest.raises(TrailTampered):
        export(trail.auditor, PLATFORM, tmp_path / "evidence", trail.keys)
    assert list(tmp_path.glob("*evidence*")) == []
