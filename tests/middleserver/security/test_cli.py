"""``chukan masters`` and ``chukan certificates``, and the checks, as operators meet them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chukan.platform.clock import SystemClock
from chukan.platform.component import Component, Health
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.settings import Settings, VaultSettings
from chukan.platform.settings.load import LoadedSettings
from chukan.tenants.middleserver.security.certificates.errors import OverlapNotOver
from chukan.tenants.middleserver.security.component import component
from chukan.tenants.middleserver.security.desk import Peers
from chukan.tenants.middleserver.security.errors import NotHosted
from chukan.tenants.middleserver.security.masters.errors import PackageConflicting, PackageOriginMixed
from support.security import Place

pytestmark = pytest.mark.usefixtures("english")
CONFIG = Path(__file__).parents[3] / "config"


class Console:
    """The commands over a place whose network is in memory."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.settings = Settings(
            database=place.database.settings,
            vault=VaultSettings(provider="file", key_file=place.safe.key_file),
        )
        place.network.now = SystemClock().now()

    @contextmanager
    def connect(self, _settings: Settings, _sessions: TenantSessions) -> Iterator[Peers]:
        network = self.place.network
        yield Peers(network, network, network, network)

    @property
    def component(self) -> Component:
        return component(lambda: self.settings, self.connect)

    def run(self, group: str, *args: str) -> Result:
        command = next(each.command for each in self.component.commands if each.command.name == group)
        runner = CliRunner(env={"COLUMNS": "250"})
        return runner.invoke(command, args, obj=LoadedSettings(self.settings), catch_exceptions=False)

    def told(self, group: str, *args: str) -> str:
        result = self.run(group, *args)
        assert result.exit_code == 0, result.output
        return result.stdout

    def answer(self, group: str, *args: str) -> Any:
        return json.loads(self.told(group, *args, "--json"))

    def health(self, name: str) -> Health:
        check = next(each for each in self.component.checks if each.name == name)
        return check.run(SystemClock().now()).health


@pytest.fixture
def console(place: Place) -> Console:
    return Console(place)


@pytest.fixture
def tenant(place: Place) -> TenantId:
    """Kazo city, hosted, under a log-in that the vault keeps."""
    tenant = place.tenant()
    with place.database.engine(ProcessKind.PROVISIONER).begin() as connection:
        vault = place.safe.vault(ProcessKind.PROVISIONER)
        place.safe.credentials(vault, ProcessKind.PROVISIONER).store(
            driver(connection), tenant, place.database.credentials.password(tenant)
        )
    place.ask(
        "insert into platform.organisation (code, kind, prefecture, name, kana, search_key, state_since, tenant, state)"
        " values ('112101', 'city', '11', '加須市', 'かぞし', 'かぞし', now(), %s, 'active')",
        tenant,
    )
    return tenant


def test_masters_are_fetched_listed_applied_and_counted(console: Console, tenant: TenantId) -> None:
    console.place.network.publish(1, 2)
    assert [head["sequence"] for head in console.answer("masters", "fetch")["taken"]] == [1, 2]
    assert "There is nothing new." in console.told("masters", "fetch")
    assert [head["origin"] for head in console.answer("masters", "list")] == ["network", "network"]
    assert console.health("masters-unapplied") is Health.RED
    assert console.answer("masters", "apply", "112101", "--to", "1") == {
        "applied": 1,
        "organisations": 1,
        "already": 0,
    }
    assert "take the package with original use" in console.told("masters", "status")
    assert "1 packages were applied to 1 organisations. 0 had them already." in console.told(
        "masters", "apply", "--all"
    )
    assert console.answer("masters", "status")["standings"] == [{"sequence": 2, "organisations": 1}]
    assert console.health("masters-unapplied") is Health.GREEN
    assert console.place.masters.catalogue(tenant).head.sequence == 2


def test_a_standard_is_loaded_from_its_folder(console: Console) -> None:
    taken = console.answer("masters", "load", str(CONFIG / "masters"), "--to", "3")["taken"]
    assert [head["sequence"] for head in taken] == [1, 2, 3]
    assert "9 packages were taken in, up to 12." in console.told("masters", "load", str(CONFIG / "masters"))
    console.place.network.publish(1)
    with pytest.raises(PackageOriginMixed):
        console.run("masters", "fetch")
    assert "with original use" in console.told("masters", "list")


def test_a_signed_package_is_loaded_from_a_file_and_a_refusal_is_shown(console: Console, tmp_path: Path) -> None:
    console.place.network.publish(1, 2, 1)
    for place, (_catalogue, token) in enumerate(console.place.network.published):
        (tmp_path / f"{place}.jws").write_bytes(token + b"\n")
    assert (
        console.answer("masters", "load", str(tmp_path / "0.jws"), str(tmp_path / "1.jws"))["taken"][1]["sequence"] == 2
    )
    with pytest.raises(PackageConflicting):
        console.run("masters", "load", str(tmp_path / "2.jws"))
    assert "masters.package_conflicting" in console.told("masters", "status")


def test_apply_wants_names_or_everybody(console: Console) -> None:
    assert console.run("masters", "apply").exit_code == 2
    assert console.run("masters", "apply", "112101", "--all").exit_code == 2


@pytest.mark.usefixtures("tenant")
def test_a_certificate_is_requested_activated_and_replaced(console: Console) -> None:
    console.place.network.publish(1)
    console.told("masters", "fetch")
    console.told("masters", "apply", "--all")
    kids = []
    for _ in range(2):
        kid = console.answer("certificates", "request", "112101", "--use", "sign")["kid"]
        assert f"The certificate {kid} is in force." in console.told("certificates", "activate", "112101", kid)
        kids.append(kid)
    with pytest.raises(OverlapNotOver):
        console.run("certificates", "retire", "112101", kids[0])
    listed = console.answer("certificates", "list", "112101")
    assert [(key["kid"], key["state"]) for key in listed] == [(kids[0], "retiring"), (kids[1], "active")]
    table = console.told("certificates", "list", "112101")
    assert "being replaced" in table
    assert "BEGIN" not in table
    assert console.health("message-certificates-expiring") is Health.GREEN
    assert "is revoked" in console.told("certificates", "revoke", "112101", kids[1], "--reason", "key_lost")
    assert console.place.network.revoked == [(kids[1], "key_lost")]


def test_an_organisation_without_a_tenant_has_no_certificates(console: Console) -> None:
    console.place.ask(
        "insert into platform.organisation (code, kind, prefecture, name, kana, search_key, state_since)"
        " values ('131130', 'special_ward', '13', '渋谷区', 'しぶやく', 'しぶやく', now())"
    )
    with pytest.raises(NotHosted):
        console.run("certificates", "list", "131130")
