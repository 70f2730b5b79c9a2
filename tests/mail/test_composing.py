"""A mail is right for every mail server, whatever is written in it, and the same bytes for ever."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.mail.composing import Sender, compose, new_message_id
from chukan.platform.mail.errors import MailMalformed
from chukan.platform.mail.templates import Written

AT = datetime(2026, 6, 30, 15, 30, tzinfo=UTC)
SENDER = Sender("no-reply@platform.example.jp", "自治体中間サーバー・プラットフォーム")
TO = "contact@city.example.lg.jp"
MESSAGE_ID = "<0123456789abcdef0123456789abcdef@platform.example.jp>"
#: What people write: no control characters, no half characters, and blanks that stand alone inside.
WORDS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=30)
LINES = st.lists(WORDS, min_size=1, max_size=12).map(" ".join)


def composed(
    subject: str, body: str = "本文\n", *, sender: Sender = SENDER, to: str = TO, message_id: str = MESSAGE_ID
) -> bytes:
    return compose(Written(subject, body), sender=sender, to=to, message_id=message_id, at=AT)


def read(header: object) -> str:
    """Return an encoded header as RFC 2047 has it read; the newer parser puts blanks into long names."""
    return str(make_header(decode_header(re.sub(r"\r?\n", "", str(header)))))


def test_a_mail_says_who_wrote_it_when_and_that_no_machine_should_answer() -> None:
    content = composed("通知")
    assert read(message_from_bytes(content)["From"]) == f"{SENDER.name} <no-reply@platform.example.jp>"
    message = message_from_bytes(content, policy=policy.default)
    assert message["To"] == TO
    assert message["Date"] == "Wed, 01 Jul 2026 00:30:00 +0900"
    assert message["Message-ID"] == MESSAGE_ID
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "text/plain"
    assert message.defects == []


@given(LINES, st.lists(LINES, max_size=8).map("\n".join))
def test_whatever_is_written_is_read_again(subject: str, body: str) -> None:
    content = composed(subject, body)
    message = message_from_bytes(content, policy=policy.default)
    if not re.search(r"=\?.*\?=", subject):  # an encoded word that somebody wrote out is read as one
        assert read(message_from_bytes(content)["Subject"]) == subject
    assert message.get_content().replace("\r\n", "\n").rstrip("\n") == body.rstrip("\n")
    assert content.isascii()
    assert max(len(line) for line in content.split(b"\r\n")) <= 998
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert len(message.keys()) == 9


@given(LINES)
def test_a_sender_s_name_in_any_script_is_read_again(name: str) -> None:
    message = message_from_bytes(composed("s", sender=Sender("a@x.jp", name)))
    assert len(message.keys()) == 9
    if name.isascii():
        assert message_from_bytes(message.as_bytes(), policy=policy.default)["From"].addresses[0].addr_spec == "a@x.jp"
    else:
        assert read(message["From"]) == f"{name} <a@x.jp>"


@pytest.mark.parametrize(
    ("name", "shown"),
    [("", "a@x.jp"), ("Platform", "Platform <a@x.jp>"), ('J-LIS, "Ops"', r'"J-LIS, \"Ops\"" <a@x.jp>')],
)
def test_a_name_in_ascii_stands_as_it_is_and_quoted_where_it_must(name: str, shown: str) -> None:
    assert message_from_bytes(composed("s", sender=Sender("a@x.jp", name)))["From"] == shown


@pytest.mark.parametrize(
    "ending", ["\r\nBcc: other@example.jp", "\nX: y", "\r", "\n", "\x00", "\x7f", "\x85", "\u2028"]
)
def test_a_header_cannot_be_smuggled_in(ending: str) -> None:
    for subject in ("通知", "notice"):
        with pytest.raises(MailMalformed):
            composed(subject + ending)
    with pytest.raises(MailMalformed):
        composed("通知", message_id=MESSAGE_ID + ending)
    with pytest.raises(MailMalformed):
        composed("通知", sender=Sender("a@x.jp", "n" + ending))
    with pytest.raises(MailMalformed):
        composed("通知", to=TO + ending)


def test_message_ids_differ_and_are_at_the_sender_s_domain() -> None:
    ids = {new_message_id(SENDER) for _ in range(100)}
    assert len(ids) == 100
    assert all(each.endswith("@platform.example.jp>") for each in ids)
