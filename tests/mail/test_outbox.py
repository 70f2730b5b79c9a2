"""A mail is queued with the act that owes it, or not at all, and nobody can do more to it than his work needs."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from chukan.platform.database.roles import ProcessKind
from chukan.platform.mail.errors import AddressInvalid, MailUnknown, NotRetryable, ValueRefused
from chukan.platform.mail.rules import MailEvent, MailState
from chukan.platform.mail.service import Outbox, retry
from mail.office import NOTICE, NOW, Office

QUEUERS = (
    ProcessKind.CONSOLE,
    ProcessKind.SUPPORT_SITE,
    ProcessKind.WORKER,
    ProcessKind.SCHEDULER,
    ProcessKind.PROVISIONER,
)
INSERT = (
    "insert into platform.mail_outbox (message_id, template, recipient, content) "
    "values ('<00000000000000000000000000000000@x.jp>', 't.t', 'a@x.jp', 'x')"
)


class GaveUp(Exception):
    """The act that owed a mail failed."""


def test_a_mail_is_queued_with_the_act_and_its_history_begins(office: Office) -> None:
    (message_id,) = office.queue("Contact@City.Example.LG.JP")
    mail = office.one()
    assert (mail.message_id, mail.state, mail.attempts) == (message_id, MailState.QUEUED, 0)
    assert (mail.template, mail.recipient) == ("tests.notice", "Contact@city.example.lg.jp")
    assert office.history(mail.id) == [MailEvent.QUEUED]


def test_an_act_that_fails_owes_no_mail(office: Office) -> None:
    def fail() -> None:
        with office.database.engine(ProcessKind.CONSOLE).begin() as connection:
            values = {"number": "1", "page": "/"}
            Outbox.of(office.settings).enqueue(connection, NOTICE, "a@city.jp", values, now=NOW)
            raise GaveUp

    with pytest.raises(GaveUp):
        fail()
    assert office.mails() == []


def test_one_wrong_address_or_value_queues_nothing_of_the_batch(office: Office) -> None:
    good = {"number": "1", "page": "/"}
    outbox = Outbox.of(office.settings)
    with office.database.engine(ProcessKind.CONSOLE).begin() as connection:
        with pytest.raises(AddressInvalid):
            outbox.enqueue_all(connection, NOTICE, [("a@city.jp", good), ("a@city.jp, b@city.jp", good)], now=NOW)
        with pytest.raises(ValueRefused):
            outbox.enqueue_all(connection, NOTICE, [("a@city.jp", good), ("b@city.jp", {"number": "1"})], now=NOW)
        assert outbox.enqueue_all(connection, NOTICE, [], now=NOW) == []
    assert office.mails() == []


def test_what_is_sent_is_what_was_queued_byte_for_byte(office: Office) -> None:
    office.queue("contact@city.example.lg.jp")
    with office.database.superuser() as superuser:
        row = superuser.execute("select content from platform.mail_outbox").fetchone()
    office.run()
    (received,) = office.server.mails()
    assert row is not None
    assert received.content == bytes(row[0])
    assert received.sender == "bounces@platform.example.jp"
    assert received.recipients == ("contact@city.example.lg.jp",)
    assert "https://site.example.jp/notices/0" in received.message.get_content()


# -- who may what ---------------------------------------------------------------------------------


FOR_THE_WORKER = (
    "select content from platform.mail_outbox",
    "update platform.mail_outbox set state = 'sent'",
    "insert into platform.mail_event (mail, event, state) values (uuidv7(), 'sent', 'sent')",
    "insert into platform.mail_undeliverable (recipient, mail, status) values ('a', uuidv7(), '')",
)
FOR_NOBODY = (
    "delete from platform.mail_outbox",
    "update platform.mail_outbox set content = 'y'",
    "update platform.mail_outbox set message_id = 'y'",
    "update platform.mail_outbox set recipient = 'y'",
    "insert into platform.mail_outbox (message_id, template, recipient, content, state) "  # noqa: ISC004 - one text
    "values ('<00000000000000000000000000000000@x.jp>', 't.t', 'a@x.jp', 'x', 'sent')",
    "update platform.mail_event set event = 'sent'",
    "delete from platform.mail_event",
)


def may(office: Office, kind: ProcessKind, statement: str) -> bool:
    """Return whether a process of *kind* may do *statement*; its effect is taken back."""
    with office.database.login(kind) as connection, connection.transaction(force_rollback=True):
        try:
            connection.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege:
            return False
        except psycopg.errors.ForeignKeyViolation:
            return True
        return True


def test_only_processes_that_owe_mails_queue_them(office: Office) -> None:
    assert {kind for kind in ProcessKind if may(office, kind, INSERT)} == set(QUEUERS)


def test_nobody_but_the_worker_reads_or_moves_mails(office: Office) -> None:
    allowed = {(kind, wanted) for kind in ProcessKind for wanted in FOR_THE_WORKER if may(office, kind, wanted)}
    assert allowed == {(ProcessKind.WORKER, wanted) for wanted in FOR_THE_WORKER}


def test_not_even_the_worker_changes_what_was_queued_or_what_happened(office: Office) -> None:
    assert [(kind, wanted) for kind in ProcessKind for wanted in FOR_NOBODY if may(office, kind, wanted)] == []


def test_a_tenant_reaches_no_mail(office: Office) -> None:
    office.queue()
    sessions, placement = office.database.sessions(), office.database.create_tenant()
    for statement in (b"select 1 from platform.mail_outbox", INSERT.encode()):
        with pytest.raises(DBAPIError), sessions.begin(placement.tenant) as connection:
            connection.exec_driver_sql(statement.decode())
    assert len(office.mails()) == 1


REFUSED = [
    ("<short@x.jp>", "a@x.jp", b"x"),
    ("00000000000000000000000000000000@x.jp", "a@x.jp", b"x"),
    ("<00000000000000000000000000000000@x.jp>", "a", b"x"),
    ("<00000000000000000000000000000000@x.jp>", "a@x.jp\n", b"x"),
    ("<00000000000000000000000000000000@x.jp>", "a b@x.jp", b"x"),
    ("<00000000000000000000000000000000@x.jp>", "a@x.jp", b""),
    ("<00000000000000000000000000000000@x.jp>", "a@x.jp", b"x" * 262_145),
]


def test_the_table_refuses_what_no_mail_may_be(office: Office) -> None:
    insert = "insert into platform.mail_outbox (message_id, template, recipient, content) values (%s, 't.t', %s, %s)"
    with office.database.superuser() as superuser:
        for row in REFUSED:
            with pytest.raises(psycopg.errors.CheckViolation):
                superuser.execute(insert, row)


# -- sent again by an operator --------------------------------------------------------------------


def dead_and_bounced(office: Office) -> None:
    office.changed["max_attempts"] = 1
    office.server.order("greylist", recipient="dead@city.jp")
    office.server.order("unknown_recipient", recipient="gone@city.jp")
    office.queue("dead@city.jp", "gone@city.jp", "here@city.jp")
    office.run()
    assert [mail.state for mail in office.mails()] == [MailState.DEAD, MailState.BOUNCED, MailState.SENT]


def test_a_dead_letter_is_queued_anew_with_all_its_attempts_and_its_message_id(office: Office) -> None:
    dead_and_bounced(office)
    dead, bounced, _sent = office.mails()
    office.server.recover()
    assert retry(office.actor, [dead.id]) == [dead.id]
    again = office.mails()[0]
    assert (again.state, again.attempts, again.message_id) == (MailState.QUEUED, 0, dead.message_id)
    assert again.queued_at > dead.queued_at
    assert retry(office.actor, state=MailState.BOUNCED) == [bounced.id]
    assert office.run().events[MailEvent.SENT] == 2
    assert {mail.message_id for mail in office.server.mails()} == {mail.message_id for mail in office.mails()}
    assert office.history(dead.id)[-4:] == [
        MailEvent.BURIED,
        MailEvent.RETRIED,
        MailEvent.CLAIMED,
        MailEvent.SENT,
    ]
    assert ("mail:outbox:retry", "done") in office.recorded()


def test_a_mail_that_was_sent_is_not_sent_again_and_nothing_else_is_either(office: Office) -> None:
    dead_and_bounced(office)
    dead, _bounced, sent = office.mails()
    with pytest.raises(NotRetryable):
        retry(office.actor, [dead.id, sent.id])
    with pytest.raises(MailUnknown):
        retry(office.actor, [dead.id, office.database.create_tenant().tenant])
    assert [mail.state for mail in office.mails()] == [MailState.DEAD, MailState.BOUNCED, MailState.SENT]
    assert office.recorded()[-2:] == [("mail:outbox:retry", "refused")] * 2
    assert retry(office.actor, [dead.id, dead.id]) == [dead.id]


def test_a_wait_is_not_longer_than_the_setting(office: Office) -> None:
    office.changed.update(retry_first_seconds=100, retry_longest_seconds=150)
    office.server.order("greylist")
    office.queue()
    office.run()
    (first,) = office.waits()
    office.let_time_pass()
    office.run()
    (second,) = office.waits()
    assert timedelta(seconds=95) < timedelta(seconds=first) <= timedelta(seconds=100)
    assert timedelta(seconds=145) < timedelta(seconds=second) <= timedelta(seconds=150)
