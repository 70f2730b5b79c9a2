"""The error report: what is wrong with which record, in the reader's language, and kept sealed until it is read."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from io import StringIO

from chukan.platform.messages import mark, text
from chukan.tenants.middleserver.duplicate_copies.records import Fault
from chukan.tenants.middleserver.duplicate_copies.rules import WORDINGS, Reason

_COLUMNS = (
    mark("Record"),
    mark("Record identification number"),
    mark("Line"),
    mark("Item code"),
    mark("Item name"),
    mark("Reason code"),
    mark("What is wrong"),
    mark("What to do"),
)


def packed(fault: Fault) -> bytes:
    """Return *fault* as it is sealed."""
    return json.dumps([*fault[:5], fault.reason.value, fault.values], ensure_ascii=False).encode()


def unpacked(content: bytes) -> Fault:
    """Return the fault that was packed."""
    place, line, number, item, name, reason, values = json.loads(content)
    return Fault(place, line, number, item, name, Reason(reason), values)


def told(fault: Fault) -> str:
    """Return what is wrong, in the reader's language."""
    return text(WORDINGS[fault.reason].message, **fault.values)


def hinted(fault: Fault) -> str:
    """Return what to do about it, in the reader's language."""
    return text(WORDINGS[fault.reason].hint)


def error_report(contents: Iterable[bytes], *, total: int) -> Iterator[str]:
    """Yield the lines of the report (CSV, CRLF): a header, a line for each error kept, and how many more there are."""
    yield _line(list(map(text, _COLUMNS)))
    kept = 0
    for content in contents:
        fault = unpacked(content)
        kept += 1
        place, line = (str(value) if value else "" for value in (fault.place, fault.line))
        shown = (place, fault.number, line, fault.item, fault.name, fault.reason.value, told(fault), hinted(fault))
        yield _line(shown)
    if total > kept:
        more = text("{more} more errors are not listed.", more=total - kept)
        yield _line(["", "", "", "", "", "", more, ""])


def _line(cells: Iterable[str]) -> str:
    buffer = StringIO()
    csv.writer(buffer).writerow([_harmless(cell) for cell in cells])
    return buffer.getvalue()


def _harmless(cell: str) -> str:
    """Return *cell* so that no spreadsheet takes it for a formula."""
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell
