"""Planned outages in the database: each act whole or not at all, recorded, and refused where it must be."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from chukan.platform.database.roles import ProcessKind
from chukan.platform.errors import ChukanError
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.errors import (
    AnnouncedLate,
    OutageCancelledAlready,
    OutageOver,
    OutageOverlaps,
    OutageUnknown,
)
from chukan.platform.service_hours.outages import store
from chukan.platform.service_hours.outages.rules import Outage, OutageState, PlannedOutage
from chukan.platform.service_hours.outages.service import PlannedOutages, outages_between, outages_from
from chukan.platform.service_hours.rules import Generation
from chukan.platform.service_hours.services import Service
from service_hours.hours import outage, span, tokyo
from support.database import Database

NOW = tokyo("2026-11-21 12:00")
START, END = tokyo("2026-11-22 02:00"), tokyo("2026-11-22 05:00")
STOP = outage("2026-11-22 02:00", "2026-11-22 05:00", ("2026-11-22 03:00", "2026-11-22 04:00"))
SECOND = timedelta(seconds=1)


@pytest.fixture
def outages(database: Database) -> PlannedOutages:
    return desk(database)


def desk(database: Database) -> PlannedOutages:
    engine = database.engine(ProcessKind.CONSOLE)
    return PlannedOutages(engine, shipped_schedule().outages, actor="operator:7", request="request-1")


def rows(database: Database, table: str) -> list[dict[str, Any]]:
    query = sql.SQL("select to_jsonb(t) from platform.{} t order by 1").format(sql.Identifier(table))
    with database.superuser() as superuser:
        return [row for (row,) in superuser.execute(query)]


def trail(database: Database) -> list[dict[str, Any]]:
    with database.superuser() as superuser:
        return [json.loads(body) for (body,) in superuser.execute("select body from platform.audit_entry order by seq")]


# -- planning -------------------------------------------------------------------------------------


def test_an_outage_is_planned_with_its_event_and_its_audit_entry(database: Database, outages: PlannedOutages) -> None:
    made = outages.plan(STOP, now=NOW)
    assert made == PlannedOutage(made.id, STOP, NOW, None, OutageState.PLANNED, END, None)
    assert outages.listed() == [made]
    (event,) = rows(database, "planned_outage_event")
    assert (event["outage"], event["event"], event["actor"], event["reason"]) == (
        str(made.id),
        "planned",
        "operator:7",
        None,
    )
    (entry,) = trail(database)
    assert (entry["action"], entry["outcome"]) == ("service_hours:outage:plan", "done")
    assert entry["subject"] == f"outage:{made.id}"
    assert entry["detail"] == {
        "announced_at": "2026-11-21T12:00:00+09:00",
        "end": "2026-11-22T05:00:00+09:00",
        "exceptions": [{"start": "2026-11-22T03:00:00+09:00", "end": "2026-11-22T04:00:00+09:00"}],
        "late": False,
        "services": ["self_information", "system"],
        "start": "2026-11-22T02:00:00+09:00",
    }


@pytest.mark.parametrize(
    ("announced_at", "late"),
    [(START - timedelta(days=9), False), (START - SECOND, False), (START, True), (END + SECOND, True)],
)
def test_a_late_announcement_needs_a_reason_and_stays_flagged(
    database: Database, outages: PlannedOutages, announced_at: datetime, late: bool
) -> None:
    if late:
        with pytest.raises(AnnouncedLate):
            outages.plan(STOP, now=NOW, announced_at=announced_at)
        assert rows(database, "planned_outage") == []
        assert [(entry["outcome"], entry["subject"]) for entry in trail(database)] == [("refused", "outage:new")]
    made = outages.plan(STOP, now=NOW, announced_at=announced_at, late_reason=" the disk failed ")
    assert (made.late, made.late_reason, made.announced_at) == (late, "the disk failed", announced_at)
    assert outages.listed() == [made]
    assert trail(database)[-1]["detail"]["late"] is late


def test_without_an_instant_the_announcement_is_now(outages: PlannedOutages) -> None:
    with pytest.raises(AnnouncedLate):
        outages.plan(STOP, now=START)
    assert not outages.plan(STOP, now=START - SECOND).late


def test_an_overlap_is_refused_and_recorded(database: Database, outages: PlannedOutages) -> None:
    made = outages.plan(STOP, now=NOW)
    with pytest.raises(OutageOverlaps) as refused:
        outages.plan(outage("2026-11-22 04:59:59", "2026-11-22 06:00"), now=NOW)
    assert refused.value.told().count("2026-11-22T0") == 2
    assert outages.listed() == [made]
    assert len(rows(database, "planned_outage_event")) == 1
    assert [entry["outcome"] for entry in trail(database)] == ["done", "refused"]


def test_outages_that_touch_or_stop_different_services_stand_side_by_side(outages: PlannedOutages) -> None:
    outages.plan(STOP, now=NOW)
    outages.plan(outage("2026-11-22 05:00", "2026-11-22 06:00"), now=NOW)
    outages.plan(outage("2026-11-22 00:00", "2026-11-22 02:00"), now=NOW)
    outages.plan(outage("2026-11-22 02:30", "2026-11-22 03:30", services=[Service.SUPPORT_SITE]), now=NOW)
    assert [each.outage.span.start.hour for each in outages.listed()] == [15, 17, 17, 20]


def test_the_shipped_history_is_not_contradicted(outages: PlannedOutages) -> None:
    with pytest.raises(OutageOverlaps):
        outages.plan(outage("2019-06-16 13:00", "2019-06-16 14:00"), now=tokyo("2019-06-01 12:00"))


def test_of_two_who_plan_at_the_same_moment_one_is_refused(database: Database) -> None:
    desks = [desk(database), desk(database)]
    for day in range(1, 9):
        stop = outage(f"2027-02-{day:02} 02:00", f"2027-02-{day:02} 05:00")
        together = Barrier(2)

        def attempt(each: PlannedOutages, stop: Outage = stop, together: Barrier = together) -> str:
            together.wait(10)
            try:
                each.plan(stop, now=NOW)
            except ChukanError as error:
                return error.code
            return "planned"

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(attempt, desks)) == ["planned", "service_hours.outage_overlaps"]
    assert len(desks[0].listed()) == 8


# -- cancelling -----------------------------------------------------------------------------------


def test_a_cancelled_outage_stops_nothing_and_makes_room(database: Database, outages: PlannedOutages) -> None:
    made = outages.plan(STOP, now=NOW)
    cancelled = outages.cancel(made.id, now=NOW + SECOND, reason="postponed")
    assert cancelled.state is OutageState.CANCELLED
    assert cancelled.effective_end == START
    assert outages.listed() == [cancelled]
    assert outages.listed(ending_after=NOW) == []
    assert outages_from(database.engine(ProcessKind.GATEWAY), NOW) == ()
    events = sorted(rows(database, "planned_outage_event"), key=lambda event: event["id"])
    assert [(event["event"], event["reason"]) for event in events] == [("planned", None), ("cancelled", "postponed")]
    entry = trail(database)[-1]
    assert (entry["action"], entry["subject"]) == ("service_hours:outage:cancel", f"outage:{made.id}")
    assert entry["detail"] == {"effective_end": "2026-11-22T02:00:00+09:00"}
    outages.plan(STOP, now=NOW)


def test_an_outage_cancelled_while_it_runs_stays_what_it_was_until_then(
    database: Database, outages: PlannedOutages
) -> None:
    made = outages.plan(STOP, now=NOW)
    outages.cancel(made.id, now=tokyo("2026-11-22 02:30"))
    (left,) = outages_between(database.engine(ProcessKind.WORKER), span("2026-11-22 00:00", "2026-11-23 00:00"))
    assert left == outage("2026-11-22 02:00", "2026-11-22 02:30")
    with pytest.raises(OutageOverlaps):
        outages.plan(outage("2026-11-22 02:15", "2026-11-22 03:00"), now=NOW)
    outages.plan(outage("2026-11-22 02:30", "2026-11-22 03:00"), now=NOW)


def test_an_outage_is_cancelled_once_and_not_when_it_is_over(database: Database, outages: PlannedOutages) -> None:
    made = outages.plan(STOP, now=NOW)
    with pytest.raises(OutageOver):
        outages.cancel(made.id, now=END)
    outages.cancel(made.id, now=END - SECOND)
    with pytest.raises(OutageCancelledAlready):
        outages.cancel(made.id, now=END - SECOND)
    with pytest.raises(OutageUnknown):
        outages.cancel(uuid4(), now=NOW)
    assert [entry["outcome"] for entry in trail(database)] == ["done", "refused", "done", "refused", "refused"]


def test_of_two_who_cancel_at_the_same_moment_one_is_told_so(
    database: Database, outages: PlannedOutages, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = outages.plan(STOP, now=NOW)
    read = store.read_outage

    def read_and_be_overtaken(*args: Any) -> PlannedOutage | None:
        found = read(*args)
        monkeypatch.setattr(store, "read_outage", read)
        desk(database).cancel(made.id, now=NOW)
        return found

    monkeypatch.setattr(store, "read_outage", read_and_be_overtaken)
    with pytest.raises(OutageCancelledAlready):
        outages.cancel(made.id, now=NOW)
    assert len(rows(database, "planned_outage_event")) == 2


# -- reading --------------------------------------------------------------------------------------


def test_what_is_over_no_longer_counts(database: Database, outages: PlannedOutages) -> None:
    outages.plan(STOP, now=NOW)
    engine = database.engine(ProcessKind.WORKER)
    assert outages_from(engine, END - SECOND) == (STOP,)
    assert outages_from(engine, END) == ()
    assert outages_between(engine, span("2026-11-22 04:59", "2026-11-23 00:00")) == (STOP,)
    assert outages_between(engine, span("2026-11-22 05:00", "2026-11-23 00:00")) == ()
    assert outages_between(engine, span("2026-11-21 00:00", "2026-11-22 02:00")) == ()


def test_the_database_s_outages_close_what_the_hours_open(database: Database, outages: PlannedOutages) -> None:
    outages.plan(outage("2026-11-22 09:00", "2026-11-22 12:00"), now=NOW)
    instant = tokyo("2026-11-22 10:00")
    schedule = shipped_schedule().with_outages(outages_from(database.engine(ProcessKind.GATEWAY), instant))
    assert schedule.state_at(instant, Generation.CURRENT).services[Service.SYSTEM] is False
    assert schedule.next_change(instant, Generation.CURRENT) == tokyo("2026-11-22 12:00")


# -- the database holds the rules by itself --------------------------------------------------------

INSERT = """
insert into platform.planned_outage
    (starts_at, ends_at, effective_end, services, exceptions, announced_at, late_reason, state, cancelled_at)
values (%(starts)s, %(ends)s, %(effective)s, %(services)s, %(exceptions)s::tstzmultirange, %(announced)s,
    %(reason)s, %(state)s, %(cancelled)s)
"""
RIGHT: dict[str, Any] = {
    "starts": START,
    "ends": END,
    "effective": END,
    "services": ["system"],
    "exceptions": "{[2026-11-22 03:00+09, 2026-11-22 04:00+09)}",
    "announced": NOW,
    "reason": None,
    "state": "planned",
    "cancelled": None,
}


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"ends": START, "effective": START, "exceptions": "{}"}, "planned_outage_ends_after_start"),
        ({"exceptions": "{[2026-11-22 03:00+09, 2026-11-22 05:01+09)}"}, "planned_outage_exceptions_inside"),
        ({"exceptions": "{(,)}"}, "planned_outage_exceptions_inside"),
        ({"services": []}, "planned_outage_services_known"),
        ({"services": ["system", "data_stop"]}, "planned_outage_services_known"),
        ({"announced": START}, "planned_outage_late_has_reason"),
        ({"announced": START, "reason": "  "}, "planned_outage_late_reason_told"),
        ({"state": "over"}, "planned_outage_state_known"),
        ({"state": "cancelled"}, "planned_outage_cancelled_has_instant"),
        ({"cancelled": NOW}, "planned_outage_cancelled_has_instant"),
        ({"effective": END - SECOND}, "planned_outage_effective_end"),
        ({"state": "cancelled", "cancelled": NOW, "effective": END + SECOND}, "planned_outage_effective_end"),
        ({"state": "cancelled", "cancelled": NOW, "effective": START - SECOND}, "planned_outage_effective_end"),
    ],
)
def test_a_wrong_row_is_refused(database: Database, changes: dict[str, Any], constraint: str) -> None:
    with database.superuser() as superuser:
        superuser.execute("begin")
        superuser.execute(INSERT, RIGHT)
        superuser.execute("rollback")
        with pytest.raises(psycopg.errors.CheckViolation) as refused:
            superuser.execute(INSERT, {**RIGHT, **changes})
        assert refused.value.diag.constraint_name == constraint


@pytest.mark.parametrize("service", [service.value for service in Service if service is not Service.DATA_STOP])
def test_no_service_is_stopped_twice_at_once(database: Database, service: str) -> None:
    other = "monitoring" if service != "monitoring" else "system"
    with database.superuser() as superuser:
        superuser.execute(INSERT, {**RIGHT, "services": [service]})
        superuser.execute(INSERT, {**RIGHT, "services": [other]})
        with pytest.raises(psycopg.errors.ExclusionViolation) as refused:
            superuser.execute(INSERT, {**RIGHT, "services": [service]})
        assert refused.value.diag.constraint_name == f"planned_outage_once_{service}"


READERS = {
    ProcessKind.CONSOLE,
    ProcessKind.SUPPORT_SITE,
    ProcessKind.GATEWAY,
    ProcessKind.WORKER,
    ProcessKind.SCHEDULER,
    ProcessKind.POLLER,
}


@pytest.mark.parametrize("kind", list(ProcessKind))
def test_a_log_in_can_do_what_its_work_needs_and_no_more(database: Database, kind: ProcessKind) -> None:
    desk(database).plan(STOP, now=NOW)
    console = kind is ProcessKind.CONSOLE
    attempts = {
        "select 1 from platform.planned_outage": kind in READERS,
        "update platform.planned_outage set state = state": console,
        "update platform.planned_outage set starts_at = starts_at": False,
        "update platform.planned_outage set announced_at = announced_at, late_reason = null": False,
        "delete from platform.planned_outage": False,
        "select 1 from platform.planned_outage_event": console,
        "update platform.planned_outage_event set actor = actor": False,
        "delete from platform.planned_outage_event": False,
        "truncate platform.planned_outage_event": False,
    }
    with database.login(kind) as connection:
        for statement, allowed in attempts.items():
            try:
                connection.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege:
                assert not allowed, statement
            else:
                assert allowed, statement
