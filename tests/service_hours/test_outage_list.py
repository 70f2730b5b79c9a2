"""Outages as lists and pages read them: filtered, ordered and cut by the database, with their history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from chukan.platform.database.roles import ProcessKind
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.errors import AnnouncedLate, OutageOverlaps, OutageUnknown
from chukan.platform.service_hours.outages.rules import Outage, OutageState, Phase, PlannedOutage
from chukan.platform.service_hours.outages.service import PlannedOutages, outage_with_history, planned_between
from chukan.platform.service_hours.outages.store import Wanted, count_outages, list_outages
from chukan.platform.service_hours.services import Service
from service_hours.hours import outage, span, tokyo
from support.database import Database

NOW = tokyo("2026-11-22 12:00")
SECOND = timedelta(seconds=1)


@pytest.fixture
def outages(database: Database) -> PlannedOutages:
    engine = database.engine(ProcessKind.CONSOLE)
    return PlannedOutages(engine, shipped_schedule().outages, actor="operator:7", request="request-1")


def plan(outages: PlannedOutages, start: str, end: str, *services: Service, words: str = "") -> PlannedOutage:
    stop = outage(start, end, services=services or (Service.SYSTEM,))
    return outages.plan(Outage(stop.span, stop.services, description=words), now=tokyo("2026-11-01 12:00"))


@pytest.fixture
def seven(outages: PlannedOutages) -> list[PlannedOutage]:
    """Outages around ``NOW``: over, ending now, cut short, under way, starting now, coming, called off."""
    early = tokyo("2026-11-02 12:00")
    made = [
        plan(outages, "2026-11-10 02:00", "2026-11-10 05:00", words="盤の交換"),
        plan(outages, "2026-11-22 02:00", "2026-11-22 12:00"),
        plan(outages, "2026-11-22 03:00", "2026-11-22 20:00", Service.SUPPORT_SITE),
        plan(outages, "2026-11-22 11:00", "2026-11-22 14:00", Service.MONITORING, words="50%_\\"),
        plan(outages, "2026-11-22 12:00", "2026-11-22 13:00"),
        plan(outages, "2026-11-22 14:00", "2026-11-22 15:00", words="Disk 交換"),
        plan(outages, "2026-11-22 16:00", "2026-11-22 17:00"),
    ]
    outages.cancel(made[2].id, now=tokyo("2026-11-22 11:00"))
    outages.cancel(made[6].id, now=early)
    return made


def listed(database: Database, wanted: Wanted, **how: object) -> list[UUID]:
    form = {"order": "start", "descending": False, "limit": None, "offset": 0, **how}
    with database.engine(ProcessKind.CONSOLE).connect() as connection:
        found = list_outages(connection, wanted, NOW, **form)  # type: ignore[arg-type]  # the tests' own values
        if form["limit"] is None and not form["offset"]:
            assert count_outages(connection, wanted, NOW) == len(found)
    return [each.id for each in found]


def ids(made: Sequence[PlannedOutage], *places: int) -> list[UUID]:
    return [made[place].id for place in places]


def test_a_list_is_filtered_ordered_and_cut_by_the_database(
    database: Database, outages: PlannedOutages, seven: list[PlannedOutage]
) -> None:
    assert listed(database, Wanted()) == ids(seven, 0, 1, 2, 3, 4, 5, 6)
    # The database and the rules agree on the phase of each, and every one is in exactly one.
    by_phase = {phase: listed(database, Wanted(phase=phase)) for phase in Phase}
    assert by_phase == {
        Phase.OVER: ids(seven, 0, 1, 2),
        Phase.RUNNING: ids(seven, 3, 4),
        Phase.COMING: ids(seven, 5),
        Phase.CALLED_OFF: ids(seven, 6),
    }
    for each in outages.listed():
        assert each.id in by_phase[each.phase(NOW)]
    assert listed(database, Wanted(service=Service.SUPPORT_SITE)) == ids(seven, 2)
    assert listed(database, Wanted(service=Service.SELF_INFORMATION)) == []
    assert listed(database, Wanted(words="交換")) == ids(seven, 0, 5)
    assert listed(database, Wanted(words="DISK", phase=Phase.COMING)) == ids(seven, 5)
    for special in ("%", "_", "\\", "50%_\\"):
        assert listed(database, Wanted(words=special)) == ids(seven, 3)
    assert listed(database, Wanted(), order="end") == ids(seven, 0, 2, 1, 4, 3, 5, 6)
    assert listed(database, Wanted(), descending=True, limit=2) == ids(seven, 6, 5)
    assert listed(database, Wanted(), descending=True, limit=2, offset=2) == ids(seven, 4, 3)
    assert listed(database, Wanted(), offset=6) == ids(seven, 6)
    assert len(listed(database, Wanted(), order="announced")) == 7


def test_an_outage_has_its_history(database: Database, seven: list[PlannedOutage]) -> None:
    engine = database.engine(ProcessKind.CONSOLE)
    found, history = outage_with_history(engine, seven[6].id)
    assert (found.state, found.phase(NOW)) == (OutageState.CANCELLED, Phase.CALLED_OFF)
    assert [(each.event, each.actor, each.reason) for each in history] == [
        (OutageState.PLANNED, "operator:7", None),
        (OutageState.CANCELLED, "operator:7", None),
    ]
    assert history[0].at <= history[1].at
    with pytest.raises(OutageUnknown):
        outage_with_history(engine, uuid4())
    month = span("2026-11-22 16:30", "2026-12-01 00:00")
    assert [each.id for each in planned_between(engine, month)] == []
    month = span("2026-11-22 13:00", "2026-12-01 00:00")
    assert [each.id for each in planned_between(engine, month)] == ids(seven, 3, 5)


def test_what_could_not_be_planned_does_not_pass_the_check(database: Database, outages: PlannedOutages) -> None:
    plan(outages, "2026-11-23 02:00", "2026-11-23 05:00")
    for free in (outage("2026-11-23 05:00", "2026-11-23 06:00"), outage("2026-11-22 12:00:01", "2026-11-23 02:00")):
        outages.check(free, now=NOW)
    for taken in (outage("2026-11-23 04:59", "2026-11-23 06:00"), outage("2019-06-16 13:00", "2026-11-21 00:00")):
        with pytest.raises(OutageOverlaps):
            outages.check(taken, now=tokyo("2019-01-01 12:00"))
    late = outage("2026-11-22 12:00", "2026-11-22 13:00")
    with pytest.raises(AnnouncedLate):
        outages.check(late, now=NOW)
    outages.check(late, now=NOW, late_reason="the disk failed")
    outages.check(late, now=NOW, announced_at=NOW - SECOND)
    with database.superuser() as superuser:
        entries = superuser.execute("select count(*) from platform.audit_entry").fetchone()
        assert (len(outages.listed()), entries) == (1, (1,))
