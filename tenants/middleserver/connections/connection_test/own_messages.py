"""A vendor's own messages: judged, then sent in test mode, and what was answered.

Source: A0-155.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from uuid import uuid4

from lxml import etree

from chukan.platform.messages import text
from chukan.tenants.middleserver.connections.connection_test.bench import Bench, taken
from chukan.tenants.middleserver.connections.connection_test.documents import ANSWERS, ROOTS, Sent
from chukan.tenants.middleserver.connections.connection_test.reading import (
    COPIES,
    STATUS_REQUEST,
    STATUS_RESULT,
    Examined,
    examined,
)
from chukan.tenants.middleserver.connections.connection_test.rules import Failed, Finding, NotTried, Result
from chukan.tenants.middleserver.connections.connection_test.uploads import (
    Announced,
    cancelled,
    reported,
    require_state,
    sent_whole,
)
from chukan.tenants.middleserver.connections.inquiries import RESULTS
from chukan.tenants.middleserver.connections.intake import REGISTRATION
from chukan.tenants.middleserver.duplicate_copies.rules import MAX_PIECE_BYTES, UploadState
from chukan.tenants.middleserver.formats.messages import value

_SOURCE = "A0-155"
_ATTACHED = "DBM_20113_ATTACH_"
#: The parts of an attachment's name: …_<information>_<destination>_<dataset>_<number>.
_PARTS, _INFORMATION, _DATASET = 7, 3, 5


@dataclass(frozen=True)
class _Folder:
    """The vendor's files: messages, and attachments by their names."""

    messages: Sequence[Path]
    attachments: Mapping[str, Path]


def run(bench: Bench, directory: Path) -> list[Result]:
    """Judge every file of *directory* and send what is right; one result for each file.

    An attachment that no message of the directory names is registered by a message of the test's own.
    """
    folder = _folder(directory)
    found = [examined(path, bench.sender) for path in folder.messages]
    twice = _repeated(found)
    results = [
        _taken(
            bench, each.path.name, partial(_message, found=each, further=twice.get(each.path.name, ()), folder=folder)
        )
        for each in found
    ]
    named = {value(each.root, "AttachedFileName") for each in found if each.root is not None}
    results += [
        _taken(bench, name, partial(_alone, path=path))
        for name, path in folder.attachments.items()
        if name not in named
    ]
    return results or [_taken(bench, directory.name, _nothing)]


def _taken(bench: Bench, file: str, act: Callable[[Bench], str]) -> Result:
    return taken(f"message:{file}", file, _SOURCE, act, bench)


def _folder(directory: Path) -> _Folder:
    files = sorted(path for path in directory.iterdir() if path.is_file())
    attachments = {path.name: path for path in files if path.name.startswith(_ATTACHED)}
    messages = [path for path in files if path.suffix.lower() == ".xml" and path.name not in attachments]
    return _Folder(messages, attachments)


def _nothing(_bench: Bench) -> str:
    what = text("There is no message in the directory.")
    raise Failed(Finding(what, text("Put messages (*.xml) and attachments there.")))


def _repeated(found: Sequence[Examined]) -> Mapping[str, Sequence[Finding]]:
    """Return, by file, that its MSGID stands in another file, too: the gateway would take it for a repetition."""
    by_id: defaultdict[str, list[Examined]] = defaultdict(list)
    for each in found:
        if each.root is not None and (identity := value(each.root, "MessageHeader/MSGID")):
            by_id[identity].append(each)
    told: dict[str, Sequence[Finding]] = {}
    for group in by_id.values():
        first, *others = (each.path.name for each in group)
        for name in others:
            what = text("The MSGID is that of {file}.", file=first)
            remedy = text("Give each message an MSGID of its own.")
            told[name] = [Finding(what, remedy, file=name, element="MessageHeader/MSGID")]
    return told


def _message(bench: Bench, found: Examined, further: Sequence[Finding], folder: _Folder) -> str:
    if findings := [*found.findings, *further]:
        raise Failed(*findings)
    if found.kind == STATUS_RESULT or found.root is None:
        return text("follows its schema; it is an answer, and was not sent")
    if found.kind == COPIES:
        raise NotTried(text("An attachment is named {name}…", name=_ATTACHED))
    try:
        return _sent(bench, found, folder)
    except Failed as failed:
        named = (each if each.file else replace(each, file=found.path.name) for each in failed.findings)
        raise Failed(*named) from failed


def _sent(bench: Bench, found: Examined, folder: _Folder) -> str:
    if found.kind == REGISTRATION:
        return _with_attachment(bench, found, folder)
    if found.kind == STATUS_REQUEST:
        root = bench.talk.write.begun(RESULTS)
        root.append(etree.fromstring(found.path.read_bytes()))
        return _answered(bench, Sent(RESULTS, value(root, "MessageHeader/MSGID"), etree.tostring(root)))
    identity = value(found.root, "MessageHeader/MSGID") if found.root is not None else ""
    return _answered(bench, Sent(found.kind, identity, found.path.read_bytes()))


def _answered(bench: Bench, sent: Sent) -> str:
    # Under a key of its own: the same files may be tested as often as one likes.
    message = bench.talk.answer(sent, Idempotency_Key=f"connection-test.{uuid4()}")
    state = message.value("State")
    return text("answered by {type}{state}", type=ANSWERS[sent.kind], state=f", {state}" if state else "")


def _with_attachment(bench: Bench, found: Examined, folder: _Folder) -> str:
    """Send the attachment that a message names, then the message with the id that its upload was given."""
    if found.root is None:
        raise NotTried(ROOTS[REGISTRATION])
    name = value(found.root, "AttachedFileName")
    path = folder.attachments.get(name)
    if path is None:
        what = text("The attached file {name} is not in the directory.", name=name)
        remedy = text("Put it there; the tool sends it, and writes its AttachmentID.")
        raise Failed(Finding(what, remedy, element="AttachedFileName"))
    upload = sent_whole(bench, _announced(path))
    for element in found.root.iter("AttachmentID"):
        element.text = upload.rsplit("/", 1)[-1]
    sent = Sent(REGISTRATION, value(found.root, "MessageHeader/MSGID"), etree.tostring(found.root, encoding="UTF-8"))
    return _registered(bench, upload, sent, path.name)


def _alone(bench: Bench, path: Path) -> str:
    upload = sent_whole(bench, _announced(path))
    return _registered(bench, upload, bench.talk.write.registration(path.name, upload.rsplit("/", 1)[-1]), path.name)


def _registered(bench: Bench, upload: str, sent: Sent, file: str) -> str:
    done = False
    try:
        message = bench.talk.answer(sent, Idempotency_Key=f"connection-test.{uuid4()}")
        done = True
    finally:
        if not done:
            cancelled(bench, upload)
    state = message.value("State")
    findings = reported(bench, upload, file=file) if state == UploadState.REFUSED.value else []
    require_state(state, UploadState.CANCELLED.value, findings)
    return text("{records} records checked against the layout", records=message.value("Records"))


def _announced(path: Path) -> Announced:
    """Return the attachment as its name announces it; raises Failed, if its name does not follow the rule."""
    content, stem, form = path.read_bytes(), path.stem.split("_"), path.suffix.lstrip(".").lower()
    faults = list(_wrong_with(path, content, stem, form))
    if faults:
        raise Failed(*faults)
    return Announced(path.name, form, stem[_INFORMATION], stem[_DATASET], _records(content, form), content)


def _wrong_with(path: Path, content: bytes, stem: Sequence[str], form: str) -> Iterator[Finding]:
    if len(stem) != _PARTS or form not in {"csv", "xml"}:
        rule = "DBM_20113_ATTACH_<TM00000000000000>_<A000000000>_<0000>_<000>.csv"
        yield Finding(text("The name of the attachment does not follow the rule."), rule, file=path.name)
    if len(content) > MAX_PIECE_BYTES:
        what = text("The attachment is larger than {limit} bytes, the most of the test mode.", limit=MAX_PIECE_BYTES)
        yield Finding(what, text("Test with a part of it."), file=path.name)


def _records(content: bytes, form: str) -> int:
    """Return how many records a file holds: lines behind the header, or elements."""
    if form == "csv":
        return max(1, sum(1 for line in content.splitlines() if line.strip()) - 1)
    return max(1, content.count(b"<InformationOfSPIRegistrationDelete>"))
