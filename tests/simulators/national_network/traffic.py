"""Traffic as it was counted: inquiries of hosted institutions, mixed as procedures and kinds of information were."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chukan_simulators.national_network.codes import Codes
from chukan_simulators.national_network.hosts import Hosts, HostUnfit
from chukan_simulators.national_network.keys import Keys
from chukan_simulators.national_network.partners import Partners, Wish
from chukan_simulators.national_network.permissions import PermissionTable
from chukan_simulators.national_network.publishing import Publisher

#: Inquiries from July 2017 to May 2018, by procedure (A1-003): affair, procedure, count.
PROCEDURES: Mapping[tuple[str, str], int] = {
    ("JM01000000121000", "JT01010000000001"): 431_927,
    ("JM90000000000001", "JT01010000000214"): 414_251,
    ("JM90000000000002", "JT90000000000002"): 380_325,
    ("JM90000000000003", "JT90000000000003"): 120_784,
    ("JM90000000000004", "JT90000000000004"): 68_949,
}
#: The same by information (A1-004), of those that the masters know: local tax, medical insurance, care insurance.
INFORMATION: Mapping[str, int] = {
    "TM00000000000002": 1_188_109,
    "TM00000000000031": 236_682,
    "TM00000000000004": 13_774,
}
_ROUNDS = 60

#: Affair, procedure, information.
Cell = tuple[str, str, str]


@dataclass(frozen=True)
class Plan:
    """Who asks whom, how often."""

    count: int
    inquirers: Sequence[str]
    providers: Sequence[str]
    seed: int = 0
    per_second: float = 0.0


class Traffic:
    """One stream of traffic at a time, in the background."""

    def __init__(self, keys: Keys, codes: Codes, hosts: Hosts, publisher: Publisher, partners: Partners) -> None:
        self._keys = keys
        self._codes = codes
        self._hosts = hosts
        self._publisher = publisher
        self._partners = partners
        self._lock = threading.Lock()
        self._asked: Counter[str] = Counter()
        self._left = 0
        self._thread: threading.Thread | None = None

    def shown(self) -> dict[str, Any]:
        """Return how many were asked, by what the receipts said, and how many are left."""
        with self._lock:
            return {"left": self._left, "receipts": dict(self._asked)}

    def begin(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Begin to ask as *told*; returns how many inquiries there are of each procedure and information.

        Raises: HostUnfit if nobody could be asked, or a stream is still running.
        """
        plan = self._plan(told)
        people = {provider: self._codes.residents_of(provider) for provider in plan.providers}
        if not plan.providers or not all(people.values()):
            raise HostUnfit("there is no provider with codes of persons")
        weights = mix(self._publisher.table(), plan.inquirers[0], plan.providers[0])
        draw = random.Random(plan.seed)  # noqa: S311 - traffic, no secret
        cells = draw.choices(list(weights), list(weights.values()), k=plan.count)
        wishes = [self._wish(draw, plan, people, cell) for cell in cells]
        with self._lock:
            if self._left:
                raise HostUnfit("there is traffic already")
            self._left, self._asked = plan.count, Counter()
        self._thread = threading.Thread(target=self._run, args=(wishes, plan.per_second), daemon=True)
        self._thread.start()
        return {f"{procedure} {item}": count for (_, procedure, item), count in sorted(Counter(cells).items())}

    def _plan(self, told: Mapping[str, Any]) -> Plan:
        providers = told.get("providers") or [each for each in self._codes.institutions() if not self._hosts.has(each)]
        inquirers = told.get("inquirers") or [self._somebody(providers)]
        for institution in inquirers:
            if not self._hosts.has(institution):
                self._hosts.set(institution)
        return Plan(
            int(told["count"]), inquirers, providers, int(told.get("seed", 0)), float(told.get("per_second", 0))
        )

    def _somebody(self, providers: Sequence[str]) -> str:
        """Return a municipality of the table that has no system of its own."""
        for party in sorted(self._publisher.table().parties.values(), key=lambda each: each.code):
            free = self._hosts.has(party.code) or not self._keys.is_connected(party.code)
            if party.kind == "municipality" and party.code not in providers and free:
                return party.code
        raise HostUnfit("there is nobody to ask")

    @staticmethod
    def _wish(draw: random.Random, plan: Plan, people: Mapping[str, Sequence[str]], cell: Cell) -> Wish:
        provider = draw.choice(plan.providers)
        resident, (affair, procedure, information) = draw.choice(people[provider]), cell
        return Wish(draw.choice(plan.inquirers), provider, information, resident, affair, procedure)

    def _run(self, wishes: Sequence[Wish], per_second: float) -> None:
        pause = threading.Event()
        try:
            for wish in wishes:
                told = self._partners.inquire(wish)
                with self._lock:
                    self._asked[told["receipt"]] += 1
                    self._left -= 1
                if per_second:
                    pause.wait(1 / per_second)
        finally:
            with self._lock:
                self._left = 0


def mix(table: PermissionTable, inquirer: str, provider: str) -> Mapping[Cell, float]:
    """Return the weights of what *inquirer* may ask *provider*: both counts are kept as well as the table lets them.

    Raises: HostUnfit if it may ask for nothing of it.
    """
    ends = [party for party in (table.parties.get(inquirer), table.parties.get(provider)) if party]
    named = [{party.code, party.kind} for party in ends]
    cells = {
        (affair, procedure, information): 1.0
        for asker, affair, procedure, giver, information in table.rows
        if len(named) == len((inquirer, provider))
        and (asker in named[0] and giver in named[1])
        and ((affair, procedure) in PROCEDURES and information in INFORMATION)
    }
    if not cells:
        raise HostUnfit("the permission table has nothing of the mix")
    for _ in range(_ROUNDS):
        # Rows and columns in turn (iterative proportional fitting).
        cells = _scaled(cells, PROCEDURES, lambda cell: cell[:2])
        cells = _scaled(cells, INFORMATION, lambda cell: cell[2])
    return dict(sorted(cells.items()))


def _scaled(cells: Mapping[Cell, float], counts: Mapping[Any, int], name: Any) -> dict[Cell, float]:
    sums: Counter[Any] = Counter()
    for cell, weight in cells.items():
        sums[name(cell)] += weight  # type: ignore[assignment]
    whole = sum(counts[each] for each in sums)
    return {cell: weight * counts[name(cell)] / whole / sums[name(cell)] for cell, weight in cells.items()}
