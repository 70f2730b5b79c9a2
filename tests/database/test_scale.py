"""The full number of tenants: sessions stay bounded, and the assertions still hold."""

from __future__ import annotations

import os

import pytest
from sqlalchemy import text

from chukan.platform.database.check import check_database
from support.database import Database
from support.memory import private_kib

TENANTS = 1_788


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_process_that_has_served_every_tenant_holds_no_more_than_its_bounds(database: Database) -> None:
    tenants = [database.create_tenant().tenant for _ in range(TENANTS)]
    sessions = database.sessions(max_open=64, max_total_mb=160)
    own_before = private_kib(os.getpid())
    for tenant in tenants:
        with sessions.begin(tenant) as connection:
            connection.execute(text("insert into secret_fact (content) values ('x')"))
    statistics = sessions.statistics()
    assert statistics.opened == TENANTS
    assert statistics.open <= 64
    assert statistics.bytes <= 160 << 20
    with database.superuser() as superuser:
        pids = superuser.execute("select pid from pg_stat_activity where usename ~ '^org_'").fetchall()
    assert len(pids) == statistics.open
    assert sum(private_kib(pid) for (pid,) in pids) < 64 * 4 * 1024
    assert private_kib(os.getpid()) - own_before < 64 * 1024
    assert [finding.name for finding in check_database(database.settings) if not finding.holds] == []
