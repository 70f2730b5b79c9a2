"""Many towns ask one another at the same time through the network: each answer is the answer to its question.

Relays, the network's deliveries and the reception all work in threads of their own. Every town knows the same persons
under numbers of its own, and its copy of each says something that no other copy says.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chukan.tenants.middleserver.inquiries.registration import Registered
from chukan.tenants.middleserver.inquiries.rules import InquiryState, Kind
from national_network.organisation import eventually
from support.exchange_whole import RunningClock, Town, Whole, whole_exchange
from support.security import NOW, Place

PEOPLE = (1, 2)
#: Whom a town asks: so many towns further on.
FURTHER = (1, 5)


@pytest.mark.parametrize("count", [12, pytest.param(50, marks=pytest.mark.slow)])
def test_every_answer_is_that_to_its_question(
    place: Place, tmp_path_factory: pytest.TempPathFactory, count: int
) -> None:
    folder = tmp_path_factory.mktemp("whole")
    with whole_exchange(place, folder, towns=count, clock=RunningClock(NOW)) as whole:
        towns = [whole.town(PEOPLE) for _ in range(count)]
        pairs = [(town, towns[(at + by) % count]) for at, town in enumerate(towns) for by in FURTHER]
        with ThreadPoolExecutor(8) as pool, flowing(whole):
            asked = list(pool.map(lambda pair: ask(*pair), pairs))
            eventually(lambda: all(map(answered, towns)), within=300)
        for (town, other), told in zip(pairs, asked, strict=True):
            for person, result in zip(asked_by(town), town.results(told.number), strict=True):
                said = [item.value for record in result.records for item in record.items if item.code == "INCOME"]
                assert (result.state, result.address) == (InquiryState.ANSWERED, town.address(person))
                assert (result.provider, said) == (other.institution, [other.income(person)])
        # The network refused nothing, and what came was receipted by whom it was for.
        store = whole.network.context.store
        assert store.found_all("select reason from refusal") == []
        assert {row["result"] for row in store.found_all("select result from delivery")} == {"accepted"}
        assert whole.cases() == []


def asked_by(town: Town) -> tuple[int, ...]:
    """Return about whom *town* asks: every other one about all, in one list."""
    return PEOPLE if town.number % 2 else PEOPLE[:1]


def ask(town: Town, other: Town) -> Registered:
    people = asked_by(town)
    return town.ask(other, *people, kind=Kind.BULK if len(people) > 1 else Kind.WINDOW)


class flowing:  # noqa: N801 - reads as what it does
    """Let relays and the network's deliveries run for the block."""

    def __init__(self, whole: Whole) -> None:
        self._whole = whole
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(2)

    def __enter__(self) -> None:
        self._whole.deliveries.start()
        self._running = [self._pool.submit(self._relay), self._pool.submit(self._pace)]

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._pool.shutdown()
        self._whole.deliveries.stop()
        for each in self._running:
            each.result()

    def _pace(self) -> None:
        while not self._ended.is_set():
            for town in self._whole.towns.values():
                town.pace()
            self._ended.wait(0.1)

    def _relay(self) -> None:
        while not self._ended.is_set():
            self._whole.relay(senders=6).run()
            self._ended.wait(0.05)


def answered(town: Town) -> bool:
    return not town.rows("select 1 from {0}.inquiry where state <> 'answered'")
