"""The map of a campaign: a tile for each organisation, by prefecture, and how many there are of each kind: pure.

A tile is told by its letter and its pattern as well as by its colour, and each prefecture is summed up in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from types import MappingProxyType

from chukan.platform.messages import mark, text
from chukan.platform.web.cells import Mark, Status
from chukan.platform.web.tilemap import PREFECTURES
from chukan.tenants.middleserver.operations.campaigns.rules import Campaign, Readiness, Standing, is_done
from chukan.tenants.middleserver.operations.campaigns.service import OrganisationProgress


class Shade(StrEnum):
    """How an organisation stands on the map."""

    READY = "ready"
    PARTLY = "partly"
    WAITING = "waiting"
    REFUSED = "refused"
    NOTHING = "nothing"
    OVERDUE = "overdue"


#: The letter of its tile, the words that explain it, and its mark in tables.
_LOOKS: MappingProxyType[Shade, tuple[str, str, Mark]] = MappingProxyType(
    {
        Shade.READY: (mark("R"), mark("ready"), Mark.OK),
        Shade.PARTLY: (mark("P"), mark("partly registered"), Mark.RUNNING),
        Shade.WAITING: (mark("W"), mark("waits for the night"), Mark.RUNNING),
        Shade.REFUSED: (mark("X"), mark("refused by the night"), Mark.ERROR),
        Shade.NOTHING: (mark("N"), mark("nothing registered"), Mark.WAITING),
        Shade.OVERDUE: (mark("L"), mark("overdue"), Mark.ERROR),
    }
)
#: How readiness with all numbers together looks.
SHADES = MappingProxyType(
    {
        Readiness.READY: Shade.READY,
        Readiness.UNDER_WAY: Shade.PARTLY,
        Readiness.NOT_BEGUN: Shade.NOTHING,
        Readiness.OVERDUE: Shade.OVERDUE,
    }
)
#: The kinds of tiles when the map is of all numbers together, and when it is of one.
OF_ALL = (Shade.READY, Shade.PARTLY, Shade.NOTHING, Shade.OVERDUE)
OF_ONE = (Shade.READY, Shade.WAITING, Shade.REFUSED, Shade.NOTHING)


@dataclass(frozen=True, slots=True)
class OrganisationTile:
    """One organisation on the map."""

    shade: Shade
    letter: str
    told: str


@dataclass(frozen=True)
class PrefectureTiles:
    """A prefecture's organisations on the map, and what is said of them to those who do not see it."""

    code: str
    name: str
    tiles: Sequence[OrganisationTile]
    ready: int
    told: str


def status_of(shade: Shade) -> Status:
    """Return *shade* as tables show it, in the reader's language."""
    _, word, how = _LOOKS[shade]
    return Status(how, text(word))


def word_of(shade: Shade) -> str:
    """Return the word that explains *shade*, marked, not yet in the reader's language."""
    return _LOOKS[shade][1]


def letter_of(shade: Shade) -> str:
    """Return the letter on the tiles of *shade*, in the reader's language."""
    return text(_LOOKS[shade][0])


def shades_of(progress: Sequence[OrganisationProgress], information: int | None) -> Sequence[Shade]:
    """Return how each organisation stands with the number *information*, or with all numbers together.

    The number is asked of each of them (``asked``).
    """
    if information is None:
        return [SHADES[each.readiness] for each in progress]
    standings = (standing_of(each, information) for each in progress)
    return [shade_of_number(standing) for standing in standings if standing is not None]


def standing_of(each: OrganisationProgress, information: int) -> Standing | None:
    """Return how an organisation stands with a number, or None where the number is not asked of it."""
    return next((standing for standing in each.standings if standing.information == information), None)


def numbers_of(campaign: Campaign, progress: Sequence[OrganisationProgress]) -> Sequence[int]:
    """Return the campaign's numbers, then those that only organisations have that took them over."""
    own = [number.information for number in campaign.numbers]
    more = {standing.information for each in progress for standing in each.standings[len(own) :]}
    return [*own, *sorted(more)]


def asked(progress: Sequence[OrganisationProgress], information: int | None) -> Sequence[OrganisationProgress]:
    """Return the organisations of which the number *information* is asked; all of them where it is None."""
    if information is None:
        return progress
    return [each for each in progress if standing_of(each, information) is not None]


def shade_of_number(standing: Standing) -> Shade:
    """Return how an organisation stands with one number."""
    if is_done(standing):
        return Shade.READY
    if standing.waiting:
        return Shade.WAITING
    return Shade.REFUSED if standing.refused else Shade.NOTHING


def counts(shades: Sequence[Shade], kinds: Sequence[Shade]) -> Sequence[tuple[Shade, int]]:
    """Return how many there are of each of *kinds*."""
    found = Counter(shades)
    return [(kind, found[kind]) for kind in kinds]


def by_number(progress: Sequence[OrganisationProgress]) -> Mapping[int, Mapping[Shade, int]]:
    """Return how many organisations stand how, for each number."""
    found: dict[int, Counter[Shade]] = {}
    for each in progress:
        for standing in each.standings:
            found.setdefault(standing.information, Counter())[shade_of_number(standing)] += 1
    return found


def by_prefecture(progress: Sequence[OrganisationProgress], shades: Sequence[Shade]) -> Sequence[PrefectureTiles]:
    """Return the map: *shades* are those of *progress*, which is ordered by prefecture."""
    letters = {shade: letter_of(shade) for shade in Shade}
    words = {shade: status_of(shade).word for shade in Shade}
    drawn = []
    for code, group in groupby(zip(progress, shades, strict=True), key=lambda pair: pair[0].prefecture):
        pairs = list(group)
        tiles = [
            OrganisationTile(shade, letters[shade], f"{each.name} {each.organisation} {words[shade]}")
            for each, shade in pairs
        ]
        name = PREFECTURES[code].name if code in PREFECTURES else code
        found = Counter(shade for _, shade in pairs)
        parts = "、".join(f"{words[shade]} {count}" for shade, count in sorted(found.items()))
        told = text("{name}, {count} organisations: {parts}", name=name, count=len(tiles), parts=parts)
        drawn.append(PrefectureTiles(code, name, tiles, found[Shade.READY], told))
    return drawn
