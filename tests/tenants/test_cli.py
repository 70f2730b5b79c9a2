"""`chukan tenants` as an operator types it."""

from __future__ import annotations

import json
from uuid import uuid4

import click
import pytest
from click.testing import CliRunner, Result

from chukan.platform.database.errors import TenantUnknown
from chukan.platform.settings import EmbeddedSettings, Settings, VaultSettings
from chukan.platform.settings.load import LoadedSettings
from chukan.tenants.provisioning.cli import commands
from chukan.tenants.provisioning.desk import provisioner
from chukan.tenants.releases.rendering import head, render
from support.database import SECRETS
from support.vault import Safe

SCRIPT = render(None, head())


@pytest.fixture
def settings(safe: Safe) -> Settings:
    """Settings that reach the test's database as a cluster of the operator's own."""
    database = safe.database.settings
    url = f"postgresql:///{database.name}?host={safe.database.cluster.sockets}"
    own = database.model_copy(update={"url": url, "embedded": EmbeddedSettings()})
    return Settings(database=own, vault=VaultSettings(key_file=safe.key_file))


def _run(settings: Settings, *arguments: str) -> Result:
    return CliRunner().invoke(commands(lambda: SCRIPT), arguments, obj=LoadedSettings(settings))


def test_all_credentials_are_rotated_and_told_in_json(settings: Settings) -> None:
    with provisioner(settings, actor="system:test") as desk:
        made = [str(desk.provision(SCRIPT, tables=[SECRETS]).tenant) for _ in range(3)]
    result = _run(settings, "rotate-credentials", "--all", "--json")
    assert json.loads(result.stdout) == {"rotated": made}


@pytest.mark.usefixtures("english")
def test_people_are_told_how_many(settings: Settings) -> None:
    with provisioner(settings, actor="system:test") as desk:
        made = desk.provision(SCRIPT, tables=[SECRETS]).tenant
    assert "1 credentials were rotated." in _run(settings, "rotate-credentials", str(made)).stdout


def test_neither_a_tenant_nor_all_is_a_mistake(settings: Settings) -> None:
    for arguments in ((), ("--all", str(uuid4()))):
        result = _run(settings, "rotate-credentials", *arguments)
        assert result.exit_code == click.UsageError.exit_code


def test_an_unknown_tenant_is_told(settings: Settings) -> None:
    assert isinstance(_run(settings, "rotate-credentials", str(uuid4())).exception, TenantUnknown)
