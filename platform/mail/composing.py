"""A mail as it goes over the wire: fixed once, byte for byte, when it is queued."""

from __future__ import annotations

import base64
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime, formataddr
from functools import lru_cache

from chukan.platform.clock import as_tokyo
from chukan.platform.mail.errors import MailMalformed
from chukan.platform.mail.templates import Written

#: Nothing of this has a place in a header: line breaks would begin headers of their own.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class Sender:
    """Who mails are from: address, and a name before it or ""."""

    address: str
    name: str = ""

    @property
    def domain(self) -> str:
        """The part of the address behind the @."""
        return self.address.rpartition("@")[2]

    def shown(self) -> str:
        """Return name and address as they stand folded in a header."""
        if self.name.isascii():
            return formataddr((self.name, self.address))
        return f"{_folded('From', self.name)}\r\n <{self.address}>"


def new_message_id(sender: Sender) -> str:
    """Return a Message-ID that no other mail has: 128 random bits at the sender's domain, in angle brackets."""
    return f"<{secrets.token_hex(16)}@{sender.domain}>"


def compose(written: Written, *, sender: Sender, to: str, message_id: str, at: datetime) -> bytes:
    """Return the mail as RFC 5322 bytes: plain text in UTF-8, seven bits wide, so that every server takes it.

    Auto-Submitted keeps absence notices from answering it (RFC 3834).

    Raises:
        MailMalformed: a header would have held a control character, such as a line break.
    """
    for name, value in (("From", sender.name), ("To", to), ("Subject", written.subject), ("Message-ID", message_id)):
        if _CONTROL.search(value):
            raise MailMalformed(header=name)
    headers = (
        f"From: {sender.shown()}",
        f"To: {to}",
        f"Subject: {_folded('Subject', written.subject)}",
        f"Date: {format_datetime(as_tokyo(at))}",
        f"Message-ID: {message_id}",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        'Content-Type: text/plain; charset="utf-8"',
        "Content-Transfer-Encoding: base64",
        "\r\n",
    )
    body = base64.encodebytes(written.body.replace("\n", "\r\n").encode()).replace(b"\n", b"\r\n")
    return "\r\n".join(headers).encode("ascii") + body


@lru_cache(maxsize=256)
def _folded(name: str, value: str) -> str:
    """Return *value* folded and encoded (RFC 2047) to stand behind *name*; many mails share a subject.

    By the older of the email package's two ways: the newer one loses blanks between encoded words.
    """
    return Header(value, None if value.isascii() else "utf-8", header_name=name).encode(linesep="\r\n")
