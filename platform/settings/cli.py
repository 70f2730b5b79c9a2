"""``chukan config``: are the settings right, and what are they?"""

from __future__ import annotations

import click

from chukan.platform.command_line import TranslatedGroup, json_option, print_json, print_table
from chukan.platform.messages import mark, text
from chukan.platform.settings.errors import SettingsInvalid
from chukan.platform.settings.leaves import Leaf, leaves, value_of
from chukan.platform.settings.load import MASK, LoadedSettings, loaded_settings, shown


@click.group(cls=TranslatedGroup)
def config() -> None:
    """Check and show the settings."""


@config.command()
@json_option
@click.pass_context
def check(ctx: click.Context, *, as_json: bool) -> None:
    """Report everything that is wrong with the settings, at once."""
    try:
        loaded = loaded_settings()
    except SettingsInvalid as error:
        _print_problems(error, as_json=as_json)
        ctx.exit(error.exit_code)
    if as_json:
        print_json({"accepted": True, "environment": loaded.settings.environment, "problems": []})
    else:
        click.echo(text("The settings are right ({environment}).", environment=loaded.settings.environment))


@config.command()
@json_option
def show(*, as_json: bool) -> None:
    """Show every setting in force and where it comes from; secrets are masked."""
    loaded = loaded_settings()
    if as_json:
        print_json({leaf.key: _told(loaded, leaf) for leaf in leaves().values()})
        return
    answers = {leaf.key: _told(loaded, leaf) for leaf in leaves().values()}
    rows = [(key, shown(told["value"]), str(told["origin"])) for key, told in answers.items()]
    print_table(mark("Settings in force"), (mark("Key"), mark("Value"), mark("Origin")), rows)


def _told(loaded: LoadedSettings, leaf: Leaf) -> dict[str, object]:
    value = value_of(loaded.settings, leaf.key)
    origin = loaded.origin(leaf.key)
    if leaf.secret:
        plain: object = MASK if value.get_secret_value() else ""
    else:
        plain = value if isinstance(value, bool | int | float) else shown("" if value is None else value)
    return {"value": plain, "origin": origin.where(leaf.key), "kind": origin.kind}


def _print_problems(error: SettingsInvalid, *, as_json: bool) -> None:
    if as_json:
        print_json({"accepted": False, **error.as_json()})
        return
    columns = (mark("Where"), mark("Key"), mark("Expected"), mark("Found"))
    rows = [(problem.where, problem.key, problem.expected, problem.found) for problem in error.problems]
    print_table(mark("Problems of the settings"), columns, rows)
    click.echo(error.hinted(), err=True)
