"""Delivery reports (RFC 3464): what a mail server far away says that became of a mail.

Anybody can send us one, so nothing in it is believed but which of our mails it is about, and what happened.
It is read with the parser of the ``compat32`` policy, which takes headers as they are: the newer one
raises on some that are broken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.message import Message
from email.parser import BytesParser
from enum import StrEnum

from chukan.platform.mail.errors import ReportUnreadable
from chukan.platform.mail.rules import LONGEST_WORDS
from chukan.platform.messages import text

#: A report holds the returned mail at most, and ours are small.
LARGEST_REPORT = 1_048_576

_MESSAGE_ID = re.compile(r"<[^<>@\s]{1,200}@[^<>@\s]{1,253}>")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_UNSEEN = re.compile(r"[^\x20-\x7e]+")


class Fate(StrEnum):
    """What a report says of a mail; the worst first, if it says several things."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True)
class Report:
    """What a delivery report says: of which mail, what became of it, status (RFC 3463) or "", and why."""

    message_id: str
    fate: Fate
    status: str
    words: str


def read_report(raw: bytes) -> Report:
    """Return what the delivery report *raw* says.

    Raises:
        ReportUnreadable: it is none, is too large, or names no mail.
    """
    if len(raw) > LARGEST_REPORT:
        raise ReportUnreadable(reason=text("it is larger than {limit} bytes", limit=LARGEST_REPORT))
    message = BytesParser(policy=policy.compat32).parsebytes(raw)
    parts = _payload(message)
    if message.get_content_type() != "multipart/report" or len(parts) < 2:
        raise ReportUnreadable(reason=text("it is not of the type multipart/report"))
    message_id = next(_message_ids(parts[2:]), None)
    if message_id is None:
        raise ReportUnreadable(reason=text("it does not hold the headers of the returned mail"))
    fates = [found for part in parts[1:2] for group in _payload(part) if (found := _fate(group))]
    if not fates:
        raise ReportUnreadable(reason=text("it does not say what happened"))
    fate, status, words = min(fates, key=lambda found: list(Fate).index(found[0]))
    return Report(message_id, fate, status, words)


def _payload(message: Message) -> list[Message]:
    payload = message.get_payload()
    return [part for part in payload if isinstance(part, Message)] if isinstance(payload, list) else []


def _message_ids(parts: list[Message]) -> Iterator[str]:
    """Yield the Message-ID of each returned mail: a whole one (message/rfc822), or its headers as text."""
    for part in parts:
        held = _payload(part)
        if not held and part.get_content_type() == "text/rfc822-headers":
            headers = part.get_payload(decode=True)
            held = [BytesParser(policy=policy.compat32).parsebytes(headers if isinstance(headers, bytes) else b"")]
        for message in held:
            if found := _MESSAGE_ID.search(_field(message, "Message-ID")):
                yield found.group()


def _fate(group: Message) -> tuple[Fate, str, str] | None:
    """Return what a group of fields says of a recipient, or None: the first group is about the mail as a whole."""
    try:
        fate = Fate(_field(group, "Action").lower())
    except ValueError:
        return None
    status = _STATUS.match(_field(group, "Status"))
    words = _UNSEEN.sub(" ", _field(group, "Diagnostic-Code"))[:LONGEST_WORDS]
    return fate, status.group() if status else "", words


def _field(message: Message, name: str) -> str:
    """Return a header as text, whatever stands in it."""
    return str(message.get(name, "")).strip()
