"""``chukan vault``: what it holds, and the rotation of its keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars

from chukan.platform.audit.actor import at_work
from chukan.platform.clock import SystemClock
from chukan.platform.command_line import TranslatedGroup, json_option, needs, print_json, print_table
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import TenantId
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.platform.vault.desk import Desk, desk_for
from chukan.platform.vault.rotation import Reencrypted
from chukan.platform.vault.rules import EncryptedColumn, KeyUse
from chukan.platform.vault.status import VaultStatus, vault_status
from chukan.platform.vault.wrapping import (
    Progress,
    create_provider_key,
    destroy_wrapping_key,
    initialise,
    rotate_wrapping_key,
)


def vault_commands(columns: Sequence[EncryptedColumn]) -> click.Group:
    """Return the group ``vault``; *columns* are what ``rotate-data-key`` re-encrypts."""

    @click.group(cls=TranslatedGroup)
    @click.pass_context
    def vault(ctx: click.Context) -> None:
        """Show the vault's keys, and rotate them."""
        ctx.meta[_COLUMNS] = columns

    for command in (init, status, rotate_wrapping, rotate_data, destroy_wrapping, rotate_signing):
        vault.add_command(command)
    return vault


_COLUMNS = "chukan.vault.columns"
_command = TranslatedGroup.command_class


@click.command(cls=_command)
@json_option
@needs("vault:wrapping_key:rotate", "vault:signing_key:rotate")
@pass_settings
def init(settings: Settings, *, as_json: bool) -> None:
    """Make the keys that a new installation needs; may be repeated."""
    with _desk(settings) as desk:
        made = initialise(desk.actor, desk.vault, desk.provider, now=SystemClock().now())
    if as_json:
        print_json({"made": made})
    else:
        click.echo(text("Made: {keys}", keys=", ".join(made)) if made else text("Every key is there already."))


@click.command(cls=_command)
@json_option
@needs("vault:key:read")
@pass_settings
def status(settings: Settings, *, as_json: bool) -> None:
    """Show the provider's keys, how many data keys each wraps, and unfinished rotations."""
    with _desk(settings) as desk:
        found = vault_status(desk.actor.engine, desk.provider)
    if as_json:
        print_json({"provider": settings.vault.provider, **asdict(found), "to_rewrap": found.to_rewrap})
    else:
        _print_status(found)


@click.command("rotate-wrapping-key", cls=_command)
@json_option
@needs("vault:wrapping_key:rotate")
@pass_settings
def rotate_wrapping(settings: Settings, *, as_json: bool) -> None:
    """Wrap all data keys under a new wrapping key, or finish an interrupted rotation."""
    with _desk(settings) as desk, _bar(text("Data keys"), hidden=as_json) as progress:
        done = rotate_wrapping_key(desk.actor, desk.provider, now=SystemClock().now(), progress=progress)
    if as_json:
        print_json(asdict(done))
        return
    told = {"count": done.rewrapped, "key": done.wrapping_key}
    if done.created:
        click.echo(text("{count} data keys are wrapped by the new key {key}.", **told))
    else:
        click.echo(text("The rotation is finished: {count} more data keys are wrapped by {key}.", **told))


@click.command("rotate-data-key", cls=_command)
@click.argument("tenants", nargs=-1, type=click.UUID, metavar="TENANT…")
@click.option("--resume", is_flag=True, help="Finish rotations that run; without TENANT, all of them.")
@json_option
@needs("vault:data_key:rotate")
@pass_settings
def rotate_data(settings: Settings, tenants: tuple[UUID, ...], *, resume: bool, as_json: bool) -> None:
    """Replace tenants' data keys and re-encrypt what they sealed."""
    if not tenants and not resume:
        raise click.MissingParameter(param_hint="TENANT", param_type="argument")
    done: dict[TenantId, Reencrypted] = {}
    with _desk(settings) as desk:
        chosen = [TenantId(tenant) for tenant in tenants] or list(desk.rotation.pending())
        running = set(desk.rotation.pending()) if resume else set()
        for tenant in chosen:
            if tenant not in running:
                desk.rotation.begin(tenant)
            with _bar(str(tenant), hidden=as_json) as progress:
                done[tenant] = desk.rotation.reencrypt(tenant, progress=progress)
    if as_json:
        print_json({str(tenant): _told(result) for tenant, result in done.items()})
    else:
        _print_rotations(done)


@click.command("destroy-wrapping-key", cls=_command)
@click.argument("key")
@json_option
@needs("vault:wrapping_key:rotate")
@pass_settings
def destroy_wrapping(settings: Settings, key: str, *, as_json: bool) -> None:
    """Destroy an old wrapping key for ever; refused while any data key needs it."""
    with _desk(settings) as desk:
        destroy_wrapping_key(desk.actor, desk.provider, key)
    if as_json:
        print_json({"destroyed": key})
    else:
        click.echo(text("The wrapping key {key} is destroyed.", key=key))


@click.command("rotate-signing-key", cls=_command)
@json_option
@needs("vault:signing_key:rotate")
@pass_settings
def rotate_signing(settings: Settings, *, as_json: bool) -> None:
    """Make a new signing key; older ones stay, so that what they signed can be verified."""
    with _desk(settings) as desk:
        key = create_provider_key(desk.actor, desk.provider, KeyUse.SIGNING, now=SystemClock().now())
    if as_json:
        print_json({"created": key})
    else:
        click.echo(text("From its next start on, the platform signs with {key}.", key=key))


@contextmanager
def _desk(settings: Settings) -> Iterator[Desk]:
    columns = click.get_current_context().meta[_COLUMNS]
    with at_work(settings, ProcessKind.WORKER) as actor, desk_for(actor, settings, columns) as desk:
        yield desk


@contextmanager
def _bar(title: str, *, hidden: bool) -> Iterator[Progress]:
    """Show how far a rotation is, on standard error, so that the answer can be piped."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(*columns, console=Console(stderr=True), disable=hidden) as bars:
        task = bars.add_task(title)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _print_status(found: VaultStatus) -> None:
    print_table(
        mark("Keys of the provider"),
        (mark("Key"), mark("Made at"), mark("Current"), mark("Data keys wrapped")),
        [
            (
                key.id,
                key.created_at.isoformat(timespec="seconds"),
                "✓" if key.current else "",
                str(key.data_keys) if key.use is KeyUse.WRAPPING else "",
            )
            for key in found.provider_keys
        ],
    )
    states = [(text(_STATES[state.value]), str(count)) for state, count in found.data_keys.items()]
    print_table(mark("Data keys"), (mark("State"), mark("Count")), states)
    if found.to_rewrap:
        click.echo(text("{count} data keys still need an old wrapping key.", count=found.to_rewrap))
    for tenant in found.rotating:
        click.echo(text("The rotation of the data key of {tenant} is not finished.", tenant=tenant))


_STATES = {
    "active": mark("active"),
    "retiring": mark("being replaced"),
    "retired": mark("retired"),
    "destroyed": mark("destroyed"),
}


def _told(result: Reencrypted) -> dict[str, object]:
    return {**asdict(result), "settles_in": round(result.settles_in.total_seconds())}


def _print_rotations(done: dict[TenantId, Reencrypted]) -> None:
    rows = [
        (str(tenant), str(result.reencrypted), str(result.remaining), _retirement(result))
        for tenant, result in done.items()
    ]
    columns = (mark("Tenant"), mark("Re-encrypted"), mark("Left"), mark("Old version"))
    print_table(mark("Rotation of data keys"), columns, rows)


def _retirement(result: Reencrypted) -> str:
    if result.retired:
        return text("retired")
    if result.remaining or not result.settles_in:
        return text("in use; run --resume, or leave it to the worker")
    seconds = round(result.settles_in.total_seconds())
    return text("may still be written with for {seconds} seconds; the worker retires it after that", seconds=seconds)
