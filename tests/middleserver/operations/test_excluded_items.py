"""The items that are not provided: a whole list at once, told where it is wrong, and to be viewed."""

from __future__ import annotations

from datetime import date

import pytest

from chukan.tenants.middleserver.operations.errors import ExcludedItemsRefused
from chukan.tenants.middleserver.operations.excluded_items import COLUMNS, ExcludedItem, ExcludedItems, read_items
from support.nights import Town

HEAD = ",".join(COLUMNS)
LINE = "TM00000000000002,0101,INCOME,2019-06-17"


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        ([""], 1),
        ([LINE], 1),
        ([HEAD, LINE, LINE], 3),
        ([HEAD, "TM2,0101,INCOME,2019-06-17"], 2),
        ([HEAD, "TM00000000099999,0101,INCOME,2019-06-17"], 2),
        ([HEAD, "TM00000000000002,101,INCOME,2019-06-17"], 2),
        ([HEAD, "TM00000000000002,0101,所得,2019-06-17"], 2),
        ([HEAD, LINE, "TM00000000000002,0101,YEAR,2019-02-29"], 3),
        ([HEAD, LINE + ",more"], 2),
        ([HEAD, '"' + LINE], 2),
    ],
)
def test_a_wrong_list_is_refused_with_its_line(lines: list[str], line: int) -> None:
    with pytest.raises(ExcludedItemsRefused) as refused:
        read_items("\n".join(lines))
    assert f"{line}" in refused.value.told()


def test_a_list_takes_the_place_of_the_one_before_and_the_same_list_changes_nothing(town: Town) -> None:
    place = town.place()
    lists = ExcludedItems(place.sessions)
    assert lists.current(place.tenant).items == []
    first = lists.load(place.caller, f"\ufeff{HEAD}\r\n{LINE}\r\n", now=town.clock.now())
    assert (first.number, first.items) == (
        1,
        [ExcludedItem("TM00000000000002", "0101", "INCOME", date(2019, 6, 17))],
    )
    assert lists.load(place.caller, f"{HEAD}\n{LINE}", now=town.clock.now()).number == 1
    with pytest.raises(ExcludedItemsRefused):
        lists.load(place.caller, f"{HEAD}\nwrong", now=town.clock.now())
    assert lists.current(place.tenant) == first
    assert lists.load(place.caller, HEAD, now=town.clock.now()).items == []
    assert lists.current(place.tenant).number == 2
