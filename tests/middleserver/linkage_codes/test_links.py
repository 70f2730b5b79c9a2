"""Wrong links are put right by two people, once, with their history (A1-019)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from chukan.platform.accounts.errors import RequestOver
from chukan.platform.accounts.four_eyes import Approved
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.rules import Role
from chukan.platform.clock import SystemClock
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import TenantId
from chukan.platform.settings import Settings, VaultSettings
from chukan.tenants.middleserver.linkage_codes.desk import SWAP, kinds
from chukan.tenants.middleserver.linkage_codes.errors import CaseUnknown, LinkUnknown, SameLink
from chukan.tenants.middleserver.linkage_codes.ports import Recipient
from chukan.tenants.middleserver.linkage_codes.rules import RequestState
from chukan.tenants.middleserver.linkage_codes.service import ApprovedAct, LinkageCodes
from middleserver.linkage_codes.conftest import CODES, Town
from support.accounts import Office


def act(town: Town, approval: UUID | None = None) -> ApprovedAct:
    return ApprovedAct(town.caller, "the numbers of a couple were swapped", approval or uuid4(), town.wire.clock.now())


def link(town: Town, serial: str) -> UUID:
    return town.codes.history(town.caller, serial).links[-1].link


def test_a_swap_gives_each_the_code_of_the_other_and_says_who_did_it(town: Town) -> None:
    one, two = town.acquire(1, CODES["A"]), town.acquire(2, CODES["B"])
    wrong = town.codes.swap(act(town), link(town, one), link(town, two))
    assert (town.code(1), town.code(2)) == (CODES["B"], CODES["A"])
    assert (town.person(CODES["A"]), town.person(CODES["B"])) == (2, 1)
    assert [held.recipients for held in wrong] == [None, None], "not recorded yet, which is not the same as nobody"
    last = town.codes.history(town.caller, one).events[-1]
    assert (last.event.value, last.actor) == ("swapped", "operator:test")
    # Swapped once more, everything is as it was, and the history is longer.
    town.codes.swap(act(town), link(town, one), link(town, two))
    assert (town.code(1), town.code(2)) == (CODES["A"], CODES["B"])
    assert len(town.codes.history(town.caller, one).links) == 3


def test_one_approval_is_carried_out_once(town: Town) -> None:
    one, two = town.acquire(1, CODES["A"]), town.acquire(2, CODES["B"])
    links, approval = (link(town, one), link(town, two)), uuid4()
    town.codes.swap(act(town, approval), *links)
    assert town.codes.swap(act(town, approval), *links) == []
    assert town.code(1) == CODES["B"]


def test_a_swap_takes_two_links_that_hold(town: Town) -> None:
    one, two = town.acquire(1, CODES["A"]), town.acquire(2, CODES["B"])
    first, second = link(town, one), link(town, two)
    with pytest.raises(SameLink):
        town.codes.swap(act(town), first, first)
    town.codes.swap(act(town), first, second)
    with pytest.raises(LinkUnknown):
        town.codes.swap(act(town), first, second)
    assert (town.code(1), town.code(2)) == (CODES["B"], CODES["A"])


def test_those_who_received_something_under_a_wrong_link_are_told(town: Town) -> None:
    one, two = town.acquire(1, CODES["A"]), town.acquire(2, CODES["B"])
    asked = []

    class Provisions:
        def received(
            self, _tenant: TenantId, wrong: UUID, since: datetime, until: datetime | None
        ) -> Sequence[Recipient]:
            asked.append((wrong, since, until))
            return [Recipient("0310113112101700", "TM00000000000002", since)]

    codes = LinkageCodes(town.wire.place.sessions, town.wire.place.vault, Provisions())
    links = link(town, one), link(town, two)
    held = codes.swap(act(town), *links)
    assert [each.recipients[0].institution for each in held if each.recipients] == ["0310113112101700"] * 2
    now = town.wire.clock.now()
    assert asked == [(each, now, now) for each in links]


def test_a_code_of_two_is_moved_to_the_person_whose_request_brought_it(town: Town) -> None:
    one = town.acquire(1, CODES["A"])
    two = town.acquire(2, CODES["A"], "already_issued")
    (case,) = town.codes.overview(town.organisation.tenant).cases
    town.codes.relink(act(town), case.id)
    assert town.person(CODES["A"]) == 2
    assert town.state(two) is RequestState.ACQUIRED
    assert town.events(one)[-1] == "unlinked"
    assert town.events(two)[-1] == "relinked"
    assert town.codes.overview(town.organisation.tenant).cases == []
    with pytest.raises(CaseUnknown):
        town.codes.relink(act(town), case.id)


def test_a_case_that_needs_nothing_is_closed_with_a_reason(town: Town) -> None:
    town.acquire(1, CODES["A"])
    town.acquire(1, CODES["B"], again=True)
    (case,) = town.codes.overview(town.organisation.tenant).cases
    with pytest.raises(CaseUnknown):
        town.codes.relink(act(town), case.id)
    town.codes.close_case(town.caller, case.id, reason="the resident asked for it", now=town.wire.clock.now())
    assert town.codes.overview(town.organisation.tenant).cases == []


def test_two_operators_swap_and_the_approval_is_used_up(town: Town, tmp_path: Path) -> None:
    place, tenant = town.wire.place, town.organisation.tenant
    declared = kinds(Permission.ORGANISATION_CHANGE, Permission.TENANT_PURGE_APPROVE)
    office = Office(place.safe, declared, now=SystemClock().now())
    one, two = town.acquire(1, CODES["A"]), town.acquire(2, CODES["B"])
    payload = {"organisation": "112101", "tenant": str(tenant), "first": str(link(town, one)),
               "second": str(link(town, two)), "reason": "a couple"}  # fmt: skip
    asker = office.actor(office.member("asker", Role.OPERATIONS))
    second = office.actor(office.member("second", Role.SECURITY))
    request = office.four_eyes.ask(asker, SWAP, payload, now=office.now, request="test")
    settings = Settings(database=place.database.settings, vault=VaultSettings(key_file=tmp_path / "keys.json"))
    run = declared[0].run
    assert run is not None
    with pytest.raises(RequestOver):
        run(Approved(settings, request, second))
    office.four_eyes.approve(second, request, now=office.now, request="test")
    store_password(town)
    run(Approved(settings, request, second))
    assert (town.code(1), town.code(2)) == (CODES["B"], CODES["A"])
    with pytest.raises(RequestOver):
        run(Approved(settings, request, second))


def store_password(town: Town) -> None:
    """Let the vault know the tenant's password, as provisioning does."""
    place, tenant = town.wire.place, town.organisation.tenant
    vault = place.safe.vault(ProcessKind.PROVISIONER)
    with place.database.engine(ProcessKind.PROVISIONER).begin() as connection:
        credentials = place.safe.credentials(vault, ProcessKind.PROVISIONER)
        credentials.store(driver(connection), tenant, place.database.credentials.password(tenant))
