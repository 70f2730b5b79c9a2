"""Delivery reports are read whoever wrote them, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.mail.bounces import LARGEST_REPORT, Fate, Report, read_report
from chukan.platform.mail.errors import ReportUnreadable
from chukan_simulators.mail_server.reports import report

MESSAGE_ID = "<0123456789abcdef0123456789abcdef@platform.example.jp>"
MAIL = b"From: no-reply@platform.example.jp\r\nMessage-ID: " + MESSAGE_ID.encode() + b"\r\n\r\nbody\r\n"
FAILED = report(
    MAIL, sender="b@platform.example.jp", recipient="x@city.jp", action="failed", status="5.1.1", words="550 no user"
)

#: As Postfix writes it, with the headers alone returned as text, and two recipients.
HEADERS_ONLY = b"""\
From: MAILER-DAEMON@mx.example.jp
Content-Type: multipart/report; report-type=delivery-status; boundary="=x"
MIME-Version: 1.0

--=x
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

I'm sorry.

--=x
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.jp

Final-Recipient: rfc822; a@city.jp
Action: delivered
Status: 2.0.0

Final-Recipient: rfc822; b@city.jp
Action: FAILED
Status: 5.2.2 (mailbox full)
Diagnostic-Code: smtp; 552 5.2.2
    mailbox full

--=x
Content-Type: text/rfc822-headers

Message-Id:
 <0123456789abcdef0123456789abcdef@platform.example.jp>
Subject: x

--=x--
"""


def test_a_report_names_the_mail_and_what_became_of_it() -> None:
    assert read_report(FAILED) == Report(MESSAGE_ID, Fate.FAILED, "5.1.1", "smtp; 550 no user")


def test_the_worst_of_several_things_counts_and_headers_alone_are_enough() -> None:
    found = read_report(HEADERS_ONLY)
    assert (found.message_id, found.fate, found.status) == (MESSAGE_ID, Fate.FAILED, "5.2.2")
    assert "mailbox full" in found.words
    assert read_report(HEADERS_ONLY.replace(b"\n", b"\r\n")) == found


@pytest.mark.parametrize("action", list(Fate))
def test_every_action_of_the_standard_is_understood(action: Fate) -> None:
    raw = report(MAIL, sender="b@x.jp", recipient="x@city.jp", action=action.value, status="4.4.1", words="w")
    assert read_report(raw).fate is action


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff" * 100,
        MAIL,
        HEADERS_ONLY.replace(b"multipart/report", b"multipart/mixed"),
        HEADERS_ONLY.replace(b"Message-Id:\n <", b"Subject:\n <"),
        HEADERS_ONLY.replace(b"@platform.example.jp>", b" >"),
        HEADERS_ONLY.replace(b"Action:", b"Reaction:"),
        HEADERS_ONLY.replace(b"Action: delivered", b"Action: x").replace(b"Action: FAILED", b"Action: y"),
        HEADERS_ONLY.replace(b"message/delivery-status", b"text/plain"),
        HEADERS_ONLY.replace(b'boundary="=x"', b'boundary="=y"'),
        FAILED + b" " * LARGEST_REPORT,
    ],
)
def test_what_is_no_report_is_refused(raw: bytes) -> None:
    with pytest.raises(ReportUnreadable):
        read_report(raw)


@given(st.sampled_from([FAILED, HEADERS_ONLY]), st.lists(st.tuples(st.integers(0, 1200), st.binary(max_size=8))))
def test_a_broken_report_is_refused_and_breaks_nothing(raw: bytes, changes: list[tuple[int, bytes]]) -> None:
    for place, put in changes:
        raw = raw[:place] + put + raw[place + len(put) // 2 :]
    try:
        found = read_report(raw)
    except ReportUnreadable:
        return
    assert found.words.isprintable()


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with pytest.raises(ReportUnreadable):
        read_report(raw)
