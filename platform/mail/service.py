"""Queueing a mail with the act that owes it, and what operators do with mails.

Source: A1-028 (a mail to all contacts at once, and one that fails does not pass unnoticed).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from chukan.platform.audit.actor import Actor
from chukan.platform.errors import ChukanError
from chukan.platform.mail import store
from chukan.platform.mail.bounces import Fate, read_report
from chukan.platform.mail.composing import Sender, compose, new_message_id
from chukan.platform.mail.errors import MailUnknown, NotRetryable, RecipientNotMarked, ReportOfOthers
from chukan.platform.mail.rules import Answer, MailEvent, MailState, Stage, address, blames_recipient
from chukan.platform.mail.store import NewMail, Standing, Undeliverable
from chukan.platform.mail.templates import Template, Value
from chukan.platform.mail.trail import MailAction
from chukan.platform.messages import DEFAULT_LANGUAGE, language
from chukan.platform.settings import Settings


@dataclass(frozen=True)
class Outbox:
    """Where every feature puts its mails: whose name they carry, and the address that stands before pages."""

    sender: Sender
    site: str

    @classmethod
    def of(cls, settings: Settings) -> Outbox:
        """Return the outbox that the settings name."""
        return cls(Sender(settings.mail.sender_address, settings.mail.sender_name), settings.external_url)

    def enqueue(
        self,
        connection: Connection,
        template: Template,
        to: str,
        values: Mapping[str, Value],
        *,
        now: datetime,
        in_language: str = DEFAULT_LANGUAGE,
    ) -> str:
        """Queue one mail in the transaction of *connection*; return its Message-ID. See ``enqueue_all``."""
        return self.enqueue_all(connection, template, [(to, values)], now=now, in_language=in_language)[0]

    def enqueue_all(
        self,
        connection: Connection,
        template: Template,
        mails: Iterable[tuple[str, Mapping[str, Value]]],
        *,
        now: datetime,
        in_language: str = DEFAULT_LANGUAGE,
    ) -> list[str]:
        """Queue a mail to each recipient in the transaction of *connection*; return their Message-IDs, in order.

        They leave after the commit, and only then. Content, date (*now*) and Message-ID are fixed here for ever.

        Raises:
            AddressInvalid: a recipient is no address; nothing is queued.
            ValueRefused: a value is not what the template declares.
            MailMalformed: a header would have held a line break.
        """
        with language(in_language):
            queued = [self._mail(template, to, values, now) for to, values in mails]
        store.queue(connection, queued)
        return [mail.message_id for mail in queued]

    def _mail(self, template: Template, to: str, values: Mapping[str, Value], now: datetime) -> NewMail:
        recipient, message_id = address(to), new_message_id(self.sender)
        written = template.write(values, site=self.site)
        content = compose(written, sender=self.sender, to=recipient, message_id=message_id, at=now)
        return NewMail(message_id, template.name, recipient, content)


def undeliverable(connection: Connection, addresses: Collection[str]) -> Mapping[str, Undeliverable]:
    """Return which of *addresses* cannot be reached, each under the form in which it was given.

    A mark withholds nothing: an emergency notice that comes back once more does less harm than one that
    was never sent. It is for those who keep the contacts.
    """
    forms = {address(given): given for given in addresses}
    return {forms[mark.recipient]: mark for mark in store.undeliverable(connection, forms.keys())}


def retry(actor: Actor, mails: Sequence[UUID] = (), *, state: MailState | None = None) -> list[UUID]:
    """Queue *mails*, or all in *state*, anew with all their attempts; return them. All or none.

    Raises:
        MailUnknown: there is no such mail.
        NotRetryable: one is neither a dead letter nor bounced.
    """
    with actor.act(MailAction.RETRY, "mail:outbox") as unit:
        retried = []
        for mail in (*mails, *(store.ids_in(unit.connection, state) if state else ())):
            if store.change_state(unit.connection, mail, MailEvent.RETRIED):
                retried.append(mail)
            elif mail in mails and mail not in retried:
                raise _why_not(unit.connection, mail)
        unit.note(count=len(retried), mails=[str(mail) for mail in retried[:100]])
    return retried


def _why_not(connection: Connection, mail: UUID) -> ChukanError:
    return NotRetryable(mail=mail) if store.standing(connection, mail=mail) else MailUnknown(mail=mail)


@dataclass(frozen=True)
class Reported:
    """What a delivery report did: of which mail it was, what it said, and whether the recipient is marked now."""

    mail: Standing
    fate: Fate
    marked: bool


def take_report(actor: Actor, raw: bytes) -> Reported:
    """Read a delivery report that came back and do what follows from it; the same one again changes nothing.

    Only the recipient that we wrote to is ever marked: whom the report names is the word of whoever sent it.

    Raises:
        ReportUnreadable: it is no delivery report.
        ReportOfOthers: it is about a mail that we did not send.
    """
    report = read_report(raw)
    with actor.act(MailAction.REPORT, f"mail:{report.message_id.strip('<>')}", fate=report.fate.value) as unit:
        connection = unit.connection
        found = store.standing(connection, message_id=report.message_id)
        if not found:
            raise ReportOfOthers
        mail, said = found[0], Answer(0, Stage.RECIPIENT, report.status, report.words)
        marked = False
        if report.fate is Fate.FAILED:
            store.change_state(connection, mail.id, MailEvent.BOUNCED, said)
            marked = blames_recipient(report.status, Stage.RECIPIENT)
            if marked:
                store.mark_undeliverable(connection, mail.recipient, mail.id, report.status)
        elif report.fate is Fate.DELAYED:
            store.note(connection, mail.id, MailEvent.DELAYED, mail.state, said)
        unit.note(mail=str(mail.id), marked=marked)
        return Reported(store.standing(connection, mail=mail.id)[0], report.fate, marked)


def lift_mark(actor: Actor, given: str) -> None:
    """Take the mark "undeliverable" from a recipient.

    Raises:
        AddressInvalid: it is no address.
        RecipientNotMarked: it carries no mark.
    """
    recipient = address(given)
    with actor.act(MailAction.LIFT_MARK, "mail:recipients") as unit:
        if not store.lift_mark(unit.connection, recipient):
            raise RecipientNotMarked
