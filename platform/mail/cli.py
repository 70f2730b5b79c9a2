"""``chukan mail``: what waits, what came back, sending it, and a mail to oneself."""

from __future__ import annotations

import signal
import threading
from dataclasses import asdict
from typing import BinaryIO
from uuid import UUID

import click

from chukan.platform.audit.actor import at_work
from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.command_line import TranslatedGroup, json_option, needs, print_json, print_table
from chukan.platform.database.roles import ProcessKind
from chukan.platform.mail import service, store
from chukan.platform.mail.bounces import LARGEST_REPORT, Fate
from chukan.platform.mail.desk import relay_of
from chukan.platform.mail.relay import Relayed, counted, watch
from chukan.platform.mail.rules import MailState
from chukan.platform.mail.store import Standing
from chukan.platform.mail.templates import TEST
from chukan.platform.mail.trail import MailAction
from chukan.platform.mail.words import told_state
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings


@click.group(cls=TranslatedGroup)
def mail() -> None:
    """Watch outgoing mail, send it, and take in what came back."""


@mail.command(name="list")
@click.option("--state", type=click.Choice([state.value for state in MailState]), help="Only mails in this state.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, help="How many mails at most, newest first.")
@json_option
@needs("mail:message:read")
@pass_settings
def list_mails(settings: Settings, *, state: str | None, limit: int, as_json: bool) -> None:
    """List mails and where they stand, newest first."""
    with at_work(settings, ProcessKind.WORKER) as actor, actor.engine.connect() as connection:
        found = store.standing(connection, state=MailState(state) if state else None, limit=limit)
    if as_json:
        print_json([_told(one) for one in found])
        return
    columns = (mark("Mail"), mark("Queued at"), mark("Kind of mail"), mark("Recipient"), mark("State"), mark("Tried"),
               mark("What the server said"))  # fmt: skip
    print_table(mark("Outgoing mail"), columns, [_row(one) for one in found])


@mail.command()
@click.argument("mails", nargs=-1, type=click.UUID, metavar="MAIL…")
@click.option("--dead", is_flag=True, help="All that were given up.")
@click.option("--bounced", is_flag=True, help="All that bounced.")
@json_option
@needs("mail:message:retry")
@pass_settings
def retry(settings: Settings, mails: tuple[UUID, ...], *, dead: bool, bounced: bool, as_json: bool) -> None:
    """Queue mails anew that were given up or bounced."""
    chosen = [state for state, wanted in ((MailState.DEAD, dead), (MailState.BOUNCED, bounced)) if wanted]
    if not mails and not chosen:
        raise click.MissingParameter(param_hint="MAIL", param_type="argument")
    with at_work(settings, ProcessKind.WORKER) as actor:
        retried = service.retry(actor, mails) if mails else []
        for state in chosen:
            retried += service.retry(actor, state=state)
    if as_json:
        print_json({"retried": retried})
    else:
        click.echo(text("{count} mails are queued again.", count=len(retried)))


@mail.command()
@click.option("--watch", "keep_on", is_flag=True, help="Keep sending until the process is told to end.")
@click.option("--once", is_flag=True, help="Send what is due now and end; the default.")
@json_option
@needs("mail:message:send")
@pass_settings
def relay(settings: Settings, *, keep_on: bool, once: bool, as_json: bool) -> None:
    """Send the mails that are due."""
    if keep_on and once:
        raise click.BadOptionUsage("--once", "")

    def told(relayed: Relayed) -> None:
        # A relay that watches says nothing about the many looks that find nothing.
        if not keep_on or relayed.events or relayed.overtaken:
            _print_relayed(relayed, as_json=as_json)

    with at_work(settings, ProcessKind.WORKER) as actor:
        sender = relay_of(settings, actor)
        if keep_on:
            stop = _told_to_end()
            watch(lambda: sender.run(stopped=stop.is_set), told, stop.wait, settings.mail.relay_every_seconds)
        else:
            told(counted(sender.run))


@mail.command()
@click.argument("report", type=click.File("rb"), metavar="FILE|-")
@json_option
@needs("mail:message:send")
@pass_settings
def bounce(settings: Settings, *, report: BinaryIO, as_json: bool) -> None:
    """Take in a delivery report that came back, from a file or from standard input."""
    raw = report.read(LARGEST_REPORT + 1)
    with at_work(settings, ProcessKind.WORKER) as actor:
        taken = service.take_report(actor, raw)
    if as_json:
        print_json({"mail": _told(taken.mail), "fate": taken.fate.value, "undeliverable": taken.marked})
        return
    click.echo(text(_FATES[taken.fate], mail=taken.mail.id))
    if taken.marked:
        click.echo(text("The recipient is marked as undeliverable."))


_FATES = {
    Fate.FAILED: mark("The mail {mail} bounced."),
    Fate.DELAYED: mark("The mail {mail} is delayed; its server keeps trying."),
    Fate.DELIVERED: mark("The mail {mail} arrived."),
    Fate.RELAYED: mark("The mail {mail} was passed on to a server that reports nothing."),
    Fate.EXPANDED: mark("The mail {mail} arrived and was passed on to several recipients."),
}


@mail.command()
@click.option("--lift", "lifted", metavar="ADDRESS", help="Take the mark from this recipient.")
@json_option
@needs("mail:message:read", lifted="mail:message:retry")
@pass_settings
def recipients(settings: Settings, *, lifted: str | None, as_json: bool) -> None:
    """List the recipients whose mail comes back, or take the mark from one."""
    with at_work(settings, ProcessKind.WORKER) as actor:
        if lifted is not None:
            service.lift_mark(actor, lifted)
        with actor.engine.connect() as connection:
            found = store.undeliverable(connection)
    if as_json:
        print_json([{**asdict(one), "since": as_tokyo(one.since).isoformat()} for one in found])
        return
    rows = [(one.recipient, one.status, f"{as_tokyo(one.since):%Y-%m-%d %H:%M}") for one in found]
    print_table(mark("Recipients whose mail comes back"), (mark("Recipient"), mark("Status"), mark("Since")), rows)


@mail.command()
@click.argument("address")
@json_option
@needs("mail:message:send")
@pass_settings
def test(settings: Settings, *, address: str, as_json: bool) -> None:
    """Send a mail that tests the way to ADDRESS, and say what the server answered."""
    now = SystemClock().now()
    outbox = service.Outbox.of(settings)
    with at_work(settings, ProcessKind.WORKER) as actor:
        with actor.act(MailAction.TEST, "mail:outbox") as unit:
            message_id = outbox.enqueue(unit.connection, TEST, address, {"sent_at": now}, now=now)
            unit.note(mail=message_id)
        counted(relay_of(settings, actor).run)
        with actor.engine.connect() as connection:
            standing = store.standing(connection, message_id=message_id)[0]
    if as_json:
        print_json(_told(standing))
    else:
        said = " ".join(filter(None, (str(standing.code or ""), standing.words)))
        click.echo(text("The test mail is {state}: {said}", state=told_state(standing.state), said=said))


def _told_to_end() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set: the mail in hand is finished first."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _print_relayed(relayed: Relayed, *, as_json: bool) -> None:
    counts = relayed.as_json()
    if as_json:
        print_json(counts)
        return
    click.echo(
        text(
            "{sent} sent, {deferred} put off, {bounced} bounced, {buried} given up, {released} not tried.",
            **{name: counts[name] for name in ("sent", "deferred", "bounced", "buried", "released")},
        )
    )


def _told(one: Standing) -> dict[str, object]:
    instants = {"queued_at": as_tokyo(one.queued_at).isoformat(), "due_at": as_tokyo(one.due_at).isoformat()}
    return {**asdict(one), **instants}


def _row(one: Standing) -> tuple[str, ...]:
    said = " ".join(filter(None, (str(one.code or ""), one.words)))
    queued = f"{as_tokyo(one.queued_at):%Y-%m-%d %H:%M}"
    return str(one.id), queued, one.template, one.recipient, told_state(one.state), str(one.attempts), said
