"""What provisions tell their neighbours, over the program's own wiring: who received what, and what is still needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from operator import itemgetter
from typing import Any
from uuid import uuid4

import click
import pytest
from click.testing import CliRunner

from chukan import wiring
from chukan.platform.clock import as_tokyo
from chukan.platform.command_line import system_actor
from chukan.platform.settings.load import LoadedSettings
from chukan.tenants.middleserver.duplicate_copies.errors import DeletionIncomplete, DeletionNotConfirmed
from chukan.tenants.middleserver.duplicate_copies.rules import Target
from chukan.tenants.middleserver.linkage_codes.acquisition import Acquisition
from chukan.tenants.middleserver.linkage_codes.acquisition import Caller as CodeCaller
from chukan.tenants.middleserver.linkage_codes.ports import NotRecordedYet
from chukan.tenants.middleserver.linkage_codes.service import ApprovedAct, LinkageCodes
from chukan.tenants.middleserver.linkage_codes.store import request_of
from chukan.tenants.middleserver.provisions.decisions import Refuse
from chukan.tenants.middleserver.provisions.rules import Reason
from middleserver.provisions.test_cli import CODE, Operator
from support.copies import INFORMATION, layout, right_row
from support.provisions import INQUIRER, Provider, number, scope

pytestmark = pytest.mark.usefixtures("english")
ABOLISHED = ("--information", INFORMATION, "--dataset", "0101")

Run = Callable[..., Any]


@pytest.fixture
def operator(provider: Provider) -> Operator:
    provider.wire.place.ask("delete from platform.organisation")
    provider.register([right_row(1), right_row(2)])
    return Operator(provider)


@pytest.fixture
def run(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command as it is wired and return its answer; its clock is the test's."""
    clock = operator.provider.wire.clock
    monkeypatch.setattr(wiring, "_settings", lambda: operator.settings)
    monkeypatch.setattr("chukan.tenants.middleserver.duplicate_copies.cli.SystemClock", lambda: clock)
    groups = {each.command.name: each.command for one in wiring.components() for each in one.commands}

    def answer(group: str, *arguments: object, typed: str | None = None) -> Any:
        command: click.Command = groups[group]
        words = [*map(str, arguments), *(() if typed is not None else ("--json",))]
        loaded = LoadedSettings(operator.settings)
        result = CliRunner(env={"COLUMNS": "250"}).invoke(
            command, words, obj=loaded, catch_exceptions=False, input=typed
        )
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout) if typed is None else result.stdout

    return answer


def test_the_history_of_a_code_tells_who_received_what_under_the_link_that_was_wrong(
    operator: Operator, run: Run
) -> None:
    provider, place = operator.provider, operator.provider.wire.place
    caller = CodeCaller(provider.tenant, "operator:test", "test")
    acquisition = Acquisition(place.sessions, place.vault)
    institution = provider.organisation.institution
    asked = acquisition.request(caller, institution, [number(1), number(2)], now=provider.now)
    with place.sessions.connection(provider.tenant) as connection:
        requests = {person: request_of(connection, asked.serials[number(person)]) for person in (1, 2)}
    for person, request in requests.items():
        assert request is not None
        provider.link(person, request=request.id)
    provider.ask(1)
    codes = LinkageCodes(place.sessions, place.vault, NotRecordedYet())
    wrong = [codes.history(caller, asked.serials[number(person)]).links[0].link for person in (1, 2)]
    act = ApprovedAct(caller, "the numbers of a couple were swapped", uuid4(), provider.now + timedelta(minutes=1))
    codes.swap(act, *wrong)
    provider.wire.clock.advance(timedelta(minutes=2))
    provider.ask(2)

    told = [run("linkage-codes", "history", CODE, asked.serials[number(person)])["links"] for person in (1, 2)]
    told = [sorted(links, key=itemgetter("linked_at")) for links in told]
    received = [[[each["institution"] for each in link["recipients"]] for link in links] for links in told]
    # Under the code of the second person the first one is answered for since the swap.
    assert received == [[[INQUIRER], [INQUIRER]], [[], []]]
    first = told[0][0]
    assert (first["link"], first["recipients"][0]["information"]) == (str(wrong[0]), INFORMATION)
    assert first["recipients"][0]["at"] < first["ended_at"] <= told[0][1]["recipients"][0]["at"]


def test_an_abolished_dataset_is_deleted_once_the_last_request_for_it_is_no_longer_valid(
    operator: Operator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, day = operator.provider, timedelta(days=1)
    monkeypatch.setattr("chukan.tenants.middleserver.provisions.desk.CataloguesInForce", lambda _m: provider.masters)
    today = as_tokyo(provider.now).date()
    whole = layout()
    provider.masters.known = (
        replace(whole, datasets=tuple(replace(each, abolished_on=today + day) for each in whole.datasets)),
    )
    provider.link(1)
    provider.provisions.bar(provider.caller, [scope(person=1)], "protected", now=provider.now)
    provider.ask(1)

    def look(*further: str) -> dict[str, Any]:
        (line,) = run("duplicate-copies", "bulk-delete", "--all", *ABOLISHED, *further)
        assert isinstance(line, dict)
        return line

    confirmed = ("--confirm", INFORMATION)
    known = {"organisation": CODE, "copies": 2, "removed": 0, "failure": None}
    last = date(2026, 7, 31)
    assert look(*confirmed) == {**known, "linked": True, "waits_until": str(last + day)}
    provider.wire.clock.advance(day)
    waiting = {**known, "linked": False, "waits_until": str(last + day)}
    assert look(*confirmed) == waiting
    provider.wire.clock.advance(last - today - day)
    assert look(*confirmed) == waiting, "on its last day it is still valid"
    assert provider.copies.count("duplicate_copy") == 2
    told = run("duplicate-copies", "bulk-delete", CODE, *ABOLISHED, typed="")
    assert "requests are still valid; from 2026-08-01 on" in told
    provider.wire.clock.advance(day)
    free = {**known, "linked": False, "waits_until": None}
    assert look("--dry-run") == free
    with pytest.raises(DeletionNotConfirmed):
        look("--confirm", CODE)
    assert "2 copies were deleted" in run("duplicate-copies", "bulk-delete", CODE, *ABOLISHED, typed=f"{INFORMATION}\n")
    assert look(*confirmed) == {**free, "copies": 0}, "again it finds nothing, and does nothing"
    trail = provider.wire.place.ask(
        "select body::jsonb -> 'detail' ->> 'step', body::jsonb ->> 'actor' from platform.audit_entry"
        " where body::jsonb ->> 'action' = 'duplicate_copies:copies:delete' order by seq"
    )
    assert trail == [("begin", system_actor()), ("done", system_actor())]


def test_a_request_that_staff_have_decided_on_keeps_nothing(
    operator: Operator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, day = operator.provider, timedelta(days=1)
    monkeypatch.setattr("chukan.tenants.middleserver.provisions.desk.CataloguesInForce", lambda _m: provider.masters)
    provider.link(1)
    provider.provisions.bar(provider.caller, [scope(person=1)], "protected", now=provider.now)
    serial, _ = provider.ask(1)
    abolished = tuple(replace(each, abolished_on=as_tokyo(provider.now).date() + day) for each in layout().datasets)
    provider.masters.known = (replace(layout(), datasets=abolished),)
    provider.wire.clock.advance(day)
    provider.provisions.decide(provider.caller, serial, Refuse(Reason.STAFF_DECISION), now=provider.now)
    (line,) = run("duplicate-copies", "bulk-delete", CODE, *ABOLISHED, "--confirm", INFORMATION)
    assert line["removed"] == 2


def test_what_is_not_linked_yet_is_not_deleted_and_another_layout_s_requests_keep_nothing(provider: Provider) -> None:
    today, tenant = as_tokyo(provider.now).date(), provider.tenant
    coming = layout(5, linked_from=today + timedelta(days=90))
    provider.masters.known = (layout(4), coming)
    needs = provider.provisions
    provider.link(1)
    provider.ask(1)
    assert provider.answer()["Result"] == "deferred", "nothing is registered"
    assert needs.is_linked(tenant, Target(INFORMATION, version=5), today), "it is registered beforehand"
    assert needs.is_linked(tenant, Target(INFORMATION, version=4), today)
    assert not needs.is_linked(tenant, Target(INFORMATION, version=3), today)
    assert needs.days(tenant, Target(INFORMATION, version=4), today) == [today]
    assert needs.days(tenant, Target(INFORMATION, version=3), today) == []


def test_where_the_masters_are_missing_nothing_is_deleted_and_it_is_said(operator: Operator, run: Run) -> None:
    with pytest.raises(DeletionIncomplete):
        run("duplicate-copies", "bulk-delete", "--all", *ABOLISHED, "--confirm", INFORMATION)
    assert operator.provider.copies.count("duplicate_copy") == 2
