"""``chukan tenants``: what is done to tenants from the command line."""

from __future__ import annotations

from uuid import UUID

import click
from rich.progress import track

from chukan.platform.command_line import TranslatedGroup, json_option, print_json, system_actor
from chukan.platform.database.serving import serving
from chukan.platform.identifiers import TenantId
from chukan.platform.messages import text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.tenants.provisioning.desk import provisioner


@click.group(cls=TranslatedGroup)
def tenants() -> None:
    """Work on the tenants of the platform."""


@tenants.command("rotate-credentials")
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
