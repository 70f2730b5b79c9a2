"""Commands on delegations: declare, end, list, check, and ask who answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TypeVar
from uuid import UUID

import click

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import SystemClock
from chukan.platform.command_line import TranslatedCommand, TranslatedGroup, json_option, print_json, print_table
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.tenants.registry.delegations.rules import End, Extent, Party
from chukan.tenants.registry.delegations.service import Delegations, Named
from chukan.tenants.registry.delegations.words import end_label, extent_label, finding_label
from chukan.tenants.registry.desk import at_desk, changes, reads
from chukan.tenants.registry.options import DAY, today, word
from chukan.tenants.registry.rules import Span
from chukan.tenants.registry.shapes import declaration_shape, disagreement_shape, party_shape
from chukan.tenants.registry.store import get
from chukan.tenants.registry.values import Department, department_label

F = TypeVar("F", bound=Callable[..., object])


def _department_option(name: str, about: str) -> Callable[[F], F]:
    """Give a command an option that names one of an organisation's departments."""
    default = Department.EXECUTIVE.value
    return click.option(name, type=word(Department), default=default, show_default=True, help=about)


@click.group(cls=TranslatedGroup)
def delegation() -> None:
    """Which affairs an organisation or its board of education has another one do."""


@delegation.command(cls=TranslatedCommand)
@click.argument("delegator", help="The code or id of the organisation that delegates.")
@click.argument("delegate", help="The code or id of the organisation that accepts; it may be the same one.")
@_department_option("--delegator-department", "Which of its departments delegates.")
@_department_option("--delegate-department", "Which of its departments accepts.")
@click.option("--by", type=word(End), required=True, help="Whose word this is; each end has its own.")
@click.option("--affair", "affairs", multiple=True, help="The code of an affair; without any, all affairs.")
@click.option("--since", type=DAY, required=True, help="The first day.")
@click.option("--until", type=DAY, help="The first day on which it holds no longer.")
@json_option
@changes
@pass_settings
def declare(
    settings: Settings,
    *,
    delegator: str,
    delegate: str,
    delegator_department: str,
    delegate_department: str,
    by: str,
    affairs: tuple[str, ...],
    since: date,
    until: date | None,
    as_json: bool,
) -> None:
    """Register what one end says of a delegation."""
    with at_desk(settings) as actor:
        made = Delegations(actor).declare(
            (delegator, Department(delegator_department)),
            (delegate, Department(delegate_department)),
            by=End(by),
            extent=Extent.PARTIAL if affairs else Extent.FULL,
            affairs=affairs,
            span=Span(since, until),
            now=SystemClock().now(),
        )
    if as_json:
        print_json(declaration_shape(made))
    else:
        click.echo(text("The declaration is registered; its id is {id}.", id=made.id))


@delegation.command(cls=TranslatedCommand)
@click.argument("declaration", type=click.UUID, help="The id of the declaration.")
@click.option("--until", type=DAY, required=True, help="The first day on which it holds no longer.")
@json_option
@changes
@pass_settings
def end(settings: Settings, *, declaration: UUID, until: date, as_json: bool) -> None:
    """Let a declaration end."""
    with at_desk(settings) as actor:
        Delegations(actor).end(declaration, until=until)
    if as_json:
        print_json({"id": str(declaration), "until": until.isoformat()})
    else:
        click.echo(text("The declaration ends: {day}.", day=until))


@delegation.command("list", cls=TranslatedCommand)
@click.option("--organisation", help="Only those of the organisation with this code or id.")
@json_option
@reads
@pass_settings
def list_(settings: Settings, *, organisation: str | None, as_json: bool) -> None:
    """List what is declared."""
    with at_desk(settings) as actor:
        with actor.engine.connect() as connection:
            whose = get(connection, organisation, today()).id if organisation else None
        found = Delegations(actor).declarations(whose)
        labels = _labels(actor, [party for each in found for party in (each.pair.delegator, each.pair.delegate)])
    if as_json:
        print_json([declaration_shape(each) for each in found])
        return
    rows = (
        (
            str(each.id),
            labels[each.pair.delegator],
            labels[each.pair.delegate],
            end_label(each.by),
            extent_label(each.extent),
            ", ".join(sorted(each.affairs)) or "–",
            str(each.span.since),
            str(each.span.until or "–"),
        )
        for each in found
    )
    columns = [mark("Id"), mark("Delegates"), mark("Accepts"), mark("Says"), mark("Extent"), mark("Affairs")]
    print_table(mark("Delegations"), [*columns, mark("From"), mark("Until")], rows)


@delegation.command(cls=TranslatedCommand)
@click.option("--at", "day", type=DAY, default="today", show_default=True, help="The day that is looked at.")
@json_option
@reads
@pass_settings
def check(settings: Settings, *, day: date, as_json: bool) -> None:
    """Compare what both ends of all delegations say."""
    with at_desk(settings) as actor:
        found = Delegations(actor).disagreements(day)
        labels = _labels(actor, [party for each in found for party in (each.pair.delegator, each.pair.delegate)])
    if as_json:
        print_json([disagreement_shape(each) for each in found])
        return
    rows = (
        (
            labels[each.pair.delegator],
            labels[each.pair.delegate],
            finding_label(each.finding),
            ", ".join(each.affairs) or "–",
        )
        for each in found
    )
    columns = [mark("Delegates"), mark("Accepts"), mark("Finding"), mark("Affairs")]
    print_table(mark("Delegations whose ends do not agree"), columns, rows)


@delegation.command(cls=TranslatedCommand)
@click.argument("organisation", help="The code or id of the organisation that delegates.")
@click.argument("affair", help="The code of the affair.")
@_department_option("--department", "Which of its departments delegates.")
@click.option("--at", "day", type=DAY, default="today", show_default=True, help="The day that is looked at.")
@json_option
@reads
@pass_settings
def who(settings: Settings, *, organisation: str, affair: str, department: str, day: date, as_json: bool) -> None:
    """Tell who does an affair of an organisation."""
    whose: Named = (organisation, Department(department))
    with at_desk(settings) as actor:
        found = Delegations(actor).answering(whose, affair, day)
        labels = _labels(actor, [found])
    if as_json:
        print_json(party_shape(found))
    else:
        click.echo(labels[found])


def _labels(actor: Actor, parties: Sequence[Party]) -> Mapping[Party, str]:
    with actor.engine.connect() as connection:
        names = {each.organisation: get(connection, str(each.organisation), today()).label for each in parties}
    return {each: f"{names[each.organisation]} {department_label(each.department)}" for each in parties}
