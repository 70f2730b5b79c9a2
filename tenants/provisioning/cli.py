"""``chukan tenants``: what is done to tenants from the command line."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn, track

from chukan.platform.accounts.desk import opened
from chukan.platform.accounts.prompts import ask
from chukan.platform.clock import SystemClock
from chukan.platform.command_line import (
    TranslatedCommand,
    TranslatedGroup,
    acting,
    json_option,
    needs,
    print_json,
)
from chukan.platform.identifiers import TenantId
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.tenants.provisioning import purge
from chukan.tenants.provisioning.desk import at_desk
from chukan.tenants.provisioning.fleet import Provisioned, provision, unprovisioned
from chukan.tenants.provisioning.lifecycle import act
from chukan.tenants.provisioning.purge import kinds, purgeable
from chukan.tenants.provisioning.scripts import Script
from chukan.tenants.provisioning.service import ProvisioningAction
from chukan.tenants.registry.store import Registered


def commands(script: Callable[[], Script]) -> click.Group:
    """Return the group ``chukan tenants``; *script* gives what fills a new schema, from the releases."""

    @click.group(cls=TranslatedGroup)
    def tenants() -> None:
        """Work on the tenants of the platform."""

    tenants.add_command(_provision_command(script))
    tenants.add_command(rotate_credentials)
    for command in (suspend, resume, close, ask_for_purge):
        tenants.add_command(command)
    return tenants


def _provision_command(script: Callable[[], Script]) -> click.Command:
    @click.command("provision", cls=TranslatedCommand)
    @click.argument("code", nargs=-1)
    @click.option("--all", "everybody", is_flag=True, help="Every organisation that applied and has no tenant yet.")
    @click.option("--workers", type=click.IntRange(1, 16), default=2, show_default=True, help="Tenants at once.")
    @json_option
    @needs("tenants:tenant:provision")
    @pass_settings
    def provision_organisations(
        settings: Settings, *, code: tuple[str, ...], everybody: bool, workers: int, as_json: bool
    ) -> None:
        """Give organisations their schema, log-in and keys; may be interrupted, and run again."""
        if everybody == bool(code):
            raise click.UsageError(text("Name organisations, or say --all."))
        _provision(settings, code, script(), workers=workers, as_json=as_json)

    return provision_organisations


def _provision(settings: Settings, codes: tuple[str, ...], script: Script, *, workers: int, as_json: bool) -> None:
    now = SystemClock().now()
    with at_desk(settings) as desk:
        chosen = codes or unprovisioned(desk.engine, now=now)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, disable=as_json) as bar:
            task = bar.add_task(text("Provisioning"), total=len(chosen))

            def advance(_provisioned: Provisioned) -> None:
                bar.advance(task)

            report = provision(desk, chosen, script, now=now, actor=desk.actor, workers=workers, progress=advance)
    if as_json:
        print_json({"provisioned": report.done, "already": report.already})
    else:
        click.echo(text("{done} organisations were provisioned, {already} were already.", **vars(report)))


def _acting(action: ProvisioningAction, permission: str, name: str, help_text: str, done: str) -> click.Command:
    @click.command(name, cls=TranslatedCommand, help=help_text)
    @click.argument("code")
    @click.option("--reason", required=True, help="Why; it stands in the history and in the audit trail.")
    @json_option
    @needs(permission)
    @pass_settings
    def command(settings: Settings, *, code: str, reason: str, as_json: bool) -> None:
        with at_desk(settings) as desk:
            act(desk, action, code, now=SystemClock().now(), reason=reason)
        if as_json:
            print_json({"organisation": code, "done": name})
        else:
            click.echo(text(done, code=code))

    return command


suspend = _acting(
    ProvisioningAction.SUSPEND,
    "tenants:tenant:suspend",
    "suspend",
    mark("Bar an organisation's tenant for a while; its data stays."),
    mark("{code} is suspended."),
)
resume = _acting(
    ProvisioningAction.RESUME,
    "tenants:tenant:suspend",
    "resume",
    mark("Let a suspended tenant in again."),
    mark("{code} is active again."),
)
close = _acting(
    ProvisioningAction.CLOSE,
    "tenants:tenant:close",
    "close",
    mark("Bar the tenant of an organisation that leaves; its data stays until it is purged."),
    mark("{code} is being closed."),
)


@click.command("purge", cls=TranslatedCommand)
@click.argument("code")
@click.option("--reason", required=True, help="Why; it stands in the history and in the audit trail.")
@click.option("--confirm", metavar="CODE", help="The organisation's name or code again, where nobody can be asked.")
@json_option
@needs("tenants:tenant:purge")
@pass_settings
def ask_for_purge(settings: Settings, *, code: str, reason: str, confirm: str | None, as_json: bool) -> None:
    """Ask for a closed tenant's keys and data to be destroyed for ever; a second operator approves it."""
    now = SystemClock().now()
    with opened(settings, kinds()) as desk:
        acting(desk.engine)
        actor = desk.actor()
        desk.four_eyes.require_person(actor, purge.KIND, request=desk.request)
        organisation = purgeable(desk.engine, code, now=now)
        typed = confirm if confirm is not None else _typed(organisation)
        waiting = purge.ask(
            desk.four_eyes, actor, organisation, typed=typed, reason=reason, now=now, request=desk.request
        )
    if as_json:
        print_json({"organisation": organisation.reference, "request": waiting})
    else:
        click.echo(text("A second person is needed: chukan approve {request}", request=waiting))


def _typed(organisation: Registered) -> str:
    warning = text("This destroys the keys and all data of {organisation} for ever.", organisation=organisation.label)
    click.echo(warning, err=True)
    return ask(text("Type its name or its code"))


@click.command("rotate-credentials", cls=TranslatedCommand)
@click.argument("tenant", type=click.UUID, nargs=-1)
@click.option("--all", "everybody", is_flag=True, help="Every tenant.")
@json_option
@needs("tenants:credential:rotate")
@pass_settings
def rotate_credentials(settings: Settings, *, tenant: tuple[UUID, ...], everybody: bool, as_json: bool) -> None:
    """Give tenants' log-ins new passwords; open sessions go on, and a rerun does no harm."""
    if everybody == bool(tenant):
        raise click.UsageError(text("Name tenants, or say --all."))
    with at_desk(settings) as desk:
        chosen = desk.tenants() if everybody else [TenantId(id_) for id_ in tenant]
        for one in track(chosen, description=text("Rotating"), disable=as_json, transient=True):
            desk.rotate_credential(one)
    if as_json:
        print_json({"rotated": [str(one) for one in chosen]})
    else:
        click.echo(text("{count} credentials were rotated.", count=len(chosen)))
