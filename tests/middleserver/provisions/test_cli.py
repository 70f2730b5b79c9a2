"""The commands and jobs of provisions and of their records, as operators and the night meet them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from chukan.platform.component import Component, Health
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import Settings, VaultSettings
from chukan.platform.settings.load import LoadedSettings
from chukan.tenants.middleserver.duplicate_copies.trail import Caller as CopyCaller
from chukan.tenants.middleserver.operations.excluded_items import ExcludedItems, excluded_on
from chukan.tenants.middleserver.provision_records.component import component as records
from chukan.tenants.middleserver.provision_records.errors import CaseNotOpen
from chukan.tenants.middleserver.provision_records.rules import Result
from chukan.tenants.middleserver.provision_records.work import forget_all
from chukan.tenants.middleserver.provisions.component import component
from chukan.tenants.middleserver.provisions.desk import CataloguesInForce, ProvisionDesk
from chukan.tenants.middleserver.provisions.errors import BarUnknown
from chukan.tenants.middleserver.provisions.rules import State
from chukan.tenants.middleserver.provisions.work import again_due, count_hours, tidy_all
from chukan.tenants.middleserver.security.masters.errors import MastersMissing
from chukan.tenants.middleserver.transmission.desk import TransmissionDesk
from chukan.tenants.middleserver.transmission.errors import NetworkNotSet
from support.copies import INFORMATION, right_row
from support.provisions import Provider, number, scope

pytestmark = pytest.mark.usefixtures("english")
CODE = "112101"


class Operator:
    """The commands over a database with one city that provides."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        safe = provider.wire.place.safe
        self.settings = Settings(
            database=safe.database.settings, vault=VaultSettings(provider="file", key_file=safe.key_file)
        )
        with safe.database.engine(ProcessKind.PROVISIONER).begin() as connection:
            credentials = safe.credentials(safe.vault(ProcessKind.PROVISIONER), ProcessKind.PROVISIONER)
            credentials.store(driver(connection), provider.tenant, safe.database.credentials.password(provider.tenant))
        provider.wire.place.ask(
            "insert into platform.organisation"
            " (code, kind, prefecture, name, kana, search_key, state_since, tenant, state)"
            " values (%s, 'city', '11', '加須市', 'かぞし', 'かぞし', now(), %s, 'active')",
            CODE,
            provider.tenant,
        )

    @property
    def components(self) -> tuple[Component, Component]:
        return component(lambda: self.settings, excluded_on), records(lambda: self.settings)

    @property
    def desk(self) -> ProvisionDesk:
        place = self.provider.wire.place
        exchange = TransmissionDesk(place.actor, self.settings, place.sessions, place.vault)
        return ProvisionDesk(exchange, self.provider.provisions)

    def told(self, name: str, *arguments: str) -> str:
        commands = [each.command for one in self.components for each in one.commands]
        command = next(each for each in commands if each.name == name)
        runner = CliRunner(env={"COLUMNS": "250"})
        result = runner.invoke(command, arguments, obj=LoadedSettings(self.settings), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    def answer(self, name: str, *arguments: str) -> Any:
        return json.loads(self.told(name, *arguments, "--json"))


@pytest.fixture
def operator(provider: Provider) -> Operator:
    provider.wire.place.ask("delete from platform.organisation")
    provider.wire.place.ask("update platform.tenant set state = 'suspended' where id <> %s", provider.tenant)
    provider.link(1, 2)
    provider.register([right_row(1), right_row(2)])
    return Operator(provider)


def test_a_restriction_is_set_shown_and_lifted_and_the_job_answers_what_waited(operator: Operator) -> None:
    provider = operator.provider
    arguments = (CODE, "--information", INFORMATION, "--dataset", "TM00000000000016/0101", "--reason", "誤登録")
    act = operator.answer("provisions", "restrict", *arguments)["restriction"]
    serial, _ = provider.ask(1)
    assert provider.answer()["Result"] == "deferred"
    told = operator.answer("provisions", "status", CODE)
    assert told["provisions"] == {"provided": 0, "deferred": 1, "refused": 0, "cancelled": 0, "expired": 0}
    assert [(each["information"], each["dataset"]) for each in told["restrictions"]] == [
        (INFORMATION, None),
        ("TM00000000000016", "0101"),
    ]
    assert "it waits for a decision" in operator.told("provisions", "status", CODE)
    assert again_due(operator.desk, provider.now) == 0, "nothing is due before it is lifted"
    assert operator.answer("provisions", "lift", CODE, act) == {"lifted": act}
    with pytest.raises(BarUnknown):
        operator.told("provisions", "lift", CODE, act)
    assert again_due(operator.desk, provider.now) == 1
    assert provider.answer()["ProcessingSerial"] == serial
    assert provider.wire.place.ask("select count(*) from platform.due where kind = 'provision-again'") == [(0,)]


def test_without_a_scope_the_whole_organisation_is_restricted(operator: Operator) -> None:
    assert "suspended" in operator.told("provisions", "restrict", CODE, "--reason", "誤登録")
    operator.provider.ask(1)
    assert operator.provider.answer()["Result"] == "deferred"


def test_no_command_names_a_person(operator: Operator) -> None:
    provider = operator.provider
    provider.provisions.bars.restrict(provider.caller, [scope(person=1)], "誤登録", now=provider.now)
    serial, _ = provider.ask(1)
    shown = operator.told("provisions", "status", CODE) + operator.told(
        "provision-records", "find", CODE, "--serial", serial
    )  # fmt: skip
    assert operator.answer("provisions", "status", CODE)["restrictions"][0]["of_one_person"] is True
    assert number(1) not in shown


def test_a_record_is_found_by_its_serial(operator: Operator) -> None:
    serial, _ = operator.provider.ask(1)
    (found,) = operator.answer("provision-records", "find", CODE, "--serial", serial)
    assert (found["side"], found["result"], found["answered_at"]) == (
        "provider", "provided", "2026-07-01T12:00:00+09:00"
    )  # fmt: skip
    assert serial in operator.told("provision-records", "find", CODE, "--serial", serial)
    assert operator.answer("provision-records", "find", CODE, "--reception", "1") == []


def test_a_case_is_shown_and_closed(operator: Operator) -> None:
    serial, _ = operator.provider.ask(1)
    operator.provider.wire.place.ask(
        "insert into platform.reconciliation_case"
        " (tenant, side, inquirer, serial, kind, fields, requested_on, opened_at, seen_at)"
        " values (%s, 'provider', '1', %s, 'differs', '{result}', '2026-07-01', now(), now())",
        operator.provider.tenant,
        serial,
    )
    (case,) = operator.answer("provision-records", "cases")
    assert (case["serial"], case["kind"], case["fields"]) == (serial, "differs", ["result"])
    assert "the records differ" in operator.told("provision-records", "cases")
    (check,) = operator.components[1].checks
    assert check.run(operator.provider.now).health is Health.AMBER
    operator.told("provision-records", "close-case", case["case"], "--reason", "looked into")
    assert operator.answer("provision-records", "cases") == []
    assert operator.answer("provision-records", "cases", "--all")[0]["reason"] == "looked into"
    with pytest.raises(CaseNotOpen):
        operator.told("provision-records", "close-case", case["case"], "--reason", "again")


def test_after_an_error_operators_see_who_was_given_what_but_not_whom_it_was_about(operator: Operator) -> None:
    serials = [operator.provider.ask(person)[0] for person in (1, 1, 2)]
    days = ("--from", "2026-07-01", "--to", "2026-07-01")
    told = operator.answer("provisions", "recipients", CODE, "--information", INFORMATION, *days)
    assert told["persons"] == 2
    assert [(each["serial"], each["given"]) for each in told["provisions"]] == [(one, "0101/4: 1") for one in serials]
    shown = operator.told("provisions", "recipients", CODE, "--information", INFORMATION, *days, "--dataset", "0101")
    assert serials[0] in shown
    assert number(1) not in shown
    other = operator.answer("provisions", "recipients", CODE, "--information", INFORMATION, *days, "--dataset", "0102")
    assert other == {"persons": 0, "provisions": []}


def test_without_a_network_there_is_nothing_to_compare_with(operator: Operator) -> None:
    with pytest.raises(NetworkNotSet):
        operator.told("provision-records", "reconcile", CODE)
    (job, _) = operator.components[1].jobs
    job.run(operator.provider.now)


def test_the_traffic_is_counted_by_hour(operator: Operator) -> None:
    provider = operator.provider
    provider.ask(1)
    provider.ask(1)
    provider.ask(3)
    provider.relay()
    assert count_hours(operator.desk) == 1
    query = "select event, count from platform.exchange_hour where tenant = %s and side = 'provider' order by event"
    assert provider.wire.place.ask(query, provider.tenant) == [("provided", 2), ("refused", 1)]


def test_the_night_tidies_up_and_forgets_after_seven_years(operator: Operator) -> None:
    provider = operator.provider
    serial, _ = provider.ask(1)
    provider.relay()
    assert tidy_all(operator.desk, provider.now + timedelta(days=2)) == 1
    assert provider.count("provision") == 1
    later = provider.now + timedelta(days=366 * 7)
    assert tidy_all(operator.desk, later) == 0
    assert provider.count("provision") == 0
    assert forget_all(operator.desk.exchange, later) == 1
    assert provider.records.find(provider.tenant, serial=serial) == []


def test_what_the_network_never_ended_is_ended_a_week_after_its_term(operator: Operator) -> None:
    provider = operator.provider
    provider.provisions.bar(provider.caller, [scope(person=1)], "protected", now=provider.now)
    serial, _ = provider.ask(1)
    provider.relay()
    ends = provider.stored(serial).valid_until
    tidy_all(operator.desk, ends + timedelta(days=7))
    assert provider.stored(serial).state is State.DEFERRED
    tidy_all(operator.desk, ends + timedelta(days=7, seconds=1))
    assert (provider.stored(serial).state, provider.stored(serial).request) == (State.EXPIRED, None)
    assert (provider.record(serial).result, provider.record(serial).answered_at) == (Result.EXPIRED, ends)
    assert provider.end(serial, "expired", ends)["Reason"] == "closed"


def test_the_jobs_run_as_the_worker_runs_them(operator: Operator) -> None:
    for job in (*operator.components[0].jobs, *operator.components[1].jobs):
        job.run(operator.provider.now)


def test_what_the_organisation_excludes_is_asked_in_the_same_session(operator: Operator) -> None:
    place, tenant = operator.provider.wire.place, operator.provider.tenant
    caller = CopyCaller(tenant, "system:test", "test")
    listed = "SpecificPersonalInformationCode,DataSetIdentificationItemCode,ItemCode,FirstDay\n"
    lists = ExcludedItems(place.sessions)
    lists.load(caller, f"{listed}{INFORMATION},0101,INCOME,2026-07-01\n{INFORMATION},0101,NOTE,2026-07-02\n",
               now=operator.provider.now)  # fmt: skip
    today = operator.provider.now.date()
    with place.sessions.connection(tenant) as connection:
        assert excluded_on(connection, tenant, INFORMATION, today) == {("0101", "INCOME")}
        assert excluded_on(connection, tenant, INFORMATION, today - timedelta(days=1)) == frozenset()
    lists.load(caller, listed, now=operator.provider.now)
    with place.sessions.connection(tenant) as connection:
        assert excluded_on(connection, tenant, INFORMATION, today) == frozenset()


def test_layouts_are_those_of_the_masters_that_the_organisation_has(operator: Operator) -> None:
    place, tenant = operator.provider.wire.place, operator.provider.tenant
    layouts = CataloguesInForce(place.masters)
    with pytest.raises(MastersMissing):
        layouts.layouts(tenant, INFORMATION)
    place.network.publish(1)
    place.distribution.pull(place.network, now=operator.provider.now)
    place.distribution.apply([tenant])
    found = layouts.layouts(tenant, INFORMATION)
    assert {layout.information for layout in found} == {INFORMATION}
    assert layouts.layouts(tenant, "TM00000000099999") == ()
    row = place.masters.catalogue(tenant).permissions[0]
    parties = {"inquirer": "1" * 16, "provider": "2" * 16, "information": row.information}
    assert not layouts.permits(tenant, affair=row.affair, procedure=row.procedure, **parties), "nobody knows them"
