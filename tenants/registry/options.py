"""What the commands of the registry take: days, words of the registry, files."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from pathlib import Path

import click
from typing_extensions import override

from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.messages import text


class DayType(click.ParamType[date]):
    """A day in ISO 8601, or the word ``today`` (Asia/Tokyo)."""

    name = "day"

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Return *value* as a day.

        Raises:
            click.BadParameter: it is none.
        """
        if isinstance(value, date):
            return value
        if value == "today":
            return today()
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(text("it is not a day like 2026-04-01"), param, ctx)


DAY = DayType()
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def today() -> date:
    """Return the day that it is in Tokyo."""
    return as_tokyo(SystemClock().now()).date()


def word(values: Iterable[StrEnum]) -> click.Choice[str]:
    """Return the choice of the words of *values*."""
    return click.Choice([value.value for value in values])
