"""The attack cases, run through the product's own sessions, and the proof that they can succeed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chukan.platform.database import attack_runner, tenant_sessions
from chukan.platform.database.attack_carry_over import CARRY_OVER
from chukan.platform.database.attack_rules import DESIGN_RULES
from chukan.platform.database.attack_runner import Outcome, run_attacks
from chukan.platform.database.attack_words import Attack, Expected
from chukan.platform.database.attacks import ATTEMPTS
from chukan.platform.database.tenants import Placement
from support.database import Database


def test_every_attempt_ends_as_the_study_says(database: Database) -> None:
    outcomes = list(run_attacks(database.settings))
    assert [(outcome.number, outcome.found) for outcome in outcomes if not outcome.as_expected] == []
    assert len(outcomes) == len(ATTEMPTS) + len(CARRY_OVER) + len(DESIGN_RULES) + 6  # log-ins as three others, twice


def test_only_the_documented_residuals_reach_anything(database: Database) -> None:
    reached = {outcome.number for outcome in run_attacks(database.settings) if outcome.reached}
    assert reached == {"28", "41", "42", "74", "75", "76"}


def test_the_cases_leave_no_trace(database: Database) -> None:
    with database.superuser() as superuser:
        before = _inventory(superuser)
        list(run_attacks(database.settings))
        assert _inventory(superuser) == before


def test_a_run_that_is_given_up_leaves_no_trace_either(database: Database) -> None:
    with database.superuser() as superuser:
        before = _inventory(superuser)
        run = run_attacks(database.settings)
        next(run)
        run.close()  # type: ignore[attr-defined]  # it is a generator
        assert _inventory(superuser) == before


def _inventory(superuser: psycopg.Connection) -> tuple[Any, ...]:
    return (
        superuser.execute("select nspname from pg_namespace order by 1").fetchall(),
        superuser.execute("select rolname from pg_roles order by 1").fetchall(),
        superuser.execute("select count(*) from platform.tenant").fetchone(),
    )


# Each of these takes one defence away and sees the attempts that it holds off succeed: without
# them nobody could tell a defended attempt from one that cannot work.
LOOSENINGS = {
    "grant temporary on database {database} to {tenant_common}": "58 59 62 96 97",
    "grant usage on language plpgsql to public": "57",
    "grant select on pg_class to public": "23",
    "grant select on pg_namespace to public": "14",
    "grant select on pg_roles to public": "20",
    "grant select on pg_proc to public": "19",
    "grant execute on function pg_advisory_lock(bigint) to public": "38",
    "grant execute on function to_regnamespace(text) to public": "29",
    "grant execute on function pg_current_wal_lsn() to public": "87",
    "grant execute on function pg_relation_size(regclass), pg_relation_size(regclass, text) to public": "25",
    "grant execute on function pg_logical_emit_message(boolean, text, text, boolean) to public": "81",
    "grant execute on function pg_notify(text, text) to public": "43",
    "grant usage on schema platform to {tenant_common}; grant select on platform.tenant to {tenant_common}": "70a 70b",
    "create function platform_api.careless() returns int language sql security definer return 1": "60",
    """
    create function platform_api.careless(t text) returns void language plpgsql security definer
    set search_path = pg_catalog, pg_temp as 'begin execute t; end'
    """: "61",
    "create policy careless on platform.tenant using (role = current_setting('app.tenant'))": "67a",
    "grant create on database {database} to {tenant_common}": "52 56",
    "grant usage, create on schema public to public": "53",
}


@pytest.mark.parametrize("loosening", LOOSENINGS, ids=LOOSENINGS.values())
def test_an_attempt_succeeds_once_its_defence_is_taken_away(database: Database, loosening: str) -> None:
    places = {
        "database": sql.Identifier(database.settings.name),
        "tenant_common": sql.Identifier(database.names.tenant_common),
    }
    with database.superuser() as superuser:
        superuser.execute(sql.SQL(loosening).format(**places))
    failing = {outcome.number for outcome in run_attacks(database.settings) if not outcome.as_expected}
    assert set(LOOSENINGS[loosening].split()) <= failing


def test_a_tenant_that_was_made_member_of_another_reaches_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _careless_grant(database, monkeypatch, "grant {victim} to {attacker} with set true, inherit false"):
        reached = {outcome.number for outcome in run_attacks(database.settings) if outcome.reached}
    assert {"3", "4"} <= reached
    with _careless_grant(database, monkeypatch, "grant {victim} to {attacker} with set false, inherit true"):
        reached = {outcome.number for outcome in run_attacks(database.settings) if outcome.reached}
    assert {"1", "2", "8", "13", "30"} <= reached


@contextmanager
def _careless_grant(database: Database, monkeypatch: pytest.MonkeyPatch, grant: str) -> Iterator[None]:
    planted: list[Placement] = []
    plant: Callable[..., None] = attack_runner._plant

    def plant_and_grant(sessions: Any, tenant: Placement, content: str) -> None:
        plant(sessions, tenant, content)
        planted.append(tenant)
        if len(planted) == 2:
            attacker, victim = (sql.Identifier(placement.role) for placement in planted)
            with database.superuser() as superuser:
                superuser.execute(sql.SQL(grant).format(attacker=attacker, victim=victim))

    with monkeypatch.context() as patched:
        patched.setattr(attack_runner, "_plant", plant_and_grant)
        yield


def test_what_a_session_leaves_behind_is_found_when_the_pool_only_rolls_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_sessions, "reset", lambda connection: connection.rollback())
    reached = {outcome.number for outcome in run_attacks(database.settings) if outcome.reached}
    assert {"90", "92", "93", "94", "95", "98", "99", "101", "102"} <= reached


def test_row_security_is_what_hides_the_shared_rows(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    without = tuple(
        statement for statement in attack_runner._SHARED if "row level security" not in statement.as_string(None)
    )
    monkeypatch.setattr(attack_runner, "_SHARED", without)
    reached = {outcome.number for outcome in run_attacks(database.settings) if outcome.reached}
    assert {"63", "64", "67"} <= reached


def test_an_attempt_that_fails_for_another_reason_is_not_taken_for_a_defence(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Attack("x", "a misspelt attempt", (sql.SQL("selct 1"),), "none", states=frozenset({"42501"}))
    monkeypatch.setattr(attack_runner, "ATTEMPTS", (broken,))
    outcome = next(run_attacks(database.settings))
    assert outcome.misfired
    assert not outcome.as_expected


def test_a_residual_that_no_longer_reaches_is_reported_too() -> None:
    outcome = Outcome("x", "x", Expected.RESIDUAL, reached=False, found="42501", defence="x")
    assert not outcome.as_expected


def test_the_servers_log_holds_no_value_of_a_failed_statement(database: Database) -> None:
    tenant = database.create_tenant()
    sessions = database.sessions()
    with sessions.connection(tenant.tenant) as connection, pytest.raises(DBAPIError):
        connection.execute(text("insert into secret_fact (id, content) values (:id, :content)"),
                           {"id": "not a uuid 8f2c7d", "content": "personal 8f2c7d"})  # fmt: skip
    with sessions.connection(tenant.tenant) as connection, pytest.raises(DBAPIError):
        connection.execute(text("select 'literal 8f2c7d' from nowhere"))
    log = database.cluster.log.read_text(encoding="utf-8")
    assert "nowhere" in log  # the failure itself is there
    assert "personal 8f2c7d" not in log
    assert "literal 8f2c7d" not in log
