"""``chukan organisations``: find, show, import, and enter what is known of organisations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import click

from chukan.platform.clock import SystemClock
from chukan.platform.command_line import TranslatedCommand, TranslatedGroup, json_option, print_json, print_table
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.tenants.registry.delegations.cli import delegation
from chukan.tenants.registry.desk import at_desk, changes, reads
from chukan.tenants.registry.errors import BadRow
from chukan.tenants.registry.options import DAY, FILE, today, word
from chukan.tenants.registry.organisations_file import SHIPPED, shipped
from chukan.tenants.registry.people.cli import appoint, contact, handover
from chukan.tenants.registry.populations import import_population
from chukan.tenants.registry.printing import print_profile
from chukan.tenants.registry.profile import profile
from chukan.tenants.registry.rules import require_prefecture
from chukan.tenants.registry.service import Changes, Registry
from chukan.tenants.registry.shapes import organisation_shape, profile_shape, row_shape
from chukan.tenants.registry.store import Filter, Registered
from chukan.tenants.registry.structure_cli import add_union, adopt, members, merge, split
from chukan.tenants.registry.values import (
    AddressClass,
    AddressSystem,
    Hosting,
    Kind,
    ReleaseGroup,
    State,
    kind_label,
    state_label,
)

_GROUPS = [str(int(group)) for group in ReleaseGroup]


@click.group(cls=TranslatedGroup)
def organisations() -> None:
    """Prefectures, municipalities and unions: who they are, and who speaks for them."""


for _command in (merge, split, add_union, members, adopt, contact, appoint, handover, delegation):
    organisations.add_command(_command)


@organisations.command("list", cls=TranslatedCommand)
@click.argument("words", nargs=-1, metavar="[WORD]…", help="Parts of name, reading, prefecture or code.")
@click.option("--kind", "kinds", type=word(Kind), multiple=True, help="Only organisations of this kind.")
@click.option("--state", "states", type=word(State), multiple=True, help="Only organisations in this state.")
@click.option("--prefecture", help="Only those of the prefecture with this number, 01 to 47.")
@click.option("--group", type=click.Choice(_GROUPS), help="Only those of this release group.")
@click.option("--at", "day", type=DAY, default="today", show_default=True, help="The day whose population is shown.")
@json_option
@reads
@pass_settings
def list_(
    settings: Settings,
    *,
    words: tuple[str, ...],
    kinds: tuple[str, ...],
    states: tuple[str, ...],
    prefecture: str | None,
    group: str | None,
    day: date,
    as_json: bool,
) -> None:
    """Find organisations; all words must be found, in any form of kana, width or letter."""
    wanted = Filter(
        words=" ".join(words),
        kinds=[Kind(kind) for kind in kinds],
        states=[State(state) for state in states],
        prefecture=require_prefecture(prefecture) if prefecture else None,
        group=ReleaseGroup(int(group)) if group else None,
    )
    with at_desk(settings) as actor:
        found = Registry(actor).find(wanted, day)
    if as_json:
        print_json([organisation_shape(each, day) for each in found])
    else:
        _print_list(found)


@organisations.command(cls=TranslatedCommand)
@click.argument("organisation", help="Its code, or the id of a union that has none.")
@click.option("--at", "day", type=DAY, default="today", show_default=True, help="The day that is looked at.")
@json_option
@reads
@pass_settings
def show(settings: Settings, *, organisation: str, day: date, as_json: bool) -> None:
    """Show everything that is registered on an organisation."""
    with at_desk(settings) as actor, actor.engine.connect() as connection:
        found = profile(connection, organisation, day)
    if as_json:
        print_json(profile_shape(found))
    else:
        print_profile(found)


@organisations.command("import", cls=TranslatedCommand)
@click.argument("file", type=FILE, required=False, help="A CSV file; without it, the one that is shipped.")
@json_option
@changes
@pass_settings
def import_(settings: Settings, *, file: Path | None, as_json: bool) -> None:
    """Register organisations from a file; a rerun changes nothing."""
    content, name = (file.read_bytes(), file.name) if file else (shipped(), SHIPPED)
    with at_desk(settings) as actor:
        done = Registry(actor).import_organisations(content, name, now=SystemClock().now())
    if as_json:
        print_json({"created": done.created, "changed": list(done.changed), "unchanged": done.unchanged})
        return
    told = {"created": done.created, "changed": len(done.changed), "unchanged": done.unchanged}
    click.echo(text("{created} organisations registered, {changed} changed, {unchanged} as they were.", **told))


@organisations.command(cls=TranslatedCommand)
@click.argument("file", type=FILE, help="A CSV file with the columns code and population (団体コード, 人口).")
@click.option("--as-of", type=DAY, required=True, help="The day on which people were counted.")
@click.option("--source", required=True, help="Where the numbers are from.")
@click.option("--partial", is_flag=True, help="Import what can be taken, although other lines cannot.")
@json_option
@changes
@pass_settings
def population(settings: Settings, *, file: Path, as_of: date, source: str, partial: bool, as_json: bool) -> None:
    """Import the populations of one day; one bad line stops all of them."""
    if not source.strip():
        raise click.BadParameter(text("it is empty"), param_hint="--source")
    with at_desk(settings) as actor:
        done = import_population(
            actor,
            file.read_bytes(),
            file.name,
            as_of=as_of,
            source=source.strip(),
            partial=partial,
            now=SystemClock().now(),
        )
    if as_json:
        rows = {name: [row_shape(row) for row in found] for name, found in _rows(done.bad, done.warnings)}
        print_json({"recorded": done.recorded, "unchanged": done.unchanged, **rows})
        return
    told = {"recorded": done.recorded, "unchanged": done.unchanged}
    click.echo(text("{recorded} populations recorded, {unchanged} as they were.", **told))
    _print_rows(mark("Lines that were left out"), done.bad)
    _print_rows(mark("Lines to look at"), done.warnings)


@organisations.command("set", cls=TranslatedCommand)
@click.argument("codes", nargs=-1, required=True, metavar="CODE…", help="Codes, or ids of unions.")
@click.option("--group", type=click.Choice(_GROUPS), help="The release group.")
@click.option("--hosting", type=word(Hosting), help="Where the middle server stands.")
@click.option("--address-class", type=word(AddressClass), help="How far systems shared an address number.")
@click.option("--address-system", type=word(AddressSystem), help="How the integrated address number is kept.")
@click.option("--migrates-on", type=DAY, help="The first day on the next system.")
@json_option
@changes
@pass_settings
def set_(
    settings: Settings,
    *,
    codes: tuple[str, ...],
    group: str | None,
    hosting: str | None,
    address_class: str | None,
    address_system: str | None,
    migrates_on: date | None,
    as_json: bool,
) -> None:
    """Enter what is known of organisations: for all of them, or for none."""
    if (address_class is None) != (address_system is None):
        raise click.UsageError(text("--address-class and --address-system belong together."))
    changes = Changes(
        group=ReleaseGroup(int(group)) if group else None,
        hosting=Hosting(hosting) if hosting else None,
        address=(AddressClass(address_class), AddressSystem(address_system))
        if address_class and address_system
        else None,
        migrates_on=migrates_on,
    )
    if not changes.values():
        raise click.UsageError(text("Say what is to be entered."))
    with at_desk(settings) as actor:
        changed = Registry(actor).change(codes, changes, now=SystemClock().now())
    if as_json:
        print_json([organisation_shape(each, today()) for each in changed])
    else:
        click.echo(text("{count} organisations changed.", count=len(changed)))


def _print_list(found: Sequence[Registered]) -> None:
    columns = [
        mark("Code of the organisation"),
        mark("Name"),
        mark("Reading"),
        mark("Prefecture"),
        mark("Kind"),
        mark("Stage"),
    ]
    rows = (
        (
            each.reference,
            each.name,
            each.kana,
            each.prefecture_name,
            kind_label(each.kind),
            state_label(each.state),
            str(int(each.group)) if each.group else "–",
            f"{each.population:,}" if each.population is not None else "–",
        )
        for each in found
    )
    further = [mark("Kind"), mark("Stage"), mark("Group"), mark("Population")]
    print_table(mark("Organisations"), [*columns, *further], rows)
    click.echo(text("{count} organisations.", count=len(found)))


def _rows(bad: Sequence[BadRow], warnings: Sequence[BadRow]) -> tuple[tuple[str, Sequence[BadRow]], ...]:
    return ("bad", bad), ("warnings", warnings)


def _print_rows(title: str, rows: Sequence[BadRow]) -> None:
    if rows:
        cells = ((str(row.line), row.found, row.reason) for row in rows)
        print_table(title, [mark("Line"), mark("Code of the organisation"), mark("Why")], cells)
