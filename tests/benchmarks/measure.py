"""Measuring as design decisions ask: ours and the floor in alternation, in one run, as a ratio.

Machines are shared and noisy, so absolute figures mean little: each round runs ours and then the
floor, the ratio is taken within the round, and the median over the rounds is what is reported,
with the load average beside it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from chukan.platform.clock import monotonic

#: Does a fixed amount of work and returns how many units it was (operations, rows, bytes).
Work = Callable[[], int]


@dataclass(frozen=True)
class Measured:
    """One line of a report. Rates are units a second; ``to_reach`` is the ratio asked for, if one is."""

    name: str
    unit: str
    rate: float
    floor_name: str = ""
    floor_rate: float | None = None
    ratio: float | None = None
    to_reach: float | None = None
    note: str = ""


def alternate(
    name: str,
    ours: Work,
    floor: Work,
    *,
    floor_name: str,
    unit: str = "operations",
    rounds: int = 7,
    to_reach: float | None = None,
) -> Measured:
    """Run *ours* and *floor* in turn *rounds* times, after one of each that does not count."""
    ours(), floor()
    pairs = [(_rate(ours), _rate(floor)) for _ in range(rounds)]
    return Measured(
        name=name,
        unit=unit,
        rate=median(ours for ours, _ in pairs),
        floor_name=floor_name,
        floor_rate=median(floor for _, floor in pairs),
        ratio=median(ours / floor for ours, floor in pairs),
        to_reach=to_reach,
    )


def alone(name: str, ours: Work, *, unit: str = "operations", rounds: int = 3, note: str = "") -> Measured:
    """Run *ours* where there is no floor to put beside it."""
    return Measured(name=name, unit=unit, rate=median(_rate(ours) for _ in range(rounds)), note=note)


def print_report(title: str, measured: Sequence[Measured]) -> None:
    """Print the table, and the load average that the figures were taken under."""
    table = Table(title=title, title_justify="left")
    for column in ("what", "unit", "a second", "floor", "floor a second", "ratio", "to reach", "note"):
        table.add_column(column, justify="left" if column in {"what", "unit", "floor", "note"} else "right")
    for line in measured:
        table.add_row(
            line.name, line.unit, _figure(line.rate), line.floor_name, _figure(line.floor_rate),
            f"{line.ratio:.2f}" if line.ratio is not None else "",
            f"{line.to_reach:.2f}" if line.to_reach is not None else "", line.note,
        )  # fmt: skip
    # A report that goes to a file is not squeezed into eighty columns.
    console = Console(width=None if sys.stdout.isatty() else 180)
    console.print(table)
    console.print("load average: " + " ".join(f"{load:.2f}" for load in os.getloadavg()))


def _rate(work: Work) -> float:
    started = monotonic()
    units = work()
    return units / (monotonic() - started)


def _figure(rate: float | None) -> str:
    return "" if rate is None else f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"
