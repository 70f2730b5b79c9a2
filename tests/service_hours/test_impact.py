"""What an outage changes, as it is told before it is announced; and what is open now."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.errors import CalendarOutOfRange
from chukan.platform.service_hours.impact import HoursChange, hours_changes
from chukan.platform.service_hours.outages.rules import Outage
from chukan.platform.service_hours.present import AHEAD, present
from chukan.platform.service_hours.rules import Generation
from chukan.platform.service_hours.services import Service
from chukan.platform.service_hours.words import hours_text
from service_hours.hours import outage, tokyo

SCHEDULE = shipped_schedule()
BOTH = (Generation.CURRENT, Generation.NEXT)
SYSTEM = [Service.SYSTEM]


def told(change: HoursChange) -> tuple[date, Service, tuple[Generation, ...], str, str]:
    words = [hours_text(windows) for windows in (change.without, change.with_outage)]
    return change.day, change.service, change.generations, words[0], words[1]


# -- what an outage changes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        # At night nothing is open.
        (outage("2026-11-24 02:00", "2026-11-24 05:00", services=SYSTEM), []),
        # On a Sunday both systems keep the same hours.
        (
            outage("2026-11-22 09:00", "2026-11-22 17:00", services=SYSTEM),
            [(date(2026, 11, 22), Service.SYSTEM, BOTH, "08:00–17:00", "08:00–09:00")],
        ),
        # On a weekday they do not; after 21:00 only the next system is open.
        (
            outage("2026-11-24 20:00", "2026-11-25 00:00", services=SYSTEM),
            [
                (date(2026, 11, 24), Service.SYSTEM, (Generation.CURRENT,), "08:00–21:00", "08:00–20:00"),
                (date(2026, 11, 24), Service.SYSTEM, (Generation.NEXT,), "08:00–23:00", "08:00–20:00"),
            ],
        ),
        (
            outage("2026-11-24 21:00", "2026-11-25 08:00", services=SYSTEM),
            [(date(2026, 11, 24), Service.SYSTEM, (Generation.NEXT,), "08:00–23:00", "08:00–21:00")],
        ),
        # The support site of the day before is open until half past midnight.
        (
            outage("2026-11-24 00:00", "2026-11-24 01:30", services=[Service.SUPPORT_SITE]),
            [(date(2026, 11, 23), Service.SUPPORT_SITE, BOTH, "01:30–24:30", "01:30–24:00")],
        ),
        # Days one after another, in the order of the days and then of the services.
        (
            outage("2026-11-22 16:00", "2026-11-23 09:00"),
            [
                (date(2026, 11, 22), Service.SYSTEM, BOTH, "08:00–17:00", "08:00–16:00"),
                (date(2026, 11, 22), Service.SELF_INFORMATION, (Generation.CURRENT,), "08:00–17:00", "08:00–16:00"),
                (date(2026, 11, 22), Service.SELF_INFORMATION, (Generation.NEXT,), "00:00–24:00", "00:00–16:00"),
                (date(2026, 11, 23), Service.SYSTEM, BOTH, "08:00–17:00", "09:00–17:00"),
                (date(2026, 11, 23), Service.SELF_INFORMATION, (Generation.CURRENT,), "08:00–17:00", "09:00–17:00"),
                (date(2026, 11, 23), Service.SELF_INFORMATION, (Generation.NEXT,), "00:00–24:00", "09:00–24:00"),
            ],
        ),
    ],
)
def test_an_outage_changes_hours(stop: Outage, expected: list[object]) -> None:
    assert [told(change) for change in hours_changes(SCHEDULE, stop)] == expected


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2018-12-31 23:00", "2019-01-01 05:00"),
        ("2027-12-31 23:00", "2028-01-01 00:01"),
        ("2031-01-01 00:00", "2031-01-02 00:00"),
    ],
)
def test_nobody_can_say_what_an_outage_outside_the_calendar_changes(start: str, end: str) -> None:
    with pytest.raises(CalendarOutOfRange):
        hours_changes(SCHEDULE, outage(start, end))


def test_an_outage_to_the_last_midnight_of_the_calendar_lies_in_it() -> None:
    (change,) = hours_changes(SCHEDULE, outage("2027-12-31 09:00", "2028-01-01 00:00", services=SYSTEM))
    assert told(change)[3:] == ("08:00–17:00", "08:00–09:00")


# -- what is open now -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "generation", "change", "then"),
    [
        ("2026-11-24 20:59", Generation.CURRENT, "2026-11-24 21:00", "system- data_stop+ self_information-"),
        ("2026-11-24 21:00", Generation.CURRENT, "2026-11-25 00:00", "data_stop-"),
        ("2026-11-24 22:00", Generation.NEXT, "2026-11-24 23:00", "system- data_stop+"),
        ("2026-11-22 08:00", Generation.CURRENT, "2026-11-22 17:00", "system- self_information-"),
    ],
)
def test_the_next_change_says_what_changes(now: str, generation: Generation, change: str, then: str) -> None:
    found = present(SCHEDULE, tokyo(now), generation)
    assert found.next_change == tokyo(change)
    assert " ".join(f"{service}{'+' if is_open else '-'}" for service, is_open in found.then.items()) == then


def test_each_service_says_how_long_it_stays_as_it_is() -> None:
    # From the last working day of the year: the telephone is shut over the closure and the weekend.
    until = present(SCHEDULE, tokyo("2026-12-28 19:00"), Generation.CURRENT).until
    assert until == {
        Service.SYSTEM: tokyo("2026-12-28 21:00"),
        Service.DATA_STOP: tokyo("2026-12-28 21:00"),
        Service.SUPPORT_SITE: tokyo("2026-12-29 00:30"),
        Service.HELPDESK_PHONE: tokyo("2027-01-04 09:00"),
        Service.HELPDESK_MAIL: None,
        Service.MONITORING: None,
        Service.SELF_INFORMATION: tokyo("2026-12-28 21:00"),
    }


def test_an_outage_under_way_is_told() -> None:
    stop = outage("2026-11-22 09:00", "2026-11-22 12:00")
    schedule = SCHEDULE.with_outages([stop])
    found = present(schedule, tokyo("2026-11-22 09:00"), Generation.CURRENT)
    assert (found.outages, found.state.services[Service.SYSTEM]) == ((stop,), False)
    assert found.until[Service.SYSTEM] == tokyo("2026-11-22 12:00")
    assert present(schedule, tokyo("2026-11-22 12:00"), Generation.CURRENT).outages == ()


def test_at_the_end_of_the_calendar_nothing_comes_next_and_after_it_nothing_is_known() -> None:
    found = present(SCHEDULE, tokyo("2027-12-31 18:00"), Generation.CURRENT)
    assert (found.next_change, dict(found.then)) == (None, {})
    with pytest.raises(CalendarOutOfRange):
        present(SCHEDULE, tokyo("2028-01-01 00:00"), Generation.CURRENT)


@given(
    st.integers(0, (tokyo("2028-01-01") - tokyo("2019-01-01")) // timedelta(minutes=1) - 1),
    st.sampled_from(Generation),
)
def test_no_service_changes_before_the_next_change_and_one_does_at_it(minute: int, generation: Generation) -> None:
    now = tokyo("2019-01-01") + timedelta(minutes=minute)
    found = present(SCHEDULE, now, generation)
    known = [instant for instant in found.until.values() if instant is not None]
    if known:
        assert min(known) == found.next_change
    else:
        assert found.next_change is None or found.next_change > now + AHEAD - timedelta(days=1)
    assert bool(found.then) is (found.next_change is not None)
