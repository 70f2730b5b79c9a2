"""Applying a release: group by group, resumable, with mixed revisions and a failing schema."""

from __future__ import annotations

import subprocess
import sys
import time
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text

from chukan.platform.database.check import check_database
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tenants import Placement
from chukan.tenants.provisioning.scripts import run_message
from chukan.tenants.releases import store
from chukan.tenants.releases.errors import RevisionUnknown
from chukan.tenants.releases.rendering import head, render, revisions
from chukan.tenants.releases.service import Applied, Releaser, Report
from support.database import Database
from support.tenants import provisioned

FIRST = revisions()[0][0]


def _old(database: Database, count: int, group: int | None = None) -> list[Placement]:
    tenants = [provisioned(database, render(None, FIRST)) for _ in range(count)]
    if group is not None:
        with database.superuser() as superuser:
            for tenant in tenants:
                superuser.execute(
                    "insert into platform.organisation (kind, prefecture, name, kana, search_key, release_group, "
                    "tenant, state, state_since) "
                    "values ('wide_area_union', '13', %s, '', '', %s, %s, 'active', now())",
                    (tenant.schema, group, tenant.tenant),
                )
    return tenants


def _releaser(database: Database) -> Releaser:
    return Releaser(database.engine(ProcessKind.PROVISIONER), database.names, actor="system:test", request="test")


def _revisions(database: Database, tenants: list[Placement]) -> list[str]:
    with database.superuser() as superuser:
        rows = superuser.execute("select tenant, revision from platform.tenant_release").fetchall()
    known: dict[UUID, str] = dict(rows)
    return [known[tenant.tenant] for tenant in tenants]


def test_a_release_reaches_one_group_and_leaves_the_other_alone(database: Database) -> None:
    first, second, none = _old(database, 3, group=1), _old(database, 2, group=2), _old(database, 1)
    assert _releaser(database).apply(1) == Report(done=3, already=0, failed=0)
    assert _revisions(database, first) == [head()] * 3
    assert _revisions(database, second + none) == [FIRST] * 3
    assert _releaser(database).apply(2).done == 2
    assert _releaser(database).apply(None).done == 1


def test_a_second_run_finds_nothing_to_do(database: Database) -> None:
    _old(database, 2)
    assert _releaser(database).apply(None).done == 2
    assert _releaser(database).apply(None) == Report(done=0, already=0, failed=0)


def test_tenants_at_both_revisions_are_served_in_the_meantime(database: Database) -> None:
    old, new = _old(database, 1)[0], provisioned(database)
    sessions = database.sessions()
    insert = text("insert into tenant_setting (name, valid_from, value) values ('x', now(), 'y')")
    for tenant in (old, new):
        with sessions.begin(tenant.tenant) as connection:
            connection.execute(insert)
            assert connection.execute(text("select value from tenant_setting")).scalars().all() == ["y"]


def test_a_failing_schema_is_reported_and_does_not_stop_the_others(database: Database) -> None:
    tenants = _old(database, 3)
    with database.superuser() as superuser:
        column = sql.SQL("alter table {} add column reason int").format(
            sql.Identifier(tenants[1].schema, "tenant_setting")
        )
        superuser.execute(column)
    assert _releaser(database).apply(None) == Report(done=2, already=0, failed=1)
    assert _revisions(database, tenants) == [head(), FIRST, head()]
    with database.engine(ProcessKind.PROVISIONER).connect() as connection:
        failed = store.failures(driver(connection))
        standings = store.standings(driver(connection))
    assert [(each.tenant, each.failed_revision) for each in failed] == [(tenants[1].tenant, head())]
    assert "already exists" in failed[0].failure
    assert {(each.revision, each.schemas, each.failed) for each in standings} == {(FIRST, 1, 1), (head(), 2, 0)}


def test_a_mended_schema_is_brought_along_by_the_same_command(database: Database) -> None:
    tenant = _old(database, 1)[0]
    table = sql.Identifier(tenant.schema, "tenant_setting")
    with database.superuser() as superuser:
        superuser.execute(sql.SQL("alter table {} add column reason int").format(table))
        assert _releaser(database).apply(None).failed == 1
        superuser.execute(sql.SQL("alter table {} drop column reason").format(table))
        assert _releaser(database).apply(None).done == 1
        row = superuser.execute("select failure, revision from platform.tenant_release").fetchone()
    assert row == (None, head())


def test_the_release_stands_in_each_tenants_own_trail(database: Database) -> None:
    tenant = _old(database, 1)[0]
    _releaser(database).apply(None)
    with database.superuser() as superuser:
        rows = superuser.execute(
            "select body::jsonb ->> 'action' from platform.audit_entry where chain = %s order by seq", (tenant.tenant,)
        ).fetchall()
    assert [row[0] for row in rows] == ["test:chain:open", "releases:schema:apply"]


def test_two_runs_at_once_bring_each_schema_along_once(database: Database) -> None:
    tenants = _old(database, 6)
    releaser, other = _releaser(database), _releaser(database)
    seen: list[Applied] = []

    def meddle(_applied: Applied) -> None:
        if not seen:
            seen.append(Applied.DONE)
            other.apply(None)

    report = releaser.apply(None, workers=1, progress=meddle)
    assert report.failed == 0
    assert report.done + report.already == 6
    assert report.already > 0
    assert _revisions(database, tenants) == [head()] * 6
    with database.superuser() as superuser:
        events = superuser.execute("select count(*) from platform.tenant_release_event where from_revision is not null")
        assert events.fetchone() == (6,)


def test_an_unknown_revision_changes_nothing(database: Database) -> None:
    tenants = _old(database, 1)
    with pytest.raises(RevisionUnknown):
        _releaser(database).apply(None, to="9999")
    assert _revisions(database, tenants) == [FIRST]


def test_the_isolation_still_holds_after_a_release(database: Database) -> None:
    _old(database, 2)
    _releaser(database).apply(None)
    assert [finding.name for finding in check_database(database.settings) if not finding.holds] == []


PROGRAM = """
import sys, time
from chukan.platform.database.engines import process_engine
from chukan.platform.database.roles import ProcessKind, RoleNames
from chukan.platform.settings import DatabaseSettings
from chukan.tenants.releases.service import Releaser
settings = DatabaseSettings.model_validate_json(sys.argv[1])
releaser = Releaser(process_engine(settings, ProcessKind.PROVISIONER), RoleNames(""), actor="system:test", request="t")
def told(_applied):
    print("one", flush=True)
    time.sleep(0.02)
releaser.apply(None, workers=2, progress=told)
"""


def test_a_killed_release_is_taken_up_where_it_was_left(database: Database) -> None:
    tenants = _old(database, 12)
    command = [sys.executable, "-c", PROGRAM, database.settings.model_dump_json()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        for _ in range(4):
            assert program.stdout.readline() == "one\n"
        program.kill()
    # What was under way at the server when the program died ends there, one way or the other.
    _wait_for_no_provisioner(database)
    left = _revisions(database, tenants).count(FIRST)
    assert 0 < left <= 8
    assert _releaser(database).apply(None) == Report(done=left, already=0, failed=0)
    assert _revisions(database, tenants) == [head()] * 12


def _wait_for_no_provisioner(database: Database) -> None:
    deadline = time.monotonic() + 20  # noqa: TID251 - a test's own patience
    query = "select count(*) from pg_stat_activity where usename = 'chukan_provisioner' and datname = %s"
    with database.superuser() as superuser:
        while superuser.execute(query, (database.settings.name,)).fetchone() != (0,):
            assert time.monotonic() < deadline  # noqa: TID251
            time.sleep(0.05)


def test_the_smoke_tests_of_the_revision_before_pass_on_the_new_schema(database: Database) -> None:
    """What the release before does to a schema goes on working: revisions only expand."""
    tenant = _old(database, 1)[0]
    _releaser(database).apply(None)
    with database.sessions().begin(tenant.tenant) as connection:
        connection.execute(
            text("insert into tenant_setting (name, valid_from, value) values ('hours', now(), 'extended')")
        )
        row = connection.execute(text("select name, value from tenant_setting order by valid_from desc")).first()
    assert row is not None
    assert tuple(row) == ("hours", "extended")
    with database.sessions().connection(tenant.tenant) as connection, pytest.raises(Exception, match="denied"):
        connection.execute(text("delete from tenant_setting"))


def test_psycopg_reports_what_a_broken_message_was(database: Database) -> None:
    with database.login(ProcessKind.PROVISIONER) as connection, pytest.raises(psycopg.errors.SyntaxError):
        run_message(connection, b"select 1; selct 2")
