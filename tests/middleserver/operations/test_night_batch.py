"""The night batch: everybody has a turn, nothing is lost when it is cut or killed, and the list marks errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.clock import FixedClock
from chukan.tenants.middleserver.duplicate_copies.night import NightReport, Progress
from chukan.tenants.middleserver.duplicate_copies.rules import UploadState
from chukan.tenants.middleserver.duplicate_copies.trail import Caller
from chukan.tenants.middleserver.operations import store
from chukan.tenants.middleserver.operations.data import Kept, kept_for, nights_of, shipped_nights
from chukan.tenants.middleserver.operations.errors import OperationsMalformed, SettingRefused
from chukan.tenants.middleserver.operations.retention import Retention
from chukan.tenants.middleserver.operations.rules import Precedence, Waiting, in_turn, window_at
from chukan.tenants.middleserver.operations.service import NightBatch, measure_all
from chukan.tenants.middleserver.operations.tenant_settings import SettingName, TenantSettings
from support.copies import manifest, right_row
from support.nights import NIGHT_TIME, TERMS, Town

ORDER = (Precedence.NIGHTS_CARRIED, Precedence.WAITING_SINCE)


class Scripted:
    """A registrar that lets time pass, and works through a number of turns of each organisation."""

    def __init__(self, clock: FixedClock, turns: dict[UUID, int], lasts: timedelta) -> None:
        self.clock, self.left, self.lasts = clock, turns, lasts
        self.seen: list[UUID] = []

    def register(self, caller: Caller, *, deadline: datetime, progress: Callable[[Progress], None]) -> NightReport:
        progress(Progress(caller.tenant, 1, 2))
        self.seen.append(caller.tenant)
        self.clock.advance(min(self.lasts, deadline - self.clock.now()))
        self.left[caller.tenant] -= 1
        return NightReport((), left=max(0, self.left[caller.tenant]))


@pytest.mark.parametrize(
    ("minute", "night"),
    [
        (datetime(2019, 6, 10, 12, 59, 59, tzinfo=UTC), None),
        (datetime(2019, 6, 10, 13, 0, tzinfo=UTC), date(2019, 6, 10)),
        (datetime(2019, 6, 10, 15, 0, tzinfo=UTC), date(2019, 6, 10)),
        (datetime(2019, 6, 10, 20, 59, 59, tzinfo=UTC), date(2019, 6, 10)),
        (datetime(2019, 6, 10, 21, 0, tzinfo=UTC), None),
        (datetime(2019, 6, 9, 13, 0, tzinfo=UTC), None),
    ],
)
def test_a_night_opens_at_ten_and_closes_at_six_in_tokyo(minute: datetime, night: date | None) -> None:
    window = window_at(TERMS, minute)
    assert (window.night if window else None) == night


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50)), max_size=8))
def test_who_was_carried_over_more_often_and_then_who_waited_longer_comes_first(waits: list[tuple[int, int]]) -> None:
    waiting = [
        Waiting(UUID(int=place), NIGHT_TIME - timedelta(hours=hours), nights)
        for place, (nights, hours) in enumerate(waits)
    ]
    ranks = [(-each.nights_carried, each.since) for each in in_turn(reversed(waiting), ORDER)]
    assert ranks == sorted(ranks)
    assert in_turn(waiting, ORDER) == in_turn(reversed(waiting), ORDER)


def test_the_shipped_data_hold_today_and_wrong_ones_are_refused() -> None:
    assert window_at(shipped_nights(), NIGHT_TIME) is not None
    assert kept_for(Kept.ERROR_REPORTS, date(2026, 7, 1)) == timedelta(days=90)
    night = {"opens": "22:00", "closes": "06:00", "turn_minutes": 1, "order": ["waiting_since"],
             "valid_from": "2019-01-01", "source": "x"}  # fmt: skip
    assert len(nights_of({"night": [night]})) == 1
    for wrong in ([], [night, night], [{**night, "closes": "22:00"}], [{**night, "order": []}]):
        with pytest.raises(OperationsMalformed):
            nights_of({"night": wrong})


def test_a_completed_upload_is_registered_and_shown_without_any_content(town: Town) -> None:
    place = town.place()
    right = place.send_rows([right_row(1), right_row(2)])
    wrong = place.send_rows([right_row(3, region="999")])
    assert measure_all(town.actor, place.sessions) == 1
    assert measure_all(town.actor, place.sessions) == 0
    report = town.batch(place.night).run()
    assert report is not None
    assert (report.night, report.turns, report.failed, report.left) == (date(2019, 6, 10), 1, 0, 0)
    assert place.uploads.status(place.tenant, right.id).state is UploadState.REGISTERED
    part = town.parts()[str(place.tenant)]
    assert (part.state, part.registered, part.refused, part.remaining, part.records) == ("finished", 1, 1, 0, 2)
    assert part.is_marked
    with town.safe.database.superuser() as superuser:
        shown = superuser.execute("select upload, state, registered, faults from platform.upload_projection").fetchall()
        due = superuser.execute("select count(*) from platform.due where kind = 'registration'").fetchone()
    assert set(shown) == {(right.id, "registered", 2, 0), (wrong.id, "refused", 0, 1)}
    assert due == (0,)
    assert town.batch(place.night).run() is None


def test_outside_of_the_night_nothing_is_registered(town: Town) -> None:
    place = town.place()
    place.send_rows([right_row(1)])
    town.clock.advance(timedelta(hours=8))
    assert town.batch(place.night).run() is None
    assert place.found(1) == []


def test_organisations_take_turns_and_what_is_left_comes_first_in_the_next_night(town: Town) -> None:
    large, small = town.place(), town.place()
    large.send_rows([right_row(1)])
    small.send_rows([right_row(1)])
    scripted = Scripted(town.clock, {large.tenant: 60, small.tenant: 2}, timedelta(hours=1))
    report = town.batch(scripted).run()
    assert report is not None
    # Ten minutes each, by turns, until the small one is done; then the large one alone, until the window closes.
    assert scripted.seen[:4] == [large.tenant, small.tenant] * 2
    assert set(scripted.seen[4:]) == {large.tenant}
    assert len(scripted.seen) == 7 * 6
    parts = town.parts()
    assert (parts[str(large.tenant)].state, parts[str(small.tenant)].state) == ("carried_over", "finished")
    assert report.left == 1

    late = town.place()
    late.send_rows([right_row(1)])
    with town.safe.database.superuser() as superuser:
        superuser.execute("update platform.due set at = at - interval '9 hours' where tenant = %s", (late.tenant,))
    town.clock.advance(timedelta(hours=17))
    scripted.left.update({large.tenant: 1, late.tenant: 1})
    scripted.seen.clear()
    assert town.batch(scripted).run() is not None
    assert scripted.seen == [large.tenant, late.tenant]
    assert town.parts()[str(large.tenant)].nights_carried == 1


def test_one_organisations_failure_is_marked_and_keeps_nobody_waiting(town: Town) -> None:
    broken, well = town.place(), town.place()
    broken.send_rows([right_row(1)])
    well.send_rows([right_row(1)])
    with town.safe.database.superuser() as superuser:
        superuser.execute("delete from platform.data_key where owner = %s", (broken.tenant,))
    report = town.batch(well.night).run()
    assert report is not None
    assert (report.turns, report.failed) == (2, 1)
    part = town.parts()[str(broken.tenant)]
    assert (part.state, part.is_marked) == ("failed", True)
    assert part.failure
    assert len(well.found(1)) == 1


class Killed(BaseException):
    """What no handler of the batch expects: the process is gone here."""


class Dying:
    """A registrar in which the process dies."""

    def register(self, *_arguments: object, **_options: object) -> NightReport:
        raise Killed


def test_a_night_whose_worker_died_is_taken_over_and_finished(town: Town) -> None:
    place = town.place()
    place.send_rows([right_row(1)])

    with pytest.raises(Killed):
        town.batch(Dying()).run()
    assert town.parts()[str(place.tenant)].state == "running"
    assert town.batch(place.night).run() is None, "another worker is heard of"
    assert town.batch(place.night, lease=timedelta(0)).run() is not None
    assert town.parts()[str(place.tenant)].state == "finished"
    assert len(place.found(1)) == 1


def test_a_night_that_nobody_went_on_with_is_closed_and_carried_over(town: Town) -> None:
    place = town.place()
    place.send_rows([right_row(1)])

    with pytest.raises(Killed):
        town.batch(Dying()).run()
    town.clock.advance(timedelta(hours=10))
    batch: NightBatch = town.batch(place.night)
    assert batch.run() is None
    assert town.parts()[str(place.tenant)].state == "carried_over"
    town.clock.advance(timedelta(hours=14))
    assert batch.run() is not None
    assert town.parts()[str(place.tenant)].nights_carried == 1
    assert len(place.found(1)) == 1


def test_error_reports_and_abandoned_files_are_removed_when_their_time_is_over(town: Town) -> None:
    place = town.place()
    refused = place.send_rows([right_row(1, region="999")])
    town.batch(place.night).run()
    content = b"half a file"
    begun = place.uploads.begin(place.caller, manifest(content, 1), now=town.clock.now()).upload
    with town.safe.database.superuser() as superuser:
        superuser.execute("update platform.due set at = %s where kind = 'abandoned-uploads'", (town.clock.now(),))
    retention = Retention(town.actor, place.sessions, place.uploads)
    early = town.clock.now() + timedelta(days=14)
    assert retention.sweep(early).abandoned == 0
    assert place.count("upload_error") == 1
    swept = retention.sweep(early + timedelta(seconds=1))
    assert (swept.abandoned, swept.error_reports) == (1, 0)
    assert place.uploads.status(place.tenant, begun.id).state is UploadState.CANCELLED
    settings = TenantSettings(place.sessions)
    for wrong in (0, 401):
        with pytest.raises(SettingRefused):
            settings.change(place.caller, SettingName.ERROR_REPORT_DAYS, wrong, reason="x", now=town.clock.now())
    settings.change(place.caller, SettingName.ERROR_REPORT_DAYS, 200, reason="an audit", now=town.clock.now())
    assert retention.sweep(town.clock.now() + timedelta(days=91)).error_reports == 0
    later = town.clock.now() + timedelta(days=1)
    settings.change(place.caller, SettingName.ERROR_REPORT_DAYS, 91, reason="the audit is over", now=later)
    assert retention.sweep(town.clock.now() + timedelta(days=91)).error_reports == 1
    assert place.count("upload_error") == 0
    assert retention.sweep(town.clock.now() + timedelta(days=91)).error_reports == 0
    assert place.uploads.status(place.tenant, refused.id).faults == 1
    with town.actor.engine.connect() as connection:
        assert store.abandoned(connection, early + timedelta(days=1)) == []
