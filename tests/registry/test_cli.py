"""``chukan organisations`` and what the registry offers to monitoring and jobs, as operators meet them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chukan.platform.audit.actor import Actor
from chukan.platform.component import Health
from chukan.platform.settings import Settings
from chukan.platform.settings.load import LoadedSettings
from chukan.tenants.registry.component import component
from chukan.tenants.registry.delegations.errors import DelegationUnclear
from chukan.tenants.registry.errors import FileRefused
from chukan.tenants.registry.service import Registry
from chukan.tenants.registry.successions import merge
from chukan.tenants.registry.values import State
from registry.given import NOW, entries
from support.database import Database

pytestmark = pytest.mark.usefixtures("english")


@pytest.fixture
def settings(database: Database) -> Settings:
    return Settings(database=database.settings)


def run(settings: Settings, *args: str) -> Result:
    """Run ``chukan organisations …``; what it raises goes on to the test, as to the program's edge."""
    group = component(lambda: settings).commands[0].command
    return CliRunner(env={"COLUMNS": "250"}).invoke(group, args, obj=LoadedSettings(settings), catch_exceptions=False)


def told(settings: Settings, *args: str) -> str:
    result = run(settings, *args)
    assert result.exit_code == 0, result.output
    return result.stdout


def answer(settings: Settings, *args: str) -> Any:
    return json.loads(told(settings, *args, "--json"))


def test_the_shipped_organisations_are_imported_and_found(settings: Settings, database: Database) -> None:
    assert answer(settings, "import") == {"created": 1788, "changed": [], "unchanged": 0}
    assert "0 organisations registered, 0 changed, 1788 as they were." in told(settings, "import")
    found = answer(settings, "list", "池田町")
    assert [(each["code"], each["prefecture_name"]) for each in found] == [
        ("016446", "北海道"),
        ("183822", "福井県"),
        ("204811", "長野県"),
        ("214043", "岐阜県"),
    ]
    table = told(settings, "list", "いけだちょう", "--kind", "town", "--prefecture", "18")
    assert "183822" in table
    assert "福井県" in table
    assert "1 organisations." in table
    assert {entry["actor"].partition(":")[0] for entry in entries(database)} == {"system"}


@pytest.mark.usefixtures("few")
def test_an_organisation_is_shown_with_all_that_is_known_of_it(settings: Settings, tmp_path: Path) -> None:
    answer(settings, "set", "011002", "--group", "2", "--migrates-on", "2021-03-01")
    answer(
        settings,
        *("set", "011002", "--hosting", "platform"),
        *("--address-class", "not_unified", "--address-system", "link_server"),
    )
    file = tmp_path / "population.csv"
    file.write_bytes('団体コード,人口\r\n011002,"1,975,065"\r\n134023,0\r\n'.encode("cp932"))
    imported = answer(settings, "population", str(file), "--as-of", "2020-10-01", "--source", "census")
    assert (imported["recorded"], imported["bad"], [row["line"] for row in imported["warnings"]]) == (2, [], [3])
    union = answer(
        settings,
        *("add-union", "架空広域連合", "--kana", "かくう", "--kind", "wide_area_union", "--prefecture", "1"),
        *("--member", "011002", "--member", "012025", "--since", "2026-04-01", "--invented"),
    )
    answer(settings, "adopt", "011002", "IF_SKI_10734_S01", "--on", "2026-04-01")
    shown = answer(settings, "show", "01100", "--at", "2026-07-01")
    assert (shown["name"], shown["release_group"], shown["generation"]) == ("札幌市", 2, "next")
    assert (shown["address_class"], shown["address_system"]) == ("not_unified", "link_server")
    assert (shown["population"], shown["population_as_of"], shown["population_source"]) == (
        1975065,
        "2020-10-01",
        "census",
    )
    assert [each["id"] for each in shown["unions"]] == [union["id"]]
    assert shown["interfaces"] == ["IF_SKI_10734_S01"]
    assert shown["departments"] == ["executive", "board_of_education"]
    assert [each["to"] for each in shown["history"]] == ["applied"]
    assert shown["history"][0]["at"] == "2026-07-01T12:00:00+09:00"
    assert answer(settings, "show", "011002", "--at", "2021-02-28")["generation"] == "current"
    people_see = told(settings, "show", "011002")
    for words in (
        "札幌市（北海道 011002）",
        "  ! manager of the contact section: nobody holds it",
        "1,975,065",
        "架空広域連合",
    ):
        assert words in people_see
    assert "for demonstrations" in told(settings, "show", union["id"])


@pytest.mark.usefixtures("few")
def test_a_file_with_bad_lines_is_taken_on_request_alone(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "population.csv"
    file.write_text("code,population\n011002,5\n011003,6\n012025,\n", "utf-8")
    command = ("population", str(file), "--as-of", "2026-01-01", "--source", "register")
    with pytest.raises(FileRefused) as refused:
        run(settings, *command)
    assert "line 3: 011003: its check digit would be 2" in refused.value.told()
    output = told(settings, *command, "--partial")
    for words in ("1 populations recorded", "Lines that were left out", "Lines to look at", "011003", "012025"):
        assert words in output
    assert answer(settings, "show", "011002", "--at", "2026-07-01")["population"] == 5


@pytest.mark.usefixtures("few")
def test_mergers_and_divisions_are_told(settings: Settings) -> None:
    done = answer(settings, "merge", "012025", "016446", "--into", "011002", "--on", "2026-07-01")
    assert [each["code"] for each in done["predecessors"]] == ["012025", "016446"]
    assert [each["code"] for each in done["successors"]] == ["011002"]
    assert done["closed"] == ["012025", "016446"]
    shown = answer(settings, "show", "012025")
    assert [(each["code"], each["kind"]) for each in shown["successors"]] == [("011002", "merger")]
    output = told(settings, "split", "011002", "--into", "141003", "--on", "2026-08-01", "--stays")
    assert "横浜市（神奈川県 141003） follows 札幌市（北海道 011002） from 2026-08-01 on." in output
    assert "predecessor" in told(settings, "show", "011002")


@pytest.mark.usefixtures("few")
def test_members_of_a_union_change(settings: Settings) -> None:
    members = ("--member", "011002", "--member", "012025", "--since", "2026-04-01")
    union = ("add-union", "架空組合", "--kana", "くみあい", "--kind", "partial_affairs_association")
    assert "is registered; its id is" in told(settings, *union, "--prefecture", "01", *members, "--code", "01880")
    code = answer(settings, "list", "架空組合")[0]["code"]
    output = told(settings, "members", code, "--join", "016446", "--leave", "012025", "--on", "2026-07-01")
    assert "change on 2026-07-01" in output
    shown = answer(settings, "show", code, "--at", "2026-07-01")
    assert [each["code"] for each in shown["members"]] == ["011002", "016446"]
    assert run(settings, "members", code, "--on", "2026-07-01").exit_code == 2


@pytest.mark.usefixtures("few")
def test_people_are_appointed_and_handed_over(settings: Settings) -> None:
    def contact(name: str) -> str:
        reach = ("--email", "someone@city.example.jp", "--telephone", "011-000-0000")
        return str(answer(settings, "contact", "add", "011002", "--name", name, *reach)["id"])

    old, new = contact("架空 花子"), contact("架空 太郎")
    role = answer(settings, "appoint", old, "system_admin", "--since", "2026-04-01")
    opened = answer(settings, "handover", "open", role["id"], "--on", "2026-07-01", "--leaves")
    assert [task["task"] for task in opened["tasks"]] == ["system_admin_account"]
    assert opened["accounts_due_on"] == "2026-07-08"
    assert opened["warnings"] == [{"role": "system_admin", "department": "executive", "gap": "missing"}]
    assert answer(settings, "handover", "cancel", opened["id"])["state"] == "cancelled"

    output = told(settings, "handover", "open", role["id"], "--on", "2026-07-01", "--successor", new, "--leaves")
    assert "close the accounts by 2026-07-08" in output
    assert "Careful" not in output
    (change,) = answer(settings, "handover", "list", "--organisation", "011002")
    assert "unfinished" in told(settings, "handover", "list")
    assert "unfinished" in told(settings, "handover", "done", change["id"], "system_admin_account")
    assert answer(settings, "handover", "close-accounts", change["id"])["state"] == "completed"
    assert answer(settings, "handover", "list") == []
    assert len(answer(settings, "handover", "list", "--all")) == 2
    shown = answer(settings, "show", "011002", "--at", "2026-07-01")
    assert [(each["contact"], each["until"]) for each in shown["roles"]] == [(old, "2026-07-01"), (new, None)]
    assert "架空 花子" in told(settings, "show", "011002")


@pytest.mark.usefixtures("few")
def test_both_ends_of_a_delegation_are_declared_and_compared(settings: Settings) -> None:
    affair = "JM01000000121000"
    ends = ("delegation", "declare", "011002", "011002", "--delegate-department", "board_of_education")
    first = answer(settings, *ends, "--by", "delegator", "--since", "2026-04-01")
    assert (first["extent"], first["affairs"]) == ("full", [])
    assert "registered" in told(settings, *ends, "--by", "delegate", "--affair", affair, "--since", "2026-04-01")
    (found,) = answer(settings, "delegation", "check", "--at", "2026-07-01")
    assert (found["finding"], found["affairs"]) == ("extent_differs", [affair])
    output = told(settings, "delegation", "check", "--at", "2026-07-01")
    assert "one end says all affairs, the other one some" in output
    assert "札幌市（北海道 011002） board of education" in output
    assert "board of education" in told(settings, "delegation", "who", "011002", affair, "--at", "2026-07-01")
    with pytest.raises(DelegationUnclear):
        run(settings, "delegation", "who", "011002", "JM01000000122000", "--at", "2026-07-01")
    assert answer(settings, "delegation", "end", first["id"], "--until", "2026-08-01")["until"] == "2026-08-01"
    assert len(answer(settings, "delegation", "list", "--organisation", "011002")) == 2
    assert "2026-08-01" in told(settings, "delegation", "list")


@pytest.mark.usefixtures("few")
def test_an_interface_is_adopted_and_dropped(settings: Settings) -> None:
    assert "IF_SKI_10734_S01" in told(settings, "adopt", "011002", "IF_SKI_10734_Ｓ01", "--on", "2026-04-01")
    dropped = answer(settings, "adopt", "011002", "IF_SKI_10734_S01", "--on", "2026-07-01", "--no-longer")
    assert dropped["interfaces"] == []


@pytest.mark.parametrize(
    "args",
    [
        ("list", "--kind", "republic"),
        ("list", "--at", "yesterday"),
        ("show",),
        ("set", "011002"),
        ("set", "011002", "--address-class", "all_unified"),
        ("set", "--group", "1"),
        ("set", "011002", "--group", "3"),
        ("population", "/nonexistent.csv", "--as-of", "2026-01-01", "--source", "register"),
        ("population", __file__, "--as-of", "2026-02-30", "--source", "register"),
        ("population", __file__, "--as-of", "2026-01-01", "--source", " "),
        ("appoint", "nobody", "system_admin"),
        ("handover", "done", "00000000-0000-0000-0000-000000000000", "dance"),
    ],
)
def test_a_command_that_is_called_wrongly_says_so(settings: Settings, args: tuple[str, ...]) -> None:
    assert run(settings, *args).exit_code == 2


@pytest.mark.usefixtures("few")
def test_monitoring_asks_for_accounts_of_people_who_left(settings: Settings) -> None:
    (check,) = component(lambda: settings).checks
    assert check.run(datetime(2026, 7, 1, tzinfo=UTC)).health is Health.GREEN
    reach = ("--email", "someone@city.example.jp", "--telephone", "011-000-0000")
    person = answer(settings, "contact", "add", "011002", "--name", "架空 花子", *reach)["id"]
    role = answer(settings, "appoint", person, "business_operator", "--since", "2026-04-01")["id"]
    answer(settings, "handover", "open", role, "--on", "2026-07-01", "--leaves")
    result = check.run(datetime(2026, 7, 9, tzinfo=UTC))
    assert (result.health, result.summary) == (Health.AMBER, "1 accounts of people who left are still open.")


def test_the_job_moves_what_is_dissolved(settings: Settings, few: Registry, actor: Actor) -> None:
    merge(actor, ["012025"], "011002", on=date(2026, 10, 1), now=NOW)
    (job,) = component(lambda: settings).jobs
    job.run(datetime(2026, 9, 30, 14, 59, tzinfo=UTC))
    assert few.get("012025", date(2026, 10, 1)).state is State.APPLIED
    job.run(datetime(2026, 9, 30, 15, 0, tzinfo=UTC))
    assert few.get("012025", date(2026, 10, 1)).state is State.CLOSED
