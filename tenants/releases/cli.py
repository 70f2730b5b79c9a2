"""``chukan releases``: which revision every schema is at, and bringing a group along."""

from __future__ import annotations

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chukan.platform.audit.actor import at_work
from chukan.platform.command_line import TranslatedGroup, json_option, needs, print_json, print_table
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind, RoleNames
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.tenants.releases import store
from chukan.tenants.releases.errors import SchemasFailed
from chukan.tenants.releases.rendering import head, revisions
from chukan.tenants.releases.service import Applied, Releaser, Report


@click.group(cls=TranslatedGroup)
def releases() -> None:
    """Bring the tenants' schemas to a release, group by group."""


@releases.command("list")
@json_option
def list_revisions(*, as_json: bool) -> None:
    """List the revisions that this program knows, oldest first."""
    known = revisions()
    if as_json:
        print_json([{"revision": revision, "purpose": purpose} for revision, purpose in known])
    else:
        print_table(mark("Revisions of the tenants' schemas"), (mark("Revision"), mark("Purpose")), known)


@releases.command()
@click.option("--group", type=click.Choice(["1", "2", "none"]), required=True, help="The group of organisations.")
@click.option("--to", help="A revision; the newest if it is not given.")
@click.option("--workers", type=click.IntRange(1, 16), default=2, show_default=True, help="Schemas at once.")
@json_option
@needs("tenants:release:apply")
@pass_settings
def apply(settings: Settings, *, group: str, to: str | None, workers: int, as_json: bool) -> None:
    """Bring the schemas of one group to a revision; may be interrupted, and run again."""
    number = None if group == "none" else int(group)
    names = RoleNames(settings.database.role_prefix)
    with at_work(settings, ProcessKind.PROVISIONER) as actor:
        with actor.engine.connect() as connection:
            waiting = len(store.due(driver(connection), number, to or head()))
        releaser = Releaser(actor.engine, names, actor=actor.name, request=actor.request)
        with _bar(hidden=as_json) as bar:
            task = bar.add_task(text("Releasing"), total=waiting)

            def advance(_applied: Applied) -> None:
                bar.advance(task)

            report = releaser.apply(number, to=to, workers=workers, progress=advance)
    _tell(report, to or head(), as_json=as_json)


@releases.command()
@json_option
@needs("tenants:release:read")
@pass_settings
def status(settings: Settings, *, as_json: bool) -> None:
    """Show how many schemas of each group are at which revision, and which ones failed."""
    with at_work(settings, ProcessKind.PROVISIONER) as actor, actor.engine.connect() as connection:
        standings, failures = store.standings(driver(connection)), store.failures(driver(connection))
    if as_json:
        print_json({"standings": [vars(line) for line in standings], "failures": [vars(line) for line in failures]})
        return
    columns = (mark("Group"), mark("Revision"), mark("Schemas"), mark("Failed"))
    rows = [(str(s.group or "-"), s.revision, str(s.schemas), str(s.failed)) for s in standings]
    print_table(mark("Schemas by group and revision"), columns, rows)
    if failures:
        columns = (mark("Tenant"), mark("Organisation"), mark("Revision"), mark("Failure"))
        failed = [(str(f.tenant), f.organisation or "-", f.failed_revision, f.failure) for f in failures]
        print_table(mark("Schemas that failed"), columns, failed)


def _tell(report: Report, revision: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"revision": revision, **vars(report)})
    else:
        click.echo(
            text(
                "Revision {revision}: {done} schemas brought along, {already} were there already, {failed} failed.",
                revision=revision,
                done=report.done,
                already=report.already,
                failed=report.failed,
            )
        )
    if report.failed:
        raise SchemasFailed(count=report.failed, revision=revision)


def _bar(*, hidden: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, disable=hidden, transient=True)
