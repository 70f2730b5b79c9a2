"""``chukan provision-records``: what is recorded of an inquiry, comparing with the network, cases that differ."""

from __future__ import annotations

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
from chukan.tenants.middleserver.provision_records import store
from chukan.tenants.middleserver.provision_records.rules import Fact, told_kind
from chukan.tenants.middleserver.provision_records.service import Reconciliation, Records, close_case
from chukan.tenants.middleserver.provision_records.store import Case
from chukan.tenants.middleserver.provision_records.work import institutions, reconcile_all
from chukan.tenants.middleserver.security.certificates.service import Keys
from chukan.tenants.middleserver.security.organisations import tenant_of
from chukan.tenants.middleserver.transmission.desk import TransmissionDesk, at_desk, way


@click.group("provision-records", cls=TranslatedGroup)
def provision_records() -> None:
    """What three parties record of each inquiry, and where they differ."""


@provision_records.command(cls=TranslatedCommand)
@click.argument("code")
@click.option("--serial", help="The processing serial.")
@click.option("--reception", help="The reception number.")
@json_option
@needs("provision_records:record:read")
@pass_settings
def find(settings: Settings, *, code: str, serial: str | None, reception: str | None, as_json: bool) -> None:
    """Show what an organisation has recorded under a processing serial or a reception number."""
    if (serial is None) is (reception is None):
        raise click.UsageError(text("Give --serial or --reception."))
    with at_desk(settings) as desk:
        found = Records(desk.sessions).find(_tenant(desk, code), serial=serial, reception=reception)
    if as_json:
        print_json([_fact_shape(fact) for fact in found])
        return
    columns = (mark("Processing serial"), mark("Inquirer"), mark("Provider"), mark("Information code"),
               mark("Requested"), mark("Result"), mark("Answered"))  # fmt: skip
    rows = [
        (
            fact.serial,
            fact.inquirer,
            fact.provider,
            fact.information,
            f"{as_tokyo(fact.requested_at):%Y-%m-%d %H:%M:%S}",
            fact.result.value,
            f"{as_tokyo(fact.answered_at):%Y-%m-%d %H:%M:%S}" if fact.answered_at else "-",
        )
        for fact in found
    ]
    print_table(mark("Records"), columns, rows)


@provision_records.command(cls=TranslatedCommand)
@click.argument("code", required=False)
@json_option
@needs("provision_records:reconciliation:run")
@pass_settings
def reconcile(settings: Settings, *, code: str | None, as_json: bool) -> None:
    """Compare an organisation's records with the network's now, or those of all."""
    now = SystemClock().now()
    with at_desk(settings) as desk:
        if code is None:
            failed = reconcile_all(desk, now)
            told: dict[str, object] = {"failed": failed}
        else:
            with way(settings.network) as (network, keys):
                institution = institutions(Keys(desk.sessions, desk.vault))
                comparison = Reconciliation(desk.actor, desk.sessions, network, keys.public_key, institution)
                done = comparison.reconcile(_tenant(desk, code), now=now)
            told = {"compared": done.compared if done else 0, "differing": done.differing if done else 0}
    if as_json:
        print_json(told)
    elif code is None:
        click.echo(text("All organisations were compared; it failed at {failed} of them.", **told))
    else:
        click.echo(text("{compared} records were compared; {differing} differ.", **told))


@provision_records.command(cls=TranslatedCommand)
@click.option("--all", "with_closed", is_flag=True, help="Also those that are closed.")
@json_option
@needs("provision_records:case:read")
@pass_settings
def cases(settings: Settings, *, with_closed: bool, as_json: bool) -> None:
    """Show where the records of an inquiry differ."""
    with at_desk(settings) as desk, desk.actor.engine.connect() as connection:
        found = store.cases(connection, open_only=not with_closed)
    if as_json:
        print_json([_case_shape(each) for each in found])
        return
    columns = (mark("Case"), mark("Inquirer"), mark("Processing serial"), mark("What it is about"), mark("Fields"),
               mark("Since"))  # fmt: skip
    rows = [
        (
            str(each.id),
            each.key.inquirer,
            each.key.serial,
            told_kind(each.kind),
            ", ".join(each.fields) or "-",
            f"{as_tokyo(each.opened_at):%Y-%m-%d %H:%M}",
        )
        for each in found
    ]
    print_table(mark("Records that differ"), columns, rows)


@provision_records.command("close-case", cls=TranslatedCommand)
@click.argument("case", type=click.UUID)
@click.option("--reason", required=True, help="What was found; it stands in the audit trail.")
@json_option
@needs("provision_records:case:close")
@pass_settings
def close(settings: Settings, *, case: UUID, reason: str, as_json: bool) -> None:
    """Close a case that was looked into; if the records still differ, the next night opens another one."""
    with at_desk(settings) as desk:
        close_case(desk.actor, case, reason=reason, now=SystemClock().now())
    if as_json:
        print_json({"closed": str(case)})
    else:
        click.echo(text("The case is closed."))


def _tenant(desk: TransmissionDesk, code: str) -> TenantId:
    with desk.actor.engine.connect() as connection:
        return tenant_of(connection, code, SystemClock().now())


def _fact_shape(fact: Fact) -> dict[str, object]:
    return {
        "side": fact.side.value,
        "inquirer": fact.inquirer,
        "serial": fact.serial,
        "provider": fact.provider,
        "affair": fact.affair,
        "procedure": fact.procedure,
        "information": fact.information,
        "requested_at": as_tokyo(fact.requested_at).isoformat(timespec="seconds"),
        "answered_at": as_tokyo(fact.answered_at).isoformat(timespec="seconds") if fact.answered_at else None,
        "result": fact.result.value,
        "non_disclosure": fact.non_disclosure,
        "reception": fact.reception,
    }


def _case_shape(case: Case) -> dict[str, object]:
    return {
        "case": str(case.id),
        "organisation": str(case.tenant),
        "side": case.key.side.value,
        "inquirer": case.key.inquirer,
        "serial": case.key.serial,
        "kind": case.kind.value,
        "fields": list(case.fields),
        "requested_on": case.requested_on.isoformat(),
        "opened_at": as_tokyo(case.opened_at).isoformat(timespec="seconds"),
        "closed_at": as_tokyo(case.closed_at).isoformat(timespec="seconds") if case.closed_at else None,
        "closed_by": case.closed_by,
        "reason": case.reason,
    }
