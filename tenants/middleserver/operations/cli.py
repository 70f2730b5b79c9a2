"""``chukan night-batch`` and ``chukan excluded-items``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

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
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.tenants.middleserver.duplicate_copies.trail import Caller
from chukan.tenants.middleserver.operations import desk as desks
from chukan.tenants.middleserver.operations import store
from chukan.tenants.middleserver.operations.errors import ExcludedItemsRefused
from chukan.tenants.middleserver.operations.excluded_items import COLUMNS, ExcludedItems, ExcludedList
from chukan.tenants.middleserver.operations.store import Part, Run
from chukan.tenants.middleserver.operations.tenant_settings import SettingName, TenantSettings
from chukan.tenants.middleserver.operations.words import told_part
from chukan.tenants.middleserver.security.organisations import tenant_of
from chukan.tenants.middleserver.transmission.desk import TransmissionDesk, at_desk

_MOST = 2_000


@click.group("night-batch", cls=TranslatedGroup)
def night_batch() -> None:
    """Register the uploaded duplicate copies by night."""


@night_batch.command("run", cls=TranslatedCommand)
@json_option
@needs("operations:batch:run")
@pass_settings
def _run(settings: Settings, *, as_json: bool) -> None:
    """Work on the night that is open now, until it closes or nothing is left."""
    with at_desk(settings) as desk:
        report = desks.night_batch(desk).run()
    if as_json:
        told = None if report is None else {**report.__dict__, "night": report.night.isoformat()}
        print_json({"run": told})
    elif report is None:
        click.echo(text("There is nothing to do: no night is open, nobody waits, or another worker has the night."))
    else:
        click.echo(
            text(
                "Night of {night}: {turns} turns, {failed} failed, {left} organisations left to the next night.",
                night=report.night, turns=report.turns, failed=report.failed, left=report.left,
            )
        )  # fmt: skip


@night_batch.command("status", cls=TranslatedCommand)
@json_option
@needs("operations:batch:read")
@pass_settings
def _status(settings: Settings, *, as_json: bool) -> None:
    """Show the newest night, organisation by organisation, with a mark where something went wrong."""
    with at_desk(settings) as desk, desk.actor.engine.connect() as connection:
        newest = store.runs(connection, limit=1)
        parts = store.parts(connection, newest[0].night, limit=_MOST) if newest else ()
    if as_json:
        print_json({"night": _run_shape(newest[0]) if newest else None, "parts": [_part_shape(part) for part in parts]})
        return
    if not newest:
        click.echo(text("There was no night yet."))
        return
    columns = (mark("Organisation"), mark("Errors"), mark("State"), mark("Files registered"), mark("Files refused"),
               mark("Files left"), mark("Records registered"), mark("Nights carried over"))  # fmt: skip
    rows = [
        (part.organisation, "!" if part.is_marked else "", told_part(part.state),
         *map(str, (part.registered, part.refused, part.remaining, part.records, part.nights_carried)))
        for part in parts
    ]  # fmt: skip
    print_table(mark("The newest night"), columns, rows)


@click.group("excluded-items", cls=TranslatedGroup)
def excluded_items() -> None:
    """The items that an organisation does not provide."""


@excluded_items.command("load", cls=TranslatedCommand)
@click.argument("code")
@click.argument("file", type=click.File("rb"))
@json_option
@needs("operations:excluded_items:load")
@pass_settings
def _load(settings: Settings, *, code: str, file: BinaryIO, as_json: bool) -> None:
    """Put a list (CSV, UTF-8) in force as the whole list of the organisation."""
    try:
        content = file.read().decode()
    except UnicodeDecodeError as error:
        raise ExcludedItemsRefused(line=1, field="UTF-8") from error
    with at_desk(settings) as desk:
        caller = _caller(desk, code)
        told = ExcludedItems(desk.sessions).load(caller, content, now=SystemClock().now())
    _tell(told, as_json=as_json)


@excluded_items.command("list", cls=TranslatedCommand)
@click.argument("code")
@json_option
@needs("operations:excluded_items:read")
@pass_settings
def _list(settings: Settings, *, code: str, as_json: bool) -> None:
    """Show the list of the organisation that is in force."""
    with at_desk(settings) as desk:
        told = ExcludedItems(desk.sessions).current(_caller(desk, code).tenant)
    _tell(told, as_json=as_json)


@click.group("tenant-settings", cls=TranslatedGroup)
def tenant_settings() -> None:
    """What an organisation sets for its own middle server."""


@tenant_settings.command("set", cls=TranslatedCommand)
@click.argument("code")
@click.argument("name", type=click.Choice([name.value for name in SettingName]))
@click.argument("value", type=int)
@click.option("--reason", required=True, help="Why; it stands in the audit trail of the organisation.")
@json_option
@needs("operations:setting:change")
@pass_settings
def _set(settings: Settings, *, code: str, name: str, value: int, reason: str, as_json: bool) -> None:
    """Change a setting of an organisation from now on."""
    with at_desk(settings) as desk:
        caller = _caller(desk, code)
        held, now = TenantSettings(desk.sessions), SystemClock().now()
        held.change(caller, SettingName(name), value, reason=reason, now=now)
    _tell_settings({name: value}, as_json=as_json)


@tenant_settings.command("show", cls=TranslatedCommand)
@click.argument("code")
@json_option
@needs("operations:setting:read")
@pass_settings
def _show(settings: Settings, *, code: str, as_json: bool) -> None:
    """Show the settings of an organisation that hold now."""
    now = SystemClock().now()
    with at_desk(settings) as desk:
        tenant, held = _caller(desk, code).tenant, TenantSettings(desk.sessions)
        found = {name.value: held.value(tenant, name, now) for name in SettingName}
    _tell_settings(found, as_json=as_json)


def _tell_settings(found: Mapping[str, int | None], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    rows = [(name, "-" if value is None else str(value)) for name, value in found.items()]
    print_table(mark("Settings of the organisation"), (mark("Setting"), mark("Value")), rows)


def _caller(desk: TransmissionDesk, code: str) -> Caller:
    with desk.actor.engine.connect() as connection:
        tenant = tenant_of(connection, code, SystemClock().now())
    return Caller(tenant, desk.actor.name, desk.actor.request)


def _tell(told: ExcludedList, *, as_json: bool) -> None:
    rows = [(each.information, each.dataset, each.item, each.from_day.isoformat()) for each in told.items]
    if as_json:
        print_json({"number": told.number, "items": [dict(zip(COLUMNS, row, strict=True)) for row in rows]})
        return
    columns = (mark("Information code"), mark("Dataset"), mark("Item"), mark("First day"))
    print_table(mark("Items that are not provided"), columns, rows)


def _run_shape(run: Run) -> dict[str, object]:
    return {
        "night": run.night.isoformat(),
        "state": run.state,
        "started_at": as_tokyo(run.started_at).isoformat(),
        "closes_at": as_tokyo(run.closes_at).isoformat(),
        "ended_at": as_tokyo(run.ended_at).isoformat() if run.ended_at else None,
    }


def _part_shape(part: Part) -> dict[str, object]:
    return {
        "organisation": part.organisation,
        "state": part.state,
        "error": part.is_marked,
        "failure": part.failure,
        "registered": part.registered,
        "refused": part.refused,
        "remaining": part.remaining,
        "records": part.records,
        "nights_carried": part.nights_carried,
    }
