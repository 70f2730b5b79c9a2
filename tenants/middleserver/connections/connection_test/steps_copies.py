"""Steps: a file in pieces, with a broken line; its registration in test mode; its error report.

Source: A0-157, A0-091.
"""

from __future__ import annotations

from collections.abc import Sequence

from chukan.platform.messages import mark, text
from chukan.tenants.middleserver.connections.connection_test.bench import Bench, Step, person
from chukan.tenants.middleserver.connections.connection_test.rules import (
    Failed,
    Finding,
    NotTried,
    deletions,
)
from chukan.tenants.middleserver.connections.connection_test.talk import require_done, require_refused, wrong
from chukan.tenants.middleserver.connections.connection_test.uploads import (
    Announced,
    announce,
    cancelled,
    piece_headers,
    put,
    reported,
    require_offset,
    require_state,
    sent_whole,
    standing,
)
from chukan.tenants.middleserver.connections.errors import TestPersonsOnly
from chukan.tenants.middleserver.connections.intake import REGISTRATION
from chukan.tenants.middleserver.duplicate_copies.errors import PieceDamaged, PieceOutOfPlace
from chukan.tenants.middleserver.duplicate_copies.rules import UploadState

_RECORDS = 200
_OK = 200
#: The record of the faulty file that has no record key, and the line it stands in.
_WRONG_RECORD, _WRONG_LINE = 2, 3


def _file(bench: Bench, content: bytes, records: int) -> Announced:
    dataset = bench.dataset
    return Announced(dataset.file, "csv", dataset.information, dataset.number, records, content)


def _content(bench: Bench, persons: Sequence[str], key: str) -> bytes:
    # The run stands in the key: the same file once more would be given the upload of an earlier test.
    return deletions(bench.dataset, persons, key=f"{key}{bench.run}", day=bench.today, region=bench.region)


def _third(bench: Bench) -> int:
    return len(bench.content) // 3


def _begun(bench: Bench) -> str:
    if not bench.upload:
        raise NotTried(text("No file was announced."))
    return bench.upload


def _announce(bench: Bench) -> str:
    bench.content = _content(bench, [person(place) for place in range(_RECORDS)], "T")
    file = _file(bench, bench.content, _RECORDS)
    bench.upload = announce(bench, file)
    if announce(bench, file, status=_OK) != bench.upload:
        raise wrong(text("The same file announced again was given another upload."))
    return text("{records} records, {size} bytes", records=_RECORDS, size=len(bench.content))


def _pieces(bench: Bench) -> str:
    upload, third = _begun(bench), _third(bench)
    first, second = bench.content[:third], bench.content[third:]
    put(bench, upload, first, 0)
    # Twice is no error.
    put(bench, upload, first, 0)
    damaged = bench.gateway.ask("PATCH", upload, body=second, headers=piece_headers(first, third))
    require_refused(damaged, PieceDamaged)
    elsewhere = bench.gateway.ask("PATCH", upload, body=second, headers=piece_headers(second, third + 1))
    if require_refused(elsewhere, PieceOutOfPlace).offset != str(third):
        raise wrong(text("{element} of the answer is not {right}.", element="Offset", right=third))
    return text("a piece twice, a damaged one and one out of place")


def _broken(bench: Bench) -> str:
    upload, third = _begun(bench), _third(bench)
    rest = bench.content[third:]
    bench.gateway.break_off("PATCH", upload, rest, piece_headers(rest, third))
    head = bench.gateway.ask("HEAD", upload)
    if head.status != _OK:
        raise wrong(text("The answer has the status {status}.", status=head.status))
    require_offset(head, third)
    put(bench, upload, rest, third)
    return text("resumed from {offset}", offset=third)


def _register(bench: Bench) -> str:
    upload = _begun(bench)
    write = bench.talk.write
    message = bench.talk.answer(write.registration(bench.dataset.file, upload.rsplit("/", 1)[-1]))
    state = message.value("State")
    findings = _each_once(reported(bench, upload)) if state == UploadState.REFUSED.value else []
    require_state(state, UploadState.CANCELLED.value, findings)
    if message.value("Records") != str(_RECORDS):
        raise wrong(text("{element} of the answer is not {right}.", element="Records", right=_RECORDS))
    bench.answered.append(REGISTRATION)
    return text("checked and cancelled")


def _each_once(findings: Sequence[Finding]) -> list[Finding]:
    """Return the first of each kind: what is wrong with one record of the test's own file is so with all."""
    return list({each.what: each for each in reversed(findings)}.values())


def _standing(bench: Bench) -> str:
    if REGISTRATION not in bench.answered:
        raise NotTried(text("{type} was not answered.", type=REGISTRATION))
    told = standing(bench, _begun(bench))
    right = {"state": UploadState.CANCELLED.value, "expected": _RECORDS, "received": len(bench.content), "faults": 0}
    for name, value in right.items():
        if told.get(name) != value:
            raise wrong(text("{element} of the answer is not {right}.", element=name, right=value), element=name)
    if findings := reported(bench, _begun(bench)):
        raise Failed(*findings)
    return UploadState.CANCELLED.value


def _faulty(bench: Bench) -> str:
    """Send a file with one wrong record: the report has to name it."""
    lines = _content(bench, [person(place) for place in range(3)], "F").split(b"\r\n")
    lines[_WRONG_RECORD] = lines[_WRONG_RECORD].replace(f"F{bench.run}".encode(), b"")
    upload = sent_whole(bench, _file(bench, b"\r\n".join(lines), 3))
    write = bench.talk.write
    message = bench.talk.answer(write.registration(bench.dataset.file, upload.rsplit("/", 1)[-1]))
    require_state(message.value("State"), UploadState.REFUSED.value, [])
    found = reported(bench, upload)
    if _WRONG_LINE not in {each.line for each in found}:
        raise wrong(text("The error report does not name line {line}, which is wrong.", line=_WRONG_LINE))
    return text("refused, and line {line} named", line=_WRONG_LINE)


def _strangers(bench: Bench) -> str:
    """Send a file with a person of production: it is refused as a whole, and given up."""
    upload = sent_whole(bench, _file(bench, _content(bench, ["000000000000001"], "S"), 1))
    talk = bench.talk
    reply = talk.send(talk.write.registration(bench.dataset.file, upload.rsplit("/", 1)[-1]))
    try:
        require_refused(reply, TestPersonsOnly)
    finally:
        cancelled(bench, upload)
    return text("refused, and the upload given up")


def _management(bench: Bench) -> str:
    reply = bench.gateway.ask("GET", f"/management-information?information={bench.dataset.information}")
    require_done(reply)
    if not reply.headers.get("content-type", "").startswith("text/csv"):
        raise wrong(text("The answer is no CSV."))
    return text("{count} lines", count=len(reply.body.splitlines()))


COPIES: Sequence[Step] = (
    Step("copies-announce", mark("A file announced, twice"), "A0-157", _announce),
    Step("copies-pieces", mark("Pieces"), "A0-157", _pieces),
    Step("copies-broken-line", mark("A broken line, and going on"), "A0-157", _broken),
    Step("copies-register", mark("Registration of the file (IF_DBM_20113), and its organisation"), "A0-157", _register),
    Step("copies-status", mark("State and error report of the file"), "A0-157", _standing),
    Step("copies-faults", mark("A file with a wrong record"), "A0-157", _faulty),
    Step("copies-persons", mark("A file with a person of production"), "A0-157", _strangers),
    Step("management-information", mark("Management information"), "A0-091", _management),
)
