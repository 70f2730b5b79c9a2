"""Campaigns: who is ready, who is late, and nights that hold what was booked and no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, NullPool, create_engine

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import TOKYO
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.operations import page_store
from chukan.tenants.middleserver.operations.campaigns import store
from chukan.tenants.middleserver.operations.campaigns.errors import (
    CampaignDelegationRefused,
    CampaignRefused,
    CampaignUnknown,
    SlotRefused,
    SlotUnknown,
)
from chukan.tenants.middleserver.operations.campaigns.escalation import escalation
from chukan.tenants.middleserver.operations.campaigns.rules import (
    Campaign,
    DelegationObjection,
    EscalationStep,
    Lack,
    Number,
    Readiness,
    Scope,
    SlotObjection,
    Standing,
    asked_of,
    delegation_objection,
    is_behind,
    is_done,
    objection,
    readiness,
)
from chukan.tenants.middleserver.operations.campaigns.service import Campaigns, OrganisationProgress, campaign_of
from chukan.tenants.middleserver.operations.data import escalation_steps
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


@pytest.mark.parametrize(
    ("taken_over", "asked"),
    [
        ((), {2: True, 8: True, 44: False}),
        ((44,), {2: True, 8: True, 44: True}),
        ((31, 16), {2: True, 8: True, 44: False, 16: True, 31: True}),
    ],
)
def test_numbers_that_were_taken_over_are_mandatory(taken_over: tuple[int, ...], asked: dict[int, bool]) -> None:
    found = asked_of({each.information: each.mandatory for each in NUMBERS}, taken_over)
    assert found == asked
    assert list(found) == list(asked)


@pytest.mark.parametrize(
    ("information", "from_day", "expected"),
    [
        (44, OPENS - timedelta(days=1), None),
        (44, OPENS, None),
        (16, DUE - timedelta(days=1), None),
        (16, DUE, DelegationObjection.OVER),
        (2, OPENS, DelegationObjection.MANDATORY),
        (2, DUE, DelegationObjection.MANDATORY),
    ],
)
def test_a_delegation_counts_where_it_adds_a_duty_before_the_linkage_starts(
    information: int, from_day: date, expected: DelegationObjection | None
) -> None:
    assert delegation_objection(R16, information, from_day) is expected


STEPS = (EscalationStep(14, Lack.EVERY_NUMBER), EscalationStep(0, Lack.ANY_NUMBER))


@pytest.mark.parametrize(
    ("standings", "behind"),
    [
        # On the days 15, 14, 1 and 0 before the linkage start.
        ([standing(2), standing(8)], (False, True, True, True)),
        ([standing(2, waiting=1), standing(8, refused=1)], (False, True, True, True)),
        ([standing(2), standing(44, mandatory=False, registered=1)], (False, True, True, True)),
        ([standing(2, registered=1), standing(8)], (False, False, False, True)),
        ([standing(2, registered=1, waiting=1), standing(8)], (False, False, False, True)),
        ([standing(2, registered=1), standing(8, registered=1)], (False, False, False, False)),
        ([standing(44, mandatory=False)], (False, False, False, False)),
        ([], (False, False, False, False)),
    ],
)
def test_who_is_behind_follows_from_the_days_that_are_left(standings: list[Standing], behind: tuple[bool, ...]) -> None:
    days = [DUE - timedelta(days=left) for left in (15, 14, 1, 0)]
    assert tuple(is_behind(standings, DUE, day, STEPS) for day in days) == behind
    assert not any(is_behind(standings, DUE, day, ()) for day in days)


def test_the_shipped_steps_hold_from_their_day_on() -> None:
    assert escalation_steps(date(2018, 12, 30)) == ()
    assert escalation_steps(date(2018, 12, 31)) == STEPS


def test_prefectures_are_told_with_their_counts_and_those_where_all_are_ready_are_not() -> None:
    def progress(organisation: str, prefecture: str, *standings: Standing) -> OrganisationProgress:
        return OrganisationProgress(organisation, "市", prefecture, Readiness.NOT_BEGUN, (), standings)

    ready, late = standing(2, registered=1), standing(2)
    organisations = [
        progress("a", "01", late),
        progress("b", "01", ready),
        progress("c", "11", ready),
        progress("d", "13", late),
    ]
    told = escalation(organisations, DUE, DUE, STEPS)
    assert [(each.code, each.name, [one.organisation for one in each.organisations], each.whole) for each in told] == [
        ("01", "北海道", ["a"], 2),
        ("13", "東京都", ["d"], 1),
    ]


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


def test_a_delegated_number_counts_from_its_first_day_and_what_was_sent_before_it_does_not(
    town: Town, campaigns: Campaigns
) -> None:
    campaigns.create(R16)
    place, other = town.place(), town.place()
    organisation = registered(town.safe, place.tenant)
    registered(town.safe, other.tenant)
    first = OPENS + timedelta(days=7)

    def send(information: int, day: date) -> None:
        with town.safe.database.superuser() as superuser:
            superuser.execute(
                "insert into platform.upload_projection (upload, tenant, information, state, size, expected,"
                " registered, deleted, faults, exempt, received_at, measured_at)"
                " values (%s, %s, %s, 'registered', 1, 1, 1, 0, 0, false, %s, now())",
                (uuid4(), place.tenant, information, datetime.combine(day, time(), TOKYO)),
            )

    def told(today: date) -> tuple[Readiness, list[int]]:
        everyone = campaigns.progress("R1.6", today=today)
        done = Counter(one.information for each in everyone for one in each.standings if is_done(one))
        with town.safe.database.engine(ProcessKind.CONSOLE).connect() as connection:
            counted = {each.information: each.done for each in store.number_counts(connection, [R16], today)}
        assert counted == {information: done[information] for information in counted}
        assert set(done) <= set(counted)
        assert {len(each.standings) for each in everyone if each.organisation != organisation} <= {len(NUMBERS)}
        (found,) = (each for each in everyone if each.organisation == organisation)
        return found.readiness, list(found.missing)

    for information in (2, 8, 16, 44):
        send(information, first - timedelta(days=1))
    for information in (16, 44):
        campaigns.delegate("R1.6", organisation, information, from_day=first, today=OPENS)
    assert told(first - timedelta(days=1)) == (Readiness.READY, [])
    assert told(first) == (Readiness.UNDER_WAY, [16, 44])
    assert told(DUE) == (Readiness.OVERDUE, [16, 44])
    send(16, first)
    assert told(first) == (Readiness.UNDER_WAY, [44])
    campaigns.delegate("R1.6", organisation, 44, from_day=first - timedelta(days=1), today=OPENS)
    assert told(first) == (Readiness.READY, [])
    campaigns.withdraw("R1.6", organisation, 16, today=OPENS)
    with pytest.raises(CampaignDelegationRefused):
        campaigns.withdraw("R1.6", organisation, 16, today=OPENS)
    with pytest.raises(CampaignDelegationRefused):
        campaigns.delegate("R1.6", organisation, 16, from_day=DUE, today=OPENS)
    with pytest.raises(CampaignUnknown):
        campaigns.delegate("R9", organisation, 16, from_day=first, today=OPENS)
    assert {"campaigns:campaign:delegate", "campaigns:campaign:withdraw"} <= set(town.safe.actions())
    with town.safe.database.superuser() as superuser:
        superuser.execute("delete from platform.organisation where tenant = any(%s)", ([place.tenant, other.tenant],))


def test_the_day_and_the_campaign_are_found_by_the_index_on_the_time_of_receipt(
    town: Town, campaigns: Campaigns
) -> None:
    campaigns.create(R16)
    place = town.place()
    with town.safe.database.superuser() as superuser:
        # Forty thousand files in 1,000 days that end with the campaign's window.
        superuser.execute(
            "insert into platform.upload_projection (upload, tenant, information, state, size, expected, registered,"
            " deleted, faults, exempt, received_at, finished_at, measured_at) select gen_random_uuid(), %s, 2,"
            " 'registered', 1, 1, 1, 0, 0, false, %s - n * interval '36 minutes', now(), now()"
            " from generate_series(1, 40000) n",
            (place.tenant, datetime.combine(DUE, time(), TOKYO)),
        )
        superuser.execute("analyze platform.upload_projection")
    queries: list[Callable[[Connection], object]] = [
        lambda connection: page_store.uses(connection, DUE - timedelta(days=1)),
        lambda connection: store.progress(connection, R16, DUE),
        lambda connection: store.number_counts(connection, [R16], DUE),
    ]
    superusers = create_engine("postgresql+psycopg://", creator=town.safe.database.superuser, poolclass=NullPool)
    for query in queries:
        with superusers.connect() as connection:
            plans = explained(connection, query)
        assert any("upload_projection_received" in plan for plan in plans), plans


def explained(connection: Connection, query: Callable[[Connection], object]) -> list[str]:
    """Return the plans of what *query* asks, as the server tells them to a superuser."""
    told: list[str] = []
    under = driver(connection)
    for setting in (b"load 'auto_explain'", b"set auto_explain.log_min_duration = 0",
                    b"set auto_explain.log_analyze = on", b"set auto_explain.log_level = 'notice'"):  # fmt: skip
        under.execute(setting)
    under.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
    query(connection)
    return told
