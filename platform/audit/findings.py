"""What the verifier's findings are called, for people."""

from __future__ import annotations

from chukan.platform.audit.verification import Finding, Kind, Where
from chukan.platform.identifiers import PLATFORM
from chukan.platform.messages import mark, text

_TEXTS = {
    Kind.EDITED: mark("The record was changed."),
    Kind.MISSING: mark("Records are missing."),
    Kind.INSERTED: mark("Records were inserted; the first of them is the first of these."),
    Kind.MOVED: mark("Another record stands in this place: it was number {detail}."),
    Kind.REPLACED: mark("One of these records was replaced by another one, most likely the first."),
    Kind.REWRITTEN: mark("History was rewritten after it was sealed; the first changed record is one of these."),
    Kind.TRUNCATED: mark("The end of the chain was cut off."),
    Kind.HEAD: mark("The chain does not end where the database says."),
    Kind.ROLLED_BACK: mark("A later seal covers less of the chain than an earlier one."),
    Kind.CLOCK: mark("The time goes back ({detail})."),
    Kind.SEAL_MISSING: mark("The seal is missing ({detail})."),
    Kind.SEAL_INVALID: mark("The seal was not signed by a known key, or was changed ({detail})."),
    Kind.SEAL_LINK: mark("The seal does not follow the one before it."),
    Kind.SEAL_LEAVES: mark("The chains under the seal were changed ({detail})."),
    Kind.SEAL_CLOCK: mark("The seal is older than the one before it ({detail})."),
    Kind.FORK: mark("There are two signed seals of this number; they differ in {detail}."),
    Kind.WITNESS: mark("The seal is not the one that was kept elsewhere."),
    Kind.SINK_LINE: mark("A line of the seal folder is no seal, or stands in the wrong place ({detail})."),
}
_PLACES = {Where.DATABASE: mark("In the database:"), Where.SINK: mark("In the seal folder:")}


def told(finding: Finding) -> tuple[str, str, str, str, str]:
    """Return *finding* as a row in the reader's language: chain, records, proved up to, seal, what is wrong."""
    chain = "" if finding.chain is None else "platform" if finding.chain == PLATFORM else str(finding.chain)
    records = "" if finding.first is None else str(finding.first)
    if finding.last is not None and finding.last != finding.first:
        records = f"{records}-{finding.last}"
    wrong = text(_TEXTS[finding.kind], detail=finding.detail or "-")
    if finding.where is not None:
        wrong = f"{text(_PLACES[finding.where])} {wrong}"
    return chain, records, _number(finding.proved), _number(finding.seal), wrong


def _number(number: int | None) -> str:
    return "" if number is None else str(number)
