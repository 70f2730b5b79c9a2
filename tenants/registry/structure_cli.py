"""Commands on how organisations belong together: mergers, divisions, unions, adopted interfaces."""

from __future__ import annotations

from datetime import date

import click

from chukan.platform.clock import SystemClock
from chukan.platform.command_line import TranslatedCommand, json_option, print_json
from chukan.platform.messages import text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.tenants.registry import adoptions, successions, unions
from chukan.tenants.registry.desk import at_desk, changes
from chukan.tenants.registry.options import DAY, today, word
from chukan.tenants.registry.rules import require_prefecture
from chukan.tenants.registry.shapes import followed_shape, organisation_shape
from chukan.tenants.registry.store import get
from chukan.tenants.registry.successions import Followed
from chukan.tenants.registry.unions import UnionApplication
from chukan.tenants.registry.values import Kind

_UNIONS = [kind for kind in Kind if kind.is_union]


@click.command(cls=TranslatedCommand)
@click.argument("predecessors", nargs=-1, required=True, metavar="CODE…", help="The municipalities that end.")
@click.option("--into", required=True, help="The code of the municipality that follows them.")
@click.option("--on", type=DAY, required=True, help="The first day of the new order.")
@json_option
@changes
@pass_settings
def merge(settings: Settings, *, predecessors: tuple[str, ...], into: str, on: date, as_json: bool) -> None:
    """Let a municipality follow others; their history stays."""
    with at_desk(settings) as actor:
        done = successions.merge(actor, predecessors, into, on=on, now=SystemClock().now())
    _tell(done, as_json=as_json)


@click.command(cls=TranslatedCommand)
@click.argument("predecessor", metavar="CODE", help="The municipality that is divided.")
@click.option("--into", multiple=True, required=True, help="The code of a municipality that follows it.")
@click.option("--on", type=DAY, required=True, help="The first day of the new order.")
@click.option("--stays", is_flag=True, help="It goes on beside those that left it.")
@json_option
@changes
@pass_settings
def split(settings: Settings, *, predecessor: str, into: tuple[str, ...], on: date, stays: bool, as_json: bool) -> None:
    """Let several municipalities follow one; its history stays."""
    with at_desk(settings) as actor:
        done = successions.divide(actor, predecessor, into, on=on, stays=stays, now=SystemClock().now())
    _tell(done, as_json=as_json)


@click.command("add-union", cls=TranslatedCommand)
@click.argument("name", help="Its name as it writes it.")
@click.option("--kana", required=True, help="Its reading.")
@click.option("--kind", type=word(_UNIONS), required=True, help="Which kind of union it is.")
@click.option("--prefecture", required=True, help="The number of the prefecture of its seat, 01 to 47.")
@click.option("--member", "members_", multiple=True, required=True, help="The code of a member; two or more.")
@click.option("--since", type=DAY, default="today", show_default=True, help="The day from which they are members.")
@click.option("--code", help="Its own code, if it has one.")
@click.option("--invented", is_flag=True, help="It does not exist; for demonstrations.")
@json_option
@changes
@pass_settings
def add_union(
    settings: Settings,
    *,
    name: str,
    kana: str,
    kind: str,
    prefecture: str,
    members_: tuple[str, ...],
    since: date,
    code: str | None,
    invented: bool,
    as_json: bool,
) -> None:
    """Register a union with its members."""
    application = UnionApplication(
        name=name,
        kana=kana,
        kind=Kind(kind),
        prefecture=require_prefecture(prefecture),
        members=members_,
        since=since,
        code=code,
        invented=invented,
    )
    with at_desk(settings) as actor:
        made = unions.add_union(actor, application, now=SystemClock().now())
    if as_json:
        print_json(organisation_shape(made, today()))
    else:
        click.echo(text("{organisation} is registered; its id is {id}.", organisation=made.label, id=made.id))


@click.command(cls=TranslatedCommand)
@click.argument("union", help="Its code, or the id of a union that has none.")
@click.option("--join", multiple=True, help="The code of an organisation that joins.")
@click.option("--leave", multiple=True, help="The code of a member that leaves.")
@click.option("--on", type=DAY, required=True, help="The first day of the new order.")
@json_option
@changes
@pass_settings
def members(
    settings: Settings, *, union: str, join: tuple[str, ...], leave: tuple[str, ...], on: date, as_json: bool
) -> None:
    """Let members join or leave a union."""
    if not join and not leave:
        raise click.UsageError(text("Say who joins or leaves."))
    with at_desk(settings) as actor:
        changed = unions.change_members(actor, union, join=join, leave=leave, on=on, now=SystemClock().now())
    if as_json:
        print_json(organisation_shape(changed, today()))
    else:
        told = {"organisation": changed.label, "day": on}
        click.echo(text("The members of {organisation} change on {day}.", **told))


@click.command(cls=TranslatedCommand)
@click.argument("organisation", help="Its code, or the id of a union that has none.")
@click.argument("interface", help="The id of an optional interface, like IF_SKI_10734_R01.")
@click.option("--on", type=DAY, default="today", show_default=True, help="The first day of the new order.")
@click.option("--no-longer", is_flag=True, help="It uses the interface no longer.")
@json_option
@changes
@pass_settings
def adopt(settings: Settings, *, organisation: str, interface: str, on: date, no_longer: bool, as_json: bool) -> None:
    """Note that an organisation uses an optional interface, or does so no longer."""
    note = adoptions.drop if no_longer else adoptions.adopt
    with at_desk(settings) as actor:
        note(actor, organisation, interface, on=on, now=SystemClock().now())
        with actor.engine.connect() as connection:
            used = adoptions.adopted(connection, get(connection, organisation, on).id, on)
    if as_json:
        print_json({"organisation": organisation, "day": on.isoformat(), "interfaces": list(used)})
    else:
        click.echo(text("Interfaces in use on {day}: {interfaces}", day=on, interfaces=", ".join(used) or "–"))


def _tell(done: Followed, *, as_json: bool) -> None:
    if as_json:
        print_json(followed_shape(done))
        return
    told = {
        "before": ", ".join(each.label for each in done.predecessors),
        "after": ", ".join(each.label for each in done.successors),
    }
    click.echo(text("{after} follows {before} from {day} on.", day=done.effective_on, **told))
    if done.closed:
        click.echo(text("Closed, or being closed: {organisations}", organisations=", ".join(done.closed)))
    if done.unions:
        click.echo(text("Unions to look at: {unions}", unions=", ".join(done.unions)))
