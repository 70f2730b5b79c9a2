"""``chukan tenants``: what is done to tenants from the command line."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn, track

from chukan.platform.clock import SystemClock
from chukan.platform.command_line import TranslatedCommand, TranslatedGroup, json_option, print_json, system_actor
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.serving import serving
from chukan.platform.identifiers import TenantId
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.tenants.provisioning.desk import provisioner
from chukan.tenants.provisioning.fleet import Provisioned, provision, unprovisioned
from chukan.tenants.provisioning.lifecycle import act
from chukan.tenants.provisioning.scripts import Script
from chukan.tenants.provisioning.service import ProvisioningAction


def commands(script: Callable[[], Script]) -> click.Group:
    """Return the group ``chukan tenants``; *script* gives what fills a new schema, from the releases."""

    @click.group(cls=TranslatedGroup)
    def tenants() -> None:
        """Work on the tenants of the platform."""

    tenants.add_command(_provision_command(script))
    tenants.add_command(rotate_credentials)
    for command in (suspend, resume, close):
        tenants.add_command(command)
    return tenants


def _provision_command(script: Callable[[], Script]) -> click.Command:
    @click.command("provision", cls=TranslatedCommand)
    @click.argument("code", nargs=-1)
    @click.option("--all", "everybody", is_flag=True, help="Every organisation that applied and has no tenant yet.")
    @click.option("--workers", type=click.IntRange(1, 16), default=2, show_default=True, help="Tenants at once.")
    @json_option
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
    now, actor = SystemClock().now(), system_actor()
    with serving(settings.database), provisioner(settings, actor=actor) as desk:
        with engine_of(settings.database, ProcessKind.PROVISIONER) as engine:
            chosen = codes or unprovisioned(engine, now=now)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, disable=as_json) as bar:
            task = bar.add_task(text("Provisioning"), total=len(chosen))

            def advance(_provisioned: Provisioned) -> None:
                bar.advance(task)

            report = provision(desk, chosen, script, now=now, actor=actor, workers=workers, progress=advance)
    if as_json:
        print_json({"provisioned": report.done, "already": report.already})
    else:
        click.echo(text("{done} organisations were provisioned, {already} were already.", **vars(report)))


def _acting(action: ProvisioningAction, name: str, help_text: str, done: str) -> click.Command:
    @click.command(name, cls=TranslatedCommand, help=help_text)
    @click.argument("code")
    @click.option("--reason", required=True, help="Why; it stands in the history and in the audit trail.")
    @json_option
    @pass_settings
    def command(settings: Settings, *, code: str, reason: str, as_json: bool) -> None:
        with serving(settings.database), provisioner(settings, actor=system_actor()) as desk:
            act(desk, action, code, now=SystemClock().now(), reason=reason)
        if as_json:
            print_json({"organisation": code, "done": name})
        else:
            click.echo(text(done, code=code))

    return command


suspend = _acting(
    ProvisioningAction.SUSPEND,
    "suspend",
    mark("Bar an organisation's tenant for a while; its data stays."),
    mark("{code} is suspended."),
)
resume = _acting(
    ProvisioningAction.RESUME, "resume", mark("Let a suspended tenant in again."), mark("{code} is active again.")
)
close = _acting(
    ProvisioningAction.CLOSE,
    "close",
    mark("Bar the tenant of an organisation that leaves; its data stays until it is purged."),
    mark("{code} is being closed."),
)


@click.command("rotate-credentials", cls=TranslatedCommand)
@click.argument("tenant", type=click.UUID, nargs=-1)
@click.option("--all", "everybody", is_flag=True, help="Every tenant.")
@json_option
@pass_settings
def rotate_credentials(settings: Settings, *, tenant: tuple[UUID, ...], everybody: bool, as_json: bool) -> None:
    """Give tenants' log-ins new passwords; open sessions go on, and a rerun does no harm."""
    if everybody == bool(tenant):
        raise click.UsageError(text("Name tenants, or say --all."))
    with serving(settings.database), provisioner(settings, actor=system_actor()) as desk:
        chosen = desk.tenants() if everybody else [TenantId(id_) for id_ in tenant]
        for one in track(chosen, description=text("Rotating"), disable=as_json, transient=True):
            desk.rotate_credential(one)
    if as_json:
        print_json({"rotated": [str(one) for one in chosen]})
    else:
        click.echo(text("{count} credentials were rotated.", count=len(chosen)))
