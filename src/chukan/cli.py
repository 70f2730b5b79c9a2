"""The program ``chukan``: all commands under one name, and what a failure looks like on a terminal."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version

import click
from sqlalchemy import Engine

from chukan.platform.accounts.command_actor import command_actor
from chukan.platform.command_line import (
    CommandActor,
    CommandMisused,
    TranslatedGroup,
    ask_who_acts,
    misused,
    print_json,
)
from chukan.platform.component import Command
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import new_request_id
from chukan.platform.logs import bind_log_context, configure_logs, get_logger
from chukan.platform.messages import language, language_of_environment, mark, text
from chukan.platform.settings import LogSettings
from chukan.platform.settings.errors import SettingsInvalid
from chukan.platform.settings.load import load, loaded_settings
from chukan.wiring import components

#: What a shell reports for a program that was ended by Ctrl-C (128 + SIGINT).
INTERRUPTED = 130

log = get_logger(__name__)


def main() -> int:
    """Run the command of the process's arguments and return its exit code."""
    with language(language_of_environment(os.environ)):
        return run(sys.argv[1:])


def run(args: Sequence[str]) -> int:
    """Run the command that *args* name, tell what went wrong if anything did, and return the exit code."""
    with bind_log_context(request=new_request_id()):
        try:
            return _invoked(args)
        except (KeyboardInterrupt, click.Abort):
            return INTERRUPTED
        except BrokenPipeError:
            # The reader has gone, as `head` does; the interpreter must not complain at its own flush.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except Exception as error:  # noqa: BLE001 - the edge: whatever it is, a person gets a reference
            return _tell(_failure(error), as_json=_wants_json(args))


def root() -> click.Group:
    """Return the group ``chukan`` with the commands of every component."""
    about = mark("Run the platform of the local governments' intermediate servers.")
    group = TranslatedGroup("chukan", help=about, callback=_set_up_logs)
    shows_version = click.version_option(
        version("chukan"), message="%(prog)s %(version)s", help=mark("Show the version and exit.")
    )
    shows_version(group)
    for component in components():
        for command in component.commands:
            _join(group, command)
    return group


def _join(group: click.Group, command: Command) -> None:
    """Add *command* to *group*, or to the group in it that the command names."""
    parent = group if command.under is None else group.commands[command.under]
    if not isinstance(parent, click.Group):
        raise TypeError(f"{command.under} is not a group of commands")
    parent.add_command(command.command)


def _set_up_logs() -> None:
    """Log as the settings say; a command that needs them right will say itself what is wrong with them."""
    try:
        settings = loaded_settings().settings.logs
    except SettingsInvalid:
        settings = LogSettings()
    if settings.directory is None and settings.level in {"debug", "info"}:
        # On a terminal the answer of the command comes first.
        settings = settings.model_copy(update={"level": "warning"})
    configure_logs(settings, process="command")


def _invoked(args: Sequence[str]) -> int:
    group = root()
    try:
        with group.make_context("chukan", list(args)) as ctx:
            ask_who_acts(ctx, _who_acts)
            group.invoke(ctx)
            sys.stdout.flush()
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.exceptions.NoArgsIsHelpError as help_:
        help_.show()
        return help_.exit_code
    return 0


def _who_acts(engine: Engine) -> CommandActor:
    """Return who runs the present command: the one way from any command to the operators' accounts."""
    return command_actor(loaded_settings().settings, engine)


def _failure(error: Exception) -> ChukanError:
    """Return *error* as an error of ours, and log it under the reference that the person is told."""
    match error:
        case ChukanError():
            log.info("command failed", exc_info=error)
            return error
        case click.UsageError():
            return misused(error)
        case click.ClickException():
            return CommandMisused(reason=error.format_message(), command="chukan")
    failure = ChukanError()
    log.error("unforeseen failure", exc_info=error, reference=failure.reference)
    if _debugging():
        traceback.print_exception(error)
    return failure


def _debugging() -> bool:
    try:
        return load().settings.debug
    except ChukanError:
        return False


def _wants_json(args: Sequence[str]) -> bool:
    return "--json" in (args[: args.index("--")] if "--" in args else args)


def _tell(error: ChukanError, *, as_json: bool) -> int:
    if as_json:
        print_json(error.as_json())
    else:
        click.echo(error.told(), err=True)
        click.echo(error.hinted(), err=True)
        click.echo(text("Reference: {reference}", reference=error.reference), err=True)
    return error.exit_code
