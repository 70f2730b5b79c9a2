"""Writes the pages of ``docs/`` that are made from the code: errors, commands, metrics, settings, logs, permissions.

``python scripts/docs.py`` writes them; a test compares them, so that a page cannot fall behind.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

import click

import chukan
from chukan import cli
from chukan.platform.accounts import page as accounts
from chukan.platform.component import Component
from chukan.platform.errors import EXIT_CODE, HTTP_STATUS, ChukanError, error_types
from chukan.platform.logs import page as logs
from chukan.platform.messages import language
from chukan.platform.settings import page as settings
from chukan.wiring import components

FOLDER = Path(__file__).resolve().parents[1] / "docs"
NOTE = "<!-- Made by `make docs` from the code; do not edit. -->"


def main() -> None:
    """Write every page."""
    for name, page in pages().items():
        (FOLDER / name).write_text(page, "utf-8")
        print(f"docs/{name}")


def pages() -> dict[str, str]:
    """Return each page's text under its name."""
    import_everything()
    with language("en"):
        return {
            "errors.md": errors_page(product_errors()),
            "commands.md": commands_page(cli.root()),
            "metrics.md": metrics_page(components()),
            "settings.md": settings.page(),
            "logs.md": logs.page(),
            "permissions.md": accounts.page(),
        }


def import_everything() -> None:
    """Import every module of the product, so that every error has been declared."""
    package = Path(chukan.__path__[0])
    for folder, below, files in os.walk(package, followlinks=True):
        # Migrations run inside Alembic alone.
        below[:] = [name for name in below if name not in {"__pycache__", "migrations"}]
        for name in files:
            if name.endswith(".py"):
                path = (Path(folder) / name).relative_to(package.parent).with_suffix("")
                import_module(".".join(path.parts).removesuffix(".__init__"))


def product_errors() -> list[type[ChukanError]]:
    """Return every error of the product, by code."""
    errors = {error for error in error_types() if error.__module__.startswith("chukan.")}
    return sorted(errors, key=lambda error: error.code)


def errors_page(errors: list[type[ChukanError]]) -> str:
    """Return the table of *errors*."""
    rows = [
        (
            f"`{error.code}`",
            error.message,
            error.hint,
            str(HTTP_STATUS[error.failure]),
            str(EXIT_CODE[error.failure]),
            "yes" if error.retryable else "no",
        )
        for error in errors
    ]
    intro = "Every failure that a person or a program may be told of. Words in braces are filled in when it happens."
    return page("Errors", intro, table(("code", "message", "what to do", "HTTP", "exit code", "retry may help"), rows))


def commands_page(root: click.Group) -> str:
    """Return a section for each command below *root*."""
    sections = "\n\n".join(command_section(path, command) for path, command in commands(root))
    return page("Commands", "Everything that `chukan` can be told to do. Each command has `--help`.", sections)


def commands(group: click.Group, path: str = "chukan") -> Iterator[tuple[str, click.Command]]:
    """Yield each command below *group* that does something itself, with its whole name."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield f"{path} {name}", command


def command_section(path: str, command: click.Command) -> str:
    """Return the section of one *command*: what it does, how it is called, what it takes."""
    context = click.Context(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    first_line = (command.help or "").strip().split("\n", maxsplit=1)[0]
    rows = [(f"`{name}`", text) for name, text in parameters(command, context)]
    parts = [f"## {path}", first_line, f"```\n{usage}\n```"]
    return "\n\n".join(parts + ([table(("takes", "meaning"), rows)] if rows else []))


def parameters(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """Yield each parameter of *command* as it is written, with its help; ``--help`` is everywhere."""
    for parameter in command.params:
        text = str(getattr(parameter, "help", None) or "")
        if isinstance(parameter, click.Argument):
            yield parameter.make_metavar(context), text
        elif isinstance(parameter, click.Option) and not parameter.hidden:
            names = ", ".join([*parameter.opts, *parameter.secondary_opts])
            yield (names if parameter.is_flag else f"{names} {parameter.make_metavar(context)}"), text


def metrics_page(plugged: tuple[Component, ...]) -> str:
    """Return the table of the metrics and checks of all components."""
    metrics = sorted((metric for each in plugged for metric in each.metrics), key=lambda metric: metric.name)
    measured = table(
        ("metric", "kind", "labels", "meaning"),
        [(f"`{each.name}`", each.kind, ", ".join(each.labels) or "none", each.help) for each in metrics],
    )
    checks = sorted((check for each in plugged for check in each.checks), key=lambda check: check.name)
    asked = table(
        ("check", "gives up after", "when it is not green"),
        [(f"`{each.name}`", f"{each.timeout.total_seconds():g} s", runbook(each.runbook)) for each in checks],
    )
    intro = "What Prometheus may scrape, and the questions that decide whether the platform is healthy."
    return page("Metrics and checks", intro, f"{measured}\n\n## Checks\n\n{asked}")


def runbook(name: str) -> str:
    """Return a link to the runbook *name*."""
    return f"[{name}](runbooks/{name}.md)"


def page(title: str, intro: str, body: str) -> str:
    """Return a page's whole text."""
    return f"{NOTE}\n\n# {title}\n\n{intro}\n\n{body}\n"


def table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table in Markdown; a bar in a cell would end it."""
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    main()
