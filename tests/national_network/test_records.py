"""The network's records: what both sides can hold theirs against, and what a test may spoil."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joserfc.errors import JoseError
from lxml import etree

from chukan_simulators.national_network.client import RunningNetwork
from chukan_simulators.national_network.documents import Schemas
from chukan_simulators.national_network.records import MOST, Query, Records
from chukan_simulators.national_network.store import Store
from national_network.conftest import CONFIG
from national_network.exchange import Town, begun, day, fields_of
from national_network.organisation import NETWORK

NewTown = Callable[[], Town]


def lately() -> str:
    return f"from={day(2)}&to={day(0, 1)}"


def listed(town: Town, query: str = "") -> list[dict[str, str]]:
    """Return the network's records of *town*, verified."""
    platform = town.organisation.platform
    answer = platform.ask("GET", f"/records/{town.code}?{query or lately()}")
    assert answer.status == 200, answer.body
    header, payload = platform.verified(answer.body)
    assert (header["typ"], header["from"], header["to"]) == ("IF_TKM_X0401_S01", NETWORK, town.code)
    root = etree.fromstring(payload)
    assert root.findtext("Institution") == town.code
    return [fields_of(entry) for entry in root.iterfind("Entry")]


def test_both_sides_find_the_same_record(new_town: NewTown) -> None:
    one = begun(new_town, RequestedAt=f"{day(1)}T10:11:12+09:00", NonDisclosure="1")
    expected = {
        "ProcessingSerial": one.inquiry.serial,
        "InquirerInstitution": one.inquirer.code,
        "ProviderInstitution": one.provider.code,
        "Affair": "JM01000000121000",
        "Procedure": "JT01010000000001",
        "Information": "TM00000000000002",
        "RequestedAt": f"{day(1)}T10:11:12+09:00",
        "NonDisclosure": "1",
    }
    assert listed(one.inquirer) == [{**expected, "Side": "inquirer", "Result": "requested"}]
    one.provider.answer(one.request)
    decided = {"Result": "provided", "AnsweredAt": one.inquiry.result()["ProvidedAt"]}
    assert listed(one.inquirer) == [{**expected, **decided, "Side": "inquirer"}]
    assert listed(one.provider) == [{**expected, **decided, "Side": "provider"}]


def test_what_the_network_refused_is_no_record_of_the_provider(new_town: NewTown) -> None:
    inquirer, provider = new_town(), new_town()
    result = inquirer.inquire(provider.code, "A" * 32).result()
    (record,) = listed(inquirer)
    assert (record["Result"], record["AnsweredAt"]) == ("refused", result["ProvidedAt"])
    assert listed(provider) == []


def test_days_are_japanese_and_both_belong_to_the_list(new_town: NewTown) -> None:
    inquirer, provider = new_town(), new_town()
    first, second = f"{day(2)}T00:00:00+09:00", f"{day(2)}T23:59:59+09:00"
    for at in (f"{day(3)}T23:59:59+09:00", first, second, f"{day(1)}T00:00:00+09:00"):
        inquirer.inquire(provider.code, "A" * 32, RequestedAt=at).result()
    assert [each["RequestedAt"] for each in listed(inquirer, f"from={day(2)}&to={day(2)}")] == [first, second]


@pytest.mark.parametrize(
    "query",
    [
        *("", "?from=2026-11-20", "?from=2026-11-20&to=2026-11-19", "?from=2026-11-20&to=2027-02-20"),
        *("?from=x&to=2026-11-20", "?from=2026-11-20&to=2026-11-20&more=1", "?from=2026-11-20&to=2026-11-20&after=x"),
        "?from=2026-11-20&to",
    ],
)
def test_a_query_that_means_nothing_is_refused(new_town: NewTown, query: str) -> None:
    town = new_town()
    answer = town.organisation.platform.ask("GET", f"/records/{town.code}{query}")
    assert (answer.status, answer.body) == (400, b'{"Error": "query"}')


def test_an_altered_record_is_another_one(linked: RunningNetwork, new_town: NewTown) -> None:
    one = begun(new_town)
    one.provider.answer(one.request)
    one.inquiry.result()
    assert linked.alter_record(one.inquirer.code, one.inquiry.serial, Result="refused", Information="TM00000000000004")
    (record,) = listed(one.inquirer)
    assert (record["Result"], record["Information"]) == ("refused", "TM00000000000004")
    # The exchange itself is not touched.
    assert linked.inquiries(one.inquirer.code)[0]["state"] == "provided"
    assert linked.lose_record(one.inquirer.code, one.inquiry.serial)
    assert listed(one.provider) == []
    assert not linked.alter_record(one.inquirer.code, one.inquiry.serial, Result="refused")
    with pytest.raises(ValueError, match="KeyError"):
        linked.alter_record(one.inquirer.code, one.inquiry.serial, LinkageCode="A" * 32)


@pytest.mark.parametrize("fault", ["forge_signature", "forge_body", "forge_key", "forge_kid", "forge_algorithm"])
def test_a_forged_list_does_not_pass_a_check(linked: RunningNetwork, new_town: NewTown, fault: str) -> None:
    town = new_town()
    linked.order(fault, on="records", institution=town.code, times=1)
    with pytest.raises((JoseError, KeyError)):
        listed(town)
    assert listed(town) == []


def test_a_long_list_comes_in_parts_without_a_gap(tmp_path: Path) -> None:
    store, schemas = Store(tmp_path / "records.sqlite"), Schemas(CONFIG / "protocols")
    records, town = Records(store), places(0)[1]
    with store.transaction() as connection:
        for number in range(2 * MOST + 1):
            row = dummy(number, *places(number))
            records.begin(connection, row)
            records.asked(connection, row)
    found: list[str] = []
    told = {"from": "2026-11-21", "to": "2026-11-21"}
    while True:
        root = etree.fromstring(records.listed(Query.of(town, told), schemas))
        found += [str(entry.findtext("ProcessingSerial")) for entry in root.iterfind("Entry")]
        if not (more := root.findtext("More")):
            break
        told["after"] = more
    rows = [dummy(number, *places(number)) for number in range(2 * MOST + 1)]
    ordered = sorted(rows, key=lambda row: (row["requested_at"], row["inquirer"], row["serial"]))
    assert found == [row["serial"] for row in ordered]
    store.close()


def places(number: int) -> tuple[str, str]:
    both = ("0220113990001700", "0220113990002700")
    return both if number % 2 else (both[1], both[0])


def dummy(number: int, inquirer: str, provider: str) -> Any:
    """Return a row like that of an inquiry: ten in each second."""
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    at = f"2026-11-21T10:{number // 600:02}:{number // 10 % 60:02}+09:00"
    values = (inquirer, f"{number:020}", provider, at)
    query = (
        "select ? as inquirer, ? as serial, ? as provider, 'JM01000000121000' as affair, ? as requested_at,"
        " 'JT01010000000001' as procedure, 'TM00000000000002' as information, '0' as non_disclosure"
    )
    return connection.execute(query, values).fetchone()
