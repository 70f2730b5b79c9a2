"""Campaigns: who is ready, who is late, and nights that hold what was booked and no more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest

from chukan.platform.audit.actor import Actor
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.operations.campaigns.errors import (
    CampaignRefused,
    CampaignUnknown,
    SlotRefused,
    SlotUnknown,
)
from chukan.tenants.middleserver.operations.campaigns.rules import (
    Campaign,
    Number,
    Readiness,
    Scope,
    SlotObjection,
    Standing,
    objection,
    readiness,
)
from chukan.tenants.middleserver.operations.campaigns.service import Campaigns, campaign_of
from support.nights import Town
from support.vault import Safe

OPENS, DUE = date(2019, 5, 27), date(2019, 6, 17)
NUMBERS = (
    Number(2, mandatory=True, scope=Scope.LATEST_ONLY, large=True),
    Number(8, mandatory=True, scope=Scope.FULL_HISTORY, large=False),
    Number(44, mandatory=False, scope=Scope.LATEST_ONLY, large=True),
)
R16 = Campaign("R1.6", "令和元年6月改版", OPENS, DUE, 1_000, NUMBERS)
FILE = """
revision = "R1.6"
title = "令和元年6月改版"
opens_on = 2019-05-27
due_on = 2019-06-17
night_capacity = 1000
number = [
  { information = 2, mandatory = true, scope = "latest_only", large = true },
  { information = 8, mandatory = true, scope = "full_history" },
  { information = 44, mandatory = false, scope = "latest_only", large = true },
]
"""


def standing(
    information: int, *, mandatory: bool = True, registered: int = 0, waiting: int = 0, refused: int = 0
) -> Standing:
    return Standing(information, mandatory, registered, waiting, refused, 0)


@pytest.mark.parametrize(
    ("standings", "before", "after"),
    [
        ([standing(2), standing(8)], Readiness.NOT_BEGUN, Readiness.OVERDUE),
        ([standing(2, registered=1), standing(8)], Readiness.UNDER_WAY, Readiness.OVERDUE),
        ([standing(2, refused=1), standing(8)], Readiness.UNDER_WAY, Readiness.OVERDUE),
        ([standing(2, registered=1, waiting=1), standing(8, registered=1)], Readiness.UNDER_WAY, Readiness.OVERDUE),
        ([standing(2, registered=1), standing(8, registered=2)], Readiness.READY, Readiness.READY),
        ([standing(2, registered=1), standing(44, mandatory=False)], Readiness.READY, Readiness.READY),
    ],
)
def test_an_organisation_is_ready_when_all_mandatory_numbers_are_registered(
    standings: list[Standing], before: Readiness, after: Readiness
) -> None:
    assert readiness(standings, DUE, DUE - timedelta(days=1)) is before
    assert readiness(standings, DUE, DUE) is after


@pytest.mark.parametrize(
    ("information", "night", "records", "expected"),
    [
        (2, OPENS, 400, None),
        (2, OPENS, 401, SlotObjection.FULL),
        (2, DUE - timedelta(days=1), 1, None),
        (2, DUE, 1, SlotObjection.OUTSIDE),
        (2, OPENS - timedelta(days=1), 1, SlotObjection.OUTSIDE),
        (8, OPENS, 1, SlotObjection.NOT_LARGE),
        (21, OPENS, 1, SlotObjection.NOT_IN_CAMPAIGN),
    ],
)
def test_a_slot_is_for_a_large_number_in_a_night_of_the_window_that_has_room(
    information: int, night: date, records: int, expected: SlotObjection | None
) -> None:
    assert objection(R16, information, night, records=records, booked=600, today=OPENS) is expected


def test_a_past_night_is_not_booked() -> None:
    today = OPENS + timedelta(days=1)
    assert objection(R16, 2, OPENS, records=1, booked=0, today=today) is SlotObjection.PAST


def test_a_campaign_is_read_from_its_file_and_wrong_ones_are_refused() -> None:
    assert campaign_of(FILE) == R16
    for wrong in (
        "=",
        FILE.replace("due_on = 2019-06-17", "due_on = 2019-05-27"),
        FILE.replace("information = 8", "information = 2"),
        FILE.replace('"R1.6"', '"R1 6"'),
        FILE.replace("night_capacity = 1000", "night_capacity = 0"),
        FILE.replace("latest_only", "everything"),
    ):
        with pytest.raises(CampaignRefused):
            campaign_of(wrong)


@pytest.fixture
def campaigns(safe: Safe) -> Iterator[Campaigns]:
    yield Campaigns(Actor(safe.database.engine(ProcessKind.CONSOLE), "operator:test", "test"))
    with safe.database.superuser() as superuser:
        superuser.execute("delete from platform.campaign")


def registered(safe: Safe, tenant: TenantId | None = None) -> str:
    """Register an active organisation (with a tenant), and return its id."""
    with safe.database.superuser() as superuser:
        row = superuser.execute(
            "insert into platform.organisation (kind, prefecture, name, kana, search_key, tenant, state, state_since) "
            "values ('wide_area_union', '01', %s, '', '', %s, 'active', now()) returning id",
            (str(uuid4()), tenant),
        ).fetchone()
    assert row is not None
    return str(row[0])


def test_nights_are_booked_up_to_their_capacity_and_given_back(safe: Safe, campaigns: Campaigns) -> None:
    one, two = registered(safe), registered(safe)

    def book(organisation: str, records: int, revision: str = "R1.6") -> UUID:
        return campaigns.book(revision, 2, organisation, night=OPENS, records=records, today=OPENS)

    campaigns.create(R16)
    with pytest.raises(CampaignRefused):
        campaigns.create(replace(R16, title="again"))
    assert campaigns.all() == [R16]
    slot = book(one, 600)
    with pytest.raises(SlotRefused, match="400"):
        book(two, 401)
    with pytest.raises(SlotRefused):
        book(one, 1)
    book(two, 400)
    with pytest.raises(CampaignUnknown):
        book(one, 1, "R9")
    assert [(each.organisation, each.records) for each in campaigns.slots("R1.6")] in (
        [(one, 600), (two, 400)],
        [(two, 400), (one, 600)],
    )
    campaigns.release(slot)
    with pytest.raises(SlotUnknown):
        campaigns.release(slot)
    book(one, 600)
    assert {"campaigns:campaign:create", "campaigns:slot:book", "campaigns:slot:release"} <= set(safe.actions())


def test_progress_follows_from_what_the_night_registered(town: Town, campaigns: Campaigns) -> None:
    campaigns.create(replace(R16, numbers=NUMBERS[:1]))
    done, late = town.place(), town.place()
    from_tenant = {registered(town.safe, place.tenant): place for place in (done, late)}
    town.send_and_register(done)

    def told(today: date) -> dict[bool, tuple[Readiness, list[int], int]]:
        return {
            from_tenant[each.organisation] is done: (each.readiness, list(each.missing), each.standings[0].records)
            for each in campaigns.progress("R1.6", today=today)
            if each.organisation in from_tenant
        }

    assert told(OPENS) == {True: (Readiness.READY, [], 2), False: (Readiness.NOT_BEGUN, [2], 0)}
    assert told(DUE)[False] == (Readiness.OVERDUE, [2], 0)
    with pytest.raises(CampaignUnknown):
        campaigns.progress("R9", today=DUE)
