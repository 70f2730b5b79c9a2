"""What all commands of ``chukan`` share: help in the reader's language, who acts, tables, and JSON answers.

A command's own module holds its options and its wording; printing and the two forms of answer (people,
``--json``) are the same everywhere. So is who acts: a command declares what an operator needs for it (``needs``)
and asks who it is (``acting``); the program puts in who answers that (``ask_who_acts``), because what knows
operators stands above what has commands. Help texts are catalogue texts in English, translated when shown;
of a docstring the first line is the help, the rest is for programmers.
"""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine
from typing_extensions import override

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark, text

F = TypeVar("F", bound=Callable[..., Any])

#: Under these names click keeps who answers who acts, and a command's function what it needs.
_WHO_ACTS = f"{__name__}.who_acts"
_NEEDS = "chukan_needs"


class CommandMisused(ChukanError):
    """A command was called with options or arguments that it does not take."""

    code = "command_line.misused"
    failure = Failure.BAD_INPUT
    message = mark("The command was called wrongly: {reason}")
    hint = mark("See: {command} --help")


class TranslatedCommand(click.Command):
    """A command whose help comes through the message catalogue."""

    @override
    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        option = super().get_help_option(ctx)
        if option is not None:
            option.help = mark("Show this help and exit.")
        return option

    @override
    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, " ".join(self.collect_usage_pieces(ctx)), text("Usage: "))

    @override
    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.help:
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(text(_first_line(self.help)))

    @override
    def get_short_help_str(self, limit: int = 45) -> str:
        return text(self.short_help or _first_line(self.help))

    @override
    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options, arguments = [], []
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Option) and not parameter.hidden:
                options.append(_option_row(parameter, ctx))
            elif isinstance(parameter, click.Argument) and parameter.help:
                arguments.append((parameter.make_metavar(ctx), text(parameter.help)))
        for title, rows in ((text("Arguments"), arguments), (text("Options"), options)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class TranslatedGroup(TranslatedCommand, click.Group):
    """A group of such commands; groups in it are such groups too."""

    command_class = TranslatedCommand
    group_class = type

    @override
    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str()) for name, command in commands if command and not command.hidden]
        if rows:
            with formatter.section(text("Commands")):
                formatter.write_dl(rows)


def json_option(command: F) -> F:
    """Give *command* the ``--json`` switch, passed on as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for programs.")(command)


def print_json(answer: object) -> None:
    """Print *answer* as one JSON document; instants and paths are printed as text."""
    click.echo(json.dumps(answer, ensure_ascii=False, indent=2, default=str))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print *rows* under translated *columns*; a row longer than the terminal wraps, nothing is cut."""
    table = Table(title=text(title), title_justify="left")
    for column in columns:
        table.add_column(text(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # Without a terminal there is nothing to wrap at, and whole lines are what programs can search.
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 240
    console = Console(width=width)
    with console.capture() as printed:  # rich would answer a reader that goes away with exit code 1
        console.print(table)
    click.echo(printed.get(), nl=False)


def misused(error: click.UsageError) -> CommandMisused:
    """Return *error* of the command line's parser as an error of ours, in the reader's language."""
    command = error.ctx.command_path if error.ctx else "chukan"
    return CommandMisused(reason=_reason(error), command=command)


def _reason(error: click.UsageError) -> str:
    match error:
        case click.NoSuchOption():
            reason = text("there is no option {name}", name=error.option_name)
        case click.NoSuchCommand():
            reason = text("there is no command {name}", name=error.command_name)
        case click.MissingParameter():
            reason = text("{name} is missing", name=_name(error))
        case click.BadParameter():
            reason = text("{name} does not take this value: {why}", name=_name(error), why=_why(error))
        case click.BadOptionUsage():
            reason = text("{name} stands there without its value, or with one too many", name=error.option_name)
        case _:
            reason = error.format_message()
    close = getattr(error, "possibilities", None)
    return text("{reason}; perhaps {close}", reason=reason, close=", ".join(close)) if close else reason


def _why(error: click.BadParameter) -> str:
    """Return what the parameter takes, if its type says it; else what the one who refused it said."""
    match error.param and error.param.type:
        case click.Choice(choices=choices):
            return text("it takes one of {choices}", choices=", ".join(map(str, choices)))
        case click.IntRange() | click.FloatRange() as numbers:
            low, high = ("" if bound is None else str(bound) for bound in (numbers.min, numbers.max))
            return text("it takes a number from {low} to {high}", low=low, high=high)
        case kind if kind is click.INT:
            return text("it takes a whole number")
        case _:
            return error.message


def _name(error: click.BadParameter) -> str:
    if isinstance(error.param_hint, str):
        return error.param_hint
    if error.param is None:
        return text("a parameter")
    return error.param.get_error_hint(error.ctx).replace("'", "")


def _first_line(help_text: str | None) -> str:
    return (help_text or "").strip().split("\n", maxsplit=1)[0]


def _option_row(option: click.Option, ctx: click.Context) -> tuple[str, str]:
    extra = option.get_help_extra(ctx)
    notes = []
    if default := extra.get("default"):
        notes.append(text("default: {value}", value=default))
    if allowed := extra.get("range"):
        notes.append(allowed)
    if "required" in extra:
        notes.append(text("required"))
    described = text(option.help or "")
    return option.get_help_spec(ctx), f"{described} [{'; '.join(notes)}]" if notes else described


class CommandActor(Protocol):
    """Who runs a command: an operator who is logged in, or the machine."""

    @property
    def name(self) -> str:
        """What the trail records: ``operator:<account>`` or ``system:<os user>``, never a name."""

    def require(self, permission: str) -> None:
        """Let the actor pass, or raise that their roles do not hold *permission*."""


#: Answers who runs the present command, through the log-in that it works under.
WhoActs = Callable[[Engine], CommandActor]


@dataclass(frozen=True)
class Needs:
    """The permissions that an operator needs for a command, and those that some of its parameters need besides."""

    always: frozenset[str]
    given: Mapping[str, str]

    @property
    def all(self) -> frozenset[str]:
        """Every permission that the command may ask for."""
        return self.always.union(self.given.values())

    def now(self, parameters: Mapping[str, Any]) -> frozenset[str]:
        """Return what is needed with these *parameters*; a switch that is off, or nothing, was not given."""
        return self.always.union(
            permission for name, permission in self.given.items() if not _is_absent(parameters[name])
        )


def _is_absent(value: object) -> bool:
    # A zero or an empty text was given: neither equals nothing here.
    return value is None or value is False or value == ()


def needs(*permissions: str, **given: str) -> Callable[[F], F]:
    """Declare which *permissions* (``<scope>:<resource>:<action>``) an operator needs for a command.

    *given* names parameters of the command which, if they are given, need a permission besides. ``acting`` asks.
    """

    def declare(command: F) -> F:
        setattr(command, _NEEDS, Needs(frozenset(permissions), given))
        return command

    return declare


def needs_of(command: click.Command) -> Needs | None:
    """Return what *command* declares with ``needs``, or None."""
    found = getattr(command.callback, _NEEDS, None)
    return found if isinstance(found, Needs) else None


def ask_who_acts(context: click.Context, who: WhoActs) -> None:
    """Have all commands below *context* ask *who* acts; without this the machine does."""
    context.meta[_WHO_ACTS] = who


def acting(engine: Engine) -> CommandActor:
    """Return who runs the present command, once they are known to hold what it ``needs``.

    *engine* is of the log-in that the command works under, and the database is running. A command that goes on and
    on asks once: what it does stands under the name of who started it.

    Raises:
        SessionOver, TokenFileUnsafe, PermissionLacking: accounts' refusals; nothing has been done.
        LookupError: the command does not declare what it needs.
    """
    context = click.get_current_context()
    if (needed := needs_of(context.command)) is None:
        raise LookupError(f"{context.command_path} does not declare which permission it needs")
    who: WhoActs = context.meta.get(_WHO_ACTS, _machine)
    actor = who(engine)
    for permission in sorted(needed.now(context.params)):
        actor.require(permission)
    return actor


@dataclass(frozen=True)
class _Machine:
    name: str

    def require(self, permission: str) -> None:
        """Let it pass: the machine is bounded by the files that its user can read."""


def _machine(_engine: Engine) -> CommandActor:
    return _Machine(system_actor())


def system_actor() -> str:
    """Return who acts on a command line that needs the machine's own rights: ``system:<os user>``."""
    try:
        return f"system:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"system:{os.getuid()}"
