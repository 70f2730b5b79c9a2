"""Large files: a broken last record refuses all of them, and memory stays flat (fault 44)."""

from __future__ import annotations

import pytest

from chukan.tenants.middleserver.duplicate_copies.rules import FileForm
from middleserver.duplicate_copies.large_files import register
from support.copies import Organisation

#: What may come on top from a few thousand records to two million: allocators keep some of what they got.
pytestmark = pytest.mark.long
FLAT_KIB = 64 << 10


@pytest.mark.parametrize("form", [FileForm.CSV, pytest.param(FileForm.XML, marks=pytest.mark.slow)])
def test_a_broken_last_record_of_many_refuses_them_all(place: Organisation, form: FileForm) -> None:
    assert register(place, form, 200_000, "broken")[:3] == ("refused", 0, 1)
    assert place.count("duplicate_copy") == 0
    upload = place.uploads.recent(place.tenant)[0]
    assert "200000,200000," in place.report(upload.id)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("form", list(FileForm))
def test_two_million_records_are_registered_in_flat_memory(place: Organisation, form: FileForm) -> None:
    *_, small = register(place, form, 20_000, "broken")
    outcome, registered, faults, most = register(place, form, 2_000_000, "right")
    assert (outcome, registered, faults) == ("registered", 2_000_000, 0)
    assert most - small < FLAT_KIB
    assert place.count("duplicate_copy") == 2_000_000


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_two_million_records_with_a_broken_last_one_leave_nothing(place: Organisation) -> None:
    assert register(place, FileForm.CSV, 2_000_000, "broken")[:3] == ("refused", 0, 1)
    assert place.count("duplicate_copy") == 0
