"""``chukan masters``: the packages that came, taking them in, and applying them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.command_line import TranslatedCommand, TranslatedGroup, json_option, needs, print_json, print_table
from chukan.platform.identifiers import TenantId
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.tenants.middleserver.security.desk import Connect, SecurityDesk, at_desk
from chukan.tenants.middleserver.security.masters import store
from chukan.tenants.middleserver.security.masters.errors import WindowUnknown
from chukan.tenants.middleserver.security.masters.order import owes_second
from chukan.tenants.middleserver.security.masters.rules import PackageHead, PackageKind, Publication
from chukan.tenants.middleserver.security.masters.standard import Standard
from chukan.tenants.middleserver.security.masters.tables import Origin
from chukan.tenants.middleserver.security.masters.windows import Application, ChangeWindow, WindowState, apply
from chukan.tenants.middleserver.security.masters.windows_data import shipped_windows
from chukan.tenants.middleserver.security.organisations import tenant_of

PUBLICATION_WORDS = {
    Publication.COMMON: mark("without original use"),
    Publication.ORIGINAL_USE: mark("with original use"),
}
KIND_WORDS = {PackageKind.ANNUAL: mark("annual"), PackageKind.PERIODIC: mark("periodic")}
WINDOW_WORDS = {
    WindowState.NOT_YET: mark("not yet taken"),
    WindowState.OPEN: mark("taken"),
    WindowState.OVER: mark("no longer taken"),
}
ORIGIN_WORDS = {Origin.NETWORK: mark("the network"), Origin.OPERATOR: mark("loaded here")}


def commands(connect: Connect) -> click.Group:
    """Return the group ``chukan masters``; *connect* opens the way to the network."""

    @click.group(cls=TranslatedGroup)
    def masters() -> None:
        """Masters: who may exchange what, and in which layout."""

    for command in (_list(connect), _load(connect), _fetch(connect), _apply(connect), _status(connect), windows):
        masters.add_command(command)
    return masters


def _list(connect: Connect) -> click.Command:
    @click.command("list", cls=TranslatedCommand)
    @json_option
    @needs("masters:package:read")
    @pass_settings
    def list_packages(settings: Settings, *, as_json: bool) -> None:
        """List the packages that have been taken in, in their order."""
        with at_desk(settings, connect) as desk:
            held = desk.masters.held()
        if as_json:
            print_json([{**_head_shape(each.head), "origin": each.origin.value} for each in held])
            return
        columns = (
            mark("Package"),
            mark("Version"),
            mark("Publication"),
            mark("Kind"),
            mark("Linked from"),
            mark("From"),
        )
        print_table(
            mark("Packages of masters"), columns, [(*_head_row(e.head), text(ORIGIN_WORDS[e.origin])) for e in held]
        )

    return list_packages


def _load(connect: Connect) -> click.Command:
    @click.command("load", cls=TranslatedCommand)
    @click.argument(
        "paths", metavar="FILE…", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path),
        help="Signed packages, or folders with the files of a standard.",
    )  # fmt: skip
    @click.option("--to", type=click.IntRange(min=1), help="Of a folder, only the packages up to this one.")
    @json_option
    @needs("masters:package:load")
    @pass_settings
    def load(settings: Settings, *, paths: tuple[Path, ...], to: int | None, as_json: bool) -> None:
        """Take in packages from files: signed ones of the network, or an operator's own."""
        with at_desk(settings, connect) as desk:
            taken = [head for path in paths for head in _loaded(desk, path, to)]
        _tell_taken(taken, as_json=as_json)

    return load


def _loaded(desk: SecurityDesk, path: Path, to: int | None) -> Iterator[PackageHead]:
    if path.is_dir():
        standard = Standard(path)
        known = {each.head.sequence for each in desk.masters.held()}
        for head in standard.heads():
            if head.sequence not in known and (to is None or head.sequence <= to):
                yield desk.distribution.load(standard.catalogue(head.sequence))
        return
    with desk.network() as (_peers, distribution, _certificates):
        yield distribution.receive(path.read_bytes().strip(), now=SystemClock().now())


def _fetch(connect: Connect) -> click.Command:
    @click.command("fetch", cls=TranslatedCommand)
    @json_option
    @needs("masters:package:load")
    @pass_settings
    def fetch(settings: Settings, *, as_json: bool) -> None:
        """Fetch what the national network has published since."""
        with at_desk(settings, connect) as desk, desk.network() as (peers, distribution, _certificates):
            taken = distribution.pull(peers.source, now=SystemClock().now())
        _tell_taken(taken, as_json=as_json)

    return fetch


def _apply(connect: Connect) -> click.Command:
    @click.command("apply", cls=TranslatedCommand)
    @click.argument("code", nargs=-1)
    @click.option("--all", "everybody", is_flag=True, help="Every organisation that has a tenant.")
    @click.option("--to", type=click.IntRange(min=1), help="Up to this package; the newest if it is not given.")
    @json_option
    @needs("masters:package:apply")
    @pass_settings
    def apply(settings: Settings, *, code: tuple[str, ...], everybody: bool, to: int | None, as_json: bool) -> None:
        """Put packages in force for organisations, each in its order; may be interrupted, and run again."""
        if everybody == bool(code):
            raise click.UsageError(text("Name organisations, or say --all."))
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with at_desk(settings, connect) as desk, Progress(*columns, disable=as_json) as bar:
            chosen = _tenants(desk, code)
            task = bar.add_task(text("Applying"), total=len(chosen))
            done = desk.distribution.apply(chosen, to=to, progress=lambda _tenant: bar.advance(task))
        if as_json:
            print_json({"applied": done.packages, "organisations": done.organisations, "already": done.already})
        else:
            told = text("{packages} packages were applied to {organisations} organisations.", **vars(done))
            click.echo(f"{told} {text('{already} had them already.', already=done.already)}")

    return apply


def _status(connect: Connect) -> click.Command:
    @click.command("status", cls=TranslatedCommand)
    @json_option
    @needs("masters:package:read")
    @pass_settings
    def status(settings: Settings, *, as_json: bool) -> None:
        """Show how many organisations stand at which package, and what was refused."""
        with at_desk(settings, connect) as desk, desk.actor.engine.connect() as connection:
            standings, refused = store.standings(connection), store.refusals(connection, 20)
            heads = {each.head.sequence: each.head for each in store.held(connection)}
        if as_json:
            print_json(
                {
                    "newest": max(heads, default=None),
                    "standings": [vars(each) for each in standings],
                    "refused": [{"sequence": r.sequence, "error": r.error, "at": as_tokyo(r.at)} for r in refused],
                }
            )
            return
        rows = [_standing_row(each, heads) for each in standings]
        columns = (mark("Package"), mark("Version"), mark("Publication"), mark("Organisations"), mark("To do"))
        print_table(mark("Organisations by the package in force"), columns, rows)
        if refused:
            shown = [(str(r.sequence or "-"), r.error, f"{as_tokyo(r.at):%Y-%m-%d %H:%M}") for r in refused]
            print_table(mark("Packages that were refused"), (mark("Package"), mark("Error"), mark("At")), shown)

    return status


@click.command(cls=TranslatedCommand)
@click.option("--version", help="A change for this version of the masters, such as 2018.11; without it all windows.")
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), help="The day of the application; without it today.")
@json_option
def windows(*, version: str | None, on: datetime | None, as_json: bool) -> None:
    """Tell when changes of the masters may be applied for, and what becomes of one that comes too late."""
    day, known = on.date() if on else as_tokyo(SystemClock().now()).date(), shipped_windows()
    chosen = [each for each in known if version in {None, each.version}]
    if not chosen:
        raise WindowUnknown(version=version)
    found = [(each, apply(known, each.version, day)) for each in chosen]
    if as_json:
        print_json([_window_shape(*each) for each in found])
        return
    columns = (mark("Version"), mark("Taken from"), mark("Taken before"), mark("State"), mark("Comes into"))
    rows = [
        (
            each.version, each.opens_on.isoformat(), each.closes_on.isoformat(), text(WINDOW_WORDS[told.state]),
            told.instead.version if told.instead else "-" if not told.accepted else each.version,
        )
        for each, told in found
    ]  # fmt: skip
    print_table(mark("Times in which changes of the masters are taken"), columns, rows)


def _window_shape(window: ChangeWindow, told: Application) -> dict[str, object]:
    return {
        "version": window.version,
        "opens_on": window.opens_on,
        "closes_on": window.closes_on,
        "state": told.state.value,
        "accepted": told.accepted,
        "instead": told.instead.version if told.instead else None,
    }


def _tenants(desk: SecurityDesk, codes: tuple[str, ...]) -> list[TenantId]:
    now = SystemClock().now()
    with desk.actor.engine.connect() as connection:
        return [tenant_of(connection, code, now) for code in codes] if codes else list(store.living(connection))


def _standing_row(standing: store.Standing, heads: dict[int, PackageHead]) -> tuple[str, ...]:
    if standing.sequence is None:
        return ("-", "-", "-", str(standing.organisations), text("take the masters"))
    head = heads[standing.sequence]
    newest = max(heads)
    todo = ""
    if standing.sequence < newest:
        second = owes_second(head, tuple(heads.values()))
        todo = text("take the package with original use") if second else text("take the newer packages")
    return (*_head_row(head)[:3], str(standing.organisations), todo)


def _tell_taken(taken: list[PackageHead], *, as_json: bool) -> None:
    if as_json:
        print_json({"taken": [_head_shape(head) for head in taken]})
    elif taken:
        click.echo(
            text("{count} packages were taken in, up to {sequence}.", count=len(taken), sequence=taken[-1].sequence)
        )
    else:
        click.echo(text("There is nothing new."))


def _head_row(head: PackageHead) -> tuple[str, str, str, str, str]:
    words = text(PUBLICATION_WORDS[head.publication]), text(KIND_WORDS[head.kind])
    return str(head.sequence), head.version, *words, head.linkage_start.isoformat()


def _head_shape(head: PackageHead) -> dict[str, object]:
    return {
        "sequence": head.sequence,
        "version": head.version,
        "publication": head.publication.value,
        "kind": head.kind.value,
        "linkage_start": head.linkage_start,
        "published_at": as_tokyo(head.published_at).isoformat(),
    }
