"""What is open when: each boundary to the second, effective dates, outages, and when the next change comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chukan.platform.clock import TOKYO, NaiveInstant
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.errors import DataMalformed
from chukan.platform.service_hours.outages.rules import Outage, Span
from chukan.platform.service_hours.rules import DayClass, Generation, Hours, Schedule, Window, generation_on
from chukan.platform.service_hours.services import STOPPABLE, Service
from service_hours.hours import outage, tokyo

CURRENT, NEXT = Generation.CURRENT, Generation.NEXT
SCHEDULE = shipped_schedule()
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
WEEKDAY, SATURDAY, HOLIDAY, YEAR_END = "2026-11-24", "2026-11-21", "2026-11-23", "2026-12-29"
CLOSED: list[tuple[str, str]] = []
ALWAYS = [("00:00", "24:00")]

#: What is open on each class of day, in Tokyo time, for services that differ between the days.
TABLE = {
    (CURRENT, Service.SYSTEM, WEEKDAY): [("08:00", "21:00")],
    (NEXT, Service.SYSTEM, WEEKDAY): [("08:00", "23:00")],
    (CURRENT, Service.DATA_STOP, WEEKDAY): [("21:00", "24:00")],
    (NEXT, Service.DATA_STOP, WEEKDAY): [("23:00", "24:00")],
    (CURRENT, Service.SELF_INFORMATION, WEEKDAY): [("08:00", "21:00")],
    (CURRENT, Service.HELPDESK_PHONE, WEEKDAY): [("09:00", "18:00")],
    (NEXT, Service.HELPDESK_PHONE, WEEKDAY): [("09:00", "18:00")],
    **{
        (generation, service, day): hours
        for day in (SATURDAY, HOLIDAY, YEAR_END)
        for generation, service, hours in (
            (CURRENT, Service.SYSTEM, [("08:00", "17:00")]),
            (NEXT, Service.SYSTEM, [("08:00", "17:00")]),
            (CURRENT, Service.DATA_STOP, CLOSED),
            (NEXT, Service.DATA_STOP, CLOSED),
            (CURRENT, Service.SELF_INFORMATION, [("08:00", "17:00")]),
            (CURRENT, Service.HELPDESK_PHONE, CLOSED),
            (NEXT, Service.HELPDESK_PHONE, CLOSED),
        )
    },
    **{
        (generation, service, day): hours
        for day in (WEEKDAY, SATURDAY, HOLIDAY, YEAR_END)
        for generation in Generation
        for service, hours in (
            (Service.SUPPORT_SITE, [("00:00", "00:30"), ("01:30", "24:00")]),
            (Service.HELPDESK_MAIL, ALWAYS),
            (Service.MONITORING, ALWAYS),
        )
    },
    **{(NEXT, Service.SELF_INFORMATION, day): ALWAYS for day in (WEEKDAY, SATURDAY, HOLIDAY, YEAR_END)},
}


def is_open(service: Service, instant: datetime, generation: Generation, schedule: Schedule = SCHEDULE) -> bool:
    return schedule.state_at(instant, generation).services[service]


def on(day: str, clock: str) -> datetime:
    hours, minutes = map(int, clock.split(":"))
    return tokyo(f"{day} 00:00") + timedelta(hours=hours, minutes=minutes)


def test_the_table_speaks_of_every_service_generation_and_class_of_day() -> None:
    classes = {
        day: SCHEDULE.calendar.day_class(date.fromisoformat(day)) for day in (WEEKDAY, SATURDAY, HOLIDAY, YEAR_END)
    }
    assert set(classes.values()) == set(DayClass)
    assert len(TABLE) == len(Generation) * len(Service) * len(DayClass)


@pytest.mark.parametrize(("generation", "service", "day"), TABLE)
def test_a_service_is_open_in_its_windows_and_at_no_other_second(
    generation: Generation, service: Service, day: str
) -> None:
    windows = [(on(day, opens), on(day, closes)) for opens, closes in TABLE[generation, service, day]]
    midnight = on(day, "00:00")
    probes = {midnight + minutes * MINUTE for minutes in range(0, 1440, 10)}
    probes |= {edge + shift for window in windows for edge in window for shift in (-SECOND, timedelta(), SECOND)}
    for probe in probes:
        if midnight <= probe < on(day, "24:00"):
            expected = any(opens <= probe < closes for opens, closes in windows)
            assert is_open(service, probe, generation) is expected, probe


@pytest.mark.parametrize(
    ("wall_clock", "open_"),
    [
        ("2019-12-31 23:59:59", True),
        ("2020-01-01 00:00:00", True),
        ("2020-01-01 00:15:00", True),
        ("2020-01-01 00:29:59", True),
        ("2020-01-01 00:30:00", False),
        ("2020-01-01 01:29:59", False),
        ("2020-01-01 01:30:00", True),
        ("2019-01-01 00:15:00", True),  # the first day of the calendar
        ("2019-01-01 00:30:00", False),
    ],
)
def test_a_window_runs_on_into_the_next_day(wall_clock: str, open_: bool) -> None:
    assert is_open(Service.SUPPORT_SITE, tokyo(wall_clock), CURRENT) is open_


@pytest.mark.parametrize(
    ("day", "late"),
    [
        ("2019-05-21", False),
        ("2019-05-28", True),
        ("2019-06-04", True),
        ("2019-06-05", False),
        ("2019-06-11", True),
        ("2019-06-18", True),
        ("2019-06-25", True),
        ("2019-07-02", False),
    ],
)
@pytest.mark.parametrize("generation", list(Generation))
def test_the_telephone_is_answered_longer_on_the_tuesdays_of_2019(day: str, late: bool, generation: Generation) -> None:
    assert is_open(Service.HELPDESK_PHONE, tokyo(f"{day} 08:59:59"), generation) is False
    assert is_open(Service.HELPDESK_PHONE, tokyo(f"{day} 17:59:59"), generation) is True
    assert is_open(Service.HELPDESK_PHONE, tokyo(f"{day} 18:00"), generation) is late
    assert is_open(Service.HELPDESK_PHONE, tokyo(f"{day} 20:59:59"), generation) is late
    assert is_open(Service.HELPDESK_PHONE, tokyo(f"{day} 21:00"), generation) is False


@pytest.mark.parametrize(
    ("wall_clock", "system", "own_data_of_next"),
    [
        ("2019-06-15 16:59:59", True, True),
        ("2019-06-15 17:00", False, False),
        ("2019-06-16 08:00", False, False),
        ("2019-06-16 12:59:59", False, False),
        ("2019-06-16 13:00", True, True),
        ("2019-06-16 16:59:59", True, True),
        ("2019-06-16 17:00", False, False),
        ("2019-06-17 00:00", False, False),
        ("2019-06-17 07:59:59", False, False),
        ("2019-06-17 08:00", True, True),
    ],
)
def test_the_planned_stop_of_june_2019(wall_clock: str, system: bool, own_data_of_next: bool) -> None:
    for generation in Generation:
        assert is_open(Service.SYSTEM, tokyo(wall_clock), generation) is system
        for goes_on in (Service.SUPPORT_SITE, Service.HELPDESK_MAIL, Service.MONITORING):
            assert is_open(goes_on, tokyo(wall_clock), generation)
    assert is_open(Service.SELF_INFORMATION, tokyo(wall_clock), CURRENT) is system
    assert is_open(Service.SELF_INFORMATION, tokyo(wall_clock), NEXT) is own_data_of_next


def test_an_exception_window_opens_nothing_that_the_hours_keep_shut() -> None:
    stop = outage("2026-11-21 12:00", "2026-11-22 12:00", ("2026-11-21 16:00", "2026-11-21 20:00"))
    schedule = SCHEDULE.with_outages([stop])
    answers = [
        is_open(Service.SYSTEM, tokyo(f"2026-11-21 {clock}"), CURRENT, schedule)
        for clock in ("15:59", "16:00", "17:00")
    ]
    assert answers == [False, True, False]


@pytest.mark.parametrize("stopped", STOPPABLE)
def test_an_outage_stops_what_it_names_and_nothing_else(stopped: Service) -> None:
    noon = tokyo("2026-11-24 12:00")
    schedule = SCHEDULE.with_outages([outage("2026-11-24 12:00", "2026-11-24 13:00", services=[stopped])])
    before = SCHEDULE.state_at(noon, CURRENT).services
    after = schedule.state_at(noon, CURRENT).services
    assert {service for service in Service if before[service] is not after[service]} == {stopped}
    assert schedule.outages_at(noon) == (schedule.outages[-1],)
    assert schedule.outages_at(tokyo("2026-11-24 13:00")) == ()


def test_hours_change_with_their_day_and_not_before() -> None:
    key = (CURRENT, Service.SYSTEM, DayClass.WEEKDAY)
    later = Hours(date(2026, 11, 25), (Window(timedelta(hours=7), timedelta(hours=22)),))
    schedule = replace(SCHEDULE, hours={**SCHEDULE.hours, key: (later, *SCHEDULE.hours[key])})
    answers = {
        wall_clock: is_open(Service.SYSTEM, tokyo(wall_clock), CURRENT, schedule)
        for wall_clock in ("2026-11-24 07:00", "2026-11-24 21:30", "2026-11-25 07:00", "2026-11-25 21:30")
    }
    assert list(answers.values()) == [False, False, True, True]
    assert schedule.next_change(tokyo("2026-11-24 23:00"), CURRENT, [Service.SYSTEM]) == tokyo("2026-11-25 07:00")


def test_a_schedule_with_a_gap_is_refused() -> None:
    key = (NEXT, Service.MONITORING, DayClass.HOLIDAY)
    late = Hours(SCHEDULE.calendar.first, SCHEDULE.hours[key][0].windows)
    for hours in ({k: v for k, v in SCHEDULE.hours.items() if k != key}, {**SCHEDULE.hours, key: (late,)}):
        with pytest.raises(DataMalformed, match="next/monitoring/holiday"):
            replace(SCHEDULE, hours=hours)


@pytest.mark.parametrize(
    ("day", "next_from", "expected"),
    [
        (date(2021, 3, 7), None, CURRENT),
        (date(2021, 3, 7), date(2021, 3, 8), CURRENT),
        (date(2021, 3, 8), date(2021, 3, 8), NEXT),
        (date(2026, 3, 8), date(2021, 3, 8), NEXT),
    ],
)
def test_an_organisation_is_of_the_next_generation_from_its_day_on(
    day: date, next_from: date | None, expected: Generation
) -> None:
    assert generation_on(day, next_from) is expected


def test_a_naive_instant_is_refused() -> None:
    naive = datetime(2026, 11, 24, 12)  # noqa: DTZ001 - the point of the test
    with pytest.raises(NaiveInstant):
        SCHEDULE.state_at(naive, CURRENT)
    with pytest.raises(NaiveInstant):
        SCHEDULE.next_change(naive, CURRENT)


# -- the next change ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wall_clock", "generation", "expected"),
    [
        ("2026-11-24 00:00", CURRENT, "2026-11-24 00:30"),
        ("2026-11-24 00:29:59.999999", CURRENT, "2026-11-24 00:30"),
        ("2026-11-24 00:30", CURRENT, "2026-11-24 01:30"),
        ("2026-11-24 01:30", CURRENT, "2026-11-24 08:00"),
        ("2026-11-24 08:00", CURRENT, "2026-11-24 09:00"),
        ("2026-11-24 18:00", CURRENT, "2026-11-24 21:00"),
        ("2026-11-24 18:00", NEXT, "2026-11-24 23:00"),
        ("2026-11-24 21:00", CURRENT, "2026-11-25 00:00"),
        ("2026-11-21 17:00", CURRENT, "2026-11-22 00:30"),
        ("2019-06-15 12:00", CURRENT, "2019-06-15 17:00"),
        ("2019-06-16 01:30", CURRENT, "2019-06-16 13:00"),  # 08:00 is no change: the stop lasts
        ("2019-06-15 12:00", NEXT, "2019-06-15 17:00"),
        ("2027-12-31 01:00", CURRENT, "2027-12-31 01:30"),
        ("2027-12-31 16:59", CURRENT, "2027-12-31 17:00"),
    ],
)
def test_the_next_change_is_found(wall_clock: str, generation: Generation, expected: str) -> None:
    found = SCHEDULE.next_change(tokyo(wall_clock), generation)
    assert found == tokyo(expected)
    assert found is not None
    assert found.tzinfo is UTC


@pytest.mark.parametrize("generation", list(Generation))
def test_nothing_is_known_past_the_calendar(generation: Generation) -> None:
    assert SCHEDULE.next_change(tokyo("2027-12-31 17:00"), generation) is None
    assert SCHEDULE.next_change(tokyo("2027-12-31 23:59:59"), generation) is None


def test_a_change_may_be_asked_of_some_services_alone() -> None:
    friday = tokyo("2026-11-20 12:00")
    assert SCHEDULE.next_change(friday, CURRENT, [Service.SYSTEM]) == tokyo("2026-11-20 21:00")
    assert SCHEDULE.next_change(friday, NEXT, [Service.SYSTEM]) == tokyo("2026-11-20 23:00")
    assert SCHEDULE.next_change(friday, CURRENT, [Service.MONITORING]) is None


def test_an_outage_that_meets_a_closing_and_an_opening_makes_one_change() -> None:
    stop = outage("2026-11-20 21:00", "2026-11-21 08:00")
    schedule = SCHEDULE.with_outages([stop])
    assert schedule.next_change(tokyo("2026-11-20 12:00"), CURRENT, [Service.SYSTEM]) == tokyo("2026-11-20 21:00")
    assert schedule.next_change(tokyo("2026-11-20 21:00"), CURRENT, [Service.SYSTEM]) == tokyo("2026-11-21 08:00")


# -- properties -----------------------------------------------------------------------------------

FIRST, LAST = tokyo("2019-01-01 00:00"), tokyo("2027-12-31 23:59")
MINUTES = int((LAST - FIRST) / MINUTE)
offsets = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
instants = st.builds(
    lambda minutes, seconds, zone: (FIRST + minutes * MINUTE + seconds * SECOND).astimezone(zone),
    st.integers(0, MINUTES),
    st.integers(0, 59),
    offsets,
)
generations = st.sampled_from(Generation)


@st.composite
def outages_near(draw: st.DrawFn, instant: datetime) -> list[Outage]:
    """Draw outages, in order and apart, that begin within two days before or after *instant*."""
    begins = instant.replace(second=0) - timedelta(days=2)
    found = []
    for _ in range(draw(st.integers(0, 3))):
        begins += MINUTE * draw(st.integers(0, 1500))
        length = draw(st.integers(1, 1500))
        inner = sorted(draw(st.sets(st.integers(0, length), min_size=0, max_size=2)))
        windows = [Span(begins + inner[0] * MINUTE, begins + inner[1] * MINUTE)] if len(inner) == 2 else []
        services = draw(st.frozensets(st.sampled_from(STOPPABLE), min_size=1))
        found.append(Outage(Span(begins, begins + length * MINUTE), services, tuple(windows)))
        begins += length * MINUTE
    return found


@st.composite
def situations(draw: st.DrawFn) -> tuple[Schedule, datetime, Generation]:
    instant = draw(instants)
    return SCHEDULE.with_outages(draw(outages_near(instant))), instant, draw(generations)


def minutes_after(instant: datetime) -> Iterator[datetime]:
    """Yield each whole minute after *instant* until the calendar ends."""
    minute = instant.astimezone(TOKYO).replace(second=0, microsecond=0) + MINUTE
    while minute <= LAST:
        yield minute
        minute += MINUTE


@settings(max_examples=60, deadline=None)
@given(situations())
def test_the_next_change_is_what_a_look_at_every_minute_finds(situation: tuple[Schedule, datetime, Generation]) -> None:
    schedule, instant, generation = situation
    before = schedule.state_at(instant, generation).services
    scanned = (minute for minute in minutes_after(instant) if schedule.state_at(minute, generation).services != before)
    assert schedule.next_change(instant, generation) == next(scanned, None)


@settings(deadline=None)
@given(situations())
def test_nothing_changes_before_the_next_change_and_something_does_at_it(
    situation: tuple[Schedule, datetime, Generation],
) -> None:
    schedule, instant, generation = situation
    change = schedule.next_change(instant, generation)
    before = schedule.state_at(instant, generation).services
    if change is None:
        return
    assert change > instant
    assert schedule.state_at(change - timedelta(microseconds=1), generation).services == before
    assert schedule.state_at(change, generation).services != before


@settings(deadline=None)
@given(instants, generations, offsets)
def test_an_instant_is_answered_alike_in_every_zone(instant: datetime, generation: Generation, zone: timezone) -> None:
    assert SCHEDULE.state_at(instant, generation) == SCHEDULE.state_at(instant.astimezone(zone), generation)


@settings(deadline=None)
@given(instants)
def test_the_stop_never_holds_while_the_system_is_open(instant: datetime) -> None:
    for generation in Generation:
        services = SCHEDULE.state_at(instant, generation).services
        assert not (services[Service.SYSTEM] and services[Service.DATA_STOP])


@settings(deadline=None)
@given(instants)
def test_the_next_generation_is_open_whenever_the_current_one_is(instant: datetime) -> None:
    current, following = (SCHEDULE.state_at(instant, generation).services for generation in Generation)
    for service in (Service.SYSTEM, Service.SELF_INFORMATION):
        assert following[service] or not current[service]


@settings(deadline=None)
@given(situations())
def test_an_outage_opens_nothing(situation: tuple[Schedule, datetime, Generation]) -> None:
    schedule, instant, generation = situation
    with_stops, without = (each.state_at(instant, generation).services for each in (schedule, SCHEDULE))
    assert all(without[service] or not with_stops[service] for service in Service)
