"""A timeline: spans on an axis of Tokyo's time, in lanes; templates/web/timeline.html draws it, with a table beneath.

Spans of one lane that overlap are drawn below one another. One without an end is still running, and reaches to *now*.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from chukan.platform.clock import as_tokyo, as_utc
from chukan.platform.web.cells import Mark, Status, legend
from chukan.platform.web.charts import letters_wide
from chukan.platform.web.dates import WEEKDAYS

WIDTH, LEFT, RIGHT, TOP = 1000, 190, 12, 34
ROW, LANE_GAP = 22, 10
#: A span of a second is still seen.
_NARROWEST = 3.0
_MOST_TICKS = 10
_STEPS = (
    *(timedelta(minutes=minutes) for minutes in (1, 5, 10, 15, 30)),
    *(timedelta(hours=hours) for hours in (1, 2, 3, 6, 12)),
    *(timedelta(days=days) for days in (1, 2, 7, 14, 28, 91, 182, 364)),
)
#: How wide a lane's name may be beside the picture, in full-width letters; the table has all of it.
_LANE_LETTERS = 14.0


@dataclass(frozen=True)
class Span:
    """One span: from *start* to *end* (aware, half-open; None: it runs), its state, and where its title leads."""

    lane: str
    title: str
    start: datetime
    end: datetime | None
    state: Status
    href: str | None = None


@dataclass(frozen=True)
class Drawn:
    """A span as it is drawn."""

    x: float
    y: float
    width: float
    mark: Mark
    told: str


@dataclass(frozen=True)
class Lane:
    """A lane as it is drawn: its shortened name, its upper edge and its height."""

    name: str
    y: float
    height: float


@dataclass(frozen=True)
class Tick:
    """A line across the lanes; ``is_day`` where a day begins."""

    x: float
    label: str
    is_day: bool


@dataclass(frozen=True)
class Timeline:
    """The spans between *since* and *until*; *id* is unique on the page, texts are in the reader's language.

    *lanes* gives the order of the lanes and those without a span; by themselves they come in the order of the spans.

    Raises:
        ValueError: it ends before it begins, or a span does.
        NaiveInstant: an instant has no UTC offset.
    """

    id: str
    title: str
    summary: str
    since: datetime
    until: datetime
    now: datetime
    spans: Sequence[Span]
    lanes: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.id):
            raise ValueError(f"{self.id} is no id")
        if as_utc(self.until) <= as_utc(self.since):
            raise ValueError("a timeline ends after it begins")
        if any(span.end is not None and as_utc(span.end) < as_utc(span.start) for span in self.spans):
            raise ValueError("a span ends before it begins")

    @cached_property
    def shown(self) -> Sequence[Span]:
        """The spans of which something lies between *since* and *until*, by their start."""
        visible = [span for span in self.spans if span.start < self.until and self._end(span) >= self.since]
        return sorted(visible, key=lambda span: as_utc(span.start))

    @property
    def legend(self) -> Sequence[Status]:
        """The states of the spans that are shown, each once, in the order of the marks."""
        return legend(span.state for span in self.shown)

    @property
    def height(self) -> float:
        """The height of the picture."""
        return sum((lane.height for lane in self.drawn_lanes), TOP) + LANE_GAP

    @property
    def drawn_lanes(self) -> Sequence[Lane]:
        """The lanes, from the top down."""
        found, y = [], float(TOP)
        for name in self._names:
            height = float(max(1, self._rows.get(name, 0)) * ROW + LANE_GAP)
            found.append(Lane(_shortened(name), y, height))
            y += height
        return found

    @property
    def drawn(self) -> Sequence[Drawn]:
        """The spans as they are drawn."""
        tops = dict(zip(self._names, (lane.y for lane in self.drawn_lanes), strict=True))
        found = []
        for span, row in self._placed:
            left, right = self.x_of(span.start), self.x_of(self._end(span))
            width = max(_NARROWEST, round(right - left, 2))
            y = tops[span.lane] + LANE_GAP / 2 + row * ROW
            told = f"{span.title} {span.state.word} {_brief(span.start)}-{_brief(span.end) if span.end else ''}"
            found.append(Drawn(min(left, WIDTH - RIGHT - width), y, width, span.state.mark, told))
        return found

    @property
    def ticks(self) -> Sequence[Tick]:
        """The lines across the lanes, at round times of Tokyo's clock."""
        return [Tick(self.x_of(at), _label(at), _is_midnight(at)) for at in ticks(self.since, self.until)]

    @property
    def now_at(self) -> float | None:
        """Where *now* is drawn, or None if it lies outside."""
        return self.x_of(self.now) if self.since <= self.now < self.until else None

    def x_of(self, instant: datetime) -> float:
        """Return where *instant* is drawn; what lies outside is drawn at the edge."""
        share = (as_utc(instant) - as_utc(self.since)) / (as_utc(self.until) - as_utc(self.since))
        return round(LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, max(0.0, share)), 2)

    def _end(self, span: Span) -> datetime:
        return span.end if span.end is not None else max(self.now, span.start)

    @cached_property
    def _names(self) -> Sequence[str]:
        return list(dict.fromkeys([*self.lanes, *(span.lane for span in self.shown)]))

    @cached_property
    def _placed(self) -> Sequence[tuple[Span, int]]:
        """Each span with its row in its lane: the first one that is free."""
        ends: dict[str, list[datetime]] = {}
        placed = []
        for span in self.shown:
            rows = ends.setdefault(span.lane, [])
            free = next((row for row, end in enumerate(rows) if end <= span.start), len(rows))
            rows[free:free + 1] = [self._end(span)]  # fmt: skip
            placed.append((span, free))
        return placed

    @cached_property
    def _rows(self) -> dict[str, int]:
        rows: dict[str, int] = {}
        for span, row in self._placed:
            rows[span.lane] = max(rows.get(span.lane, 0), row + 1)
        return rows


def ticks(since: datetime, until: datetime, most: int = _MOST_TICKS) -> Sequence[datetime]:
    """Return round times of Tokyo's clock from *since* to before *until*, *most* at the most.

    Raises:
        NaiveInstant: an instant has no UTC offset.
    """
    first, last = as_tokyo(since), as_tokyo(until)
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    step = next((step for step in _STEPS if (last - first) / step <= most), (last - first) / most)
    skipped = -((midnight - first) // step) if first > midnight else 0
    found = []
    at = midnight + skipped * step
    while at < last:
        if at >= first:
            found.append(at)
        at += step
    return found


def _shortened(name: str) -> str:
    """Return as much of *name* as has room beside the picture."""
    if letters_wide(name) <= _LANE_LETTERS:
        return name
    fitting = next(length for length in range(len(name), -1, -1) if letters_wide(name[:length]) <= _LANE_LETTERS - 1)
    return f"{name[:fitting]}…"


def _is_midnight(at: datetime) -> bool:
    local = as_tokyo(at)
    return (local.hour, local.minute) == (0, 0)


def _label(at: datetime) -> str:
    local = as_tokyo(at)
    if _is_midnight(at):
        return f"{local.month}/{local.day}（{WEEKDAYS[local.weekday()]}）"
    return f"{local:%H:%M}"


def _brief(instant: datetime) -> str:
    local = as_tokyo(instant)
    return f"{local.month}/{local.day} {local:%H:%M}"
