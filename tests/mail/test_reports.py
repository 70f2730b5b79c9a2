"""What a delivery report does to the mail that it is about, and to nothing else."""

from __future__ import annotations

import pytest

from chukan.platform.database.roles import ProcessKind
from chukan.platform.mail import store
from chukan.platform.mail.bounces import Fate
from chukan.platform.mail.errors import RecipientNotMarked, ReportOfOthers, ReportUnreadable
from chukan.platform.mail.rules import MailEvent, MailState
from chukan.platform.mail.service import lift_mark, retry, take_report, undeliverable
from chukan_simulators.mail_server.reports import report
from mail.office import Office

CONTACT = "Contact@City.example.lg.jp"


def marks(office: Office) -> list[str]:
    with office.database.engine(ProcessKind.CONSOLE).connect() as connection:
        return list(undeliverable(connection, [CONTACT, "other@city.example.lg.jp"]))


def test_a_mail_that_comes_back_is_bounced_and_its_recipient_marked(office: Office) -> None:
    office.server.order("returned")
    office.queue(CONTACT)
    office.run()
    assert office.one().state is MailState.SENT
    (raw,) = office.server.reports()
    taken = take_report(office.actor, raw)
    assert (taken.fate, taken.marked, taken.mail.state) == (Fate.FAILED, True, MailState.BOUNCED)
    assert (taken.mail.status, taken.mail.event) == ("5.1.1", MailEvent.BOUNCED)
    assert marks(office) == [CONTACT]
    assert office.recorded()[-1] == ("mail:report:take", "done")


def test_the_same_report_again_changes_nothing(office: Office) -> None:
    office.server.order("returned")
    office.queue(CONTACT)
    office.run()
    (raw,) = office.server.reports()
    take_report(office.actor, raw)
    history = office.history(office.one().id)
    with office.actor.engine.connect() as connection:
        before = store.undeliverable(connection)
    assert take_report(office.actor, raw).mail.state is MailState.BOUNCED
    assert office.history(office.one().id) == history
    with office.actor.engine.connect() as connection:
        assert store.undeliverable(connection) == before


def test_a_delay_is_noted_and_changes_no_state(office: Office) -> None:
    office.server.order("delayed")
    office.queue(CONTACT)
    office.run()
    (raw,) = office.server.reports()
    taken = take_report(office.actor, raw)
    assert (taken.fate, taken.marked, taken.mail.state) == (Fate.DELAYED, False, MailState.SENT)
    assert office.history(office.one().id)[-1] is MailEvent.DELAYED
    assert marks(office) == []


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded"])
def test_good_news_changes_nothing(office: Office, action: str) -> None:
    office.queue(CONTACT)
    office.run()
    content = office.server.mails()[0].content
    raw = report(content, sender="b@x.jp", recipient=CONTACT, action=action, status="2.0.0", words="ok")
    assert take_report(office.actor, raw).mail.state is MailState.SENT
    assert marks(office) == []


def test_a_report_that_blames_us_bounces_the_mail_and_marks_nobody(office: Office) -> None:
    office.queue(CONTACT)
    office.run()
    content = office.server.mails()[0].content
    raw = report(content, sender="b@x.jp", recipient=CONTACT, action="failed", status="5.7.1", words="no")
    taken = take_report(office.actor, raw)
    assert (taken.mail.state, taken.marked) == (MailState.BOUNCED, False)
    assert marks(office) == []


def test_a_report_marks_whom_we_wrote_to_whomever_it_names(office: Office) -> None:
    office.queue(CONTACT)
    office.run()
    content = office.server.mails()[0].content
    raw = report(
        content, sender="b@x.jp", recipient="other@city.example.lg.jp", action="failed", status="5.1.1", words="no"
    )
    take_report(office.actor, raw)
    assert marks(office) == [CONTACT]


def test_a_report_may_come_before_our_own_record_of_the_mail(office: Office) -> None:
    """We died between the server's yes and our commit, and the report was faster than the lease."""
    office.queue(CONTACT)
    with office.database.superuser() as superuser:
        row = superuser.execute("select content from platform.mail_outbox").fetchone()
    assert row is not None
    raw = report(
        bytes(row[0]), sender="b@x.jp", recipient=CONTACT, action="failed", status="5.1.1", words="550 5.1.1 no"
    )
    assert take_report(office.actor, raw).mail.state is MailState.BOUNCED
    assert office.run().events == {}, "and it is not sent again"


def test_a_report_about_a_mail_of_others_changes_nothing_and_is_recorded(office: Office) -> None:
    office.queue(CONTACT)
    foreign = b"Message-ID: <0123456789abcdef0123456789abcdef@platform.example.jp>\r\n\r\nx\r\n"
    raw = report(foreign, sender="b@x.jp", recipient=CONTACT, action="failed", status="5.1.1", words="no")
    with pytest.raises(ReportOfOthers):
        take_report(office.actor, raw)
    with pytest.raises(ReportUnreadable):
        take_report(office.actor, b"Subject: I am on holiday\r\n\r\nuntil Monday")
    assert office.one().state is MailState.QUEUED
    assert marks(office) == []
    assert office.recorded() == [("mail:report:take", "refused")]


def test_a_mark_withholds_no_mail_and_is_lifted_by_an_operator(office: Office) -> None:
    office.server.order("unknown_recipient")
    office.queue(CONTACT)
    office.run()
    assert marks(office) == [CONTACT]
    office.server.recover()
    retry(office.actor, state=MailState.BOUNCED)
    assert office.run().events == {MailEvent.SENT: 1}
    lift_mark(office.actor, CONTACT)
    assert marks(office) == []
    with pytest.raises(RecipientNotMarked):
        lift_mark(office.actor, CONTACT)
    office.server.order("unknown_recipient")
    office.queue(CONTACT)
    office.run()
    assert marks(office) == [CONTACT], "it can be marked again"
