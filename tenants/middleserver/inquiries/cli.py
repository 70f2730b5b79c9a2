"""``chukan inquiries``: how organisations' inquiries stand, and taking them back; no person and no answer is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping

import click

from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.command_line import (
    TranslatedCommand,
    TranslatedGroup,
    json_option,
    needs,
    print_json,
    print_table,
)
from chukan.platform.identifiers import TenantId
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.tenants.middleserver.inquiries.desk import InquiryDesk, at_inquiries
from chukan.tenants.middleserver.inquiries.rules import MOST_REASON, InquiryState, Kind, last_valid_day, told_state
from chukan.tenants.middleserver.inquiries.service import ReceptionStatus, shown_instant
from chukan.tenants.middleserver.inquiries.store import Inquiry
from chukan.tenants.middleserver.security.organisations import tenant_of

_KINDS: Mapping[Kind, str] = {Kind.WINDOW: mark("counter"), Kind.BULK: mark("list of inquiries")}


@click.group(cls=TranslatedGroup)
def inquiries() -> None:
    """What organisations ask of one another through the national network."""


@inquiries.command("list", cls=TranslatedCommand)
@click.argument("code")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="So many requests.")
@json_option
@needs("inquiries:queue:read")
@pass_settings
def list_(settings: Settings, *, code: str, limit: int, as_json: bool) -> None:
    """Show an organisation's newest requests, how many of their inquiries are where, and when they end."""
    with at_inquiries(settings) as desk:
        found = desk.inquiries.recent(_tenant(desk, code), limit=limit)
    if as_json:
        print_json([_status_shape(each) for each in found])
        return
    columns = (mark("Reception number"), mark("Kind"), mark("Number"), mark("Ended"), mark("Registered"),
               mark("Foretold end"))  # fmt: skip
    rows = [
        (
            each.reception.number,
            text(_KINDS[each.reception.kind]),
            str(each.reception.count),
            str(each.ended),
            shown_instant(each.reception.registered_at),
            shown_instant(each.reception.worst),
        )
        for each in found
    ]
    print_table(mark("Inquiries"), columns, rows)


@inquiries.command("show", cls=TranslatedCommand)
@click.argument("code")
@click.argument("number")
@click.option("--limit", type=click.IntRange(1, 3000), default=100, show_default=True, help="So many inquiries.")
@json_option
@needs("inquiries:queue:read")
@pass_settings
def show(settings: Settings, *, code: str, number: str, limit: int, as_json: bool) -> None:
    """Show the request of a reception number, and where each of its inquiries stands."""
    with at_inquiries(settings) as desk:
        tenant = _tenant(desk, code)
        status = desk.inquiries.status(tenant, number)
        found = desk.inquiries.inquiries_of(tenant, number, limit=limit)
    if as_json:
        print_json({**_status_shape(status), "inquiries": [_inquiry_shape(each) for each in found]})
        return
    counts = ", ".join(f"{told_state(state)} {count}" for state, count in status.counts.items())
    click.echo(text("Request {number}: {counts}.", number=number, counts=counts))
    columns = (mark("Processing serial"), mark("State"), mark("Provider"), mark("Information"), mark("Left at"),
               mark("Last valid day"), mark("Reason"))  # fmt: skip
    rows = [
        (
            each.serial,
            told_state(each.state),
            each.provider,
            each.information,
            shown_instant(each.requested_at),
            str(last_valid_day(each.requested_at)) if each.requested_at else "-",
            each.reason or "-",
        )
        for each in found
    ]
    print_table(mark("Inquiries"), columns, rows)


@inquiries.command("cancel", cls=TranslatedCommand)
@click.argument("code")
@click.argument("number")
@click.option("--reason", default="operator", show_default=True, help="A word of the protocol: a-z, 0-9, _.")
@json_option
@needs("inquiries:queue:cancel")
@pass_settings
def cancel(settings: Settings, *, code: str, number: str, reason: str, as_json: bool) -> None:
    """Take back what has not ended of a request (its reception number) or one inquiry (its processing serial)."""
    if not _is_word(reason):
        raise click.BadParameter(text("it is no word of the protocol"), param_hint="--reason")
    with at_inquiries(settings) as desk:
        caller = desk.caller(_tenant(desk, code))
        told = desk.inquiries.cancel(caller, number, now=SystemClock().now(), reason=reason)
    if as_json:
        print_json({"at_once": told.at_once, "asked": told.asked})
    else:
        click.echo(
            text("{at_once} had not left and are taken back; of {asked} the network is asked.",
                 at_once=told.at_once, asked=told.asked)
        )  # fmt: skip


def _tenant(desk: InquiryDesk, code: str) -> TenantId:
    with desk.exchange.actor.engine.connect() as connection:
        return tenant_of(connection, code, SystemClock().now())


def _is_word(reason: str) -> bool:
    return len(reason) <= MOST_REASON and re.fullmatch(r"[a-z][a-z0-9_]*", reason) is not None


def _status_shape(status: ReceptionStatus) -> dict[str, object]:
    found = status.reception
    return {
        "number": found.number,
        "kind": found.kind.value,
        "count": found.count,
        "states": {state.value: status.counts.get(state, 0) for state in InquiryState},
        "registered_at": as_tokyo(found.registered_at).isoformat(),
        "best": as_tokyo(found.best).isoformat() if found.best else None,
        "worst": as_tokyo(found.worst).isoformat() if found.worst else None,
    }


def _inquiry_shape(found: Inquiry) -> dict[str, object]:
    return {
        "serial": found.serial,
        "state": found.state.value,
        "provider": found.provider,
        "information": found.information,
        "requested_at": as_tokyo(found.requested_at).isoformat() if found.requested_at else None,
        "last_valid_day": last_valid_day(found.requested_at).isoformat() if found.requested_at else None,
        "ended_at": as_tokyo(found.ended_at).isoformat() if found.ended_at else None,
        "expected_on": found.expected_on.isoformat() if found.expected_on else None,
        "reason": found.reason,
    }
