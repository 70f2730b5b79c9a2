"""Who is behind with a campaign, as it is passed on: pure.

The ministry sees prefectures with their counts, a prefecture its organisations, an organisation its numbers.

Source: A1-012.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from chukan.platform.web.tilemap import PREFECTURES
from chukan.tenants.middleserver.operations.campaigns.rules import EscalationStep, is_behind
from chukan.tenants.middleserver.operations.campaigns.service import OrganisationProgress


@dataclass(frozen=True)
class PrefectureBehind:
    """A prefecture with somebody behind: who, and of how many active organisations."""

    code: str
    name: str
    organisations: Sequence[OrganisationProgress]
    whole: int


def escalation(
    progress: Iterable[OrganisationProgress], due_on: date, on: date, steps: Sequence[EscalationStep]
) -> Sequence[PrefectureBehind]:
    """Return who is behind on the day *on*, by prefecture; *progress* is ordered by it."""
    found = []
    for code, group in groupby(progress, key=lambda each: each.prefecture):
        whole = list(group)
        behind = [each for each in whole if is_behind(each.standings, due_on, on, steps)]
        if behind:
            name = PREFECTURES[code].name if code in PREFECTURES else code
            found.append(PrefectureBehind(code, name, behind, len(whole)))
    return found
