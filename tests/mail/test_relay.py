"""The relay against a mail server that does all that mail servers do (fault 40 of the list)."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest
from sqlalchemy import text

from chukan.platform.database.roles import ProcessKind
from chukan.platform.mail import store
from chukan.platform.mail.adapters.smtp import SmtpServer
from chukan.platform.mail.errors import ServerNotSet, ServerUnavailable, ServerUnsuitable
from chukan.platform.mail.relay import RECORD_EVERY, Relay, RelayPolicy
from chukan.platform.mail.rules import Answer, MailEvent, MailState, Stage
from mail.office import Office

CITY = [f"contact{number}@city{number}.example.lg.jp" for number in range(50)]


def test_many_mails_leave_over_one_connection_each_once(office: Office) -> None:
    before = office.server.connections()
    queued = office.queue(*CITY)
    relayed = office.run()
    assert relayed.events == {MailEvent.SENT: 50}
    assert office.server.connections() - before == 1
    received = office.server.mails()
    assert [mail.message_id for mail in received] == queued
    assert [mail.recipients for mail in received] == [(to,) for to in CITY]
    assert office.states() == {MailState.SENT: 50}
    assert office.history(office.mails()[0].id) == [MailEvent.QUEUED, MailEvent.CLAIMED, MailEvent.SENT]
    assert ("mail:outbox:relay", "done") in office.recorded()


def test_nothing_due_asks_nothing_of_the_server(office: Office) -> None:
    before = office.server.connections()
    assert office.run().events == {}
    office.changed["host"] = ""
    assert office.run().events == {}
    assert office.server.connections() == before


def test_without_a_server_mails_wait(office: Office) -> None:
    office.changed["host"] = ""
    office.queue()
    with pytest.raises(ServerNotSet):
        office.run()
    assert office.history(office.one().id) == [MailEvent.QUEUED]


def test_a_server_that_is_away_costs_no_attempt(office: Office) -> None:
    office.changed["port"] = 1
    office.queue(*CITY[:3])
    for _ in range(20):
        with pytest.raises(ServerUnavailable):
            office.run()
    assert [(mail.state, mail.attempts) for mail in office.mails()] == [(MailState.QUEUED, 0)] * 3
    del office.changed["port"]
    assert office.run().events[MailEvent.SENT] == 3


def test_a_greylisted_mail_is_tried_again_later_and_the_others_leave(office: Office) -> None:
    office.server.order("greylist", recipient=CITY[1], times=1)
    queued = office.queue(*CITY[:3])
    assert office.run().events == {MailEvent.SENT: 2, MailEvent.DEFERRED: 1}
    waiting = office.mails()[1]
    assert (waiting.state, waiting.attempts, waiting.code, waiting.status) == (MailState.QUEUED, 1, 451, "4.7.1")
    assert office.run().events == {}, "it is not due yet"
    office.let_time_pass()
    assert office.run().events == {MailEvent.SENT: 1}
    assert sorted(mail.message_id for mail in office.server.mails()) == sorted(queued)


def test_a_mail_that_is_put_off_too_often_becomes_a_dead_letter(office: Office) -> None:
    office.changed["max_attempts"] = 3
    office.server.order("greylist")
    office.queue()
    for _ in range(3):
        office.run()
        office.let_time_pass()
    assert (office.one().state, office.one().attempts) == (MailState.DEAD, 3)
    assert office.run().events == {}
    assert office.history(office.one().id) == [
        MailEvent.QUEUED,
        *(MailEvent.CLAIMED, MailEvent.DEFERRED),
        *(MailEvent.CLAIMED, MailEvent.DEFERRED),
        *(MailEvent.CLAIMED, MailEvent.BURIED),
    ]


def test_an_unknown_recipient_bounces_at_once_and_is_marked(office: Office) -> None:
    office.server.order("unknown_recipient", recipient=CITY[0])
    office.queue(*CITY[:2])
    assert office.run().events == {MailEvent.BOUNCED: 1, MailEvent.SENT: 1}
    bounced = office.mails()[0]
    assert (bounced.state, bounced.code, bounced.status) == (MailState.BOUNCED, 550, "5.1.1")
    assert "No such user" in (bounced.words or "")
    with office.actor.engine.connect() as connection:
        marks = store.undeliverable(connection)
    assert [(mark.recipient, mark.status) for mark in marks] == [(CITY[0], "5.1.1")]


def test_a_refusal_of_what_was_written_does_not_mark_the_recipient(office: Office) -> None:
    office.server.order("content_refused")
    office.queue()
    assert office.run().events == {MailEvent.BOUNCED: 1}
    with office.actor.engine.connect() as connection:
        assert store.undeliverable(connection) == []


def test_a_full_disk_puts_mails_off(office: Office) -> None:
    office.server.order("disk_full", times=1)
    office.queue(*CITY[:4])
    assert office.run().events == {MailEvent.DEFERRED: 4}
    office.let_time_pass()
    assert office.run().events == {MailEvent.SENT: 4}
    assert len(office.server.mails()) == 4


@pytest.mark.parametrize(("fault", "failure"), [("no_room", ServerUnavailable), ("sender_refused", ServerUnsuitable)])
def test_a_server_that_does_not_serve_us_blames_no_mail(
    office: Office, fault: str, failure: type[ServerUnavailable | ServerUnsuitable]
) -> None:
    office.server.order(fault)
    office.queue(*CITY[:5])
    with pytest.raises(failure):
        office.run()
    assert [(mail.state, mail.attempts) for mail in office.mails()] == [(MailState.QUEUED, 0)] * 5
    assert office.history(office.mails()[4].id) == [MailEvent.QUEUED, MailEvent.CLAIMED, MailEvent.RELEASED]
    office.server.recover()
    assert office.run().events == {MailEvent.SENT: 5}


def test_a_mail_at_which_the_server_closes_is_put_off_and_the_others_go_on(office: Office) -> None:
    office.server.order("closing", recipient=CITY[1], times=1)
    office.queue(*CITY[:4])
    assert office.run().events == {MailEvent.SENT: 3, MailEvent.DEFERRED: 1}
    assert office.mails()[1].code == 421


def test_a_server_that_is_too_slow_is_given_up_and_the_mail_tried_again(office: Office) -> None:
    office.changed["answer_seconds"] = 0.3
    office.server.order("slow", recipient=CITY[0], times=1, seconds=1.5)
    queued = office.queue(*CITY[:2])
    assert office.run().events == {MailEvent.DEFERRED: 1, MailEvent.SENT: 1}
    assert office.mails()[0].code == 0
    office.let_time_pass()
    office.run()
    received = Counter(mail.message_id for mail in office.server.mails())
    assert set(received) == set(queued)
    assert max(received.values()) <= 2, "what the slow server took after all came again under one Message-ID"


def test_a_server_that_trickles_its_answer_is_given_up_in_time(office: Office) -> None:
    office.changed.update(answer_seconds=5, send_seconds=0.6)
    office.server.order("trickle", recipient=CITY[0], seconds=0.1)
    office.queue(*CITY[:2])
    assert office.run().events == {MailEvent.DEFERRED: 1, MailEvent.SENT: 1}


def test_a_server_that_takes_a_mail_and_goes_without_a_word_gets_it_again_the_same(office: Office) -> None:
    office.server.order("lost_answer", recipient=CITY[0], times=1)
    office.queue(*CITY[:2])
    assert office.run().events == {MailEvent.DEFERRED: 1, MailEvent.SENT: 1}
    office.let_time_pass()
    assert office.run().events == {MailEvent.SENT: 1}
    first, _other, second = office.server.mails()
    assert first.content == second.content
    assert first.message_id == second.message_id


def test_a_server_that_answers_and_hangs_up_gets_each_mail_once(office: Office) -> None:
    office.server.order("hang_up")
    before = office.server.connections()
    office.queue(*CITY[:5])
    assert office.run().events == {MailEvent.SENT: 5}
    assert office.server.connections() - before >= 5
    assert len(office.server.mails()) == 5
    assert {mail.attempts for mail in office.mails()} == {1}


def test_a_server_that_leaves_mails_without_an_answer_is_left_alone(office: Office) -> None:
    office.server.order("lost_answer")
    office.queue(*CITY[:5])
    with pytest.raises(ServerUnavailable):
        office.run()
    assert [mail.attempts for mail in office.mails()] == [1, 1, 0, 0, 0]
    assert office.states() == {MailState.QUEUED: 5}


def test_the_act_that_owed_the_mail_does_not_notice_any_of_it(office: Office) -> None:
    """A ticket that is answered while no mail leaves is answered; the mail comes when it can."""
    office.changed["port"] = 1
    with office.database.engine(ProcessKind.CONSOLE).begin() as connection:
        assert connection.execute(text("select 1")).scalar_one() == 1
    office.queue()
    with pytest.raises(ServerUnavailable):
        office.run()
    assert office.one().state is MailState.QUEUED


# -- several relays -------------------------------------------------------------------------------


def test_two_relays_share_the_outbox_and_send_nothing_twice(office: Office) -> None:
    office.changed["batch_size"] = 7
    queued = office.queue(*CITY, *CITY)
    begin = threading.Barrier(2)

    def work() -> int:
        relay = office.relay()
        begin.wait()
        return relay.run().events[MailEvent.SENT]

    with ThreadPoolExecutor(2) as pool:
        shares = [each.result() for each in (pool.submit(work), pool.submit(work))]
    assert sum(shares) == 100
    assert min(shares) > 0
    assert Counter(mail.message_id for mail in office.server.mails()) == Counter(queued)


class Scripted:
    """A server of the relay's that does something between the mails."""

    def __init__(self, *steps: object) -> None:
        self.sent: list[str] = []
        self._steps = list(steps)

    def session(self) -> nullcontext[Scripted]:
        return nullcontext(self)

    def send(self, recipient: str, _content: bytes) -> Answer:
        self.sent.append(recipient)
        step = self._steps.pop(0) if self._steps else None
        if callable(step):
            step()
        return Answer(250, Stage.CONTENT, "2.0.0", "ok")


def test_a_relay_that_slept_past_its_lease_records_nothing_of_what_another_took(office: Office) -> None:
    """Frozen between the server's yes and our commit: the other relay's record stands, ours is void."""
    office.queue(*CITY[:3])
    other = Scripted()

    def sleep() -> None:
        office.let_time_pass()
        assert office.relay(other).run().events == {MailEvent.SENT: 3}

    relayed = office.relay(Scripted(sleep)).run()
    assert relayed.overtaken == 3
    assert relayed.events == {}
    assert office.states() == {MailState.SENT: 3}
    assert [office.history(mail.id)[2:] for mail in office.mails()] == [[MailEvent.RECLAIMED, MailEvent.SENT]] * 3


def test_a_relay_begins_no_mail_that_its_lease_might_not_cover(office: Office) -> None:
    office.changed.update(send_seconds=120, batch_size=3)
    office.queue(*CITY[:4])
    clock = iter(range(0, 100_000, 70))  # each look at the clock finds it 70 seconds later; the lease is 300
    mail, server = office.settings.mail, Scripted()
    relay = Relay(office.actor, server, RelayPolicy.of(mail), now=lambda: float(next(clock)))
    relayed = relay.run()
    assert relayed.events[MailEvent.SENT] == 4
    assert relayed.events[MailEvent.RELEASED] > 0
    assert sorted(server.sent) == sorted(CITY[:4])


def test_a_relay_that_is_told_to_end_gives_back_what_it_has_not_sent(office: Office) -> None:
    office.queue(*CITY[:5])
    server = Scripted()
    relayed = office.relay(server).run(stopped=lambda: len(server.sent) == 2)
    assert relayed.events == {MailEvent.SENT: 2, MailEvent.RELEASED: 3}
    assert office.states() == {MailState.SENT: 2, MailState.QUEUED: 3}


def test_outcomes_are_recorded_a_few_at_a_time_and_soon(office: Office) -> None:
    """What could leave twice is bounded: by a number, and where the server is slow, to one mail."""
    office.queue(*CITY)
    unrecorded: list[int] = []
    server = Scripted(*[lambda: unrecorded.append(office.states()[MailState.SENDING])] * 50)
    relay = Relay(office.actor, server, RelayPolicy.of(office.settings.mail), now=lambda: 0.0)
    relay.run()
    recorded = [50 - waiting for waiting in unrecorded]
    assert recorded == [number // RECORD_EVERY * RECORD_EVERY for number in range(50)]

    office.queue(*CITY[:3])
    seen: list[int] = []
    steps = iter(range(10_000))
    slow = Scripted(*[lambda: seen.append(office.states()[MailState.SENDING])] * 3)
    Relay(office.actor, slow, RelayPolicy.of(office.settings.mail), now=lambda: float(next(steps))).run()
    assert seen[-1] <= 2


def test_the_smtp_server_of_the_settings_is_what_the_relay_talks_to(office: Office) -> None:
    office.queue()
    with SmtpServer(office.settings.mail).session() as session:
        answer = session.send("contact@city.example.lg.jp", b"Subject: x\r\n\r\n.\r\n..dots\r\n")
    assert answer.code == 250
    assert office.server.mails()[0].content == b"Subject: x\r\n\r\n.\r\n..dots\r\n"
