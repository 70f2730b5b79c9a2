"""Loading the settings: five layers, later ones win, and all that is wrong is reported at once.

1. the defaults of the model;
2. ``config/settings/<environment>.toml``, shipped with the program;
3. the operator's files, each ``*.toml`` in the folder named by CHUKAN_CONFIG_DIRECTORY, by name;
4. environment variables, ``CHUKAN_<SECTION>__<KEY>``;
5. files named by ``CHUKAN_<SECTION>__<KEY>_FILE``, whose content is the value (for secrets).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
from pydantic import BaseModel, ValidationError

from chukan.platform.messages import text
from chukan.platform.settings.errors import Problem, SettingsInvalid
from chukan.platform.settings.leaves import leaves
from chukan.platform.settings.model import Environment, Settings
from chukan.platform.settings.production import refusals
from chukan.platform.settings.sources import (
    CONFIG_DIRECTORY,
    HOME,
    Origin,
    OriginKind,
    Source,
    read_file,
    read_folder,
    read_variables,
)

P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_ORIGIN = Origin(OriginKind.DEFAULT)
MASK = "********"


@dataclass(frozen=True)
class LoadedSettings:
    """The settings, and where each leaf that is not a default came from (by dotted key)."""

    settings: Settings
    origins: Mapping[str, Origin] = field(default_factory=lambda: MappingProxyType({}))

    def origin(self, key: str) -> Origin:
        """Return where the value of the dotted *key* came from."""
        return self.origins.get(key, DEFAULT_ORIGIN)


def load(
    *,
    environment: Environment | str | None = None,
    variables: Mapping[str, str] | None = None,
    working_directory: Path | None = None,
    shipped: Traversable | None = None,
) -> LoadedSettings:
    """Return the effective settings; relative paths in them start from CHUKAN_HOME, else the current folder.

    *environment* wins over CHUKAN_ENVIRONMENT; the other arguments default to the process's
    environment, its current folder, and the files that the program ships.

    Raises:
        SettingsInvalid: something is wrong; it lists every problem found.
    """
    variables = os.environ if variables is None else variables
    working_directory = working_directory or Path.cwd()
    home = working_directory / variables.get(HOME, "")
    own = read_folder(home / variables[CONFIG_DIRECTORY]) if variables.get(CONFIG_DIRECTORY) else []
    given = [*own, *read_variables(variables, home)]
    if environment is not None:
        given.append(Source({"environment": environment}, {"environment": Origin(OriginKind.ARGUMENT)}))
    sources = [*_shipped(given, shipped or files("chukan") / "config" / "settings"), *given]
    return _effective(sources, home)


def pass_settings(command: Callable[Concatenate[Settings, P], R]) -> Callable[P, R]:
    """Give *command* the settings as its first argument; they are loaded when the first command asks.

    Raises:
        SettingsInvalid: when the command runs, so that help and ``config check`` work without them.
    """

    @wraps(command)
    def with_settings(*args: P.args, **kwargs: P.kwargs) -> R:
        return command(loaded_settings().settings, *args, **kwargs)

    return with_settings


def loaded_settings() -> LoadedSettings:
    """Return the settings of the command that is running, loading them into ``ctx.obj`` if nobody has.

    Raises:
        SettingsInvalid: something is wrong with them.
    """
    context = click.get_current_context()
    if (loaded := context.find_object(LoadedSettings)) is None:
        loaded = context.find_root().obj = load()
    return loaded


def _shipped(given: Iterable[Source], folder: Traversable) -> list[Source]:
    chosen = str(Environment.DEVELOPMENT)
    for source in given:
        chosen = str(source.values.get("environment", chosen))
    if chosen not in tuple(Environment):
        return []  # the value itself is reported; no file belongs to it
    return [read_file(folder / f"{chosen}.toml", f"config/settings/{chosen}.toml")]


def _effective(sources: Iterable[Source], home: Path) -> LoadedSettings:
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    problems: list[Problem] = []
    for source in sources:
        wrong = _wrong(source)
        problems += [*source.problems, *wrong.values()]
        for key in source.values.keys() - wrong.keys():
            values[key], origins[key] = source.values[key], source.origins[key]
    # What is wrong has been left out, so that the rest can still be judged as a whole.
    loaded = LoadedSettings(_anchored(_validated(values), home), MappingProxyType(origins))
    problems += _refused(loaded)
    if problems:
        raise SettingsInvalid(problems)
    return loaded


def _wrong(source: Source) -> dict[str, Problem]:
    """Return the problem of each value of *source* that its leaf cannot take."""
    try:
        _validated(source.values)
    except ValidationError as error:
        keys = [_key_of(details["loc"], source) for details in error.errors(include_url=False, include_input=False)]
        return {key: _wrong_value(key, source) for key in keys}
    return {}


def _key_of(location: tuple[int | str, ...], source: Source) -> str:
    """Return the dotted key at *location*, which for a wrong type may point into the value itself."""
    parts = [str(part) for part in location]
    return next(key for end in range(len(parts), 0, -1) if (key := ".".join(parts[:end])) in source.values)


def _wrong_value(key: str, source: Source) -> Problem:
    where, value = source.origins[key].where(key), source.values[key]
    if key not in leaves():
        return Problem(where, key, text("a section: [{key}]", key=key), type(value).__name__)
    leaf = leaves()[key]
    return Problem(where, key, leaf.expected(), MASK if leaf.secret else shown(value))


def shown(value: object) -> str:
    """Return *value* short enough for a table's cell, without the log-in that an address may hold."""
    if isinstance(value, dict | list):
        return text("a table or a list")  # it may hold what belongs under another key
    plain = str(value).lower() if isinstance(value, bool) else str(value)
    scheme, separator, rest = plain.partition("://")
    if separator and "@" in rest:
        plain = f"{scheme}://{MASK}@{rest.rpartition('@')[2]}"
    return plain if len(plain) <= 120 else f"{plain[:117]}…"


def _validated(values: Mapping[str, Any]) -> Settings:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *parents, name = key.split(".")
        section = tree
        for parent in parents:
            section = section.setdefault(parent, {})
        section[name] = value
    return Settings.model_validate(tree)


def _anchored(section: Any, home: Path) -> Any:
    """Return *section* with every relative path made absolute below *home*."""
    changed: dict[str, Any] = {}
    for name, value in section:
        if isinstance(value, BaseModel):
            changed[name] = _anchored(value, home)
        elif isinstance(value, Path):
            changed[name] = home / value
    return section.model_copy(update=changed)


def _refused(loaded: LoadedSettings) -> list[Problem]:
    if loaded.settings.environment is not Environment.PRODUCTION:
        return []
    return [
        Problem(loaded.origin(refusal.key).where(refusal.key), refusal.key, refusal.expected, refusal.found)
        for refusal in refusals(loaded.settings)
    ]
