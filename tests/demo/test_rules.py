"""What the demonstration decides, and that what it is made of exists."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chukan.demo.contents import contents_of, shipped_contents
from chukan.demo.people import WayIn
from chukan.demo.rules import brought_forward, chosen, group_of, next_sunday
from chukan.platform.accounts.roles import shipped_roles
from chukan.platform.accounts.rules import is_login
from chukan.platform.accounts.secret_values import (
    CODE_INTERVAL,
    CODE_SKEW,
    counter_at,
    matching_counter,
    new_code_secret,
)
from chukan.tenants.middleserver.operations.data import shipped_nights
from chukan.tenants.middleserver.operations.rules import window_at
from chukan.tenants.registry.organisations_file import SHIPPED, name_fault, read_organisations, shipped
from chukan.tenants.registry.values import Kind, ReleaseGroup


@pytest.mark.parametrize(
    ("day", "sunday"),
    [
        (date(2026, 11, 20), date(2026, 11, 22)),
        (date(2026, 11, 21), date(2026, 11, 22)),
        (date(2026, 11, 22), date(2026, 11, 29)),
        (date(2026, 11, 23), date(2026, 11, 29)),
        (date(2026, 12, 31), date(2027, 1, 3)),
    ],
)
def test_the_next_sunday_is_never_today(day: date, sunday: date) -> None:
    assert next_sunday(day) == sunday


@given(st.dates(max_value=date(9999, 12, 1)))
def test_the_next_sunday_is_a_sunday_within_a_week(day: date) -> None:
    found = next_sunday(day)
    assert found.weekday() == 6
    assert timedelta(0) < found - day <= timedelta(days=7)


@pytest.mark.parametrize(
    ("needed", "count", "codes"),
    [
        ((), 2, ["a", "b"]),
        (("c",), 2, ["a", "c"]),
        (("c", "d"), 2, ["c", "d"]),
        (("c", "d"), 1, ["c", "d"]),
        (("a",), 9, ["a", "b", "c", "d"]),
    ],
)
def test_the_needed_organisations_come_before_the_others(needed: tuple[str, ...], count: int, codes: list[str]) -> None:
    assert chosen(["a", "b", "c", "d"], needed, count) == codes


@pytest.mark.parametrize(
    ("prefecture", "group"), [("01", ReleaseGroup.FIRST), ("23", ReleaseGroup.FIRST), ("24", ReleaseGroup.SECOND)]
)
def test_the_east_is_released_to_first(prefecture: str, group: ReleaseGroup) -> None:
    assert group_of(prefecture) is group


@given(st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - the zone follows
def test_a_night_that_is_brought_forward_is_open_at_any_hour(now: datetime) -> None:
    window = window_at([brought_forward(shipped_nights()[-1], now)], now)
    assert window is not None
    assert window.opens_at <= now < window.closes_at <= now + timedelta(hours=1)


def test_the_municipalities_that_exchange_copies_are_provisioned_however_few_tenants_there_are() -> None:
    contents = shipped_contents()
    municipalities = [each.code for each in contents.copies.municipalities]
    assert len(municipalities) == 2
    assert set(municipalities) <= set(contents.provisioned.codes)
    assert chosen(contents.provisioned.codes, municipalities, 1) == sorted(municipalities)
    assert contents.copies.population_source.endswith("架空（デモ）")


def test_what_the_demonstration_names_exists() -> None:
    contents = shipped_contents()
    rows = {str(row.code): row for row in read_organisations(shipped(), SHIPPED)}
    named = {*contents.provisioned.codes, *(code for union in contents.unions for code in union.members)}
    assert named <= rows.keys()
    assert contents.provisioned.count == 20
    assert len(set(contents.provisioned.codes)) == len(contents.provisioned.codes)
    assert {rows[code].kind for code in contents.provisioned.codes} == {kind for kind in Kind if not kind.is_union}
    assert {group_of(rows[code].prefecture) for code in contents.provisioned.codes[:3]} == set(ReleaseGroup)


def test_the_unions_say_that_they_are_invented() -> None:
    unions = shipped_contents().unions
    assert len(unions) == 3
    assert [union.name for union in unions if not union.name.endswith("（架空）")] == []
    assert [union.name for union in unions if name_fault(union.name, union.kana) or not union.kind.is_union] == []


def test_the_operators_may_hold_their_roles() -> None:
    for operator in shipped_contents().operators:
        assert is_login(operator.login)
        shipped_roles().require_compatible(operator.roles)


def test_contents_with_a_word_too_many_are_refused() -> None:
    document: dict[str, Any] = {**shipped_contents().model_dump(), "population": 1}
    with pytest.raises(ValidationError, match="population"):
        contents_of(document)


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone follows
    st.sampled_from([None, -2, -1, 0, 1]),
)
def test_a_code_that_is_shown_was_not_used_and_is_taken_exactly_when_it_says(now: datetime, used: int | None) -> None:
    secret = new_code_secret()
    after = 0 if used is None else counter_at(now) + used
    code = WayIn("password", secret).code(now, after=after)
    assert code.begins - now <= timedelta(seconds=30)
    assert code.ends > now
    moment = timedelta(microseconds=1)
    taken = [code.begins - moment, code.begins, code.ends - moment, code.ends]
    expected = [False, True, True, False]
    # Of a million codes two may be the same by chance, so the number of the interval is what is compared.
    number = counter_at(code.begins) + CODE_SKEW
    assert number > after
    assert [matching_counter(secret, code.digits, each, after=number - 1) == number for each in taken] == expected


def test_the_code_of_the_moment_is_shown_as_long_as_it_was_not_used() -> None:
    now, way = datetime(2026, 11, 22, tzinfo=UTC), WayIn("password", new_code_secret())
    assert way.code(now) == way.code(now, after=counter_at(now) - 1)
    assert way.code(now, after=counter_at(now)) == way.code(now + CODE_INTERVAL)
    assert "password" not in repr(way)
    assert way.code(now).digits not in repr(way.code(now))
