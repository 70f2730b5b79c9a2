"""Removing a version or a dataset of everybody, once no valid request needs it (A0-031, A0-032)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.duplicate_copies import copy_store
from chukan.tenants.middleserver.duplicate_copies.errors import DeletionTooEarly
from support.copies import INFORMATION, Organisation, csv_file, layout, right_row


class Requests:
    """Open requests of fixed days."""

    def __init__(self, *days: date) -> None:
        self.known = days

    def days(self, _tenant: TenantId, information: str) -> Sequence[date]:
        return self.known if information == INFORMATION else ()


@pytest.fixture
def place(place: Organisation) -> Organisation:
    place.masters.known = (layout(3), layout(4))
    place.send_rows([right_row(number, version="3") for number in range(1, 6)])
    place.send_rows([right_row(number, version="4") for number in range(1, 4)])
    place.register()
    return place


def delete(place: Organisation, *days: date, version: int | None = 3, dataset: str | None = None) -> int:
    return place.copies.bulk_delete(
        place.caller, Requests(*days), INFORMATION, version=version, dataset=dataset, now=place.clock.now()
    )


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
    assert delete(place, version=None, dataset="0102") == 0
    assert delete(place, version=None, dataset="0101") == 8


def test_what_waits_to_be_registered_is_not_touched(place: Organisation) -> None:
    place.send(csv_file([right_row(9, version="3")]), 1)
    assert delete(place) == 5
    place.register()
    assert len(place.found(9)) == 1


def test_it_waits_for_the_last_request_that_is_still_valid(place: Organisation) -> None:
    # The clock stands at 2019-06-10: a request of that day is valid through 07-10.
    requested = date(2019, 6, 10)
    with pytest.raises(DeletionTooEarly) as refused:
        delete(place, requested, date(2019, 6, 1))
    assert refused.value.values == {"day": date(2019, 7, 11)}
    place.clock.advance(timedelta(days=30))
    with pytest.raises(DeletionTooEarly):
        delete(place, requested)
    place.clock.advance(timedelta(days=1))
    assert delete(place, requested) == 5


def test_something_must_be_named(place: Organisation) -> None:
    with pytest.raises(ValueError, match="version or a dataset"):
        delete(place, version=None)
