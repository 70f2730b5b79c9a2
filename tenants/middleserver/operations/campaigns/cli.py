"""``chukan campaigns``: revisions and what has to be registered for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import TextIO
from uuid import UUID

import click

from chukan.platform.audit.actor import at_work
from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.command_line import (
    TranslatedCommand,
    TranslatedGroup,
    json_option,
    needs,
    print_json,
    print_table,
)
from chukan.platform.database.roles import ProcessKind
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.tenants.middleserver.operations.campaigns.escalation import PrefectureBehind, escalation
from chukan.tenants.middleserver.operations.campaigns.rules import Readiness
from chukan.tenants.middleserver.operations.campaigns.service import Campaigns, OrganisationProgress, campaign_of
from chukan.tenants.middleserver.operations.campaigns.words import told_readiness
from chukan.tenants.middleserver.operations.data import escalation_steps
from chukan.tenants.registry.options import DAY


@click.group(cls=TranslatedGroup)
def campaigns() -> None:
    """What has to be registered for a revision, by whom and until when."""


@campaigns.command("create", cls=TranslatedCommand)
@click.argument("file", type=click.File("r", encoding="utf-8"))
@json_option
@needs("campaigns:campaign:change")
@pass_settings
def _create(settings: Settings, *, file: TextIO, as_json: bool) -> None:
    """Make a campaign from a file (TOML)."""
    campaign = campaign_of(file.read())
    with at_work(settings, ProcessKind.CONSOLE) as actor:
        Campaigns(actor).create(campaign)
    if as_json:
        print_json({"revision": campaign.revision})
    else:
        click.echo(text("The campaign {revision} is made.", revision=campaign.revision))


@campaigns.command("list", cls=TranslatedCommand)
@json_option
@needs("campaigns:campaign:read")
@pass_settings
def _list(settings: Settings, *, as_json: bool) -> None:
    """List the campaigns, the latest first."""
    with at_work(settings, ProcessKind.CONSOLE) as actor:
        found = Campaigns(actor).all()
    rows = [
        (each.revision, each.title, str(each.opens_on), str(each.due_on), _numbers(n.information for n in each.numbers))
        for each in found
    ]
    if as_json:
        names = ("revision", "title", "opens_on", "due_on", "numbers")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    columns = (mark("Revision of layouts"), mark("Title of the campaign"), mark("Opens on"), mark("Linkage start"),
               mark("Numbers"))  # fmt: skip
    print_table(mark("Campaigns"), columns, rows)


@campaigns.command("progress", cls=TranslatedCommand)
@click.argument("revision")
@click.option("--overdue", is_flag=True, help="Only who is overdue.")
@json_option
@needs("campaigns:campaign:read")
@pass_settings
def _progress(settings: Settings, *, revision: str, overdue: bool, as_json: bool) -> None:
    """Show how far every organisation is, and which mandatory numbers it lacks."""
    with at_work(settings, ProcessKind.CONSOLE) as actor:
        found = Campaigns(actor).progress(revision, today=_today())
    _tell([each for each in found if not overdue or each.readiness is Readiness.OVERDUE], as_json=as_json)


def _tell(found: Sequence[OrganisationProgress], *, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "organisation": each.organisation,
                    "prefecture": each.prefecture,
                    "readiness": each.readiness.value,
                    "missing": list(each.missing),
                    "registered": sum(standing.records for standing in each.standings),
                }
                for each in found
            ]
        )
        return
    columns = (mark("Prefecture"), mark("Organisation"), mark("Readiness"), mark("Missing"), mark("Records registered"))
    rows = [
        (each.prefecture, f"{each.name} {each.organisation}", told_readiness(each.readiness),
         _numbers(each.missing), str(sum(standing.records for standing in each.standings)))
        for each in found
    ]  # fmt: skip
    print_table(mark("Progress of the campaign"), columns, rows)


@campaigns.command("escalation", cls=TranslatedCommand)
@click.argument("revision")
@click.option("--on", "day", type=DAY, default="today", show_default=True, help="The day that is looked at.")
@json_option
@needs("campaigns:campaign:read")
@pass_settings
def _escalation(settings: Settings, *, revision: str, day: date, as_json: bool) -> None:
    """Show who is behind: prefectures with their counts, their organisations, and what these lack."""
    with at_work(settings, ProcessKind.CONSOLE) as actor:
        campaign, progress = Campaigns(actor).followed(revision, today=day)
    found = escalation(progress, campaign.due_on, day, escalation_steps(day))
    if as_json:
        print_json([_shape(each) for each in found])
        return
    counts = [(f"{each.code} {each.name}", str(len(each.organisations)), str(each.whole)) for each in found]
    print_table(
        mark("Organisations behind, by prefecture"),
        (mark("Prefecture"), mark("Organisations that are behind"), mark("Active organisations")),
        counts,
    )
    rows = [
        (each.name, f"{one.name} {one.organisation}", _numbers(one.missing))
        for each in found
        for one in each.organisations
    ]
    columns = (mark("Prefecture"), mark("Organisation"), mark("Missing"))
    print_table(mark("Organisations behind, one by one"), columns, rows)


def _shape(each: PrefectureBehind) -> dict[str, object]:
    return {
        "prefecture": each.code,
        "name": each.name,
        "behind": len(each.organisations),
        "active": each.whole,
        "organisations": [
            {"organisation": one.organisation, "name": one.name, "missing": list(one.missing)}
            for one in each.organisations
        ],
    }


@campaigns.command("delegate", cls=TranslatedCommand)
@click.argument("revision")
@click.argument("code")
@click.argument("information", type=click.IntRange(1, 32767))
@click.option("--from", "from_day", type=DAY, required=True, help="The first day of the delegation.")
@json_option
@needs("campaigns:campaign:change")
@pass_settings
def _delegate(settings: Settings, *, revision: str, code: str, information: int, from_day: date, as_json: bool) -> None:
    """Let a number count for an organisation that takes it over by delegation."""
    with at_work(settings, ProcessKind.CONSOLE) as actor:
        Campaigns(actor).delegate(revision, code, information, from_day=from_day, today=_today())
    if as_json:
        print_json({"information": information, "from": from_day.isoformat()})
    else:
        click.echo(text("The number #{information} counts from {day} on.", information=information, day=from_day))


@campaigns.command("withdraw", cls=TranslatedCommand)
@click.argument("revision")
@click.argument("code")
@click.argument("information", type=click.IntRange(1, 32767))
@json_option
@needs("campaigns:campaign:change")
@pass_settings
def _withdraw(settings: Settings, *, revision: str, code: str, information: int, as_json: bool) -> None:
    """Take back a delegated number that was entered by mistake."""
    with at_work(settings, ProcessKind.CONSOLE) as actor:
        Campaigns(actor).withdraw(revision, code, information, today=_today())
    if as_json:
        print_json({"withdrawn": information})
    else:
        click.echo(text("The number #{information} does not count any more.", information=information))


@campaigns.command("slots", cls=TranslatedCommand)
@click.argument("revision")
@json_option
@needs("campaigns:campaign:read")
@pass_settings
def _slots(settings: Settings, *, revision: str, as_json: bool) -> None:
    """List the booked nights of a campaign."""
    with at_work(settings, ProcessKind.CONSOLE) as actor:
        found = Campaigns(actor).slots(revision)
    rows = [
        (str(each.id), str(each.night), each.organisation, f"#{each.information}", str(each.records)) for each in found
    ]
    if as_json:
        names = ("slot", "night", "organisation", "information", "records")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    columns = (mark("Slot"), mark("Night"), mark("Organisation"), mark("Information number"), mark("Records booked"))
    print_table(mark("Booked nights"), columns, rows)


@campaigns.command("book", cls=TranslatedCommand)
@click.argument("revision")
@click.argument("information", type=click.IntRange(1, 32767))
@click.argument("code")
@click.option("--night", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The day on which the night begins.")
@click.option("--records", type=click.IntRange(1), required=True, help="How many records will be registered.")
@json_option
@needs("campaigns:slot:book")
@pass_settings
def _book(
    settings: Settings, *, revision: str, information: int, code: str, night: datetime, records: int, as_json: bool
) -> None:
    """Book a share of a night for an organisation's large number."""
    with at_work(settings, ProcessKind.CONSOLE) as actor:
        slot = Campaigns(actor).book(
            revision, information, code, night=night.date(), records=records, today=_today()
        )  # fmt: skip
    if as_json:
        print_json({"slot": str(slot)})
    else:
        click.echo(text("The slot {slot} is booked.", slot=slot))


@campaigns.command("release", cls=TranslatedCommand)
@click.argument("slot", type=click.UUID)
@json_option
@needs("campaigns:slot:book")
@pass_settings
def _release(settings: Settings, *, slot: UUID, as_json: bool) -> None:
    """Give a booked share of a night back."""
    with at_work(settings, ProcessKind.CONSOLE) as actor:
        Campaigns(actor).release(slot)
    if as_json:
        print_json({"released": str(slot)})
    else:
        click.echo(text("The slot {slot} is free again.", slot=slot))


def _numbers(numbers: Iterable[int]) -> str:
    return ", ".join(f"#{number}" for number in numbers)


def _today() -> date:
    return as_tokyo(SystemClock().now()).date()
