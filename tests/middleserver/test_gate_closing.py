"""When the exchange closes to an organisation: what a list has to end before."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.clock import TOKYO
from chukan.platform.database.tables import TenantState
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.outages.rules import Outage, Span
from chukan.platform.service_hours.services import Service
from chukan.tenants.middleserver.gate import Served, closing, judge
from chukan.tenants.registry.values import State

STAYS = Served(State.ACTIVE, TenantState.ACTIVE, None)
#: Moves to the next system on a Thursday.
MOVES = Served(State.ACTIVE, TenantState.ACTIVE, date(2021, 4, 1))


def at(day: str, clock: str) -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}:00").replace(tzinfo=TOKYO)


@pytest.mark.parametrize(
    ("served", "now", "closes"),
    [
        pytest.param(STAYS, at("2019-06-10", "12:00"), at("2019-06-10", "21:00"), id="a weekday"),
        pytest.param(STAYS, at("2019-06-10", "08:00"), at("2019-06-10", "21:00"), id="as it opens"),
        pytest.param(STAYS, at("2019-06-08", "12:00"), at("2019-06-08", "17:00"), id="a Saturday"),
        pytest.param(STAYS, at("2019-12-30", "12:00"), at("2019-12-30", "17:00"), id="at the end of the year"),
        pytest.param(MOVES, at("2021-03-31", "12:00"), at("2021-03-31", "21:00"), id="the day before it moves"),
        pytest.param(MOVES, at("2021-04-01", "12:00"), at("2021-04-01", "23:00"), id="in the next system"),
        pytest.param(STAYS, at("2021-04-01", "12:00"), at("2021-04-01", "21:00"), id="who has not moved"),
    ],
)
def test_it_closes_by_the_day_and_by_the_organisation_s_generation(
    served: Served, now: datetime, closes: datetime
) -> None:
    assert closing(shipped_schedule(), served, Service.SYSTEM, now) == closes


def test_a_planned_outage_closes_it_earlier() -> None:
    outage = Outage(
        Span(at("2019-06-10", "15:00"), at("2019-06-10", "16:00")), frozenset({Service.SYSTEM}), (), "works"
    )
    schedule = shipped_schedule().with_outages([outage])
    assert closing(schedule, STAYS, Service.SYSTEM, at("2019-06-10", "12:00")) == at("2019-06-10", "15:00")
    assert closing(schedule, STAYS, Service.SYSTEM, at("2019-06-10", "16:00")) == at("2019-06-10", "21:00")


@given(st.datetimes(datetime(2019, 4, 1), datetime(2019, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001 - the zone follows
def test_it_is_open_until_then_and_not_after(now: datetime) -> None:
    schedule = shipped_schedule()
    if judge(schedule, STAYS, Service.SYSTEM, now) is not None:
        return
    closes = closing(schedule, STAYS, Service.SYSTEM, now)
    assert closes is not None
    assert now < closes
    assert judge(schedule, STAYS, Service.SYSTEM, closes) is not None
    middle = now + (closes - now) / 2
    assert judge(schedule, STAYS, Service.SYSTEM, middle) is None
