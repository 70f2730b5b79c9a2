"""Test persons are found in files of production wherever blocks are cut, and the gateway may read the masters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.database.roles import ProcessKind
from chukan.tenants.middleserver.connections.rules import TestPersons
from chukan.tenants.middleserver.connections.trial import names_test_person
from chukan.tenants.middleserver.duplicate_copies.rules import FileForm
from chukan.tenants.middleserver.security.masters.errors import MastersMissing
from chukan.tenants.middleserver.security.masters.in_force import MastersInForce
from support.copies import csv_file, in_blocks, right_row, xml_file
from support.gateway import Entrance

PERSONS = TestPersons("999999999999100", "999999999999200")
ADDRESSES = ["999999999999099", "999999999999100", "999999999999150", "999999999999200", "999999999999201"]


@given(
    addresses=st.lists(st.sampled_from([*ADDRESSES, "000000000000001"]), min_size=1, max_size=6),
    form=st.sampled_from(FileForm),
    size=st.integers(1, 400),
)
def test_a_test_person_is_found_in_any_place_and_nobody_else_is_one(
    addresses: list[str], form: FileForm, size: int
) -> None:
    rows = [right_row(place, address=address) for place, address in enumerate(addresses, 1)]
    content = csv_file(rows) if form is FileForm.CSV else xml_file(rows)
    found = names_test_person(in_blocks(content, size), form, PERSONS)
    assert found is any(PERSONS.first <= each <= PERSONS.last for each in addresses)


@pytest.mark.parametrize("form", FileForm)
def test_a_number_in_another_column_names_nobody(form: FileForm) -> None:
    rows = [right_row(1, key="999999999999150", parent="999999999999150")]
    content = csv_file(rows) if form is FileForm.CSV else xml_file(rows)
    assert not names_test_person([content], form, PERSONS)


def test_the_gateways_log_in_reads_what_files_are_checked_against(entrance: Entrance) -> None:
    tenant = entrance.organisation()
    masters = MastersInForce(entrance.safe.database.engine(ProcessKind.GATEWAY))
    assert len(masters.regions(tenant)) == 1
    with pytest.raises(MastersMissing):
        masters.layouts(tenant, "TM00000000000002")
