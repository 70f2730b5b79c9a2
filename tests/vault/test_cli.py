"""``chukan vault``, its checks, metrics and job, as an operator and the monitoring meet them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner, Result
from prometheus_client import CollectorRegistry, generate_latest
from psycopg import sql

from chukan.platform.clock import FixedClock
from chukan.platform.command_line import system_actor
from chukan.platform.component import Health
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import PLATFORM, TenantId
from chukan.platform.settings import Settings, VaultSettings
from chukan.platform.settings.load import LoadedSettings
from chukan.platform.vault.checks import check_provider, check_wrapping_key_age
from chukan.platform.vault.collector import VaultCollector
from chukan.platform.vault.component import component
from chukan.platform.vault.desk import opened, settling_time
from chukan.platform.vault.errors import RotationUnfinished, WrappingKeyInUse
from chukan.platform.vault.ports import KeyProvider
from chukan.platform.vault.rules import EncryptedColumn, KeyUse, unpack
from support.vault import NOW, PIN, Safe, Token

COLUMNS = (EncryptedColumn("secret_fact", "sealed"),)


@pytest.fixture
def settings(safe: Safe) -> Settings:
    return Settings(database=safe.database.settings, vault=VaultSettings(key_file=safe.key_file))


def an_hour_later(safe: Safe) -> None:
    """Let the database believe that every key has been in its state for an hour longer."""
    with safe.database.superuser() as superuser:
        superuser.execute("update platform.data_key set changed_at = changed_at - interval '1 hour'")


def run(settings: Settings, *args: str) -> Result:
    """Run ``chukan vault …`` in English; what it raises goes on to the test, as to the program's edge."""
    group = component(lambda: settings, COLUMNS).commands[0].command
    return CliRunner(env={"COLUMNS": "200"}).invoke(group, args, obj=LoadedSettings(settings), catch_exceptions=False)


def answer(settings: Settings, *args: str) -> Any:
    return json.loads(run(settings, *args, "--json").stdout)


def sealed_rows(safe: Safe, tenant: TenantId, schema: str, count: int) -> Sequence[UUID]:
    cipher = safe.vault().column(tenant, "secret_fact", "sealed")
    ids = [uuid4() for _ in range(count)]
    insert = sql.SQL("insert into {} (id, content, sealed) values (%s, '', %s)")
    with safe.database.superuser() as superuser:
        for row in ids:
            superuser.execute(insert.format(sql.Identifier(schema, "secret_fact")), (row, cipher.seal(row, b"one")))
    return ids


def with_rows(safe: Safe) -> tuple[TenantId, str]:
    """Make a tenant as provisioning does, with three sealed rows."""
    placement = safe.tenant()
    with safe.database.engine(ProcessKind.PROVISIONER).begin() as connection:
        credentials = safe.credentials(safe.vault(ProcessKind.PROVISIONER), ProcessKind.PROVISIONER)
        password = safe.database.credentials.password(placement.tenant)
        credentials.store(driver(connection), placement.tenant, password)
    sealed_rows(safe, placement.tenant, placement.schema, 3)
    return placement.tenant, placement.schema


@pytest.mark.usefixtures("english")
def test_an_operator_goes_through_the_life_of_the_keys(safe: Safe, settings: Settings) -> None:
    tenant, schema = with_rows(safe)
    assert answer(settings, "init") == {"made": [f"tenant:{PLATFORM}"]}
    assert "Every key is there already." in run(settings, "init").stdout
    before = answer(settings, "status")
    old = next(key["id"] for key in before["provider_keys"] if key["use"] == "wrapping")
    assert before["data_keys"] == {"active": 4, "retiring": 0, "retired": 0, "destroyed": 0}

    rotated = answer(settings, "rotate-wrapping-key")
    assert rotated["rewrapped"] == 4
    assert rotated["wrapping_key"] != old
    assert answer(settings, "destroy-wrapping-key", old) == {"destroyed": old}
    with pytest.raises(WrappingKeyInUse):
        run(settings, "destroy-wrapping-key", rotated["wrapping_key"])

    begun = answer(settings, "rotate-data-key", str(tenant))[str(tenant)]
    assert (begun["reencrypted"], begun["remaining"], begun["retired"]) == (3, 0, False)
    assert 380 <= begun["settles_in"] <= 390
    an_hour_later(safe)
    resumed = answer(settings, "rotate-data-key", "--resume")
    assert resumed == {str(tenant): {"reencrypted": 0, "remaining": 0, "retired": True, "settles_in": 0}}
    after = answer(settings, "status")
    assert after["data_keys"] == {"active": 4, "retiring": 0, "retired": 1, "destroyed": 0}
    assert after["rotating"] == []
    with safe.database.superuser() as superuser:
        rows = superuser.execute(sql.SQL("select sealed from {}").format(sql.Identifier(schema, "secret_fact")))
        assert [parts.version for (sealed,) in rows if (parts := unpack(sealed))] == [2, 2, 2]

    created = answer(settings, "rotate-signing-key")["created"]
    assert created == safe.provider.current(KeyUse.SIGNING)
    assert len(safe.provider.public_keys()) == 2


@pytest.mark.usefixtures("english")
def test_people_are_told_in_tables_what_machines_are_told_in_json(safe: Safe, settings: Settings) -> None:
    tenant, _schema = with_rows(safe)
    old = safe.provider.current(KeyUse.WRAPPING)
    assert old in run(settings, "status").stdout
    told = run(settings, "rotate-wrapping-key")
    assert "2 data keys are wrapped by the new key wrapping-" in told.stdout
    assert "2/2" in told.stderr
    assert "Re-encrypted" in run(settings, "rotate-data-key", str(tenant)).stdout
    with pytest.raises(RotationUnfinished) as refused:
        run(settings, "rotate-data-key", str(tenant))
    assert str(tenant) in refused.value.hinted()
    assert f"The rotation of the data key of {tenant} is not finished." in run(settings, "status").stdout


def test_a_rotation_of_nothing_is_a_misuse(settings: Settings) -> None:
    assert run(settings, "rotate-data-key").exit_code == 2
    assert run(settings, "rotate-data-key", "not-a-tenant").exit_code == 2


def test_an_act_is_recorded_as_the_system_user_s(safe: Safe, settings: Settings) -> None:
    answer(settings, "init")
    with safe.database.superuser() as superuser:
        actors = superuser.execute("select body::jsonb ->> 'actor' from platform.audit_entry").fetchall()
    assert actors == [(system_actor(),)]
    assert system_actor().startswith("system:")


def test_the_job_finishes_what_a_command_began(safe: Safe, settings: Settings) -> None:
    tenant, schema = with_rows(safe)
    with opened(settings, COLUMNS, actor="system:test") as desk:
        desk.rotation.begin(tenant)
    job = component(lambda: settings, COLUMNS).jobs[0]
    an_hour_later(safe)
    job.run(NOW)
    with opened(settings, COLUMNS, actor="system:test") as desk:
        assert desk.rotation.pending() == []
    with safe.database.superuser() as superuser:
        rows = superuser.execute(sql.SQL("select sealed from {}").format(sql.Identifier(schema, "secret_fact")))
        assert [parts.version for (sealed,) in rows if (parts := unpack(sealed))] == [2, 2, 2]


def test_the_settling_time_covers_memory_and_open_transactions() -> None:
    assert settling_time(Settings()) == timedelta(seconds=300 + 30 + 60)


# -- checks ---------------------------------------------------------------------------------------


def test_a_provider_with_all_its_keys_is_green(provider: KeyProvider) -> None:
    for use in KeyUse:
        provider.create(use, now=NOW)
    assert check_provider(provider).health is Health.GREEN


@pytest.mark.parametrize("absent", list(KeyUse))
def test_a_provider_that_lacks_a_key_is_red(provider: KeyProvider, absent: KeyUse) -> None:
    for use in KeyUse:
        if use is not absent:
            provider.create(use, now=NOW)
    assert check_provider(provider).health is Health.RED


def test_an_hsm_that_is_away_is_red_and_green_again_when_it_is_back(token: Token) -> None:
    provider = token.provider()
    for use in KeyUse:
        provider.create(use, now=NOW)
    provider.close()
    tokens = token.configuration.parent / "tokens"
    away = tokens.rename(tokens.with_name("away"))
    tokens.mkdir()
    assert check_provider(provider).health is Health.RED
    tokens.rmdir()
    away.rename(tokens)
    assert check_provider(provider).health is Health.GREEN
    provider.close()


def test_the_checks_of_the_component_ask_the_provider_of_the_settings(tmp_path: Path, token: Token) -> None:
    settings = Settings(vault=VaultSettings(key_file=tmp_path / "none.json"))
    assert [check.run(NOW).health for check in component(lambda: settings).checks] == [Health.RED, Health.RED]
    assert PIN not in str([check.run(NOW) for check in component(lambda: settings).checks])
    assert token.label


@pytest.mark.parametrize(
    ("days", "health"), [(0, Health.GREEN), (365, Health.GREEN), (366, Health.AMBER), (4000, Health.AMBER)]
)
def test_an_old_wrapping_key_is_amber(provider: KeyProvider, days: int, health: Health) -> None:
    provider.create(KeyUse.WRAPPING, now=NOW)
    found = check_wrapping_key_age(provider, NOW + timedelta(days=days), timedelta(days=365))
    assert found.health is health
    assert str(days) in found.summary


# -- metrics --------------------------------------------------------------------------------------


def test_the_metrics_tell_counts_and_age(safe: Safe) -> None:
    safe.tenant()
    registry = CollectorRegistry()
    worker = safe.database.engine(ProcessKind.WORKER)
    registry.register(VaultCollector(worker, safe.provider, FixedClock(NOW + timedelta(hours=1))))
    exposed = generate_latest(registry).decode()
    assert 'chukan_vault_data_keys{state="active"} 2.0' in exposed
    assert 'chukan_vault_data_keys{state="destroyed"} 0.0' in exposed
    assert "chukan_vault_data_keys_to_rewrap 0.0" in exposed
    assert "chukan_vault_wrapping_key_age_seconds 3600.0" in exposed
    safe.provider.create(KeyUse.WRAPPING, now=datetime(2026, 9, 1, tzinfo=UTC))
    assert "chukan_vault_data_keys_to_rewrap 2.0" in generate_latest(registry).decode()
