"""Evidence of one organisation: its sealed entries, and proofs that need neither database nor platform."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, Engine

from chukan.platform.audit import merkle, store, verify_evidence
from chukan.platform.audit.errors import NothingSealed, TargetExists, TrailTampered
from chukan.platform.audit.rules import StoredEntry, canonical_json
from chukan.platform.audit.seals import Seal, SealKeys

_FOLDER = files("chukan") / "platform" / "audit"


@dataclass(frozen=True, slots=True)
class Exported:
    """What the evidence proves: entries 1 to ``entries``, the last of them by seal ``last_seal``."""

    path: Path
    entries: int
    seals: int
    last_seal: int


def export(engine: Engine, chain: UUID, target: Path, keys: SealKeys) -> Exported:
    """Write the evidence of *chain* to the folder or .zip file *target*, and verify it there.

    Entries that no anchored seal covers yet prove nothing and are left out.

    Raises:
        TargetExists: *target* is there already.
        NothingSealed: no entry of *chain* has been sealed.
        TrailTampered: what was written does not verify; nothing is left behind.
    """
    if target.exists():
        raise TargetExists(path=target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
        folder = Path(scratch) / "evidence"
        folder.mkdir()
        seals, last_seal, entries = _write(engine, chain, folder, keys)
        try:
            verify_evidence.verify(folder, verify_evidence.read_keys(keys.text())[0])
        except verify_evidence.EvidenceError as error:
            raise TrailTampered(count=1, detail=str(error)) from error
        if target.suffix == ".zip":
            packed = Path(scratch) / "evidence.zip"
            _pack(folder, packed)
            packed.rename(target)
        else:
            folder.rename(target)
    return Exported(target, entries, seals, last_seal)


def _write(engine: Engine, chain: UUID, folder: Path, keys: SealKeys) -> tuple[int, int, int]:
    """Write all files; return the number of seals, the last one's number, and the number of entries."""
    snapshot = engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with snapshot, snapshot.begin():
        seals = last_seal = entries = 0
        with (folder / "seals.jsonl").open("w", encoding="utf-8") as file:
            for number, seq, line in _seal_lines(snapshot, chain):
                file.write(f"{line}\n")
                seals, last_seal, entries = seals + 1, number, seq
        if not seals:
            raise NothingSealed(chain=chain)
        with (folder / "entries.jsonl").open("w", encoding="utf-8") as file:
            for entry in store.entries(snapshot, chain, up_to=entries):
                file.write(f"{_entry_line(entry)}\n")
    about = {
        "chain": str(chain),
        "entries": entries,
        "format": verify_evidence.EVIDENCE_FORMAT,
        "last_seal": last_seal,
    }
    (folder / "evidence.json").write_text(f"{canonical_json(about)}\n", encoding="utf-8")
    (folder / "keys.json").write_text(f"{keys.text()}\n", encoding="utf-8")
    for name, source in (("verify_evidence.py", "verify_evidence.py"), ("README.md", "evidence_readme.md")):
        (folder / name).write_bytes((_FOLDER / source).read_bytes())
    return seals, last_seal, entries


def _seal_lines(connection: Connection, chain: UUID) -> Iterator[tuple[int, int, str]]:
    for seal in store.seals_of(connection, chain):
        index = next(index for index, leaf in enumerate(seal.leaves) if leaf.chain == chain)
        yield seal.number, seal.leaves[index].seq, _seal_line(seal, index)


def _seal_line(seal: Seal, index: int) -> str:
    leaf = seal.leaves[index]
    path = merkle.inclusion_path([one.encoded() for one in seal.leaves], index)
    return canonical_json(
        {
            "checkpoint": seal.checkpoint,
            "head": leaf.head.hex(),
            "index": index,
            "path": [node.hex() for node in path],
            "seq": leaf.seq,
        }
    )


def _entry_line(entry: StoredEntry) -> str:
    return canonical_json(
        {
            "body": entry.body,
            "hash": entry.hash.hex(),
            "login": entry.login,
            "prev": entry.prev.hex(),
            "recorded_at": entry.recorded_at,
            "seq": entry.seq,
        }
    )


def _pack(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "x", compression=zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            with archive.open(path.name, "w") as packed, path.open("rb") as file:
                shutil.copyfileobj(file, packed)
