"""The gate: what is open to whom at which instant, and when it opens next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from chukan.platform.clock import TOKYO
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tables import TenantState
from chukan.platform.identifiers import TenantId
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.outages.rules import Outage, Span
from chukan.platform.service_hours.services import Service
from chukan.tenants.middleserver.gate import Closed, Gate, Reason, Served, ServiceClosed, judge
from chukan.tenants.registry.values import State
from support.database import Database
from support.tenants import provisioned

ACTIVE = Served(State.ACTIVE, TenantState.ACTIVE, date(2021, 8, 1))
MOVED = Served(State.ACTIVE, TenantState.ACTIVE, date(2021, 3, 1))
MICRO = timedelta(microseconds=1)


def tokyo(day: str, clock: str) -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=TOKYO)


def told(closed: Closed | None) -> tuple[str, str | None] | None:
    """Return reason and next opening as people write it."""
    if closed is None:
        return None
    opening = closed.next_opening
    return closed.reason.value, None if opening is None else f"{opening.astimezone(TOKYO):%Y-%m-%d %H:%M}"


# 2020-07-01 is a Wednesday, -03 a Friday; 2020-07-23 and -24 are holidays before a weekend.
@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        ("2020-07-01", "07:59:59.999999", ("hours", "2020-07-01 08:00")),
        ("2020-07-01", "08:00:00", None),
        ("2020-07-01", "20:59:59.999999", None),
        ("2020-07-01", "21:00:00", ("data_stop", "2020-07-02 08:00")),
        ("2020-07-01", "23:59:59.999999", ("data_stop", "2020-07-02 08:00")),
        ("2020-07-02", "00:00:00", ("hours", "2020-07-02 08:00")),
        ("2020-07-04", "16:59:59.999999", None),
        ("2020-07-04", "17:00:00", ("hours", "2020-07-05 08:00")),
        ("2020-07-23", "17:00:00", ("hours", "2020-07-24 08:00")),
        ("2027-12-31", "17:00:00", ("hours", None)),
    ],
)
def test_the_present_system_opens_and_closes_by_its_hours(
    day: str, clock: str, expected: tuple[str, str | None] | None
) -> None:
    served = Served(State.ACTIVE, TenantState.ACTIVE, date(2028, 1, 1))
    assert told(judge(shipped_schedule(), served, Service.SYSTEM, tokyo(day, clock))) == expected


@pytest.mark.parametrize(
    ("day", "clock", "moved", "expected"),
    [
        ("2021-03-01", "21:00:00", True, None),
        ("2021-03-01", "22:59:59.999999", True, None),
        ("2021-03-01", "23:00:00", True, ("data_stop", "2021-03-02 08:00")),
        ("2021-03-01", "21:00:00", False, ("data_stop", "2021-03-02 08:00")),
        # The evening before it moves is still one of the present system.
        ("2021-02-26", "21:00:00", True, ("data_stop", "2021-02-27 08:00")),
    ],
)
def test_the_generation_is_the_organisations_own(
    day: str, clock: str, *, moved: bool, expected: tuple[str, str | None] | None
) -> None:
    served = MOVED if moved else ACTIVE
    assert told(judge(shipped_schedule(), served, Service.SYSTEM, tokyo(day, clock))) == expected


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        ("09:59:59.999999", None),
        ("10:00:00", ("outage", "2020-07-01 12:00")),
        ("11:59:59.999999", ("outage", "2020-07-01 12:00")),
        ("12:00:00", None),
        ("12:59:59.999999", None),
        ("13:00:00", ("outage", "2020-07-02 08:00")),
        # The outage outlasts the day's hours; it is still what is told.
        ("21:30:00", ("outage", "2020-07-02 08:00")),
        ("22:00:00", ("data_stop", "2020-07-02 08:00")),
    ],
)
def test_an_outage_closes_but_for_its_exception_windows(clock: str, expected: tuple[str, str] | None) -> None:
    day = "2020-07-01"
    span = Span(tokyo(day, "10:00"), tokyo(day, "22:00"))
    window = Span(tokyo(day, "12:00"), tokyo(day, "13:00"))
    schedule = shipped_schedule().with_outages([Outage(span, frozenset({Service.SYSTEM}), (window,))])
    assert told(judge(schedule, ACTIVE, Service.SYSTEM, tokyo(day, clock))) == expected


def test_the_night_of_the_sources_stays_closed_from_saturday_to_monday_but_for_sunday_afternoon() -> None:
    schedule = shipped_schedule()
    assert told(judge(schedule, ACTIVE, Service.SYSTEM, tokyo("2019-06-15", "17:00"))) == ("outage", "2019-06-16 13:00")
    assert judge(schedule, ACTIVE, Service.SYSTEM, tokyo("2019-06-16", "16:59:59")) is None
    assert told(judge(schedule, ACTIVE, Service.SYSTEM, tokyo("2019-06-16", "17:00"))) == ("outage", "2019-06-17 08:00")


def test_a_service_that_moves_no_data_is_not_closed_by_the_stop_of_data() -> None:
    assert judge(shipped_schedule(), ACTIVE, Service.SUPPORT_SITE, tokyo("2020-07-01", "21:30")) is None


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("tenant_state", list(TenantState))
def test_only_what_is_active_on_both_sides_is_served(state: State, tenant_state: TenantState) -> None:
    closed = judge(
        shipped_schedule(), Served(state, tenant_state, None), Service.SYSTEM, tokyo("2020-07-01", "12:00")
    )  # fmt: skip
    states = {state.value, tenant_state.value}
    if states == {"active"}:
        assert closed is None
    elif "suspended" in states:
        assert closed == Closed(Reason.SUSPENDED, None)
    elif "closing" in states:
        assert closed == Closed(Reason.CLOSING, None)
    else:
        assert closed == Closed(Reason.NOT_SERVED, None)


def test_a_dissolved_organisation_is_closed_from_its_day_on() -> None:
    served = Served(State.ACTIVE, TenantState.ACTIVE, None, dissolved_on=date(2020, 7, 2))
    assert judge(shipped_schedule(), served, Service.SYSTEM, tokyo("2020-07-01", "20:59:59")) is None
    at_midnight = judge(shipped_schedule(), served, Service.SYSTEM, tokyo("2020-07-02", "00:00"))
    assert at_midnight == Closed(Reason.CLOSING, None)


def test_every_next_opening_is_open_and_the_instant_before_it_is_not() -> None:
    schedule, start = shipped_schedule(), tokyo("2021-02-27", "00:30")
    for hours in range(0, 24 * 9, 5):
        now = start + timedelta(hours=hours)
        closed = judge(schedule, MOVED, Service.SYSTEM, now)
        if closed is None:
            continue
        assert closed.next_opening is not None
        assert closed.next_opening > now
        assert judge(schedule, MOVED, Service.SYSTEM, closed.next_opening) is None
        assert judge(schedule, MOVED, Service.SYSTEM, closed.next_opening - MICRO) is not None


# -- over the database -----------------------------------------------------------------------------------------


@pytest.fixture
def organisation(database: Database) -> tuple[TenantId, Callable[[str], None]]:
    """An active organisation, and a way to change its row."""
    tenant = provisioned(database).tenant
    with database.superuser() as superuser:
        superuser.execute("update platform.tenant set state = 'active' where id = %s", (tenant,))
        superuser.execute(
            "insert into platform.organisation (code, kind, prefecture, name, kana, search_key, invented, hosting,"
            " tenant, state, state_since) values ('131016', 'special_ward', '13', '千代田区', 'チヨダク', 'x', false,"
            " 'platform', %s, 'active', now())",
            (tenant,),
        )

    def change(statement: str) -> None:
        with database.superuser() as superuser:
            superuser.execute(statement.encode())

    return tenant, change


def test_the_gate_asks_registry_and_outages_under_the_gateways_own_log_in(
    database: Database, organisation: tuple[TenantId, Callable[[str], None]]
) -> None:
    tenant, change = organisation
    gate = Gate(database.engine(ProcessKind.GATEWAY))
    noon = tokyo("2026-07-01", "12:00")
    gate.admit(tenant, Service.SYSTEM, noon)
    with database.engine(ProcessKind.CONSOLE).begin() as connection:
        connection.execute(
            text(
                "insert into platform.planned_outage (starts_at, ends_at, services, exceptions, description,"
                " announced_at, late_reason, effective_end) values (:start, :end, array['system'], '{}', 'works',"
                " cast(:start as timestamptz) - interval '1 day', null, :end)"
            ),
            {"start": noon, "end": noon + timedelta(hours=1)},
        )
    with pytest.raises(ServiceClosed) as refused:
        gate.admit(tenant, Service.SYSTEM, noon)
    assert refused.value.reason is Reason.OUTAGE
    assert refused.value.next_opening == datetime(2026, 7, 1, 4, tzinfo=UTC)
    gate.admit(tenant, Service.SYSTEM, noon + timedelta(hours=1))
    change("update platform.organisation set state = 'suspended' where code = '131016'")
    with pytest.raises(ServiceClosed) as suspended:
        gate.admit(tenant, Service.SYSTEM, noon + timedelta(hours=1))
    assert suspended.value.reason is Reason.SUSPENDED
    assert "停止" in suspended.value.told()


def test_a_tenant_that_is_no_organisations_is_not_served(database: Database) -> None:
    with pytest.raises(ServiceClosed) as refused:
        Gate(database.engine(ProcessKind.GATEWAY)).admit(
            provisioned(database).tenant, Service.SYSTEM, tokyo("2026-07-01", "12:00")
        )
    assert refused.value.reason is Reason.NOT_SERVED
