"""``chukan logs``: one organisation's lines, and deleting what is too old."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from chukan.platform.clock import SystemClock, as_tokyo, as_utc
from chukan.platform.command_line import TranslatedGroup, json_option, print_json
from chukan.platform.logs.errors import LogsNotKept, LogsUnreadable
from chukan.platform.logs.extract import Extract, Wanted
from chukan.platform.logs.files import prune as prune_files
from chukan.platform.logs.rules import canonical
from chukan.platform.messages import text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings


@click.group(cls=TranslatedGroup)
def logs() -> None:
    """Read and delete the logs."""


@logs.command()
@click.option("--organisation", required=True, help="Whose lines: the tenant's id.")
@click.option("--since", metavar="INSTANT", help="Only from this instant on, for example 2026-04-01T09:00+09:00.")
@click.option("--request", help="Only the lines of this request.")
@json_option
@pass_settings
def show(settings: Settings, /, *, organisation: str, since: str | None, request: str | None, as_json: bool) -> None:
    """Show the lines of one organisation, oldest first."""
    wanted = Wanted(canonical(organisation), _instant(since) if since else None, request)
    extract = Extract(_directory(settings), wanted)
    for line in extract:
        click.echo(json.dumps(line) if as_json else _readable(line))
    if extract.unreadable:
        click.echo(text("{count} lines could not be read.", count=extract.unreadable), err=True)


@logs.command()
@json_option
@pass_settings
def prune(settings: Settings, /, *, as_json: bool) -> None:
    """Delete the log files that are older than logs.retention_days."""
    directory = _directory(settings)
    retention = timedelta(days=settings.logs.retention_days)
    try:
        names = prune_files(directory, now=SystemClock().now(), retention=retention)
    except OSError as error:
        raise LogsUnreadable(directory=directory) from error
    if as_json:
        print_json({"deleted": names})
        return
    for name in names:
        click.echo(name)
    click.echo(text("{count} files deleted.", count=len(names)))


def _directory(settings: Settings) -> Path:
    if settings.logs.directory is None:
        raise LogsNotKept
    return settings.logs.directory


def _instant(given: str) -> datetime:
    try:
        return as_utc(datetime.fromisoformat(given))
    except ValueError as error:
        raise click.BadParameter(text("it is not an instant"), param_hint="--since") from error


def _readable(line: dict[str, Any]) -> str:
    at = as_tokyo(datetime.fromisoformat(line["at"])).isoformat(timespec="milliseconds")
    shown = {"at", "level", "event", "process", "organisation"}
    others = " ".join(f"{name}={json.dumps(value)}" for name, value in line.items() if name not in shown)
    return f"{at} {line.get('level', '')} {line.get('process', '')}: {line.get('event', '')} {others}".rstrip()
