"""Traffic is mixed as it was counted, as far as the permission table lets it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from chukan_simulators.national_network.client import RunningNetwork
from chukan_simulators.national_network.hosts import HostUnfit
from chukan_simulators.national_network.permissions import Party, PermissionTable
from chukan_simulators.national_network.traffic import INFORMATION, PROCEDURES, mix
from national_network.exchange import Town
from national_network.organisation import eventually, new_resident

TAX, MEDICAL, CARE = INFORMATION
PARTIES = {
    code: Party(code, code, kind) for code, kind in (("A", "municipality"), ("B", "municipality"), ("C", "union"))
}


def table(*rows: tuple[tuple[str, str], str]) -> PermissionTable:
    """Return a table in which municipalities may ask each other for these things."""
    cells = {("municipality", *way, "municipality", information) for way, information in rows}
    return PermissionTable(PARTIES, frozenset(cells))


def every() -> list[tuple[tuple[str, str], str]]:
    return [(way, information) for way in PROCEDURES for information in INFORMATION]


def test_both_counts_are_kept_where_everything_is_permitted() -> None:
    weights = mix(table(*every()), "A", "B")
    for way, count in PROCEDURES.items():
        share = sum(weight for cell, weight in weights.items() if cell[:2] == way)
        assert share == pytest.approx(count / sum(PROCEDURES.values()))
    for information, count in INFORMATION.items():
        share = sum(weight for cell, weight in weights.items() if cell[2] == information)
        assert share == pytest.approx(count / sum(INFORMATION.values()))


def test_both_counts_are_kept_by_the_shipped_table_too() -> None:
    """Two procedures may ask for tax alone, others for three things, as in the shipped table."""
    tax, child, health, care, disability = PROCEDURES
    rows = [(tax, TAX), (child, TAX), (health, TAX), (health, MEDICAL), (health, CARE), (care, TAX), (care, MEDICAL)]
    weights = mix(table(*rows, (disability, TAX), (disability, CARE)), "A", "B")
    share = sum(weight for cell, weight in weights.items() if cell[2] == TAX)
    assert share == pytest.approx(INFORMATION[TAX] / sum(INFORMATION.values()), abs=0.001)
    share = sum(weight for cell, weight in weights.items() if cell[:2] == health)
    assert share == pytest.approx(PROCEDURES[health] / sum(PROCEDURES.values()), abs=0.001)


@pytest.mark.parametrize(("inquirer", "provider"), [("A", "C"), ("C", "B"), ("A", "D")])
def test_who_may_ask_nothing_has_no_traffic(inquirer: str, provider: str) -> None:
    with pytest.raises(HostUnfit):
        mix(table(*every()), inquirer, provider)


def test_a_stream_asks_whoever_knows_persons(linked: RunningNetwork, new_town: Callable[[], Town]) -> None:
    provider = new_town()
    with pytest.raises(ValueError, match="no provider"):
        linked.begin_traffic(3, providers=[provider.code])
    for _ in range(2):
        provider.organisation.codes_for(linked, {f"S-{new_resident()}": new_resident()})
    eventually(lambda: len(provider.organisation.entries()) == 2)
    plan = linked.begin_traffic(12, providers=[provider.code], seed=7)
    assert sum(plan.values()) == 12
    eventually(lambda: linked.traffic()["left"] == 0)
    assert linked.traffic()["receipts"] == {"accepted": 12}
    requests = eventually(lambda: len(found := provider.requests()) == 12 and found)
    permits = [provider.request(each.fields["ProcessingSerial"]).permit for each in requests]
    assert Counter(f"{each['Procedure']} {each['Information']}" for each in permits) == plan
    assert {each["LinkageCode"] for each in permits} == {
        each["LinkageCode"] for each in provider.organisation.entries().values()
    }
    # The same seed, the same mix.
    assert linked.begin_traffic(12, providers=[provider.code], seed=7) == plan
    eventually(lambda: linked.traffic()["left"] == 0)
