"""Removing a version or a dataset of everybody, once no valid request needs it (A0-031, A0-032)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.duplicate_copies import copy_store
from chukan.tenants.middleserver.duplicate_copies.bulk_deletion import BulkDeletion, Outlook
from chukan.tenants.middleserver.duplicate_copies.errors import CopiesStillLinked, DeletionTooEarly
from chukan.tenants.middleserver.duplicate_copies.rules import Target
from support.copies import INFORMATION, Organisation, csv_file, layout, right_row

OLD = Target(INFORMATION, version=3)


class Requests:
    """Open requests of fixed days, and the versions that are linked."""

    def __init__(self, *days: date, linked: Sequence[int] = ()) -> None:
        self.known = days
        self.linked = linked

    def days(self, _tenant: TenantId, target: Target, _today: date) -> Sequence[date]:
        return self.known if target.information == INFORMATION else ()

    def is_linked(self, _tenant: TenantId, target: Target, _today: date) -> bool:
        return any(target.meets(version, "0101") for version in self.linked)


@pytest.fixture
def place(place: Organisation) -> Organisation:
    place.masters.known = (layout(3), layout(4))
    place.send_rows([right_row(number, version="3") for number in range(1, 6)])
    place.send_rows([right_row(number, version="4") for number in range(1, 4)])
    place.register()
    return place


def delete(place: Organisation, *days: date, target: Target = OLD, linked: Sequence[int] = ()) -> int:
    deletion = BulkDeletion(place.sessions, Requests(*days, linked=linked))
    outlook, told = deletion.outlook(place.tenant, target, now=place.clock.now()), list[int]()
    removed = deletion.run(place.caller, target, now=place.clock.now(), progress=told.append)
    assert (outlook, sum(told)) == (Outlook(removed, None, is_linked=False), removed)
    return removed


def test_an_old_version_goes_and_the_new_one_stays(place: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_store, "BATCH", 2)
    assert delete(place) == 5
    assert place.found(1, version=3) == []
    assert len(place.found(1, version=4)) == 1
    assert place.count("duplicate_copy") == 3
    # Run again it finds nothing, and the file that brought them is no repetition any more.
    assert delete(place) == 0
    place.send_rows([right_row(number, version="3") for number in range(1, 6)])
    assert place.register().files[0].registered == 5


def test_a_dataset_goes_with_all_its_versions(place: Organisation) -> None:
    assert delete(place, target=Target(INFORMATION, dataset="0102")) == 0
    assert delete(place, target=Target(INFORMATION, version=3, dataset="0102")) == 0
    assert delete(place, target=Target(INFORMATION, dataset="0101")) == 8


def test_what_waits_to_be_registered_is_not_touched(place: Organisation) -> None:
    place.send(csv_file([right_row(9, version="3")]), 1)
    assert delete(place) == 5
    place.register()
    assert len(place.found(9)) == 1


def test_it_waits_for_the_last_request_that_is_still_valid(place: Organisation) -> None:
    # The clock stands at 2019-06-10: a request of that day is valid through 07-10.
    requested = date(2019, 6, 10)
    deletion = BulkDeletion(place.sessions, Requests(requested, date(2019, 6, 1)))
    with pytest.raises(DeletionTooEarly) as refused:
        deletion.run(place.caller, OLD, now=place.clock.now())
    assert refused.value.values == {"day": date(2019, 7, 11)}
    seen = deletion.outlook(place.tenant, OLD, now=place.clock.now())
    assert (seen, seen.is_free) == (Outlook(5, date(2019, 7, 11), is_linked=False), False)
    place.clock.advance(timedelta(days=30))
    with pytest.raises(DeletionTooEarly):
        deletion.run(place.caller, OLD, now=place.clock.now())
    place.clock.advance(timedelta(days=1))
    assert delete(place, requested) == 5


def test_what_is_linked_is_never_deleted(place: Organisation) -> None:
    deletion = BulkDeletion(place.sessions, Requests(linked=[4]))
    everything = Target(INFORMATION, dataset="0101")
    with pytest.raises(CopiesStillLinked):
        deletion.run(place.caller, everything, now=place.clock.now())
    seen = deletion.outlook(place.tenant, everything, now=place.clock.now())
    assert (seen, seen.is_free) == (Outlook(8, None, is_linked=True), False)
    assert delete(place, linked=[4]) == 5


def test_something_must_be_named() -> None:
    with pytest.raises(ValueError, match="version or a dataset"):
        Target(INFORMATION)
