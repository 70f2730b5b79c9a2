"""A relay that is killed loses no mail, and what it repeats is the same mail (decision 34)."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from chukan.platform.mail.relay import RECORD_EVERY
from chukan.platform.mail.rules import MailEvent, MailState
from mail.office import Office
from support.program import ended

PROGRAM = Path(__file__).with_name("relay_and_die.py")
CITY = [f"contact{number}@city{number}.example.lg.jp" for number in range(2 * RECORD_EVERY + 5)]


def relay_that_dies(office: Office, where: str, count: int = 1) -> None:
    done = ended(PROGRAM, office.settings.model_dump_json(), where, str(count))
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize(
    ("where", "count", "before", "repeated"),
    [
        ("claimed", 1, 0, 0),
        ("unanswered", 1, 0, 1),
        pytest.param("answered", 1, 1, 1, marks=pytest.mark.slow),
        pytest.param("answered", RECORD_EVERY + 1, RECORD_EVERY + 1, 1, marks=pytest.mark.slow),
        ("answered", RECORD_EVERY + 3, RECORD_EVERY + 3, 3),
        pytest.param("recording", 1, RECORD_EVERY, RECORD_EVERY, marks=pytest.mark.slow),
        ("recording", 2, 2 * RECORD_EVERY, RECORD_EVERY),
    ],
)
def test_whatever_was_in_hand_leaves_again_and_nothing_else(
    office: Office, where: str, count: int, before: int, repeated: int
) -> None:
    queued = office.queue(*CITY)
    relay_that_dies(office, where, count)
    received_before = office.server.mails()
    assert len(received_before) >= before
    assert office.states()[MailState.SENDING] == len(CITY) - (before - repeated if where != "unanswered" else 0)
    assert office.run().events == {}, "the dead relay's lease has not ended"

    office.let_time_pass()
    office.run()
    assert office.states() == {MailState.SENT: len(CITY)}
    received = office.server.mails()
    times = Counter(mail.message_id for mail in received)
    assert set(times) == set(queued), "nothing is lost"
    assert sum(count - 1 for count in times.values()) <= repeated, "only what was in hand came again"
    assert max(times.values()) <= 2
    assert len({mail.content for mail in received}) == len(CITY), "and it came byte for byte the same"
    assert MailEvent.RECLAIMED in office.history(office.mails()[-1].id)


def test_a_mail_that_left_twice_is_recorded_as_sent_once(office: Office) -> None:
    office.queue()
    relay_that_dies(office, "answered")
    office.let_time_pass()
    office.run()
    first, second = office.server.mails()
    assert first.message_id == second.message_id == office.one().message_id
    assert first.content == second.content
    history = office.history(office.one().id)
    assert history == [MailEvent.QUEUED, MailEvent.CLAIMED, MailEvent.RECLAIMED, MailEvent.SENT]
