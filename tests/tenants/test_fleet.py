"""Provisioning many organisations: parallel, idempotent, resumable at any of them."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, date, datetime

import psycopg
import pytest

from chukan.platform.database.check import check_database
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import Settings, VaultSettings
from chukan.tenants.provisioning.desk import provisioner
from chukan.tenants.provisioning.fleet import Report, provision, unprovisioned
from chukan.tenants.registry.errors import OrganisationUnknown
from chukan.tenants.releases.rendering import head, render
from support.database import Database
from support.vault import Safe

SCRIPT = render(None, head())
NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
CODES = [
    "010006",
    "011002",
    "131016",
    "131041",
    "141003",
    "271004",
    "272043",
    "401307",
    "471003",
    "473502",
    "230006",
    "240001",
]


@pytest.fixture
def settings(database: Database, safe: Safe) -> Settings:
    _seed(database)
    return Settings(database=database.settings, vault=VaultSettings(key_file=safe.key_file))


def _seed(database: Database) -> None:
    with database.superuser() as superuser:
        for number, code in enumerate(CODES):
            superuser.execute(
                "insert into platform.organisation (code, kind, prefecture, name, kana, search_key, state_since) "
                "values (%s, 'city', %s, %s, '', '', now())",
                (code, code[:2], f"市{number}"),
            )


def _active(database: Database) -> int:
    with database.superuser() as superuser:
        row = superuser.execute(
            "select count(*) from platform.organisation where state = 'active' and tenant is not null"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_all_that_applied_are_provisioned_and_a_second_run_finds_none(database: Database, settings: Settings) -> None:
    with provisioner(settings, actor="system:test") as desk:
        engine = database.engine(ProcessKind.PROVISIONER)
        waiting = unprovisioned(engine, now=NOW)
        assert sorted(waiting) == sorted(CODES)
        assert provision(desk, waiting, SCRIPT, now=NOW, actor="system:test") == Report(done=len(CODES), already=0)
        assert unprovisioned(engine, now=NOW) == []
        again = provision(desk, CODES, SCRIPT, now=NOW, actor="system:test")
    assert again == Report(done=0, already=len(CODES))
    assert _active(database) == len(CODES)
    assert [finding.name for finding in check_database(database.settings) if not finding.holds] == []


def test_each_has_its_history_and_the_first_entry_of_its_own_trail(database: Database, settings: Settings) -> None:
    with provisioner(settings, actor="system:test") as desk:
        provision(desk, CODES[:1], SCRIPT, now=NOW, actor="system:test")
        organisation = desk.organisation(CODES[0], date(2026, 7, 1))
    with database.superuser() as superuser:
        states = superuser.execute("select to_state from platform.organisation_event order by id").fetchall()
        entries = superuser.execute(
            "select body::jsonb ->> 'action' from platform.audit_entry where chain = %s", (organisation.tenant,)
        ).fetchall()
    assert states == [("provisioning",), ("active",)]
    assert entries == [("tenants:chain:open",)]


def test_two_runs_at_once_make_each_tenant_once(database: Database, settings: Settings) -> None:
    program = _start(settings)
    with provisioner(settings, actor="system:test") as desk:
        report = provision(desk, CODES, SCRIPT, now=NOW, actor="system:test")
    out, errors = program.communicate(timeout=60)
    assert program.returncode == 0, errors
    assert report.done + out.count("DONE") == len(CODES)
    assert _active(database) == len(CODES)
    with database.superuser() as superuser:
        assert superuser.execute("select count(*) from platform.tenant").fetchone() == (len(CODES),)


PROGRAM = """
import os, sys, time
from chukan.platform.settings import Settings
from chukan.platform.clock import SystemClock
from chukan.tenants.provisioning.desk import provisioner
from chukan.tenants.provisioning.fleet import provision
from chukan.tenants.releases.rendering import head, render
settings = Settings.model_validate_json(sys.argv[1])
with provisioner(settings, actor="system:test") as desk:
    # One write for each: two threads tell at once.
    told = lambda one: os.write(1, one.name.encode() + b"\\n")
    provision(desk, sys.argv[2:], render(None, head()), now=SystemClock().now(), actor="system:test", progress=told)
"""


def _start(settings: Settings) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, settings.model_dump_json(), *CODES]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("killed_after", [1, 3, 7])
def test_a_killed_run_leaves_whole_tenants_and_a_rerun_makes_the_rest(
    database: Database, settings: Settings, killed_after: int
) -> None:
    with _start(settings) as program:
        assert program.stdout is not None
        for _ in range(killed_after):
            assert program.stdout.readline() == "DONE\n"
        program.kill()
        program.communicate()
    _wait_for_no_provisioner(database)
    assert killed_after <= _active(database) < len(CODES)
    _assert_nothing_half(database)
    with provisioner(settings, actor="system:test") as desk:
        provision(desk, CODES, SCRIPT, now=NOW, actor="system:test")
    assert _active(database) == len(CODES)
    _assert_nothing_half(database)


def _assert_nothing_half(database: Database) -> None:
    """Every tenant has its role, schema, keys, credential and organisation, and there is none besides."""
    with database.superuser() as superuser:
        row = superuser.execute(
            """
            select count(*), count(o.id), count(c.tenant), count(n.oid), count(r.oid), sum(k.keys)
            from platform.tenant t
            left join platform.organisation o on o.tenant = t.id and o.state = 'active'
            left join platform.tenant_credential c on c.tenant = t.id
            left join pg_namespace n on n.nspname = t.schema
            left join pg_roles r on r.rolname = t.role
            left join lateral (select count(*) as keys from platform.data_key d where d.owner = t.id) k on true
            """
        ).fetchone()
        schemas = superuser.execute("select count(*) from pg_namespace where nspname ~ '^org_'").fetchone()
    assert row is not None
    tenants = row[0]
    assert row[1:] == (tenants, tenants, tenants, tenants, 2 * tenants)
    assert schemas == (tenants,)


def _wait_for_no_provisioner(database: Database) -> None:
    deadline = time.monotonic() + 20  # noqa: TID251 - a test's own patience
    query = "select count(*) from pg_stat_activity where usename = 'chukan_provisioner' and datname = %s"
    with psycopg.connect(database.cluster.superuser_conninfo(), autocommit=True) as superuser:
        while superuser.execute(query, (database.settings.name,)).fetchone() != (0,):
            assert time.monotonic() < deadline  # noqa: TID251
            time.sleep(0.05)


def test_an_unknown_code_is_refused(settings: Settings) -> None:
    with provisioner(settings, actor="system:test") as desk, pytest.raises(OrganisationUnknown):
        provision(desk, ["012025"], SCRIPT, now=NOW, actor="system:test")
