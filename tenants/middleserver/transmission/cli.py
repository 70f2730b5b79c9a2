"""``chukan transmission``: what waits for the network, sending it again, and stopping the exchange."""

from __future__ import annotations

from uuid import UUID

import click

from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.command_line import TranslatedCommand, TranslatedGroup, json_option, needs, print_json, print_table
from chukan.platform.identifiers import TenantId
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.tenants.middleserver.security.organisations import tenant_of
from chukan.tenants.middleserver.transmission.desk import FeaturesOf, TransmissionDesk, at_desk
from chukan.tenants.middleserver.transmission.outbox_store import Unsettled
from chukan.tenants.middleserver.transmission.rules import told_state
from chukan.tenants.middleserver.transmission.service import Situation
from chukan.tenants.middleserver.transmission.shared_store import Stop


def commands(features: FeaturesOf) -> click.Group:
    """Return the group ``chukan transmission``; *features* are what those above do with messages."""

    @click.group(cls=TranslatedGroup)
    def transmission() -> None:
        """Messages to and from the national network."""

    for command in (_status, _retry, _stop, _resume):
        transmission.add_command(command)
    transmission.add_command(_relay(features))
    return transmission


@click.command("status", cls=TranslatedCommand)
@click.argument("code", required=False)
@json_option
@needs("transmission:exchange:read")
@pass_settings
def _status(settings: Settings, *, code: str | None, as_json: bool) -> None:
    """Show what waits, was given up or refused at one organisation; without one, the stops in force."""
    with at_desk(settings) as desk:
        if code is None:
            _print_stops([*desk.exchange.stops()], as_json=as_json)
            return
        situation = desk.exchange.situation(_tenant(desk, code))
    if as_json:
        print_json(_shape(situation))
        return
    if situation.stop is not None:
        click.echo(text("The exchange is stopped: {reason}", reason=situation.stop.reason))
    columns = (mark("Message"), mark("Kind of message"), mark("Place"), mark("State"), mark("Tried"), mark("Queued at"),
               mark("Reason"))  # fmt: skip
    print_table(mark("Messages to the network"), columns, [_row(one) for one in situation.unsettled])


@click.command("retry", cls=TranslatedCommand)
@click.argument("code")
@click.argument("messages", nargs=-1, required=True, type=click.UUID, metavar="MESSAGE…")
@json_option
@needs("transmission:message:retry")
@pass_settings
def _retry(settings: Settings, *, code: str, messages: tuple[UUID, ...], as_json: bool) -> None:
    """Send messages again that were given up."""
    with at_desk(settings) as desk:
        tenant = _tenant(desk, code)
        for message in messages:
            desk.exchange.retry(tenant, message, now=SystemClock().now())
    if as_json:
        print_json({"retried": [str(message) for message in messages]})
    else:
        click.echo(text("{count} messages are queued again.", count=len(messages)))


@click.command("stop", cls=TranslatedCommand)
@click.argument("code", required=False)
@click.option("--all", "everywhere", is_flag=True, help="All organisations.")
@click.option(
    "--reason",
    required=True,
    help="Why; it stands in the audit trail, and systems that ask are given it.",
)
@json_option
@needs("transmission:exchange:stop")
@pass_settings
def _stop(settings: Settings, *, code: str | None, everywhere: bool, reason: str, as_json: bool) -> None:
    """Stop sending and taking messages, of one organisation or of all; nothing is lost meanwhile."""
    with at_desk(settings) as desk:
        desk.exchange.stop(_chosen(desk, code, everywhere=everywhere), reason=reason)
    _tell("stopped", mark("The exchange is stopped."), as_json=as_json)


@click.command("resume", cls=TranslatedCommand)
@click.argument("code", required=False)
@click.option("--all", "everywhere", is_flag=True, help="All organisations.")
@json_option
@needs("transmission:exchange:stop")
@pass_settings
def _resume(settings: Settings, *, code: str | None, everywhere: bool, as_json: bool) -> None:
    """Let the exchange go on."""
    with at_desk(settings) as desk:
        desk.exchange.resume(_chosen(desk, code, everywhere=everywhere))
    _tell("going on", mark("The exchange goes on."), as_json=as_json)


def _relay(features: FeaturesOf) -> click.Command:
    @click.command("relay", cls=TranslatedCommand)
    @json_option
    @needs("transmission:message:retry")
    @pass_settings
    def relay(settings: Settings, *, as_json: bool) -> None:
        """Send the messages that are due, once; the job network-relay does the same."""
        with at_desk(settings) as desk, desk.relay(features(desk.sessions, desk.vault)) as sender:
            relayed = sender.run()
        if as_json:
            print_json(relayed.as_json())
        else:
            told = ", ".join(f"{name} {count}" for name, count in relayed.as_json().items())
            click.echo(text("Sent what was due: {told}", told=told))

    return relay


def _chosen(desk: TransmissionDesk, code: str | None, *, everywhere: bool) -> TenantId | None:
    """Return the tenant of *code*, or None for all; one of both has to be said."""
    if everywhere == (code is not None):
        raise click.BadOptionUsage("--all", "")
    return _tenant(desk, code) if code is not None else None


def _tenant(desk: TransmissionDesk, code: str) -> TenantId:
    with desk.actor.engine.connect() as connection:
        return tenant_of(connection, code, SystemClock().now())


def _print_stops(stops: list[Stop], *, as_json: bool) -> None:
    if as_json:
        print_json([_stop_shape(stop) for stop in stops])
        return
    columns = (mark("Tenant"), mark("Since"), mark("Stopped by"), mark("Reason"))
    rows = [
        (str(stop.tenant or text("all")), f"{as_tokyo(stop.stopped_at):%Y-%m-%d %H:%M}", stop.stopped_by, stop.reason)
        for stop in stops
    ]
    print_table(mark("Stops of the exchange"), columns, rows)


def _tell(state: str, done: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"exchange": state})
    else:
        click.echo(text(done))


def _shape(situation: Situation) -> dict[str, object]:
    counts = situation.counts
    return {
        "unsent": counts.unsent,
        "oldest_unsent_at": as_tokyo(counts.oldest_unsent_at).isoformat() if counts.oldest_unsent_at else None,
        "dead": counts.dead,
        "refused": counts.refused,
        "held": counts.held,
        "stopped": _stop_shape(situation.stop) if situation.stop else None,
        "messages": [
            {
                "message": str(one.id),
                "type": one.type,
                "conversation": str(one.conv),
                "sequence": one.seq,
                "state": one.state.value,
                "attempts": one.attempts,
                "queued_at": as_tokyo(one.queued_at).isoformat(),
                "reason": one.reason,
            }
            for one in situation.unsettled
        ],
    }


def _stop_shape(stop: Stop) -> dict[str, object]:
    return {
        "tenant": str(stop.tenant) if stop.tenant else None,
        "reason": stop.reason,
        "stopped_by": stop.stopped_by,
        "stopped_at": as_tokyo(stop.stopped_at).isoformat(),
    }


def _row(one: Unsettled) -> tuple[str, ...]:
    queued = f"{as_tokyo(one.queued_at):%Y-%m-%d %H:%M}"
    place = str(one.seq or "-")
    return str(one.id), one.type, place, told_state(one.state), str(one.attempts), queued, one.reason or "-"
