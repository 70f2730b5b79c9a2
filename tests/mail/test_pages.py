"""The pages of outgoing mail."""

from __future__ import annotations

import pytest

from chukan.platform.database.roles import ProcessKind
from chukan.platform.mail.pages.web import PAGES, READ
from chukan.platform.mail.rules import MailEvent
from chukan.platform.mail.words import EVENTS
from mail.office import Office
from support.html import check_page
from support.web import Visited, application_of


@pytest.fixture
def visited(office: Office) -> Visited:
    return application_of([PAGES], office.database.engine(ProcessKind.CONSOLE))


def _bury(office: Office, recipient: str) -> None:
    """Let the mail to *recipient* have been given up."""
    with office.database.superuser() as superuser:
        superuser.execute(
            "with dead as (update platform.mail_outbox set state = 'dead' where recipient = %s returning id) "
            "insert into platform.mail_event (mail, event, state, code, words) "
            "select id, 'buried', 'dead', 451, '4.7.1 <later>' from dead",
            (recipient,),
        )


def test_nobody_sees_mail_without_the_permission(visited: Visited) -> None:
    assert visited.get("/mail").status_code == 303
    visited.enter("audit:entry:read")
    assert visited.get("/mail").status_code == 403
    assert visited.refused == [READ]


def test_an_outbox_without_mail_says_so(visited: Visited) -> None:
    visited.enter(READ)
    page = visited.get("/mail")
    assert page.status_code == 200
    check_page(page.text)
    assert "<tbody>" not in page.text


def test_mails_are_found_by_state(visited: Visited, office: Office) -> None:
    office.queue("a@city.example.lg.jp", "b@city.example.lg.jp")
    _bury(office, "a@city.example.lg.jp")
    visited.enter(READ)
    everything = visited.get("/mail").text
    check_page(everything)
    rows = everything.split("<tbody>")[1]
    assert rows.index("b@city") < rows.index("a@city")
    assert "451 4.7.1 &lt;later&gt;" in rows
    dead = visited.get("/mail?state=dead").text.split("<tbody>")[1]
    assert "a@city" in dead
    assert "b@city" not in dead
    refused = visited.get("/mail?state=elsewhere")
    assert refused.status_code == 422
    check_page(refused.text)
    file = visited.get("/mail?state=queued&format=csv").text
    assert "b@city" in file
    assert "a@city" not in file


def test_one_mail_is_shown_with_its_history_and_without_its_content(visited: Visited, office: Office) -> None:
    office.queue("a@city.example.lg.jp")
    mail = office.one()
    visited.enter(READ)
    page = visited.get(f"/mail/{mail.id}").text
    check_page(page)
    assert mail.message_id.strip("<>") in page
    assert "/notices/0" not in page
    assert "chukan mail retry" not in page
    _bury(office, "a@city.example.lg.jp")
    page = visited.get(f"/mail/{mail.id}").text
    check_page(page)
    assert f"chukan mail retry {mail.id}" in page
    assert page.split("<tbody>")[1].count("<tr") == 2


def test_a_mail_that_is_not_there_is_told(visited: Visited) -> None:
    visited.enter(READ)
    page = visited.get("/mail/00000000-0000-7000-8000-000000000000")
    assert page.status_code == 404
    check_page(page.text)


def test_every_event_has_its_words() -> None:
    assert set(EVENTS) == set(MailEvent)
