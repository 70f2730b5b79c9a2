"""``chukan demo``: everything in one folder until Ctrl-C, or one thing at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from chukan.demo.contents import shipped_contents
from chukan.demo.errors import NothingThere
from chukan.demo.installation import Installation, own_settings
from chukan.demo.isolation import isolation
from chukan.demo.place import Place, reset
from chukan.demo.report import print_ways_in
from chukan.demo.steps import Size
from chukan.demo.up import Shown, bring_up, show
from chukan.platform.command_line import TranslatedCommand, TranslatedGroup
from chukan.platform.database.errors import DatabaseUnreachable
from chukan.platform.messages import text
from chukan.tenants.registry.organisations_file import SHIPPED, read_organisations, shipped

F = TypeVar("F", bound=Callable[..., Any])


@click.group(cls=TranslatedGroup)
def demo() -> None:
    """Show the platform at work, on a system of its own."""


def _directory_option(command: F) -> F:
    return click.option(
        "--directory",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("var/demo"),
        show_default=True,
        help="The folder in which all of it is kept.",
    )(command)


@demo.command(cls=TranslatedCommand)
@_directory_option
@click.option("--until-ready", is_flag=True, help="Stop as soon as everything is there.")
@click.option("--organisations", type=click.IntRange(min=1), help="So many organisations; all, if it is not given.")
@click.option("--tenants", type=click.IntRange(min=1), help="So many tenants; all, if it is not given.")
def up(*, directory: Path, until_ready: bool, organisations: int | None, tenants: int | None) -> None:
    """Start everything, fill it, show it, and keep it running until Ctrl-C; a later run goes on from there."""
    size = Size(
        organisations or len(read_organisations(shipped(), SHIPPED)),
        tenants or shipped_contents().provisioned.count,
    )
    bring_up(directory, size, until_ready=until_ready)


@demo.command(cls=TranslatedCommand)
@_directory_option
def copies(*, directory: Path) -> None:
    """Show how duplicate copies of two municipalities are registered or refused; starts and stops what it needs."""
    show(Shown.COPIES, directory)


@demo.command(cls=TranslatedCommand)
@_directory_option
def exchange(*, directory: Path) -> None:
    """Show inquiries between two municipalities, to the three records of them; starts and stops what it needs."""
    show(Shown.EXCHANGE, directory)


@demo.command("reset", cls=TranslatedCommand)
@_directory_option
def reset_command(*, directory: Path) -> None:
    """Stop what runs in the folder, and remove all that `demo up` put there."""
    if reset(directory):
        click.echo(text("The demonstration in {directory} is removed.", directory=directory.resolve()))
    else:
        click.echo(text("There is no demonstration in {directory}.", directory=directory.resolve()))


@demo.command(cls=TranslatedCommand)
@_directory_option
def code(*, directory: Path) -> None:
    """Show how the invented operators log in, with the codes of this moment."""
    place = Place(directory.resolve())
    if not place.operators.exists():
        raise NothingThere(directory=place.home)
    installation = Installation(own_settings(place))
    try:
        print_ways_in(place, installation, shipped_contents())
    except DatabaseUnreachable as error:
        raise NothingThere(directory=place.home) from error
    finally:
        installation.close()


demo.add_command(isolation)
