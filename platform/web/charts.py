"""Bar and line charts: where everything is drawn, in the units of the picture; templates/web/charts.html draws it.

A chart has a title, a summary of what it shows, and a table of the same numbers beneath; series differ by pattern and
marker as well as by colour. Values are counts or measures from zero up; None is a gap.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

WIDTH, HEIGHT = 720, 280
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 24, 32
_MOST_SERIES = 4
_GRID_LINES = 5
#: The width of a full-width letter of the axis, and what stays free between two labels.
_LETTER, _BETWEEN = 12, 16


@dataclass(frozen=True)
class Series:
    """One row of numbers under the chart's labels; its title is in the reader's language."""

    title: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Bar:
    """One bar as it is drawn."""

    x: float
    y: float
    width: float
    height: float
    series: int
    told: str


@dataclass(frozen=True)
class Point:
    """One point of a line as it is drawn."""

    x: float
    y: float
    series: int
    told: str


@dataclass(frozen=True)
class Tick:
    """A line of the grid, or a label under the axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Chart:
    """What all charts have; *id* is unique on the page, texts are in the reader's language.

    Raises:
        ValueError: there are too many series, one has not as many values as there are labels, or a value is negative
            or no number.
    """

    kind: ClassVar[str] = ""

    id: str
    title: str
    summary: str
    labels: Sequence[str]
    series: Sequence[Series]
    unit: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.id):
            raise ValueError(f"{self.id} is no id")
        if not 1 <= len(self.series) <= _MOST_SERIES:
            raise ValueError(f"a chart holds one to {_MOST_SERIES} series")
        for each in self.series:
            if len(each.values) != len(self.labels):
                raise ValueError(f"{each.title} has not one value for each label")
            if any(value is not None and not (math.isfinite(value) and value >= 0) for value in each.values):
                raise ValueError(f"{each.title} has a value that cannot be drawn")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return all(value is None for each in self.series for value in each.values)

    @cached_property
    def top(self) -> float:
        """The value at the upper end of the axis."""
        return scale(max((value for each in self.series for value in each.values if value is not None), default=0))[-1]

    @property
    def grid(self) -> Sequence[Tick]:
        """The lines of the grid with their values, from zero up."""
        largest = max((value for each in self.series for value in each.values if value is not None), default=0)
        return [Tick(self.y_of(value), f"{value:,.10g}") for value in scale(largest)]

    @property
    def axis(self) -> Sequence[Tick]:
        """The labels under the axis, so many that they do not touch."""
        widest = max((letters_wide(label) for label in self.labels), default=1)
        fitting = max(1, int((WIDTH - LEFT - RIGHT) / (widest * _LETTER + _BETWEEN)))
        step = max(1, math.ceil(len(self.labels) / fitting))
        return [Tick(self.x_of(place), self.labels[place]) for place in range(0, len(self.labels), step)]

    @property
    def table(self) -> Sequence[Sequence[object]]:
        """The same numbers as rows: label, then one value for each series."""
        return [[label, *(each.values[place] for each in self.series)] for place, label in enumerate(self.labels)]

    def x_of(self, place: int) -> float:
        """Return the middle of the *place*-th label's share of the axis."""
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (place + 0.5) / len(self.labels), 2)

    def y_of(self, value: float) -> float:
        """Return the height at which *value* is drawn; the picture's zero is at its upper edge."""
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.top, 2)

    def _told(self, place: int, series: Series, value: float) -> str:
        words = f"{self.labels[place]}: {value:,}{self.unit}"
        return f"{series.title} {words}" if len(self.series) > 1 else words


@dataclass(frozen=True)
class BarChart(Chart):
    """Bars beside one another for each label."""

    kind: ClassVar[str] = "bars"

    @property
    def bars(self) -> Iterator[Bar]:
        """The bars, label by label."""
        share = (WIDTH - LEFT - RIGHT) / max(1, len(self.labels))
        width = min(48.0, share * 0.72 / len(self.series))
        for place in range(len(self.labels)):
            left = self.x_of(place) - width * len(self.series) / 2
            for index, each in enumerate(self.series):
                value = each.values[place]
                if value is not None:
                    y = self.y_of(value)
                    height = round(HEIGHT - BOTTOM - y, 2)
                    yield Bar(round(left + index * width, 2), y, round(width * 0.92, 2), height, index + 1,
                              self._told(place, each, value))  # fmt: skip


@dataclass(frozen=True)
class LineChart(Chart):
    """A line for each series, broken where a value is missing."""

    kind: ClassVar[str] = "lines"

    @property
    def points(self) -> Iterator[Point]:
        """The points of all lines."""
        for index, each in enumerate(self.series):
            for place, value in enumerate(each.values):
                if value is not None:
                    yield Point(self.x_of(place), self.y_of(value), index + 1, self._told(place, each, value))

    @property
    def paths(self) -> Iterator[tuple[int, str]]:
        """For each series its number and the path of its line."""
        for index, each in enumerate(self.series):
            steps, is_down = [], False
            for place, value in enumerate(each.values):
                if value is not None:
                    steps.append(f"{'L' if is_down else 'M'}{self.x_of(place)} {self.y_of(value)}")
                is_down = value is not None
            yield index + 1, "".join(steps)


def scale(largest: float) -> Sequence[float]:
    """Return the values of the grid from zero up to *largest* or just above, in steps of 1, 2 or 5 and zeros.

    Raises:
        ValueError: *largest* is negative or no number.
    """
    if not (math.isfinite(largest) and largest >= 0):
        raise ValueError(f"no axis reaches {largest}")
    if largest == 0:
        return [0, 1]
    magnitude = 10.0 ** math.floor(math.log10(largest / _GRID_LINES))
    enough = largest / _GRID_LINES * 0.999999
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= enough)
    count = math.ceil(largest / step - 1e-9)
    return [float(f"{step * place:.12g}") for place in range(count + 1)]


def letters_wide(label: str) -> float:
    """Return how wide *label* is, in full-width letters."""
    return sum(1.0 if unicodedata.east_asian_width(letter) in "WFA" else 0.6 for letter in label)
