"""The commands of nights, excluded items, settings and campaigns, and the job and the check, as operators meet them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chukan.platform.clock import SystemClock
from chukan.platform.component import Component, Health
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import DatabaseSettings, Settings, VaultSettings
from chukan.platform.settings.load import LoadedSettings
from chukan.tenants.limits.exemptions.component import component as exemptions
from chukan.tenants.middleserver.operations.campaigns.errors import CampaignRefused
from chukan.tenants.middleserver.operations.component import component
from chukan.tenants.middleserver.operations.excluded_items import COLUMNS
from support.copies import Organisation, organisation
from support.database import fresh_database
from support.vault import Safe, file_safe

pytestmark = pytest.mark.usefixtures("english")
CODE = "112101"
CAMPAIGN = """
revision = "R9"
title = "a revision"
opens_on = 2026-01-01
due_on = 2099-06-17
night_capacity = 1000
number = [{ information = 2, mandatory = true, scope = "latest_only", large = true }]
"""


class Console:
    """The commands over a database with one city, whose log-in the vault keeps."""

    def __init__(self, place: Organisation) -> None:
        safe = place.safe
        self.place = place
        self.settings = Settings(
            database=safe.database.settings, vault=VaultSettings(provider="file", key_file=safe.key_file)
        )

    @property
    def component(self) -> Component:
        return component(lambda: self.settings)

    def run(self, name: str, *args: str) -> Result:
        offered = (*self.component.commands, *exemptions(()).commands)
        command = next(each.command for each in offered if each.command.name == name)
        runner = CliRunner(env={"COLUMNS": "250"})
        return runner.invoke(command, args, obj=LoadedSettings(self.settings), catch_exceptions=False)

    def told(self, name: str, *args: str) -> str:
        result = self.run(name, *args)
        assert result.exit_code == 0, result.output
        return result.stdout

    def answer(self, name: str, *args: str) -> Any:
        return json.loads(self.told(name, *args, "--json"))


@pytest.fixture(scope="module")
def console(
    cluster: tuple[EmbeddedCluster, DatabaseSettings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Console]:
    with fresh_database(*cluster) as database:
        safe: Safe = file_safe(database, tmp_path_factory.mktemp("keys"))
        place = organisation(database, safe)
        with database.engine(ProcessKind.PROVISIONER).begin() as connection:
            credentials = safe.credentials(safe.vault(ProcessKind.PROVISIONER), ProcessKind.PROVISIONER)
            credentials.store(driver(connection), place.tenant, database.credentials.password(place.tenant))
        with database.superuser() as superuser:
            superuser.execute(
                "insert into platform.organisation "
                "(code, kind, prefecture, name, kana, search_key, state_since, tenant, state) "
                "values (%s, 'city', '11', '加須市', 'かぞし', 'かぞし', now(), %s, 'active')",
                (CODE, place.tenant),
            )
        yield Console(place)
        place.sessions.close()


def test_a_list_of_excluded_items_is_loaded_and_shown(console: Console, tmp_path: Path) -> None:
    file = tmp_path / "items.csv"
    file.write_text(",".join(COLUMNS) + "\nTM00000000000002,0101,INCOME,2019-06-17\n", "utf-8")
    assert console.answer("excluded-items", "load", CODE, str(file))["number"] == 1
    told = console.answer("excluded-items", "list", CODE)
    assert [item["ItemCode"] for item in told["items"]] == ["INCOME"]
    assert "INCOME" in console.told("excluded-items", "list", CODE)


def test_a_setting_is_changed_and_shown(console: Console) -> None:
    name = "operations.error_report_days"
    assert console.answer("tenant-settings", "show", CODE) == {name: None}
    assert console.answer("tenant-settings", "set", CODE, name, "120", "--reason", "an audit") == {name: 120}
    assert console.answer("tenant-settings", "show", CODE) == {name: 120}
    assert "120" in console.told("tenant-settings", "show", CODE)


def test_a_campaign_is_made_booked_and_followed(console: Console, tmp_path: Path) -> None:
    file = tmp_path / "campaign.toml"
    file.write_text(CAMPAIGN, "utf-8")
    assert console.answer("campaigns", "create", str(file)) == {"revision": "R9"}
    with pytest.raises(CampaignRefused):
        console.run("campaigns", "create", str(file))
    assert [each["revision"] for each in console.answer("campaigns", "list")] == ["R9"]
    assert "a revision" in console.told("campaigns", "list")
    night = ("--night", "2099-06-01", "--records", "10")
    slot = console.answer("campaigns", "book", "R9", "2", CODE, *night)["slot"]
    assert [each["slot"] for each in console.answer("campaigns", "slots", "R9")] == [slot]
    assert slot in console.told("campaigns", "slots", "R9")
    assert console.answer("campaigns", "release", slot) == {"released": slot}
    assert "is booked" in console.told("campaigns", "book", "R9", "2", CODE, *night)
    progress = console.answer("campaigns", "progress", "R9")
    assert [(each["organisation"], each["readiness"], each["missing"]) for each in progress] == [
        (CODE, "not_begun", [2])
    ]
    assert console.answer("campaigns", "progress", "R9", "--overdue") == []
    assert "nothing registered" in console.told("campaigns", "progress", "R9")


def test_a_delegated_number_is_entered_and_who_is_behind_is_told(console: Console, tmp_path: Path) -> None:
    file = tmp_path / "campaign.toml"
    file.write_text(CAMPAIGN.replace("R9", "R10"), "utf-8")
    console.told("campaigns", "create", str(file))
    entered = console.answer("campaigns", "delegate", "R10", CODE, "16", "--from", "2099-06-16")
    assert entered == {"information": 16, "from": "2099-06-16"}
    assert "counts from 2099-06-16" in console.told("campaigns", "delegate", "R10", CODE, "16", "--from", "2099-06-16")
    assert console.answer("campaigns", "escalation", "R10") == []
    assert console.answer("campaigns", "escalation", "R10", "--on", "2099-06-02") == []
    for day, missing in (("2099-06-03", [2]), ("2099-06-16", [2, 16])):
        assert console.answer("campaigns", "escalation", "R10", "--on", day) == [
            {
                "prefecture": "11",
                "name": "埼玉県",
                "behind": 1,
                "active": 1,
                "organisations": [{"organisation": CODE, "name": "加須市", "missing": missing}],
            }
        ]
    told = console.told("campaigns", "escalation", "R10", "--on", "2099-06-16")
    assert "11 埼玉県" in told
    assert "#2, #16" in told
    assert console.answer("campaigns", "withdraw", "R10", CODE, "16") == {"withdrawn": 16}
    console.told("campaigns", "delegate", "R10", CODE, "16", "--from", "2099-06-16")
    assert "does not count" in console.told("campaigns", "withdraw", "R10", CODE, "16")


def test_without_uploads_the_night_has_nothing_to_do(console: Console) -> None:
    assert console.answer("night-batch", "run") == {"run": None}
    assert "nothing to do" in console.told("night-batch", "run")
    assert console.answer("night-batch", "status") == {"night": None, "parts": []}
    assert "no night" in console.told("night-batch", "status")


def test_jobs_and_check_work_on_an_empty_platform(console: Console) -> None:
    now = SystemClock().now()
    for job in console.component.jobs:
        job.run(now)
    (check,) = console.component.checks
    assert check.run(now).health is Health.GREEN


def test_without_exemptions_none_are_listed(console: Console) -> None:
    assert console.answer("exemptions") == []
    assert "Exemptions" in console.told("exemptions")
