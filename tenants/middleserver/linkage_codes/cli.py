"""``chukan linkage-codes``: requesting codes for an organisation's persons, how it stands, and putting links right.

Persons are named by processing serials and by the ids of links; their numbers come from a file, and go to one.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO
from uuid import UUID

import click

from chukan.platform.accounts.desk import opened
from chukan.platform.accounts.four_eyes import FourEyesKind
from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.command_line import (
    TranslatedCommand,
    TranslatedGroup,
    acting,
    json_option,
    needs,
    print_json,
    print_table,
)
from chukan.platform.identifiers import TenantId
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.tenants.middleserver.formats.codes import AddressNumber, address_number
from chukan.tenants.middleserver.formats.errors import CodeMalformed
from chukan.tenants.middleserver.linkage_codes.desk import RELINK, SWAP, CodesDesk, RecipientsOf, at_codes
from chukan.tenants.middleserver.linkage_codes.errors import NumbersUnreadable
from chukan.tenants.middleserver.linkage_codes.rules import told_case, told_event, told_state
from chukan.tenants.middleserver.linkage_codes.service import Held, History, Overview, require_short
from chukan.tenants.middleserver.linkage_codes.store import Request
from chukan.tenants.middleserver.security.certificates.service import Keys
from chukan.tenants.middleserver.security.organisations import tenant_of
from chukan.tenants.middleserver.transmission.service import identity


def commands(kinds: Sequence[FourEyesKind], recipients: RecipientsOf) -> click.Group:
    """Return the group ``chukan linkage-codes``; *kinds* are the acts that take two people.

    *recipients* knows who received something under a code (A1-019).
    """

    @click.group("linkage-codes", cls=TranslatedGroup)
    def linkage_codes() -> None:
        """The codes under which the national network knows an organisation's persons."""

    for command in (_request, _status, _history(recipients), _close_case, _swap(kinds), _relink(kinds)):
        linkage_codes.add_command(command)
    return linkage_codes


@click.command("request", cls=TranslatedCommand)
@click.argument("code")
@click.argument("numbers", type=click.File("r", encoding="utf-8"), metavar="FILE|-")
@click.option("--again", is_flag=True, help="Also for those who have a code: their resident record code was changed.")
@click.option("--serials", type=click.Path(path_type=Path), help="Write serials and numbers there, for the terminal.")
@json_option
@needs("linkage_codes:code:request")
@pass_settings
def _request(
    settings: Settings, *, code: str, numbers: TextIO, again: bool, serials: Path | None, as_json: bool
) -> None:  # fmt: skip
    """Ask the network for the codes of the persons whose integrated address numbers stand in FILE, one a line."""
    now = SystemClock().now()
    addresses = _read(numbers)
    with at_codes(settings) as desk:
        tenant = _tenant(desk, code)
        who = identity(Keys(desk.exchange.sessions, desk.exchange.vault), tenant, now)
        told = desk.acquisition.request(desk.caller(tenant), who.institution, addresses, now=now, again=again)
    if serials is not None:
        _write(serials, told.serials)
    counts = {"requested": len(told.serials), "under_way": len(told.under_way), "acquired": len(told.acquired)}
    if as_json:
        print_json(counts)
    else:
        click.echo(
            text(
                "{requested} codes were requested; {under_way} were under way already, {acquired} persons have one.",
                **counts,
            )
        )


@click.command("status", cls=TranslatedCommand)
@click.argument("code")
@click.option("--serial", help="Only the request with this processing serial.")
@json_option
@needs("linkage_codes:code:read")
@pass_settings
def _status(settings: Settings, *, code: str, serial: str | None, as_json: bool) -> None:
    """Show how many requests stand where, and what somebody has to look at."""
    with at_codes(settings) as desk:
        tenant = _tenant(desk, code)
        if serial is not None:
            _print_request(desk.codes.request(tenant, serial), as_json=as_json)
            return
        overview = desk.codes.overview(tenant)
    if as_json:
        print_json(_overview_shape(overview))
        return
    rows = [(told_state(state), str(count)) for state, count in overview.requests.items()]
    print_table(mark("Requests for linkage codes"), (mark("State"), mark("Number")), rows)
    click.echo(text("{count} persons have a code.", count=overview.linked))
    if overview.cases:
        columns = (mark("Case"), mark("What it is about"), mark("Link"), mark("Since"))
        cases = [
            (str(each.id), told_case(each.kind), str(each.link), f"{as_tokyo(each.opened_at):%Y-%m-%d %H:%M}")
            for each in overview.cases
        ]
        print_table(mark("Cases to look at"), columns, cases)


def _history(recipients: RecipientsOf) -> click.Command:
    @click.command("history", cls=TranslatedCommand)
    @click.argument("code")
    @click.argument("serial")
    @json_option
    @needs("linkage_codes:history:read")
    @pass_settings
    def history(settings: Settings, *, code: str, serial: str, as_json: bool) -> None:
        """Show what happened to the code of the person of a request, and who received something under it."""
        with at_codes(settings, recipients) as desk:
            found = desk.codes.history(desk.caller(_tenant(desk, code)), serial)
        if as_json:
            print_json(_history_shape(found))
        else:
            _print_history(found)

    return history


def _print_history(found: History) -> None:
    columns = (mark("At"), mark("What happened"), mark("Link"), mark("By"), mark("Reason"))
    rows = [
        (
            f"{as_tokyo(each.at):%Y-%m-%d %H:%M}",
            told_event(each.event),
            str(each.link or "-"),
            each.actor,
            each.reason or "-",
        )
        for each in found.events
    ]
    print_table(mark("History of the code"), columns, rows)
    for held in found.links:
        click.echo(_told_recipients(held))


@click.command("close-case", cls=TranslatedCommand)
@click.argument("code")
@click.argument("case", type=click.UUID)
@click.option("--reason", required=True, help="Why nothing has to be done.")
@json_option
@needs("linkage_codes:case:close")
@pass_settings
def _close_case(settings: Settings, *, code: str, case: UUID, reason: str, as_json: bool) -> None:
    """Close a case that needs nothing done."""
    with at_codes(settings) as desk:
        caller = desk.caller(_tenant(desk, code))
        desk.codes.close_case(caller, case, reason=reason, now=SystemClock().now())
    if as_json:
        print_json({"closed": str(case)})
    else:
        click.echo(text("The case is closed."))


def _swap(kinds: Sequence[FourEyesKind]) -> click.Command:
    @click.command("swap", cls=TranslatedCommand)
    @click.argument("code")
    @click.argument("first", type=click.UUID, metavar="LINK")
    @click.argument("second", type=click.UUID, metavar="LINK")
    @click.option("--reason", required=True, help="Why; it stands in the history and in the audit trail.")
    @json_option
    @needs("linkage_codes:link:move")
    @pass_settings
    def swap(settings: Settings, *, code: str, first: UUID, second: UUID, reason: str, as_json: bool) -> None:
        """Ask for the codes of two persons to be swapped; a second operator approves it."""
        payload = {"first": str(first), "second": str(second), "reason": reason}
        _ask(settings, kinds, SWAP, code, payload, as_json=as_json)

    return swap


def _relink(kinds: Sequence[FourEyesKind]) -> click.Command:
    @click.command("relink", cls=TranslatedCommand)
    @click.argument("code")
    @click.argument("case", type=click.UUID)
    @click.option("--reason", required=True, help="Why; it stands in the history and in the audit trail.")
    @json_option
    @needs("linkage_codes:link:move")
    @pass_settings
    def relink(settings: Settings, *, code: str, case: UUID, reason: str, as_json: bool) -> None:
        """Ask for the code of a case to be moved to the person whose request brought it; a second operator approves."""
        _ask(settings, kinds, RELINK, code, {"case": str(case), "reason": reason}, as_json=as_json)

    return relink


def _ask(
    settings: Settings,
    kinds: Sequence[FourEyesKind],
    kind: str,
    code: str,
    payload: Mapping[str, str],
    *,
    as_json: bool,
) -> None:
    now = SystemClock().now()
    require_short(payload["reason"])
    with opened(settings, kinds) as desk:
        acting(desk.engine)
        actor = desk.actor()
        desk.four_eyes.require_person(actor, kind, request=desk.request)
        with desk.engine.connect() as connection:
            tenant = tenant_of(connection, code, now)
        whole = {"organisation": code, "tenant": str(tenant), **payload}
        waiting = desk.four_eyes.ask(actor, kind, whole, now=now, request=desk.request)
    if as_json:
        print_json({"organisation": code, "request": waiting})
    else:
        click.echo(text("A second person is needed: chukan approve {request}", request=waiting))


def _tenant(desk: CodesDesk, code: str) -> TenantId:
    with desk.exchange.actor.engine.connect() as connection:
        return tenant_of(connection, code, SystemClock().now())


def _read(numbers: TextIO) -> list[AddressNumber]:
    found = []
    for line, written in enumerate(numbers, start=1):
        try:
            found.append(address_number(written.strip()))
        except CodeMalformed as error:
            raise NumbersUnreadable(line=line) from error
    return found


def _write(path: Path, serials: Mapping[AddressNumber, str]) -> None:
    """Write serials and address numbers (CSV) into a new file that its owner alone can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("ProcessingSerial", "IntegratedAddressNumber"))
        writer.writerows((serial, address) for address, serial in serials.items())


def _print_request(found: Request, *, as_json: bool) -> None:
    if as_json:
        print_json(_request_shape(found))
        return
    told = told_state(found.state)
    click.echo(
        text("The request {serial} is: {state}; due on {day}.", serial=found.serial, state=told, day=found.due_on)
    )


def _told_recipients(held: Held) -> str:
    if held.recipients is None:
        return text("Link {link}: who received something under it is not recorded yet.", link=held.link)
    names = ", ".join(sorted({each.institution for each in held.recipients}))
    if not names:
        return text("Link {link}: nobody received anything under it.", link=held.link)
    return text("Link {link}: received by {names}.", link=held.link, names=names)


def _request_shape(found: Request) -> dict[str, object]:
    return {
        "serial": found.serial,
        "state": found.state.value,
        "requested_at": as_tokyo(found.requested_at).isoformat(),
        "due_on": found.due_on.isoformat(),
        "reason": found.reason,
    }


def _overview_shape(overview: Overview) -> dict[str, object]:
    return {
        "requests": {state.value: count for state, count in overview.requests.items()},
        "linked": overview.linked,
        "cases": [
            {
                "case": str(each.id),
                "kind": each.kind.value,
                "link": str(each.link),
                "since": as_tokyo(each.opened_at).isoformat(),
            }
            for each in overview.cases
        ],
    }


def _history_shape(found: History) -> dict[str, object]:
    return {
        **_request_shape(found.request),
        "events": [
            {
                "at": as_tokyo(each.at).isoformat(),
                "event": each.event.value,
                "link": str(each.link) if each.link else None,
                "actor": each.actor,
                "reason": each.reason,
            }
            for each in found.events
        ],
        "links": [
            {
                "link": str(each.link),
                "linked_at": as_tokyo(each.linked_at).isoformat(),
                "ended_at": as_tokyo(each.ended_at).isoformat() if each.ended_at else None,
                "recipients": None
                if each.recipients is None
                else [
                    {"institution": one.institution, "information": one.information, "at": as_tokyo(one.at).isoformat()}
                    for one in each.recipients
                ],
            }
            for each in found.links
        ],
    }
