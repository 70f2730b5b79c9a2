"""A vendor's own messages, judged before they are sent: encoding, schema, header, persons, conditions.

Nothing of a message's values is repeated: somebody may have put a person of production into it.

Source: A0-155, A0-166.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from chukan.platform.errors import ChukanError
from chukan.platform.messages import text
from chukan.tenants.middleserver.connections.connection_test.documents import ROOTS, Sender, line_of
from chukan.tenants.middleserver.connections.connection_test.rules import Finding
from chukan.tenants.middleserver.connections.data import shipped_test_persons
from chukan.tenants.middleserver.formats.errors import DocumentForbidden, DocumentMalformed, DocumentTooLarge
from chukan.tenants.middleserver.formats.individual_number import stands_in
from chukan.tenants.middleserver.formats.messages import Element, MessageMode, value
from chukan.tenants.middleserver.formats.xml import parsed, schema
from chukan.tenants.middleserver.inquiries.errors import ConditionMalformed
from chukan.tenants.middleserver.inquiries.rules import Condition, ConditionKind

#: Files that are no messages: sent inside one, or answers; and a file of duplicate copies.
STATUS_REQUEST, STATUS_RESULT, COPIES = "FI_SKI_0005", "FI_SKI_0006", "SPIRegistrationDeleteList"
_FILES = {"StatusRequestFile": STATUS_REQUEST, "StatusResultFile": STATUS_RESULT, COPIES: COPIES}
_TYPES = {root: kind for kind, root in ROOTS.items()}
#: More findings of a kind help nobody.
_MOST = 20
_PERSON = re.compile(r"[0-9]{15}")


@dataclass(frozen=True)
class Examined:
    """A file of the vendor's: its kind (empty if it has none), its tree if there is one, and what is wrong with it."""

    path: Path
    kind: str
    root: Element | None
    findings: Sequence[Finding]


def examined(path: Path, sender: Sender) -> Examined:
    """Return what the file at *path* is, and everything that is wrong with it."""
    content = path.read_bytes()
    try:
        root = parsed(content)
    except (DocumentMalformed, DocumentForbidden, DocumentTooLarge) as error:
        return Examined(path, "", None, [_unreadable(path.name, content, error)])
    kind = _FILES.get(root.tag) or _TYPES.get(root.tag, "")
    if not kind:
        what = text("The document begins with an element that no message begins with.")
        names = ", ".join(sorted({*_FILES, *_TYPES}))
        finding = Finding(what, text("One of these is expected: {names}", names=names), element=str(root.tag))
        return Examined(path, "", None, [replace(finding, file=path.name, line=line_of(root))])
    faults = schema(kind).faults(root)
    remedy = text("Correct it by the schema {file}.", file=f"config/protocols/{kind}.xsd")
    findings = [Finding(each.reason, remedy, line=each.line, element=each.element) for each in faults]
    if kind in ROOTS:
        findings += _header(root, kind, sender)
    if kind != COPIES:
        findings += _persons(root)
        findings += _conditions(root)
        findings += _individual_numbers(root)
    placed = sorted((replace(each, file=path.name) for each in findings), key=lambda each: each.line)
    return Examined(path, kind, root, placed)


def _unreadable(file: str, content: bytes, error: ChukanError) -> Finding:
    """Return why *content* cannot be read; Shift_JIS and UTF-16, which are met most often, by their names."""
    line = int(str(error.values.get("line", 0)))
    encoding = _encoding(content)
    if encoding:
        what = text("The file is written in {encoding}, not in UTF-8.", encoding=encoding)
        return Finding(what, text("Write it in UTF-8, and say so in the XML declaration."), file=file, line=line)
    return Finding(error.told(), error.hinted(), file=file, line=line, error=error.code)


def _encoding(content: bytes) -> str:
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return "UTF-16"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        try:
            content.decode("cp932")
        except UnicodeDecodeError:
            return ""
        return "Shift_JIS"
    return ""


def _header(root: Element, kind: str, sender: Sender) -> Iterator[Finding]:
    certificates = text("Write what the certificate is registered for: --department and --system.")
    expected = (
        ("MessageHeader/MSGTypeID", kind, text("Write the message's own type: {type}.", type=kind)),
        (
            "MessageHeader/MSGMode", MessageMode.TEST.value,
            text("Write 1: this tool sends messages of the test mode alone."),
        ),
        ("MessageHeader/SourceSystemID", sender.system, certificates),
        ("RequestSourceUnitCode", sender.department, certificates),
    )  # fmt: skip
    for path, right, remedy in expected:
        element = root.find(path)
        # What is not there at all is the schema's to tell.
        if element is not None and element.text != right:
            what = text("{element} is not {right}.", element=path.rsplit("/", 1)[-1], right=right)
            yield _at(element, what, remedy)


def _persons(root: Element) -> list[Finding]:
    persons = shipped_test_persons()
    remedy = text("In test mode use persons from {first} to {last}.", first=persons.first, last=persons.last)
    what = text("The person is none of the test mode.")
    # One of another form is the schema's to tell.
    found = (each for each in root.iter("IntegratedAddressNumber") if _PERSON.fullmatch(each.text or ""))
    wrong = [each for each in found if (each.text or "") not in persons]
    return [_at(each, what, remedy) for each in wrong[:_MOST]]


def _conditions(root: Element) -> list[Finding]:
    found = [each for each in root.iter("Condition") if not _is_whole(each)]
    return [
        _at(each, text(ConditionMalformed.message), text(ConditionMalformed.hint), error=ConditionMalformed.code)
        for each in found[:_MOST]
    ]


def _is_whole(element: Element) -> bool:
    """Return whether a condition is one; of one whose values have no form the schema has told already."""
    begins, ends, year = (value(element, name) for name in ("From", "To", "Year"))
    try:
        kind = ConditionKind(value(element, "Kind"))
        first, last = (date.fromisoformat(each) if each else None for each in (begins, ends))
        return Condition(kind, first, last, int(year) if year else None).is_whole
    except ValueError:
        return True


def _individual_numbers(root: Element) -> list[Finding]:
    what = text("The value seems to hold an Individual Number.")
    remedy = text("Take it out at once; the middle server does not hold Individual Numbers.")
    found = [each for each in root.iter() if stands_in(each.text or "")]
    return [_at(each, what, remedy) for each in found[:_MOST]]


def _at(element: Element, what: str, remedy: str, *, error: str = "") -> Finding:
    path = element.getroottree().getpath(element)
    return Finding(what, remedy, line=line_of(element), element=path, error=error)
