#!/usr/bin/env python3
"""監査証跡の証拠を検証します。 Verify the audit evidence of one organisation, without the platform.

Stands alone on purpose: the standard library and ``cryptography``, nothing of the platform that wrote the
evidence, so that an auditor can read it whole and run it anywhere (Python 3.9 or later).

    python3 verify_evidence.py DIRECTORY_OR_ZIP [--keys KEYS_JSON]

Exit codes: 0 intact; 1 not intact, and the first bad record is named; 2 called wrongly or unreadable.
Every entry must hash to what the next one names; every seal must be signed, and prove by its inclusion
path (RFC 6962) the entry that the chain ended with when it was made.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Union

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

INTACT, TAMPERED, UNREADABLE = 0, 1, 2

ENTRY_FORMAT = "chukan-audit-1"
SEAL_FORMAT = "chukan-audit-seal-1"
EVIDENCE_FORMAT = "chukan-audit-evidence-1"
SEAL_TYPE = "chukan-audit-seal"

Folder = Union[Path, zipfile.Path]  # noqa: UP007 - Python 3.9 evaluates this
Keys = Mapping[str, ec.EllipticCurvePublicKey]
_WRONG = (ValueError, KeyError, TypeError, AttributeError, OverflowError)


class EvidenceError(Exception):
    """The evidence is not intact; says where."""


def canonical(value: object) -> str:
    """Return *value* as JSON in the one form that is hashed and signed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def read_record(line: str, members: Sequence[str], place: str) -> dict[str, Any]:
    """Return the object in *line* if it has exactly *members* and is written in the canonical form."""
    try:
        record = json.loads(line)
    except ValueError as error:
        raise EvidenceError(f"{place}: {error}") from error
    if not isinstance(record, dict) or set(record) != set(members) or canonical(record) != line:
        raise EvidenceError(f"{place}: 形式が違います / not in the form of the evidence")
    return record


def read_lines(folder: Folder, name: str, members: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the records of a file with one on each line."""
    with (folder / name).open("rb") as file:
        for number, line in enumerate(file, start=1):
            place = f"{name}:{number}"
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                raise EvidenceError(f"{place}: {error}") from error
            if not text.endswith("\n"):
                raise EvidenceError(f"{place}: 途中で切れています / cut off")
            yield place, read_record(text[:-1], members, place)


def read_keys(text: str) -> tuple[Keys, dict[str, str]]:
    """Return the public keys of a JWK Set by key id, and their thumbprints (RFC 7638)."""
    keys, thumbprints = {}, {}
    for jwk in json.loads(text)["keys"]:
        x, y = (int.from_bytes(unbase64(jwk[name]), "big") for name in ("x", "y"))
        keys[jwk["kid"]] = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        required = canonical({name: jwk[name] for name in ("crv", "kty", "x", "y")})
        thumbprints[jwk["kid"]] = hashlib.sha256(required.encode()).hexdigest()
    return keys, thumbprints


def unbase64(text: str) -> bytes:
    """Return the bytes of base64url without padding; only its one right spelling is taken."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise ValueError("not base64url")
    return data


def open_checkpoint(checkpoint: str, keys: Keys, place: str) -> dict[str, Any]:
    """Return what the compact JWS *checkpoint* (ES256) says, if one of *keys* signed it."""
    try:
        head, body, mark = checkpoint.split(".")
        header, signature = json.loads(unbase64(head)), unbase64(mark)
        key = keys[header["kid"]]
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        key.verify(encode_dss_signature(r, s), f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
        says: dict[str, Any] = json.loads(unbase64(body))
    except InvalidSignature as error:
        raise EvidenceError(f"{place}: 封印の署名が違います / the seal's signature is wrong") from error
    except _WRONG as error:
        raise EvidenceError(f"{place}: 封印を読めません / no seal: {error!r}") from error
    form = {"alg": "ES256", "kid": header["kid"], "typ": SEAL_TYPE}
    if header != form or len(signature) != 64 or says.get("format") != SEAL_FORMAT:
        raise EvidenceError(f"{place}: 封印の形式が違います / not a seal of this format")
    return says


class Proof(NamedTuple):
    """One seal's proof: when it was made, the chain ended with entry ``seq``, whose hash is ``head``."""

    seq: int
    head: bytes
    number: int
    sealed_at: str
    previous: str
    own: str


def included_root(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root that an inclusion path leads to (RFC 9162, 2.1.3.2); None if it has another length."""
    node, last = hashlib.sha256(b"\x00" + leaf).digest(), size - 1
    for sibling in path:
        if last == 0:
            return None
        if index % 2 or index == last:
            node = hashlib.sha256(b"\x01" + sibling + node).digest()
            while index % 2 == 0 and index:
                index, last = index // 2, last // 2
        else:
            node = hashlib.sha256(b"\x01" + node + sibling).digest()
        index, last = index // 2, last // 2
    return node if last == 0 else None


def read_proof(record: dict[str, Any], chain: uuid.UUID, keys: Keys, place: str) -> Proof:
    """Return what one line of seals.jsonl proves."""
    says = open_checkpoint(record["checkpoint"], keys, place)
    own = hashlib.sha256(record["checkpoint"].encode()).hexdigest()
    try:
        index, size, head = record["index"], says["size"], bytes.fromhex(record["head"])
        leaf = chain.bytes + record["seq"].to_bytes(8, "big") + head
        path = [bytes.fromhex(node) for node in record["path"]]
        root = included_root(leaf, index, size, path) if 0 <= index < size else None
        proof = Proof(record["seq"], head, says["number"], says["sealed_at"], says["previous"], own)
        proves = root is not None and root.hex() == says["root"]
    except _WRONG as error:
        raise EvidenceError(f"{place}: {error!r}") from error
    if not proves:
        raise EvidenceError(
            f"{place}: 封印 {proof.number} に含まれていません / seal {proof.number} does not contain it"
        )
    return proof


def read_proofs(folder: Folder, chain: uuid.UUID, keys: Keys) -> Iterator[Proof]:
    """Yield the proofs in their order; seals that follow one another must name one another."""
    last = Proof(0, b"", 0, "", "", "")
    for place, record in read_lines(folder, "seals.jsonl", ("checkpoint", "head", "index", "path", "seq")):
        proof = read_proof(record, chain, keys, place)
        if proof.number <= last.number or proof.seq <= last.seq or proof.sealed_at < last.sealed_at:
            raise EvidenceError(f"{place}: 封印の順序が違います / the seals are out of order")
        if last.number and proof.number == last.number + 1 and proof.previous != last.own:
            raise EvidenceError(f"{place}: 前の封印とつながりません / does not follow the seal before it")
        last = proof
        yield proof


def entry_hash(chain: uuid.UUID, record: dict[str, Any], previous: bytes) -> bytes:
    """Return the hash that the entry *record* must have after *previous*."""
    login = record["login"].encode()
    place = f"{ENTRY_FORMAT}\n{chain}\n{record['seq']}\n{record['recorded_at']}\n{len(login)}\n".encode()
    return hashlib.sha256(b"\x00" + previous + place + login + b"\n" + record["body"].encode()).digest()


def read_entries(folder: Folder, chain: uuid.UUID) -> Iterator[tuple[int, bytes]]:
    """Yield seq and hash of each entry, from 1 on, each held to the one before it."""
    previous, recorded_at = bytes(32), ""
    members = ("body", "hash", "login", "prev", "recorded_at", "seq")
    for seq, (place, record) in enumerate(read_lines(folder, "entries.jsonl", members), start=1):
        if type(record["seq"]) is not int or record["seq"] != seq:
            raise EvidenceError(f"{place}: {seq} 番の記録がありません / entry {seq} is missing")
        try:
            own = entry_hash(chain, record, previous)
            goes_back = record["recorded_at"] < recorded_at
        except _WRONG as error:
            raise EvidenceError(f"{place}: {error!r}") from error
        if record["prev"] != previous.hex() or record["hash"] != own.hex():
            raise EvidenceError(f"{place}: {seq} 番の記録が違います / entry {seq} is not what was recorded")
        if goes_back:
            raise EvidenceError(f"{place}: {seq} 番で時刻が戻っています / the clock goes back at entry {seq}")
        previous, recorded_at = own, record["recorded_at"]
        yield seq, own


def read_about(folder: Folder) -> tuple[uuid.UUID, dict[str, Any]]:
    """Return whose evidence this is, and what it says it holds."""
    line = (folder / "evidence.json").read_text(encoding="utf-8").rstrip("\n")
    about = read_record(line, ("chain", "entries", "format", "last_seal"), "evidence.json")
    try:
        chain = uuid.UUID(about["chain"])
    except _WRONG as error:
        raise EvidenceError(f"evidence.json: {error!r}") from error
    if about["format"] != EVIDENCE_FORMAT:
        raise EvidenceError("evidence.json: 形式の版が違います / another format")
    return chain, about


def verify(folder: Folder, keys: Keys) -> dict[str, object]:
    """Verify the evidence in *folder* and return what it proves.

    Raises:
        EvidenceError: the first thing that is wrong.
    """
    chain, about = read_about(folder)
    proofs = read_proofs(folder, chain, keys)
    proof, proved, seq = next(proofs, None), None, 0
    for seq, own in read_entries(folder, chain):
        if proof is not None and proof.seq == seq:
            if proof.head != own:
                raise EvidenceError(
                    f"entries.jsonl: {seq} 番までが封印と違います / entries up to {seq} are not as sealed"
                )
            proved, proof = proof, next(proofs, None)
    if proof is not None:
        raise EvidenceError(f"entries.jsonl: {seq + 1} 番以降がありません / entries from {seq + 1} on are missing")
    if proved is None or proved.seq != seq:
        raise EvidenceError(f"entries.jsonl: {seq} 番は封印されていません / entry {seq} is not sealed")
    if (about["entries"], about["last_seal"]) != (seq, proved.number):
        raise EvidenceError("evidence.json: 件数が違います / the counts differ")
    return {"chain": str(chain), "entries": seq, "last_seal": proved.number, "sealed_at": proved.sealed_at}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    parser = argparse.ArgumentParser(description="監査証跡の証拠を検証します。 / Verify audit evidence.")
    parser.add_argument("evidence", help="証拠のフォルダーまたはzip / the evidence: folder or zip")
    parser.add_argument("--keys", help="別に入手した公開鍵 / public keys that you got by another way")
    given = parser.parse_args(arguments)
    try:
        path = Path(given.evidence)
        folder = path if path.is_dir() else zipfile.Path(path)
        keys, thumbprints = read_keys((Path(given.keys) if given.keys else folder / "keys.json").read_text("utf-8"))
        proved = verify(folder, keys)
    except EvidenceError as error:
        sys.stdout.write(f"改ざんまたは欠落 / NOT INTACT\n{error}\n")
        return TAMPERED
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        sys.stderr.write(f"読めません / unreadable: {error!r}\n")
        return UNREADABLE
    sys.stdout.write("改ざんなし / INTACT\n")
    for name, value in proved.items():
        sys.stdout.write(f"{name}: {value}\n")
    for kid, thumbprint in sorted(thumbprints.items()):
        sys.stdout.write(f"key {kid}: {thumbprint}\n")
    if not given.keys:
        sys.stdout.write(
            "公開鍵は証拠に含まれるものです。上の指紋を、別に入手したものと比べてください。\n"
            "The keys came with the evidence: compare their thumbprints with what you got by another way.\n"
        )
    return INTACT


if __name__ == "__main__":
    sys.exit(main())
