"""A program that uploads and registers one large file; run by the tests, which look at its memory.

Arguments: database settings (JSON), key file, tenant, form, records, ``right`` or ``broken`` (the last one is wrong).
It prints outcome, registered records, faults, and the most memory it ever held, in KiB.
"""

from __future__ import annotations

import hashlib
import resource
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from chukan.platform.clock import FixedClock
from chukan.platform.database.engines import process_engine
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.settings import DatabaseSettings
from chukan.platform.vault.adapters.file import FileKeyProvider
from chukan.platform.vault.credentials import VaultCredentials
from chukan.platform.vault.service import Vault
from chukan.tenants.limits.rules import Amount
from chukan.tenants.middleserver.duplicate_copies.night import Night
from chukan.tenants.middleserver.duplicate_copies.ports import LimitedDay
from chukan.tenants.middleserver.duplicate_copies.rules import MAX_PIECE_BYTES, FileForm
from chukan.tenants.middleserver.duplicate_copies.service import Manifest, Uploads
from chukan.tenants.middleserver.duplicate_copies.trail import Caller
from support.copies import DATASET, INFORMATION, NOW, RIGHT_ITEMS, FixedMasters, file_of, right_row


def blocks(form: FileForm, records: int, *, broken: bool) -> Iterator[bytes]:
    """Yield a file, some records at a time; it is never in memory whole."""
    items = {**RIGHT_ITEMS, "PADDING": ["あ" * 200]}
    model = file_of(form, [right_row(7, address="A" * 15, key="KKK", number="9999", items=items)])
    start = model.index(b"\n") + 1 if form is FileForm.CSV else model.index(b"   <InformationOf")
    end = len(model) if form is FileForm.CSV else model.index(b"</SPIRegistrationDeleteList>")
    yield model[:start]
    record = model[start:end].decode()
    for begin in range(1, records + 1, 2_000):
        yield "".join(
            record.replace("9999", str(place)).replace("A" * 15, f"{place // 3:015d}").replace("KKK", f"K{place}")
            if place < records or not broken
            else record.replace("9999", str(place)).replace("A" * 15, "wrong")
            for place in range(begin, min(begin + 2_000, records + 1))
        ).encode()
    yield model[end:]


def pieces(content: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in pieces of the largest size."""
    held = bytearray()
    for block in content:
        held += block
        while len(held) >= MAX_PIECE_BYTES:
            yield bytes(held[:MAX_PIECE_BYTES])
            del held[:MAX_PIECE_BYTES]
    if held:
        yield bytes(held)


def main(*arguments: str) -> None:
    database, key_file, tenant, form_name, count, state = arguments
    form, records = FileForm(form_name), int(count)
    settings = DatabaseSettings.model_validate_json(database)
    engine = process_engine(settings, ProcessKind.WORKER)
    vault = Vault(engine, FileKeyProvider(Path(key_file)), cache_seconds=300)
    sessions = TenantSessions(settings, engine, VaultCredentials(engine, vault, cache_seconds=300))
    caller = Caller(TenantId(UUID(tenant)), "system:test", "night")
    unlimited = Amount(1 << 40, 1 << 40)
    uploads = Uploads(sessions, vault, LimitedDay(lambda _tenant, _day: (unlimited, False)))

    whole, size = hashlib.sha256(), 0
    for block in blocks(form, records, broken=state == "broken"):
        whole.update(block)
        size += len(block)
    name = f"large.{form.value}"
    manifest = Manifest(name, form, INFORMATION, DATASET, size, whole.hexdigest(), records, "1")
    upload = uploads.begin(caller, manifest, now=NOW).upload
    offset = 0
    for piece in pieces(blocks(form, records, broken=state == "broken")):
        uploads.put_piece(caller.tenant, upload.id, offset, piece, hashlib.sha256(piece).hexdigest())
        offset += len(piece)
    uploads.complete(caller, upload.id, now=NOW)
    night = Night(sessions, vault, FixedMasters(), FixedClock(NOW))
    report = night.register(caller, deadline=NOW + timedelta(hours=8)).files[0]
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(f"{report.outcome.value} {report.registered} {report.faults} {most}")


if __name__ == "__main__":
    main(*sys.argv[1:])
