"""``chukan provisions``: how organisations' provisions stand, and restrictions after an incident; no person is shown.

A restriction is set at once, because it protects; it is lifted by the one who knows that the data are right again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

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
from chukan.tenants.middleserver.formats.codes import dataset_number, information_code
from chukan.tenants.middleserver.provisions.bars import BarInForce, Scope
from chukan.tenants.middleserver.provisions.desk import ProvisionDesk, at_provisions
from chukan.tenants.middleserver.provisions.ports import ExcludedItems
from chukan.tenants.middleserver.provisions.rules import BarKind, State, told_state
from chukan.tenants.middleserver.provisions.service import Given
from chukan.tenants.middleserver.security.organisations import tenant_of

_DAY = click.DateTime(["%Y-%m-%d"])


def commands(excluded: ExcludedItems) -> click.Group:
    """Return the group ``chukan provisions``."""

    @click.group(cls=TranslatedGroup)
    def provisions() -> None:
        """What organisations provide to one another through the national network."""

    for command in (_status(excluded), _restrict(excluded), _lift(excluded), _recipients(excluded)):
        provisions.add_command(command)
    return provisions


def _status(excluded: ExcludedItems) -> click.Command:
    @click.command(cls=TranslatedCommand)
    @click.argument("code")
    @json_option
    @needs("provisions:queue:read")
    @pass_settings
    def status(settings: Settings, *, code: str, as_json: bool) -> None:
        """Show how many provisions are where, and which restrictions are in force."""
        with at_provisions(settings, excluded) as desk:
            tenant = _tenant(desk, code)
            counts = desk.provisions.counts(tenant)
            restrictions = desk.provisions.bars.in_force(tenant, BarKind.RESTRICTION)
        if as_json:
            print_json(
                {
                    "provisions": {state.value: counts.get(state, 0) for state in State},
                    "restrictions": [_shape(each) for each in restrictions],
                }
            )
            return
        rows = [(told_state(state), str(counts.get(state, 0))) for state in State]
        print_table(mark("Provisions"), (mark("State"), mark("Number")), rows)
        if restrictions:
            columns = (mark("Restriction"), mark("Information code"), mark("Dataset"), mark("Since"), mark("Reason"))
            print_table(mark("Restrictions in force"), columns, [_row(each) for each in restrictions])

    return status


def _restrict(excluded: ExcludedItems) -> click.Command:
    @click.command(cls=TranslatedCommand)
    @click.argument("code")
    @click.option("--information", multiple=True, help="Only this information code; may be given several times.")
    @click.option("--dataset", multiple=True, help="Only this dataset of it: CODE/0101; may be given several times.")
    @click.option("--reason", required=True, help="Why; the organisation's staff see it.")
    @json_option
    @needs("provisions:restriction:set")
    @pass_settings
    def restrict(
        settings: Settings, *, code: str, information: Sequence[str], dataset: Sequence[str], reason: str, as_json: bool
    ) -> None:
        """Suspend automatic replies of an organisation in one act, after an incident; staff decide meanwhile."""
        scopes = [Scope(information_code(each)) for each in information]
        for each in dataset:
            number, _, part = each.partition("/")
            scopes.append(Scope(information_code(number), dataset_number(part)))
        with at_provisions(settings, excluded) as desk:
            caller = desk.caller(_tenant(desk, code))
            act = desk.provisions.bars.restrict(caller, scopes or [Scope()], reason, now=SystemClock().now())
        if as_json:
            print_json({"restriction": str(act)})
        else:
            click.echo(text("Automatic replies are suspended: restriction {act}.", act=act))

    return restrict


def _lift(excluded: ExcludedItems) -> click.Command:
    @click.command(cls=TranslatedCommand)
    @click.argument("code")
    @click.argument("restriction", type=click.UUID)
    @json_option
    @needs("provisions:restriction:lift")
    @pass_settings
    def lift(settings: Settings, *, code: str, restriction: UUID, as_json: bool) -> None:
        """Lift a restriction; what it held back is answered by itself, if nothing else stands against it."""
        with at_provisions(settings, excluded) as desk:
            caller = desk.caller(_tenant(desk, code))
            desk.provisions.bars.lift_restriction(caller, restriction, now=SystemClock().now())
        if as_json:
            print_json({"lifted": str(restriction)})
        else:
            click.echo(text("The restriction is lifted."))

    return lift


def _recipients(excluded: ExcludedItems) -> click.Command:
    @click.command(cls=TranslatedCommand)
    @click.argument("code")
    @click.option("--information", required=True, help="The information code.")
    @click.option("--dataset", help="Only this dataset of it: 0101.")
    @click.option("--from", "since", type=_DAY, required=True, help="The first day, by the clock of Japan.")
    @click.option("--to", "until", type=_DAY, required=True, help="The last day, which belongs to it.")
    @json_option
    @needs("provision_records:record:read")
    @pass_settings
    def recipients(
        settings: Settings,
        *,
        code: str,
        information: str,
        dataset: str | None,
        since: datetime,
        until: datetime,
        as_json: bool,
    ) -> None:
        """Show who was given erroneous information, inquiry by inquiry; whom it was about, staff see alone."""
        with at_provisions(settings, excluded) as desk:
            found = desk.provisions.erroneous(
                desk.caller(_tenant(desk, code)),
                information_code(information),
                since.date(),
                until.date(),
                dataset=dataset_number(dataset) if dataset else None,
            )
        persons = len({each.address for each in found})
        rows = [
            (each.inquirer, each.serial, f"{as_tokyo(each.provided_at):%Y-%m-%d %H:%M:%S}", _told_parts(each))
            for each in found
        ]
        if as_json:
            names = ("inquirer", "serial", "provided_at", "given")
            print_json({"persons": persons, "provisions": [dict(zip(names, row, strict=True)) for row in rows]})
            return
        columns = (mark("Inquirer"), mark("Processing serial"), mark("Provided"), mark("Dataset/version: records"))
        print_table(mark("Who was given it"), columns, rows)
        click.echo(text("It concerns {persons} persons.", persons=persons))

    return recipients


def _told_parts(each: Given) -> str:
    return ", ".join(f"{dataset}/{version}: {count}" for dataset, version, count in each.given)


def _tenant(desk: ProvisionDesk, code: str) -> TenantId:
    with desk.exchange.actor.engine.connect() as connection:
        return tenant_of(connection, code, SystemClock().now())


def _shape(each: BarInForce) -> dict[str, object]:
    return {
        "restriction": str(each.act),
        "information": each.scope.information,
        "dataset": each.scope.dataset,
        "of_one_person": each.scope.address is not None,
        "reason": each.reason,
        "since": as_tokyo(each.set_at).isoformat(timespec="seconds"),
    }


def _row(each: BarInForce) -> tuple[str, ...]:
    since = f"{as_tokyo(each.set_at):%Y-%m-%d %H:%M}"
    return str(each.act), each.scope.information or "-", each.scope.dataset or "-", since, each.reason
