"""What an answer means, how long a mail waits, what an address is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.mail.errors import AddressInvalid
from chukan.platform.mail.rules import (
    LONGEST_WORDS,
    TRANSITIONS,
    Answer,
    MailEvent,
    MailState,
    RetryPolicy,
    Stage,
    Verdict,
    address,
    after,
    answer,
    blames_recipient,
    released,
    states_before,
    verdict,
    wait_before_retry,
)

Expected = tuple[MailEvent, MailState, int, int]
POLICY = RetryPolicy(max_attempts=4, first=timedelta(seconds=60), longest=timedelta(seconds=200))


@pytest.mark.parametrize(
    ("code", "sender", "later"),
    [
        (0, Verdict.NOT_US, Verdict.LATER),
        (199, Verdict.NOT_US, Verdict.LATER),
        (200, Verdict.TAKEN, Verdict.TAKEN),
        (250, Verdict.TAKEN, Verdict.TAKEN),
        (299, Verdict.TAKEN, Verdict.TAKEN),
        (354, Verdict.NOT_US, Verdict.LATER),
        (399, Verdict.NOT_US, Verdict.LATER),
        (400, Verdict.NOT_US, Verdict.LATER),
        (421, Verdict.NOT_US, Verdict.LATER),
        (451, Verdict.NOT_US, Verdict.LATER),
        (452, Verdict.NOT_US, Verdict.LATER),
        (499, Verdict.NOT_US, Verdict.LATER),
        (500, Verdict.NOT_US, Verdict.NEVER),
        (530, Verdict.NOT_US, Verdict.NOT_US),
        (550, Verdict.NOT_US, Verdict.NEVER),
        (552, Verdict.NEVER, Verdict.NEVER),
        (554, Verdict.NOT_US, Verdict.NEVER),
        (599, Verdict.NOT_US, Verdict.NEVER),
        (600, Verdict.NOT_US, Verdict.LATER),
        (-1, Verdict.NOT_US, Verdict.LATER),
    ],
)
def test_a_code_means_one_thing_of_us_and_another_of_a_mail(code: int, sender: Verdict, later: Verdict) -> None:
    assert verdict(Answer(code, Stage.SENDER)) is sender
    assert verdict(Answer(code, Stage.RECIPIENT)) is later
    assert verdict(Answer(code, Stage.CONTENT)) is later


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (b"5.1.1 No such user", "5.1.1"),
        (b"2.0.0", "2.0.0"),
        (b"4.7.1\nGreylisted", "4.7.1"),
        (b"No such user", ""),
        (b"see 5.1.1", ""),
        (b"3.1.1 nonsense", ""),
        (b"5.1.1.1 nonsense", ""),
        (b"5.1", ""),
        (b"", ""),
    ],
)
def test_an_enhanced_status_is_what_an_answer_begins_with(words: bytes, status: str) -> None:
    assert answer(550, Stage.RECIPIENT, words).status == status


@given(st.binary(max_size=2_000))
def test_what_a_server_says_is_kept_short_and_printable(words: bytes) -> None:
    kept = answer(550, Stage.CONTENT, words).words
    assert len(kept) <= LONGEST_WORDS
    assert kept.isprintable()
    assert kept.isascii()


@pytest.mark.parametrize(
    ("attempts", "code", "expected"),
    [
        (0, 250, (MailEvent.SENT, MailState.SENT, 1, 0)),
        (0, 451, (MailEvent.DEFERRED, MailState.QUEUED, 1, 60)),
        (1, 451, (MailEvent.DEFERRED, MailState.QUEUED, 2, 120)),
        (2, 451, (MailEvent.DEFERRED, MailState.QUEUED, 3, 200)),
        (3, 451, (MailEvent.BURIED, MailState.DEAD, 4, 0)),
        (9, 451, (MailEvent.BURIED, MailState.DEAD, 10, 0)),
        (3, 250, (MailEvent.SENT, MailState.SENT, 4, 0)),
        (0, 0, (MailEvent.DEFERRED, MailState.QUEUED, 1, 60)),
        (3, 0, (MailEvent.BURIED, MailState.DEAD, 4, 0)),
        (0, 550, (MailEvent.BOUNCED, MailState.BOUNCED, 1, 0)),
        (3, 550, (MailEvent.BOUNCED, MailState.BOUNCED, 4, 0)),
        (0, 530, (MailEvent.RELEASED, MailState.QUEUED, 0, 0)),
        (3, 530, (MailEvent.RELEASED, MailState.QUEUED, 3, 0)),
    ],
)
def test_what_follows_from_an_answer(attempts: int, code: int, expected: Expected) -> None:
    event, state, counted, seconds = expected
    move = after(Answer(code, Stage.RECIPIENT), attempts, POLICY, draw=1.0)
    assert (move.event, move.state, move.attempts, move.wait) == (event, state, counted, timedelta(seconds=seconds))


def test_a_mail_that_was_not_tried_loses_no_attempt() -> None:
    move = released(2)
    assert (move.event, move.state, move.attempts) == (MailEvent.RELEASED, MailState.QUEUED, 2)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_between_half_and_the_whole_of_a_doubling_bound(attempts: int, draw: float) -> None:
    wait = wait_before_retry(attempts, POLICY, draw)
    whole = wait_before_retry(attempts, POLICY, 1.0)
    assert whole / 2 <= wait <= whole <= POLICY.longest
    assert wait_before_retry(attempts + 1, POLICY, 1.0) in {min(whole * 2, POLICY.longest), POLICY.longest}


@pytest.mark.parametrize(
    ("status", "blamed"),
    [
        ("", True),
        ("5.0.0", True),
        ("5.1.1", True),
        ("5.2.2", True),
        ("5.3.0", False),
        ("5.4.4", True),
        ("5.5.1", False),
        ("5.6.0", False),
        ("5.7.1", False),
        ("5.10.1", False),
    ],
)
def test_only_a_refusal_of_the_recipient_marks_it(status: str, *, blamed: bool) -> None:
    assert blames_recipient(status, Stage.RECIPIENT) is blamed
    assert blames_recipient(status, Stage.CONTENT) is False
    assert blames_recipient(status, Stage.SENDER) is False


@pytest.mark.parametrize(
    ("given_address", "kept"),
    [
        ("contact@city.example.lg.jp", "contact@city.example.lg.jp"),
        ("Contact@City.Example.LG.JP", "Contact@city.example.lg.jp"),
        (" contact@city.example.lg.jp ", "contact@city.example.lg.jp"),
        ("a.b+c_d-e!#$%&'*/=?^`{|}~@x.jp", "a.b+c_d-e!#$%&'*/=?^`{|}~@x.jp"),
        ("a" * 64 + "@x.jp", "a" * 64 + "@x.jp"),
    ],
)
def test_an_address_is_kept_with_its_domain_in_small_letters(given_address: str, kept: str) -> None:
    assert address(given_address) == kept


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "contact",
        "@city.example.lg.jp",
        "contact@",
        "contact@localhost",
        "contact@-city.jp",
        "contact@city-.jp",
        "contact@city..jp",
        "contact@.jp",
        ".contact@city.jp",
        "con..tact@city.jp",
        "contact.@city.jp",
        "a@b@city.jp",
        '"a b"@city.jp',
        "<contact@city.jp>",
        "City <contact@city.jp>",
        "a@city.jp,b@city.jp",
        "a@city.jp\r\nBcc: b@city.jp",
        "a@city.jp\n",
        "a\x00@city.jp",
        "担当@city.jp",
        "contact@市.jp",
        "ｃontact@city.jp",
        "a" * 65 + "@x.jp",
        "a@" + ".".join(["b" * 63] * 4) + ".jp",
        "a@" + "b" * 64 + ".jp",
    ],
)
def test_what_is_no_single_address_in_ascii_is_refused(wrong: str) -> None:
    with pytest.raises(AddressInvalid) as refused:
        address(wrong)
    assert wrong == "" or wrong not in refused.value.told() + refused.value.detail


@given(st.text(max_size=80))
def test_an_address_never_holds_what_ends_a_header_or_a_command(text: str) -> None:
    try:
        kept = address(text)
    except AddressInvalid:
        return
    assert kept.isascii()
    assert not set(kept) & set(' \r\n\t<>,;:\x00"')


def test_a_mail_is_sent_at_most_once_more_after_nothing_but_an_operator_s_word() -> None:
    assert states_before(MailEvent.RETRIED) == (MailState.DEAD, MailState.BOUNCED)
    assert [before for before, event in TRANSITIONS if before is MailState.SENT] == [MailState.SENT]
    assert TRANSITIONS[MailState.SENT, MailEvent.BOUNCED] is MailState.BOUNCED


def test_every_state_is_reached_and_none_but_sent_is_an_end() -> None:
    reached = {MailState.QUEUED, *TRANSITIONS.values()}
    assert reached == set(MailState)
    assert {before for before, _ in TRANSITIONS} == set(MailState)
