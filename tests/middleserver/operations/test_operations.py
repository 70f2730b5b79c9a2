"""Tables are as declared, the check tells the backlog, a killed night goes on, settled messages are forgotten."""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine
from sqlalchemy.schema import CreateTable

from chukan.platform.clock import SystemClock
from chukan.platform.component import Health
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.tenants.limits.rules import Amount
from chukan.tenants.middleserver.duplicate_copies.ports import LimitedDay
from chukan.tenants.middleserver.duplicate_copies.service import Uploads
from chukan.tenants.middleserver.operations import store
from chukan.tenants.middleserver.operations.checks import judge_backlog
from chukan.tenants.middleserver.operations.retention import Retention
from chukan.tenants.middleserver.operations.tables import BatchResultRow, ExcludedItemListRow, ExcludedItemRow
from chukan.tenants.middleserver.transmission import exchange_totals
from chukan.tenants.releases.schema import TenantBase, privileges_of
from support.copies import right_row
from support.exchange import Wire
from support.nights import NIGHT_TIME, Town
from support.program import ended
from support.security import Place
from support.vault import Safe

ROOT = Path(__file__).parent.parent.parent
SHAPE = """
    select a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
    from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = %(table)s::regclass and a.attnum > 0
    union all
    select conname, pg_get_constraintdef(oid), true, null from pg_constraint
    where conrelid = %(table)s::regclass and contype <> 'n'
    order by 1, 2
"""


@pytest.mark.parametrize("table", [BatchResultRow, ExcludedItemListRow, ExcludedItemRow])
def test_the_migrated_table_is_the_declared_one(town: Town, table: type[TenantBase]) -> None:
    place = town.place()
    declared = TenantBase.metadata.tables[table.__tablename__]
    dialect = create_engine("postgresql+psycopg://").dialect
    with town.safe.database.superuser() as superuser:
        row = superuser.execute("select schema, role from platform.tenant where id = %s", (place.tenant,)).fetchone()
        schema, role = row or ("", "")
        superuser.execute("create schema if not exists declared")
        superuser.execute("set search_path to declared")
        superuser.execute(str(CreateTable(declared).compile(dialect=dialect)).encode())
        expected = superuser.execute(SHAPE, {"table": f"declared.{declared.name}"}).fetchall()
        assert superuser.execute(SHAPE, {"table": f"{schema}.{declared.name}"}).fetchall() == expected
        granted = superuser.execute(
            "select lower(a.privilege_type) from pg_class c cross join aclexplode(c.relacl) a "
            "where c.oid = %s::regclass and a.grantee = %s::regrole",
            (f"{schema}.{declared.name}", role),
        ).fetchall()
    assert {privilege for (privilege,) in granted} == set(privileges_of(declared))


@pytest.mark.parametrize(
    ("hours", "health"),
    [(None, Health.GREEN), (35.9, Health.GREEN), (36, Health.AMBER), (59.9, Health.AMBER), (60, Health.RED)],
)
def test_a_backlog_is_amber_after_one_night_and_red_after_two(hours: float | None, health: Health) -> None:
    oldest = None if hours is None else NIGHT_TIME - timedelta(hours=hours)
    assert judge_backlog(oldest, 3, NIGHT_TIME).health is health


def test_the_poller_sees_what_waits(town: Town) -> None:
    town.place().send_rows([right_row(1)])
    town.place().send_rows([right_row(1)])
    with town.safe.database.engine(ProcessKind.POLLER).connect() as connection:
        oldest, organisations = store.oldest_waiting(connection)
    assert oldest is not None
    assert organisations == 2


def test_a_batch_killed_inside_a_file_is_gone_on_with_by_the_next(town: Town) -> None:
    place = town.place()
    with town.safe.database.engine(ProcessKind.PROVISIONER).begin() as connection:
        credentials = town.safe.credentials(town.safe.vault(ProcessKind.PROVISIONER), ProcessKind.PROVISIONER)
        credentials.store(driver(connection), place.tenant, town.safe.database.credentials.password(place.tenant))
    place.send_rows([right_row(1), right_row(2)])
    program = Path(__file__).parent / "run_and_die.py"
    killed = ended(program, town.safe.database.settings.model_dump_json(), str(town.safe.key_file))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert town.parts()[str(place.tenant)].state == "running"
    assert place.found(1) == []
    assert town.batch(place.night).run() is None
    with town.safe.database.superuser() as superuser:
        superuser.execute("update platform.batch_run set heartbeat_at = heartbeat_at - interval '1 minute'")
    report = town.batch(place.night).run()
    assert report is not None
    assert (report.turns, report.left) == (1, 0)
    part = town.parts()[str(place.tenant)]
    assert (part.state, part.registered, part.records, part.turns) == ("finished", 1, 2, 2)
    assert len(place.found(1)) == 1


def test_hours_of_traffic_are_forgotten_after_400_days_and_what_was_added_up_stays(safe: Safe) -> None:
    place, now = Place(safe), SystemClock().now()
    tenant = place.tenant()
    young, old = ((now - timedelta(days=days)).replace(minute=0, second=0, microsecond=0) for days in (399, 401))
    for hour in (young, old):
        counted = "insert into platform.exchange_hour values (%s, 'inquirer', %s, 'answered', 7) returning 1"
        place.ask(counted, tenant, hour)
    with place.actor.engine.begin() as connection:
        exchange_totals.add_up_days(connection, tenant, "inquirer", [old])
        exchange_totals.add_up_hours(connection, "inquirer", [old], now)
    uploads = Uploads(place.sessions, place.vault, LimitedDay(lambda _tenant, _day: (Amount(1, 1), False)))
    assert Retention(place.actor, place.sessions, uploads).sweep(now).projections == 1
    assert place.ask("select hour from platform.exchange_hour") == [(young,)]
    assert place.ask("select sum(count) from platform.exchange_day") == [(7,)]
    assert place.ask("select sum(count) from platform.exchange_total") == [(7,)]


def test_settled_messages_are_forgotten_after_thirty_days_and_those_under_way_never(safe: Safe) -> None:
    wire, conv = Wire(Place(safe)), uuid4()
    place, city = wire.place, wire.organisation()
    wire.enqueue(city, conv)
    assert wire.deliver(wire.notification(city, uuid4(), 1, "S-1"))[0] == 200
    assert wire.deliver(wire.notification(city, uuid4(), 2, "S-2"))[1]["Result"] == "held"
    wire.relay().run()
    wire.enqueue(city, conv)
    assert wire.states(city) == ["done", "queued"]
    uploads = Uploads(place.sessions, place.vault, LimitedDay(lambda _tenant, _day: (Amount(1, 1), False)))
    retention = Retention(place.actor, place.sessions, uploads)
    month = SystemClock().now() + timedelta(days=30)
    assert retention.sweep(month - timedelta(hours=1)).messages == 0
    assert retention.sweep(month + timedelta(hours=1)).messages == 2
    assert wire.states(city) == ["queued"]
    assert wire.exchange.situation(city.tenant).counts.held == 1
    assert retention.sweep(month + timedelta(hours=1)).messages == 0
