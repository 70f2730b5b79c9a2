"""Files in pieces, as a vendor's system sends them."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from typing import Any

from chukan.platform.messages import text
from chukan.tenants.middleserver.connections.connection_test.bench import Bench
from chukan.tenants.middleserver.connections.connection_test.client import Reply
from chukan.tenants.middleserver.connections.connection_test.rules import Failed, Finding
from chukan.tenants.middleserver.connections.connection_test.talk import require_done, wrong
from chukan.tenants.middleserver.duplicate_copies.rules import MAX_PIECE_BYTES, Reason

_CREATED, _NO_CONTENT = 201, 204
_LOCATION = re.compile(r"/uploads/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: The error report's columns that are read: line, item, reason code, what is wrong, what to do.
_LINE, _ITEM, _REASON, _WHAT, _REMEDY, _COLUMNS = 2, 3, 5, 6, 7, 8


@dataclass(frozen=True)
class Announced:
    """A file as it is announced."""

    name: str
    form: str
    information: str
    dataset: str
    records: int
    content: bytes

    def headers(self) -> dict[str, str]:
        """Return the headers that announce it."""
        told = {
            "name": self.name,
            "form": self.form,
            "information": self.information,
            "dataset": self.dataset,
            "sha256": hashlib.sha256(self.content).hexdigest(),
            "records": str(self.records),
        }
        metadata = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in told.items())
        return {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(self.content)), "Upload-Metadata": metadata}


def announce(bench: Bench, file: Announced, *, status: int = _CREATED) -> str:
    """Announce *file* and return the address of its upload; raises Failed, NotTried, Unreachable."""
    reply = bench.gateway.ask("POST", "/uploads", headers=file.headers())
    require_done(reply, status)
    location = reply.headers.get("location", "")
    if _LOCATION.fullmatch(location) is None:
        raise wrong(text("The answer has no {header}.", header="Location"))
    return location


def piece_headers(piece: bytes, offset: int) -> dict[str, str]:
    """Return the headers of a piece that begins at *offset*."""
    checksum = base64.b64encode(hashlib.sha256(piece).digest()).decode()
    return {
        "Content-Type": "application/offset+octet-stream",
        "Upload-Offset": str(offset),
        "Upload-Checksum": f"sha256 {checksum}",
    }


def put(bench: Bench, upload: str, piece: bytes, offset: int) -> None:
    """Send a piece, and compare how far the file has come; raises Failed, NotTried, Unreachable."""
    reply = bench.gateway.ask("PATCH", upload, body=piece, headers=piece_headers(piece, offset))
    require_done(reply, _NO_CONTENT)
    require_offset(reply, offset + len(piece))


def require_offset(reply: Reply, offset: int) -> None:
    """Do nothing if *reply* says that the file has come as far as *offset*; raises Failed."""
    if reply.headers.get("upload-offset") != str(offset):
        raise wrong(text("{header} of the answer is not {right}.", header="Upload-Offset", right=offset))


def sent_whole(bench: Bench, file: Announced) -> str:
    """Announce and send *file* and return the address of its upload; raises Failed, NotTried, Unreachable."""
    upload = announce(bench, file)
    for offset in range(0, len(file.content), MAX_PIECE_BYTES):
        put(bench, upload, file.content[offset : offset + MAX_PIECE_BYTES], offset)
    return upload


def standing(bench: Bench, upload: str) -> Mapping[str, Any]:
    """Return how an upload stands; raises Failed, NotTried, Unreachable."""
    reply = bench.gateway.ask("GET", upload)
    require_done(reply)
    try:
        told = json.loads(reply.body)
    except ValueError as error:
        raise wrong(text("The answer is no JSON.")) from error
    if not isinstance(told, dict):
        raise wrong(text("The answer is no JSON."))
    return told


def reported(bench: Bench, upload: str, *, file: str = "") -> list[Finding]:
    """Return what the gateway's error report finds wrong with a *file*; raises Failed, NotTried, Unreachable."""
    reply = bench.gateway.ask("GET", f"{upload}/errors")
    require_done(reply)
    rows = list(csv.reader(StringIO(reply.body.decode("utf-8", "replace"))))
    if not rows or any(len(row) != _COLUMNS for row in rows):
        raise wrong(text("The error report has not {count} columns.", count=_COLUMNS))
    return [_reported(bench, row, file) for row in rows[1:]]


def _reported(bench: Bench, row: list[str], file: str) -> Finding:
    line = int(row[_LINE]) if row[_LINE].isdigit() else 0
    what, remedy = row[_WHAT], row[_REMEDY]
    if row[_REASON] == Reason.REGION.value and not file:
        # The test's own file: its region is that of --organisation.
        what = text("The certificate is not registered for the organisation {code}.", code=bench.sender.organisation)
        remedy = text("Use the certificate of that organisation, or give its code with --organisation.")
    return Finding(what, remedy, file=file, line=line, element=row[_ITEM], error=row[_REASON])


def cancelled(bench: Bench, upload: str) -> None:
    """Give an upload up; raises Failed, NotTried, Unreachable."""
    require_done(bench.gateway.ask("DELETE", upload), _NO_CONTENT)


def require_state(found: str, right: str, findings: list[Finding]) -> None:
    """Do nothing if the State *found* is *right*; raises Failed, with the *findings* that explain it."""
    if found != right:
        what = text("{element} of the answer is not {right}.", element="State", right=right)
        raise Failed(*findings) if findings else wrong(what, element="State")
